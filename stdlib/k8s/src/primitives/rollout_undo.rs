use opsrun_core::{Cx, Effect, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use super::MANAGER;
use crate::client::{Client, Parameters};
use crate::inverse::{Memory, Outcome, RESTORE};
use crate::object::ObjectRef;
use crate::rollout;
use crate::types::Rollout;
use crate::wait;

/// Goes back to an earlier revision of a Deployment, StatefulSet or DaemonSet.
///
/// Undo puts the template back that it had before.
///
/// ```rhai
/// k8s::apply(#{ file: "web.yaml" }, #{ wait: 2.m });
/// k8s::rollout_restart("deployment/web", #{ wait: 2.m });
/// assert(k8s::rollout_undo("deployment/web", #{ wait: 2.m }).revision == 3);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct RolloutUndo {
    /// Kind and name, such as `deployment/api`.
    #[arg(positional)]
    workload: ObjectRef,
    /// The revision to go to; the one before the current one if left out.
    to: Option<u64>,
    /// Wait so long until its pods are ready.
    wait: Option<Span>,
    /// Its namespace; the target's if left out.
    namespace: Option<String>,
}

impl Primitive for RolloutUndo {
    const PATH: &'static str = "k8s::rollout_undo";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(RESTORE);
    type Out = Rollout;

    async fn run(self, cx: &Cx) -> Result<Rollout> {
        let client = Client::new(cx)?;
        let at = client.address(&self.workload, self.namespace.as_deref()).await?;
        rollout::check_kind(&at)?;
        let before = client.get(&at).await?;
        rollout::check_going(&at, &before)?;
        let (kind, patch) = rollout::way_back(&client, &at, &before, self.to).await?;
        let mut memory = Memory::of(&client, vec![(at.clone(), Some(before))]).await?;
        let parameters = Parameters::default().with("fieldManager", MANAGER);
        let result = client.patch(&at, None, kind, &patch, &parameters).await;
        memory.note(0, Outcome::of(&result));
        memory.settle().await?;
        let (_, mut object) = result?;
        if let Some(within) = self.wait {
            wait::ready(&client, std::slice::from_ref(&at), within).await?;
            object = client.get(&at).await?;
        }
        Ok(rollout::of(&object))
    }
}
