use opsrun_core::{Cx, Effect, Error, ErrorKind, Primitive, Result, Span};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use super::distributions::identified;
use super::invalidation::{Invalidation, invalidation};
use crate::client::Client;

/// How often is asked.
const EVERY: Span = Span::from_secs(20);
/// So long is waited if nobody says how long.
pub(super) const WITHIN: Span = Span::from_secs(30 * 60);

/// Waits until all caches have dropped what an invalidation names.
///
/// ```rhai
/// let begun = cloudfront::invalidate("www.example.com", ["/*"], #{ wait: 0.s });
/// cloudfront::wait("www.example.com", begun.id, #{ within: 15.m });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Wait {
    /// The distribution's identifier, or a domain that it serves.
    #[arg(positional)]
    distribution: String,
    /// The invalidation's identifier.
    #[arg(positional)]
    id: String,
    /// For so long (30 minutes).
    within: Option<Span>,
}

impl Primitive for Wait {
    const PATH: &'static str = "cloudfront::wait";
    const EFFECT: Effect = Effect::Read;
    type Out = Invalidation;

    async fn run(self, cx: &Cx) -> Result<Invalidation> {
        let client = Client::new(cx, None)?;
        let distribution = identified(&client, &self.distribution).await?;
        completed(&client, &distribution, &self.id, self.within.unwrap_or(WITHIN)).await
    }
}

/// # Errors
/// `Timeout`.
pub(super) async fn completed(
    client: &Client,
    distribution: &str,
    id: &str,
    within: Span,
) -> Result<Invalidation> {
    let cx = client.cx();
    let found = cx.wait(within, EVERY, async || {
        let found = invalidation(client, distribution, id).await?;
        if !found.is_completed() {
            cx.progress(format!("invalidation {id} of {distribution}: {}", found.status));
        }
        Ok(Some(found).filter(Invalidation::is_completed))
    });
    found.await?.ok_or_else(|| {
        let account = client.place().account;
        let message =
            format!("the invalidation {id} of {distribution} is not through after {within}, {account}");
        Error::new(ErrorKind::Timeout, message).hint("it goes on by itself; wait longer")
    })
}
