//! S3: its primitives on the simulated one, and the same on servers that somebody else wrote.
#![allow(
    clippy::needless_pass_by_value,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // a test
#![allow(clippy::disallowed_methods, clippy::disallowed_types)] // a test

mod command_line;
mod errors;
mod objects;
mod server;
mod stage;
mod sync;
mod undo;
