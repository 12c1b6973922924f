use opsrun_core::{Cx, Effect, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::client::Client;
use crate::ecr::{self, Image};

/// Lists the images of a repository, those that were pushed last first.
///
/// ```rhai
/// for image in ecr::images("api", #{ tagged: true }) {
///     log(`${image.tags} ${image.digest}, pushed ${image.pushed}`);
/// }
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct ListImages {
    /// The repository's name.
    #[arg(positional)]
    repository: String,
    /// Only those with a tag, or only those without.
    tagged: Option<bool>,
    /// Its region; the target's if left out.
    region: Option<String>,
}

impl Primitive for ListImages {
    const PATH: &'static str = "ecr::images";
    const EFFECT: Effect = Effect::Read;
    type Out = Vec<Image>;

    async fn run(self, cx: &Cx) -> Result<Vec<Image>> {
        let client = Client::new(cx, self.region.as_deref())?;
        ecr::images(&client, &self.repository, self.tagged).await
    }
}
