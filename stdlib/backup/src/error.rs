//! What a repository's errors are to a playbook.

use opsrun_core::{Error, ErrorKind};
use restic_repository::{Error as RepositoryError, File, StorageError};

/// The error with the place of the repository, and what to do.
pub(crate) fn told(place: &str, error: RepositoryError) -> Error {
    let at = format!("the repository at {place}");
    match error {
        RepositoryError::Storage { doing, what, source } => match source {
            StorageError::NotFound => {
                Error::not_found(format!("{doing} `{what}` of {at}: there is no such file"))
            }
            StorageError::Other(source) => because(&*source)
                .unwrap_or_else(|| Error::failed(source.to_string()))
                .context(format!("{doing} `{what}` of {at} failed")),
        },
        RepositoryError::Source { path, source } => because(&*source)
            .unwrap_or_else(|| Error::failed(source.to_string()))
            .context(format!("reading `{}` failed, so no snapshot was written", path.display())),
        RepositoryError::Sources(source) => because(&*source)
            .unwrap_or_else(|| Error::failed(source.to_string()))
            .context("what is to be backed up did not come whole, so no snapshot was written"),
        RepositoryError::NoRepository => Error::not_found(format!("there is no repository at {place}"))
            .hint("make one with `backup::init()`"),
        RepositoryError::WrongPassword { .. } => Error::new(ErrorKind::Forbidden, format!("{at}: {error}"))
            .hint("the target's section `backup` names the secret with its password"),
        RepositoryError::Locked(ref lock) => Error::new(ErrorKind::Conflict, format!("{at}: {error}")).hint(
            format!(
                "wait until it is released: one whose process is gone counts no more after half an hour; if it is known to be \
                 gone, `backup::unlock(#{{ locks: [\"{}\"] }})` removes it now",
                lock.id.short()
            ),
        ),
        RepositoryError::UnreadableLock(File::Named(_, lock), _) => {
            Error::new(ErrorKind::Conflict, format!("{at}: {error}")).hint(format!(
                "if nobody uses the repository, `backup::unlock(#{{ locks: [\"{}\"] }})` removes it",
                lock.short()
            ))
        }
        RepositoryError::NoSnapshot(_) => Error::not_found(format!("{at}: {error}")),
        RepositoryError::Ambiguous { .. } => Error::invalid(format!("{at}: {error}")),
        error => Error::failed(format!("{at}: {error}")),
    }
}

/// An error of ours that went through a repository, or through a reader of its.
fn because(source: &(dyn std::error::Error + Send + Sync + 'static)) -> Option<Error> {
    if let Some(ours) = source.downcast_ref::<Error>() {
        return Some(ours.clone());
    }
    let io = source.downcast_ref::<std::io::Error>()?;
    io.get_ref()?.downcast_ref::<Error>().cloned()
}
