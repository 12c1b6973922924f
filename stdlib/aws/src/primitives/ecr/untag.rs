use opsrun_core::{Cx, Effect, Error, ErrorKind, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use super::tag::Tagged;
use super::{put_image, tag};
use crate::client::Client;
use crate::ecr;

/// Takes a tag away from its image.
///
/// With the last tag ECR deletes the image, so that is refused unless `untagged` says that the image is to stay without one. Undo gives
/// the tag back.
///
/// ```rhai
/// let gone = ecr::untag("api", "1.3.0");
/// log(if gone.changed { `it was ${gone.digest}` } else { "there was no such tag" });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Untag {
    /// The repository's name.
    #[arg(positional)]
    repository: String,
    /// The tag.
    #[arg(positional)]
    tag: String,
    /// Only if it is this image that has it.
    digest: Option<String>,
    /// If it is the last one, leave the image there without a tag.
    #[serde(default)]
    untagged: bool,
    /// The repository's region; the target's if left out.
    region: Option<String>,
}

pub(super) const PATH: &str = "ecr::untag";

impl Primitive for Untag {
    const PATH: &'static str = PATH;
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(tag::PATH);
    type Out = Tagged;

    async fn run(self, cx: &Cx) -> Result<Tagged> {
        let client = Client::new(cx, self.region.as_deref())?;
        let found = ecr::image(&client, &self.repository, &self.tag).await?;
        let wanted = |digest: &str| self.digest.as_deref().is_none_or(|of| of == digest);
        let Some(found) = found.filter(|found| wanted(&found.digest)) else {
            return self.gone(&client).await;
        };
        let digest = found.digest;
        let last = found.tags.iter().all(|of| *of == self.tag);
        if last && !self.untagged {
            let message = format!("{} is the last tag of its image, which would go with it", self.tag);
            return Err(Error::new(ErrorKind::Conflict, message).hint(format!(
                "leave the image without a tag by `#{{ untagged: true }}`, or delete it by `ecr::delete_image(\"{}\", \"{}\")`",
                self.repository, self.tag
            )));
        }
        let manifest = ecr::manifest(&client, &self.repository, &digest).await?;
        // The manifest brings back the image as well, should the run break off between its going and its coming back.
        let inverse = put_image::inverse(&client, &self.repository, &manifest, &[self.tag.as_str()]);
        let _ = cx.undo(inverse).await?;
        let deleted = ecr::delete(&client, &self.repository, &self.tag).await;
        // It may be gone even if no answer came, and who asks again would find neither the tag nor the image.
        let may_be_gone = deleted.as_ref().err().is_none_or(|error| error.kind() == ErrorKind::Unreachable);
        if last && may_be_gone {
            ecr::put(&client, &self.repository, &manifest, None).await?;
        }
        deleted?;
        Ok(Tagged { changed: true, before: Some(digest.clone()), digest })
    }
}

impl Untag {
    /// The tag is not there; nor may the image be, if the run broke off in this very call.
    async fn gone(&self, client: &Client) -> Result<Tagged> {
        let before = client.cx().broken_off().filter(|before| before.wrote);
        let Some((manifest, _)) = before.and_then(|before| put_image::recorded(&before.inverses)) else {
            let digest = self.digest.clone().unwrap_or_default();
            return Ok(Tagged { changed: false, digest, before: None });
        };
        let digest = ecr::digest(&manifest.text);
        if ecr::image(client, &self.repository, &digest).await?.is_none() {
            let inverse = put_image::inverse(client, &self.repository, &manifest, &[self.tag.as_str()]);
            let _ = client.cx().undo(inverse).await?;
            ecr::put(client, &self.repository, &manifest, None).await?;
        }
        Ok(Tagged { changed: true, before: Some(digest.clone()), digest })
    }
}
