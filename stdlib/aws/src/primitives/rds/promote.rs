use opsrun_core::{Cx, Effect, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::client::{Client, unless_outdated};
use crate::rds::{self, InstanceName, Made};

/// Makes a read replica a database of its own, and waits until it is available.
///
/// What its source had written and what had not arrived yet is not in it. A database that follows nobody is left as it is. There is
/// no way back: a database cannot be made a replica, only a new replica can be made of one.
///
/// ```rhai
/// rds::promote("workflow-replica", #{ region: "us-east-1", backup_retention: 7 });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Promote {
    /// The replica's name.
    #[arg(positional)]
    replica: InstanceName,
    /// For how many days it can be restored to any moment from then on (1).
    backup_retention: Option<u32>,
    /// How long to wait until it is available (1 hour); `0.s` does not wait.
    wait: Option<Span>,
    /// Its region; the target's if left out.
    region: Option<String>,
}

impl Primitive for Promote {
    const PATH: &'static str = "rds::promote";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo =
        Undo::Never("a promoted replica cannot follow its source again: a new replica has to be made");
    type Out = Made;

    async fn run(self, cx: &Cx) -> Result<Made> {
        match unless_outdated(cx, rds::OUTDATED, self.once(cx).await).await? {
            Some(done) => Ok(done),
            None => self.once(cx).await,
        }
    }
}

impl Promote {
    async fn once(&self, cx: &Cx) -> Result<Made> {
        let client = Client::new(cx, self.region.as_deref())?;
        let within = self.wait.unwrap_or(rds::WITHIN);
        let name = self.replica.as_str();
        let found = rds::needed_instance(&client, name).await?;
        let promotes = found.replica_of.is_some();
        if promotes {
            if !found.is_settled() && !within.duration().is_zero() {
                rds::ready_instance(&client, name, within).await?;
            }
            let days = self.backup_retention.and_then(|days| i32::try_from(days).ok());
            let asked = client.rds().promote_read_replica().db_instance_identifier(name);
            let asked = asked.set_backup_retention_period(days).send();
            client.call("rds:PromoteReadReplica", &format!("promoting the replica {name}"), asked).await?;
            if !within.duration().is_zero() {
                // It is a replica for a while yet.
                rds::while_waiting(&client, name, within, |found| {
                    found.is_none_or(|found| found.replica_of.is_none() && found.is_settled())
                })
                .await?;
            }
        } else if cx.broken_off().is_none() {
            cx.info(format!("{name} follows no other database: it is not promoted"));
        }
        rds::finished(&client, name, !promotes, within).await
    }
}
