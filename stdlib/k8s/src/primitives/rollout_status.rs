use opsrun_core::{Cx, Effect, Primitive, Result, Span};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::client::Client;
use crate::object::ObjectRef;
use crate::rollout;
use crate::types::Rollout;
use crate::wait;

/// Waits until a Deployment, StatefulSet or DaemonSet runs what its spec says.
///
/// A rollout that does not come up is a `timeout` (or `failed`, once its progress deadline is over) that says which pod and
/// container, how it ended, its last log lines and its events.
///
/// ```rhai
/// k8s::apply(#{ file: "web.yaml" });
/// assert(k8s::rollout_status("deployment/web").replicas == 2);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct RolloutStatus {
    /// Kind and name, such as `deployment/api`.
    #[arg(positional)]
    workload: ObjectRef,
    /// How long to wait (10 minutes).
    within: Option<Span>,
    /// Its namespace; the target's if left out.
    namespace: Option<String>,
}

pub(super) const WITHIN: Span = Span::from_secs(600);

impl Primitive for RolloutStatus {
    const PATH: &'static str = "k8s::rollout_status";
    const EFFECT: Effect = Effect::Read;
    type Out = Rollout;

    async fn run(self, cx: &Cx) -> Result<Rollout> {
        let client = Client::new(cx)?;
        let at = client.address(&self.workload, self.namespace.as_deref()).await?;
        rollout::check_kind(&at)?;
        client.get(&at).await?;
        wait::ready(&client, std::slice::from_ref(&at), self.within.unwrap_or(WITHIN)).await?;
        Ok(rollout::of(&client.get(&at).await?))
    }
}
