use std::collections::BTreeMap;

use opsrun_core::{Cx, Effect, Error, Inverse, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::client::Client;
use crate::route53::{Record, Zone};

/// Sets the weights of the sets of one name, all at once; gives those of before.
///
/// A set that is not named keeps its weight. Undo sets the weights that were there.
///
/// ```rhai
/// route53::weights("example.com", "www.example.com", #{ "us-west-2": 0, "eu-west-1": 100 }, #{ wait: 3.m });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Weights {
    /// The zone's domain, or its id.
    #[arg(positional)]
    zone: String,
    /// The name whose sets have weights.
    #[arg(positional)]
    name: String,
    /// From 0 to 255 each, by the sets' ids.
    #[arg(positional)]
    weights: BTreeMap<String, u8>,
    /// The type of the sets; needed if there are several: `A`, `CNAME`, …
    r#type: Option<String>,
    /// Wait so long until all of AWS's servers have them.
    wait: Option<Span>,
}

impl Primitive for Weights {
    const PATH: &'static str = "route53::weights";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By("route53::weights");
    type Out = BTreeMap<String, u8>;

    async fn run(self, cx: &Cx) -> Result<BTreeMap<String, u8>> {
        let client = Client::new(cx, None)?;
        let zone = Zone::find(&client, &self.zone).await?;
        let sets = self.weighted(zone.records(Some(&self.name)).await?)?;
        let weight = |set: &Record| Some((set.id.clone()?, set.weight?));
        let before: BTreeMap<String, u8> = sets.iter().filter_map(weight).collect();
        if let Some(unknown) = self.weights.keys().find(|id| !before.contains_key(*id)) {
            let known: Vec<&str> = before.keys().map(String::as_str).collect();
            return Err(Error::not_found(format!("{} has no set `{unknown}` with a weight", self.name))
                .hint(format!("it has `{}`", known.join("`, `"))));
        }
        let changed = |set: Record| {
            let wanted = *self.weights.get(set.id.as_ref()?)?;
            (set.weight != Some(wanted)).then_some(Record { weight: Some(wanted), ..set })
        };
        let changed: Vec<Record> = sets.into_iter().filter_map(changed).collect();
        if changed.is_empty() {
            // A run that broke off has written down what they were.
            let earlier = cx.broken_off().filter(|earlier| earlier.wrote);
            let recorded = earlier.and_then(|earlier| match earlier.inverses.first()? {
                Inverse::Call { args, .. } => Deserialize::deserialize(args.get("weights")?).ok(),
                Inverse::None { .. } => None,
            });
            let recorded: BTreeMap<String, u8> = recorded.unwrap_or_default();
            return Ok(before.into_iter().chain(recorded).collect());
        }
        let former: BTreeMap<&String, &u8> =
            before.iter().filter(|(id, _)| self.weights.contains_key(*id)).collect();
        let inverse = json!({
            "zone": self.zone,
            "name": self.name,
            "weights": former,
            "type": self.r#type,
            "wait": self.wait,
        });
        let _ = cx.undo(Inverse::call(Self::PATH, inverse)).await?;
        let change = zone.put(&changed).await?;
        if let Some(within) = self.wait {
            zone.in_sync(&change, within).await?;
        }
        Ok(before)
    }
}

impl Weights {
    fn weighted(&self, sets: Vec<Record>) -> Result<Vec<Record>> {
        let of_type =
            |set: &Record| self.r#type.as_ref().is_none_or(|kind| set.r#type.eq_ignore_ascii_case(kind));
        let sets: Vec<Record> = sets.into_iter().filter(|set| set.weight.is_some() && of_type(set)).collect();
        let mut types: Vec<&str> = sets.iter().map(|set| set.r#type.as_str()).collect();
        types.sort_unstable();
        types.dedup();
        match types.as_slice() {
            [] => Err(Error::not_found(format!("{} has no sets with weights", self.name))
                .hint("give each set an `id` and a `weight`, with `route53::set`")),
            [_] => Ok(sets),
            types => Err(Error::invalid(format!("{} has weights for {}", self.name, types.join(" and ")))
                .hint(format!("say which is meant: `type: \"{}\"`", types.first().unwrap_or(&"A")))),
        }
    }
}
