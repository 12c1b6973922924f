//! Databases over their own wire protocols, through the gate: PostgreSQL. One conversation is one request of a run.

mod address;
mod postgres;

pub use postgres::Postgres;
