//! What can go wrong with a chart or a release, with the facts.

use opsrun_core::ErrorKind;

use crate::release::Status;

/// A failure of this system.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the chart `{path}` cannot be loaded: {why}")]
    Chart { path: String, why: String },
    #[error("the chart `{chart}` does not render: {why}")]
    Render { chart: String, why: String },
    /// A values file, or a `set`.
    #[error("{what} cannot be used: {why}")]
    Values { what: String, why: String },
    #[error("the release `{release}` does not exist in {namespace}")]
    NoRelease { release: String, namespace: String },
    #[error("the release `{release}` has no revision {revision}")]
    NoRevision { release: String, revision: u32, known: Vec<u32> },
    #[error("the release `{release}` has no revision before {revision} to go back to")]
    NoEarlierRevision { release: String, revision: u32 },
    /// Helm's only lock, and it never expires. `left`: since when, and by whom.
    #[error("the release `{release}` is {status} at revision {revision}: another operation is in progress")]
    Pending { release: String, revision: u32, status: Status, left: Option<String> },
    /// The text is Helm's.
    #[error(
        "release name \"{release}\": invalid release name, must match regex \
         ^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$ and the length must not be longer than 53"
    )]
    Name { release: String },
    /// Kubernetes takes no object that is larger than this.
    #[error(
        "revision {revision} of the release `{release}` is too big for its record: {size} bytes of 1048576"
    )]
    TooBig { release: String, revision: u32, size: usize },
    /// `atomic` wanted the release as it was.
    #[error("the release `{release}` failed, and could not be brought back: {why}")]
    NotBroughtBack { release: String, why: String },
    /// A call that goes on after its run broke off finds a newer revision than it had begun with, and not its own.
    #[error(
        "revision {revision} of the release `{release}` was made after this call began, and is not what it was to make"
    )]
    Overtaken { release: String, revision: u32 },
    /// Objects that exist and belong to somebody else.
    #[error("{object} exists and cannot be imported into the release `{release}`: {why}")]
    NotOurs { object: String, release: String, why: String },
    #[error("the record `{record}` of a release cannot be read: {why}")]
    Record { record: String, why: String },
}

impl From<Error> for opsrun_core::Error {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        let new = |kind| opsrun_core::Error::new(kind, message.clone());
        match error {
            Error::Chart { .. } | Error::Render { .. } | Error::Values { .. } | Error::Name { .. } => {
                new(ErrorKind::Invalid)
            }
            Error::TooBig { .. } => new(ErrorKind::Invalid).hint(
                "the record holds the chart's files and the manifest: leave out what no template reads (`.helmignore`)",
            ),
            Error::NoRelease { .. } | Error::NoEarlierRevision { .. } => new(ErrorKind::NotFound),
            Error::NoRevision { known, .. } => {
                let known: Vec<String> = known.iter().map(ToString::to_string).collect();
                new(ErrorKind::NotFound).hint(format!("its revisions are {}", known.join(", ")))
            }
            Error::Pending { left, .. } => {
                let error = new(ErrorKind::Conflict).hint(
                    "wait for it; if whoever began it is gone, `recover: 1.h` takes over what is older than that, and \
                     `helm::rollback` goes back to a good revision",
                );
                left.into_iter().fold(error, opsrun_core::Error::detail)
            }
            Error::Overtaken { .. } => new(ErrorKind::Conflict).hint(
                "look at it with `helm::history`; `opsrun runs mark` says that the step is done, `opsrun undo` takes the run back",
            ),
            Error::NotOurs { .. } => new(ErrorKind::Conflict)
                .hint("leave it out of the chart, or take it over with `take_ownership: true`"),
            Error::Record { .. } | Error::NotBroughtBack { .. } => new(ErrorKind::Failed),
        }
    }
}
