//! What tests that cross crates share: real servers, the built `opsrun`, programs with a clean environment, snapshots.
//! A test that cannot run here calls [`skip`] and returns; `tests/run` counts it. Knows no primitive and no playbook.
#![allow(clippy::disallowed_methods, clippy::print_stdout)] // tests run real programs, and speak to who runs them

mod cluster;
mod estate;
mod moto;
mod opsrun;
mod owned;
mod postgres;
mod program;
mod redis;
mod registry;
mod servers;
mod snapshot;

use std::path::PathBuf;

pub use cluster::{Mode, Namespace, RealCluster};
pub use estate::ServedEstate;
pub use moto::Moto;
pub use opsrun::Opsrun;
pub use postgres::PostgreSql;
pub use program::{Outcome, Program};
pub use redis::Redis;
pub use registry::DockerRegistry;
pub use servers::{Missing, aws, helm, helm3, kubectl, rclone, s5cmd};
pub use snapshot::settings;

/// Says that the calling test does nothing here, and why. `tests/run` counts a test that printed such a line as skipped.
pub fn skip(why: impl std::fmt::Display) {
    println!("skipped: needs {why}");
}

/// A path in the checkout, from its root.
pub fn repository(path: &str) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.parent().expect("the tests are a folder of the checkout").join(path)
}
