use opsrun_core::{Cx, Effect, Error, ErrorKind, Inverse, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::create_repository;
use super::repositories::repository;
use crate::client::Client;
use crate::ecr;

/// Deletes a repository of images.
///
/// One with images in it is refused unless `force` says otherwise, and then nothing brings these back. Undo makes an empty one again.
///
/// ```rhai
/// ecr::delete_repository("old-api", #{ force: true });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct DeleteRepository {
    /// The repository's name.
    #[arg(positional)]
    name: String,
    /// Delete its images as well.
    #[serde(default)]
    force: bool,
    /// The registry's region; the target's if left out.
    region: Option<String>,
}

/// What became of a repository that was to be deleted.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct DeletedRepository {
    /// It was there until now.
    changed: bool,
    /// How many images went with it.
    images: usize,
}

pub(super) const PATH: &str = "ecr::delete_repository";

impl Primitive for DeleteRepository {
    const PATH: &'static str = PATH;
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(create_repository::PATH);
    type Out = DeletedRepository;

    async fn run(self, cx: &Cx) -> Result<DeletedRepository> {
        let client = Client::new(cx, self.region.as_deref())?;
        let Some(found) = repository(&client, &self.name).await? else {
            let changed = cx.broken_off().is_some_and(|before| before.wrote);
            return Ok(DeletedRepository { changed, images: 0 });
        };
        let images = ecr::images(&client, &self.name, None).await?.len();
        if images > 0 && !self.force {
            let place = client.place();
            let message = format!(
                "the repository {} has {images} images in {}, {}",
                self.name, place.region, place.account
            );
            return Err(Error::new(ErrorKind::Conflict, message)
                .hint("delete them as well with `#{ force: true }`: nothing brings them back"));
        }
        let inverse = match images {
            0 => Inverse::call(
                create_repository::PATH,
                json!({
                    "name": self.name,
                    "immutable": found.immutable,
                    "scan_on_push": found.scan_on_push,
                    "tags": tags(&client, &found.arn).await?,
                    "region": client.region(),
                }),
            ),
            _ => {
                Inverse::none(format!("the {images} images of the repository {} are nowhere else", self.name))
            }
        };
        let _ = cx.undo(inverse).await?;
        let tried = format!("deleting the repository {}", self.name);
        let deleted = client.ecr().delete_repository().repository_name(&self.name).force(self.force).send();
        client.find("ecr:DeleteRepository", &tried, deleted).await?;
        Ok(DeletedRepository { changed: true, images })
    }
}

/// The tags of a repository.
///
/// # Errors
/// Those of AWS.
pub(crate) async fn tags(client: &Client, arn: &str) -> Result<std::collections::BTreeMap<String, String>> {
    let tried = format!("asking for the tags of {arn}");
    let asked = client.ecr().list_tags_for_resource().resource_arn(arn).send();
    let found = client.call("ecr:ListTagsForResource", &tried, asked).await?;
    Ok(found.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect())
}
