use std::collections::BTreeMap;

use opsrun_core::{Cx, Effect, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use super::delete;
use crate::client::Client;
use crate::rds::{self, InstanceName, Made, Shape, SnapshotRef};

/// Makes a database of a snapshot.
///
/// The snapshot is waited for if it is just being made. What is left out of class and network is as it is with the snapshot's own
/// database, if there still is one. The database bears a tag that says of what it was made; if there is one of this name made of this
/// snapshot already, nothing is done, and another one is an error. Undo deletes it.
///
/// ```rhai
/// let made = rds::restore("before-1-4-0", "workflow-restored", #{ class: "db.r6g.large", wait: 1.h });
/// log(`reached at ${made.database.address}`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Restore {
    /// The snapshot's name; its ARN if another account shares it.
    #[arg(positional)]
    snapshot: SnapshotRef,
    /// How the new database is called.
    #[arg(positional)]
    instance: InstanceName,
    /// Its class, such as `db.r6g.large`.
    class: Option<String>,
    /// With a standby in another zone.
    multi_az: Option<bool>,
    /// Its zone, if it has no standby.
    zone: Option<String>,
    /// For how many days it can be restored to any moment.
    backup_retention: Option<u32>,
    /// Its network.
    subnet_group: Option<String>,
    /// Who may reach it.
    security_groups: Option<Vec<String>>,
    /// How its engine is set.
    parameter_group: Option<String>,
    /// It cannot be deleted before this is taken away.
    deletion_protection: Option<bool>,
    /// Tags of the database.
    #[serde(default)]
    tags: BTreeMap<String, String>,
    /// How long to wait until it is available (1 hour); `0.s` does not wait.
    wait: Option<Span>,
    /// The region of both; the target's if left out.
    region: Option<String>,
}

pub(super) const PATH: &str = "rds::restore";

impl Primitive for Restore {
    const PATH: &'static str = PATH;
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(delete::PATH);
    type Out = Made;

    async fn run(self, cx: &Cx) -> Result<Made> {
        let client = Client::new(cx, self.region.as_deref())?;
        let within = self.wait.unwrap_or(rds::WITHIN);
        let name = self.instance.as_str();
        let made_from = format!("snapshot:{}", self.snapshot);
        let mut was_there = rds::is_made(&client, name, &made_from, within).await?;
        if !was_there {
            let patience = if within.duration().is_zero() { rds::WITHIN } else { within };
            let snapshot = rds::ready_snapshot(&client, &self.snapshot, patience).await?;
            let original = rds::instance(&client, &snapshot.instance).await?;
            let shape = Shape {
                class: self.class,
                multi_az: self.multi_az,
                zone: self.zone,
                subnet_group: self.subnet_group,
                security_groups: self.security_groups,
                parameter_group: self.parameter_group,
                deletion_protection: self.deletion_protection,
                tags: self.tags,
            };
            let shape = shape.like(original.as_ref()).made_from(&client, &made_from);
            let _ = cx.undo(rds::unmake(&client, name, &made_from, self.deletion_protection)).await?;
            let asked = client.rds().restore_db_instance_from_db_snapshot();
            let asked = asked.db_instance_identifier(name).db_snapshot_identifier(self.snapshot.as_str());
            let asked = asked
                .set_backup_retention_period(self.backup_retention.and_then(|days| i32::try_from(days).ok()));
            let tried = format!("restoring {name} from the snapshot {}", self.snapshot);
            let sent = async {
                let asked = rds::shaped!(asked, shape).send();
                client.call("rds:RestoreDBInstanceFromDBSnapshot", &tried, asked).await.map(drop)
            };
            was_there = rds::make(&client, (name, &made_from), within, sent).await?;
        }
        rds::finished(&client, name, was_there, within).await
    }
}
