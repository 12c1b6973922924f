//! The primitives of PostgreSQL against servers of it.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // a test

mod databases;
mod ground;
mod operations;
mod queries;
mod signing_in;
mod stage;
mod statements;
