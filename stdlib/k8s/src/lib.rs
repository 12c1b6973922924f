//! Kubernetes: primitives over any kind a cluster serves, its simulated counterpart, and the client that Helm shares.

mod access;
pub mod apply;
pub mod client;
mod config;
mod credentials;
pub mod delete;
pub mod diagnosis;
pub mod discovery;
pub mod error;
mod examine;
mod exec_plugin;
mod inverse;
mod job;
mod kubeconfig;
#[cfg(test)]
mod kubeconfig_tests;
pub mod manifests;
pub mod object;
mod pod_trouble;
mod pods;
mod primitives;
pub mod readiness;
mod recreate;
mod refusal;
mod rollout;
mod session;
mod simulator;
#[cfg(test)]
mod surroundings;
pub mod types;
mod until;
pub mod wait;
mod watch;

use std::sync::Arc;

use http::StatusCode;
use opsrun_core::{
    Access, BoxFuture, Cx, Finding, Module, Refusal, Result, Simulator, Surroundings, System, Value,
};

pub use client::Client;
pub use inverse::RESTORE;

/// The system `k8s`.
pub struct Kubernetes;

pub(crate) const SYSTEM: &str = "k8s";

const MODULES: &[Module] = &[primitives::MODULE];

impl System for Kubernetes {
    fn name(&self) -> &'static str {
        SYSTEM
    }

    fn modules(&self) -> &'static [Module] {
        MODULES
    }

    fn access(&self, request: &http::request::Parts) -> Access {
        access::of(request)
    }

    fn verbs(&self) -> Option<&'static [&'static str]> {
        Some(access::VERBS)
    }

    fn refusal(&self, status: StatusCode, access: &Access) -> Refusal {
        refusal::of(status, access)
    }

    fn simulator(
        &self,
        section: Option<&Value>,
        surroundings: &Surroundings,
    ) -> Result<Option<Arc<dyn Simulator>>> {
        simulator::start(section, surroundings).map(Some)
    }

    fn examine(&self, cx: Cx) -> BoxFuture<'static, Vec<Finding>> {
        Box::pin(async move { examine::cluster(&cx).await })
    }
}
