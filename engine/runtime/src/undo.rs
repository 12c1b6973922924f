//! What takes back what a run has done so far.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use opsrun_core::{CallId, Error, Inverse, Redactor, Result, Undo, Value};

use crate::branch::{Branch, StepUndo, Undoes};
use crate::scope::Scope;
use crate::seal::Sealer;

/// Inverses and steps' own undo, in the order in which they were recorded. The inverses of a call count only while it has
/// written something: what was refused or never sent has changed nothing.
#[derive(Default)]
pub(crate) struct UndoStack {
    entries: Vec<UndoEntry>,
    /// The slots, and the steps, that are among the entries: a long run asks for them often.
    slots: BTreeSet<(u64, usize)>,
    steps: BTreeSet<Scope>,
    /// By call.
    writes: BTreeMap<u64, u32>,
}

/// One thing to take back.
pub(crate) enum UndoEntry {
    Inverse {
        call: CallId,
        slot: usize,
        path: String,
        steps: Vec<String>,
        way: Way,
    },
    /// `body` is missing while a run that broke off has not come to the step again: its closure is the playbook's.
    Step {
        scope: Scope,
        body: Option<StepUndo>,
    },
}

/// An inverse whose arguments are text: a long run has many, and as trees they take ten times as much memory.
pub(crate) enum Way {
    Call { path: String, args: Box<str>, secret: Vec<String> },
    None { why: String },
}

impl From<Inverse> for Way {
    fn from(inverse: Inverse) -> Self {
        match inverse {
            Inverse::Call { path, args, secret } => {
                Way::Call { path, args: args.to_string().into_boxed_str(), secret }
            }
            Inverse::None { why } => Way::None { why },
        }
    }
}

impl UndoStack {
    /// Records, replaces or removes the inverse in a slot of a call.
    pub(crate) fn record(
        &mut self,
        call: CallId,
        slot: usize,
        path: &str,
        steps: &[String],
        inverse: Option<Inverse>,
    ) {
        let Some(inverse) = inverse else { return self.take(call, slot) };
        if self.slots.insert((call.0, slot)) {
            let (path, steps) = (path.to_owned(), steps.to_vec());
            self.entries.push(UndoEntry::Inverse { call, slot, path, steps, way: inverse.into() });
        } else if let Some(UndoEntry::Inverse { way, .. }) =
            self.entries.iter_mut().rev().find(|entry| entry.is_of(call, slot))
        {
            *way = inverse.into();
        }
    }

    /// The inverse in a slot of a call is not needed, or was carried out.
    pub(crate) fn take(&mut self, call: CallId, slot: usize) {
        if !self.slots.remove(&(call.0, slot)) {
            return;
        }
        self.entries.retain(|entry| !entry.is_of(call, slot));
    }

    /// A step has an undo of its own, which is not there yet. Comes before what is recorded inside the step.
    pub(crate) fn expect_step(&mut self, scope: &Scope) {
        if self.steps.insert(scope.clone()) {
            self.entries.push(UndoEntry::Step { scope: scope.clone(), body: None });
        }
    }

    /// A step's own undo. Recorded as the step is entered, so it comes after the inverses of what is inside.
    pub(crate) fn step(&mut self, scope: &Scope, undo: StepUndo) {
        self.expect_step(scope);
        if let Some(UndoEntry::Step { body, .. }) = self.entries.iter_mut().find(|entry| entry.is_step(scope))
        {
            *body = Some(undo);
        }
    }

    /// A step's own undo was carried out.
    pub(crate) fn take_step(&mut self, scope: &Scope) {
        self.steps.remove(scope);
        self.entries.retain(|entry| !entry.is_step(scope));
    }

    /// Forgets what a call recorded: it was itself taking something back.
    pub(crate) fn forget(&mut self, call: CallId) {
        if self.slots.range((call.0, 0)..=(call.0, usize::MAX)).next().is_some() {
            self.slots.retain(|(of, _)| *of != call.0);
            self.entries.retain(|entry| !matches!(entry, UndoEntry::Inverse { call: of, .. } if *of == call));
        }
    }

    /// A write of this call is about to leave.
    pub(crate) fn about_to_write(&mut self, call: CallId, path: &str, steps: &[String], undo: Undo) {
        if let Undo::Never(why) = undo
            && !self.writes.contains_key(&call.0)
        {
            self.record(call, usize::MAX, path, steps, Some(Inverse::none(why)));
        }
        *self.writes.entry(call.0).or_insert(0) += 1;
    }

    /// It was refused, or did not leave after all.
    pub(crate) fn not_written(&mut self, call: u64) {
        if let Some(writes) = self.writes.get_mut(&call) {
            *writes = writes.saturating_sub(1);
        }
    }

    /// Opens what a journal sealed.
    pub(crate) fn open(&mut self, sealer: &Sealer, redactor: &Redactor) -> Result<()> {
        for entry in &mut self.entries {
            let UndoEntry::Inverse { way: Way::Call { path, args, secret }, .. } = entry else { continue };
            if secret.is_empty() {
                continue;
            }
            let mut opened = read(path, args)?;
            for pointer in secret {
                let Some(part) = opened.pointer_mut(pointer) else { continue };
                if let Some(sealed) = part.as_str().filter(|text| Sealer::is_sealed(text)) {
                    *part = sealer.open(sealed)?;
                    if let Some(value) = part.as_str() {
                        redactor.hide("sealed", value);
                    }
                }
            }
            *args = opened.to_string().into_boxed_str();
        }
        Ok(())
    }

    /// How much there is to take back of what `wanted` says.
    pub(crate) fn count(&self, wanted: impl Fn(&UndoEntry) -> bool) -> usize {
        self.entries.iter().filter(|entry| wanted(entry) && self.counts(entry)).count()
    }

    /// Takes out what there is to take back of what `wanted` says, latest first.
    pub(crate) fn drain(&mut self, wanted: impl Fn(&UndoEntry) -> bool) -> Vec<UndoEntry> {
        let (taken, kept) = std::mem::take(&mut self.entries).into_iter().partition(wanted);
        self.entries = kept;
        let taken: Vec<UndoEntry> = taken;
        for entry in &taken {
            match entry {
                UndoEntry::Inverse { call, slot, .. } => {
                    self.slots.remove(&(call.0, *slot));
                }
                UndoEntry::Step { scope, .. } => {
                    self.steps.remove(scope);
                }
            }
        }
        taken.into_iter().rev().filter(|entry| self.counts(entry)).collect()
    }

    /// The calls that have something to be taken back, or that cannot be.
    pub(crate) fn calls(&self) -> BTreeSet<u64> {
        let of_call = |entry: &UndoEntry| match entry {
            UndoEntry::Inverse { call, .. } if self.counts(entry) => Some(call.0),
            _ => None,
        };
        self.entries.iter().filter_map(of_call).collect()
    }

    fn counts(&self, entry: &UndoEntry) -> bool {
        match entry {
            UndoEntry::Inverse { call, .. } => self.writes.get(&call.0).is_some_and(|writes| *writes > 0),
            UndoEntry::Step { .. } => true,
        }
    }
}

impl UndoEntry {
    fn is_of(&self, of: CallId, at: usize) -> bool {
        matches!(self, UndoEntry::Inverse { call, slot, .. } if (*call, *slot) == (of, at))
    }

    fn is_step(&self, of: &Scope) -> bool {
        matches!(self, UndoEntry::Step { scope, .. } if scope == of)
    }

    /// `Ok(Some(why))` if there is no way back.
    pub(crate) fn carry_out(self, branch: &Arc<Branch>) -> Result<Option<String>> {
        match self {
            UndoEntry::Step { body: Some(body), scope } => branch.undo_step(&scope, body).map(|()| None),
            UndoEntry::Step { body: None, scope } => Err(Error::failed(format!(
                "what takes back the step `{scope}` stands in the playbook, which did not come to it again"
            ))),
            UndoEntry::Inverse { way: Way::None { why }, .. } => Ok(Some(why)),
            UndoEntry::Inverse { call, slot, steps, way: Way::Call { path, args, secret }, .. } => {
                let args = read(&path, &args)?;
                let declaration = branch.run().registry().primitive(&path);
                let declaration = declaration
                    .ok_or_else(|| Error::failed(format!("`{path}` is not a primitive of this opsrun")))?;
                let undoes = Undoes { inverse: (call.0, slot), secret };
                branch.within(&steps, |branch| branch.undo_call(declaration, args, undoes)).map(|_| None)
            }
        }
    }
}

impl fmt::Display for UndoEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UndoEntry::Step { scope, .. } => write!(f, "step `{scope}`"),
            UndoEntry::Inverse { path, steps, way, .. } => {
                match way {
                    Way::Call { path: by, args, .. } => write!(f, "`{path}` by `{by}{}`", brief(args))?,
                    Way::None { .. } => write!(f, "`{path}`")?,
                }
                match steps.is_empty() {
                    true => Ok(()),
                    false => write!(f, " of step `{}`", steps.join(" / ")),
                }
            }
        }
    }
}

/// The arguments of the call of `path` that takes something back.
fn read(path: &str, args: &str) -> Result<Value> {
    serde_json::from_str(args)
        .map_err(|error| Error::failed(format!("the arguments of `{path}` cannot be read again: {error}")))
}

/// The scalar arguments, which are the ones that name things.
fn brief(args: &str) -> String {
    let Ok(Value::Object(map)) = serde_json::from_str(args) else { return String::new() };
    let scalars =
        map.iter().filter(|(_, value)| value.is_string() || value.is_number() || value.is_boolean());
    let shown: Vec<String> =
        scalars.map(|(name, value)| format!("{name}: {value}")).filter(|text| text.len() < 80).collect();
    format!("({})", shown.join(", "))
}
