//! A run: its steps, calls, journal, undo stack and time. It knows neither the script language nor any system;
//! a playbook's evaluator drives it through [`Branch`], primitives see it through `opsrun_core::Cx`.

mod branch;
mod chronicle;
mod estate;
mod event;
mod everywhere;
mod journal;
mod journal_file;
mod launch;
mod likeness;
mod past;
mod plan;
mod planning;
mod project;
mod run;
mod scope;
mod seal;
mod secrets;
mod simulated;
mod undo;
mod vocabulary;
mod world;

pub use branch::{Branch, ParallelBody, RetryOptions, StepBody, StepUndo};
pub use chronicle::{CallTold, Chronicle, Remark, StepTold, UndoTold, WriteTold};
pub use estate::{Change, Estate, EstateFile, changes, without_kept};
pub use opsrun_gate::FaultRule;

pub use event::{Event, Happening, Level, Unwatched, Watcher};
pub use everywhere::{Case, FailAt, Failure, Killed, Playing, Trial, Write};
pub use journal::{Death, Entry, FORMAT, Journal, MemoryJournal, Record, Settling, WriteOutcome};
pub use journal_file::{FileJournal, Reading, read_journal};
pub use launch::{Launch, LiveRun, Rehearsal, fresh_seed};
pub use past::{Course, Past, Unsettled};
pub use plan::{Plan, PlannedStep};
pub use planning::{Planner, Planning};
pub use project::{Project, ProjectTable, TargetTable};
pub use run::{Outcome, Registry, Run, Setup, Subject};
pub use scope::{Part, Scope};
pub use seal::Sealer;
pub use secrets::{check_reference, is_reference};
pub use world::{LiveWorld, World};
