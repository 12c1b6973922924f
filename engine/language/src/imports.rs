//! `import`: a playbook's libraries, all of which were read when it was loaded.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use opsrun_core::{Error, Result};
use rhai::{AST, Engine, GlobalRuntimeState, Module, ModuleResolver, Position, Scope, Shared};

use crate::failure::{Failure, Frame};
use crate::host::Host;
use crate::library::Outcome;

/// Reads the texts of playbooks; for the command line, through the gate.
pub trait Sources {
    /// The text of the file at `path`.
    ///
    /// # Errors
    /// `NotFound`, `Denied`, `Failed`.
    fn read(&self, path: &str) -> Result<String>;
}

/// Texts in memory, by path.
impl Sources for BTreeMap<String, String> {
    fn read(&self, path: &str) -> Result<String> {
        self.get(path).cloned().ok_or_else(|| Error::not_found(format!("there is no file `{path}`")))
    }
}

/// The folder that imports of a file count from: its own.
pub(crate) fn folder_of(file: &str) -> &str {
    file.rsplit_once('/').map_or("", |(folder, _)| if folder.is_empty() { "/" } else { folder })
}

/// The file that `import "path"` in a file of `folder` means. It can be in another folder of the project, `../lib/release`.
///
/// # Errors
/// `Invalid` for an absolute path, and what is none.
pub(crate) fn file_of_import(folder: &str, path: &str) -> Result<String> {
    if path.is_empty() || path.starts_with('/') || path.contains(['\\', '\0', ':']) {
        return Err(Error::invalid(format!("`{path}` is no path of a library"))
            .hint("write it from the file that it stands in: `import \"lib/release\" as release;`"));
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').filter(|part| !part.is_empty()).chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let root = if folder.starts_with('/') { "/" } else { "" };
    let ending = if path.ends_with(".rhai") { "" } else { ".rhai" };
    Ok(format!("{root}{}{ending}", parts.join("/")))
}

/// The syntax trees of what may be imported, by file; those of a session grow.
#[derive(Default)]
pub(crate) struct Libraries {
    folder: String,
    trees: RwLock<BTreeMap<String, Arc<AST>>>,
}

impl Libraries {
    pub(crate) fn new(folder: &str, trees: BTreeMap<String, Arc<AST>>) -> Arc<Self> {
        Arc::new(Libraries { folder: folder.to_owned(), trees: RwLock::new(trees) })
    }

    pub(crate) fn add(&self, file: String, tree: Arc<AST>) {
        self.trees.write().unwrap_or_else(PoisonError::into_inner).insert(file, tree);
    }

    /// The file that an import in `source` means: a library, or whatever has the folder.
    fn file(&self, source: Option<&str>, path: &str) -> Result<String> {
        match source.filter(|source| self.tree(source).is_some()) {
            Some(library) => file_of_import(folder_of(library), path),
            None => file_of_import(&self.folder, path),
        }
    }

    pub(crate) fn tree(&self, file: &str) -> Option<Arc<AST>> {
        self.trees.read().unwrap_or_else(PoisonError::into_inner).get(file).cloned()
    }
}

/// Evaluates each library once, when it is first imported.
pub(crate) struct Imports {
    host: Weak<Host>,
    libraries: Arc<Libraries>,
    evaluated: Mutex<BTreeMap<String, Shared<Module>>>,
}

impl Imports {
    pub(crate) fn new(host: Weak<Host>, libraries: Arc<Libraries>) -> Self {
        Imports { host, libraries, evaluated: Mutex::default() }
    }

    fn evaluate(
        &self,
        engine: &Engine,
        global: &GlobalRuntimeState,
        path: &str,
    ) -> Result<Shared<Module>, Failure> {
        let Some(host) = self.host.upgrade() else {
            return Err(Failure::new(Error::invalid(format!(
                "the run that `{path}` is imported in has ended"
            ))));
        };
        let file = self.libraries.file(global.source(), path).map_err(Failure::new)?;
        if let Some(module) = self.evaluated.lock().unwrap_or_else(PoisonError::into_inner).get(&file) {
            return Ok(module.clone());
        }
        let Some(ast) = self.libraries.tree(&file) else {
            return Err(Failure::new(Error::not_found(format!(
                "the library `{file}` was not loaded with the playbook"
            ))));
        };
        host.adopt(ast.shared_lib(), Vec::new());
        let mut state = engine.new_global_runtime_state();
        state.tag = global.tag.clone();
        let module = Module::eval_ast_as_new_raw(engine, &mut Scope::new(), &mut state, &ast)
            .map_err(|error| Failure::read(&error, &file, &host))?;
        let imports =
            module.iter_sub_modules().map(|(alias, module)| (alias.to_owned(), module.clone())).collect();
        host.adopt(ast.shared_lib(), imports);
        let module: Shared<Module> = module.into();
        self.evaluated.lock().unwrap_or_else(PoisonError::into_inner).insert(file, module.clone());
        Ok(module)
    }
}

impl ModuleResolver for Imports {
    fn resolve(
        &self,
        engine: &Engine,
        source: Option<&str>,
        path: &str,
        at: Position,
    ) -> Outcome<Shared<Module>> {
        let mut state = engine.new_global_runtime_state();
        state.source = source.map(Into::into);
        self.resolve_raw(engine, &mut state, &mut Scope::new(), path, at)
    }

    fn resolve_raw(
        &self,
        engine: &Engine,
        global: &mut GlobalRuntimeState,
        _: &mut Scope,
        path: &str,
        at: Position,
    ) -> Outcome<Shared<Module>> {
        self.evaluate(engine, global, path).map_err(|mut failure| {
            let called = if failure.trace.is_empty() { String::new() } else { format!("import of `{path}`") };
            failure.trace.push(Frame::at(global.source().unwrap_or_default(), at, called));
            failure.raise()
        })
    }
}
