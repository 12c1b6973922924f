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

/// The file that `import "path"` of a playbook in `folder` means: counted from the playbook's folder, and inside of it.
///
/// # Errors
/// `Invalid` for a path that leads out.
pub(crate) fn file_of_import(folder: &str, path: &str) -> Result<String> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." if !path.starts_with('/') => {}
            ".." if parts.pop().is_some() => {}
            "" | ".." => {
                return Err(Error::invalid(format!("`{path}` leads out of the playbook's folder"))
                    .hint("write it from the playbook's folder: `import \"lib/release\" as release;`"));
            }
            part if part.contains(['\\', '\0', ':']) => {
                return Err(Error::invalid(format!("`{path}` is no path of a library")));
            }
            part => parts.push(part),
        }
    }
    let mut file = folder.to_owned();
    if !file.is_empty() {
        file.push('/');
    }
    file.push_str(&parts.join("/"));
    if !file.ends_with(".rhai") {
        file.push_str(".rhai");
    }
    Ok(file)
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
        let file = file_of_import(&self.libraries.folder, path).map_err(Failure::new)?;
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
