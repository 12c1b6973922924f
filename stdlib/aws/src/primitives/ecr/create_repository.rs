use std::collections::BTreeMap;

use aws_sdk_ecr::types::{ImageScanningConfiguration, ImageTagMutability, Tag};
use opsrun_core::{Cx, Effect, Error, ErrorKind, Inverse, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::delete_repository;
use super::repositories::{Repository, repository};
use crate::client::Client;

/// Makes a repository of images.
///
/// If there is one of this name that is as wanted, nothing is made. Undo deletes it, as long as there are no images in it.
///
/// ```rhai
/// let made = ecr::create_repository("api", #{ immutable: true, scan_on_push: true });
/// log(`images are pushed to ${made.repository.uri}`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct CreateRepository {
    /// The repository's name.
    #[arg(positional)]
    name: String,
    /// A tag stays with its image.
    #[serde(default)]
    immutable: bool,
    /// Scan images when they are pushed.
    #[serde(default)]
    scan_on_push: bool,
    /// Tags of the repository.
    #[serde(default)]
    tags: BTreeMap<String, String>,
    /// The registry's region; the target's if left out.
    region: Option<String>,
}

/// What became of a repository that was wanted.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct MadeRepository {
    /// It was made now, and was not there already.
    changed: bool,
    repository: Repository,
}

pub(super) const PATH: &str = "ecr::create_repository";

impl Primitive for CreateRepository {
    const PATH: &'static str = PATH;
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(delete_repository::PATH);
    type Out = MadeRepository;

    async fn run(self, cx: &Cx) -> Result<MadeRepository> {
        let client = Client::new(cx, self.region.as_deref())?;
        if let Some(found) = repository(&client, &self.name).await? {
            if (found.immutable, found.scan_on_push) != (self.immutable, self.scan_on_push) {
                return Err(other(&client, &found));
            }
            // Or it was made by this very call, before the run broke off.
            let changed = cx.broken_off().is_some_and(|before| before.wrote);
            return Ok(MadeRepository { changed, repository: found });
        }
        let inverse = json!({ "name": self.name, "region": client.region() });
        let _ = cx.undo(Inverse::call(delete_repository::PATH, inverse)).await?;
        let tried = format!("making the repository {}", self.name);
        let mutability = match self.immutable {
            true => ImageTagMutability::Immutable,
            false => ImageTagMutability::Mutable,
        };
        let unusable = |error| Error::invalid(format!("{tried}: {error}"));
        let mut tags = Vec::new();
        for (key, value) in &self.tags {
            tags.push(Tag::builder().key(key).value(value).build().map_err(unusable)?);
        }
        let made = client.ecr().create_repository().repository_name(&self.name);
        let made = made.image_tag_mutability(mutability);
        let scanning = ImageScanningConfiguration::builder().scan_on_push(self.scan_on_push).build();
        let made = made.image_scanning_configuration(scanning);
        let made = made.set_tags((!tags.is_empty()).then_some(tags)).send();
        let made = client.call("ecr:CreateRepository", &tried, made).await?;
        let repository = made.repository().map(Repository::of);
        let repository = repository.ok_or_else(|| Error::failed(format!("{tried}: nothing came back")))?;
        Ok(MadeRepository { changed: true, repository })
    }
}

fn other(client: &Client, found: &Repository) -> Error {
    let is = |yes: bool, no: &'static str| if yes { "" } else { no };
    let place = client.place();
    let message = format!(
        "there is a repository {} already in {}, {}, and it is {}immutable and {}scanned on push",
        found.name,
        place.region,
        place.account,
        is(found.immutable, "not "),
        is(found.scan_on_push, "not ")
    );
    Error::new(ErrorKind::Conflict, message)
        .hint("say `immutable` and `scan_on_push` as they are there, or choose another name")
}
