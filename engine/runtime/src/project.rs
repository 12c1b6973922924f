//! `opsrun.toml`: the targets, what they allow, the default estate, the journal's place.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use opsrun_core::{AccessPattern, Error, Result, Target, Value};
use serde::Deserialize;

use crate::run::Registry;
use crate::vocabulary::Vocabulary;

/// A folder of playbooks with its configuration; without an `opsrun.toml`, just the folder.
#[derive(Debug, Clone, Default)]
pub struct Project {
    /// Paths in playbooks count from here.
    pub root: PathBuf,
    /// The `opsrun.toml`, if there is one.
    pub file: Option<PathBuf>,
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
    #[serde(flatten)]
    pub sections: BTreeMap<String, Value>,
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
        Ok(Project { root: file.parent().unwrap_or(file).to_owned(), file: Some(shown), table })
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
                    "its keys are `protected`, `grants`, and a table for each of the systems `{}`",
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
