//! Helm: charts rendered and released as Helm 4 does it, in records that Helm reads and writes as well.
//! It talks to clusters through `opsrun_k8s`, and sends nothing in its own name.

mod atomic;
mod chart;
mod deploy;
mod error;
mod hooks;
mod manifest;
mod primitives;
pub mod release;
mod render;
mod revision;
mod storage;
pub mod types;

use opsrun_core::{Module, System};

pub use error::Error;

/// The system `helm`.
pub struct Helm;

const MODULES: &[Module] = &[primitives::MODULE];

/// How grants, faults and target sections call it.
pub(crate) const SYSTEM: &str = "helm";

/// Helm's field manager: what it owns, we own, and the other way round.
pub(crate) const MANAGER: &str = "helm";

impl System for Helm {
    fn name(&self) -> &'static str {
        SYSTEM
    }

    fn modules(&self) -> &'static [Module] {
        MODULES
    }

    fn verbs(&self) -> Option<&'static [&'static str]> {
        Some(&[])
    }
}
