use opsrun_core::{Cx, Effect, Error, Primitive, Result, Settle, Undo};
use opsrun_derive::Args;
use restic_repository::{ForeignLock, Id};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::place::Opened;

/// Removes the locks of a repository that nobody can be behind any more, and tells of the others by whom they are, and since when.
///
/// A lock is left over if it was not refreshed for half an hour, or if its process was one of this machine and is gone; such locks are in
/// nobody's way. Another one is removed only if it is named: be sure that who has it is gone. A prune beside somebody who
/// still uses the repository can cost snapshots.
///
/// ```rhai
/// for lock in backup::unlock().held { log(`${lock.lock}: ${lock.user}@${lock.host} since ${lock.since}`); }
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Unlock {
    /// Locks to remove although they are held, or cannot be read: their identifiers, or the beginnings of them.
    #[serde(default)]
    locks: Vec<String>,
    /// Which of the target's repositories; `default`, or the only one, if left out.
    repository: Option<String>,
}

/// The locks that there were.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub(crate) struct Unlocked {
    removed: Vec<ToldLock>,
    /// What stays, as somebody may be behind it.
    held: Vec<ToldLock>,
}

/// A lock of a repository.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct ToldLock {
    /// Its identifier.
    lock: String,
    /// Whether nobody can be behind it any more.
    stale: bool,
    /// Whether it keeps everybody else out.
    exclusive: bool,
    /// Empty if it cannot be read, as below.
    host: String,
    user: String,
    /// The process on that host; 0 if it cannot be read.
    process: u32,
    /// When it was made, or refreshed for the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    since: Option<jiff::Timestamp>,
    /// Why it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

impl From<&ForeignLock> for ToldLock {
    fn from(lock: &ForeignLock) -> Self {
        ToldLock {
            lock: lock.id.to_string(),
            stale: lock.stale,
            exclusive: lock.exclusive,
            host: lock.host.clone(),
            user: lock.user.clone(),
            process: lock.pid,
            since: Some(lock.time.moment()),
            problem: None,
        }
    }
}

fn unreadable(lock: Id, problem: String) -> ToldLock {
    ToldLock {
        lock: lock.to_string(),
        stale: false,
        // Nobody can tell.
        exclusive: true,
        host: String::new(),
        user: String::new(),
        process: 0,
        since: None,
        problem: Some(problem),
    }
}

impl Primitive for Unlock {
    const PATH: &'static str = "backup::unlock";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::Never("who had a lock that was removed does not get it back");
    const SETTLE: Settle = Settle::Repeat;
    type Out = Unlocked;

    async fn run(self, cx: &Cx) -> Result<Unlocked> {
        let opened = Opened::of(cx, self.repository.as_deref()).await?;
        let (readable, damaged) = opened.told(opened.repository.locks().await)?;
        let mut found: Vec<(Id, ToldLock)> = readable.iter().map(|lock| (lock.id, lock.into())).collect();
        for error in damaged {
            if let restic_repository::Error::UnreadableLock(restic_repository::File::Named(_, lock), _) =
                error
            {
                found.push((lock, unreadable(lock, error.to_string())));
            }
        }
        let named = self.named(&found)?;
        let (removed, held): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|(id, lock)| lock.stale || named.contains(id));
        let ids: Vec<Id> = removed.iter().map(|(id, _)| *id).collect();
        opened.told(opened.repository.unlock(ids).await)?;
        let told = |locks: Vec<(Id, ToldLock)>| locks.into_iter().map(|(_, lock)| lock).collect();
        Ok(Unlocked { removed: told(removed), held: told(held) })
    }
}

impl Unlock {
    /// The locks that are named. One that is not there any more is none.
    ///
    /// # Errors
    /// `Invalid` for what is no beginning of an identifier, or one of several.
    fn named(&self, found: &[(Id, ToldLock)]) -> Result<Vec<Id>> {
        let mut named = Vec::new();
        for prefix in &self.locks {
            if prefix.is_empty()
                || !prefix.chars().all(|character| matches!(character, '0'..='9' | 'a'..='f'))
            {
                return Err(Error::invalid(format!(
                    "`locks`: `{prefix}` is no beginning of a lock's identifier"
                ))
                .hint("`backup::unlock()` and the error of a locked repository tell them"));
            }
            let meant: Vec<Id> =
                found.iter().filter(|(_, lock)| lock.lock.starts_with(prefix)).map(|(id, _)| *id).collect();
            if meant.len() > 1 {
                return Err(Error::invalid(format!(
                    "`locks`: `{prefix}` can be any of {} locks",
                    meant.len()
                ))
                .hint("give more of it"));
            }
            named.extend(meant);
        }
        Ok(named)
    }
}
