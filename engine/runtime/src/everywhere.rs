//! Fails a playbook at each of its writes in turn, in every way in which a write can fail, each time on a fresh estate, and
//! looks whether the run coped, was taken back, or went on after it had been killed. It knows no script language.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use opsrun_core::{Access, Error, Result, Span, Value};
use opsrun_gate::FaultRule;

use crate::chronicle::Chronicle;
use crate::estate::{Change, changes, without_kept};
use crate::event::{Event, Unwatched, Watcher};
use crate::journal::{Death, Entry, MemoryJournal, Record, Settling};
use crate::launch::Rehearsal;
use crate::likeness;
use crate::past::{Course, Past};
use crate::run::{Outcome, Registry, Run, locked};

/// How a write fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// The system refuses it.
    Refused,
    /// It never arrives.
    Lost,
    /// It is carried out, and the answer never comes.
    AnswerLost,
    /// It takes a quarter of an hour: longer than primitives wait if they are not told how long.
    Slow,
    /// The process is killed, and the run goes on in another.
    Resumed(Killed),
    /// The process is killed, and another takes the run back.
    TakenBack(Killed),
}

/// When a process is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Killed {
    /// Before the journal has the write's intent.
    Before,
    /// With the intent in the journal, before the write is sent.
    Unsent,
    /// After the answer, before the journal has the outcome.
    Answered,
}

impl Failure {
    pub const ALL: [Failure; 10] = [
        Failure::Refused,
        Failure::Lost,
        Failure::AnswerLost,
        Failure::Slow,
        Failure::Resumed(Killed::Before),
        Failure::TakenBack(Killed::Before),
        Failure::Resumed(Killed::Unsent),
        Failure::TakenBack(Killed::Unsent),
        Failure::Resumed(Killed::Answered),
        Failure::TakenBack(Killed::Answered),
    ];

    /// In a word, as it is written on a command line.
    pub fn word(self) -> &'static str {
        match self {
            Failure::Refused => "refused",
            Failure::Lost => "lost",
            Failure::AnswerLost => "lost-answer",
            Failure::Slow => "slow",
            Failure::Resumed(Killed::Before) => "killed-before-resume",
            Failure::TakenBack(Killed::Before) => "killed-before-undo",
            Failure::Resumed(Killed::Unsent) => "killed-unsent-resume",
            Failure::TakenBack(Killed::Unsent) => "killed-unsent-undo",
            Failure::Resumed(Killed::Answered) => "killed-answered-resume",
            Failure::TakenBack(Killed::Answered) => "killed-answered-undo",
        }
    }

    /// What the gate does to the write; a killed process that got it out needs nothing.
    fn action(self) -> Option<&'static str> {
        match self {
            Failure::Refused => Some("403"),
            Failure::Lost => Some("lost"),
            Failure::AnswerLost => Some("lost-answer"),
            Failure::Slow => Some("slow 15m"),
            Failure::Resumed(Killed::Unsent) | Failure::TakenBack(Killed::Unsent) => Some("refused"),
            Failure::Resumed(_) | Failure::TakenBack(_) => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One failure: `WRITE:HOW`, such as `12:lost-answer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailAt {
    /// The write's number in an undisturbed run, from 1.
    pub write: u64,
    pub failure: Failure,
}

impl fmt::Display for FailAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.write, self.failure)
    }
}

impl FromStr for FailAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (write, word) = text
            .split_once(':')
            .ok_or("write it like `12:lost-answer`: a write's number and how it fails")?;
        let write = write.parse().ok().filter(|write| *write > 0);
        let write = write.ok_or_else(|| {
            format!("`{}` is no write's number", text.split(':').next().unwrap_or_default())
        })?;
        let failure = Failure::ALL.into_iter().find(|failure| failure.word() == word).ok_or_else(|| {
            let words: Vec<_> = Failure::ALL.iter().map(|failure| failure.word()).collect();
            format!("a write does not fail as `{word}`; it is one of `{}`", words.join("`, `"))
        })?;
        Ok(FailAt { write, failure })
    }
}

/// A write of an undisturbed run.
#[derive(Debug, Clone)]
pub struct Write {
    pub number: u64,
    pub access: Access,
    /// The primitive that makes it.
    pub primitive: String,
    /// The steps that it is in; empty outside of any.
    pub step: String,
}

/// What became of a run that was failed.
#[derive(Debug, Clone)]
pub struct Case {
    pub at: FailAt,
    /// In a word, how it ended.
    pub ended: &'static str,
    /// What did not hold; empty if all is well.
    pub wrong: Vec<String>,
}

impl Case {
    pub fn held(&self) -> bool {
        self.wrong.is_empty()
    }
}

/// Carries a playbook out on a run.
pub type Playing<'p> = dyn Fn(&Arc<Run>) -> Result<Outcome> + Sync + 'p;

/// A playbook, the estate that it is tried on, and what it does there if nothing fails.
pub struct Trial<'t> {
    start: &'t (dyn Fn() -> Result<Rehearsal> + Sync),
    play: &'t Playing<'t>,
    /// The estate as each run begins with it; nothing runs on it itself.
    estate: Rehearsal,
    undisturbed: Undisturbed,
}

struct Undisturbed {
    writes: Vec<Write>,
    value: Value,
    before: BTreeMap<String, Value>,
    after: BTreeMap<String, Value>,
    records: Vec<Record>,
    kept: BTreeMap<String, String>,
}

/// After a run its controllers catch up, so that what is compared does not depend on the moment.
const SETTLING: Span = Span::from_secs(30);
/// Of what differs, so much is told.
const TOLD: usize = 12;

impl<'t> Trial<'t> {
    /// Plays undisturbed. `start` makes a fresh estate, always the same.
    ///
    /// # Errors
    /// Those of `start`; `Failed` if the playbook does not end well by itself.
    pub fn begin(start: &'t (dyn Fn() -> Result<Rehearsal> + Sync), play: &'t Playing<'t>) -> Result<Self> {
        let estate = start()?;
        let rehearsal = estate.fork()?.map_or_else(start, Ok)?;
        let before = rehearsal.estate().snapshot();
        let journal = Arc::new(MemoryJournal::default());
        let run = rehearsal.again(Past::default(), Course::Onward, journal.clone(), Arc::new(Unwatched))?;
        let value = match play(&run)? {
            Outcome::Done(value) => likeness::of(&value),
            other => {
                let error = Error::failed("the playbook does not end well even if nothing is failed");
                let error = other.error().cloned().map_or(error.clone(), |cause| error.because(cause));
                return Err(error.hint("`opsrun rehearse` without `--fail-everywhere` shows it"));
            }
        };
        rehearsal.settle(SETTLING)?;
        let after = rehearsal.estate().snapshot();
        let (records, kept) = (journal.records(), run.kept());
        let writes = writes(&records);
        Ok(Trial {
            start,
            play,
            estate,
            undisturbed: Undisturbed { writes, value, before, after, records, kept },
        })
    }

    /// The writes of the undisturbed run, in their order.
    pub fn writes(&self) -> &[Write] {
        &self.undisturbed.writes
    }

    /// Every failure of every write.
    pub fn all(&self) -> Vec<FailAt> {
        let writes = self.undisturbed.writes.iter().map(|write| write.number);
        writes
            .flat_map(|write| Failure::ALL.into_iter().map(move |failure| FailAt { write, failure }))
            .collect()
    }

    /// Plays once for each failure, on as many threads; the cases are in the order of `failures`.
    pub fn cases(&self, failures: &[FailAt], threads: usize) -> Vec<Case> {
        let next = AtomicUsize::new(0);
        let cases: Vec<Mutex<Option<Case>>> = failures.iter().map(|_| Mutex::new(None)).collect();
        std::thread::scope(|scope| {
            for _ in 0..threads.max(1) {
                scope.spawn(|| {
                    while let Some((at, slot)) = {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        failures.get(number).zip(cases.get(number))
                    } {
                        *locked(slot) = Some(self.case(*at, Arc::new(Unwatched)));
                    }
                });
            }
        });
        let lost = |at: &FailAt| Case { at: *at, ended: "?", wrong: vec!["it was not played".to_owned()] };
        failures
            .iter()
            .zip(cases)
            .map(|(at, case)| locked(&case).take().unwrap_or_else(|| lost(at)))
            .collect()
    }

    /// Plays with one failure.
    pub fn case(&self, at: FailAt, watcher: Arc<dyn Watcher>) -> Case {
        let judged = match at.failure {
            Failure::Resumed(killed) => self.killed(at, killed, Course::Onward, watcher),
            Failure::TakenBack(killed) => self.killed(at, killed, Course::Back, watcher),
            _ => self.failed(at, watcher),
        };
        let (ended, wrong) = judged.unwrap_or_else(|error| ("broke off", vec![error.report()]));
        Case { at, ended, wrong }
    }

    fn rehearsal(&self) -> Result<Rehearsal> {
        self.estate.fork()?.map_or_else(self.start, Ok)
    }

    fn failed(&self, at: FailAt, watcher: Arc<dyn Watcher>) -> Result<(&'static str, Vec<String>)> {
        let rehearsal = self.rehearsal()?;
        let run =
            rehearsal.again(Past::default(), Course::Onward, Arc::new(MemoryJournal::default()), watcher)?;
        run.gate().set_faults(faults(at)?);
        let outcome = (self.play)(&run)?;
        let (ended, mut wrong) = self.judge(&rehearsal, &outcome, run.kept())?;
        if !run.gate().unused_faults().is_empty() {
            wrong.insert(0, "the failure was not reached".to_owned());
        }
        Ok((ended, wrong))
    }

    fn killed(
        &self,
        at: FailAt,
        killed: Killed,
        course: Course,
        watcher: Arc<dyn Watcher>,
    ) -> Result<(&'static str, Vec<String>)> {
        let rehearsal = self.rehearsal()?;
        let death = match killed {
            Killed::Before => Death::BeforeWrite(at.write),
            Killed::Unsent | Killed::Answered => Death::AtWrite(at.write),
        };
        let journal = Arc::new(MemoryJournal::dying(death));
        let mortal = Arc::new(Mortal { journal: journal.clone(), watcher: watcher.clone() });
        let run = rehearsal.again(Past::default(), Course::Onward, journal.clone(), mortal)?;
        run.gate().set_faults(faults(at)?);
        // What a killed run thinks of its end nobody learns.
        let _ = (self.play)(&run);
        if !journal.has_died() {
            return Ok(("unharmed", vec!["the failure was not reached".to_owned()]));
        }
        let mut records = rehearsal.as_written(&journal.records())?;
        if course == Course::Onward {
            records.extend(self.looked(&records, at, killed, run.registry()));
        }
        let past = Past::read(&records, run.registry());
        past.may_go(course, run.name(), run.registry())?;
        let again = rehearsal.again(past, course, Arc::new(MemoryJournal::default()), watcher)?;
        let outcome = (self.play)(&again)?;
        let mut kept = run.kept();
        kept.extend(again.kept());
        let (ended, mut wrong) = self.judge(&rehearsal, &outcome, kept)?;
        if let (Course::Onward, false, Some(error)) =
            (course, matches!(outcome, Outcome::Done(_)), outcome.error())
        {
            wrong.insert(0, format!("it did not go on to its end: {}", error.report()));
        }
        Ok((ended, wrong))
    }

    /// What somebody says who looks what became of the calls that must not simply be repeated. He knows it: a write that
    /// was sent has arrived.
    fn looked(&self, records: &[Record], at: FailAt, killed: Killed, registry: Registry) -> Vec<Record> {
        let unsettled = Past::read(records, registry).unsettled(registry);
        let Some(last) = records.last() else { return Vec::new() };
        let looked = unsettled.into_iter().map(|unsettled| {
            let number = unsettled.call;
            let arrived = records.iter().any(|record| match &record.entry {
                Entry::WriteIntent { call, write, .. } => {
                    *call == number && (*write != at.write || killed == Killed::Answered)
                }
                _ => false,
            });
            let what = match arrived {
                true => Settling::CallDone { call: number, value: self.value_of(records, number) },
                false => Settling::CallNotDone { call: number },
            };
            Record { at: last.at, entry: Entry::Settled { what, reason: "somebody looked".to_owned() } }
        });
        looked.collect()
    }

    /// What the undisturbed run got of a call of this one.
    fn value_of(&self, records: &[Record], number: u64) -> Value {
        let begun = |records: &[Record], wanted: &dyn Fn(u64, &str) -> bool| {
            records.iter().find_map(|record| match &record.entry {
                Entry::CallBegun { call, path, scope, number, arguments, .. } => {
                    let key = format!("{scope:?} {path} {number} {arguments}");
                    wanted(*call, &key).then_some((*call, key))
                }
                _ => None,
            })
        };
        let records = begun(records, &|call, _| call == number)
            .and_then(|(_, key)| begun(&self.undisturbed.records, &|_, other| other == key))
            .map(|(call, _)| call);
        let ended = self.undisturbed.records.iter().find_map(|record| match &record.entry {
            Entry::CallEnded { call, value, .. } if Some(*call) == records => Some(value.clone()),
            _ => None,
        });
        ended.unwrap_or_default()
    }

    /// How a run ended, and what of that is not as it should be.
    fn judge(
        &self,
        rehearsal: &Rehearsal,
        outcome: &Outcome,
        mut kept: BTreeMap<String, String>,
    ) -> Result<(&'static str, Vec<String>)> {
        rehearsal.settle(SETTLING)?;
        let now = rehearsal.estate().snapshot();
        let mut wrong = Vec::new();
        let ended = match outcome {
            Outcome::Done(value) => {
                let value = likeness::of(value);
                if value != self.undisturbed.value {
                    wrong.push(format!(
                        "it gives {value}, an undisturbed run gives {}",
                        self.undisturbed.value
                    ));
                }
                kept.extend(self.undisturbed.kept.clone());
                let alike = |snapshot| shown(likeness::of_snapshot(snapshot), &kept);
                let changes = changes(&alike(&self.undisturbed.after), &alike(&now));
                tell(&mut wrong, "the estate is not as after an undisturbed run", &changes);
                return Ok(("same", wrong));
            }
            Outcome::Failed(_) => "failed",
            Outcome::Undone { .. } | Outcome::TakenBack { .. } => "undone",
            Outcome::BrokenOff { error, left } => {
                wrong.push(format!("taking back broke off with {left} things left, after: {error}"));
                "stuck"
            }
            Outcome::UndoFailed { errors, error, .. } => {
                wrong.push(format!("not everything could be taken back after: {error}"));
                wrong.extend(errors.iter().map(|(what, error)| format!("{what}: {}", error.report())));
                "stuck"
            }
        };
        let (changes, _) = without_kept(changes(&self.undisturbed.before, &now), &kept);
        if !changes.is_empty()
            && let Some(error) = outcome.error()
        {
            wrong.push(format!("it failed: {}", error.report()));
        }
        tell(&mut wrong, "the estate is not as it was", &changes);
        Ok((ended, wrong))
    }
}

/// Tells what a process does until it is killed: what becomes of it then is no part of the run.
struct Mortal {
    journal: Arc<MemoryJournal>,
    watcher: Arc<dyn Watcher>,
}

impl Watcher for Mortal {
    fn event(&self, event: &Event) {
        if !self.journal.has_died() {
            self.watcher.event(event);
        }
    }
}

/// A snapshot in which the hidden contents of what is kept on purpose do not count: they tell what was tried, and when.
fn shown(mut snapshot: BTreeMap<String, Value>, kept: &BTreeMap<String, String>) -> BTreeMap<String, Value> {
    for (name, value) in &mut snapshot {
        if kept.keys().any(|pattern| opsrun_core::glob(pattern, name)) {
            without_hidden(value);
        }
    }
    snapshot
}

fn without_hidden(value: &mut Value) {
    match value {
        Value::String(text) if text.starts_with("(hidden") => "(hidden)".clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(without_hidden),
        Value::Object(map) => map.values_mut().for_each(without_hidden),
        _ => {}
    }
}

fn faults(at: FailAt) -> Result<Vec<FaultRule>> {
    let rule = at.failure.action().map(|action| FaultRule::of_write(at.write, action)).transpose();
    rule.map(|rule| rule.into_iter().collect()).map_err(|error| Error::invalid(error.to_string()))
}

fn tell(wrong: &mut Vec<String>, what: &str, changes: &[Change]) {
    if changes.is_empty() {
        return;
    }
    let mut text = format!("{what}:");
    for change in changes.iter().take(TOLD) {
        text.push_str(&format!("\n  {change}"));
    }
    if changes.len() > TOLD {
        text.push_str(&format!("\n  and {} more", changes.len() - TOLD));
    }
    wrong.push(text);
}

/// The writes that `records` tell of, in their order.
fn writes(records: &[Record]) -> Vec<Write> {
    let calls = Chronicle::of(records, &[]).calls.into_iter();
    let mut writes: Vec<Write> = calls
        .flat_map(|call| {
            let (primitive, step) = (call.primitive, call.step);
            call.writes.into_iter().map(move |write| Write {
                number: write.write,
                access: write.access,
                primitive: primitive.clone(),
                step: step.clone(),
            })
        })
        .collect();
    writes.sort_by_key(|write| write.number);
    writes
}
