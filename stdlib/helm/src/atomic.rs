//! What `atomic` makes of an upgrade that failed: the last good revision again, or nothing where there is none.

use opsrun_core::{Error as CoreError, Result};
use opsrun_k8s::apply::{Conflicts, Undoing};

use crate::deploy::How;
use crate::error::Error;
use crate::primitives::rollback::{again, go_back};
use crate::primitives::uninstall::{Removal, remove};
use crate::release::{Release, Status};
use crate::storage::Storage;

/// Brings the release back, and gives the failure with what came of that.
pub(crate) async fn brought_back(
    storage: &Storage<'_>,
    release: &str,
    how: How,
    error: CoreError,
) -> CoreError {
    match bring_back(storage, release, how).await {
        Ok(what) => error.context(format!("the release `{release}` failed, and {what} (`atomic`)")),
        Err(why) => {
            let (release, why) = (release.to_owned(), why.report());
            CoreError::from(Error::NotBroughtBack { release, why }).because(error)
        }
    }
}

async fn bring_back(storage: &Storage<'_>, release: &str, how: How) -> Result<String> {
    let history = storage.history(release).await?;
    let good = |release: &&Release| matches!(release.info.status, Status::Deployed | Status::Superseded);
    let Some(last) = history.last() else {
        return Ok("had not begun".to_owned());
    };
    match history.iter().rev().find(good) {
        Some(target) => {
            let how = How {
                events: ("pre-rollback", "post-rollback"),
                wait: true,
                recorded: false,
                conflicts: match how.conflicts {
                    // What others have set meanwhile is not this release's to take back.
                    Conflicts::Refuse => Conflicts::Leave,
                    other => other,
                },
                ..how
            };
            go_back(storage, &history, again(target, last, storage.client().cx().now()), how).await?;
            Ok(format!("has been rolled back to revision {}", target.revision))
        }
        None if history.len() == 1 => {
            let removal = Removal {
                keep_history: false,
                hooks: how.hooks,
                timeout: how.timeout,
                wait: how.timeout,
                undo: Undoing::Caller,
            };
            remove(storage, release, &removal).await?;
            Ok("has been uninstalled".to_owned())
        }
        None => {
            let revision = last.revision;
            Err(Error::NoEarlierRevision { release: release.to_owned(), revision }.into())
        }
    }
}
