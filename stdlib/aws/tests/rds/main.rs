//! Databases of RDS, on a simulated AWS.
#![allow(clippy::unwrap_used)] // a test

#[path = "../stage/mod.rs"]
mod stage;

mod changes;
mod moto;
mod regions;
mod snapshots;
