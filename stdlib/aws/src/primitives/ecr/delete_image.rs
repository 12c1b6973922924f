use opsrun_core::{Cx, Effect, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::put_image;
use crate::client::Client;
use crate::ecr;

/// Deletes an image with all of its tags.
///
/// Undo puts it back, which goes as long as ECR still has its layers; for how long that is, AWS does not say.
///
/// ```rhai
/// let gone = ecr::delete_image("api", "1.2.0");
/// log(if gone.changed { `${gone.digest} is gone` } else { "there was none" });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct DeleteImage {
    /// The repository's name.
    #[arg(positional)]
    repository: String,
    /// One of its tags, or its digest.
    #[arg(positional)]
    image: String,
    /// The repository's region; the target's if left out.
    region: Option<String>,
}

/// What became of an image that was to be deleted.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Gone {
    /// It was there until now.
    changed: bool,
    /// What it was.
    digest: Option<String>,
    /// The tags that went with it.
    tags: Vec<String>,
}

pub(super) const PATH: &str = "ecr::delete_image";

impl Primitive for DeleteImage {
    const PATH: &'static str = PATH;
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(put_image::PATH);
    type Out = Gone;

    async fn run(self, cx: &Cx) -> Result<Gone> {
        let client = Client::new(cx, self.region.as_deref())?;
        let Some(found) = ecr::image(&client, &self.repository, &self.image).await? else {
            // Or it was deleted by this very call, before the run broke off, which had recorded what it was.
            let ours = cx.broken_off().filter(|before| before.wrote);
            let manifest = ours.and_then(|before| put_image::recorded(&before.inverses));
            let (digest, tags) = manifest.map(|(of, tags)| (ecr::digest(&of.text), tags)).unzip();
            return Ok(Gone { changed: ours.is_some(), digest, tags: tags.unwrap_or_default() });
        };
        let manifest = ecr::manifest(&client, &self.repository, &found.digest).await?;
        let tags: Vec<&str> = found.tags.iter().map(String::as_str).collect();
        let _ = cx.undo(put_image::inverse(&client, &self.repository, &manifest, &tags)).await?;
        ecr::delete(&client, &self.repository, &found.digest).await?;
        Ok(Gone { changed: true, digest: Some(found.digest), tags: found.tags })
    }
}
