use opsrun_core::{Cx, Effect, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use super::MANAGER;
use crate::apply::{self, Conflicts, Undoing};
use crate::client::Client;
use crate::diff;
use crate::manifests::Manifests;
use crate::secrets;
use crate::types::DiffResult;

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
        let objects = applied.iter().map(diff::of).collect::<Result<Vec<_>>>()?;
        Ok(DiffResult::of(objects))
    }
}
