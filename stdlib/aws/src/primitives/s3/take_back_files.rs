use std::path::PathBuf;

use opsrun_core::{Cx, Effect, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::s3::sync::{Files, remove_files};

/// Removes files that `s3::sync` wrote where none were: what undo calls.
///
/// What somebody has changed since is left as it is.
///
/// ```rhai
/// s3::take_back_files("site", [#{ name: "index.html", size: 512, modified: "2026-03-17T10:00:00Z" }]);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct TakeBackFiles {
    /// The folder.
    #[arg(positional)]
    folder: PathBuf,
    /// The files in it.
    #[arg(positional)]
    files: Vec<Files>,
}

impl Primitive for TakeBackFiles {
    const PATH: &'static str = "s3::take_back_files";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::Never("it is itself what takes back");
    type Out = u64;

    async fn run(self, cx: &Cx) -> Result<u64> {
        remove_files(cx, &self.folder, &self.files).await
    }
}
