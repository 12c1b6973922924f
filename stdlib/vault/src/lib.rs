//! HashiCorp Vault, and what speaks its API (OpenBao): secrets of its key-value engines, read for playbooks.
//! It has no primitives: a playbook names a secret, and its value goes where a primitive of another system takes it.

mod client;
mod overlay;
mod section;
mod simulator;

use std::sync::Arc;

use http::StatusCode;
use http::request::Parts;
use opsrun_core::{
    Access, BoxFuture, Cx, Effect, Finding, Module, Original, Refusal, Result, SecretScheme, Simulator,
    Surroundings, System, Value,
};
use serde_json::json;

/// The system `vault`.
pub struct Vault;

pub(crate) const SYSTEM: &str = "vault";

/// `vault:secret/data/app#password`: the path as Vault's API has it, and a key of what is there.
const SCHEME: SecretScheme = SecretScheme {
    scheme: "vault",
    form: "vault:PATH#KEY",
    is_whole: |reference| client::parts(reference).is_some(),
    read: |cx, reference| Box::pin(async move { client::value(&cx, &reference).await }),
};

impl System for Vault {
    fn name(&self) -> &'static str {
        SYSTEM
    }

    fn modules(&self) -> &'static [Module] {
        &[]
    }

    /// `vault read secret/data/app`, as Vault's own command line has it.
    fn access(&self, request: &Parts) -> Access {
        let path = request.uri.path();
        Access {
            system: SYSTEM.into(),
            verb: if request.method.is_safe() { "read" } else { "write" }.into(),
            resource: path.strip_prefix("/v1/").unwrap_or(path).into(),
            name: None,
            namespace: None,
            effect: if request.method.is_safe() { Effect::Read } else { Effect::Write },
        }
    }

    fn verbs(&self) -> Option<&'static [&'static str]> {
        Some(&["read"])
    }

    fn refusal(&self, status: StatusCode, access: &Access) -> Refusal {
        let errors = match status {
            StatusCode::FORBIDDEN => vec!["1 error occurred:\n\t* permission denied\n\n".to_owned()],
            StatusCode::NOT_FOUND => Vec::new(),
            _ => vec![format!("{status}: {access}")],
        };
        Refusal { content_type: "application/json", body: json!({ "errors": errors }).to_string().into() }
    }

    fn simulator(&self, section: Option<&Value>, _: &Surroundings) -> Result<Option<Arc<dyn Simulator>>> {
        simulator::start(section).map(Some)
    }

    fn overlay(&self, original: Original, _: &Surroundings) -> Result<Option<Arc<dyn Simulator>>> {
        Ok(Some(overlay::lay(original)))
    }

    fn secrets(&self) -> &'static [SecretScheme] {
        &[SCHEME]
    }

    fn examine(&self, cx: Cx) -> BoxFuture<'static, Vec<Finding>> {
        Box::pin(async move { client::examine(&cx).await })
    }
}
