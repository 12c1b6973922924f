use opsrun_core::{Cx, Effect, Inverse, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::untag;
use crate::client::Client;
use crate::ecr;

/// Gives an image a further tag, or moves a tag to it.
///
/// Undo takes the tag away, or moves it back to where it was.
///
/// ```rhai
/// let moved = ecr::tag("api", "1.4.0", "production");
/// log(`production was ${moved.before}`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Tag {
    /// The repository's name.
    #[arg(positional)]
    repository: String,
    /// A tag of the image, or its digest.
    #[arg(positional)]
    image: String,
    /// The tag that it gets.
    #[arg(positional)]
    tag: String,
    /// The repository's region; the target's if left out.
    region: Option<String>,
}

/// What became of a tag.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Tagged {
    /// It was elsewhere, or nowhere, until now.
    pub(crate) changed: bool,
    /// The image that has the tag now.
    pub(crate) digest: String,
    /// The one that had it before; `()` if none had.
    pub(crate) before: Option<String>,
}

pub(super) const PATH: &str = "ecr::tag";

impl Primitive for Tag {
    const PATH: &'static str = PATH;
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(untag::PATH);
    type Out = Tagged;

    async fn run(self, cx: &Cx) -> Result<Tagged> {
        let client = Client::new(cx, self.region.as_deref())?;
        let image = ecr::needed_image(&client, &self.repository, &self.image).await?;
        let before = ecr::image(&client, &self.repository, &self.tag).await?.map(|of| of.digest);
        let digest = image.digest;
        if before.as_ref() == Some(&digest) {
            // Or it was moved by this very call, before the run broke off: from where, it had recorded.
            let ours = cx.broken_off().filter(|before| before.wrote);
            let before = ours.map_or(before, |before| former(&before.inverses));
            return Ok(Tagged { changed: ours.is_some(), digest, before });
        }
        let manifest = ecr::manifest(&client, &self.repository, &digest).await?;
        let inverse = taken_back(&client, &self.repository, &self.tag, (&digest, before.as_deref()));
        let _ = cx.undo(inverse).await?;
        ecr::put(&client, &self.repository, &manifest, Some(&self.tag)).await?;
        Ok(Tagged { changed: true, digest, before })
    }
}

/// The image that an inverse gives the tag back to; none if it takes the tag away.
fn former(inverses: &[Inverse]) -> Option<String> {
    let Inverse::Call { path, args, .. } = inverses.last()? else { return None };
    args.get("image").filter(|_| path == PATH)?.as_str().map(str::to_owned)
}

/// What takes back that `tag` went to the image `now` from the one `before`.
pub(super) fn taken_back(
    client: &Client,
    repository: &str,
    tag: &str,
    (now, before): (&str, Option<&str>),
) -> Inverse {
    let region = client.region();
    match before {
        Some(before) => Inverse::call(
            PATH,
            json!({ "repository": repository, "image": before, "tag": tag, "region": region }),
        ),
        // An image that had no tag is left without one.
        None => Inverse::call(
            untag::PATH,
            json!({ "repository": repository, "tag": tag, "digest": now, "untagged": true, "region": region }),
        ),
    }
}
