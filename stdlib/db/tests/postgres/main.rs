//! The primitives of PostgreSQL against servers of it.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // a test

mod queries;
mod stage;
