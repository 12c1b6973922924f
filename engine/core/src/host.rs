//! The run, as calls of primitives see it: what the runtime implements, and [`Cx`](crate::Cx) makes convenient.

use std::any::Any;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use jiff::Timestamp;

use crate::{
    Body, BoxFuture, Call, Endpoint, Error, FileDraft, FileFacts, FileWalk, Inverse, Marker, Markers, Note,
    Process, Program, Result, Running, SecretText, SourceScheme, StoreScheme, Talk,
};

/// The run, seen from a call. Implemented by the runtime; a primitive uses [`Cx`](crate::Cx).
pub trait Host: Send + Sync {
    fn now(&self) -> Timestamp;
    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<'static, ()>;
    /// Completes when the run is to stop.
    fn cancelled(&self) -> BoxFuture<'static, ()>;
    fn send(
        self: Arc<Self>,
        call: Arc<Call>,
        to: Arc<Endpoint>,
        system: &'static str,
        request: Request<Body>,
    ) -> BoxFuture<'static, Result<Response<Incoming>>>;
    fn talk(
        self: Arc<Self>,
        _call: Arc<Call>,
        to: Arc<Endpoint>,
        _system: &'static str,
        _request: Request<()>,
        _talk: Talk,
    ) -> BoxFuture<'static, Result<()>> {
        let refused = Error::failed(format!("{} cannot be talked to here", to.uri));
        Box::pin(async { Err(refused) })
    }
    fn read_file(&self, call: &Call, path: &Path) -> Result<Vec<u8>>;
    fn list_files(&self, call: &Call, folder: &Path) -> Result<Vec<PathBuf>>;
    fn read_configuration(&self, call: &Call, path: &Path) -> Result<Vec<u8>>;
    /// Puts a file in place of what is there, or takes it away (`None`).
    fn write_file(
        self: Arc<Self>,
        _call: Arc<Call>,
        path: PathBuf,
        _content: Option<Vec<u8>>,
    ) -> BoxFuture<'static, Result<()>> {
        let refused = Error::failed(format!("`{}` cannot be written here", path.display()));
        Box::pin(async { Err(refused) })
    }
    fn file_facts(&self, _call: &Call, path: &Path) -> Result<FileFacts> {
        Err(Error::failed(format!("`{}` cannot be looked at here", path.display())))
    }
    fn walk_files(&self, _call: &Call, folder: &Path) -> Result<FileWalk> {
        Err(Error::failed(format!("`{}` cannot be walked through here", folder.display())))
    }
    fn read_file_part(&self, _call: &Call, path: &Path, _offset: u64, _length: usize) -> Result<Vec<u8>> {
        Err(Error::failed(format!("`{}` cannot be read in parts here", path.display())))
    }
    fn draft_file(self: Arc<Self>, _call: Arc<Call>, path: PathBuf) -> Result<Box<dyn FileDraft>> {
        Err(Error::failed(format!("`{}` cannot be written here", path.display())))
    }
    /// What the systems of the run offer to be kept.
    fn sources(&self) -> Vec<SourceScheme> {
        Vec::new()
    }
    /// Where the systems of the run keep objects.
    fn stores(&self) -> Vec<StoreScheme> {
        Vec::new()
    }
    /// Reads a secret that the call's target names, once in a run; from then on it is hidden.
    fn configured_secret(
        self: Arc<Self>,
        _call: Arc<Call>,
        reference: String,
    ) -> BoxFuture<'static, Result<SecretText>> {
        let refused = Error::failed(format!("the secret `{reference}` cannot be read here"));
        Box::pin(async { Err(refused) })
    }
    fn start_program(
        self: Arc<Self>,
        call: Arc<Call>,
        program: Program,
    ) -> BoxFuture<'static, Result<Running>>;
    /// Records an inverse, durably, before it returns; `None` takes it off again.
    fn record_inverse(
        &self,
        call: Arc<Call>,
        slot: usize,
        inverse: Option<Inverse>,
    ) -> BoxFuture<'static, Result<()>>;
    fn note(&self, call: &Call, note: Note);
    /// What `pattern` matches in a snapshot of the estate stays when the run is undone.
    fn keep(&self, call: &Call, pattern: &str, why: &str);
    /// From now on this value is shown as `‹name›` wherever the run writes something out.
    fn hide(&self, name: &str, value: &str);
    /// The text as the run would write it out.
    fn shown(&self, text: &str) -> String;
    /// The secrets that the playbook has named.
    fn markers(&self) -> &Markers;
    /// Reads one of them, once in a run; from then on it is hidden.
    fn secret(self: Arc<Self>, call: Arc<Call>, marker: Marker) -> BoxFuture<'static, Result<SecretText>>;
    /// The environment variable as it was when the program started; only for finding configuration.
    fn variable(&self, name: &str) -> Option<String>;
    /// Random bits that the run's seed decides.
    fn random(&self) -> u64;
    /// Randomness that nobody can guess, for keys and nonces; on an estate, the seed decides it, too.
    fn fill_random(&self, bytes: &mut [u8]) {
        for piece in bytes.chunks_mut(8) {
            let random = self.random().to_le_bytes();
            piece.copy_from_slice(&random[..piece.len()]);
        }
    }
    /// Who does this. On an estate, somebody who is always the same.
    fn process(&self) -> Process {
        Process::of_an_estate()
    }
    /// Whether there is such a process on this host.
    fn process_lives(&self, pid: u32) -> bool {
        pid == self.process().pid
    }
    /// How many jobs are done at a time that keep a processor busy.
    fn processors(&self) -> usize {
        1
    }
    /// Has such a job done, at once or by a thread of its own.
    fn compute(&self, job: Box<dyn FnOnce() + Send>) {
        job();
    }
    /// What calls of one run share under this key, such as a client with its connections.
    fn shared(
        &self,
        key: &str,
        make: &mut dyn FnMut() -> Result<Arc<dyn Any + Send + Sync>>,
    ) -> Result<Arc<dyn Any + Send + Sync>>;
}
