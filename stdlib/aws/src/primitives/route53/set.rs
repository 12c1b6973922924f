use opsrun_core::{BrokenOff, Cx, Effect, Inverse, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::client::Client;
use crate::route53::{Record, Zone};

/// Puts a set of records in the place of what is there.
///
/// Undo puts back the former one, or takes the new one away.
///
/// ```rhai
/// let www = #{ name: "www.example.com", type: "CNAME", ttl: 60, values: ["eu.example.com"] };
/// route53::set("example.com", www, #{ wait: 3.m });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Set {
    /// The zone's domain, or its id.
    #[arg(positional)]
    zone: String,
    /// The set: `name`, `type`, `ttl`, `values` or `alias`, and where it has them `id`, `weight`, `failover`, `health_check`.
    #[arg(positional)]
    record: Record,
    /// Wait so long until all of AWS's servers have it.
    wait: Option<Span>,
}

/// What became of a set.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Put {
    /// What was there; `()` if nothing was.
    before: Option<Record>,
    changed: bool,
}

impl Primitive for Set {
    const PATH: &'static str = "route53::set";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By("route53::set");
    type Out = Put;

    async fn run(self, cx: &Cx) -> Result<Put> {
        let client = Client::new(cx, None)?;
        let zone = Zone::find(&client, &self.zone).await?;
        let Record { name, r#type: kind, id, .. } = &self.record;
        let before = zone.record(name, kind, id.as_deref()).await?;
        if before.as_ref().is_some_and(|before| before.is_like(&self.record)) {
            return Ok(match cx.broken_off().filter(|earlier| earlier.wrote) {
                Some(earlier) => Put { before: recorded(earlier), changed: true },
                None => Put { before, changed: false },
            });
        }
        let inverse = match &before {
            Some(before) => {
                Inverse::call(Self::PATH, json!({ "zone": self.zone, "record": before, "wait": self.wait }))
            }
            None => Inverse::call(
                super::delete::PATH,
                json!({ "zone": self.zone, "name": name, "type": kind, "id": id, "wait": self.wait }),
            ),
        };
        let _ = cx.undo(inverse).await?;
        let change = zone.put(std::slice::from_ref(&self.record)).await?;
        if let Some(within) = self.wait {
            zone.in_sync(&change, within).await?;
        }
        Ok(Put { before, changed: true })
    }
}

/// What was there before a call that broke off: it had written that down.
fn recorded(earlier: &BrokenOff) -> Option<Record> {
    let Some(Inverse::Call { args, .. }) = earlier.inverses.first() else { return None };
    Record::deserialize(args.get("record")?).ok()
}
