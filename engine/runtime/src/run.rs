//! One run of a playbook: what all its branches share, and how it ends.

mod host;

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use opsrun_core::{
    Access, AccessPattern, BoxFuture, Call, CallId, Clock, Cx, Declaration, Error, ErrorKind, Module,
    Redactor, Result, Span, System, Target, Value,
};
use opsrun_gate::{Bound, Files, Gate, Programs};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use serde_json::json;
use tokio::sync::watch;

use crate::approval::Approvals;
use crate::audit::user;
use crate::branch::{Branch, Deadline};
use crate::calendar::Calendar;
use crate::event::{Event, Happening, Unwatched, Watcher};
use crate::journal::{Entry, FORMAT, Journal, MemoryJournal, Record};
use crate::lease::Holdings;
use crate::past::{Course, Past};
use crate::scope::{CallKey, Counts, Scope};
use crate::seal::Sealer;
use crate::secrets::Secrets;
use crate::undo::UndoStack;
use crate::world::World;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The systems of a program, and everything that is declared by them.
#[derive(Clone, Copy)]
pub struct Registry {
    systems: &'static [&'static dyn System],
}

impl Registry {
    pub const fn new(systems: &'static [&'static dyn System]) -> Self {
        Registry { systems }
    }

    pub fn systems(&self) -> &'static [&'static dyn System] {
        self.systems
    }

    /// A pattern for each system under whose name something leaves: with `rest`, or all of it where that is empty.
    pub fn patterns(&self, rest: &str) -> Vec<AccessPattern> {
        let leaves = |system: &&&dyn System| system.verbs().is_none_or(|verbs| !verbs.is_empty());
        let names = self.systems.iter().filter(leaves).map(|system| system.name());
        names.filter_map(|name| format!("{name} {rest}").parse().ok()).collect()
    }

    pub fn modules(&self) -> impl Iterator<Item = &'static Module> {
        self.systems.iter().flat_map(|system| system.modules())
    }

    pub fn primitives(&self) -> impl Iterator<Item = &'static Declaration> {
        self.modules().flat_map(|module| module.primitives)
    }

    pub fn primitive(&self, path: &str) -> Option<&'static Declaration> {
        self.primitives().find(|declaration| declaration.path == path)
    }
}

/// Everything a run is made of.
pub struct Setup {
    pub registry: Registry,
    pub world: World,
    pub gate: Gate,
    pub files: Files,
    pub programs: Programs,
    pub journal: Arc<dyn Journal>,
    pub watcher: Arc<dyn Watcher>,
    pub redactor: Arc<Redactor>,
    /// For what the journal has to hold and nobody may read there.
    pub sealer: Arc<Sealer>,
    /// On an estate, the values of secrets by patterns of references; others have placeholders. `None`: secrets are real.
    pub estate_secrets: Option<BTreeMap<String, String>>,
    /// By name; `on(name)` chooses among them.
    pub targets: BTreeMap<String, Arc<Target>>,
    /// The one that the run begins on.
    pub target: Arc<Target>,
    /// Decides every random name.
    pub seed: u64,
    /// By which the run is found again.
    pub name: String,
    /// What the run did before it broke off.
    pub past: Past,
    pub course: Course,
    /// The plan that the run is bound by.
    pub bound: Option<Bound>,
    /// The environment variables that configuration may be found by.
    pub variables: BTreeMap<String, String>,
    /// Who runs it.
    pub user: String,
    /// Where leases are that no system keeps; `None`: nobody else is there to see them.
    pub lease_folder: Option<PathBuf>,
    /// How long it may take.
    pub deadline: Option<Span>,
    /// When writing may begin on which target; none for what is no live run.
    pub calendars: BTreeMap<String, Calendar>,
    /// Why this run does not keep to them.
    pub override_freeze: Option<String>,
    pub approvals: Approvals,
}

impl Setup {
    /// A run on the target without a name, with a journal in memory, that nobody watches.
    pub fn new(registry: Registry, world: World, gate: Gate) -> Self {
        Setup {
            registry,
            world,
            gate,
            files: Files::new("."),
            programs: Programs::default(),
            journal: Arc::new(MemoryJournal::default()),
            watcher: Arc::new(Unwatched),
            redactor: Arc::default(),
            sealer: Arc::default(),
            estate_secrets: None,
            targets: BTreeMap::new(),
            target: Arc::default(),
            seed: 0,
            name: String::new(),
            past: Past::default(),
            course: Course::default(),
            bound: None,
            variables: BTreeMap::new(),
            user: "nobody".to_owned(),
            lease_folder: None,
            deadline: None,
            calendars: BTreeMap::new(),
            override_freeze: None,
            approvals: Approvals::default(),
        }
    }
}

/// A run, shared by its branches and calls.
pub struct Run {
    pub(crate) setup: Setup,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) undo: Mutex<UndoStack>,
    counts: Mutex<Counts>,
    calls: AtomicU64,
    writes: AtomicU64,
    in_flight: Mutex<BTreeMap<u64, (Arc<Call>, Access)>>,
    /// Counts the writes that were answered, or will not be.
    landed: watch::Sender<u64>,
    /// How often the run was told to stop; undoing tolerates the first time.
    stops: watch::Sender<u32>,
    tolerated: AtomicU64,
    kept: Mutex<BTreeMap<String, String>>,
    random: Mutex<ChaCha12Rng>,
    shared: Mutex<BTreeMap<String, Arc<dyn Any + Send + Sync>>>,
    pub(crate) secrets: Secrets,
    /// The calls that got the values of secrets, until they end.
    entrusted: Mutex<BTreeSet<CallId>>,
    pub(crate) leases: Holdings,
    /// The targets that it has begun to write on.
    begun_on: Mutex<BTreeSet<String>>,
    pub(crate) deadline: Option<Deadline>,
    /// Calls that may not write any more, by number.
    broken_off: Mutex<BTreeMap<u64, Error>>,
}

/// What a run carries out, so that its journal can say it.
#[derive(Debug, Clone, Default)]
pub struct Subject {
    /// The playbook's path; in a word what it is, if it has none (`repl`).
    pub playbook: String,
    /// The texts of the playbook and its libraries, by path.
    pub files: BTreeMap<String, String>,
    /// The playbook's parameters, by name.
    pub params: Value,
}

impl From<&str> for Subject {
    fn from(what: &str) -> Self {
        Subject { playbook: what.to_owned(), ..Subject::default() }
    }
}

/// How a run ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    Done(Value),
    /// It failed; what it did before stays, as there was nothing to undo.
    Failed(Error),
    /// It failed or was stopped, and what it did was taken back, except what `left` names.
    Undone {
        error: Error,
        left: Vec<String>,
    },
    /// It was to be taken back, and so many things were, except what `left` names.
    TakenBack {
        count: usize,
        left: Vec<String>,
    },
    /// It failed, and so did taking back: what is named here is as it should not be.
    UndoFailed {
        error: Error,
        left: Vec<String>,
        errors: Vec<(String, Error)>,
    },
    /// It was stopped at once while it took back what it had done; so many things are left, which `undo` goes on with.
    BrokenOff {
        error: Error,
        left: usize,
    },
}

impl Outcome {
    /// 0 done, 1 failed, 2 refused, 3 failed and undone, 130 interrupted.
    pub fn exit_code(&self) -> u8 {
        match self {
            Outcome::BrokenOff { .. } => 130,
            Outcome::Done(_) | Outcome::TakenBack { .. } => 0,
            Outcome::UndoFailed { .. } => 1,
            Outcome::Failed(error) | Outcome::Undone { error, .. }
                if error.kind() == ErrorKind::Interrupted =>
            {
                130
            }
            Outcome::Undone { .. } => 3,
            Outcome::Failed(error) => match error.kind() {
                ErrorKind::Invalid | ErrorKind::Denied => 2,
                _ => 1,
            },
        }
    }

    pub fn error(&self) -> Option<&Error> {
        match self {
            Outcome::Done(_) | Outcome::TakenBack { .. } => None,
            Outcome::Failed(error)
            | Outcome::Undone { error, .. }
            | Outcome::UndoFailed { error, .. }
            | Outcome::BrokenOff { error, .. } => Some(error),
        }
    }

    /// In one word, for journals and reports.
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Done(_) => "done",
            Outcome::UndoFailed { .. } => "undo-failed",
            Outcome::BrokenOff { .. } => "broken-off",
            Outcome::Failed(error) | Outcome::Undone { error, .. }
                if error.kind() == ErrorKind::Interrupted =>
            {
                "interrupted"
            }
            Outcome::Undone { .. } | Outcome::TakenBack { .. } => "undone",
            Outcome::Failed(_) => "failed",
        }
    }
}

impl Run {
    pub fn new(mut setup: Setup) -> Arc<Self> {
        if let Some(bound) = &setup.bound {
            setup.gate.bind(bound.clone(), setup.redactor.clone());
        }
        let clock = setup.world.clock();
        let deadline = setup.deadline.filter(|_| setup.course == Course::Onward).map(|within| Deadline {
            at: within.after(clock.now()),
            what: "the run".to_owned(),
            within,
        });
        Arc::new(Run {
            clock,
            deadline,
            undo: Mutex::new(std::mem::take(&mut setup.past.undo)),
            counts: Mutex::default(),
            calls: AtomicU64::new(setup.past.last_call),
            writes: AtomicU64::new(setup.past.last_write),
            in_flight: Mutex::default(),
            landed: watch::channel(0).0,
            stops: watch::channel(0).0,
            tolerated: AtomicU64::new(0),
            kept: Mutex::default(),
            random: Mutex::new(ChaCha12Rng::seed_from_u64(setup.seed)),
            shared: Mutex::default(),
            secrets: Secrets::default(),
            entrusted: Mutex::default(),
            begun_on: Mutex::default(),
            broken_off: Mutex::default(),
            leases: Holdings::before(std::mem::take(&mut setup.past.leases)),
            setup,
        })
    }

    pub fn registry(&self) -> Registry {
        self.setup.registry
    }

    /// By which the run is found again.
    pub fn name(&self) -> &str {
        &self.setup.name
    }

    pub fn gate(&self) -> &Gate {
        &self.setup.gate
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Waits for a future from outside of any branch, in a live world.
    ///
    /// # Errors
    /// `Failed` in a simulated world, where only branches wait.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> Result<T> {
        self.setup.world.runtime().map(|runtime| runtime.block_on(future))
    }

    /// Lets a future go on by itself, in a live world.
    ///
    /// # Errors
    /// As [`Run::block_on`].
    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> Result<()> {
        self.setup.world.runtime().map(|runtime| drop(runtime.spawn(future)))
    }

    /// The residue that was declared: patterns of names in the estate's snapshot, and why each stays.
    pub fn kept(&self) -> BTreeMap<String, String> {
        locked(&self.kept).clone()
    }

    pub fn redactor(&self) -> &Redactor {
        &self.setup.redactor
    }

    /// Tells the run to stop: the call that waits ends, and what was done is undone. Told again, undoing stops, too.
    pub fn stop(&self) {
        self.stops.send_modify(|stops| *stops += 1);
    }

    /// Forgets that it was told to stop: for a REPL, whose session goes on.
    pub fn go_on(&self) {
        self.tolerated.store(0, Ordering::Relaxed);
        self.stops.send_replace(0);
    }

    /// From now on no further write of this call leaves, because of this.
    pub(crate) fn write_no_more(&self, call: CallId, why: &Error) {
        locked(&self.broken_off).insert(call.0, why.clone());
    }

    /// Ends when no write of this call is under way any more, or the run was told to stop once more.
    pub(crate) fn landed(self: &Arc<Self>, call: CallId) -> BoxFuture<'static, ()> {
        let (run, mut landed, mut stops) = (self.clone(), self.landed.subscribe(), self.stops.subscribe());
        let told = *stops.borrow();
        Box::pin(async move {
            let landed = async {
                let under_way = || locked(&run.in_flight).values().any(|(of, _)| of.id == call);
                // That the channel has ended says that the run has.
                while under_way() && landed.changed().await.is_ok() {}
            };
            let stopped = stops.wait_for(|stops| *stops > told);
            futures::future::select(std::pin::pin!(landed), std::pin::pin!(stopped)).await;
        })
    }

    pub fn is_stopped(&self) -> bool {
        u64::from(*self.stops.borrow()) > self.tolerated.load(Ordering::Relaxed)
    }

    /// Runs `body` as the run's first branch, on a thread of its own; then, if it failed, takes back what was done.
    /// The journal says that it carries out `subject`.
    ///
    /// # Errors
    /// Only if the run could not begin.
    pub fn execute(
        self: &Arc<Self>,
        subject: Subject,
        body: impl FnOnce(&Arc<Branch>) -> Result<Value> + Send,
    ) -> Result<Outcome> {
        let begun = self.begun(subject);
        let ended = self.setup.world.enter(|place| {
            let branch = Branch::first(self.clone(), place);
            // It is flushed with the first intent: a run of which nothing is left has written nothing.
            branch.record(begun, false)?;
            let outcome = match (branch.scope(body), self.setup.course) {
                (Ok(value), Course::Onward) => Outcome::Done(value),
                (Err(error), Course::Onward) => self.take_back(&branch, error),
                // How far it had got is known now, and that is all that was wanted.
                (_, Course::Back) => self.take_back_as_asked(&branch),
            };
            if let Outcome::BrokenOff { .. } = outcome {
                // As if the process had been killed: its journal is what goes on.
                return Ok(outcome);
            }
            self.let_all_go(&branch);
            if let (Outcome::TakenBack { .. }, Some(_)) = (&outcome, &self.setup.past.until) {
                // It can go on from there.
                return Ok(outcome);
            }
            let error = outcome.error().map(Error::to_value);
            branch.record(Entry::RunEnded { outcome: outcome.word().into(), error }, true)?;
            Ok(outcome)
        });
        // Steps' own undo holds the run that holds it.
        drop(locked(&self.undo).drain(|_| true));
        ended?
    }

    /// What a call ended with, as the playbook may have it: without the values of secrets in errors, and in results of calls
    /// that got such values.
    pub(crate) fn discreet(&self, call: CallId, result: Result<Value>) -> Result<Value> {
        let entrusted = locked(&self.entrusted).remove(&call);
        match result {
            Ok(mut value) => {
                if entrusted {
                    self.setup.redactor.apply_value(&mut value);
                }
                Ok(value)
            }
            Err(error) if self.setup.redactor.is_empty() => Err(error),
            Err(error) => {
                let mut value = error.to_value();
                self.setup.redactor.apply_value(&mut value);
                Err(Error::from_value(&value))
            }
        }
    }

    fn begun(&self, subject: Subject) -> Entry {
        let Subject { playbook, files, params } = subject;
        let (version, who) = (VERSION.to_owned(), user(&self.setup.variables));
        if !self.setup.past.is_empty() {
            let files = (self.setup.past.files != files).then_some(files);
            return Entry::RunResumed { format: FORMAT, version, who, files };
        }
        let (run, target) = (self.setup.name.clone(), self.setup.target.name.clone());
        let plan = self.setup.bound.clone();
        Entry::RunBegun { format: FORMAT, run, playbook, files, target, params, version, who, plan }
    }

    /// The key of a call that is made now.
    pub(crate) fn key(&self, scope: &Scope, path: &str, arguments: &Value) -> CallKey {
        let arguments = arguments.to_string();
        let number = self.count(scope, &format!("call {path} {arguments}"));
        CallKey { scope: scope.clone(), path: path.to_owned(), arguments, number }
    }

    /// How often `what` has come in `scope`.
    pub(crate) fn count(&self, scope: &Scope, what: &str) -> u32 {
        locked(&self.counts).next(scope, what)
    }

    pub(crate) fn count_anew(&self, scope: &Scope) {
        locked(&self.counts).reset(scope);
    }

    /// The same as after a failure, because somebody wants it.
    pub(crate) fn take_back_as_asked(self: &Arc<Self>, branch: &Arc<Branch>) -> Outcome {
        let count = locked(&self.undo).count(|entry| self.setup.past.goes(entry));
        match self.take_back(branch, Error::failed("somebody asked for it")) {
            Outcome::Undone { left, .. } => Outcome::TakenBack { count, left },
            broken @ (Outcome::UndoFailed { .. } | Outcome::BrokenOff { .. }) => broken,
            // There was nothing.
            _ => Outcome::TakenBack { count: 0, left: Vec::new() },
        }
    }

    /// Takes back everything, latest first. An error does not keep the rest from being taken back.
    pub(crate) fn take_back(self: &Arc<Self>, branch: &Arc<Branch>, error: Error) -> Outcome {
        let entries = locked(&self.undo).drain(|entry| self.setup.past.goes(entry));
        let to = self.setup.past.until.as_ref().map(|(scope, _)| scope.clone());
        // Where a run goes back to a step, that has to be known even if nothing is to be done for it.
        if entries.is_empty() && to.is_none() {
            return Outcome::Failed(error);
        }
        // Undoing goes on although the run was told to stop; told once more, it stops.
        self.tolerated.store(u64::from(*self.stops.borrow()), Ordering::Relaxed);
        // What was done under a lease is taken back under it, or not at all.
        let left_alone = match self.setup.gate.fallen() {
            Some(why) => Err(Error::new(ErrorKind::Conflict, why)),
            None => self.hold_again(branch),
        };
        if let Err(why) = left_alone {
            let why = why.hint(format!(
                "nothing was taken back; when the lease is free, `opsrun undo {}` does it",
                self.name()
            ));
            let errors = vec![("everything that was done".to_owned(), why)];
            return Outcome::UndoFailed { error, left: Vec::new(), errors };
        }
        if !entries.is_empty() {
            branch.tell(Happening::UndoBegun { because: error.clone(), entries: entries.len() });
        }
        let mut left = Vec::new();
        let mut errors = Vec::new();
        if let Err(failed) =
            branch.record(Entry::UndoBegun { because: error.message().into(), to: to.clone() }, false)
        {
            errors.push(("the journal".to_owned(), failed));
        }
        let count = entries.len();
        for (done, entry) in entries.into_iter().enumerate() {
            let what = entry.to_string();
            let carried_out = entry.carry_out(branch);
            if self.is_stopped() {
                return Outcome::BrokenOff { error, left: count - done };
            }
            match carried_out {
                Ok(None) => branch.tell(Happening::Undone { what }),
                Ok(Some(why)) => {
                    branch.tell(Happening::Left { what: what.clone(), why: why.clone() });
                    left.push(format!("{what}: {why}"));
                }
                Err(failed) => {
                    branch.tell(Happening::UndoFailed { what: what.clone(), error: failed.clone() });
                    errors.push((what, failed));
                }
            }
        }
        // Where a run goes back to a step, this is its last record.
        let recorded = errors.iter().map(|(_, error)| error.to_value()).collect();
        if let Err(failed) = branch.record(Entry::UndoEnded { errors: recorded }, to.is_some()) {
            errors.push(("the journal".to_owned(), failed));
        }
        match errors.is_empty() {
            true => Outcome::Undone { error, left },
            false => Outcome::UndoFailed { error, left, errors },
        }
    }

    /// Whether the target's calendar lets the run begin to write there. What has begun is brought to its end, and taking back is
    /// always allowed.
    fn may_begin(&self, call: &Call, access: &Access) -> Result<()> {
        let target = &call.target.name;
        let Some(calendar) = self.setup.calendars.get(target) else { return Ok(()) };
        if self.setup.course == Course::Back || locked(&self.begun_on).contains(target) {
            return Ok(());
        }
        if let Err(closed) = calendar.open_at(self.now()) {
            let Some(reason) = &self.setup.override_freeze else {
                let error =
                    Error::new(ErrorKind::Denied, format!("`{access}` on the target `{target}`: {closed}"));
                return Err(error.hint(
                    "reads, rehearsals and `opsrun undo` are free; `--override-freeze \"REASON\"` writes all the same",
                ));
            };
            let (target, reason, by) = (target.clone(), reason.clone(), self.setup.user.clone());
            self.setup.gate.remark(
                "overridden",
                json!({ "target": target, "closed": closed, "reason": reason, "who": by }),
            )?;
            let entry = Entry::FreezeOverridden { target, closed, reason, by };
            // It is flushed with the write's intent.
            futures::FutureExt::now_or_never(self.append(entry, false)).unwrap_or(Ok(()))?;
        }
        locked(&self.begun_on).insert(target.clone());
        Ok(())
    }

    pub(crate) fn next_call(&self) -> CallId {
        CallId(self.calls.fetch_add(1, Ordering::Relaxed) + 1)
    }

    pub(crate) fn context(self: &Arc<Self>, call: Arc<Call>) -> Cx {
        Cx::new(call, self.clone())
    }

    /// A context on `target` for asking something outside of any primitive: it may read only.
    pub(crate) fn reading(self: &Arc<Self>, path: &'static str, target: Arc<Target>) -> Cx {
        self.context(Arc::new(Call::reading(self.next_call(), path, target)))
    }

    pub(crate) fn append(&self, entry: Entry, durable: bool) -> BoxFuture<'static, Result<()>> {
        self.setup.journal.append(&Record { at: self.now(), entry }, durable)
    }

    pub(crate) fn tell(&self, steps: &[String], what: Happening) {
        self.setup.watcher.event(&Event { at: self.now(), steps: steps.to_vec(), what });
    }
}

/// A lock that a panic elsewhere does not break: the panic is reported where the thread is joined.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
