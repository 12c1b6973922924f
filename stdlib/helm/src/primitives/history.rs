use opsrun_core::{Cx, Effect, Primitive, Result};
use opsrun_derive::Args;
use opsrun_k8s::Client;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::error::Error;
use crate::storage::Storage;
use crate::types::Revision;

/// Lists the revisions of a release, oldest first.
///
/// ```rhai
/// helm::upgrade("web", "charts/web");
/// assert(helm::history("web").map(|revision| revision.status) == ["deployed"]);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct History {
    /// The release's name.
    #[arg(positional)]
    release: String,
    /// The release's namespace; the target's if left out.
    namespace: Option<String>,
}

impl Primitive for History {
    const PATH: &'static str = "helm::history";
    const EFFECT: Effect = Effect::Read;
    type Out = Vec<Revision>;

    async fn run(self, cx: &Cx) -> Result<Vec<Revision>> {
        let client = Client::new(cx)?;
        let namespace = self.namespace.unwrap_or_else(|| client.namespace().to_owned());
        let history = Storage::new(&client, &namespace)?.history(&self.release).await?;
        if history.is_empty() {
            return Err(Error::NoRelease { release: self.release, namespace }.into());
        }
        Ok(history.iter().map(Revision::from).collect())
    }
}
