use opsrun_core::{Cx, Effect, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use super::MANAGER;
use crate::apply::{self, Conflicts, Undoing};
use crate::client::Client;
use crate::inverse::RESTORE;
use crate::manifests::Manifests;
use crate::secrets;
use crate::types::ApplyResult;
use crate::wait;

/// Applies manifests on the server's side, as field manager `opsrun`.
///
/// The objects are sorted into an order in which each finds what it needs: namespaces, kinds, configuration, workloads and
/// the rest; a CustomResourceDefinition is waited for. Fields that somebody else manages with another value are a `conflict`
/// that names manager and field; `force` takes them over. Undo puts every object back as it was, and deletes those that
/// did not exist. Secrets may stand in `stringData` of a Secret, and nowhere else.
///
/// ```rhai
/// let result = k8s::apply(`
///   apiVersion: v1
///   kind: ConfigMap
///   metadata: { name: settings }
///   data: { mode: fast }
/// `);
/// assert(result.created == 1);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Apply {
    /// YAML text with any number of documents, an object, `#{ file: "path" }`, or an array of these.
    #[arg(positional, marker)]
    manifests: Manifests,
    /// The namespace of objects that name none.
    namespace: Option<String>,
    /// Take over fields that others manage.
    #[serde(default)]
    force: bool,
    /// Ask the server what would change, and change nothing.
    #[serde(default)]
    dry_run: bool,
    /// Wait so long for everything to become ready.
    wait: Option<Span>,
}

impl Primitive for Apply {
    const PATH: &'static str = "k8s::apply";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(RESTORE);
    type Out = ApplyResult;

    async fn run(self, cx: &Cx) -> Result<ApplyResult> {
        let mut objects = self.manifests.load(cx)?;
        secrets::reveal(cx, &mut objects).await?;
        let client = Client::new(cx)?;
        let how = apply::Apply {
            manager: MANAGER,
            conflicts: Conflicts::forced(self.force),
            dry_run: self.dry_run,
            namespace: self.namespace.as_deref(),
            undo: Undoing::Objects,
        };
        let applied = apply::all(&client, &objects, &how).await?;
        if let Some(within) = self.wait.filter(|_| !self.dry_run) {
            let places: Vec<_> = applied.iter().map(|applied| applied.at.clone()).collect();
            wait::ready(&client, &places, within).await?;
        }
        Ok(ApplyResult::of(&applied))
    }
}
