//! What a call does to the world, and what takes it back.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a primitive, or one request of it, may do. Ordered: `None < Read < Write`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Computes only: nothing leaves the process.
    None,
    /// Asks, and changes nothing.
    Read,
    /// Changes something.
    Write,
}

/// How a primitive that writes can be undone; declared with it, so that documentation and plans can say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undo {
    /// It writes nothing.
    Nothing,
    /// By a call of this primitive, whose arguments are recorded before each write leaves: see [`crate::Cx::undo`].
    By(&'static str),
    /// Not at all, and why.
    Never(&'static str),
}

/// What is done about a write whose answer never came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settle {
    /// The call may be repeated: it is idempotent.
    Repeat,
    /// Somebody has to look, at what this says.
    Look(&'static str),
}

/// What takes one write back, as data: it can be carried out after a crash, from another machine, without the playbook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Inverse {
    /// Another primitive with arguments.
    Call {
        path: String,
        args: Value,
        /// JSON pointers to those parts of `args` that nobody may read in a journal: they are sealed there.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        secret: Vec<String>,
    },
    /// Nothing does, and why.
    None { why: String },
}

impl Inverse {
    /// A call of the primitive at `path` with named arguments.
    pub fn call(path: impl Into<String>, args: Value) -> Self {
        Inverse::Call { path: path.into(), args, secret: Vec::new() }
    }

    /// The same, with what is at these JSON pointers of the arguments sealed in the journal.
    #[must_use]
    pub fn sealed(self, pointers: Vec<String>) -> Self {
        match self {
            Inverse::Call { path, args, .. } => Inverse::Call { path, args, secret: pointers },
            none @ Inverse::None { .. } => none,
        }
    }

    /// There is no way back.
    pub fn none(why: impl Into<String>) -> Self {
        Inverse::None { why: why.into() }
    }
}
