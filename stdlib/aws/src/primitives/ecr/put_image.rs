use opsrun_core::{Cx, Effect, Inverse, Primitive, Result, Undo, Value};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{delete_image, tag};
use crate::client::Client;
use crate::ecr::{self, Manifest};

/// Puts an image's manifest into a repository that has its layers, under these tags.
///
/// What is there already is left alone. This is also what brings a deleted image back, as long as ECR has not thrown its layers away.
///
/// ```rhai
/// let manifest = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`;
/// ecr::put_image("api", manifest, #{ tags: ["none"] });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct PutImage {
    /// The repository's name.
    #[arg(positional)]
    repository: String,
    /// The manifest, to the byte: its digest names the image.
    #[arg(positional)]
    manifest: String,
    /// Its media type, if it does not say so itself.
    media_type: Option<String>,
    /// The tags that it gets; without any it is only known by its digest.
    #[serde(default)]
    tags: Vec<String>,
    /// The repository's region; the target's if left out.
    region: Option<String>,
}

/// What became of an image that was to be there.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Put {
    /// It, or one of its tags, was not there until now.
    changed: bool,
    digest: String,
}

pub(super) const PATH: &str = "ecr::put_image";

impl Primitive for PutImage {
    const PATH: &'static str = PATH;
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(delete_image::PATH);
    type Out = Put;

    async fn run(self, cx: &Cx) -> Result<Put> {
        let client = Client::new(cx, self.region.as_deref())?;
        let manifest = Manifest { text: self.manifest, media_type: self.media_type };
        let digest = ecr::digest(&manifest.text);
        let mut changed = cx.broken_off().is_some_and(|before| before.wrote);
        if ecr::image(&client, &self.repository, &digest).await?.is_none() {
            let inverse =
                json!({ "repository": self.repository, "image": digest, "region": client.region() });
            let _ = cx.undo(Inverse::call(delete_image::PATH, inverse)).await?;
            ecr::put(&client, &self.repository, &manifest, None).await?;
            changed = true;
        }
        for name in &self.tags {
            let before = ecr::image(&client, &self.repository, name).await?.map(|of| of.digest);
            if before.as_ref() == Some(&digest) {
                continue;
            }
            let places = (digest.as_str(), before.as_deref());
            let _ = cx.undo(tag::taken_back(&client, &self.repository, name, places)).await?;
            ecr::put(&client, &self.repository, &manifest, Some(name)).await?;
            changed = true;
        }
        Ok(Put { changed, digest })
    }
}

/// What puts an image back under these tags.
pub(super) fn inverse(client: &Client, repository: &str, manifest: &Manifest, tags: &[&str]) -> Inverse {
    Inverse::call(
        PATH,
        json!({
            "repository": repository,
            "manifest": manifest.text,
            "media_type": manifest.media_type,
            "tags": tags,
            "region": client.region(),
        }),
    )
}

/// The manifest, and the tags, that such an inverse holds.
pub(super) fn recorded(inverses: &[Inverse]) -> Option<(Manifest, Vec<String>)> {
    inverses.iter().rev().find_map(|inverse| {
        let Inverse::Call { args, .. } = inverse else { return None };
        let text = |member: &str| args.get(member).and_then(Value::as_str).map(str::to_owned);
        let tags = args.get("tags").and_then(Value::as_array).into_iter().flatten();
        let tags = tags.filter_map(Value::as_str).map(str::to_owned).collect();
        Some((Manifest { text: text("manifest")?, media_type: text("media_type") }, tags))
    })
}
