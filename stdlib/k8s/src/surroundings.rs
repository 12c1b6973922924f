//! A run with nothing in it but files, variables, a plugin and a time, each as a test says: for how configuration is found.

use std::any::Any;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use http::{Request, Response};
use hyper::body::Incoming;
use jiff::Timestamp;
use opsrun_core::{
    Body, BoxFuture, Call, CallId, Cx, Endpoint, Error, Host, Inverse, Marker, Markers, Note, Program,
    ProgramEnd, Result, Running, SecretText, Span, Target,
};
use serde_json::Value;

/// What the run has.
#[derive(Default)]
pub(crate) struct Surroundings {
    variables: BTreeMap<String, String>,
    section: Value,
    files: Mutex<BTreeMap<PathBuf, Vec<u8>>>,
    /// What the exec plugin prints, and with which code it ends.
    answer: Mutex<(String, i32)>,
    /// The programs that were run.
    pub ran: Mutex<Vec<Program>>,
    seconds: Mutex<i64>,
    markers: Markers,
}

impl Surroundings {
    pub(crate) fn with_file(self, path: &str, content: &str) -> Self {
        self.write(path, content);
        self
    }

    pub(crate) fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The target's `k8s` section.
    pub(crate) fn with_section(mut self, section: Value) -> Self {
        self.section = section;
        self
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        locked(&self.files).insert(path.into(), content.into());
    }

    pub(crate) fn answer(&self, stdout: &str, code: i32) {
        *locked(&self.answer) = (stdout.to_owned(), code);
    }

    pub(crate) fn pass(&self, span: Span) {
        *locked(&self.seconds) += i64::try_from(span.duration().as_secs()).unwrap_or(i64::MAX);
    }

    pub(crate) fn cx(self: &Arc<Self>) -> Cx {
        let sections = BTreeMap::from([("k8s".to_owned(), self.section.clone())]);
        let target = Arc::new(Target { name: "shop".to_owned(), sections, ..Target::default() });
        Cx::new(Arc::new(Call::reading(CallId(1), "k8s::get", target)), self.clone())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Host for Surroundings {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_772_420_400 + *locked(&self.seconds)).expect("a time of the next centuries")
    }

    fn sleep_until(&self, _: Timestamp) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }

    fn cancelled(&self) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }

    fn send(
        self: Arc<Self>,
        _: Arc<Call>,
        to: Arc<Endpoint>,
        _: &'static str,
        _: Request<Body>,
    ) -> BoxFuture<'static, Result<Response<Incoming>>> {
        Box::pin(async move { Err(Error::failed(format!("nobody is at {}", to.uri))) })
    }

    fn read_file(&self, call: &Call, path: &Path) -> Result<Vec<u8>> {
        self.read_configuration(call, path)
    }

    fn list_files(&self, _: &Call, _: &Path) -> Result<Vec<PathBuf>> {
        Ok(locked(&self.files).keys().cloned().collect())
    }

    fn read_configuration(&self, _: &Call, path: &Path) -> Result<Vec<u8>> {
        let found = locked(&self.files).get(path).cloned();
        found.ok_or_else(|| Error::not_found(format!("`{}` does not exist", path.display())))
    }

    fn start_program(self: Arc<Self>, _: Arc<Call>, program: Program) -> BoxFuture<'static, Result<Running>> {
        locked(&self.ran).push(program);
        let (stdout, code) = locked(&self.answer).clone();
        let end = ProgramEnd { code: Some(code), stderr: b"the plugin's own words\n".to_vec() };
        let running = Running {
            input: Box::pin(tokio::io::sink()),
            output: Box::pin(std::io::Cursor::new(stdout.into_bytes())),
            ended: Box::pin(async move { Ok(end) }),
        };
        Box::pin(async move { Ok(running) })
    }

    fn record_inverse(&self, _: Arc<Call>, _: usize, _: Option<Inverse>) -> BoxFuture<'static, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn note(&self, _: &Call, _: Note) {}

    fn keep(&self, _: &Call, _: &str, _: &str) {}

    fn hide(&self, _: &str, _: &str) {}

    fn shown(&self, text: &str) -> String {
        text.to_owned()
    }

    fn markers(&self) -> &Markers {
        &self.markers
    }

    fn secret(self: Arc<Self>, _: Arc<Call>, marker: Marker) -> BoxFuture<'static, Result<SecretText>> {
        Box::pin(async move { Err(Error::not_found(format!("nobody has `{}`", marker.reference))) })
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn random(&self) -> u64 {
        0
    }

    fn shared(
        &self,
        _: &str,
        make: &mut dyn FnMut() -> Result<Arc<dyn Any + Send + Sync>>,
    ) -> Result<Arc<dyn Any + Send + Sync>> {
        make()
    }
}
