use opsrun_core::{Cx, Effect, Primitive, Result, Value};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;
use similar::TextDiff;

use super::MANAGER;
use crate::apply::{self, Applied, Change, Conflicts, Undoing};
use crate::client::Client;
use crate::inverse::without_state;
use crate::manifests::Manifests;
use crate::secrets;
use crate::types::{ChangedObject, DiffResult, ObjectDiff};

/// Shows what an apply would change, without changing it.
///
/// The server computes it (a server-side apply with `dryRun=All`), so defaults and admission are part of it. The values of
/// Secrets are left out: only which keys differ is shown.
///
/// ```rhai
/// k8s::apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {mode: fast}}");
/// let diff = k8s::diff("{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {mode: slow}}");
/// assert(diff.changed);
/// assert(diff.objects[0].diff.contains("+  mode: slow"));
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Diff {
    /// YAML text with any number of documents, an object, `#{ file: "path" }`, or an array of these.
    #[arg(positional, marker)]
    manifests: Manifests,
    /// The namespace of objects that name none.
    namespace: Option<String>,
    /// As if fields that others manage were taken over.
    #[serde(default)]
    force: bool,
}

impl Primitive for Diff {
    const PATH: &'static str = "k8s::diff";
    const EFFECT: Effect = Effect::Read;
    type Out = DiffResult;

    async fn run(self, cx: &Cx) -> Result<DiffResult> {
        let mut objects = self.manifests.load(cx)?;
        secrets::reveal(cx, &mut objects).await?;
        let how = apply::Apply {
            manager: MANAGER,
            conflicts: Conflicts::forced(self.force),
            dry_run: true,
            namespace: self.namespace.as_deref(),
            undo: Undoing::Objects,
        };
        let applied = apply::all(&Client::new(cx)?, &objects, &how).await?;
        let objects = applied.iter().map(object_diff).collect::<Result<Vec<_>>>()?;
        Ok(DiffResult {
            changed: objects.iter().any(|diff| diff.object.change != Change::Unchanged),
            objects,
        })
    }
}

fn object_diff(applied: &Applied) -> Result<ObjectDiff> {
    let object = ChangedObject::new(&applied.at, applied.change);
    if applied.change == Change::Unchanged {
        return Ok(ObjectDiff { object, diff: String::new() });
    }
    let before =
        applied.before.as_ref().map(|before| shown(before, &applied.after, "(hidden)")).transpose()?;
    let after = shown(&applied.after, applied.before.as_ref().unwrap_or(&Value::Null), "(hidden, differs)")?;
    let diff = TextDiff::from_lines(before.as_deref().unwrap_or_default(), &after)
        .unified_diff()
        .context_radius(3)
        .header("now", "applied")
        .to_string();
    Ok(ObjectDiff { object, diff })
}

/// The object as YAML, without what the server decides. A Secret's values that `other` has not are shown as `hidden`.
fn shown(object: &Value, other: &Value, hidden: &str) -> Result<String> {
    let mut shown = without_state(object);
    if let Some(metadata) = shown.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    if object["kind"] == "Secret" {
        // kubectl keeps a copy of all there.
        if let Some(annotations) = shown.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        }
        for (key, value) in shown.get_mut("data").and_then(Value::as_object_mut).into_iter().flatten() {
            *value =
                if other["data"].get(key) == Some(&*value) { "(hidden, the same)" } else { hidden }.into();
        }
    }
    opsrun_core::yaml::to_string(&shown)
}
