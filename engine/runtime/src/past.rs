//! What a run did before it broke off, read off its journal: what need not be done again, what is not known, and what there
//! is to take back. It asks nobody but the journal.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use opsrun_core::{
    Access, BrokenOff, CallId, Declaration, Effect, Error, ErrorKind, Inverse, Redactor, Result, Settle,
    Undo, Value,
};
use opsrun_gate::Bound;

use crate::approval::{Waiting, Word};
use crate::journal::{Entry, Record, Settling, WriteOutcome};
use crate::lease;
use crate::run::Registry;
use crate::scope::{CallKey, Scope};
use crate::seal::Sealer;
use crate::secrets::Remembered;
use crate::undo::{UndoEntry, UndoStack};

/// Which way a run goes that broke off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Course {
    /// Through the whole playbook; what was done before is not done again.
    #[default]
    Onward,
    /// As far as it had got, and from there back.
    Back,
}

/// What is to be done about a call.
pub(crate) enum Met {
    New,
    /// It was made before, and broke off so far.
    Again(BrokenOff),
    /// It was made before, and gave this.
    Kept(Value),
}

/// The earlier part of a run.
#[derive(Default)]
pub struct Past {
    steps: BTreeMap<Scope, Value>,
    /// When each step began, as a number of a record.
    begun: BTreeMap<Scope, usize>,
    /// Where the run stood when each finished step had ended.
    ended_at: BTreeMap<Scope, Mark>,
    calls: BTreeMap<CallKey, Earlier>,
    pub(crate) undo: UndoStack,
    pub(crate) secrets: Vec<Remembered>,
    /// What was said of its approvals, by place, name and number.
    pub(crate) approved: BTreeMap<(Scope, String, u32), Word>,
    /// The approvals that it waits for.
    pub waiting: Vec<Waiting>,
    /// The leases that it took.
    pub(crate) leases: Vec<lease::Wanted>,
    pub(crate) last_call: u64,
    pub(crate) last_write: u64,
    /// What the run carried out: the playbook's path, its texts, its parameters, the target's name.
    pub playbook: String,
    pub files: BTreeMap<String, String>,
    pub params: Value,
    pub target: String,
    /// The plan that it is bound by.
    pub plan: Option<Bound>,
    /// How the run ended, if it did.
    pub ended: Option<String>,
    /// It broke off while it was taking back.
    pub undoing: bool,
    /// What is taken back is what was done after this step had ended.
    pub(crate) until: Option<(Scope, Mark)>,
}

/// A moment of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    /// How many records there were.
    records: usize,
    /// The last call that had begun.
    call: u64,
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Earlier {
    /// It was carried out, and gave this; a read gave something that was not recorded.
    Done(Option<Value>),
    /// It failed so, and changed nothing that is not known: it can be made again.
    Failed(Value),
    /// It broke off, or the answer to a write was lost: the writes that may have been carried out, and what else is known.
    Unknown { call: u64, writes: Vec<Access>, broken_off: BrokenOff },
}

/// A call, as far as the journal has got.
struct Begun {
    at: Timestamp,
    key: CallKey,
    path: String,
    undo: Undo,
    undoes: Option<(u64, usize)>,
    steps: Vec<String>,
    ended: Option<Ended>,
    /// Writes by number, and what is known of them.
    writes: BTreeMap<u64, (Access, Option<WriteOutcome>)>,
    /// What it recorded, by slot.
    inverses: BTreeMap<usize, Inverse>,
}

enum Ended {
    Well(Value),
    InError(Value),
}

/// A call of which somebody has to look what became.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unsettled {
    pub call: u64,
    pub path: String,
    /// The step that it is in, for people.
    pub step: String,
    /// What its writes asked for.
    pub writes: Vec<String>,
    /// What there is to look at.
    pub look: &'static str,
}

impl Past {
    /// Reads what `records` tell.
    pub fn read(records: &[Record], registry: Registry) -> Self {
        let mut reader = PastReader::new(registry);
        records.iter().for_each(|record| reader.take(record));
        reader.past()
    }

    /// Opens what there is to take back, and hides the values that were sealed because they were hidden.
    ///
    /// # Errors
    /// `Denied` if it was sealed with another key.
    pub fn open(&mut self, sealer: &Sealer, redactor: &Redactor) -> Result<()> {
        self.undo.open(sealer, redactor)
    }

    /// What was done after `mark` was taken back: it is to be done again, but for what could not be.
    fn forget_after(&mut self, mark: Mark, calls: &mut BTreeMap<u64, Begun>) {
        let stays = self.undo.calls();
        calls.retain(|call, begun| *call <= mark.call || begun.takes_back() || stays.contains(call));
        let ended_at = &mut self.ended_at;
        ended_at.retain(|_, ended| ended.records <= mark.records);
        self.steps.retain(|scope, _| ended_at.contains_key(scope));
        self.begun.retain(|_, began| *began <= mark.records);
    }

    /// The same, to be taken back up to the moment when `step` had ended.
    ///
    /// # Errors
    /// `NotFound` if there is no finished step of that name, `Invalid` if there are several.
    pub fn back_to(mut self, step: &str) -> Result<Self> {
        let mut finished = self.ended_at.iter().filter(|(scope, _)| self.steps.contains_key(scope));
        let named: Vec<_> = finished.by_ref().filter(|(scope, _)| scope.to_string() == step).collect();
        self.until = match named.as_slice() {
            [(scope, mark)] => Some(((*scope).clone(), **mark)),
            [] => {
                let names: Vec<_> = self.finished().into_iter().map(ToString::to_string).collect();
                let error = Error::not_found(format!("the run has not finished a step `{step}`"));
                return Err(match names.is_empty() {
                    true => error.hint("it has finished none; without `--to` all of it is taken back"),
                    false => {
                        error.hint(format!("the steps that it has finished are `{}`", names.join("`, `")))
                    }
                });
            }
            several => {
                let error = Error::invalid(format!("{} steps of the run are called `{step}`", several.len()));
                return Err(error.hint("take back to the end of the step around them, or all of it"));
            }
        };
        Ok(self)
    }

    /// Whether this is among what is to be taken back.
    pub(crate) fn goes(&self, entry: &UndoEntry) -> bool {
        let Some((_, mark)) = &self.until else { return true };
        match entry {
            UndoEntry::Inverse { call, .. } => call.0 > mark.call,
            UndoEntry::Step { scope, .. } => self.begun.get(scope).is_none_or(|began| *began > mark.records),
        }
    }

    /// The finished steps, in the order in which they ended.
    fn finished(&self) -> Vec<&Scope> {
        let mut finished: Vec<_> =
            self.ended_at.iter().filter(|(scope, _)| self.steps.contains_key(scope)).collect();
        finished.sort_by_key(|(_, mark)| mark.records);
        finished.into_iter().map(|(scope, _)| scope).collect()
    }

    /// What a step gave that was finished.
    pub(crate) fn step(&self, scope: &Scope) -> Option<&Value> {
        self.steps.get(scope)
    }

    /// Whether nothing was done before.
    pub(crate) fn is_empty(&self) -> bool {
        self.playbook.is_empty()
    }

    /// Whether a run may go on, or back, from here.
    ///
    /// # Errors
    /// `Denied`, with what to do instead.
    pub fn may_go(&self, course: Course, run: &str, registry: Registry) -> Result<()> {
        let denied = |why: String, hint: String| Err(Error::new(ErrorKind::Denied, why).hint(hint));
        match (course, self.ended.as_deref()) {
            (Course::Back, Some("undone")) => {
                return denied(
                    format!("the run `{run}` has been taken back already"),
                    format!("`opsrun runs show {run}` shows it"),
                );
            }
            (Course::Back, _) => return Ok(()),
            (Course::Onward, Some(outcome)) => {
                return denied(
                    format!("the run `{run}` has ended: {outcome}"),
                    format!("`opsrun runs show {run}` shows what it did"),
                );
            }
            (Course::Onward, None) if self.undoing => {
                return denied(
                    format!("the run `{run}` broke off while it took back what it had done"),
                    format!("`opsrun undo {run}` goes on with that"),
                );
            }
            (Course::Onward, None) => {}
        }
        let Some(first) = self.unsettled(registry).into_iter().next() else { return Ok(()) };
        let Unsettled { call, path, step, writes, look } = first;
        let error = Error::new(
            ErrorKind::Denied,
            format!(
                "nobody knows whether call {call} of the run `{run}` was carried out: `{path}` in step `{step}`"
            ),
        );
        let error =
            writes.iter().fold(error, |error, write| error.detail(format!("no answer came to: {write}")));
        Err(error.hint(format!(
            "look at {look}; then say it with `opsrun runs settle {run} {call} done` (or `not-done`) `--reason \"…\"`, \
             or take the run back with `opsrun undo {run}`"
        )))
    }

    /// What is to be done about a call that is about to be made.
    ///
    /// # Errors
    /// On the way back: what it failed with before; `Interrupted` where the run had not got any further.
    pub(crate) fn meet(&self, declaration: &Declaration, key: &CallKey, course: Course) -> Result<Met> {
        match (self.calls.get(key), course) {
            (Some(Earlier::Done(value)), _) if declaration.effect == Effect::Write => {
                Ok(Met::Kept(value.clone().unwrap_or_default()))
            }
            // What was read is read again: a record of it would be as large as what was read.
            (Some(Earlier::Done(_)), _) => Ok(Met::New),
            (Some(Earlier::Failed(error)), Course::Back) => Err(Error::from_value(error)),
            (None | Some(Earlier::Unknown { .. }), Course::Back) => Err(Error::interrupted()),
            // An unknown one is repeated: those that must not be have been settled before the run went on.
            (Some(Earlier::Unknown { broken_off, .. }), Course::Onward) => Ok(Met::Again(broken_off.clone())),
            (None | Some(Earlier::Failed(_)), Course::Onward) => Ok(Met::New),
        }
    }

    /// The steps that were begun, and whether each is finished.
    pub fn steps(&self) -> impl Iterator<Item = (&Scope, bool)> {
        self.begun.keys().map(|scope| (scope, self.steps.contains_key(scope)))
    }

    /// The calls that cannot simply be repeated, in their order.
    pub fn unsettled(&self, registry: Registry) -> BTreeSet<Unsettled> {
        let unsettled = self.calls.iter().filter_map(|(key, earlier)| {
            let Earlier::Unknown { call, writes, .. } = earlier else { return None };
            let Settle::Look(look) = registry.primitive(&key.path)?.settle else { return None };
            let writes: Vec<_> = writes.iter().map(ToString::to_string).collect();
            let (path, step) = (key.path.clone(), key.scope.to_string());
            (!writes.is_empty()).then_some(Unsettled { call: *call, path, step, writes, look })
        });
        unsettled.collect()
    }
}

impl Begun {
    /// An inverse, or part of a step's own undo: it is not to be taken back in turn.
    fn takes_back(&self) -> bool {
        self.undoes.is_some() || self.key.scope.is_of_undo()
    }

    fn earlier(&self, call: u64) -> Earlier {
        let writes = |may_have: fn(Option<&WriteOutcome>) -> bool| -> Vec<Access> {
            let writes = self.writes.values().filter(|(_, outcome)| may_have(outcome.as_ref()));
            writes.map(|(access, _)| access.clone()).collect()
        };
        let unknown = |writes: Vec<Access>| {
            let inverses = self.inverses.values().cloned().collect();
            let broken_off = BrokenOff { at: self.at, inverses, wrote: !writes.is_empty() };
            Earlier::Unknown { call, writes, broken_off }
        };
        match &self.ended {
            Some(Ended::Well(Value::Null)) => Earlier::Done(None),
            Some(Ended::Well(value)) => Earlier::Done(Some(value.clone())),
            Some(Ended::InError(error)) => {
                match writes(|outcome| matches!(outcome, None | Some(WriteOutcome::Lost(_)))) {
                    writes if writes.is_empty() => Earlier::Failed(error.clone()),
                    writes => unknown(writes),
                }
            }
            // It had not ended: an answer that came was not the last thing it wanted to do.
            None => unknown(writes(|outcome| !outcome.is_some_and(WriteOutcome::changed_nothing))),
        }
    }
}

/// Reads a journal record by record, and keeps only what matters later: a long journal is not in memory as a whole.
pub struct PastReader {
    registry: Registry,
    past: Past,
    calls: BTreeMap<u64, Begun>,
    /// The calls of writes.
    writers: BTreeMap<u64, u64>,
    /// What somebody has said of calls.
    settled: BTreeMap<u64, Earlier>,
    /// Where taking back is to end.
    to: Option<Scope>,
    /// How many records there were.
    records: usize,
}

impl PastReader {
    pub fn new(registry: Registry) -> Self {
        PastReader {
            registry,
            past: Past::default(),
            calls: BTreeMap::new(),
            writers: BTreeMap::new(),
            settled: BTreeMap::new(),
            to: None,
            records: 0,
        }
    }

    /// The next record.
    pub fn take(&mut self, record: &Record) {
        let number = self.records;
        self.records += 1;
        match &record.entry {
            Entry::RunBegun { playbook, files, params, target, plan, .. } => {
                self.past.plan.clone_from(plan);
                self.past.playbook.clone_from(playbook);
                self.past.files.clone_from(files);
                self.past.params = params.clone();
                self.past.target.clone_from(target);
            }
            Entry::RunResumed { files, .. } => {
                self.past.ended = None;
                if let Some(files) = files {
                    self.past.files.clone_from(files);
                }
            }
            Entry::SecretNamed { secret, target, tag } => self.past.secrets.push(Remembered {
                reference: secret.clone(),
                target: target.clone(),
                tag: tag.clone(),
            }),
            Entry::StepBegun { scope, undo } => {
                self.past.begun.insert(scope.clone(), number);
                if *undo {
                    self.past.undo.expect_step(scope);
                }
            }
            Entry::StepEnded { scope, error: None, value } => {
                self.past.steps.insert(scope.clone(), value.clone());
                let mark = Mark { records: number, call: self.past.last_call };
                self.past.ended_at.insert(scope.clone(), mark);
            }
            Entry::StepEnded { scope, error: Some(_), .. } => {
                self.past.steps.remove(scope);
            }
            Entry::CallBegun { call, path, arguments, .. } if path == lease::PATH => {
                self.past.last_call = self.past.last_call.max(*call);
                self.past.leases.extend(lease::Wanted::read(arguments));
            }
            Entry::CallBegun { call, path, scope, number, arguments, undoes } => {
                self.past.last_call = self.past.last_call.max(*call);
                let undo =
                    self.registry.primitive(path).map_or(Undo::Nothing, |declaration| declaration.undo);
                let key = CallKey {
                    scope: scope.clone(),
                    path: path.clone(),
                    arguments: arguments.to_string(),
                    number: *number,
                };
                let steps = scope.steps().map(str::to_owned).collect();
                let begun = Begun {
                    at: record.at,
                    key,
                    path: path.clone(),
                    undo,
                    undoes: *undoes,
                    steps,
                    ended: None,
                    writes: BTreeMap::new(),
                    inverses: BTreeMap::new(),
                };
                self.calls.insert(*call, begun);
            }
            Entry::Inverse { call, slot, inverse } => {
                if let Some(begun) = self.calls.get_mut(call).filter(|begun| !begun.takes_back()) {
                    match inverse {
                        Some(inverse) => begun.inverses.insert(*slot, inverse.clone()),
                        None => begun.inverses.remove(slot),
                    };
                    let inverse = inverse.clone().map(usable);
                    self.past.undo.record(CallId(*call), *slot, &begun.path, &begun.steps, inverse);
                }
            }
            Entry::WriteIntent { call, write, access } => {
                self.past.last_write = self.past.last_write.max(*write);
                self.writers.insert(*write, *call);
                if let Some(begun) = self.calls.get_mut(call) {
                    begun.writes.insert(*write, (access.clone(), None));
                    if !begun.takes_back() {
                        self.past.undo.about_to_write(CallId(*call), &begun.path, &begun.steps, begun.undo);
                    }
                }
            }
            Entry::WriteOutcome { write, outcome } => {
                let Some(call) = self.writers.get(write) else { return };
                if outcome.changed_nothing() {
                    self.past.undo.not_written(*call);
                }
                if let Some((_, known)) =
                    self.calls.get_mut(call).and_then(|begun| begun.writes.get_mut(write))
                {
                    *known = Some(outcome.clone());
                }
            }
            Entry::CallEnded { call, error, value } => {
                let Some(begun) = self.calls.get_mut(call) else { return };
                begun.ended = Some(match error {
                    None => Ended::Well(value.clone()),
                    Some(error) => Ended::InError(error.clone()),
                });
                if error.is_none() {
                    // Only a call that is made again is told what it had recorded and written.
                    begun.inverses.clear();
                    begun.writes.clear();
                }
                if let (None, Some((call, slot))) = (error, begun.undoes) {
                    self.past.undo.take(CallId(call), slot);
                }
            }
            Entry::Settled { what, .. } => match what {
                Settling::CallDone { call, value } => {
                    self.settled.insert(*call, Earlier::Done(Some(value.clone())));
                }
                Settling::CallNotDone { call } => {
                    self.settled.insert(*call, Earlier::Failed(Value::Null));
                }
                Settling::StepDone { scope, value } => {
                    let mark = Mark { records: number, call: self.past.last_call };
                    self.past.ended_at.insert(scope.clone(), mark);
                    self.past.steps.insert(scope.clone(), value.clone());
                }
                Settling::StepNotDone { scope } => {
                    self.past.steps.remove(scope);
                }
            },
            Entry::ApprovalAsked { name, message, runner, by_other, expires, .. } => {
                self.past.waiting.retain(|waiting| waiting.name != *name);
                self.past.waiting.push(Waiting {
                    name: name.clone(),
                    message: message.clone(),
                    runner: runner.clone(),
                    by_other: *by_other,
                    since: record.at,
                    expires: *expires,
                });
            }
            Entry::ApprovalGiven { scope, name, number, word } => {
                self.past.waiting.retain(|waiting| waiting.name != *name);
                self.past.approved.insert((scope.clone(), name.clone(), *number), word.clone());
            }
            Entry::FreezeOverridden { .. } => {}
            Entry::UndoBegun { to: step, .. } => {
                self.past.undoing = true;
                self.to.clone_from(step);
            }
            Entry::StepUndone { scope } => self.past.undo.take_step(scope),
            Entry::UndoEnded { errors } => {
                self.past.undoing = false;
                if errors.is_empty()
                    && let Some(mark) = self.to.take().and_then(|step| self.past.ended_at.get(&step).copied())
                {
                    self.past.forget_after(mark, &mut self.calls);
                }
            }
            Entry::RunEnded { outcome, .. } => self.past.ended = Some(outcome.clone()),
        }
    }

    /// What the records told.
    pub fn past(self) -> Past {
        let PastReader { mut past, calls, mut settled, .. } = self;
        for (number, begun) in calls.into_iter().filter(|(_, begun)| !begun.takes_back()) {
            let earlier = settled.remove(&number).unwrap_or_else(|| begun.earlier(number));
            past.calls.insert(begun.key, earlier);
        }
        past
    }
}

/// What was not written down cannot be put back: an inverse with a hidden value in it would write the marker.
fn usable(inverse: Inverse) -> Inverse {
    match &inverse {
        Inverse::Call { path, args, .. } if Redactor::has_hidden(&args.to_string()) => {
            Inverse::none(format!("`{path}` would need a secret that the journal does not hold"))
        }
        _ => inverse,
    }
}
