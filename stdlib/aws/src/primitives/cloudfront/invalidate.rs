use aws_sdk_cloudfront::types::{InvalidationBatch, Paths};
use opsrun_core::{Cx, Effect, Error, Inverse, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use super::distributions::identified;
use super::invalidation::Invalidation;
use super::wait::{WITHIN, completed};
use crate::client::Client;

/// Drops what a distribution's caches have of these paths, and waits until all of them have.
///
/// Whoever asks next gets what the origin has. That cannot be taken back, and need not be.
///
/// ```rhai
/// let dropped = cloudfront::invalidate("www.example.com", ["/index.html", "/assets/*"], #{ wait: 15.m });
/// log(`${dropped.id} is ${dropped.status}`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Invalidate {
    /// The distribution's identifier, or a domain that it serves.
    #[arg(positional)]
    distribution: String,
    /// Each begins with a slash, and may end with a `*`.
    #[arg(positional)]
    paths: Vec<String>,
    /// How long to wait (30 minutes); `0.s` does not wait.
    wait: Option<Span>,
}

const WHY: &str = "what caches have dropped they fetch anew";
/// What stands before a reference in the reason that is recorded: by it a call that broke off knows its own.
const REFERENCE: &str = "invalidation ";

impl Primitive for Invalidate {
    const PATH: &'static str = "cloudfront::invalidate";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::Never(WHY);
    type Out = Invalidation;

    async fn run(self, cx: &Cx) -> Result<Invalidation> {
        self.check()?;
        let client = Client::new(cx, None)?;
        let id = identified(&client, &self.distribution).await?;
        let tried = format!("invalidating {} of {}", self.paths.join(" "), self.distribution);
        let former = cx.broken_off().and_then(|before| recorded(&before.inverses));
        let reference = former.unwrap_or_else(|| format!("opsrun-{:016x}", cx.random()));
        let noted = cx.undo(Inverse::none(format!("{WHY} ({REFERENCE}{reference})"))).await?;
        let unusable = |error| Error::invalid(format!("{tried}: {error}"));
        let quantity = i32::try_from(self.paths.len()).unwrap_or(i32::MAX);
        let paths = Paths::builder().quantity(quantity).set_items(Some(self.paths.clone()));
        let batch = InvalidationBatch::builder().paths(paths.build().map_err(unusable)?);
        let batch = batch.caller_reference(&reference).build().map_err(unusable)?;
        // To a reference that it has had already, CloudFront answers with what it had made then.
        let made = client.cloudfront().create_invalidation().distribution_id(&id).invalidation_batch(batch);
        let made = client.call("cloudfront:CreateInvalidation", &tried, made.send()).await?;
        let made = made.invalidation().map(|made| Invalidation::of(&id, made));
        let made = made.ok_or_else(|| Error::failed(format!("{tried}: nothing came back")))?;
        let within = self.wait.unwrap_or(WITHIN);
        let made = match within.duration().is_zero() {
            true => made,
            false => completed(&client, &id, &made.id, within).await?,
        };
        // It was only there to be found again; the reason is told without it.
        noted.forget().await?;
        Ok(made)
    }
}

impl Invalidate {
    fn check(&self) -> Result<()> {
        if self.paths.is_empty() {
            return Err(Error::invalid("no path is to be invalidated").hint("all of them are `[\"/*\"]`"));
        }
        let is_path = |path: &str| {
            path.starts_with('/') && !path.trim_end_matches('*').contains('*') && !path.ends_with("**")
        };
        match self.paths.iter().find(|path| !is_path(path)) {
            Some(path) => Err(Error::invalid(format!("`{path}` is no path of a distribution"))
                .hint("it begins with a slash and has a `*` only at its end: `/assets/*`")),
            None => Ok(()),
        }
    }
}

/// The reference that was recorded before the call broke off.
fn recorded(inverses: &[Inverse]) -> Option<String> {
    inverses.iter().rev().find_map(|inverse| {
        let Inverse::None { why } = inverse else { return None };
        let (_, reference) = why.rsplit_once(REFERENCE)?;
        Some(reference.trim_end_matches(')').to_owned())
    })
}
