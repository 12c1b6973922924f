use std::path::{Path, PathBuf};

use futures::future::join;
use opsrun_core::{Cx, Effect, Error, Named, Primitive, Result, Undo, Value};
use opsrun_derive::Args;
use restic_repository::{NamedSnapshot, Walk};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::snapshot::{Told, filter};
use crate::items::{Damage, items};
use crate::place::Opened;

/// Brings a snapshot back, into the place that it is of or beside it.
///
/// Files of a folder that are damaged in the repository are left as they were, and the rest is brought back; then it is an error, which
/// names them. A database is brought back whole or not at all.
///
/// ```rhai
/// let last = backup::latest("namespace:workflow-prod");
/// backup::restore(last.snapshot, #{ to: "namespace:workflow-restored" });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Restore {
    /// Which: its identifier, or the beginning of it; `latest` with `source`.
    #[arg(positional)]
    snapshot: String,
    /// Of `latest`: what it is of.
    source: Option<String>,
    /// Where to: `SCHEME:NAME`; where it came from if left out.
    to: Option<String>,
    /// Only what is below one of these paths, from the source's root.
    #[serde(default)]
    paths: Vec<String>,
    /// What the system that it is brought back to takes besides.
    #[serde(default)]
    options: Value,
    /// Which of the target's repositories; `default`, or the only one, if left out.
    repository: Option<String>,
}

/// What was brought back.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Restored {
    #[serde(flatten)]
    told: Told,
    /// Where to.
    to: String,
    /// What was done there, in the words of its system.
    done: Value,
}

impl Primitive for Restore {
    const PATH: &'static str = "backup::restore";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::Never("what stood there is not kept: back it up first, or restore beside it");
    type Out = Restored;

    async fn run(self, cx: &Cx) -> Result<Restored> {
        let opened = Opened::of(cx, self.repository.as_deref()).await?;
        let wanted = filter(self.source.as_deref(), &[], None);
        let named = opened.snapshot(&self.snapshot, &wanted).await?;
        let told = Told::from(&named);
        let to = self.to.unwrap_or_else(|| told.source.clone());
        let (scheme, name) = cx.source(&to)?;
        let base = base_of(&named)?;
        let lock = opened.told(opened.repository.lock().await)?;
        let work = async {
            let place = || Named { name: name.clone(), options: self.options.clone() };
            if let Some(preflight) = scheme.preflight {
                for walk in walks(&opened, named.snapshot.tree, &base, &self.paths).await? {
                    let (items, carry_out) = items(opened.repository.restore(walk), base.clone(), &opened);
                    let (damage, seen) = join(carry_out, preflight(cx.clone(), place(), items)).await;
                    seen.and_then(|()| damage.none_of(&named))?;
                }
            }
            let mut done = Vec::new();
            let mut damage = Damage::default();
            for walk in walks(&opened, named.snapshot.tree, &base, &self.paths).await? {
                let (items, carry_out) = items(opened.repository.restore(walk), base.clone(), &opened);
                let (damaged, result) = join(carry_out, (scheme.restore)(cx.clone(), place(), items)).await;
                damage = damage.and(damaged);
                done.push(result?);
            }
            damage.none_of(&named).map_err(|error| {
                let data = error.data_value().clone();
                let rest = "all else was brought back, and what is missing is as it was";
                error.context(format!("{to} is not complete: {rest}")).data(data)
            })?;
            Ok(match done.len() {
                1 => done.swap_remove(0),
                _ => Value::Array(done),
            })
        };
        // The lock is kept fresh meanwhile; what the work ends with is its own.
        let done = lock.during(async { Ok(work.await) }).await;
        let done = opened.told(lock.release_after(done).await)??;
        Ok(Restored { told, to, done })
    }
}

/// Where a snapshot has the files of its source.
///
/// # Errors
/// `Invalid` for one that `backup::create` did not make.
pub(super) fn base_of(named: &NamedSnapshot) -> Result<PathBuf> {
    match named.snapshot.paths.as_slice() {
        [base] => Ok(PathBuf::from(base)),
        paths => Err(Error::invalid(format!("the snapshot is of several paths, `{}`", paths.join("`, `")))
            .hint("it was not made by `backup::create`: restore it with restic")),
    }
}

/// The ways through a snapshot that lead to what is wanted.
pub(super) async fn walks<'r>(
    opened: &'r Opened,
    tree: restic_repository::Id,
    base: &Path,
    paths: &[String],
) -> Result<Vec<Walk<'r>>> {
    if paths.is_empty() {
        return Ok(vec![opened.repository.walk(tree, Path::new("/"))]);
    }
    let mut found = Vec::new();
    for wanted in paths {
        let whole = base.join(wanted.trim_start_matches('/'));
        let node = match opened.repository.at_path(tree, &whole).await {
            Err(restic_repository::Error::NoPath(_)) => {
                return Err(Error::not_found(format!("the snapshot has no `{wanted}`"))
                    .hint("`backup::contents` tells what it has"));
            }
            found => opened.told(found)?,
        };
        found.push(opened.repository.walk_node(node, &whole));
    }
    Ok(found)
}
