//! Kubernetes: primitives over any kind a cluster serves, its simulated counterpart, and the client that Helm shares.

mod access;
pub mod apply;
pub mod client;
mod config;
mod credentials;
pub mod delete;
pub mod diagnosis;
pub mod diff;
pub mod discovery;
pub mod error;
mod examine;
mod exec_plugin;
mod inverse;
mod job;
mod keep;
mod kubeconfig;
#[cfg(test)]
mod kubeconfig_tests;
mod lease;
pub mod logs;
pub mod manifests;
pub mod object;
mod overlay;
mod pod_trouble;
mod pods;
mod policy;
mod primitives;
pub mod readiness;
mod recreate;
mod refusal;
mod rollout;
mod secrets;
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
    Access, BoxFuture, Cx, Finding, Grantee, Leases, Module, Need, Original, Policy, Precondition, Refusal,
    Result, SecretScheme, Simulator, SourceScheme, Surroundings, System, Target, Value,
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

    fn overlay(&self, original: Original, surroundings: &Surroundings) -> Result<Option<Arc<dyn Simulator>>> {
        overlay::lay(original, surroundings).map(Some)
    }

    fn identity(&self, cx: Cx) -> BoxFuture<'static, Result<Option<String>>> {
        Box::pin(async move { Client::new(&cx)?.identity().await.map(Some).map_err(Into::into) })
    }

    fn look(&self, cx: Cx, then: Precondition) -> BoxFuture<'static, Result<Precondition>> {
        Box::pin(async move {
            let now = Client::new(&cx)?.at_path(&then.object).await?;
            Ok(overlay::precondition(&then.what, &then.object, now.as_ref()))
        })
    }

    fn sources(&self) -> &'static [SourceScheme] {
        &[keep::SOURCE]
    }

    fn secrets(&self) -> &'static [SecretScheme] {
        &[secrets::SCHEME]
    }

    fn leases(&self, target: &Target) -> Option<Arc<dyn Leases>> {
        lease::of(target)
    }

    fn policies(&self, needs: &[Need], grantee: &Grantee<'_>) -> Result<Vec<Policy>> {
        policy::rbac(needs, grantee).map(|rbac| vec![rbac])
    }

    fn examine(&self, cx: Cx) -> BoxFuture<'static, Vec<Finding>> {
        Box::pin(async move { examine::cluster(&cx).await })
    }
}
