//! The journal: what a run did, in the order in which it became true. It is where records go, and knows no file.
//! Intents cannot be lost any more when their write leaves; everything else at the latest when the run ends.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use opsrun_core::{Access, BoxFuture, Error, Inverse, Result, Value};
use opsrun_gate::Bound;
use serde::{Deserialize, Serialize};

use crate::approval::Word;
use crate::scope::Scope;

/// The version of the form of what is recorded.
pub const FORMAT: u32 = 2;

/// A line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub at: Timestamp,
    #[serde(flatten)]
    pub entry: Entry,
}

/// What can happen in a run. Calls and writes are numbered within it; what `docs/journal.md` says of the form is tested.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "kebab-case")]
pub enum Entry {
    RunBegun {
        /// The version of this form.
        format: u32,
        run: String,
        playbook: String,
        /// The texts of the playbook and of its libraries, by path.
        #[serde(default)]
        files: BTreeMap<String, String>,
        target: String,
        params: Value,
        version: String,
        /// Who began it, as far as the machine knew.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        who: String,
        /// The plan that it is bound by.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        plan: Option<Bound>,
    },
    /// The run goes on after it broke off.
    RunResumed {
        /// The version of the form of what follows.
        #[serde(default = "first_format")]
        format: u32,
        version: String,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        who: String,
        /// The texts, where they are others than before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        files: Option<BTreeMap<String, String>>,
    },
    /// What stands for a secret in this run.
    SecretNamed {
        /// The reference: `env:SLACK_URL`.
        secret: String,
        /// The target that it was named on, where it is read.
        target: String,
        /// By which its marker is told from a forged one.
        tag: String,
    },
    StepBegun {
        scope: Scope,
        /// Whether the step says itself how it is taken back.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        undo: bool,
    },
    StepEnded {
        scope: Scope,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Value>,
        #[serde(default, skip_serializing_if = "Value::is_null")]
        value: Value,
    },
    CallBegun {
        call: u64,
        path: String,
        scope: Scope,
        /// Counts calls of the same primitive with the same arguments in the same place.
        number: u32,
        arguments: Value,
        /// The inverse that this call carries out, if it is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        undoes: Option<(u64, usize)>,
    },
    /// What takes the next write of this call back; a later one for the same slot replaces it, `null` removes it.
    Inverse {
        call: u64,
        slot: usize,
        inverse: Option<Inverse>,
    },
    WriteIntent {
        call: u64,
        write: u64,
        access: Access,
    },
    WriteOutcome {
        write: u64,
        outcome: WriteOutcome,
    },
    CallEnded {
        call: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Value>,
        #[serde(default, skip_serializing_if = "Value::is_null")]
        value: Value,
    },
    /// Somebody looked, and says what became of a call or a step whose end is not known.
    Settled {
        what: Settling,
        reason: String,
    },
    /// The run waits for somebody to approve of it.
    ApprovalAsked {
        scope: Scope,
        name: String,
        /// Counts approvals of the same name in the same place.
        number: u32,
        message: String,
        /// Who runs it, and may not approve of it if `by_other`.
        runner: String,
        by_other: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires: Option<Timestamp>,
    },
    /// Somebody did, or refused.
    ApprovalGiven {
        scope: Scope,
        name: String,
        number: u32,
        word: Word,
    },
    /// The run writes although the target's calendar is closed.
    FreezeOverridden {
        target: String,
        closed: String,
        reason: String,
        by: String,
    },
    UndoBegun {
        because: String,
        /// Only what was done after this step had ended is taken back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Scope>,
    },
    /// A step's own undo was carried out.
    StepUndone {
        scope: Scope,
    },
    UndoEnded {
        errors: Vec<Value>,
    },
    RunEnded {
        outcome: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Value>,
    },
}

fn first_format() -> u32 {
    1
}

/// What somebody says of something whose end is not known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Settling {
    /// The call was carried out, and gave this.
    CallDone { call: u64, value: Value },
    /// It was not.
    CallNotDone { call: u64 },
    /// The step is finished, with this.
    StepDone { scope: Scope, value: Value },
    /// It is to be done, although the record says that it is finished.
    StepNotDone { scope: Scope },
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WriteOutcome {
    Status(u16),
    NotSent(String),
    /// It may have been carried out.
    Lost(String),
}

impl WriteOutcome {
    /// It was refused, or never arrived.
    pub(crate) fn changed_nothing(&self) -> bool {
        match self {
            WriteOutcome::Status(status) => (400..500).contains(status),
            WriteOutcome::NotSent(_) => true,
            WriteOutcome::Lost(_) => false,
        }
    }
}

/// Where records go.
pub trait Journal: Send + Sync {
    /// Appends in order. If `durable`, the future ends when the record cannot be lost any more.
    fn append(&self, record: &Record, durable: bool) -> BoxFuture<'static, Result<()>>;
}

/// A journal that dies with the process: for rehearsals. It may also die before: then nothing of the run leaves any more,
/// as if the process had been killed.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    records: Mutex<Vec<Record>>,
    death: Option<Death>,
    dead: AtomicBool,
}

/// When a journal in memory dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// When it has so many records.
    AfterRecords(usize),
    /// Instead of recording the intent of this write.
    BeforeWrite(u64),
    /// When it has the intent of this write.
    AtWrite(u64),
}

impl MemoryJournal {
    /// Dies when it has `room` records.
    pub fn dying_after(room: usize) -> Self {
        Self::dying(Death::AfterRecords(room))
    }

    pub fn dying(death: Death) -> Self {
        MemoryJournal { death: Some(death), ..MemoryJournal::default() }
    }

    /// Whether it has refused a record.
    pub fn has_died(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    pub fn records(&self) -> Vec<Record> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Death {
    /// Whether `next` comes too late for a journal that has `records`.
    fn forbids(self, records: &[Record], next: &Record) -> bool {
        let is_write = |record: &Record, number| matches!(&record.entry, Entry::WriteIntent { write, .. } if *write == number);
        match self {
            Death::AfterRecords(room) => records.len() >= room,
            Death::BeforeWrite(number) => is_write(next, number),
            Death::AtWrite(number) => records.last().is_some_and(|last| is_write(last, number)),
        }
    }
}

impl Journal for MemoryJournal {
    fn append(&self, record: &Record, _: bool) -> BoxFuture<'static, Result<()>> {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        if self.dead.load(Ordering::Relaxed)
            || self.death.is_some_and(|death| death.forbids(&records, record))
        {
            self.dead.store(true, Ordering::Relaxed);
            return Box::pin(async { Err(Error::failed("the journal has died")) });
        }
        records.push(record.clone());
        Box::pin(async { Ok(()) })
    }
}
