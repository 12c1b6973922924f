use opsrun_core::{Cx, Effect, Error, ErrorKind, Primitive, Result, Span, Value};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::client::Client;
use crate::rds::{self, Thing};

/// Waits until a database or a snapshot is in a state.
///
/// A database is `NAME` or `db/NAME`, a snapshot `snapshot/NAME`. The state is `available` if left out; `deleted` waits until there is
/// no such thing any more. A state that does not end by itself and is not the wanted one is an error at once.
///
/// ```rhai
/// rds::wait("workflow-prod");
/// rds::wait("snapshot/before-1-4-0", "available", #{ within: 30.m });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Wait {
    /// The instance, or the snapshot.
    #[arg(positional)]
    of: Thing,
    /// The state, as AWS calls it; `available` if left out.
    #[arg(positional)]
    status: Option<String>,
    /// How long to wait (1 hour).
    within: Option<Span>,
    /// Its region; the target's if left out.
    region: Option<String>,
}

/// States that somebody may wait for.
const STATES: &[&str] = &[
    "available",
    "backing-up",
    "creating",
    "deleted",
    "deleting",
    "failed",
    "modifying",
    "rebooting",
    "renaming",
    "stopped",
    "storage-full",
    "storage-optimization",
    "upgrading",
];

impl Primitive for Wait {
    const PATH: &'static str = "rds::wait";
    const EFFECT: Effect = Effect::Read;
    type Out = Value;

    async fn run(self, cx: &Cx) -> Result<Value> {
        let wanted = self.status.as_deref().unwrap_or("available");
        if !STATES.contains(&wanted) {
            let known = STATES.join("`, `");
            return Err(Error::invalid(format!(
                "`rds::wait`: argument `status`: nothing of RDS is ever `{wanted}`"
            ))
            .hint(format!("there are `{known}`")));
        }
        let client = Client::new(cx, self.region.as_deref())?;
        let within = self.within.unwrap_or(rds::WITHIN);
        match (&self.of, wanted) {
            (Thing::Instance(name), "available") => {
                told(&rds::ready_instance(&client, name.as_str(), within).await?)
            }
            (Thing::Instance(name), "deleted") => {
                rds::gone_instance(&client, name.as_str(), within).await.map(|()| Value::Null)
            }
            (Thing::Instance(name), wanted) => {
                let is_so = |found: Option<&rds::Database>| found.is_none_or(|found| found.status == wanted);
                let found = rds::while_waiting(&client, name.as_str(), within, is_so).await?;
                let gone = || Error::not_found(format!("there is no database {name} that could be {wanted}"));
                told(&found.ok_or_else(gone)?)
            }
            (Thing::Snapshot(name), "available") => told(&rds::ready_snapshot(&client, name, within).await?),
            (Thing::Snapshot(name), wanted) => {
                let found = rds::settled_snapshot(&client, name, within).await?;
                match (&found, wanted) {
                    (None, "deleted") => Ok(Value::Null),
                    (Some(found), wanted) if found.status == wanted => told(found),
                    (found, wanted) => {
                        let state = found.as_ref().map_or("gone", |found| found.status.as_str());
                        let message =
                            format!("the snapshot {name} is {state}, and does not become {wanted} by itself");
                        Err(Error::new(ErrorKind::Conflict, message))
                    }
                }
            }
        }
    }
}

fn told(found: &impl serde::Serialize) -> Result<Value> {
    serde_json::to_value(found).map_err(|error| Error::failed(format!("it cannot be told: {error}")))
}
