//! Metrics and alarms of CloudWatch, on a simulated AWS and on moto.
#![allow(clippy::unwrap_used)] // a test

#[path = "../stage/mod.rs"]
mod stage;

mod alarms;
mod metrics;
mod moto;
mod protocol;
mod translator;
