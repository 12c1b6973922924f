//! What a run may do outside of its own process: deny by default, allow by pattern.

use opsrun_core::{Access, AccessPattern};

/// The patterns that a run was granted.
#[derive(Debug, Clone, Default)]
pub struct Grants(Vec<AccessPattern>);

impl Grants {
    pub fn new(patterns: Vec<AccessPattern>) -> Self {
        Grants(patterns)
    }

    /// The first that allows it.
    pub fn allowing(&self, access: &Access) -> Option<&AccessPattern> {
        self.0.iter().find(|pattern| pattern.matches(access))
    }

    #[must_use]
    pub fn and(mut self, more: impl IntoIterator<Item = AccessPattern>) -> Self {
        self.0.extend(more);
        self
    }

    /// The pattern that allows this and little else.
    pub fn narrowest(access: &Access) -> String {
        let mut pattern = format!("{} {} {}", access.system, access.verb, access.resource);
        if let Some(namespace) = &access.namespace {
            pattern.push_str(" in ");
            pattern.push_str(namespace);
        }
        pattern
    }
}
