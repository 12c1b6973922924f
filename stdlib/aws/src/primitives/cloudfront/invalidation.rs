use opsrun_core::{Cx, Effect, Error, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::distributions::identified;
use crate::client::Client;
use crate::rds::time;

/// Tells how far an invalidation is.
///
/// ```rhai
/// let begun = cloudfront::invalidate("www.example.com", ["/*"], #{ wait: 0.s });
/// log(cloudfront::invalidation("www.example.com", begun.id).status);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct GetInvalidation {
    /// The distribution's identifier, or a domain that it serves.
    #[arg(positional)]
    distribution: String,
    /// The invalidation's identifier.
    #[arg(positional)]
    id: String,
}

/// Paths that caches are to drop.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Invalidation {
    pub(crate) id: String,
    /// The distribution's identifier.
    pub(crate) distribution: String,
    /// `InProgress` or `Completed`.
    pub(crate) status: String,
    pub(crate) paths: Vec<String>,
    pub(crate) begun: Option<String>,
    /// What stands for the call that made it.
    pub(crate) reference: String,
}

impl Primitive for GetInvalidation {
    const PATH: &'static str = "cloudfront::invalidation";
    const EFFECT: Effect = Effect::Read;
    type Out = Invalidation;

    async fn run(self, cx: &Cx) -> Result<Invalidation> {
        let client = Client::new(cx, None)?;
        let distribution = identified(&client, &self.distribution).await?;
        invalidation(&client, &distribution, &self.id).await
    }
}

impl Invalidation {
    pub(super) fn of(distribution: &str, of: &aws_sdk_cloudfront::types::Invalidation) -> Self {
        let batch = of.invalidation_batch();
        let paths = batch.and_then(|batch| batch.paths());
        Invalidation {
            id: of.id().to_owned(),
            distribution: distribution.to_owned(),
            status: of.status().to_owned(),
            paths: paths.map(|paths| paths.items().to_vec()).unwrap_or_default(),
            begun: time(of.create_time()).map(|at| at.to_string()),
            reference: batch.map(|batch| batch.caller_reference().to_owned()).unwrap_or_default(),
        }
    }

    pub(super) fn is_completed(&self) -> bool {
        self.status.eq_ignore_ascii_case("completed")
    }
}

/// # Errors
/// `NotFound`; those of AWS.
pub(super) async fn invalidation(client: &Client, distribution: &str, id: &str) -> Result<Invalidation> {
    let tried = format!("asking for the invalidation {id} of {distribution}");
    let asked = client.cloudfront().get_invalidation().distribution_id(distribution).id(id).send();
    let found = client.call("cloudfront:GetInvalidation", &tried, asked).await?;
    let found = found.invalidation().map(|found| Invalidation::of(distribution, found));
    found.ok_or_else(|| Error::failed(format!("{tried}: nothing came back")))
}
