//! `opsrun.toml`: the targets, what they allow, the default estate, the journal's place.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use opsrun_core::{AccessPattern, Error, Result, Target, Value};
use serde::Deserialize;

use crate::calendar::{Calendar, Freeze, Window};
use crate::run::Registry;
use crate::vocabulary::Vocabulary;

/// A folder of playbooks with its configuration; without an `opsrun.toml`, just the folder.
#[derive(Debug, Clone, Default)]
pub struct Project {
    /// Paths in playbooks count from here.
    pub root: PathBuf,
    /// The `opsrun.toml`, if there is one.
    pub file: Option<PathBuf>,
    /// Its text.
    pub text: String,
    pub table: ProjectTable,
}

/// The content of `opsrun.toml`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ProjectTable {
    /// The target of a run that names none.
    pub default_target: Option<String>,
    /// The estate file of rehearsals that name none.
    pub estate: Option<PathBuf>,
    /// The folder of journals.
    pub journal: Option<PathBuf>,
    /// The file of the audit log of runs that name none.
    pub audit: Option<PathBuf>,
    /// What playbooks may do on every target.
    #[serde(default)]
    pub grants: Vec<String>,
    #[serde(default)]
    pub targets: BTreeMap<String, TargetTable>,
}

/// A `[targets.NAME]`: its own keys, and a section for each system.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct TargetTable {
    #[serde(default)]
    pub protected: bool,
    #[serde(default)]
    pub grants: Vec<String>,
    /// When live runs may begin to write; always, if there is none.
    #[serde(default)]
    pub windows: Vec<Window>,
    /// When they may not.
    #[serde(default)]
    pub freezes: Vec<Freeze>,
    #[serde(flatten)]
    pub sections: BTreeMap<String, Value>,
}

/// A file of grants that is named on the command line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantsTable {
    #[serde(default)]
    grants: Vec<String>,
    #[serde(default)]
    targets: BTreeMap<String, GrantsOfTarget>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantsOfTarget {
    #[serde(default)]
    grants: Vec<String>,
}

const FILE: &str = "opsrun.toml";

impl Project {
    /// The project that a file or folder belongs to: the nearest folder around it with an `opsrun.toml`.
    ///
    /// # Errors
    /// `Invalid` with line and column if the file cannot be read as what it should be.
    pub fn find(start: &Path) -> Result<Self> {
        let folder = if start.is_dir() { start } else { start.parent().unwrap_or(start) };
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let real = folder
            .canonicalize()
            .map_err(|_| Error::not_found(format!("`{}` does not exist", folder.display())))?;
        match real.ancestors().find(|folder| folder.join(FILE).is_file()) {
            None => Ok(Project { root: real, ..Project::default() }),
            Some(root) => Self::load(&root.join(FILE)),
        }
    }

    fn load(file: &Path) -> Result<Self> {
        let shown = from_here(file);
        let text = opsrun_gate::read_text(&shown)?;
        let table = toml::from_str(&text).map_err(|error| {
            Error::invalid(format!("`{}` cannot be read: {}", shown.display(), error.to_string().trim_end()))
        })?;
        Ok(Project { root: file.parent().unwrap_or(file).to_owned(), file: Some(shown), text, table })
    }

    /// The same with the grants of `file`, and no others.
    ///
    /// # Errors
    /// `NotFound`; `Invalid`, naming what is wrong with the file.
    pub(crate) fn granting(&self, file: &Path, registry: Registry) -> Result<Self> {
        let text = opsrun_gate::read_text(file)?;
        let table: GrantsTable = toml::from_str(&text).map_err(|error| {
            Error::invalid(format!("`{}` cannot be read: {}", file.display(), error.to_string().trim_end()))
                .hint(
                    "it has `grants = […]`, for all targets, and tables `[targets.NAME]` with `grants = […]`",
                )
        })?;
        let mut project = self.granting_nothing();
        project.table.grants = table.grants;
        for (name, of_target) in table.targets {
            let Some(target) = project.table.targets.get_mut(&name) else {
                let error = Error::invalid(format!("`{}`: there is no target `{name}`", file.display()));
                let known = self.table.targets.keys().map(String::as_str).collect::<Vec<_>>();
                return Err(error.hint(format!("the targets are `{}`", known.join("`, `"))));
            };
            target.grants = of_target.grants;
        }
        let shown = Project { file: Some(file.to_owned()), ..project.clone() };
        shown.grants(registry)?;
        shown.targets(registry)?;
        Ok(project)
    }

    /// The same without its grants, and without what it has written to files of its choice.
    pub(crate) fn granting_nothing(&self) -> Self {
        let mut project = self.clone();
        project.table.grants.clear();
        project.table.audit = None;
        project.table.targets.values_mut().for_each(|target| target.grants.clear());
        project
    }

    /// When live runs may begin to write, by target.
    pub(crate) fn calendars(&self) -> BTreeMap<String, Calendar> {
        let calendar = |target: &TargetTable| Calendar {
            windows: target.windows.clone(),
            freezes: target.freezes.clone(),
        };
        self.table.targets.iter().map(|(name, target)| (name.clone(), calendar(target))).collect()
    }

    /// What the file allows, line by line: `k8s read`, `on `prod`: k8s write * in prod`.
    pub fn shown_grants(&self) -> Vec<String> {
        let everywhere = self.table.grants.iter().map(|grant| format!("on every target: {grant}"));
        let of_target = |(name, target): (&String, &TargetTable)| -> Vec<String> {
            target.grants.iter().map(|grant| format!("on `{name}`: {grant}")).collect()
        };
        let audit = self.table.audit.iter().map(|file| format!("the audit log in {}", file.display()));
        everywhere.chain(self.table.targets.iter().flat_map(of_target)).chain(audit).collect()
    }

    /// A file of the project by its shortest name, for messages.
    pub(crate) fn named(&self, file: &Path) -> PathBuf {
        from_here(&self.root.join(file))
    }

    /// The targets, checked.
    ///
    /// # Errors
    /// `Invalid`, naming the table and what is wrong with it.
    pub fn targets(&self, registry: Registry) -> Result<BTreeMap<String, Target>> {
        let names: Vec<_> = registry.systems().iter().map(|system| system.name()).collect();
        let vocabulary = Vocabulary::of(registry);
        let target =
            |name: &String, table| Ok((name.clone(), self.target(name, table, &names, &vocabulary)?));
        self.table.targets.iter().map(|(name, table)| target(name, table)).collect()
    }

    /// What the project allows everywhere.
    ///
    /// # Errors
    /// `Invalid`, naming the pattern.
    pub fn grants(&self, registry: Registry) -> Result<Vec<AccessPattern>> {
        self.patterns("grants", &self.table.grants, &Vocabulary::of(registry))
    }

    fn target(
        &self,
        name: &str,
        table: &TargetTable,
        systems: &[&str],
        vocabulary: &Vocabulary,
    ) -> Result<Target> {
        if let Some(unknown) = table.sections.keys().find(|section| !systems.contains(&section.as_str())) {
            return Err(self
                .invalid(&format!("[targets.{name}] has a key `{unknown}` that means nothing"))
                .hint(format!(
                    "its keys are `protected`, `grants`, `windows`, `freezes`, and a table for each of the systems `{}`",
                    systems.join("`, `")
                )));
        }
        Ok(Target {
            name: name.to_owned(),
            protected: table.protected,
            grants: self.patterns(&format!("[targets.{name}] grants"), &table.grants, vocabulary)?,
            sections: table.sections.clone(),
        })
    }

    fn patterns(&self, place: &str, texts: &[String], vocabulary: &Vocabulary) -> Result<Vec<AccessPattern>> {
        let read = |text: &String| {
            let pattern = text.parse().map_err(|error| self.invalid(&format!("{place}: {error}")))?;
            vocabulary.check(&pattern).map_err(|error| {
                let placed = self.invalid(&format!("{place}: {error}"));
                error.hint_text().into_iter().fold(placed, |placed, hint| placed.hint(hint))
            })?;
            Ok(pattern)
        };
        texts.iter().map(read).collect()
    }

    fn invalid(&self, what: &str) -> Error {
        Error::invalid(format!("`{}`: {what}", self.file.as_deref().unwrap_or(Path::new(FILE)).display()))
    }
}

/// The path from the current folder, where it leads into that.
fn from_here(path: &Path) -> PathBuf {
    let here = Path::new(".").canonicalize();
    here.ok().and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path).to_owned()
}
