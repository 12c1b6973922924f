//! A system's counterpart in a simulated estate: a server that speaks the real wire protocol, in this process.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::DuplexStream;

use crate::Clock;

/// What a simulator is given: its time, and the seed that decides every name and identifier.
/// It spawns its tasks on the tokio runtime that it is called on.
#[derive(Clone)]
pub struct Surroundings {
    pub clock: Arc<dyn Clock>,
    pub seed: u64,
}

/// A running simulated system.
pub trait Simulator: Send + Sync {
    /// A connection for requests of `system` to `authority` (`host:port`), served from now on; `None` if nothing of this
    /// simulator is found under that name.
    fn connect(&self, system: &str, authority: &str) -> Option<DuplexStream>;

    /// What the target's section has to say so that this system's primitives come here.
    fn section(&self) -> Value {
        Value::Null
    }

    /// Everything a user would call state, by name, in order: compared before and after a rehearsal.
    fn snapshot(&self) -> BTreeMap<String, Value> {
        BTreeMap::new()
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
    tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(far), service));
    near
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
