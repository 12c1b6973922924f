use opsrun_core::{Cx, Effect, Primitive, Result};
use opsrun_derive::Args;
use opsrun_k8s::Client;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::error::Error;
use crate::storage::Storage;
use crate::types::ReleaseState;

/// Reads a release: its newest revision, or another, with its values, notes, manifest and hooks.
///
/// A release that does not exist is a `not-found`, unless `optional` is set: then it is `()`.
///
/// ```rhai
/// assert(helm::status("web", #{ optional: true }) == ());
/// helm::upgrade("web", "charts/web", #{ values: #{ replicas: 2 } });
/// assert(helm::status("web").values.replicas == 2);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Status {
    /// The release's name.
    #[arg(positional)]
    release: String,
    /// The release's namespace; the target's if left out.
    namespace: Option<String>,
    /// The revision; the newest if left out.
    revision: Option<u32>,
    /// Give `()` for a release that does not exist.
    #[serde(default)]
    optional: bool,
}

impl Primitive for Status {
    const PATH: &'static str = "helm::status";
    const EFFECT: Effect = Effect::Read;
    type Out = Option<ReleaseState>;

    async fn run(self, cx: &Cx) -> Result<Option<ReleaseState>> {
        let client = Client::new(cx)?;
        let namespace = self.namespace.unwrap_or_else(|| client.namespace().to_owned());
        let history = Storage::new(&client, &namespace)?.history(&self.release).await?;
        let found = match self.revision {
            Some(revision) => history.iter().find(|release| release.revision == revision),
            None => history.last(),
        };
        match (found, self.revision) {
            (Some(release), _) => Ok(Some(ReleaseState::from(release))),
            (None, _) if self.optional => Ok(None),
            (None, Some(revision)) if !history.is_empty() => {
                let known = history.iter().map(|release| release.revision).collect();
                Err(Error::NoRevision { release: self.release, revision, known }.into())
            }
            (None, _) => Err(Error::NoRelease { release: self.release, namespace }.into()),
        }
    }
}
