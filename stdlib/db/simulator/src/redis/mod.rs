//! Redis 7 in memory, at the wire.
//!
//! [`serve`] speaks RESP2 and RESP3 on one connection over any stream. Whoever has the keys implements [`Server`]; they are a
//! [`Keyspace`], which can be had as it was at any moment. Keys expire by the time that is told.

mod commands;
mod keyspace;
mod pattern;
mod resp;
mod server;
mod wire;

pub use keyspace::{Held, Keyspace};
pub use pattern::matches;
pub use server::{Memory, Server, Surroundings};
pub use wire::serve;
