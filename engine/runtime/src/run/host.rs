//! A run as others see it: the gate, which tells it of requests, and primitives, which ask it for everything.

use std::any::Any;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::{Request, Response};
use hyper::body::Incoming;
use jiff::Timestamp;
use opsrun_core::{
    Access, Body, BoxFuture, Call, Effect, Endpoint, FileDraft, FileFacts, FileWalk, Host, Inverse, Marker,
    Markers, Note, Process, Program, Result, Running, SecretText, SourceScheme, StoreScheme, Talk,
};
use opsrun_gate::{Draft, Outcome as RequestOutcome, Recorder, Ticket};
use rand::{RngCore, SeedableRng};

use super::{Run, locked};
use crate::event::Happening;
use crate::journal::{Entry, WriteOutcome};
use crate::lease;
use crate::secrets;
use crate::world::World;

impl Recorder for Run {
    fn intent(&self, call: &Arc<Call>, access: &Access) -> BoxFuture<'static, Result<Ticket>> {
        if access.effect != Effect::Write {
            return Box::pin(async { Ok(Ticket(0)) });
        }
        if let Some(why) = locked(&self.broken_off).get(&call.id.0).cloned() {
            return Box::pin(async { Err(why) });
        }
        if let Err(error) = self.may_begin(call, access) {
            return Box::pin(async { Err(error) });
        }
        let write = self.writes.fetch_add(1, Ordering::Relaxed) + 1;
        locked(&self.in_flight).insert(write, (call.clone(), access.clone()));
        locked(&self.undo).about_to_write(call.id, call.path, &call.steps, call.undo);
        let appended =
            self.append(Entry::WriteIntent { call: call.id.0, write, access: access.clone() }, true);
        Box::pin(async move { appended.await.map(|()| Ticket(write)) })
    }

    fn outcome(&self, ticket: Ticket, outcome: RequestOutcome) -> BoxFuture<'static, Result<()>> {
        let Some((call, access)) = locked(&self.in_flight).remove(&ticket.0) else {
            return Box::pin(async { Ok(()) });
        };
        let outcome = match outcome {
            // That a lease is renewed again and again is no news.
            RequestOutcome::Answered(status) if call.path == lease::PATH => {
                WriteOutcome::Status(status.as_u16())
            }
            RequestOutcome::Answered(status) => {
                self.tell(&call.steps, Happening::Wrote { path: call.path, access, status: status.as_u16() });
                WriteOutcome::Status(status.as_u16())
            }
            RequestOutcome::NotSent(why) => WriteOutcome::NotSent(why),
            RequestOutcome::Lost(why) => WriteOutcome::Lost(why),
        };
        if outcome.changed_nothing() {
            locked(&self.undo).not_written(call.id.0);
        }
        let appended = self.append(Entry::WriteOutcome { write: ticket.0, outcome }, false);
        self.landed.send_modify(|landed| *landed += 1);
        appended
    }
}

/// A file that a call is writing.
struct Drafted {
    run: Arc<Run>,
    call: Arc<Call>,
    draft: Draft,
}

impl FileDraft for Drafted {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.draft.write_at(offset, bytes)
    }

    fn set_mode(&self, mode: u32) -> Result<()> {
        self.draft.set_mode(mode)
    }

    fn keep(self: Box<Self>, modified: Option<Timestamp>) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move {
            let Drafted { run, call, draft } = *self;
            run.setup.files.keep(&run.setup.gate, &*run, &call, draft, modified).await
        })
    }
}

/// The run as primitives see it.
impl Host for Run {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<'static, ()> {
        self.clock.sleep_until(deadline)
    }

    fn cancelled(&self) -> BoxFuture<'static, ()> {
        let mut stops = self.stops.subscribe();
        let tolerated = self.tolerated.load(Ordering::Relaxed);
        Box::pin(async move {
            if stops.wait_for(|stops| u64::from(*stops) > tolerated).await.is_err() {
                // The run is gone, and with it everything that could wait for this.
                std::future::pending::<()>().await;
            }
        })
    }

    fn send(
        self: Arc<Self>,
        call: Arc<Call>,
        to: Arc<Endpoint>,
        system: &'static str,
        request: Request<Body>,
    ) -> BoxFuture<'static, Result<Response<Incoming>>> {
        Box::pin(async move { self.setup.gate.send(&*self, &call, &to, system, request).await })
    }

    fn talk(
        self: Arc<Self>,
        call: Arc<Call>,
        to: Arc<Endpoint>,
        system: &'static str,
        request: Request<()>,
        talk: Talk,
    ) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move { self.setup.gate.talk(&*self, &call, &to, system, request, talk).await })
    }

    fn read_file(&self, call: &Call, path: &Path) -> Result<Vec<u8>> {
        self.setup.files.read(&self.setup.gate, call, path)
    }

    fn list_files(&self, call: &Call, folder: &Path) -> Result<Vec<PathBuf>> {
        self.setup.files.list(&self.setup.gate, call, folder)
    }

    fn read_configuration(&self, call: &Call, path: &Path) -> Result<Vec<u8>> {
        self.setup.files.read_configuration(&self.setup.gate, call, path)
    }

    fn write_file(
        self: Arc<Self>,
        call: Arc<Call>,
        path: PathBuf,
        content: Option<Vec<u8>>,
    ) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move { self.setup.files.write(&self.setup.gate, &*self, &call, &path, content).await })
    }

    fn file_facts(&self, call: &Call, path: &Path) -> Result<FileFacts> {
        self.setup.files.facts(&self.setup.gate, call, path)
    }

    fn walk_files(&self, call: &Call, folder: &Path) -> Result<FileWalk> {
        self.setup.files.walk(&self.setup.gate, call, folder)
    }

    fn read_file_part(&self, call: &Call, path: &Path, offset: u64, length: usize) -> Result<Vec<u8>> {
        self.setup.files.read_part(&self.setup.gate, call, path, offset, length)
    }

    fn draft_file(self: Arc<Self>, call: Arc<Call>, path: PathBuf) -> Result<Box<dyn FileDraft>> {
        let draft = self.setup.files.draft(&self.setup.gate, &call, &path)?;
        Ok(Box::new(Drafted { run: self, call, draft }))
    }

    fn sources(&self) -> Vec<SourceScheme> {
        self.registry().systems().iter().flat_map(|system| system.sources()).copied().collect()
    }

    fn stores(&self) -> Vec<StoreScheme> {
        self.registry().systems().iter().flat_map(|system| system.stores()).copied().collect()
    }

    fn configured_secret(
        self: Arc<Self>,
        call: Arc<Call>,
        reference: String,
    ) -> BoxFuture<'static, Result<SecretText>> {
        locked(&self.entrusted).insert(call.id);
        secrets::configured(self, call, reference)
    }

    fn start_program(
        self: Arc<Self>,
        call: Arc<Call>,
        program: Program,
    ) -> BoxFuture<'static, Result<Running>> {
        let programs = self.setup.programs.clone();
        Box::pin(async move { programs.start(self, |run| &run.setup.gate, &call, program).await })
    }

    fn record_inverse(
        &self,
        call: Arc<Call>,
        slot: usize,
        inverse: Option<Inverse>,
    ) -> BoxFuture<'static, Result<()>> {
        locked(&self.undo).record(call.id, slot, call.path, &call.steps, inverse.clone());
        // By itself it is not flushed: the intent of the write that follows is, and with it everything before. What is recorded in the
        // middle of a conversation that writes is not followed by one.
        let under_way = locked(&self.in_flight).values().any(|(of, _)| of.id == call.id);
        self.append(Entry::Inverse { call: call.id.0, slot, inverse }, under_way)
    }

    fn note(&self, call: &Call, note: Note) {
        self.tell(&call.steps, Happening::Note { path: call.path, note });
    }

    fn keep(&self, _: &Call, pattern: &str, why: &str) {
        locked(&self.kept).insert(pattern.to_owned(), why.to_owned());
    }

    fn hide(&self, name: &str, value: &str) {
        self.setup.redactor.hide(name, value);
    }

    fn shown(&self, text: &str) -> String {
        self.setup.redactor.show(text).into_owned()
    }

    fn markers(&self) -> &Markers {
        &self.secrets.markers
    }

    fn secret(self: Arc<Self>, call: Arc<Call>, marker: Marker) -> BoxFuture<'static, Result<SecretText>> {
        locked(&self.entrusted).insert(call.id);
        secrets::boxed(self, call, marker)
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.setup.variables.get(name).cloned()
    }

    fn random(&self) -> u64 {
        locked(&self.random).next_u64()
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        match self.setup.world {
            World::Live(_) => rand_chacha::ChaCha20Rng::from_os_rng().fill_bytes(bytes),
            World::Simulated(_) => locked(&self.random).fill_bytes(bytes),
        }
    }

    fn process(&self) -> Process {
        match self.setup.world {
            World::Live(_) => opsrun_gate::process(self.variable("USER")),
            World::Simulated(_) => Process::of_an_estate(),
        }
    }

    fn process_lives(&self, pid: u32) -> bool {
        match self.setup.world {
            World::Live(_) => opsrun_gate::process_lives(pid),
            World::Simulated(_) => pid == Process::of_an_estate().pid,
        }
    }

    fn processors(&self) -> usize {
        match self.setup.world {
            World::Live(_) => opsrun_gate::processors(),
            World::Simulated(_) => 1,
        }
    }

    fn compute(&self, job: Box<dyn FnOnce() + Send>) {
        self.setup.world.compute(job);
    }

    fn shared(
        &self,
        key: &str,
        make: &mut dyn FnMut() -> Result<Arc<dyn Any + Send + Sync>>,
    ) -> Result<Arc<dyn Any + Send + Sync>> {
        let mut shared = locked(&self.shared);
        if let Some(value) = shared.get(key) {
            return Ok(value.clone());
        }
        let value = make()?;
        shared.insert(key.to_owned(), value.clone());
        Ok(value)
    }
}
