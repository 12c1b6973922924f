use opsrun_core::{Cx, Effect, Error, Primitive, Result, Span};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::snapshot::{GOOD, Told, filter};
use crate::place::Opened;

/// Tells of sources whether each has a good snapshot that is young enough; that one has not is an error, which names all of them.
///
/// ```rhai
/// backup::coverage(["namespace:workflow-prod"], #{ within: 26.h });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Coverage {
    /// What has to be covered: `SCHEME:NAME` of each.
    #[arg(positional)]
    sources: Vec<String>,
    /// How old the last good snapshot may be.
    within: Span,
    /// Tell it, and let it be no error.
    #[serde(default)]
    report_only: bool,
    /// Which of the target's repositories; `default`, or the only one, if left out.
    repository: Option<String>,
}

/// How a source is covered.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Covered {
    source: String,
    covered: bool,
    /// The last good snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot: Option<String>,
    /// How old it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    age: Option<Span>,
    /// How many younger ones there are that nobody has verified.
    unverified: usize,
}

impl Primitive for Coverage {
    const PATH: &'static str = "backup::coverage";
    const EFFECT: Effect = Effect::Read;
    type Out = Vec<Covered>;

    async fn run(self, cx: &Cx) -> Result<Vec<Covered>> {
        let opened = Opened::of(cx, self.repository.as_deref()).await?;
        let found = opened.snapshots().await?.readable;
        let covered = self.sources.iter().map(|source| {
            let wanted = filter(Some(source), &[], None);
            let mut of_source = found.iter().rev().filter(|named| wanted.admits(&named.snapshot));
            let mut unverified = 0;
            let good = of_source.find(|named| {
                let good = named.snapshot.tags.iter().any(|tag| tag == GOOD);
                unverified += usize::from(!good);
                good
            });
            let good = good.map(Told::from);
            let age = good.as_ref().map(|good| {
                let age =
                    std::time::Duration::try_from(cx.now().duration_since(good.time)).unwrap_or_default();
                Span::from_secs(age.as_secs())
            });
            Covered {
                source: source.clone(),
                covered: age.is_some_and(|age| age.duration() <= self.within.duration()),
                snapshot: good.map(|good| good.snapshot),
                age,
                unverified,
            }
        });
        let covered: Vec<Covered> = covered.collect();
        let missing: Vec<&Covered> = covered.iter().filter(|source| !source.covered).collect();
        if missing.is_empty() || self.report_only {
            return Ok(covered);
        }
        let error = Error::failed(format!(
            "{} of {} sources have no good snapshot of the last {}",
            missing.len(),
            covered.len(),
            self.within
        ));
        let error = missing.into_iter().fold(error, |error, source| {
            let unverified = source.unverified;
            error.detail(match (&source.snapshot, source.age) {
                (Some(snapshot), Some(age)) => format!(
                    "{}: the last good one is {snapshot:.8}, {age} old; {unverified} younger ones are not verified",
                    source.source
                ),
                _ => format!("{}: none is good; {unverified} are not verified", source.source),
            })
        });
        Err(error.hint("make one with `backup::create`, and verify it with `backup::verify`"))
    }
}
