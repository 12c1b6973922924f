//! The primitives of the module `http`, one file each.

mod check;
mod send;

pub(crate) use check::Check;
pub(crate) use send::Send;

use opsrun_core::Span;

/// How long one answer may take, where nothing else is said.
const ANSWER_WITHIN: Span = Span::from_secs(30);
