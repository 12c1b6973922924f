//! What takes back what a run has done so far.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use opsrun_core::{Call, Error, Inverse, Result};

use crate::branch::{Branch, StepUndo};

/// Inverses and steps' own undo, in the order in which they were recorded. The inverses of a call count only while it has
/// written something: what was refused or never sent has changed nothing.
#[derive(Default)]
pub(crate) struct UndoStack {
    entries: Vec<UndoEntry>,
    /// By call.
    writes: BTreeMap<u64, u32>,
}

/// One thing to take back.
pub(crate) enum UndoEntry {
    Inverse { call: u64, slot: usize, path: &'static str, steps: Vec<String>, inverse: Inverse },
    Step { steps: Vec<String>, body: StepUndo },
}

impl UndoStack {
    /// Records, replaces or removes the inverse in a slot of a call.
    pub(crate) fn inverse(&mut self, call: &Call, slot: usize, inverse: Option<Inverse>) {
        let found = self.entries.iter().position(|entry| matches!(entry, UndoEntry::Inverse { call: c, slot: s, .. } if (*c, *s) == (call.id.0, slot)));
        match (found, inverse) {
            (Some(at), None) => {
                self.entries.remove(at);
            }
            (Some(at), Some(better)) => {
                if let Some(UndoEntry::Inverse { inverse, .. }) = self.entries.get_mut(at) {
                    *inverse = better;
                }
            }
            (None, Some(inverse)) => {
                self.entries.push(UndoEntry::Inverse {
                    call: call.id.0,
                    slot,
                    path: call.path,
                    steps: call.steps.clone(),
                    inverse,
                });
            }
            (None, None) => {}
        }
    }

    /// A step's own undo. Recorded as the step is entered, so it comes after the inverses of what is inside.
    pub(crate) fn step(&mut self, steps: Vec<String>, body: StepUndo) {
        self.entries.push(UndoEntry::Step { steps, body });
    }

    /// Forgets what a call recorded: it was itself taking something back.
    pub(crate) fn forget(&mut self, call: u64) {
        self.entries.retain(|entry| !matches!(entry, UndoEntry::Inverse { call: c, .. } if *c == call));
    }

    /// A write of this call is about to leave.
    pub(crate) fn written(&mut self, call: u64) {
        *self.writes.entry(call).or_insert(0) += 1;
    }

    /// It was refused, or did not leave after all.
    pub(crate) fn not_written(&mut self, call: u64) {
        if let Some(writes) = self.writes.get_mut(&call) {
            *writes = writes.saturating_sub(1);
        }
    }

    /// Empties the stack of what there is to take back, latest first.
    pub(crate) fn drain(&mut self) -> Vec<UndoEntry> {
        let UndoStack { mut entries, writes } = std::mem::take(self);
        entries.retain(|entry| match entry {
            UndoEntry::Inverse { call, .. } => writes.get(call).is_some_and(|writes| *writes > 0),
            UndoEntry::Step { .. } => true,
        });
        entries.reverse();
        entries
    }
}

impl UndoEntry {
    /// `Ok(Some(why))` if there is no way back.
    pub(crate) fn carry_out(self, branch: &Arc<Branch>) -> Result<Option<String>> {
        match self {
            UndoEntry::Step { body, steps } => branch.within(&steps, |branch| body(branch)).map(|()| None),
            UndoEntry::Inverse { inverse: Inverse::None { why }, .. } => Ok(Some(why)),
            UndoEntry::Inverse { call, slot, steps, inverse: Inverse::Call { path, args }, .. } => {
                let declaration = branch.run().registry().primitive(&path);
                let declaration = declaration
                    .ok_or_else(|| Error::failed(format!("`{path}` is not a primitive of this opsrun")))?;
                branch
                    .within(&steps, |branch| branch.undo_call(declaration, args, (call, slot)))
                    .map(|_| None)
            }
        }
    }
}

impl fmt::Display for UndoEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UndoEntry::Step { steps, .. } => write!(f, "step `{}`", steps.join(" / ")),
            UndoEntry::Inverse { path, steps, inverse, .. } => {
                match inverse {
                    Inverse::Call { path: by, args } => write!(f, "`{path}` by `{by}{}`", brief(args))?,
                    Inverse::None { .. } => write!(f, "`{path}`")?,
                }
                match steps.is_empty() {
                    true => Ok(()),
                    false => write!(f, " of step `{}`", steps.join(" / ")),
                }
            }
        }
    }
}

/// The scalar arguments, which are the ones that name things.
fn brief(args: &opsrun_core::Value) -> String {
    let Some(map) = args.as_object() else { return String::new() };
    let scalars =
        map.iter().filter(|(_, value)| value.is_string() || value.is_number() || value.is_boolean());
    let shown: Vec<String> =
        scalars.map(|(name, value)| format!("{name}: {value}")).filter(|text| text.len() < 80).collect();
    format!("({})", shown.join(", "))
}
