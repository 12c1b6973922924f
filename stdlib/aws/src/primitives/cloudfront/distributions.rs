use opsrun_core::{Cx, Effect, Error, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::Client;

/// Lists the account's distributions, by their identifiers.
///
/// ```rhai
/// for distribution in cloudfront::distributions() {
///     log(`${distribution.id} serves ${distribution.aliases}`);
/// }
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct ListDistributions {}

/// What CloudFront serves from its caches.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Distribution {
    /// `E1A2B3C4D5E6F7`
    pub(crate) id: String,
    /// `d111111abcdef8.cloudfront.net`
    pub(crate) domain: String,
    /// Its other names: `www.example.com`.
    pub(crate) aliases: Vec<String>,
    pub(crate) enabled: bool,
    /// `Deployed`, or `InProgress` while a change of it spreads.
    pub(crate) status: String,
    pub(crate) comment: String,
}

impl Primitive for ListDistributions {
    const PATH: &'static str = "cloudfront::distributions";
    const EFFECT: Effect = Effect::Read;
    type Out = Vec<Distribution>;

    async fn run(self, cx: &Cx) -> Result<Vec<Distribution>> {
        distributions(&Client::new(cx, None)?).await
    }
}

async fn distributions(client: &Client) -> Result<Vec<Distribution>> {
    let mut all = Vec::new();
    let mut marker = None;
    loop {
        let asked = client.cloudfront().list_distributions().set_marker(marker).send();
        let page = client.call("cloudfront:ListDistributions", "listing the distributions", asked).await?;
        let Some(page) = page.distribution_list() else { break };
        all.extend(page.items().iter().map(|of| Distribution {
            id: of.id().to_owned(),
            domain: of.domain_name().to_owned(),
            aliases: of.aliases().map(|of| of.items().to_vec()).unwrap_or_default(),
            enabled: of.enabled(),
            status: of.status().to_owned(),
            comment: of.comment().to_owned(),
        }));
        marker = page.next_marker().filter(|marker| !marker.is_empty()).map(str::to_owned);
        if marker.is_none() {
            break;
        }
    }
    all.sort_by(|a: &Distribution, b| a.id.cmp(&b.id));
    Ok(all)
}

/// The identifier of a distribution that is named by it, or by a domain that it serves.
///
/// # Errors
/// `NotFound`, which names the domains that there are; those of AWS.
pub(super) async fn identified(client: &Client, named: &str) -> Result<String> {
    if !named.contains('.') {
        return Ok(named.to_owned());
    }
    let all = distributions(client).await?;
    let serves = |of: &&Distribution| of.domain == named || of.aliases.iter().any(|alias| alias == named);
    if let Some(found) = all.iter().find(serves) {
        return Ok(found.id.clone());
    }
    let message = format!("no distribution of {} serves {named}", client.place().account);
    let known: Vec<&str> = all
        .iter()
        .flat_map(|of| of.aliases.iter().chain([&of.domain]))
        .map(String::as_str)
        .take(20)
        .collect();
    let error = Error::not_found(message);
    Err(match known.as_slice() {
        [] => error.hint("it has no distribution at all: is it the right account?"),
        known => error.hint(format!("what is served is `{}`", known.join("`, `"))),
    })
}
