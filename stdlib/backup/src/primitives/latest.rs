use opsrun_core::{Cx, Effect, Error, Primitive, Result, Span};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use super::snapshot::{GOOD, Told, filter};
use crate::place::Opened;

/// Finds the last snapshot of a source; that there is none, or none so young, is an error.
///
/// ```rhai
/// let last = backup::latest("namespace:workflow-prod", #{ within: 26.h });
/// log(`the last one is of ${last.time}`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Latest {
    /// What it is of: `SCHEME:NAME`.
    #[arg(positional)]
    source: String,
    /// How old it may be.
    within: Option<Span>,
    /// Only one with all of these tags.
    #[serde(default)]
    tags: Vec<String>,
    /// Only one of this host.
    host: Option<String>,
    /// Which of the target's repositories; `default`, or the only one, if left out.
    repository: Option<String>,
}

/// Finds the last snapshot of a source that was verified; that there is none, or none so young, is an error.
///
/// ```rhai
/// let good = backup::latest_good("namespace:workflow-prod", #{ within: 26.h });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct LatestGood {
    /// What it is of: `SCHEME:NAME`.
    #[arg(positional)]
    source: String,
    /// How old it may be.
    within: Option<Span>,
    /// Which of the target's repositories; `default`, or the only one, if left out.
    repository: Option<String>,
}

impl Primitive for Latest {
    const PATH: &'static str = "backup::latest";
    const EFFECT: Effect = Effect::Read;
    type Out = Told;

    async fn run(self, cx: &Cx) -> Result<Told> {
        let opened = Opened::of(cx, self.repository.as_deref()).await?;
        last(cx, &opened, &self.source, self.within, &self.tags, self.host.as_deref()).await
    }
}

impl Primitive for LatestGood {
    const PATH: &'static str = "backup::latest_good";
    const EFFECT: Effect = Effect::Read;
    type Out = Told;

    async fn run(self, cx: &Cx) -> Result<Told> {
        let opened = Opened::of(cx, self.repository.as_deref()).await?;
        last(cx, &opened, &self.source, self.within, &[GOOD.to_owned()], None)
            .await
            .map_err(|error| error.hint("`backup::verify` marks one as good that can be brought back"))
    }
}

async fn last(
    cx: &Cx,
    opened: &Opened,
    source: &str,
    within: Option<Span>,
    tags: &[String],
    host: Option<&str>,
) -> Result<Told> {
    cx.source(source)?;
    let wanted = filter(Some(source), tags, host);
    let found = opened.snapshots().await?.readable;
    let at = opened.place.named();
    let last = found.iter().rev().find(|named| wanted.admits(&named.snapshot)).ok_or_else(|| {
        let tagged = match tags {
            [] => String::new(),
            tags => format!(" with the tags `{}`", tags.join("`, `")),
        };
        Error::not_found(format!("the repository at {at} has no snapshot of {source}{tagged}"))
            .hint(format!("make one with `backup::create(\"{source}\")`"))
    })?;
    let told = Told::from(last);
    let age = std::time::Duration::try_from(cx.now().duration_since(told.time)).unwrap_or_default();
    match within {
        Some(within) if age > within.duration() => Err(Error::failed(format!(
            "the last snapshot of {source} at {at} is of {}, and that is {} ago, which is more than {within}",
            told.time,
            Span::from_secs(age.as_secs())
        ))),
        _ => Ok(told),
    }
}
