use opsrun_core::{Cx, Effect, ErrorKind, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::place::{Opened, Place};

/// Makes a target's repository, if there is none.
///
/// Where it is, and by which secret it opens, says the target: `[targets.NAME.backup.repositories.default]` with `store`
/// (`s3://BUCKET/PREFIX` or `folder:PATH`) and `password` (`env:NAME`). Stock restic opens it with the same password.
///
/// ```rhai
/// backup::init();
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct InitRepository {
    /// Which of the target's repositories; `default`, or the only one, if left out.
    repository: Option<String>,
    /// Another repository of the target: what is copied between the two is then stored once in each.
    like: Option<String>,
}

/// What became of it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Made {
    /// Where it is.
    store: String,
    /// `false`: it was there already.
    created: bool,
}

impl Primitive for InitRepository {
    const PATH: &'static str = "backup::init";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::Never("a repository stays: others may have backups in it");
    type Out = Made;

    async fn run(self, cx: &Cx) -> Result<Made> {
        let like = match &self.like {
            None => None,
            Some(like) => Some(Opened::of(cx, Some(like)).await?.repository.config().polynomial()),
        };
        let place = Place::of(cx, self.repository.as_deref()).await?;
        let store = place.named().to_owned();
        match place.init(like).await {
            Ok(_) => {
                cx.keep("*backup*", "a repository stays");
                Ok(Made { store, created: true })
            }
            // It has to open, also if it was there.
            Err(error) if error.kind() == ErrorKind::Conflict => {
                Opened::of(cx, self.repository.as_deref()).await?;
                Ok(Made { store, created: false })
            }
            Err(error) => Err(error),
        }
    }
}
