//! A run: its steps, calls, journal, undo stack and time. It knows neither the script language nor any system;
//! a playbook's evaluator drives it through [`Branch`], primitives see it through `opsrun_core::Cx`.

mod branch;
mod estate;
mod event;
mod journal;
mod launch;
mod project;
mod run;
mod simulated;
mod undo;
mod vocabulary;
mod world;

pub use branch::{Branch, ParallelBody, RetryOptions, StepBody, StepUndo};
pub use estate::{Change, Estate, EstateFile, changes, without_kept};
pub use opsrun_gate::FaultRule;

pub use event::{Event, Happening, Level, Unwatched, Watcher};
pub use journal::{Entry, FileJournal, Journal, MemoryJournal, Record, WriteOutcome, read_journal};
pub use launch::{Launch, LiveRun, Rehearsal};
pub use project::{Project, ProjectTable, TargetTable};
pub use run::{Outcome, Registry, Run, Setup, Subject};
pub use world::{LiveWorld, World};
