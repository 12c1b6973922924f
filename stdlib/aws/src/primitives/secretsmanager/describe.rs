use std::collections::BTreeMap;

use opsrun_core::{Cx, Effect, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::Client;

/// Tells about a secret, but not its value.
///
/// Its value is had by `secret("secretsmanager:NAME#KEY")`, which gives what stands for it.
///
/// ```rhai
/// let about = secretsmanager::describe("app/db");
/// log(`changed ${about.changed}, version ${about.current}`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Describe {
    /// Its name or its ARN.
    #[arg(positional)]
    secret: String,
    /// Its region; the target's if left out.
    region: Option<String>,
}

/// A secret, without its value.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Secret {
    pub(crate) name: String,
    pub(crate) arn: String,
    /// The identifier of the version that is used.
    pub(crate) current: Option<String>,
    /// Of the one that was used before.
    pub(crate) previous: Option<String>,
    /// Of the one that a rotation which goes on is making.
    pub(crate) pending: Option<String>,
    /// AWS changes it by itself every so often.
    pub(crate) rotates: bool,
    pub(crate) changed: Option<String>,
    pub(crate) rotated: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
}

impl Primitive for Describe {
    const PATH: &'static str = "secretsmanager::describe";
    const EFFECT: Effect = Effect::Read;
    type Out = Secret;

    async fn run(self, cx: &Cx) -> Result<Secret> {
        describe(&Client::new(cx, self.region.as_deref())?, &self.secret).await
    }
}

/// # Errors
/// `NotFound`; those of AWS.
pub(super) async fn describe(client: &Client, name: &str) -> Result<Secret> {
    let asked = client.secretsmanager().describe_secret().secret_id(name).send();
    let tried = format!("asking for the secret `{name}`");
    let found = client.call("secretsmanager:DescribeSecret", &tried, asked).await?;
    let version = |stage: &str| {
        let versions = found.version_ids_to_stages()?;
        let bears = |stages: &Vec<String>| stages.iter().any(|of| of == stage);
        versions.iter().find(|(_, stages)| bears(stages)).map(|(id, _)| id.clone())
    };
    let time =
        |at: Option<&aws_smithy_types::DateTime>| at.and_then(crate::rds::time).map(|at| at.to_string());
    let tags = found.tags().iter();
    let current = version("AWSCURRENT");
    // A rotation that is through may leave the label where the current version is.
    let pending = version("AWSPENDING").filter(|pending| Some(pending) != current.as_ref());
    Ok(Secret {
        name: found.name().unwrap_or_default().to_owned(),
        arn: found.arn().unwrap_or_default().to_owned(),
        current,
        pending,
        previous: version("AWSPREVIOUS"),
        rotates: found.rotation_enabled().unwrap_or_default(),
        changed: time(found.last_changed_date()),
        rotated: time(found.last_rotated_date()),
        tags: tags
            .filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned())))
            .collect(),
    })
}
