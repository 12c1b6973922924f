use opsrun_core::{Cx, Effect, Error, ErrorKind, Primitive, Result, Undo, Value};
use opsrun_derive::Args;
use opsrun_k8s_schema::patch::{JsonPatch, merge_patch, merge_patch_between};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::MANAGER;
use crate::client::{Client, Parameters, PatchKind};
use crate::inverse::{Memory, Outcome, RESTORE, formerly, without_state};
use crate::object::{Address, Object, ObjectRef};

/// Patches an object.
///
/// A merge patch (the default) replaces what it names and removes what it sets to `()`; lists are replaced whole. A
/// strategic patch merges the lists of Kubernetes' own kinds by their keys. A JSON patch is an array of operations. Undo
/// puts the changed parts back. A Secret comes back without its values.
///
/// ```rhai
/// k8s::apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {mode: fast}}");
/// let map = k8s::patch("configmap/settings", #{ data: #{ mode: "slow" } });
/// assert(map.data.mode == "slow");
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Patch {
    /// Kind and name, such as `deployment/api`.
    #[arg(positional)]
    object: ObjectRef,
    /// A map; for a JSON patch an array.
    #[arg(positional)]
    patch: Value,
    /// `merge`, `strategic` or `json`.
    #[serde(default)]
    r#type: Type,
    /// Its namespace; the target's if left out.
    namespace: Option<String>,
    /// Patch this part of the object: `status`.
    subresource: Option<String>,
}

#[derive(Deserialize, JsonSchema, Default, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Type {
    #[default]
    Merge,
    Strategic,
    Json,
}

impl Primitive for Patch {
    const PATH: &'static str = "k8s::patch";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(RESTORE);
    type Out = Value;

    async fn run(self, cx: &Cx) -> Result<Value> {
        let client = Client::new(cx)?;
        let at = client.address(&self.object, self.namespace.as_deref()).await?;
        let before = client.get(&at).await?;
        let (kind, patch) = self.body(&before)?;
        if let Some(Some(former)) = formerly(cx, &at, Some(&before))
            && self.was_sent(&at, &former, &before)?
        {
            return Ok(without_values(before));
        }
        let mut memory = Memory::of(&client, vec![(at.clone(), Some(before))]).await?;
        let parameters = Parameters::default().with("fieldManager", MANAGER);
        let result = client.patch(&at, self.subresource.as_deref(), kind, &patch, &parameters).await;
        memory.note(0, Outcome::of(&result));
        memory.settle().await?;
        Ok(without_values(result?.1))
    }
}

/// What a write gives is recorded, and the values of a Secret are not to be.
fn without_values(mut object: Value) -> Value {
    if object.text("/kind") == "Secret" {
        object.as_object_mut().map(|secret| secret.remove("data"));
        let annotations = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut);
        annotations.map(|annotations| annotations.remove(LAST_APPLIED));
    }
    object
}

/// Where kubectl keeps a copy of all.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

impl Patch {
    /// Whether a call that broke off here had patched the object, which was `former` and is `now`. Other patches than JSON's say what
    /// there is to be, and do no harm twice.
    fn was_sent(&self, at: &Address, former: &Value, now: &Value) -> Result<bool> {
        if !matches!(self.r#type, Type::Json) {
            return Ok(false);
        }
        let bare = |object: &Value| {
            let mut object = without_state(object);
            object
                .pointer_mut("/metadata")
                .and_then(Value::as_object_mut)
                .map(|it| it.remove("managedFields"));
            object
        };
        let (former, now) = (bare(former), bare(now));
        if former == now {
            return Ok(false);
        }
        let patched = JsonPatch::parse(&self.patch).and_then(|patch| patch.apply(&former));
        let is_so = patched.is_ok_and(|patched| {
            let mut wanted = now.clone();
            merge_patch(&mut wanted, &merge_patch_between(&former, &patched));
            wanted == now
        });
        if is_so {
            return Ok(true);
        }
        let error = format!(
            "{at} was changed since the run broke off, and whether it had been patched cannot be told"
        );
        Err(Error::new(ErrorKind::Conflict, error).hint(
            "look at it; `opsrun runs mark` says that the step is done, `opsrun undo` takes the run back",
        ))
    }

    fn body(&self, before: &Value) -> Result<(PatchKind, Value)> {
        match (self.r#type, &self.patch) {
            (Type::Merge, Value::Object(_)) => Ok((PatchKind::Merge, self.patch.clone())),
            (Type::Strategic, Value::Object(_)) => Ok((PatchKind::Strategic, self.patch.clone())),
            (Type::Json, Value::Array(operations)) => {
                // An operation may not be idempotent: repeated on the changed object, the patch is refused.
                let version = before.resource_version();
                let test = json!({ "op": "test", "path": "/metadata/resourceVersion", "value": version });
                let operations = std::iter::once(test).chain(operations.iter().cloned()).collect();
                Ok((PatchKind::Json, operations))
            }
            (Type::Json, _) => Err(Error::invalid("`k8s::patch`: a JSON patch is an array of operations")),
            _ => Err(Error::invalid("`k8s::patch`: argument `patch`: expected a map")
                .hint("an array of operations is a patch of `type: \"json\"`")),
        }
    }
}
