use opsrun_core::{Cx, Effect, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::client::Client;
use crate::ecr::{self, Image};

/// Tells of one image.
///
/// ```rhai
/// let image = ecr::image("api", "1.4.0");
/// log(`1.4.0 is ${image.digest}, of ${image.size} bytes`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct GetImage {
    /// The repository's name.
    #[arg(positional)]
    repository: String,
    /// The image's tag, or its digest.
    #[arg(positional)]
    image: String,
    /// Its region; the target's if left out.
    region: Option<String>,
}

impl Primitive for GetImage {
    const PATH: &'static str = "ecr::image";
    const EFFECT: Effect = Effect::Read;
    type Out = Image;

    async fn run(self, cx: &Cx) -> Result<Image> {
        let client = Client::new(cx, self.region.as_deref())?;
        ecr::needed_image(&client, &self.repository, &self.image).await
    }
}
