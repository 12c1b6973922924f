//! Databases in memory, for rehearsals: PostgreSQL 15 and Redis 7, which speak their own protocols, and are told the time.
//!
//! Nothing here does input or output, asks a clock or draws chance: [`postgres::serve`] serves one connection over any stream,
//! and what it needs of the world comes through [`postgres::Server`].
//!
//! - [`rows`]: what is in databases, with all that became of it: a database can be had as it was at any moment.
//! - [`value`]: PostgreSQL's types and values, as text and in binary.
//! - [`postgres`]: its server.
//! - [`redis`]: the other server; [`rdb`]: its files, which real ones are read with too.

mod chance;
pub mod postgres;
pub mod rdb;
pub mod redis;
pub mod rows;
pub mod value;

pub use chance::Chance;
