use opsrun_core::{Cx, Effect, Error, Primitive, Result, Span, Undo, Value};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::MANAGER;
use crate::client::{Client, Parameters, PatchKind};
use crate::inverse::{Memory, Outcome, RESTORE, formerly};
use crate::object::{Object, ObjectRef};
use crate::types::Scaled;
use crate::wait;

/// Sets the number of replicas of a workload.
///
/// Whatever has the subresource `scale` can be scaled: Deployments, StatefulSets, ReplicaSets, many custom kinds. Undo scales
/// back, and gives the field back to who managed it.
///
/// ```rhai
/// k8s::apply(#{ file: "web.yaml" }, #{ wait: 2.m });
/// let scaled = k8s::scale("deployment/web", 3, #{ wait: 2.m });
/// assert(scaled.to == 3);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Scale {
    /// Kind and name, such as `deployment/api`.
    #[arg(positional)]
    workload: ObjectRef,
    /// How many replicas.
    #[arg(positional)]
    replicas: u32,
    /// Wait so long until they are ready.
    wait: Option<Span>,
    /// Its namespace; the target's if left out.
    namespace: Option<String>,
}

impl Primitive for Scale {
    const PATH: &'static str = "k8s::scale";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(RESTORE);
    type Out = Scaled;

    async fn run(self, cx: &Cx) -> Result<Scaled> {
        let client = Client::new(cx)?;
        let at = client.address(&self.workload, self.namespace.as_deref()).await?;
        if !at.resource.subresources.iter().any(|name| name == "scale") {
            return Err(Error::invalid(format!("a {} has no replicas to scale", at.resource.singular)));
        }
        let before = client.get(&at).await?;
        let former = formerly(cx, &at, Some(&before)).flatten();
        let from = match former.as_ref().unwrap_or(&before).pointer("/spec/replicas").and_then(Value::as_i64)
        {
            Some(replicas) => replicas,
            // A custom kind may keep them elsewhere.
            None => client.scale(&at).await?.number("/spec/replicas"),
        };
        let mut memory = Memory::of(&client, vec![(at.clone(), Some(before))]).await?;
        let parameters = Parameters::default().with("fieldManager", MANAGER);
        let patch = json!({ "spec": { "replicas": self.replicas } });
        let result = client.patch(&at, Some("scale"), PatchKind::Merge, &patch, &parameters).await;
        let outcome = match &result {
            // The answer is a Scale; what is recorded is the workload.
            Ok(_) => client.find(&at).await.ok().flatten().map_or(Outcome::Unknown, Outcome::Now),
            Err(_) => Outcome::of(&result),
        };
        memory.note(0, outcome);
        memory.settle().await?;
        result?;
        if let Some(within) = self.wait {
            wait::ready(&client, &[at], within).await?;
        }
        Ok(Scaled { from, to: self.replicas.into() })
    }
}
