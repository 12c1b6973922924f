//! The primitives against servers.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // a test

mod ground;
mod postgres;
mod redis;
mod stage;
