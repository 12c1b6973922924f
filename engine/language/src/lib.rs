//! The language of playbooks: Rhai with primitives, steps and words for errors. Rhai is known in this crate alone.
//! It reads texts through [`Sources`], acts through a run's branch, and never prints.

mod check;
mod closure;
mod complete;
mod diagnostic;
pub mod document;
mod evaluation;
mod explain;
mod failure;
mod host;
mod imports;
mod lexer;
mod library;
mod limits;
mod parameter;
mod playbook;
mod session;
mod syntax;
mod value;
mod words;

pub use check::{Report, check};
pub use complete::{Completion, complete};
pub use diagnostic::{Diagnostic, Place, Severity};
pub use evaluation::{Ended, run, subject};
pub use failure::{Failure, Frame};
pub use imports::Sources;
pub use library::{Function, functions, units};
pub use limits::Limits;
pub use parameter::{Parameter, ParameterType};
pub use playbook::{Playbook, Refusal};
pub use session::{Entered, Grammar, Session};
