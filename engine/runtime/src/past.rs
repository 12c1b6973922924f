//! What a run did before it broke off, read off its journal: what need not be done again, what is not known, and what there
//! is to take back. It asks nobody but the journal.

use std::collections::{BTreeMap, BTreeSet};

use opsrun_core::{
    Access, CallId, Declaration, Effect, Error, ErrorKind, Inverse, Redactor, Result, Settle, Undo, Value,
};
use opsrun_gate::Bound;

use crate::approval::{Waiting, Word};
use crate::journal::{Entry, Record, Settling, WriteOutcome};
use crate::lease;
use crate::run::Registry;
use crate::scope::{CallKey, Scope};
use crate::seal::Sealer;
use crate::secrets::Remembered;
use crate::undo::UndoStack;

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
    /// It was made before, and gave this.
    Kept(Value),
}

/// The earlier part of a run.
#[derive(Default)]
pub struct Past {
    steps: BTreeMap<Scope, Value>,
    begun: BTreeSet<Scope>,
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
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Earlier {
    /// It was carried out, and gave this; a read gave something that was not recorded.
    Done(Option<Value>),
    /// It failed so, and changed nothing that is not known: it can be made again.
    Failed(Value),
    /// It broke off, or the answer to a write was lost: the writes that may have been carried out.
    Unknown { call: u64, writes: Vec<Access> },
}

/// A call, as far as the journal has got.
struct Begun {
    key: CallKey,
    path: String,
    undo: Undo,
    undoes: Option<(u64, usize)>,
    steps: Vec<String>,
    ended: Option<Ended>,
    /// Writes by number, and what is known of them.
    writes: BTreeMap<u64, (Access, Option<WriteOutcome>)>,
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
        let mut past = Past::default();
        let mut calls: BTreeMap<u64, Begun> = BTreeMap::new();
        let mut writers: BTreeMap<u64, u64> = BTreeMap::new();
        let mut settled: BTreeMap<u64, Earlier> = BTreeMap::new();
        for record in records {
            match &record.entry {
                Entry::RunBegun { playbook, files, params, target, plan, .. } => {
                    past.plan.clone_from(plan);
                    past.playbook.clone_from(playbook);
                    past.files.clone_from(files);
                    past.params = params.clone();
                    past.target.clone_from(target);
                }
                Entry::RunResumed { files, .. } => {
                    past.ended = None;
                    if let Some(files) = files {
                        past.files.clone_from(files);
                    }
                }
                Entry::SecretNamed { secret, target, tag } => past.secrets.push(Remembered {
                    reference: secret.clone(),
                    target: target.clone(),
                    tag: tag.clone(),
                }),
                Entry::StepBegun { scope, undo } => {
                    past.begun.insert(scope.clone());
                    if *undo {
                        past.undo.expect_step(scope);
                    }
                }
                Entry::StepEnded { scope, error: None, value } => {
                    past.steps.insert(scope.clone(), value.clone());
                }
                Entry::StepEnded { scope, error: Some(_), .. } => {
                    past.steps.remove(scope);
                }
                Entry::CallBegun { call, path, arguments, .. } if path == lease::PATH => {
                    past.last_call = past.last_call.max(*call);
                    past.leases.extend(lease::Wanted::read(arguments));
                }
                Entry::CallBegun { call, path, scope, number, arguments, undoes } => {
                    past.last_call = past.last_call.max(*call);
                    let undo = registry.primitive(path).map_or(Undo::Nothing, |declaration| declaration.undo);
                    let key = CallKey {
                        scope: scope.clone(),
                        path: path.clone(),
                        arguments: arguments.to_string(),
                        number: *number,
                    };
                    let steps = scope.steps().map(str::to_owned).collect();
                    let begun = Begun {
                        key,
                        path: path.clone(),
                        undo,
                        undoes: *undoes,
                        steps,
                        ended: None,
                        writes: BTreeMap::new(),
                    };
                    calls.insert(*call, begun);
                }
                Entry::Inverse { call, slot, inverse } => {
                    if let Some(begun) = calls.get(call).filter(|begun| !begun.takes_back()) {
                        let inverse = inverse.clone().map(usable);
                        past.undo.record(CallId(*call), *slot, &begun.path, &begun.steps, inverse);
                    }
                }
                Entry::WriteIntent { call, write, access } => {
                    past.last_write = past.last_write.max(*write);
                    writers.insert(*write, *call);
                    if let Some(begun) = calls.get_mut(call) {
                        begun.writes.insert(*write, (access.clone(), None));
                        if !begun.takes_back() {
                            past.undo.about_to_write(CallId(*call), &begun.path, &begun.steps, begun.undo);
                        }
                    }
                }
                Entry::WriteOutcome { write, outcome } => {
                    let Some(call) = writers.get(write) else { continue };
                    if outcome.changed_nothing() {
                        past.undo.not_written(*call);
                    }
                    if let Some((_, known)) =
                        calls.get_mut(call).and_then(|begun| begun.writes.get_mut(write))
                    {
                        *known = Some(outcome.clone());
                    }
                }
                Entry::CallEnded { call, error, value } => {
                    let Some(begun) = calls.get_mut(call) else { continue };
                    begun.ended = Some(match error {
                        None => Ended::Well(value.clone()),
                        Some(error) => Ended::InError(error.clone()),
                    });
                    if let (None, Some((call, slot))) = (error, begun.undoes) {
                        past.undo.take(CallId(call), slot);
                    }
                }
                Entry::Settled { what, .. } => match what {
                    Settling::CallDone { call, value } => {
                        settled.insert(*call, Earlier::Done(Some(value.clone())));
                    }
                    Settling::CallNotDone { call } => {
                        settled.insert(*call, Earlier::Failed(Value::Null));
                    }
                    Settling::StepDone { scope, value } => {
                        past.steps.insert(scope.clone(), value.clone());
                    }
                    Settling::StepNotDone { scope } => {
                        past.steps.remove(scope);
                    }
                },
                Entry::ApprovalAsked { name, message, runner, by_other, expires, .. } => {
                    past.waiting.retain(|waiting| waiting.name != *name);
                    past.waiting.push(Waiting {
                        name: name.clone(),
                        message: message.clone(),
                        runner: runner.clone(),
                        by_other: *by_other,
                        since: record.at,
                        expires: *expires,
                    });
                }
                Entry::ApprovalGiven { scope, name, number, word } => {
                    past.waiting.retain(|waiting| waiting.name != *name);
                    past.approved.insert((scope.clone(), name.clone(), *number), word.clone());
                }
                Entry::FreezeOverridden { .. } => {}
                Entry::UndoBegun { .. } => past.undoing = true,
                Entry::StepUndone { scope } => past.undo.take_step(scope),
                Entry::UndoEnded { .. } => past.undoing = false,
                Entry::RunEnded { outcome, .. } => past.ended = Some(outcome.clone()),
            }
        }
        for (number, begun) in calls.into_iter().filter(|(_, begun)| !begun.takes_back()) {
            let earlier = settled.remove(&number).unwrap_or_else(|| begun.earlier(number));
            past.calls.insert(begun.key, earlier);
        }
        past
    }

    /// Opens what there is to take back, and hides the values that were sealed because they were hidden.
    ///
    /// # Errors
    /// `Denied` if it was sealed with another key.
    pub fn open(&mut self, sealer: &Sealer, redactor: &Redactor) -> Result<()> {
        self.undo.open(sealer, redactor)
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
            (None | Some(Earlier::Failed(_) | Earlier::Unknown { .. }), Course::Onward) => Ok(Met::New),
        }
    }

    /// The steps that were begun, and whether each is finished.
    pub fn steps(&self) -> impl Iterator<Item = (&Scope, bool)> {
        self.begun.iter().map(|scope| (scope, self.steps.contains_key(scope)))
    }

    /// The calls that cannot simply be repeated, in their order.
    pub fn unsettled(&self, registry: Registry) -> BTreeSet<Unsettled> {
        let unsettled = self.calls.iter().filter_map(|(key, earlier)| {
            let Earlier::Unknown { call, writes } = earlier else { return None };
            let Settle::Look(look) = registry.primitive(&key.path)?.settle else { return None };
            let writes: Vec<_> = writes.iter().map(ToString::to_string).collect();
            let (path, step) = (key.path.clone(), key.scope.to_string());
            (!writes.is_empty()).then_some(Unsettled { call: *call, path, step, writes, look })
        });
        unsettled.collect()
    }

    /// How many things there are to take back.
    pub fn to_take_back(&self) -> usize {
        self.undo.len()
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
        match &self.ended {
            Some(Ended::Well(Value::Null)) => Earlier::Done(None),
            Some(Ended::Well(value)) => Earlier::Done(Some(value.clone())),
            Some(Ended::InError(error)) => {
                match writes(|outcome| matches!(outcome, None | Some(WriteOutcome::Lost(_)))) {
                    unknown if unknown.is_empty() => Earlier::Failed(error.clone()),
                    writes => Earlier::Unknown { call, writes },
                }
            }
            // It had not ended: an answer that came was not the last thing it wanted to do.
            None => {
                let writes = writes(|outcome| !outcome.is_some_and(WriteOutcome::changed_nothing));
                Earlier::Unknown { call, writes }
            }
        }
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
