use opsrun_core::{Cx, Effect, Error, ErrorKind, Primitive, Result, Span, Value};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::elasticache::{self, Thing};

/// Waits until a cache or a snapshot is available, or gone.
///
/// A cache is `NAME` or `cache/NAME`, a snapshot `snapshot/NAME`. A state that does not end by itself and is not the wanted one is an
/// error at once.
///
/// ```rhai
/// elasticache::wait("workflow-cache");
/// elasticache::wait("snapshot/before-1-4-0", "available", #{ within: 30.m });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Wait {
    /// The replication group, or the snapshot.
    #[arg(positional)]
    of: Thing,
    /// `available` if left out, or `deleted`: there is no such thing any more.
    #[arg(positional)]
    status: Option<Status>,
    /// How long to wait (1 hour).
    within: Option<Span>,
    /// Its region; the target's if left out.
    region: Option<String>,
}

/// States that somebody may wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Status {
    /// It can be worked with.
    Available,
    /// There is none.
    Deleted,
}

impl Primitive for Wait {
    const PATH: &'static str = "elasticache::wait";
    const EFFECT: Effect = Effect::Read;
    type Out = Value;

    async fn run(self, cx: &Cx) -> Result<Value> {
        let client = Client::new(cx, self.region.as_deref())?;
        let within = self.within.unwrap_or(elasticache::WITHIN);
        match (&self.of, self.status.unwrap_or(Status::Available)) {
            (Thing::Cache(name), Status::Available) => {
                told(&elasticache::ready_cache(&client, name.as_str(), within).await?)
            }
            (Thing::Cache(name), Status::Deleted) => {
                elasticache::gone_cache(&client, name.as_str(), within).await.map(|()| Value::Null)
            }
            (Thing::Snapshot(name), Status::Available) => {
                told(&elasticache::ready_snapshot(&client, name.as_str(), within).await?)
            }
            (Thing::Snapshot(name), Status::Deleted) => {
                match elasticache::settled_snapshot(&client, name.as_str(), within).await? {
                    None => Ok(Value::Null),
                    Some(found) => {
                        let message =
                            format!("the snapshot {name} is {}, and does not go by itself", found.status);
                        Err(Error::new(ErrorKind::Conflict, message))
                    }
                }
            }
        }
    }
}

fn told(found: &impl Serialize) -> Result<Value> {
    serde_json::to_value(found).map_err(|error| Error::failed(format!("it cannot be told: {error}")))
}
