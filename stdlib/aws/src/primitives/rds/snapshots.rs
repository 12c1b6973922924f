use opsrun_core::{Cx, Effect, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::rds::{self, InstanceName, SnapshotOfDatabase};

/// Lists the snapshots of a database, the newest first.
///
/// Without an instance it lists those of all of them, also of instances that are deleted.
///
/// ```rhai
/// let newest = rds::snapshots("workflow-prod")[0];
/// log(`${newest.name} is ${newest.age} old`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Snapshots {
    /// The instance's name.
    #[arg(positional)]
    instance: Option<InstanceName>,
    /// Only those of this kind.
    kind: Option<Kind>,
    /// Their region; the target's if left out.
    region: Option<String>,
}

/// Who made a snapshot.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// Somebody of the account.
    Manual,
    /// AWS, every day.
    Automated,
    /// Another account, which shares it.
    Shared,
}

impl Primitive for Snapshots {
    const PATH: &'static str = "rds::snapshots";
    const EFFECT: Effect = Effect::Read;
    type Out = Vec<SnapshotOfDatabase>;

    async fn run(self, cx: &Cx) -> Result<Vec<SnapshotOfDatabase>> {
        let client = Client::new(cx, self.region.as_deref())?;
        let kind = self.kind.map(|kind| match kind {
            Kind::Manual => "manual",
            Kind::Automated => "automated",
            Kind::Shared => "shared",
        });
        rds::snapshots(&client, self.instance.as_ref().map(InstanceName::as_str), kind).await
    }
}
