//! Where in a playbook's course something happens, in a form that is the same when the playbook is run again.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// What is around a place, outermost first.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scope(Vec<Part>);

/// One thing around a place. Where the same comes again in the same surroundings, it is counted, from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    Step(String, u32),
    Parallel(u32),
    /// Of a `parallel`, in the order of the bodies.
    Branch(u32),
    /// Its attempts are one place: what comes again in a later attempt is what came before.
    Retry(u32),
    /// What a run does while it takes back.
    Undo(u32),
}

/// A call of a primitive, by what a playbook says of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CallKey {
    pub scope: Scope,
    pub path: String,
    /// As JSON text, whose keys are sorted.
    pub arguments: String,
    pub number: u32,
}

/// Counts what comes again in the same surroundings.
#[derive(Debug, Default)]
pub(crate) struct Counts(BTreeMap<(Scope, String), u32>);

impl Scope {
    #[must_use]
    pub(crate) fn with(&self, part: Part) -> Self {
        Scope(self.0.iter().cloned().chain([part]).collect())
    }

    /// The names of the steps, outermost first.
    pub fn steps(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Step(name, _) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Whether a run that takes back is here.
    pub(crate) fn is_of_undo(&self) -> bool {
        matches!(self.0.first(), Some(Part::Undo(_)))
    }

    fn is_within(&self, outer: &Scope) -> bool {
        self.0.starts_with(&outer.0)
    }
}

/// The steps alone: `deploy / upgrade (2)`.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = self.0.iter().filter_map(|part| match part {
            Part::Step(name, 1) => Some(name.clone()),
            Part::Step(name, number) => Some(format!("{name} ({number})")),
            _ => None,
        });
        f.write_str(&steps.collect::<Vec<_>>().join(" / "))
    }
}

impl Counts {
    /// How often `what` has come in `scope`, this time included.
    pub(crate) fn next(&mut self, scope: &Scope, what: &str) -> u32 {
        let count = self.0.entry((scope.clone(), what.to_owned())).or_insert(0);
        *count += 1;
        *count
    }

    /// Begins anew inside of `scope`.
    pub(crate) fn reset(&mut self, scope: &Scope) {
        self.0.retain(|(at, _), _| !at.is_within(scope));
    }
}
