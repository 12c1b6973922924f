//! The workspace as the rules see it: crates with what they depend on, and source files with their lines.
//! Dependencies are those of the product: normal and build, on every platform, never development ones.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Every crate of the workspace, and below them what `Cargo.lock` says.
pub(crate) struct Workspace {
    crates: Vec<Crate>,
    /// Of crates outside the workspace: their dependencies, by name. Versions do not matter to any rule.
    locked: BTreeMap<String, Vec<String>>,
}

pub(crate) struct Crate {
    name: String,
    /// Its folder from the checkout's root, with a closing slash.
    folder: String,
    manifest: String,
    dependencies: BTreeSet<String>,
}

pub(crate) struct Source {
    path: String,
    text: String,
}

impl Workspace {
    pub(crate) fn read() -> Self {
        let asked = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version", "1", "--no-deps"])
            .current_dir(root())
            .output()
            .expect("cargo runs");
        assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
        let metadata: Value = serde_json::from_slice(&asked.stdout).expect("cargo prints JSON");
        let packages = metadata["packages"].as_array().expect("metadata has packages");
        Workspace { crates: packages.iter().map(Crate::of).collect(), locked: locked() }
    }

    pub(crate) fn crates(&self) -> impl Iterator<Item = &Crate> {
        self.crates.iter()
    }

    pub(crate) fn is_in(&self, name: &str, folder: &str) -> bool {
        self.member(name).is_some_and(|member| member.is_in(folder))
    }

    /// What `of` depends on, however far down, for which `is_forbidden` holds: each with the way that leads to it.
    pub(crate) fn reaches(&self, of: &Crate, is_forbidden: impl Fn(&str) -> bool) -> Vec<String> {
        let mut ways = Vec::new();
        let mut seen = BTreeSet::new();
        let mut next = vec![(of.name.clone(), of.name.clone())];
        while let Some((name, way)) = next.pop() {
            for dependency in self.dependencies(&name) {
                if seen.insert(dependency.to_owned()) {
                    let way = format!("{way} -> {dependency}");
                    if is_forbidden(dependency) {
                        ways.push(way.clone());
                    }
                    next.push((dependency.to_owned(), way));
                }
            }
        }
        ways
    }

    fn dependencies(&self, name: &str) -> Vec<&str> {
        match self.member(name) {
            Some(member) => member.dependencies().collect(),
            None => self.locked.get(name).into_iter().flatten().map(String::as_str).collect(),
        }
    }

    fn member(&self, name: &str) -> Option<&Crate> {
        self.crates.iter().find(|member| member.name == name)
    }
}

impl Crate {
    fn of(package: &Value) -> Self {
        let text = |value: &Value| value.as_str().expect("metadata has text here").to_owned();
        let manifest = PathBuf::from(text(&package["manifest_path"]));
        let folder = manifest.parent().expect("a manifest is in a folder");
        let folder = folder.strip_prefix(root()).expect("a member is in the checkout");
        let dependencies = package["dependencies"].as_array().expect("metadata has dependencies");
        Crate {
            name: text(&package["name"]),
            folder: format!("{}/", folder.display()),
            manifest: read(&manifest),
            dependencies: dependencies
                .iter()
                .filter(|dependency| dependency["kind"] != "dev")
                .map(|dependency| text(&dependency["name"]))
                .collect(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn manifest(&self) -> &str {
        &self.manifest
    }

    pub(crate) fn is_in(&self, folder: &str) -> bool {
        self.folder.starts_with(folder)
    }

    pub(crate) fn dependencies(&self) -> impl Iterator<Item = &str> {
        self.dependencies.iter().map(String::as_str)
    }
}

impl Source {
    /// Every Rust file of the workspace.
    pub(crate) fn all() -> Vec<Source> {
        let mut sources = Vec::new();
        for folder in ["engine", "stdlib", "tests"] {
            collect(&root().join(folder), &mut sources);
        }
        sources
    }

    /// From the checkout's root.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// A test, a benchmark, an example, or what only they use.
    pub(crate) fn is_test(&self) -> bool {
        let folders = ["tests/", "benches/", "examples/"];
        let mut within = folders.iter().map(|folder| (*folder, format!("/{folder}")));
        within.any(|(at_root, inside)| self.path.starts_with(at_root) || self.path.contains(&inside))
            || self.path.ends_with("/tests.rs")
    }

    /// The numbered lines before the file's own tests, which stand at its end.
    pub(crate) fn product_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(index, line)| (index + 1, line));
        lines.take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
    }
}

fn collect(folder: &Path, sources: &mut Vec<Source>) {
    let mut entries: Vec<_> =
        std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let shown = path.strip_prefix(root()).expect("it was found below").display().to_string();
            sources.push(Source { path: shown, text: read(&path) });
        }
    }
}

fn locked() -> BTreeMap<String, Vec<String>> {
    let lock: toml::Table = read(&root().join("Cargo.lock")).parse().expect("Cargo.lock is TOML");
    let mut locked: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in lock["package"].as_array().expect("Cargo.lock has packages") {
        let name = package["name"].as_str().expect("a package has a name");
        let dependencies = package.get("dependencies").and_then(|list| list.as_array()).into_iter().flatten();
        // An entry is a name, or a name and a version where several are locked.
        let names = dependencies.filter_map(|entry| entry.as_str()?.split(' ').next()).map(str::to_owned);
        locked.entry(name.to_owned()).or_default().extend(names);
    }
    locked
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn root() -> PathBuf {
    opsrun_tests::repository("").components().collect()
}
