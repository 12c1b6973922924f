//! A playbook as it was read: its text, its libraries, its description and its parameters. Nothing of it has run.

use std::collections::BTreeMap;
use std::sync::Arc;

use opsrun_core::{Error, Result, Value};
use opsrun_runtime::Registry;
use rhai::{AST, Engine, Expr, Module, ParseErrorType, Scope, Stmt};

use crate::diagnostic::{Diagnostic, Place};
use crate::host::Functions;
use crate::imports::{Libraries, Sources, file_of_import, folder_of};
use crate::lexer::defined_names;
use crate::limits::Limits;
use crate::parameter::{self, Parameter};
use crate::syntax::explain;

/// A playbook that can run. Its libraries are loaded with it: a run reads no more files.
pub struct Playbook {
    path: String,
    folder: String,
    files: BTreeMap<String, File>,
    parameters: Vec<Parameter>,
    functions: Functions,
    limits: Limits,
}

pub(crate) struct File {
    pub source: String,
    pub ast: Arc<AST>,
}

/// Why a playbook cannot be loaded.
#[derive(Debug, Clone)]
pub struct Refusal {
    pub diagnostics: Vec<Diagnostic>,
    sources: BTreeMap<String, String>,
}

impl Playbook {
    /// Reads and parses the playbook at `path`, and every library that it imports.
    ///
    /// # Errors
    /// What does not parse, cannot be read, or imports itself; with its place.
    pub fn load(path: &str, sources: &dyn Sources, registry: Registry) -> Result<Self, Refusal> {
        let mut loader = Loader::new(path, sources, Functions::of(registry));
        let parameters = loader.load_all(path);
        if loader.diagnostics.is_empty() {
            return Ok(loader.playbook(path, parameters));
        }
        Err(Refusal { sources: loader.texts, diagnostics: loader.diagnostics })
    }

    /// The same, stopped at other limits than the usual ones.
    #[must_use]
    pub fn limited(self, limits: Limits) -> Self {
        Playbook { limits, ..self }
    }

    pub(crate) fn functions(&self) -> &Functions {
        &self.functions
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    /// As it was given.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The text of one of its files.
    pub fn source(&self, file: &str) -> Option<&str> {
        self.files.get(file).map(|file| file.source.as_str())
    }

    /// Its files: itself, and the libraries it imports.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, file)| (path.as_str(), file.source.as_str()))
    }

    /// The comment that it begins with.
    pub fn description(&self) -> String {
        description(self.source(&self.path).unwrap_or_default())
    }

    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Decodes what was given for its parameters, by name.
    ///
    /// # Errors
    /// `Invalid`: an unknown parameter, a missing one, a value of another type or outside of the choices.
    pub fn arguments(&self, given: &[(String, String)]) -> Result<BTreeMap<String, Value>> {
        parameter::decode(&self.parameters, given)
    }

    pub(crate) fn ast(&self, file: &str) -> Option<&AST> {
        self.files.get(file).map(|file| &*file.ast)
    }

    pub(crate) fn libraries(&self) -> Arc<Libraries> {
        let trees = self.files.iter().filter(|(path, _)| **path != self.path);
        Libraries::new(&self.folder, trees.map(|(path, file)| (path.clone(), file.ast.clone())).collect())
    }
}

impl Refusal {
    /// The findings with their lines.
    pub fn report(&self) -> String {
        render(&self.diagnostics, &self.sources)
    }

    /// The same as an error: `Invalid`, or why the file could not be read.
    pub fn error(&self) -> Error {
        let mut findings = self.diagnostics.iter();
        let Some(first) = findings.next() else { return Error::invalid("the playbook cannot be loaded") };
        let mut error = Error::invalid(format!("{}: {}", first.at, first.message));
        for more in findings {
            error = error.detail(format!("{}: {}", more.at, more.message));
        }
        match &first.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        refusal.error()
    }
}

pub(crate) fn render(diagnostics: &[Diagnostic], sources: &BTreeMap<String, String>) -> String {
    let rendered =
        diagnostics.iter().map(|found| found.render(sources.get(&found.at.file).map_or("", String::as_str)));
    rendered.collect::<Vec<_>>().join("\n")
}

/// Reads a playbook and what it imports, and goes on after an error as far as possible.
pub(crate) struct Loader<'s> {
    pub engine: Engine,
    folder: String,
    sources: &'s dyn Sources,
    pub files: BTreeMap<String, File>,
    pub texts: BTreeMap<String, String>,
    pub diagnostics: Vec<Diagnostic>,
    functions: Functions,
    /// The imports that led to the file that is being read.
    way: Vec<String>,
}

impl<'s> Loader<'s> {
    pub(crate) fn new(path: &str, sources: &'s dyn Sources, functions: Functions) -> Self {
        Loader {
            engine: functions.engine(Limits::default()),
            folder: folder_of(path).to_owned(),
            sources,
            files: BTreeMap::new(),
            texts: BTreeMap::new(),
            diagnostics: Vec::new(),
            functions,
            way: Vec::new(),
        }
    }

    /// Reads the playbook at `path` and every library that it imports; returns its parameters.
    pub(crate) fn load_all(&mut self, path: &str) -> Vec<Parameter> {
        self.load(path, None);
        let mut parameters = Vec::new();
        for (path, file) in &self.files {
            parameter::collect(path, &file.ast, &mut parameters, &mut self.diagnostics);
        }
        parameters
    }

    /// What was loaded from `path` without an error.
    pub(crate) fn playbook(self, path: &str, parameters: Vec<Parameter>) -> Playbook {
        Playbook {
            path: path.to_owned(),
            folder: self.folder,
            files: self.files,
            parameters,
            functions: self.functions,
            limits: Limits::default(),
        }
    }

    /// Reads `file`, which is imported at the place, or is the playbook itself.
    pub(crate) fn load(&mut self, file: &str, imported: Option<&Place>) {
        if self.way.iter().any(|above| above == file) {
            let circle: Vec<_> = self.way.iter().map(String::as_str).chain([file]).collect();
            let at = imported.cloned().unwrap_or_else(|| whole(file));
            self.diagnostics
                .push(Diagnostic::error(at, format!("the imports go in a circle: {}", circle.join(" → "))));
            return;
        }
        if self.texts.contains_key(file) {
            return;
        }
        let source = match self.sources.read(file) {
            Ok(source) => source,
            Err(error) => {
                let at = imported.cloned().unwrap_or_else(|| whole(file));
                self.diagnostics.push(refused(at, &error));
                return;
            }
        };
        self.texts.insert(file.to_owned(), source.clone());
        if source.len() > LARGEST {
            let at = imported.cloned().unwrap_or_else(|| whole(file));
            let message = format!("`{file}` is too large: a playbook has at most {LARGEST} bytes");
            self.diagnostics.push(Diagnostic::error(at, message).hint("data stands in files of its own"));
            return;
        }
        let Some(mut ast) = self.parse(file, &source) else { return };
        ast.set_source(file);
        self.way.push(file.to_owned());
        self.imports_of(file, &ast);
        self.way.pop();
        self.files.insert(file.to_owned(), File { source, ast: Arc::new(ast) });
    }

    /// Reads what `file`, whose tree is `ast`, imports.
    pub(crate) fn imports_of(&mut self, file: &str, ast: &AST) {
        for (path, at) in imports(ast) {
            let at = Place::new(file, at);
            let wanted = path.ok_or_else(|| Error::invalid("what is imported is a literal text"));
            match wanted.and_then(|path| file_of_import(folder_of(file), &path)) {
                Ok(library) => self.load(&library, Some(&at)),
                Err(error) => self.diagnostics.push(refused(at, &error)),
            }
        }
    }

    /// The syntax tree, if there is one, also where names are unknown: those are told.
    fn parse(&mut self, file: &str, source: &str) -> Option<AST> {
        let mut scope = Scope::new();
        loop {
            let error = match self.engine.compile_with_scope(&scope, source) {
                Ok(ast) => return Some(ast),
                Err(error) => error,
            };
            let at = Place::new(file, error.1);
            match &*error.0 {
                ParseErrorType::VariableUndefined(name) if scope.contains(name) => break,
                ParseErrorType::VariableUndefined(_) | ParseErrorType::ModuleUndefined(_)
                    if self.diagnostics.len() > UNKNOWN =>
                {
                    break;
                }
                unknown @ ParseErrorType::VariableUndefined(name) => {
                    self.diagnostics.push(explain(
                        at,
                        unknown,
                        source,
                        &defined_names(source),
                        self.functions.registry,
                    ));
                    // Taken as known, it does not hide what else is unknown.
                    scope.push(name.clone(), ());
                }
                unknown @ ParseErrorType::ModuleUndefined(name) => {
                    self.diagnostics.push(explain(
                        at,
                        unknown,
                        source,
                        &defined_names(source),
                        self.functions.registry,
                    ));
                    self.engine.register_static_module(name, Module::new().into());
                }
                other => {
                    self.diagnostics.push(explain(at, other, source, &[], self.functions.registry));
                    return None;
                }
            }
        }
        let mut lenient = self.functions.engine(Limits::default());
        lenient.set_strict_variables(false);
        match lenient.compile(source) {
            Ok(ast) => Some(ast),
            Err(error) => {
                let at = Place::new(file, error.1);
                self.diagnostics.push(explain(at, &error.0, source, &[], self.functions.registry));
                None
            }
        }
    }
}

/// Bytes of a file: nobody writes more, and what is generated is data.
const LARGEST: usize = 1 << 20;

/// So many unknown names are told before the rest is left out: each is looked for in a reading of its own.
const UNKNOWN: usize = 50;

fn refused(at: Place, error: &Error) -> Diagnostic {
    let found = Diagnostic::error(at, error.message());
    match error.hint_text() {
        Some(hint) => found.hint(hint),
        None => found,
    }
}

fn whole(file: &str) -> Place {
    Place { file: file.to_owned(), line: 0, column: 0 }
}

/// What a file imports: the path, if it is literal, and the place.
pub(crate) fn imports(ast: &AST) -> Vec<(Option<String>, rhai::Position)> {
    let mut found = Vec::new();
    ast.walk(&mut |path: &[rhai::ASTNode]| {
        if let Some(rhai::ASTNode::Stmt(Stmt::Import(import, at))) = path.last() {
            let literal = match &import.0 {
                Expr::StringConstant(path, _) => Some(path.to_string()),
                _ => None,
            };
            found.push((literal, *at));
        }
        true
    });
    found
}

/// The comment at the beginning of a source, without its marks.
fn description(source: &str) -> String {
    let mut lines = Vec::new();
    for line in source.lines().map(str::trim).skip_while(|line| line.is_empty() || line.starts_with("#!")) {
        let Some(text) =
            line.strip_prefix("//!").or_else(|| line.strip_prefix("///")).or_else(|| line.strip_prefix("//"))
        else {
            break;
        };
        lines.push(text.strip_prefix(' ').unwrap_or(text).trim_end());
    }
    lines.join("\n").trim().to_owned()
}
