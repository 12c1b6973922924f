//! Texts from templates, in Handlebars. It computes only: files come through the gate.

mod mistake;
mod primitives;

use opsrun_core::{Declaration, Module, System};

/// The system `template`.
pub struct Template;

const MODULES: &[Module] = &[Module {
    path: "template",
    doc: "Texts from Handlebars templates.",
    primitives: &[Declaration::of::<primitives::Render>(), Declaration::of::<primitives::RenderFile>()],
}];

impl System for Template {
    fn name(&self) -> &'static str {
        "template"
    }

    fn modules(&self) -> &'static [Module] {
        MODULES
    }

    fn verbs(&self) -> Option<&'static [&'static str]> {
        Some(&[])
    }
}
