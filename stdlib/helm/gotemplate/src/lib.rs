//! Go's `text/template`, with Go's values, printing and error texts; made to render Helm charts as Helm does.
//! Functions come from the caller; this crate knows no charts, no YAML, and nothing of opsrun.

mod builtins;
mod error;
mod exec;
mod float;
pub mod format;
mod function;
mod lex;
pub mod limits;
mod number;
mod parse;
mod quote;
mod stack;
mod templates;
mod trace;
mod tree;
mod value;

pub use error::{ExecError, FnError, ParseError, Place};
pub use exec::Context;
pub use function::{Body, Function, Functions};
pub use templates::{MissingKey, Templates};
pub use trace::{Mark, line_at};
pub use value::{BYTES, Kind, LIST, List, MAP, Map, NamedMap, Number, Object, STRINGS, Str, Type, Value};
