use opsrun_core::{Cx, Effect, Inverse, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::client::{Client, unless_outdated};
use crate::route53::Zone;

pub(super) const PATH: &str = "route53::delete";

/// Takes a set of records away; `false` if there is none.
///
/// ```rhai
/// route53::delete("example.com", "old.example.com", "CNAME");
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Delete {
    /// The zone's domain, or its id.
    #[arg(positional)]
    zone: String,
    /// The set's name: `old.example.com`.
    #[arg(positional)]
    name: String,
    /// Its type: `A`, `CNAME`, …
    #[arg(positional)]
    r#type: String,
    /// What tells it apart from others of its name.
    id: Option<String>,
    /// Wait so long until all of AWS's servers know.
    wait: Option<Span>,
}

impl Primitive for Delete {
    const PATH: &'static str = PATH;
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By("route53::set");
    type Out = bool;

    async fn run(self, cx: &Cx) -> Result<bool> {
        match unless_outdated(cx, &["InvalidChangeBatch"], self.once(cx).await).await? {
            Some(done) => Ok(done),
            None => self.once(cx).await,
        }
    }
}

impl Delete {
    async fn once(&self, cx: &Cx) -> Result<bool> {
        let client = Client::new(cx, None)?;
        let zone = Zone::find(&client, &self.zone).await?;
        let Some(before) = zone.record(&self.name, &self.r#type, self.id.as_deref()).await? else {
            return Ok(cx.broken_off().is_some_and(|before| before.wrote));
        };
        let inverse = json!({ "zone": self.zone, "record": before, "wait": self.wait });
        let _ = cx.undo(Inverse::call("route53::set", inverse)).await?;
        let change = zone.delete(&before).await?;
        if let Some(within) = self.wait {
            zone.in_sync(&change, within).await?;
        }
        Ok(true)
    }
}
