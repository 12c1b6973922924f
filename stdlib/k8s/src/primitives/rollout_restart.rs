use opsrun_core::{Cx, Effect, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::MANAGER;
use crate::client::{Client, Parameters, PatchKind};
use crate::inverse::{Memory, Outcome, RESTORE};
use crate::object::ObjectRef;
use crate::rollout;
use crate::types::Rollout;
use crate::wait;

/// Replaces the pods of a Deployment, StatefulSet or DaemonSet one after the other.
///
/// It sets the annotation `kubectl.kubernetes.io/restartedAt` of the pod template, as kubectl does. Undo puts the former
/// template back, which replaces the pods once more.
///
/// ```rhai
/// k8s::apply(#{ file: "web.yaml" }, #{ wait: 2.m });
/// k8s::rollout_restart("deployment/web", #{ wait: 2.m });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct RolloutRestart {
    /// Kind and name, such as `deployment/api`.
    #[arg(positional)]
    workload: ObjectRef,
    /// Wait so long until the new pods are ready.
    wait: Option<Span>,
    /// Its namespace; the target's if left out.
    namespace: Option<String>,
}

impl Primitive for RolloutRestart {
    const PATH: &'static str = "k8s::rollout_restart";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(RESTORE);
    type Out = Rollout;

    async fn run(self, cx: &Cx) -> Result<Rollout> {
        let client = Client::new(cx)?;
        let at = client.address(&self.workload, self.namespace.as_deref()).await?;
        rollout::check_kind(&at)?;
        let before = client.get(&at).await?;
        rollout::check_going(&at, &before)?;
        let now = cx.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let annotations = json!({ "kubectl.kubernetes.io/restartedAt": now });
        let patch = json!({ "spec": { "template": { "metadata": { "annotations": annotations } } } });
        let mut memory = Memory::of(&client, vec![(at.clone(), Some(before))]).await?;
        let parameters = Parameters::default().with("fieldManager", MANAGER);
        let result = client.patch(&at, None, PatchKind::Merge, &patch, &parameters).await;
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
