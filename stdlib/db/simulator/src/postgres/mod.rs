//! PostgreSQL 15 in memory, at the wire.
//!
//! [`serve`] speaks the protocol on one connection over any stream. Whoever has the databases implements [`Server`]; [`Memory`] is
//! one that keeps them itself. SQL is parsed by `sqlparser` and run here, on the rows themselves: what a statement means is
//! decided by types, and these have to be known anyway, for clients and for parameters. An engine with other types (SQLite has no
//! decimals, no booleans, and takes a division by zero for null) would be one more place that can be wrong.
//!
//! What is not simulated is refused with 0A000, which names it. The collation is `C`, the encoding UTF-8, the time zone UTC.

mod catalog;
mod dump;
mod error;
mod memory;
mod program;
mod script;
mod server;
mod session;
mod sessions;
mod settings;
mod sql;
mod wire;

pub use dump::{DumpOptions, Restored, pg_dump, pg_restore};
pub use error::PgError;
pub use memory::{Memory, Surroundings};
pub use program::PgProgram;
pub use script::run;
pub use server::{Login, Replica, Server, Write};
pub use sessions::{Activity, Sessions};
pub use wire::serve;
