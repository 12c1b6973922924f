//! A system's counterpart in a simulated estate: a server that speaks the real wire protocol, in this process.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::DuplexStream;

use crate::{Alterations, BoxFuture, Clock, Precondition, Program, ProgramEnd, Result};

/// What a simulator is given: its time, and the seed that decides every name and identifier.
/// It spawns its tasks on the tokio runtime that it is called on.
#[derive(Clone)]
pub struct Surroundings {
    pub clock: Arc<dyn Clock>,
    pub seed: u64,
    pub files: Arc<dyn EstateFiles>,
}

/// Files that an estate file names; relative paths count from it.
pub trait EstateFiles: Send + Sync {
    /// # Errors
    /// `NotFound`, `Failed`.
    fn read(&self, path: &Path) -> Result<Vec<u8>>;

    /// All files below a folder, sorted, as paths from it.
    ///
    /// # Errors
    /// As [`EstateFiles::read`].
    fn list(&self, folder: &Path) -> Result<Vec<PathBuf>>;
}

/// A running simulated system.
pub trait Simulator: Send + Sync {
    /// A connection for requests of `system` to this address (scheme and authority), served from now on; `None` if nothing of
    /// this simulator is found there.
    fn connect(&self, system: &str, to: &Uri) -> Option<DuplexStream>;

    /// Runs a program on an estate, as far as this simulator has it: it reads its input from `stream`, and prints there.
    fn program(&self, _program: &Program, _stream: DuplexStream) -> Option<BoxFuture<'static, ProgramEnd>> {
        None
    }

    /// What the target's section has to say so that this system's primitives come here.
    fn section(&self) -> Value {
        Value::Null
    }

    /// Everything a user would call state, by name, in order: compared before and after a rehearsal.
    fn snapshot(&self) -> BTreeMap<String, Value> {
        BTreeMap::new()
    }

    /// Of an overlay: what has become of things since this was asked last.
    fn alterations(&self) -> Alterations {
        Alterations::default()
    }

    /// Of an overlay: how what was read one by one, and what was changed, was before.
    fn preconditions(&self) -> Vec<Precondition> {
        Vec::new()
    }

    /// The same system once more, as it is now, in other surroundings: what is done to one of them the other does not see.
    /// Connections stay behind. `None` if this simulator cannot do that.
    fn fork(&self, _surroundings: &Surroundings) -> Option<Arc<dyn Simulator>> {
        None
    }

    /// When served on `address` for other programs: the environment variables they need, some with a file's content.
    fn environment(&self, _address: &str) -> Vec<Variable> {
        Vec::new()
    }
}

const BUFFER: usize = 64 * 1024;

/// A connection whose other end `answer` serves with HTTP/1.1, on the tokio runtime that this is called on.
pub fn serve<F, B>(answer: impl Fn(Request<Incoming>) -> F + Send + 'static) -> DuplexStream
where
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let (near, far) = tokio::io::duplex(BUFFER);
    let service = service_fn(move |request| {
        let answered = answer(request);
        async { Ok::<_, Infallible>(answered.await) }
    });
    // Who hangs up in the middle ends the connection, and that is all.
    // The date would be the machine's.
    tokio::spawn(http1::Builder::new().auto_date_header(false).serve_connection(TokioIo::new(far), service));
    near
}

/// All that a small system needs: a simulator that is a state, a function from a request to status and body that may change
/// it, and what of it a user would call state. It answers at every address.
pub fn simulate<S: Clone + Send + 'static>(
    system: &'static str,
    state: S,
    answer: fn(&mut S, &Request<Bytes>) -> (StatusCode, String),
    snapshot: fn(&S) -> BTreeMap<String, Value>,
) -> Arc<dyn Simulator> {
    Arc::new(Simulated { system, state: Arc::new(Mutex::new(state)), answer, snapshot })
}

struct Simulated<S> {
    system: &'static str,
    state: Arc<Mutex<S>>,
    answer: fn(&mut S, &Request<Bytes>) -> (StatusCode, String),
    snapshot: fn(&S) -> BTreeMap<String, Value>,
}

impl<S: Clone + Send + 'static> Simulator for Simulated<S> {
    fn connect(&self, system: &str, _to: &Uri) -> Option<DuplexStream> {
        let (state, answer) = (self.state.clone(), self.answer);
        (system == self.system).then(|| {
            serve(move |request: Request<Incoming>| {
                let state = state.clone();
                async move {
                    let (parts, body) = request.into_parts();
                    // A body that broke off is received as far as it came.
                    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                    let (status, text) = answer(&mut locked(&state), &Request::from_parts(parts, body));
                    let mut response = Response::new(text);
                    *response.status_mut() = status;
                    response
                }
            })
        })
    }

    fn snapshot(&self) -> BTreeMap<String, Value> {
        (self.snapshot)(&locked(&self.state))
    }

    fn fork(&self, _: &Surroundings) -> Option<Arc<dyn Simulator>> {
        let state = locked(&self.state).clone();
        Some(simulate(self.system, state, self.answer, self.snapshot))
    }
}

/// A state that an answer which panicked left behind is still what there is.
fn locked<S>(state: &Mutex<S>) -> MutexGuard<'_, S> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An environment variable that leads other programs to a served simulator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    pub name: &'static str,
    pub value: VariableValue,
}

/// What the variable is set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VariableValue {
    Text(String),
    /// The path of a file with this name and content.
    File {
        name: &'static str,
        content: String,
    },
}
