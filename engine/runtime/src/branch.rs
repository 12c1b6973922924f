//! A branch: one thread of a playbook, with its place in the world, its steps and its target.
//! Every method may block the calling thread until the world gives the branch the baton again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use opsrun_core::{
    BoxFuture, Call, CallId, Declaration, Effect, Error, ErrorKind, Marker, Result, Span, Target, Value,
};

use crate::event::{Happening, Level};
use crate::journal::Entry;
use crate::launch::unknown_target;
use crate::past::{Course, Met};
use crate::run::{Outcome, Run, locked};
use crate::scope::{Part, Scope};
use crate::world::{Body, Place};

/// What a step, a retry or a target does inside.
pub type StepBody<'b> = &'b mut dyn FnMut(&Arc<Branch>) -> Result<Value>;
/// What takes a step back, or is deferred to its end.
pub type StepUndo = Box<dyn FnOnce(&Arc<Branch>) -> Result<()> + Send + Sync>;
/// One of the bodies of a `parallel`.
pub type ParallelBody<'env> = Box<dyn FnOnce(&Arc<Branch>) -> Result<Value> + Send + 'env>;

/// How often, and with which pauses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryOptions {
    /// At most, the first included.
    pub times: u32,
    pub every: Span,
    /// Each pause is this many times as long as the one before.
    pub backoff: f64,
}

/// The inverse that a call carries out.
pub(crate) struct Undoes {
    /// The call and the slot that recorded it.
    pub inverse: (u64, usize),
    /// JSON pointers to what of its arguments is not to be recorded again.
    pub secret: Vec<String>,
}

impl Undoes {
    fn recorded(&self, arguments: &Value) -> Value {
        let mut recorded = arguments.clone();
        for pointer in &self.secret {
            if let Some(part) = recorded.pointer_mut(pointer) {
                *part = "‹sealed›".into();
            }
        }
        recorded
    }
}

/// By when something has to be done.
#[derive(Debug, Clone)]
pub(crate) struct Deadline {
    pub(crate) at: Timestamp,
    /// What has to be done, and how long it may take.
    pub(crate) what: String,
    pub(crate) within: Span,
}

impl Deadline {
    fn over(&self, place: &str) -> Error {
        let Deadline { what, within, .. } = self;
        Error::new(
            ErrorKind::Timeout,
            format!("{what} was to be done within {within}, which ran out in {place}"),
        )
    }
}

/// A thread of a run.
pub struct Branch {
    run: Arc<Run>,
    place: Place,
    state: Mutex<State>,
}

#[derive(Clone)]
struct State {
    steps: Vec<String>,
    scope: Scope,
    target: Arc<Target>,
    /// What is deferred, for each scope that is open.
    deferred: Vec<Arc<Mutex<Vec<StepUndo>>>>,
    deadlines: Vec<Deadline>,
    /// What the branch does is taking back: nothing of it is to be taken back in turn.
    undoing: bool,
}

impl Branch {
    pub(crate) fn first(run: Arc<Run>, place: Place) -> Arc<Self> {
        let state = State {
            steps: Vec::new(),
            scope: Scope::default(),
            target: run.setup.target.clone(),
            deferred: Vec::new(),
            deadlines: run.deadline.clone().into_iter().collect(),
            undoing: false,
        };
        Arc::new(Branch { run, place, state: Mutex::new(state) })
    }

    pub fn run(&self) -> &Arc<Run> {
        &self.run
    }

    /// The names of the steps that are open, outermost first.
    pub fn steps(&self) -> Vec<String> {
        locked(&self.state).steps.clone()
    }

    pub(crate) fn scope_now(&self) -> Scope {
        locked(&self.state).scope.clone()
    }

    pub fn target(&self) -> Arc<Target> {
        locked(&self.state).target.clone()
    }

    /// Calls a primitive with named arguments.
    ///
    /// # Errors
    /// The primitive's; `Invalid` for wrong arguments; `Interrupted`.
    pub fn call(self: &Arc<Self>, declaration: &'static Declaration, arguments: Value) -> Result<Value> {
        self.call_for(declaration, arguments, None)
    }

    pub(crate) fn undo_call(
        self: &Arc<Self>,
        declaration: &'static Declaration,
        arguments: Value,
        undoes: Undoes,
    ) -> Result<Value> {
        self.call_for(declaration, arguments, Some(undoes))
    }

    fn call_for(
        self: &Arc<Self>,
        declaration: &'static Declaration,
        arguments: Value,
        undoes: Option<Undoes>,
    ) -> Result<Value> {
        if self.run.is_stopped() {
            return Err(Error::interrupted());
        }
        let state = locked(&self.state).clone();
        let key = self.run.key(&state.scope, declaration.path, &arguments);
        let mut broken_off = None;
        if declaration.effect != Effect::None && !state.undoing {
            match self.run.setup.past.meet(declaration, &key, self.run.setup.course)? {
                Met::Kept(value) => {
                    self.tell(Happening::CallKept { path: declaration.path });
                    return Ok(value);
                }
                Met::Again(earlier) => broken_off = Some(earlier),
                Met::New => {}
            }
        }
        let call = Arc::new(Call {
            effect: declaration.effect,
            undo: declaration.undo,
            steps: state.steps,
            undoes: state.undoing || undoes.is_some(),
            broken_off,
            ..Call::reading(self.run.next_call(), declaration.path, state.target)
        });
        let id = call.id.0;
        let begun = Entry::CallBegun {
            call: id,
            path: key.path,
            scope: key.scope,
            number: key.number,
            arguments: undoes
                .as_ref()
                .map_or_else(|| arguments.clone(), |undoes| undoes.recorded(&arguments)),
            undoes: undoes.map(|undoes| undoes.inverse),
        };
        if declaration.effect == Effect::None {
            // Computing is not worth a line of the journal.
            return self.finish(
                &call,
                state.undoing,
                declaration.run(arguments, self.run.context(call.clone())),
            );
        }
        self.record(begun, false)?;
        let result =
            self.finish(&call, state.undoing, declaration.run(arguments, self.run.context(call.clone())));
        let (error, value) = match &result {
            Ok(value) if declaration.effect == Effect::Write => (None, value.clone()),
            Ok(_) => (None, Value::Null),
            Err(error) => (Some(error.to_value()), Value::Null),
        };
        self.record(Entry::CallEnded { call: id, error, value }, declaration.effect == Effect::Write)?;
        result
    }

    fn finish(
        &self,
        call: &Arc<Call>,
        undoing: bool,
        future: BoxFuture<'static, Result<Value>>,
    ) -> Result<Value> {
        let result = self.bounded(&format!("`{}`", call.path), Some(call.id), future);
        if undoing {
            locked(&self.run.undo).forget(call.id);
        }
        self.run.discreet(call.id, result)
    }

    /// Waits for something, but no longer than until the run is told to stop, or a deadline is over. A write of `call` that is
    /// under way then is waited for, as far as nobody says again to stop.
    pub(crate) fn bounded<T: Send + 'static>(
        &self,
        place: &str,
        call: Option<CallId>,
        future: BoxFuture<'static, Result<T>>,
    ) -> Result<T> {
        use futures::future::{Either, pending, select};
        use opsrun_core::Host;
        let (run, deadline) = (self.run.clone(), self.deadline());
        if let Some(deadline) = deadline.as_ref().filter(|deadline| run.now() >= deadline.at) {
            return Err(deadline.over(place));
        }
        let place = place.to_owned();
        let waited = async move {
            let late = match &deadline {
                Some(deadline) => run.clock.sleep_until(deadline.at),
                None => Box::pin(pending()),
            };
            let (why, future) = match select(future, select(run.cancelled(), late)).await {
                Either::Left((done, _)) => return done,
                Either::Right((Either::Left(_), future)) => (Error::interrupted(), future),
                Either::Right((Either::Right(_), future)) => {
                    (deadline.map_or_else(Error::interrupted, |deadline| deadline.over(&place)), future)
                }
            };
            let Some(call) = call else { return Err(why) };
            run.write_no_more(call, &why);
            match select(future, run.landed(call)).await {
                Either::Left((done, _)) => done,
                Either::Right(_) => Err(why),
            }
        };
        self.run.setup.world.block_on(&self.place, Box::pin(waited))?
    }

    /// The deadline that comes first; taking back has none.
    fn deadline(&self) -> Option<Deadline> {
        let state = locked(&self.state);
        let deadlines = state.deadlines.iter().filter(|_| !state.undoing);
        deadlines.min_by_key(|deadline| deadline.at).cloned()
    }

    /// Runs `body`, which has to be done within `span`. `what` names it in the error.
    ///
    /// # Errors
    /// `Timeout` from whatever is waited for when it is over; those of `body`.
    pub fn limited<T>(
        self: &Arc<Self>,
        span: Span,
        what: impl Into<String>,
        body: impl FnOnce(&Arc<Branch>) -> Result<T>,
    ) -> Result<T> {
        let deadline = Deadline { at: span.after(self.run.now()), what: what.into(), within: span };
        locked(&self.state).deadlines.push(deadline);
        let result = body(self);
        locked(&self.state).deadlines.pop();
        result
    }

    /// Runs `body` as the step `name`. `undo` takes it back if the run fails after it was entered.
    ///
    /// # Errors
    /// Those of `body`; `Invalid` for a name that cannot be one.
    pub fn step(self: &Arc<Self>, name: &str, undo: Option<StepUndo>, body: StepBody<'_>) -> Result<Value> {
        if name.trim().is_empty() || name.contains('\n') {
            return Err(Error::invalid("a step needs a name of one line"));
        }
        // Where a step is found again, what stands for a secret in this run alone must not be in its name.
        let name = &*Marker::shortened(name);
        let (outer, undoing) = {
            let state = locked(&self.state);
            (state.scope.clone(), state.undoing)
        };
        let number = self.run.count(&outer, &format!("step {name}"));
        let scope = outer.with(Part::Step(name.to_owned(), number));
        if let Some(value) = self.run.setup.past.step(&scope).filter(|_| !undoing) {
            if let Some(undo) = undo {
                locked(&self.run.undo).step(&scope, undo);
            }
            self.inside(name, &scope, |branch| branch.tell(Happening::StepKept));
            return Ok(value.clone());
        }
        self.inside(name, &scope, |branch| branch.take_step(&scope, undo.filter(|_| !undoing), body))
    }

    fn take_step(
        self: &Arc<Self>,
        scope: &Scope,
        undo: Option<StepUndo>,
        body: StepBody<'_>,
    ) -> Result<Value> {
        let begun = self.run.now();
        self.tell(Happening::StepBegun);
        let entry = Entry::StepBegun { scope: scope.clone(), undo: undo.is_some() };
        let result = self.record(entry, false).and_then(|()| {
            if let Some(undo) = undo {
                locked(&self.run.undo).step(scope, undo);
            }
            self.scope(|branch| body(branch))
        });
        let error = result.as_ref().err().cloned();
        let value = result.as_ref().ok().cloned().unwrap_or_default();
        let ended =
            Entry::StepEnded { scope: scope.clone(), error: error.as_ref().map(Error::to_value), value };
        let recorded = self.record(ended, false);
        let took = std::time::Duration::try_from(self.run.now().duration_since(begun)).unwrap_or_default();
        self.tell(Happening::StepEnded { took: took.into(), error });
        result.and_then(|value| recorded.map(|()| value))
    }

    /// Does something as inside of a step.
    fn inside<T>(self: &Arc<Self>, name: &str, scope: &Scope, body: impl FnOnce(&Arc<Self>) -> T) -> T {
        let outer = {
            let mut state = locked(&self.state);
            state.steps.push(name.to_owned());
            std::mem::replace(&mut state.scope, scope.clone())
        };
        let result = body(self);
        let mut state = locked(&self.state);
        state.steps.pop();
        state.scope = outer;
        result
    }

    /// Runs `body`, and then what was deferred meanwhile, latest first, however it ended. An error of the deferred does not
    /// hide one of the body.
    ///
    /// # Errors
    /// That of `body`, or the first of the deferred.
    pub fn scope<T>(self: &Arc<Self>, body: impl FnOnce(&Arc<Branch>) -> Result<T>) -> Result<T> {
        let deferred = Arc::new(Mutex::new(Vec::new()));
        locked(&self.state).deferred.push(deferred.clone());
        let mut result = body(self);
        locked(&self.state).deferred.pop();
        let deferred = std::mem::take(&mut *locked(&deferred));
        for body in deferred.into_iter().rev() {
            if let Err(error) = body(self) {
                match &result {
                    Ok(_) => result = Err(error.context("what was deferred to the end failed")),
                    Err(_) => self.log(
                        Level::Error,
                        format!("what was deferred to the end failed: {}", error.report()),
                        Value::Null,
                    ),
                }
            }
        }
        result
    }

    /// Takes back everything that the run has done so far, latest first, as a run that fails does: for a REPL.
    pub fn take_back(self: &Arc<Self>) -> Outcome {
        self.run.take_back_as_asked(self)
    }

    /// Defers `body` to the end of the step that is open, or of the run.
    pub fn defer(&self, body: StepUndo) {
        let open = locked(&self.state).deferred.last().cloned();
        if let Some(open) = open {
            locked(&open).push(body);
        }
    }

    /// Runs all bodies at once, at most `at_most` at a time, and waits for all. In a simulated world they take turns.
    /// Results are in the order of the bodies.
    ///
    /// # Errors
    /// Only if the branches cannot run; what a body ends with is in the list.
    pub fn parallel(
        self: &Arc<Self>,
        bodies: Vec<ParallelBody<'_>>,
        at_most: usize,
    ) -> Result<Vec<Result<Value>>> {
        let results: Vec<Mutex<Option<Result<Value>>>> = bodies.iter().map(|_| Mutex::new(None)).collect();
        let workers = at_most.clamp(1, bodies.len().max(1)).min(bodies.len());
        let queue: Mutex<VecDeque<(usize, ParallelBody<'_>)>> =
            Mutex::new(bodies.into_iter().enumerate().collect());
        let state = locked(&self.state).clone();
        let scope = state.scope.with(Part::Parallel(self.run.count(&state.scope, "parallel")));
        let threads = (0..workers).map(|_| {
            let (queue, results, state, scope) = (&queue, &results, state.clone(), &scope);
            let body: Body<'_> = Box::new(move |place| {
                let branch = Arc::new(Branch { run: self.run.clone(), place, state: Mutex::new(state) });
                loop {
                    let Some((number, body)) = locked(queue).pop_front() else { return };
                    let part = Part::Branch(u32::try_from(number).unwrap_or(u32::MAX));
                    locked(&branch.state).scope = scope.with(part);
                    let result =
                        if self.run.is_stopped() { Err(Error::interrupted()) } else { branch.scope(body) };
                    if let Some(slot) = results.get(number) {
                        *locked(slot) = Some(result);
                    }
                }
            });
            body
        });
        self.run.setup.world.fork(&self.place, threads.collect())?;
        let lost = || Err(Error::failed("a branch ended without a result"));
        Ok(results.into_iter().map(|slot| locked(&slot).take().unwrap_or_else(lost)).collect())
    }

    /// Runs `body` until it succeeds.
    ///
    /// # Errors
    /// The last one. What is invalid, denied or interrupted is not tried again.
    pub fn retry(self: &Arc<Self>, options: RetryOptions, body: StepBody<'_>) -> Result<Value> {
        let outer = locked(&self.state).scope.clone();
        let scope = outer.with(Part::Retry(self.run.count(&outer, "retry")));
        locked(&self.state).scope = scope.clone();
        let result = self.attempts(options, &scope, body);
        locked(&self.state).scope = outer;
        result
    }

    fn attempts(self: &Arc<Self>, options: RetryOptions, scope: &Scope, body: StepBody<'_>) -> Result<Value> {
        let mut pause = options.every;
        for attempt in 1.. {
            self.run.count_anew(scope);
            let error = match self.scope(|branch| body(branch)) {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let hopeless = matches!(
                error.kind(),
                ErrorKind::Invalid | ErrorKind::Denied | ErrorKind::Interrupted | ErrorKind::Script
            );
            if hopeless {
                return Err(error);
            }
            if attempt >= options.times {
                return Err(error.context(format!("given up after {attempt} attempts")));
            }
            self.tell(Happening::Retry { attempt, of: options.times, error, wait: pause });
            self.sleep(pause)?;
            pause = pause.duration().mul_f64(options.backoff.max(1.0)).into();
        }
        Err(Error::invalid("a retry needs at least one attempt"))
    }

    /// Runs `body` on another target.
    ///
    /// # Errors
    /// `Invalid` if there is no such target; those of `body`.
    pub fn on(self: &Arc<Self>, target: &str, body: StepBody<'_>) -> Result<Value> {
        let targets = &self.run.setup.targets;
        let found = targets.get(target).cloned().ok_or_else(|| unknown_target(target, targets.keys()))?;
        let before = std::mem::replace(&mut locked(&self.state).target, found);
        let result = body(self);
        locked(&self.state).target = before;
        result
    }

    /// Runs `body` as if inside these steps, without recording anything that could be undone.
    pub(crate) fn within<T>(
        self: &Arc<Self>,
        steps: &[String],
        body: impl FnOnce(&Arc<Branch>) -> Result<T>,
    ) -> Result<T> {
        let before = {
            let mut state = locked(&self.state);
            let before = state.clone();
            state.steps = steps.to_vec();
            state.scope = Scope::default().with(Part::Undo(self.run.count(&Scope::default(), "undo")));
            state.undoing = true;
            before
        };
        let result = self.scope(body);
        *locked(&self.state) = before;
        result
    }

    /// Takes a step back in its own way.
    pub(crate) fn undo_step(self: &Arc<Self>, scope: &Scope, undo: StepUndo) -> Result<()> {
        let steps: Vec<String> = scope.steps().map(str::to_owned).collect();
        self.within(&steps, |branch| undo(branch))?;
        self.record(Entry::StepUndone { scope: scope.clone() }, true)
    }

    /// # Errors
    /// `Interrupted`.
    pub fn sleep(&self, span: Span) -> Result<()> {
        use opsrun_core::Host;
        if self.run.setup.course == Course::Back && !locked(&self.state).undoing {
            return Ok(());
        }
        let slept = self.run.sleep_until(span.after(self.run.now()));
        self.bounded(
            "`sleep`",
            None,
            Box::pin(async move {
                slept.await;
                Ok(())
            }),
        )
    }

    /// Waits for any future on the world's runtime: for what is not a primitive, such as starting an estate.
    ///
    /// # Errors
    /// `Timeout` if nothing will ever happen any more in a simulated world.
    pub fn block_on<T: Send + 'static>(&self, future: BoxFuture<'static, T>) -> Result<T> {
        self.run.setup.world.block_on(&self.place, future)
    }

    /// A context for asking something outside of any primitive (`doctor`): it may read only.
    pub fn reading(&self, path: &'static str) -> opsrun_core::Cx {
        let state = locked(&self.state).clone();
        self.run.reading(path, state.target)
    }

    pub fn log(&self, level: Level, text: String, fields: Value) {
        self.tell(Happening::Log { level, text, fields });
    }

    pub(crate) fn tell(&self, what: Happening) {
        self.run.tell(&self.steps(), what);
    }

    pub(crate) fn record(&self, entry: Entry, durable: bool) -> Result<()> {
        let appended = self.run.append(entry, durable);
        match durable {
            true => self.run.setup.world.block_on(&self.place, appended)?,
            // Without waiting, the future is over as soon as it is made: only its result is asked for.
            false => futures::FutureExt::now_or_never(appended).unwrap_or(Ok(())),
        }
    }
}
