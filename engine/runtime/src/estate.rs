//! A simulated estate: read from its file, started in a simulated world, compared before and after.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use opsrun_core::{
    Alterations, Error, Original, Precondition, Redactor, Result, Simulator, Surroundings, Target, Value,
    yaml,
};
use opsrun_gate::EstateFolder;
use serde::Deserialize;

use crate::approval::Rehearsed;
use crate::run::Registry;
use crate::world::World;

/// An estate file. What is no key of its own is a system's section. With `extends: FILE` it is that file with what this one says put in;
/// maps are put together, and all else takes the place of what was there. Paths in sections count from this file's folder.
#[derive(Debug, Clone, Deserialize)]
pub struct EstateFile {
    /// When the rehearsal begins.
    #[serde(default = "default_start")]
    pub start: Timestamp,
    /// A playbook, relative to the file, that brings the estate to where rehearsals begin.
    pub setup: Option<PathBuf>,
    /// Values for the setup's parameters.
    #[serde(default)]
    pub params: BTreeMap<String, Value>,
    /// The values of secrets by their references, in which `*` stands for anything; every other secret has a placeholder.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    /// What becomes of approvals, by name: `refused`, `never`, or how long they take; the others are given at once.
    #[serde(default)]
    pub approvals: BTreeMap<String, Rehearsed>,
    #[serde(flatten)]
    pub sections: BTreeMap<String, Value>,
    #[serde(skip)]
    pub path: PathBuf,
}

/// Nobody is awake on the first Monday of March 2026 at three in the morning.
fn default_start() -> Timestamp {
    Timestamp::constant(1_772_420_400, 0)
}

/// An estate without a file: every system's simulator as it is by itself.
impl Default for EstateFile {
    fn default() -> Self {
        EstateFile {
            start: default_start(),
            setup: None,
            params: BTreeMap::new(),
            secrets: BTreeMap::new(),
            approvals: BTreeMap::new(),
            sections: BTreeMap::new(),
            path: PathBuf::new(),
        }
    }
}

impl EstateFile {
    /// The same with this section for a system.
    #[must_use]
    pub fn with(mut self, system: &str, section: Value) -> Self {
        self.sections.insert(system.to_owned(), section);
        self
    }

    /// Reads an estate file.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` with line and column.
    pub fn load(path: &Path) -> Result<Self> {
        let mut file: EstateFile = match read(path, 0)? {
            Read::Alone(text) => yaml::from_str(&path.display().to_string(), &text)?,
            Read::Extending(whole) => serde_json::from_value(whole)
                .map_err(|error| Error::invalid(format!("`{}`: {error}", path.display())))?,
        };
        file.path = path.to_owned();
        Ok(file)
    }
}

/// So deep estate files extend each other at most.
const DEEPEST: usize = 8;

enum Read {
    /// Its text, as what is wrong in it has a line.
    Alone(String),
    Extending(Value),
}

fn read(path: &Path, depth: usize) -> Result<Read> {
    #[derive(Deserialize)]
    struct Extending {
        extends: Option<PathBuf>,
    }
    let text = opsrun_gate::read_text(path)?;
    let name = path.display().to_string();
    let Extending { extends: Some(base) } = yaml::from_str(&name, &text)? else {
        return Ok(Read::Alone(text));
    };
    if depth == DEEPEST {
        return Err(Error::invalid(format!(
            "`{name}`: estate files extend each other more than {DEEPEST} deep"
        )));
    }
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    let base_path = folder.join(&base);
    let mut whole: Value =
        match read(&base_path, depth + 1).map_err(|error| error.context(format!("`{name}`: `extends`")))? {
            Read::Alone(text) => yaml::from_str(&base_path.display().to_string(), &text)?,
            Read::Extending(whole) => whole,
        };
    // A setup belongs to the file that names it.
    if let Some(Value::String(setup)) = whole.get_mut("setup") {
        let from = base.parent().unwrap_or_else(|| Path::new(""));
        *setup = from.join(&*setup).display().to_string();
    }
    let mut own: Value = yaml::from_str(&name, &text)?;
    if let Value::Object(own) = &mut own {
        own.remove("extends");
    }
    put_in(&mut whole, own);
    Ok(Read::Extending(whole))
}

fn put_in(whole: &mut Value, own: Value) {
    match (whole, own) {
        (Value::Object(whole), Value::Object(own)) => {
            for (key, value) in own {
                put_in(whole.entry(key).or_insert(Value::Null), value);
            }
        }
        (whole, own) => *whole = own,
    }
}

/// Running simulators.
pub struct Estate {
    simulators: Vec<Placed>,
}

/// A simulator in its place.
#[derive(Clone)]
struct Placed {
    system: &'static str,
    /// The target that it is laid over; `None`: every target leads to it.
    target: Option<String>,
    simulator: Arc<dyn Simulator>,
}

impl Estate {
    /// Starts a simulator for every system that has one, in `world`.
    ///
    /// # Errors
    /// `Invalid` for a section that no system has, or that its system does not understand.
    pub fn start(file: &EstateFile, registry: Registry, world: &World, seed: u64) -> Result<Self> {
        let names: Vec<_> = registry.systems().iter().map(|system| system.name()).collect();
        if let Some(unknown) = file.sections.keys().find(|section| !names.contains(&section.as_str())) {
            return Err(Error::invalid(format!("`{}`: there is no system `{unknown}`", file.path.display()))
                .hint(format!(
                    "its keys are `extends`, `start`, `setup`, `params`, `secrets`, `approvals`, and a section for each of `{}`",
                    names.join("`, `")
                )));
        }
        let folder = file.path.parent().unwrap_or_else(|| Path::new(""));
        let surroundings = surroundings(world, seed, folder);
        let (sections, path) = (file.sections.clone(), file.path.clone());
        world.enter(|place| {
            let start = async move {
                let mut simulators = Vec::new();
                for system in registry.systems() {
                    let simulator = system.simulator(sections.get(system.name()), &surroundings);
                    let simulator = simulator.map_err(|error| {
                        error.context(format!("`{}`: section `{}`", path.display(), system.name()))
                    })?;
                    let placed = |simulator| Placed { system: system.name(), target: None, simulator };
                    simulators.extend(simulator.map(placed));
                }
                Ok(Estate { simulators })
            };
            world.block_on(&place, Box::pin(start))
        })??
    }

    /// Lays an overlay over each target, for every system that has them; the first target is the run's.
    ///
    /// # Errors
    /// `Invalid` if the first target cannot be used. What is wrong with another one is found by whoever goes there.
    pub(crate) fn lay(
        originals: Vec<(Arc<Target>, Original)>,
        registry: Registry,
        world: &World,
        seed: u64,
    ) -> Result<Self> {
        let surroundings = surroundings(world, seed, Path::new(""));
        world.enter(|place| {
            let start = async move {
                let mut simulators = Vec::new();
                for (number, (target, original)) in originals.into_iter().enumerate() {
                    // The systems that others build on come first, and last here: a cluster knows its hosts better than the web.
                    for system in registry.systems().iter().rev() {
                        let simulator = match system.overlay(original.clone(), &surroundings) {
                            Err(_) if number > 0 || is_elsewhere(&target, system.name()) => None,
                            overlay => overlay?,
                        };
                        let target = Some(target.name.clone());
                        let placed = |simulator| Placed { system: system.name(), target, simulator };
                        simulators.extend(simulator.map(placed));
                    }
                }
                Ok(Estate { simulators })
            };
            world.block_on(&place, Box::pin(start))
        })??
    }

    /// The same estate once more, as it is now, in `world`; `None` if one of its simulators cannot be forked.
    ///
    /// # Errors
    /// `Failed` if the machine gives no thread.
    pub fn fork(&self, world: &World, seed: u64) -> Result<Option<Self>> {
        let surroundings = surroundings(world, seed, Path::new(""));
        let originals = self.simulators.clone();
        world.enter(|place| {
            let fork = async move {
                let forked = originals.into_iter().map(|placed| {
                    let simulator = placed.simulator.fork(&surroundings)?;
                    Some(Placed { simulator, ..placed })
                });
                forked.collect::<Option<_>>().map(|simulators| Estate { simulators })
            };
            world.block_on(&place, Box::pin(fork))
        })?
    }

    /// By the names of their systems.
    pub fn simulators(&self) -> impl Iterator<Item = (&'static str, &Arc<dyn Simulator>)> {
        self.simulators.iter().map(|placed| (placed.system, &placed.simulator))
    }

    /// What has become of things in overlays since this was asked last.
    pub(crate) fn alterations(&self) -> Alterations {
        let mut all = Alterations::default();
        for (_, simulator) in self.simulators() {
            let Alterations { things, consequences } = simulator.alterations();
            all.things.extend(things);
            all.consequences.extend(consequences);
        }
        all
    }

    /// What the run on this target's overlays rested on, by system.
    pub(crate) fn preconditions(&self, target: &str) -> BTreeMap<String, Vec<Precondition>> {
        let of_target = self.simulators.iter().filter(|placed| placed.target.as_deref() == Some(target));
        let found = of_target.map(|placed| (placed.system.to_owned(), placed.simulator.preconditions()));
        found.filter(|(_, found)| !found.is_empty()).collect()
    }

    /// For [`opsrun_gate::Route::simulated`].
    pub fn route(&self) -> opsrun_gate::Route {
        opsrun_gate::Route::simulated(self.simulators().map(|(_, simulator)| simulator.clone()).collect())
    }

    /// The target with its sections leading to this estate.
    pub fn adopt(&self, mut target: Target) -> Target {
        for Placed { system, target: of, simulator } in &self.simulators {
            if of.as_ref().is_some_and(|of| *of != target.name) {
                continue;
            }
            let section = target.sections.entry((*system).to_owned()).or_insert(Value::Null);
            match (&mut *section, simulator.section()) {
                (Value::Object(section), Value::Object(simulated)) => section.extend(simulated),
                (section, simulated) => *section = simulated,
            }
        }
        target
    }

    /// Everything that a user would call state, by name.
    pub fn snapshot(&self) -> BTreeMap<String, Value> {
        let mut all = BTreeMap::new();
        for (name, simulator) in self.simulators() {
            all.extend(simulator.snapshot().into_iter().map(|(key, value)| (format!("{name} {key}"), value)));
        }
        all
    }
}

fn surroundings(world: &World, seed: u64, folder: &Path) -> Surroundings {
    Surroundings { clock: world.clock(), seed, files: Arc::new(EstateFolder::new(folder)) }
}

/// A difference between two snapshots.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The thing.
    pub name: String,
    /// What of it, as a path; empty for the whole.
    pub path: String,
    /// `None`: it was not there.
    pub before: Option<Value>,
    /// `None`: it is gone.
    pub after: Option<Value>,
}

impl Change {
    /// Takes out of it what is not to be shown.
    pub fn hide(&mut self, redactor: &Redactor) {
        for text in [&mut self.name, &mut self.path] {
            *text = redactor.show(text).into_owned();
        }
        [&mut self.before, &mut self.after]
            .into_iter()
            .flatten()
            .for_each(|value| redactor.show_value(value));
    }
}

/// Splits off the changes that a run declared to leave behind: `kept` are patterns of names, with `*`, and reasons.
pub fn without_kept(
    changes: Vec<Change>,
    kept: &BTreeMap<String, String>,
) -> (Vec<Change>, BTreeMap<String, usize>) {
    let mut left = BTreeMap::new();
    let rest = changes.into_iter().filter(|change| {
        let Some((_, why)) = kept.iter().find(|(pattern, _)| opsrun_core::glob(pattern, &change.name)) else {
            return true;
        };
        *left.entry(why.clone()).or_insert(0) += 1;
        false
    });
    (rest.collect(), left)
}

/// What changed, by name and path.
pub fn changes(before: &BTreeMap<String, Value>, after: &BTreeMap<String, Value>) -> Vec<Change> {
    let mut changes = Vec::new();
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        compare(name, "", before.get(name), after.get(name), &mut changes);
    }
    changes
}

fn compare(name: &str, path: &str, before: Option<&Value>, after: Option<&Value>, out: &mut Vec<Change>) {
    match (before, after) {
        (before, after) if before == after => {}
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for key in keys {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                compare(name, &path, old.get(key), new.get(key), out);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) if old.len() == new.len() => {
            for (number, (old, new)) in old.iter().zip(new).enumerate() {
                compare(name, &format!("{path}[{number}]"), Some(old), Some(new), out);
            }
        }
        (before, after) => {
            out.push(Change {
                name: name.to_owned(),
                path: path.to_owned(),
                before: before.cloned(),
                after: after.cloned(),
            });
        }
    }
}

/// `~ thing: path: old -> new`, `+ thing`, `- thing`.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let brief = |value: &Option<Value>| match value {
            None => "(none)".to_owned(),
            Some(value) => {
                let text = value.to_string();
                match text.char_indices().nth(100) {
                    None => text,
                    Some((end, _)) => format!("{}…", &text[..end]),
                }
            }
        };
        match (self.path.is_empty(), &self.before, &self.after) {
            (true, None, _) => write!(f, "+ {}", self.name),
            (true, _, None) => write!(f, "- {}", self.name),
            _ => {
                write!(f, "~ {}: {}: {} -> {}", self.name, self.path, brief(&self.before), brief(&self.after))
            }
        }
    }
}

/// Whether a target is about other systems than this one: then nothing has to say where this one would be.
pub(crate) fn is_elsewhere(target: &Target, system: &str) -> bool {
    target.section(system).is_null() && !target.sections.is_empty()
}
