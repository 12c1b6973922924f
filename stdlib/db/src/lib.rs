//! Databases over their own wire protocols, through the gate: PostgreSQL and Redis. One conversation is one request of a run.

mod address;
mod estate;
mod file;
mod postgres;
mod redis;
mod section;
mod tls;

use file::file_content;

pub use postgres::Postgres;
pub use redis::Redis;
