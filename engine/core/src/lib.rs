//! The words that every other crate speaks: primitives, systems, effects, inverses, time, errors.
//! It knows no script language, no SDK, and does no input or output: what a primitive needs comes in through [`Cx`].

mod access;
mod archive;
mod args;
mod clock;
mod conversation;
mod cx;
mod effect;
mod error;
mod host;
mod lease;
mod overlay;
mod primitive;
mod program;
mod redact;
mod secret;
mod simulator;
mod span;
mod system;
pub mod yaml;

pub use access::{Access, AccessPattern, PatternError, glob};
pub use archive::{
    Content, Counts, Item, ItemKind, Items, Later, Named, Preflight, SourceScheme, Store, StoreScheme, Stored,
};
pub use args::{Args, Field, TakesSecrets};
pub use clock::{BoxFuture, Clock};
pub use conversation::{BrokenLine, Connection, Dial, Line, Said, Talk};
pub use cx::{
    Body, BrokenOff, Call, CallId, Cx, Endpoint, FileDraft, FileFacts, FileWalk, Note, Tls, UndoSlot, body,
};
pub use effect::{Effect, Inverse, Settle, Undo};
pub use error::{Error, ErrorKind, Result};
pub use host::Host;
pub use lease::{KeptLease, Lease, Leases};
pub use overlay::{Alteration, Alterations, Elsewhere, FieldAlteration, How, Original, Precondition};
pub use primitive::{Declaration, Primitive};
pub use program::{Process, Program, ProgramEnd, ProgramOutput, Running};
pub use redact::Redactor;
pub use secret::{Found, Marker, Markers, SecretScheme, SecretText};
pub use simulator::{EstateFiles, Simulator, Surroundings, Variable, VariableValue, serve, simulate};
pub use span::{Bytes, Span};
pub use system::{Finding, Grantee, Module, Need, Policy, Refusal, System, Target};

/// JSON, the form in which arguments, results and records travel.
pub use serde_json::Value;
