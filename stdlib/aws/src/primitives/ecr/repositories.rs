use opsrun_core::{Cx, Effect, Error, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::ecr::has_code;
use crate::rds::time;

const DESCRIBE: &str = "ecr:DescribeRepositories";

/// Lists the repositories of the account's registry, by their names.
///
/// ```rhai
/// for repository in ecr::repositories() {
///     log(`${repository.uri}${if repository.immutable { ", immutable" } else { "" }}`);
/// }
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct ListRepositories {
    /// The registry's region; the target's if left out.
    region: Option<String>,
}

/// A repository of images.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Repository {
    pub(crate) name: String,
    /// `111122223333.dkr.ecr.us-west-2.amazonaws.com/api`
    pub(crate) uri: String,
    pub(crate) arn: String,
    /// A tag stays with its image.
    pub(crate) immutable: bool,
    /// Images are scanned when they are pushed.
    pub(crate) scan_on_push: bool,
    pub(crate) created: Option<String>,
}

impl Primitive for ListRepositories {
    const PATH: &'static str = "ecr::repositories";
    const EFFECT: Effect = Effect::Read;
    type Out = Vec<Repository>;

    async fn run(self, cx: &Cx) -> Result<Vec<Repository>> {
        let client = Client::new(cx, self.region.as_deref())?;
        let mut all = Vec::new();
        let mut next = None;
        loop {
            let asked = client.ecr().describe_repositories().set_next_token(next).send();
            let page = client.call(DESCRIBE, "listing the repositories of images", asked).await?;
            all.extend(page.repositories().iter().map(Repository::of));
            next = page.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
            if next.is_none() {
                break;
            }
        }
        all.sort_by(|a: &Repository, b| a.name.cmp(&b.name));
        Ok(all)
    }
}

impl Repository {
    pub(super) fn of(repository: &aws_sdk_ecr::types::Repository) -> Self {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let mutability = repository.image_tag_mutability().map(|of| of.as_str()).unwrap_or_default();
        Repository {
            name: text(repository.repository_name()),
            uri: text(repository.repository_uri()),
            arn: text(repository.repository_arn()),
            immutable: mutability.starts_with("IMMUTABLE"),
            scan_on_push: repository.image_scanning_configuration().is_some_and(|of| of.scan_on_push()),
            created: repository.created_at().and_then(time).map(|at| at.to_string()),
        }
    }
}

/// The repository of this name, if there is one.
///
/// # Errors
/// Those of AWS.
pub(crate) async fn repository(client: &Client, name: &str) -> Result<Option<Repository>> {
    let tried = format!("asking for the repository {name}");
    let asked = client.ecr().describe_repositories().repository_names(name).send();
    match client.call(DESCRIBE, &tried, asked).await {
        Ok(found) => {
            let first = found.repositories().first().map(Repository::of);
            first.map(Some).ok_or_else(|| Error::failed(format!("{tried}: nothing came back")))
        }
        Err(error) if has_code(&error, "RepositoryNotFoundException") => Ok(None),
        Err(error) => Err(error),
    }
}
