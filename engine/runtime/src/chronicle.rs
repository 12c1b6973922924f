//! A run as its journal tells it, put together for whoever asks about it later: what began with what ended it.
//! It decides nothing; what is to be done again is `Past`'s to say.

use std::collections::BTreeMap;

use jiff::Timestamp;
use opsrun_core::{Access, Inverse, Value};
use serde::Serialize;

use crate::journal::{Entry, FORMAT, Record, Settling, WriteOutcome};
use crate::scope::Scope;

/// One run, from its beginning to where its journal ends. As JSON it is what `opsrun runs export` prints.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Chronicle {
    /// The version of the form of the journal that it was read off.
    pub format: u32,
    pub run: String,
    pub playbook: String,
    /// The texts of the playbook and its libraries, by path.
    pub files: BTreeMap<String, String>,
    pub target: String,
    pub params: Value,
    /// Who began it, as far as the machine knew.
    pub who: String,
    /// The version of opsrun that began it.
    pub version: String,
    pub began: Timestamp,
    /// When it ended; `None` while it has not.
    pub ended: Option<Timestamp>,
    /// In one word.
    pub outcome: Option<String>,
    pub error: Option<Value>,
    /// In the order in which they began.
    pub steps: Vec<StepTold>,
    pub calls: Vec<CallTold>,
    /// Each time that it was taken back.
    pub undone: Vec<UndoTold>,
    pub remarks: Vec<Remark>,
}

#[derive(Debug, Clone, Serialize)]
pub struct StepTold {
    pub scope: Scope,
    /// The same for people: `deploy / upgrade`.
    pub step: String,
    pub began: Timestamp,
    pub ended: Option<Timestamp>,
    pub value: Value,
    pub error: Option<Value>,
}

#[derive(Debug, Clone, Serialize)]
pub struct CallTold {
    pub call: u64,
    pub primitive: String,
    pub scope: Scope,
    /// The step that it is in, for people.
    pub step: String,
    pub arguments: Value,
    pub began: Timestamp,
    pub ended: Option<Timestamp>,
    /// What a write gave; a read's is not in the journal.
    pub value: Value,
    pub error: Option<Value>,
    /// The call that this one takes back.
    pub undoes: Option<u64>,
    /// What takes it back.
    pub inverses: Vec<Inverse>,
    pub writes: Vec<WriteTold>,
    #[serde(skip)]
    slots: BTreeMap<usize, Inverse>,
}

#[derive(Debug, Clone, Serialize)]
pub struct WriteTold {
    pub write: u64,
    pub access: Access,
    pub began: Timestamp,
    pub ended: Option<Timestamp>,
    /// `None`: nobody knows.
    pub outcome: Option<WriteOutcome>,
}

#[derive(Debug, Clone, Serialize)]
pub struct UndoTold {
    pub because: String,
    pub began: Timestamp,
    pub ended: Option<Timestamp>,
    pub errors: Vec<Value>,
}

/// Something that somebody did or said, or that is to be known.
#[derive(Debug, Clone, Serialize)]
pub struct Remark {
    pub at: Timestamp,
    pub text: String,
}

impl Chronicle {
    /// What `records` tell; `damaged` are the journal's lines that cannot be read, and why.
    pub fn of(records: &[Record], damaged: &[(usize, String)]) -> Self {
        let mut told = Chronicle { format: FORMAT, ..Chronicle::default() };
        if let Some(first) = records.first() {
            told.began = first.at;
        }
        records.iter().for_each(|record| told.take(record));
        for (line, why) in damaged {
            told.remark(
                told.began,
                format!("line {line} of the journal is damaged, what it said is not known: {why}"),
            );
        }
        for call in &mut told.calls {
            call.inverses = std::mem::take(&mut call.slots).into_values().collect();
        }
        told
    }

    fn take(&mut self, record: &Record) {
        let at = record.at;
        match &record.entry {
            Entry::RunBegun { format, run, playbook, files, target, params, version, who, .. } => {
                let (run, playbook, target) = (run.clone(), playbook.clone(), target.clone());
                let (files, params, version) = (files.clone(), params.clone(), version.clone());
                *self = Chronicle {
                    format: *format,
                    run,
                    playbook,
                    files,
                    target,
                    params,
                    version,
                    who: who.clone(),
                    began: at,
                    ..Chronicle::default()
                };
            }
            Entry::RunResumed { version, files, who, .. } => {
                (self.ended, self.outcome, self.error) = (None, None, None);
                let by = if who.is_empty() { String::new() } else { format!(" by {who}") };
                let changed = if files.is_some() { ", with another playbook" } else { "" };
                self.remark(at, format!("it goes on{by} with opsrun {version}{changed}"));
                if let Some(files) = files {
                    self.files.clone_from(files);
                }
            }
            Entry::SecretNamed { secret, .. } => self.remark(at, format!("it names the secret {secret}")),
            Entry::StepBegun { scope, .. } => {
                let step = scope.to_string();
                let (value, error, ended) = (Value::Null, None, None);
                self.steps.push(StepTold { scope: scope.clone(), step, began: at, ended, value, error });
            }
            Entry::StepEnded { scope, error, value } => {
                if let Some(step) = self.steps.iter_mut().rev().find(|step| step.scope == *scope) {
                    (step.ended, step.error, step.value) = (Some(at), error.clone(), value.clone());
                }
            }
            Entry::CallBegun { call, path, scope, arguments, undoes, .. } => self.calls.push(CallTold {
                call: *call,
                primitive: path.clone(),
                scope: scope.clone(),
                step: scope.to_string(),
                arguments: arguments.clone(),
                began: at,
                ended: None,
                value: Value::Null,
                error: None,
                undoes: undoes.map(|(call, _)| call),
                inverses: Vec::new(),
                writes: Vec::new(),
                slots: BTreeMap::new(),
            }),
            Entry::Inverse { call, slot, inverse } => {
                if let Some(call) = self.call(*call) {
                    match inverse {
                        Some(inverse) => call.slots.insert(*slot, inverse.clone()),
                        None => call.slots.remove(slot),
                    };
                }
            }
            Entry::WriteIntent { call, write, access } => {
                if let Some(call) = self.call(*call) {
                    let (access, ended, outcome) = (access.clone(), None, None);
                    call.writes.push(WriteTold { write: *write, access, began: at, ended, outcome });
                }
            }
            Entry::WriteOutcome { write, outcome } => {
                let mut writes = self.calls.iter_mut().rev().flat_map(|call| &mut call.writes);
                if let Some(told) = writes.find(|told| told.write == *write) {
                    (told.ended, told.outcome) = (Some(at), Some(outcome.clone()));
                }
            }
            Entry::CallEnded { call, error, value } => {
                if let Some(call) = self.call(*call) {
                    (call.ended, call.error, call.value) = (Some(at), error.clone(), value.clone());
                }
            }
            Entry::Settled { what, reason } => self.remark(at, format!("somebody says: {what}: {reason}")),
            Entry::ApprovalAsked { name, message, .. } => {
                let message = if message.is_empty() { String::new() } else { format!(": {message}") };
                self.remark(at, format!("it waits for the approval `{name}`{message}"));
            }
            Entry::ApprovalGiven { name, word, .. } => {
                let said = if word.refused { "refused" } else { "approved" };
                let reason =
                    if word.reason.is_empty() { String::new() } else { format!(": {}", word.reason) };
                self.remark(at, format!("`{name}` is {said} by {}{reason}", word.by));
            }
            Entry::FreezeOverridden { target, closed, reason, by } => {
                self.remark(at, format!("{by} writes on `{target}` although {closed}: {reason}"));
            }
            Entry::UndoBegun { because, to } => {
                let because = match to {
                    None => because.clone(),
                    Some(step) => format!("{because}, to the end of step `{step}`"),
                };
                self.undone.push(UndoTold { because, began: at, ended: None, errors: Vec::new() });
            }
            Entry::StepUndone { scope } => {
                self.remark(at, format!("step `{scope}` was taken back in its own way"));
            }
            Entry::UndoEnded { errors } => {
                if let Some(undo) = self.undone.last_mut() {
                    (undo.ended, undo.errors) = (Some(at), errors.clone());
                }
            }
            Entry::RunEnded { outcome, error } => {
                (self.ended, self.outcome, self.error) = (Some(at), Some(outcome.clone()), error.clone());
            }
        }
    }

    fn call(&mut self, number: u64) -> Option<&mut CallTold> {
        self.calls.iter_mut().rev().find(|call| call.call == number)
    }

    fn remark(&mut self, at: Timestamp, text: String) {
        self.remarks.push(Remark { at, text });
    }

    /// The writes, in the order in which they began.
    pub fn writes(&self) -> impl Iterator<Item = &WriteTold> {
        let mut writes: Vec<_> = self.calls.iter().flat_map(|call| &call.writes).collect();
        writes.sort_by_key(|write| write.write);
        writes.into_iter()
    }
}

impl WriteTold {
    /// In a word or two, what became of it.
    pub fn became(&self) -> String {
        match &self.outcome {
            Some(WriteOutcome::Status(status)) => format!("answered {status}"),
            Some(WriteOutcome::NotSent(why)) => format!("not sent: {why}"),
            Some(WriteOutcome::Lost(why)) => format!("UNKNOWN: {why}"),
            None => "UNKNOWN: the run broke off".to_owned(),
        }
    }
}

impl std::fmt::Display for Settling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Settling::CallDone { call, .. } => write!(f, "call {call} was carried out"),
            Settling::CallNotDone { call } => write!(f, "call {call} was not carried out"),
            Settling::StepDone { scope, .. } => write!(f, "step {scope} is done"),
            Settling::StepNotDone { scope } => write!(f, "step {scope} is to be done again"),
        }
    }
}
