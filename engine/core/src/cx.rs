//! What a primitive's call gets of the run: time, a way out through the gate, a place for its inverses, a voice.

use std::any::Any;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Method, Request, Response, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    BoxFuture, BrokenLine, Effect, Error, ErrorKind, Found, Host, Inverse, Line, Marker, Markers, Named,
    Process, Program, ProgramOutput, Result, Running, Said, SecretText, SourceScheme, Span, Store, Talk,
    Target, Undo, secret,
};

/// A request's body, whatever an SDK made of it.
pub type Body = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// Boxes any body whose errors are errors.
pub fn body<B>(body: B) -> Body
where
    B: http_body_util::BodyExt<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    body.map_err(Into::into).boxed_unsync()
}

/// What [`Cx::ask`] reads of an answer: it is to be looked at, not to be stored.
const LARGEST_ANSWER: usize = 8 << 20;

/// Numbers the calls of a run, from 1, in the order in which they began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct CallId(pub u64);

/// One call of a primitive, as the run and the gate know it.
#[derive(Debug)]
pub struct Call {
    pub id: CallId,
    /// The primitive: `k8s::scale`.
    pub path: &'static str,
    /// The gate lets nothing stronger pass.
    pub effect: Effect,
    /// The gate lets no write pass before an inverse is recorded, unless there never is one.
    pub undo: Undo,
    /// The names of the steps around it, outermost first.
    pub steps: Vec<String>,
    pub target: Arc<Target>,
    /// It takes back what another one did: what bounds the run does not bound it.
    pub undoes: bool,
    /// How many inverses this call has recorded.
    pub inverses: AtomicUsize,
    /// How far the same call had got, if the run goes on after it broke off there.
    pub broken_off: Option<BrokenOff>,
}

impl Call {
    /// One that may read only, on `target`, outside of any step. Others differ from it in what they name.
    pub fn reading(id: CallId, path: &'static str, target: Arc<Target>) -> Self {
        Call {
            id,
            path,
            effect: Effect::Read,
            undo: Undo::Nothing,
            steps: Vec::new(),
            target,
            undoes: false,
            inverses: AtomicUsize::new(0),
            broken_off: None,
        }
    }
}

/// A call that had begun when its run broke off, and is made once more: it may find its own work half done.
#[derive(Debug, Clone, PartialEq)]
pub struct BrokenOff {
    /// When it began.
    pub at: Timestamp,
    /// What it had recorded to take it back, in that order.
    pub inverses: Vec<Inverse>,
    /// Whether a write of it may have been carried out.
    pub wrote: bool,
}

/// Where a system answers, and how to speak to it there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Scheme, authority, and the path below which the server's own paths begin (mostly `/`).
    pub uri: Uri,
    /// For `https`.
    pub tls: Tls,
    /// Connect to this Unix socket instead of the authority.
    pub socket: Option<PathBuf>,
}

impl From<Uri> for Endpoint {
    /// Over the network, trusting the system's roots.
    fn from(uri: Uri) -> Self {
        Endpoint { uri, tls: Tls::default(), socket: None }
    }
}

/// How to trust and how to identify oneself; the default trusts the system's roots.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Tls {
    /// Trust these certificates (PEM) instead of the system's.
    pub roots: Option<Vec<u8>>,
    /// The certificate chain and its key (PEM).
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
    /// Expect this name instead of the host's.
    pub server_name: Option<String>,
    /// Do not check the certificate.
    pub insecure: bool,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("server_name", &self.server_name)
            .field("insecure", &self.insecure)
            .finish_non_exhaustive()
    }
}

/// What is known of a file without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    /// As it was asked for; of a file below a folder, from there.
    pub path: PathBuf,
    /// In bytes.
    pub size: u64,
    pub modified: Timestamp,
    /// The lower twelve bits of a Unix mode.
    pub mode: u32,
}

/// The files below a folder, one after the other.
pub type FileWalk = Box<dyn Iterator<Item = Result<FileFacts>> + Send>;

/// A file that is being written under another name. If it is dropped, nothing was written.
pub trait FileDraft: Send + Sync {
    /// # Errors
    /// `Failed`.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()>;

    /// Who may do what with it, as Unix has it; without this, what the process makes files with.
    ///
    /// # Errors
    /// `Failed`.
    fn set_mode(&self, mode: u32) -> Result<()>;

    /// Puts it in place of what is there, with this time. It is not waited until the disk has it.
    ///
    /// # Errors
    /// `Denied` without the grant `file write PATH`, `Failed`.
    fn keep(self: Box<Self>, modified: Option<Timestamp>) -> BoxFuture<'static, Result<()>>;
}

/// What a call tells whoever watches the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// The state of something that takes time; the next one replaces it on a terminal.
    Progress(String),
    /// Worth keeping.
    Info(String),
    Warning(String),
}

/// The context of one call; cheap to clone.
#[derive(Clone)]
pub struct Cx {
    call: Arc<Call>,
    host: Arc<dyn Host>,
}

/// A recorded inverse that can be made more exact, or be given up, once more is known.
#[must_use = "keep it to refine the inverse, or say `let _ =`"]
pub struct UndoSlot {
    cx: Cx,
    slot: usize,
}

impl fmt::Debug for Cx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cx({} {})", self.call.id.0, self.call.path)
    }
}

impl Cx {
    pub fn new(call: Arc<Call>, host: Arc<dyn Host>) -> Self {
        Cx { call, host }
    }

    pub fn call(&self) -> &Arc<Call> {
        &self.call
    }

    pub fn target(&self) -> &Target {
        &self.call.target
    }

    /// How far this call had got, if the run goes on after it broke off in it.
    pub fn broken_off(&self) -> Option<&BrokenOff> {
        self.call.broken_off.as_ref()
    }

    pub fn now(&self) -> Timestamp {
        self.host.now()
    }

    /// Sleeps on the run's clock.
    ///
    /// # Errors
    /// `Interrupted` if the run is stopped meanwhile.
    pub async fn sleep(&self, span: Span) -> Result<()> {
        let slept = self.host.sleep_until(span.after(self.now()));
        match futures::future::select(slept, self.host.cancelled()).await {
            futures::future::Either::Left(_) => Ok(()),
            futures::future::Either::Right(_) => Err(Error::interrupted()),
        }
    }

    /// Runs `work`, but no longer than until `deadline`: `None` if it did not finish.
    ///
    /// # Errors
    /// Those of `work`; `Interrupted` if the run is stopped meanwhile.
    pub async fn until<T>(
        &self,
        deadline: Timestamp,
        work: impl Future<Output = Result<T>>,
    ) -> Result<Option<T>> {
        use futures::future::{Either, select};
        let stop = select(self.host.cancelled(), self.host.sleep_until(deadline));
        match select(std::pin::pin!(work), stop).await {
            Either::Left((done, _)) => done.map(Some),
            Either::Right((Either::Left(_), _)) => Err(Error::interrupted()),
            Either::Right((Either::Right(_), _)) => Ok(None),
        }
    }

    /// The one way to wait: asks, and asks again every `every`, until the answer is `Some` or `within` is over.
    /// `Ok(None)` says that it did not come about in time: the caller knows what to say about it.
    ///
    /// # Errors
    /// Those of `ask`; `Interrupted` if the run is stopped.
    pub async fn wait<T, F>(&self, within: Span, every: Span, mut ask: impl FnMut() -> F) -> Result<Option<T>>
    where
        F: Future<Output = Result<Option<T>>>,
    {
        let deadline = within.after(self.now());
        loop {
            match self.until(deadline, ask()).await? {
                Some(Some(found)) => return Ok(Some(found)),
                Some(None) if self.now() < deadline => self.sleep_no_later(every, deadline).await?,
                Some(None) | None => return Ok(None),
            }
        }
    }

    async fn sleep_no_later(&self, span: Span, deadline: Timestamp) -> Result<()> {
        let slept = self.host.sleep_until(span.after(self.now()).min(deadline));
        match futures::future::select(slept, self.host.cancelled()).await {
            futures::future::Either::Left(_) => Ok(()),
            futures::future::Either::Right(_) => Err(Error::interrupted()),
        }
    }

    /// Sends a request of `system` through the gate. The request's URI gives path and query; `to` gives the rest.
    ///
    /// # Errors
    /// `Denied` if no grant allows it or the call may not write, `Unreachable` if no answer came. An answer with an error
    /// status is an answer.
    pub fn send(
        &self,
        system: &'static str,
        to: &Arc<Endpoint>,
        request: Request<Body>,
    ) -> BoxFuture<'static, Result<Response<Incoming>>> {
        self.host.clone().send(self.call.clone(), to.clone(), system, request)
    }

    /// Sends a request as [`Cx::send`] does, and reads its whole answer, of at most 8 MiB.
    ///
    /// # Errors
    /// As [`Cx::send`]; `Unreachable` if the answer breaks off, `Failed` if it is larger.
    pub async fn ask(
        &self,
        system: &'static str,
        to: &Arc<Endpoint>,
        request: Request<impl Into<Bytes>>,
    ) -> Result<Response<Bytes>> {
        let host = to.uri.to_string();
        let shown = format!("{} {}{}", request.method(), host.trim_end_matches('/'), request.uri().path());
        let request = request.map(|content| body(Full::new(content.into())));
        let (parts, incoming) = self.send(system, to, request).await?.into_parts();
        match Limited::new(incoming, LARGEST_ANSWER).collect().await {
            Ok(read) => Ok(Response::from_parts(parts, read.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => Err(Error::failed(format!(
                "the answer to {shown} is longer than {} MiB",
                LARGEST_ANSWER >> 20
            ))),
            // It may be whole the next time.
            Err(error) => {
                Err(Error::new(ErrorKind::Unreachable, format!("the answer to {shown} broke off: {error}")))
            }
        }
    }

    /// Sends JSON and reads JSON, for servers that speak no more than that. `Null` is sent as an empty body.
    ///
    /// # Errors
    /// As [`Cx::ask`]; `Invalid` for a path that cannot be one; `Failed` for an error status, with what the server said, and
    /// for an answer that is no such JSON.
    pub async fn ask_json<T: DeserializeOwned>(
        &self,
        system: &'static str,
        to: &Arc<Endpoint>,
        (method, path): (Method, &str),
        content: &Value,
    ) -> Result<T> {
        let tried = format!("{method} {}{path}", to.uri.to_string().trim_end_matches('/'));
        let content = if content.is_null() { String::new() } else { content.to_string() };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(content)
            .map_err(|error| Error::invalid(format!("`{path}` is no path: {error}")))?;
        let answer = self.ask(system, to, request).await?;
        if !answer.status().is_success() {
            let said = String::from_utf8_lossy(answer.body()).trim().to_owned();
            let error = Error::failed(format!("{tried} was answered with {}", answer.status()));
            return Err(if said.is_empty() { error } else { error.detail(said) });
        }
        serde_json::from_slice(answer.body()).map_err(|error| {
            Error::failed(format!("the answer to {tried} is not what was expected: {error}"))
        })
    }

    /// Talks with a server in a protocol of its own. `request` says what for, as if it were HTTP: the gate lets the whole
    /// conversation pass, or not, and the journal has it, as one request. `talk` carries it out, on connections that it makes;
    /// it is carried out once, or not at all.
    ///
    /// # Errors
    /// As [`Cx::send`]; those of `talk`.
    pub async fn talk<T, F>(
        &self,
        system: &'static str,
        to: &Arc<Endpoint>,
        request: Request<()>,
        talk: impl FnOnce(Line) -> F + Send + 'static,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<Said<T>, BrokenLine>> + Send + 'static,
    {
        let slot = Arc::new(Mutex::new(None));
        let filled = slot.clone();
        let talk: Talk = Box::new(move |line| {
            let talking = talk(line);
            Box::pin(async move {
                let said = talking.await?;
                *filled.lock().unwrap_or_else(PoisonError::into_inner) = Some(said.value);
                Ok(said.status)
            })
        });
        self.host.clone().talk(self.call.clone(), to.clone(), system, request, talk).await?;
        let value = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        value.ok_or_else(|| Error::failed(format!("the conversation with {} did not take place", to.uri)))
    }

    /// Reads a file; a relative path counts from the project's folder.
    ///
    /// # Errors
    /// `Denied` outside of what was granted, `NotFound`, `Failed`.
    pub fn read_file(&self, path: impl AsRef<Path>) -> Result<Vec<u8>> {
        self.host.read_file(&self.call, path.as_ref())
    }

    /// All files below a folder, sorted, each as a path from the folder; symbolic links are followed inside the folder only.
    ///
    /// # Errors
    /// As [`Cx::read_file`].
    pub fn list_files(&self, folder: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
        self.host.list_files(&self.call, folder.as_ref())
    }

    /// # Errors
    /// As [`Cx::read_file`].
    pub fn file_facts(&self, path: impl AsRef<Path>) -> Result<FileFacts> {
        self.host.file_facts(&self.call, path.as_ref())
    }

    /// The files that [`Cx::list_files`] lists, with what is known of them, in the order of their paths' bytes. Only what lies in
    /// the folders that are being gone through is held.
    ///
    /// # Errors
    /// As [`Cx::read_file`].
    pub fn walk_files(&self, folder: impl AsRef<Path>) -> Result<FileWalk> {
        self.host.walk_files(&self.call, folder.as_ref())
    }

    /// Reads so much of a file; less where it ends.
    ///
    /// # Errors
    /// As [`Cx::read_file`].
    pub fn read_file_part(&self, path: impl AsRef<Path>, offset: u64, length: usize) -> Result<Vec<u8>> {
        self.host.read_file_part(&self.call, path.as_ref(), offset, length)
    }

    /// Begins to write a file that is too large to be held; its folder is made.
    ///
    /// # Errors
    /// `Denied` without the grant `file write PATH`, `Failed`.
    pub fn draft_file(&self, path: impl AsRef<Path>) -> Result<Box<dyn FileDraft>> {
        self.host.clone().draft_file(self.call.clone(), path.as_ref().to_owned())
    }

    /// Reads a file that the environment or the target names (a kubeconfig and what it refers to), never the playbook:
    /// it needs no grant.
    ///
    /// # Errors
    /// `NotFound`, `Failed`.
    pub fn read_configuration(&self, path: impl AsRef<Path>) -> Result<Vec<u8>> {
        self.host.read_configuration(&self.call, path.as_ref())
    }

    /// Writes a file, whole or not at all, together with its folder; what was there is replaced.
    ///
    /// # Errors
    /// `Denied` without the grant `file write PATH`, `Failed`.
    pub async fn write_file(&self, path: impl AsRef<Path>, content: Vec<u8>) -> Result<()> {
        let path = path.as_ref().to_owned();
        self.host.clone().write_file(self.call.clone(), path, Some(content)).await
    }

    /// Takes a file away; one that is not there is no error.
    ///
    /// # Errors
    /// As [`Cx::write_file`].
    pub async fn remove_file(&self, path: impl AsRef<Path>) -> Result<()> {
        self.host.clone().write_file(self.call.clone(), path.as_ref().to_owned(), None).await
    }

    /// Reads the secret that a target's section names by a reference such as `env:NAME`.
    ///
    /// # Errors
    /// `Invalid` for what is no reference; `Denied` without the grant `secret read REFERENCE`; those of reading it.
    pub async fn configured_secret(&self, reference: &str) -> Result<SecretText> {
        self.host.clone().configured_secret(self.call.clone(), reference.to_owned()).await
    }

    /// The source that `reference` names: `SCHEME:NAME`.
    ///
    /// # Errors
    /// `Invalid` for a scheme that no system offers, with those that there are.
    pub fn source(&self, reference: &str) -> Result<(SourceScheme, String)> {
        offered(reference, &self.host.sources(), |source| (source.scheme, source.form), "source")
    }

    /// The store that `reference` names: `SCHEME:NAME`.
    ///
    /// # Errors
    /// As [`Cx::source`]; those of finding it.
    pub async fn store(&self, reference: &str, options: Value) -> Result<Arc<dyn Store>> {
        let (scheme, name) =
            offered(reference, &self.host.stores(), |store| (store.scheme, store.form), "store")?;
        (scheme.open)(self.clone(), Named { name, options }).await
    }

    /// Starts a program. It is ended if what this gives is dropped.
    ///
    /// # Errors
    /// `Denied` without a grant for it, `NotFound` if there is no such program.
    pub async fn start_program(&self, program: Program) -> Result<Running> {
        self.host.clone().start_program(self.call.clone(), program).await
    }

    /// Runs a program to its end. What it prints is held.
    ///
    /// # Errors
    /// As [`Cx::start_program`]; a non-zero exit is no error here.
    pub async fn run_program(&self, program: Program, input: &[u8]) -> Result<ProgramOutput> {
        self.start_program(program).await?.to_its_end(input).await
    }

    /// Records, before a write leaves, what takes it back. Inverses are carried out latest first.
    ///
    /// # Errors
    /// `Failed` if it cannot be made durable: then the write must not be sent.
    pub async fn undo(&self, inverse: Inverse) -> Result<UndoSlot> {
        let slot = self.call.inverses.fetch_add(1, Ordering::Relaxed);
        self.host.record_inverse(self.call.clone(), slot, Some(inverse)).await?;
        Ok(UndoSlot { cx: self.clone(), slot })
    }

    pub fn progress(&self, text: impl Into<String>) {
        self.host.note(&self.call, Note::Progress(text.into()));
    }

    pub fn info(&self, text: impl Into<String>) {
        self.host.note(&self.call, Note::Info(text.into()));
    }

    pub fn warn(&self, text: impl Into<String>) {
        self.host.note(&self.call, Note::Warning(text.into()));
    }

    /// Declares residue: what an undone run leaves behind on purpose. `pattern` is a name in the estate's snapshot, with `*`.
    pub fn keep(&self, pattern: &str, why: &str) {
        self.host.keep(&self.call, pattern, why);
    }

    pub fn hide(&self, name: &str, value: &str) {
        self.host.hide(name, value);
    }

    /// The text as the run would write it out. What is to be cut goes through here first: of a value that was cut before it
    /// was hidden, the rest would be shown.
    pub fn shown(&self, text: &str) -> String {
        self.host.shown(text)
    }

    /// The secrets that stand in `value`, in an argument that takes their markers.
    ///
    /// # Errors
    /// `Invalid`, with the place, for a marker that was taken apart or is a key.
    pub fn secrets_in(&self, value: &Value) -> Result<Vec<Found>> {
        secret::found(self.markers(), value)
    }

    /// Puts the values of secrets in the places of their markers.
    ///
    /// # Errors
    /// As [`Cx::secrets_in`]; those of reading a secret.
    pub async fn reveal(&self, value: &mut Value) -> Result<()> {
        let found = self.secrets_in(value)?;
        secret::reveal(value, found, self).await
    }

    pub(crate) fn markers(&self) -> &Markers {
        self.host.markers()
    }

    pub(crate) fn secret(&self, marker: Marker) -> BoxFuture<'static, Result<SecretText>> {
        self.host.clone().secret(self.call.clone(), marker)
    }

    pub fn variable(&self, name: &str) -> Option<String> {
        self.host.variable(name)
    }

    pub fn random(&self) -> u64 {
        self.host.random()
    }

    /// Randomness for keys and nonces: live, the operating system's.
    pub fn fill_random(&self, bytes: &mut [u8]) {
        self.host.fill_random(bytes);
    }

    pub fn process(&self) -> Process {
        self.host.process()
    }

    /// Whether there is such a process on this host.
    pub fn process_lives(&self, pid: u32) -> bool {
        self.host.process_lives(pid)
    }

    /// How many jobs [`Cx::compute`] does at a time.
    pub fn processors(&self) -> usize {
        self.host.processors()
    }

    /// Has a job done that keeps a processor busy and waits for nothing. On an estate it is done before this returns, so that the
    /// order of everything is decided.
    pub fn compute(&self, job: Box<dyn FnOnce() + Send>) {
        self.host.compute(job);
    }

    /// What calls of one run share: made on first use, the same `Arc` after that.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn shared<T: Any + Send + Sync>(
        &self,
        key: &str,
        make: impl FnOnce() -> Result<T>,
    ) -> Result<Arc<T>> {
        let mut make = Some(make);
        let value = self.host.shared(key, &mut || match make.take() {
            Some(make) => Ok(Arc::new(make()?)),
            None => Err(Error::failed("a shared value was made twice")),
        })?;
        value
            .downcast()
            .map_err(|_| Error::new(ErrorKind::Failed, format!("`{key}` is shared as another type")))
    }
}

/// The one of `schemes` that `reference` begins with, and what stands behind its colon.
fn offered<S: Copy>(
    reference: &str,
    schemes: &[S],
    named: impl Fn(&S) -> (&'static str, &'static str),
    what: &str,
) -> Result<(S, String)> {
    let (scheme, name) = reference.split_once(':').unwrap_or((reference, ""));
    let found = schemes.iter().find(|offered| named(offered).0 == scheme);
    match found {
        Some(_) if name.trim_matches('/').is_empty() => {}
        Some(found) => return Ok((*found, name.to_owned())),
        None => {}
    }
    let forms: Vec<&str> = schemes.iter().map(|offered| named(offered).1).collect();
    let hint = match found {
        Some(found) => format!("it is written `{}`", named(found).1),
        None if forms.is_empty() => format!("no system of this program offers a {what}"),
        None => format!("a {what} is named in one of the forms `{}`", forms.join("`, `")),
    };
    Err(Error::invalid(format!("`{reference}` names no {what}")).hint(hint))
}

impl UndoSlot {
    /// Replaces the inverse by a more exact one.
    ///
    /// # Errors
    /// As [`Cx::undo`].
    pub async fn refine(&self, inverse: Inverse) -> Result<()> {
        self.cx.host.record_inverse(self.cx.call.clone(), self.slot, Some(inverse)).await
    }

    /// Nothing was changed after all, or the call has taken it back itself.
    ///
    /// # Errors
    /// As [`Cx::undo`].
    pub async fn forget(self) -> Result<()> {
        self.cx.host.record_inverse(self.cx.call.clone(), self.slot, None).await
    }
}
