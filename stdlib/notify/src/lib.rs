//! Tells people: Slack, and any webhook that takes JSON. It knows of no transport but `opsrun-http`.

mod primitives;

use opsrun_core::{Declaration, Module, System};

/// The system `notify`; its requests leave as `http`.
pub struct Notify;

const MODULES: &[Module] = &[Module {
    path: "notify",
    doc: "Messages to people and webhooks.",
    primitives: &[Declaration::of::<primitives::Slack>(), Declaration::of::<primitives::Webhook>()],
}];

impl System for Notify {
    fn name(&self) -> &'static str {
        "notify"
    }

    fn modules(&self) -> &'static [Module] {
        MODULES
    }

    fn verbs(&self) -> Option<&'static [&'static str]> {
        Some(&[])
    }
}
