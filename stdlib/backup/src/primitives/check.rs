use opsrun_core::{Cx, Effect, Error, Primitive, Result, Undo};
use opsrun_derive::Args;
use restic_repository::{Finding, Report, Subject};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::place::Opened;

/// Looks whether a repository is whole. What is wrong is an error, which names the files and what of which snapshots they hit; what is not hit
/// can still be restored.
///
/// ```rhai
/// let seen = backup::check(#{ read_data: true });
/// log(`${seen.snapshots} snapshots in ${seen.packs} packs are whole`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Check {
    /// Read all data, and compare it with its hashes.
    #[serde(default)]
    read_data: bool,
    /// Which of the target's repositories; `default`, or the only one, if left out.
    repository: Option<String>,
}

/// A repository that is whole.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Checked {
    snapshots: usize,
    packs: usize,
    /// How much was read of the data.
    bytes_read: u64,
    /// Packs that nothing uses: a prune removes them.
    leftovers: usize,
}

/// So many findings are told, and so many paths of each.
const MOST: usize = 10;

impl Primitive for Check {
    const PATH: &'static str = "backup::check";
    // The repository is locked meanwhile.
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::Never("it writes a lock, and removes it");
    type Out = Checked;

    async fn run(self, cx: &Cx) -> Result<Checked> {
        let opened = Opened::of(cx, self.repository.as_deref()).await?;
        let lock = opened.told(opened.repository.lock().await)?;
        let report = lock.during(opened.repository.check(&lock, self.read_data)).await;
        let report = opened.told(lock.release_after(report).await)?;
        match report.findings.is_empty() {
            true => Ok(Checked {
                snapshots: report.snapshots,
                packs: report.packs,
                bytes_read: report.bytes_read,
                leftovers: report.leftovers.len(),
            }),
            false => Err(damaged(opened.place.named(), &report)),
        }
    }
}

fn damaged(place: &str, report: &Report) -> Error {
    let count = report.findings.len();
    let mut error = Error::failed(format!("the repository at {place} is damaged: {count} findings"));
    for finding in report.findings.iter().take(MOST) {
        error = error.detail(told(finding));
    }
    if count > MOST {
        error = error.detail(format!("and {} more", count - MOST));
    }
    error.hint("what is not named can be restored; take a new backup of the rest, and look at the other copy")
}

fn told(finding: &Finding) -> String {
    let subject = match finding.subject {
        Subject::File(file) => format!("`{file}`"),
        Subject::Blob(blob) => format!("the {blob}"),
        Subject::Keys => "`keys`".to_owned(),
    };
    let hit: Vec<String> = finding
        .affected
        .iter()
        .take(MOST)
        .map(|affected| format!("{} of {}", affected.path.display(), affected.snapshot.short()))
        .collect();
    let more = finding.affected.len().saturating_sub(MOST) + finding.more_affected;
    match (hit.is_empty(), more) {
        (true, _) => format!("{subject}: {}", finding.problem),
        (false, 0) => format!("{subject}: {}; hits {}", finding.problem, hit.join(", ")),
        (false, more) => format!("{subject}: {}; hits {} and {more} more", finding.problem, hit.join(", ")),
    }
}
