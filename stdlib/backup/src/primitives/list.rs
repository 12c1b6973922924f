use opsrun_core::{Cx, Effect, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use super::snapshot::{Told, filter};
use crate::place::Opened;

/// Lists the snapshots of a repository, the oldest first.
///
/// One that cannot be read is warned of, and left out.
///
/// ```rhai
/// for found in backup::list(#{ source: "namespace:workflow-prod" }) { log(`${found.time} ${found.snapshot}`); }
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct List {
    /// Only those of this source.
    source: Option<String>,
    /// Only those with all of these tags.
    #[serde(default)]
    tags: Vec<String>,
    /// Only those of this host.
    host: Option<String>,
    /// Which of the target's repositories; `default`, or the only one, if left out.
    repository: Option<String>,
}

impl Primitive for List {
    const PATH: &'static str = "backup::list";
    const EFFECT: Effect = Effect::Read;
    type Out = Vec<Told>;

    async fn run(self, cx: &Cx) -> Result<Vec<Told>> {
        let opened = Opened::of(cx, self.repository.as_deref()).await?;
        let wanted = filter(self.source.as_deref(), &self.tags, self.host.as_deref());
        let found = opened.snapshots().await?.readable;
        Ok(found.iter().filter(|named| wanted.admits(&named.snapshot)).map(Told::from).collect())
    }
}
