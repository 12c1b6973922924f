use opsrun_core::{Cx, Effect, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::client::Client;
use crate::route53::{Record, Zone};

/// Lists the records of a hosted zone.
///
/// ```rhai
/// for record in route53::records("example.com", #{ name: "www.example.com" }) {
///     log(`${record.name} ${record.type} leads to ${record.values}`);
/// }
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Records {
    /// The zone's domain, or its id.
    #[arg(positional)]
    zone: String,
    /// Only those of this name.
    name: Option<String>,
    /// Only those of this type: `A`, `CNAME`, …
    r#type: Option<String>,
}

impl Primitive for Records {
    const PATH: &'static str = "route53::records";
    const EFFECT: Effect = Effect::Read;
    type Out = Vec<Record>;

    async fn run(self, cx: &Cx) -> Result<Vec<Record>> {
        let client = Client::new(cx, None)?;
        let zone = Zone::find(&client, &self.zone).await?;
        let mut records = zone.records(self.name.as_deref()).await?;
        if let Some(kind) = &self.r#type {
            records.retain(|record| record.r#type.eq_ignore_ascii_case(kind));
        }
        Ok(records)
    }
}
