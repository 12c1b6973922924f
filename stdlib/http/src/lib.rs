//! HTTP for playbooks: requests, and checks that wait until a service answers as it should.
//! It knows nothing of what answers.

mod access;
mod client;
mod error;
mod examine;
mod overlay;
mod primitives;
mod section;
mod simulator;

use std::sync::Arc;

use opsrun_core::{
    Access, BoxFuture, Cx, Declaration, Finding, Module, Original, Result, Simulator, Surroundings, System,
    Value,
};

pub use client::{Answer, Request, send};
pub use error::HttpError;

/// The system `http`.
pub struct Http;

const MODULES: &[Module] = &[Module {
    path: "http",
    doc: "Requests to web services, and checks that wait for an answer.",
    primitives: &[Declaration::of::<primitives::Send>(), Declaration::of::<primitives::Check>()],
}];

impl System for Http {
    fn name(&self) -> &'static str {
        "http"
    }

    fn modules(&self) -> &'static [Module] {
        MODULES
    }

    fn access(&self, request: &http::request::Parts) -> Access {
        access::of(request)
    }

    fn simulator(&self, section: Option<&Value>, _: &Surroundings) -> Result<Option<Arc<dyn Simulator>>> {
        simulator::start(section).map(Some)
    }

    fn overlay(&self, original: Original, _: &Surroundings) -> Result<Option<Arc<dyn Simulator>>> {
        Ok(Some(overlay::lay(original)))
    }

    fn examine(&self, cx: Cx) -> BoxFuture<'static, Vec<Finding>> {
        Box::pin(async move { examine::hosts(&cx).await })
    }
}
