//! Helm: charts rendered and released as Helm 4 does it, in records that Helm reads and writes as well.
//! It talks to clusters through `opsrun_k8s`; what it asks in its own name, it asks of repositories and registries.

mod access;
mod atomic;
mod chart;
mod chart_ref;
mod dependencies;
mod deploy;
mod error;
mod hooks;
mod manifest;
mod primitives;
pub mod release;
mod render;
mod repository;
mod revision;
mod section;
mod simulator;
mod storage;
pub mod types;

use std::sync::Arc;

use http::StatusCode;
use http::request::Parts;
use opsrun_core::{Access, Module, Original, Refusal, Result, Simulator, Surroundings, System, Value};

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

    /// `helm pull charts.example.com/index.yaml`: host and path, whatever the protocol.
    fn access(&self, request: &Parts) -> Access {
        access::of(request)
    }

    fn verbs(&self) -> Option<&'static [&'static str]> {
        Some(&[access::PULL, access::PUSH])
    }

    /// As a registry says it; of a repository the status alone counts.
    fn refusal(&self, status: StatusCode, access: &Access) -> Refusal {
        let code = match status {
            StatusCode::UNAUTHORIZED => "UNAUTHORIZED",
            StatusCode::FORBIDDEN => "DENIED",
            StatusCode::NOT_FOUND => "NAME_UNKNOWN",
            StatusCode::TOO_MANY_REQUESTS => "TOOMANYREQUESTS",
            _ => "UNKNOWN",
        };
        let body = simulator::errors(code, &format!("{status}: {access}")).to_string();
        Refusal { content_type: "application/json", body: body.into() }
    }

    fn simulator(
        &self,
        section: Option<&Value>,
        surroundings: &Surroundings,
    ) -> Result<Option<Arc<dyn Simulator>>> {
        simulator::start(section, surroundings).map(Some)
    }

    fn overlay(&self, original: Original, _: &Surroundings) -> Result<Option<Arc<dyn Simulator>>> {
        Ok(Some(simulator::lay(original)))
    }
}
