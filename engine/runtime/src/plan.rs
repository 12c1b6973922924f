//! A plan: what a run on overlays would do, as a file that people read and a later run is bound by.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use jiff::Timestamp;
use opsrun_core::{
    Alteration, Alterations, Error, FieldAlteration, How, Precondition, Redactor, Result, Value,
};
use opsrun_gate::Bound;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The version of the form of a plan file.
const FORMAT: u32 = 1;

/// What a run would do, and on what that rests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    pub format: u32,
    /// The version of opsrun that made it.
    pub opsrun: String,
    pub made: Timestamp,
    /// The path that it was given by.
    pub playbook: String,
    /// SHA-256 of the playbook's files, by path.
    pub files: BTreeMap<String, String>,
    pub params: Value,
    pub target: String,
    /// Which one each system's target leads to, where it can tell.
    pub identities: BTreeMap<String, String>,
    /// Decides generated names: the run that is bound uses it, too.
    pub seed: u64,
    pub preconditions: BTreeMap<String, Vec<Precondition>>,
    pub steps: Vec<PlannedStep>,
    /// SHA-256 of everything else.
    pub hash: String,
}

/// What a step would do, in the order in which steps first do something.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedStep {
    /// The names of the steps around it, outermost first; empty outside of any.
    pub step: Vec<String>,
    /// What would be asked for, in the words of grants.
    pub writes: Vec<String>,
    #[serde(flatten)]
    pub alterations: Alterations,
    /// What could not be taken back, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub irreversible: Vec<String>,
}

/// A plan, and whether it is.
impl Plan {
    /// Reads a plan file.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` for what is no plan, or was changed since it was made.
    pub fn read(path: &Path) -> Result<Self> {
        let text = opsrun_gate::read_text(path)?;
        let wrong = |why: &str| Error::invalid(format!("`{}` is no plan: {why}", path.display()));
        let value: Value = serde_json::from_str(&text).map_err(|error| wrong(&error.to_string()))?;
        match value.get("format").and_then(Value::as_u64) {
            Some(format) if format == u64::from(FORMAT) => {}
            Some(format) => {
                return Err(wrong(&format!("its form is {format}, this opsrun reads form {FORMAT}")));
            }
            None => return Err(wrong("it does not say its `format`")),
        }
        let plan: Plan = serde_json::from_value(value).map_err(|error| wrong(&error.to_string()))?;
        if plan.hash != plan.digest() {
            return Err(Error::invalid(format!(
                "`{}` was changed after it was made: its hash is wrong",
                path.display()
            ))
            .hint("a plan is made by `opsrun plan`, not written"));
        }
        Ok(plan)
    }

    /// The file's text.
    pub fn text(&self) -> String {
        // A plan is made of texts, numbers and lists of them.
        format!("{}\n", serde_json::to_string_pretty(self).unwrap_or_default())
    }

    /// Without what must not be written out, and with its hash.
    #[must_use]
    pub(crate) fn sealed(self, redactor: &Redactor) -> Self {
        let mut value = serde_json::to_value(&self).unwrap_or_default();
        redactor.apply_value(&mut value);
        let mut plan: Plan = serde_json::from_value(value).unwrap_or(self);
        plan.hash = plan.digest();
        plan
    }

    fn digest(&self) -> String {
        let unsealed = Plan { hash: String::new(), ..self.clone() };
        digest(serde_json::to_string(&unsealed).unwrap_or_default().as_bytes())
    }

    /// What a run may write by it.
    pub fn bound(&self) -> Bound {
        let writes = self.steps.iter().flat_map(|step| step.writes.iter().cloned());
        Bound { plan: self.short().to_owned(), writes: writes.collect() }
    }

    /// The beginning of its hash, by which people know it.
    pub fn short(&self) -> &str {
        self.hash.get(..12).unwrap_or(&self.hash)
    }

    /// Whether it was made of these texts.
    ///
    /// # Errors
    /// `Denied`, naming the file that is another.
    pub fn is_of<'f>(&self, files: impl Iterator<Item = (&'f str, &'f str)>) -> Result<()> {
        let files = digests(files);
        let paths: BTreeSet<&String> = files.keys().chain(self.files.keys()).collect();
        match paths.into_iter().find(|path| files.get(*path) != self.files.get(*path)) {
            None => Ok(()),
            Some(path) => Err(stale(format!("`{path}` is not as it was when the plan was made"))),
        }
    }

    /// Whether nothing would be done.
    pub fn is_empty(&self) -> bool {
        self.steps.iter().all(|step| step.writes.is_empty())
    }

    /// For people.
    pub fn report(&self) -> String {
        let mut text = String::new();
        // Writing to a text cannot fail.
        for step in &self.steps {
            let name = if step.step.is_empty() {
                "(outside of any step)".to_owned()
            } else {
                step.step.join(" › ")
            };
            let _ = writeln!(text, "▸ {name}");
            alike(&step.alterations.things).iter().for_each(|things| thing_lines(things, &mut text));
            for consequence in &step.alterations.consequences {
                let _ = writeln!(text, "    → {consequence}");
            }
            if step.alterations == Alterations::default() {
                let _ = writeln!(text, "    = {} requests that change nothing", step.writes.len());
            }
            for what in &step.irreversible {
                let _ = writeln!(text, "    ! cannot be undone: {what}");
            }
        }
        let count = |how| self.things().filter(|thing| thing.how == how).count();
        let counted = [
            (How::Created, "to create"),
            (How::Changed, "to change"),
            (How::Replaced, "to replace"),
            (How::Deleted, "to delete"),
        ];
        let counted: Vec<String> = counted
            .into_iter()
            .map(|(how, word)| (count(how), word))
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        let irreversible = self.steps.iter().map(|step| step.irreversible.len()).sum::<usize>();
        let mut summary =
            if counted.is_empty() { "nothing would change".to_owned() } else { counted.join(", ") };
        if irreversible > 0 {
            let _ = write!(summary, "; {irreversible} cannot be undone");
        }
        let _ = writeln!(text, "plan {}: {summary}", self.short());
        text
    }

    fn things(&self) -> impl Iterator<Item = &Alteration> {
        self.steps.iter().flat_map(|step| &step.alterations.things)
    }
}

/// Things of which the same becomes, together: one label on twenty objects is one change to read.
fn alike(things: &[Alteration]) -> Vec<Vec<&Alteration>> {
    let mut groups: Vec<Vec<&Alteration>> = Vec::new();
    for thing in things {
        match groups.iter_mut().find(|group| group[0].how == thing.how && group[0].fields == thing.fields) {
            Some(group) => group.push(thing),
            None => groups.push(vec![thing]),
        }
    }
    groups
}

fn thing_lines(things: &[&Alteration], text: &mut String) {
    let Some(first) = things.first() else { return };
    let sign = match first.how {
        How::Created => "+",
        How::Changed => "~",
        How::Replaced => "±",
        How::Deleted => "-",
    };
    for thing in things {
        let _ = writeln!(text, "    {sign} {}", thing.what);
    }
    let thing = first;
    for FieldAlteration { path, before, after, owner } in &thing.fields {
        let owner = owner.as_ref().map(|owner| format!("   ({owner})")).unwrap_or_default();
        let _ = match (before, after) {
            (None, Some(after)) => writeln!(text, "        {path}: {}{owner}", brief(after)),
            (Some(before), None) => writeln!(text, "        {path}: {} → (none){owner}", brief(before)),
            (before, after) => {
                let shown = |value: &Option<Value>| value.as_ref().map(brief).unwrap_or_default();
                writeln!(text, "        {path}: {} → {}{owner}", shown(before), shown(after))
            }
        };
    }
}

/// A value in a line.
fn brief(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), |text| format!("{text:?}"));
    match text.char_indices().nth(100) {
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

pub(crate) fn stale(why: String) -> Error {
    Error::new(opsrun_core::ErrorKind::Denied, why).hint("make a new plan: `opsrun plan`")
}

/// SHA-256 of each text.
pub(crate) fn digests<'f>(files: impl Iterator<Item = (&'f str, &'f str)>) -> BTreeMap<String, String> {
    files.map(|(path, text)| (path.to_owned(), digest(text.as_bytes()))).collect()
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) const fn format() -> u32 {
    FORMAT
}
