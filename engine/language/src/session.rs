//! Entries evaluated one after the other, each seeing what the ones before defined: what a REPL is made of.
//! The same host as a playbook's; there is no second evaluator.

use std::collections::BTreeMap;
use std::sync::Arc;

use opsrun_core::{Error, Value};
use opsrun_runtime::{Branch, Registry};
use rhai::{AST, Dynamic, Engine, FnAccess, LexError, ParseError, ParseErrorType, Position, Scope};

use crate::diagnostic::Place;
use crate::failure::{Failure, Frame};
use crate::host::{Functions, Host};
use crate::imports::{Libraries, Sources, file_of_import};
use crate::lexer::defined_names;
use crate::limits::Limits;
use crate::playbook::Loader;
use crate::syntax;
use crate::value::{kind_of, to_json};

/// What places of entries are shown as: the lines of all entries are counted through.
const FILE: &str = "session";

/// Variables, functions and imports, from entry to entry.
pub struct Session {
    branch: Arc<Branch>,
    host: Arc<Host>,
    scope: Scope<'static>,
    functions: AST,
    /// Path and alias of each import; rhai forgets them with each entry.
    imports: Vec<(String, String)>,
    sources: Box<dyn Sources>,
    folder: String,
    libraries: Arc<Libraries>,
    texts: BTreeMap<String, String>,
}

/// Tells entries that are complete from those that go on in the next line.
pub struct Grammar(Engine);

impl Grammar {
    pub fn new(registry: Registry) -> Self {
        let mut engine = Functions::of(registry).engine(Limits::default());
        // Which names there are is not asked here.
        engine.set_strict_variables(false);
        Grammar(engine)
    }

    /// Whether the text is the beginning of something longer.
    pub fn is_incomplete(&self, text: &str) -> bool {
        let Err(ParseError(kind, at)) = self.0.compile(text) else { return false };
        match &*kind {
            ParseErrorType::UnexpectedEOF => true,
            ParseErrorType::BadInput(LexError::UnterminatedString) => true,
            // What is missing is missing at the end: the rest of the text is blank.
            ParseErrorType::MissingToken(..) | ParseErrorType::BadInput(_) => is_end(text, at),
            _ => false,
        }
    }
}

/// What an entry came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Entered {
    /// It defined or did something.
    Nothing,
    Value(Value),
    /// Something that is no data, such as a closure, in words.
    Other(&'static str),
}

impl Session {
    /// A session on `branch`. Libraries are imported from `folder` through `sources`.
    pub fn new(branch: &Arc<Branch>, folder: &str, sources: Box<dyn Sources>) -> Self {
        let libraries = Libraries::new(folder, BTreeMap::new());
        let functions = Functions::of(branch.run().registry());
        Session {
            host: Host::new(&functions, Limits::default(), BTreeMap::new(), libraries.clone(), branch),
            branch: branch.clone(),
            scope: Scope::new(),
            functions: AST::empty(),
            imports: Vec::new(),
            sources,
            folder: folder.to_owned(),
            libraries,
            texts: BTreeMap::from([(FILE.to_owned(), String::new())]),
        }
    }

    /// Evaluates one entry. What it defines is kept, also if it fails later on.
    ///
    /// # Errors
    /// What it failed with, and where.
    pub fn enter(&mut self, text: &str) -> Result<Entered, Failure> {
        self.host.meter.reset();
        let before = self.texts.get(FILE).map_or(0, |text| text.lines().count());
        let prefix: String =
            self.imports.iter().map(|(path, alias)| format!("import {path:?} as {alias};")).collect();
        let padded = format!("{}{prefix}{text}", "\n".repeat(before));
        if let Some(kept) = self.texts.get_mut(FILE) {
            kept.push_str(text);
            kept.push('\n');
        }
        let result = self.evaluate(&padded, text);
        result.map_err(|mut failure| {
            for frame in
                failure.trace.iter_mut().filter(|frame| frame.file == FILE && frame.line == before + 1)
            {
                frame.column = frame.column.saturating_sub(prefix.chars().count()).max(1);
            }
            failure
        })
    }

    /// The text that a place in `file` is in.
    pub fn source(&self, file: &str) -> Option<&str> {
        self.texts.get(file).map(String::as_str)
    }

    /// What the imported libraries let others call: `serving::pour`.
    pub fn imported_names(&self) -> Vec<String> {
        let of_library = |(path, alias): &(String, String)| -> Vec<String> {
            let tree = file_of_import(&self.folder, path).ok().and_then(|file| self.libraries.tree(&file));
            let Some(tree) = tree else { return Vec::new() };
            let functions = tree.iter_functions().filter(|function| function.access == FnAccess::Public);
            let names = functions.map(|function| function.name.to_owned()).filter(|name| !name.contains('$'));
            let constants = tree.iter_literal_variables(true, false).map(|(name, ..)| name.to_owned());
            names.chain(constants).map(|name| format!("{alias}::{name}")).collect()
        };
        self.imports.iter().flat_map(of_library).collect()
    }

    /// The variables, functions and imported modules that there are.
    pub fn names(&self) -> Vec<String> {
        let variables = self.scope.iter().map(|(name, ..)| name.to_owned());
        let functions = self.functions.iter_functions().map(|function| function.name.to_owned());
        let aliases = self.imports.iter().map(|(_, alias)| format!("{alias}::"));
        let mut names: Vec<_> =
            variables.chain(functions.filter(|name| !name.contains('$'))).chain(aliases).collect();
        names.sort();
        names.dedup();
        names
    }

    fn evaluate(&mut self, padded: &str, text: &str) -> Result<Entered, Failure> {
        let mut ast = self.host.engine.compile_with_scope(&self.scope, padded).map_err(|error| {
            let names: Vec<_> = self.names().into_iter().chain(defined_names(text)).collect();
            let at = Place::new(FILE, error.1);
            let found = syntax::explain(at, &error.0, padded, &names, self.host.functions.registry);
            let error = Error::invalid(found.message);
            let error = match found.hint {
                Some(hint) => error.hint(hint),
                None => error,
            };
            let at = found.at;
            Failure {
                error,
                trace: vec![Frame { file: at.file, line: at.line, column: at.column, called: String::new() }],
            }
        })?;
        ast.set_source(FILE);
        self.load_imports(&ast)?;
        self.functions = self.functions.merge(&ast.clone_functions_only());
        let mut whole = self.functions.merge(&ast);
        whole.set_source(FILE);
        self.host.adopt(whole.shared_lib(), Vec::new());
        let result = self
            .branch
            .scope(|_| Ok(self.host.engine.eval_ast_with_scope::<Dynamic>(&mut self.scope, &whole)));
        let value = result.map_err(Failure::new)?.map_err(|error| Failure::read(&error, FILE, &self.host))?;
        self.keep_imports(&ast);
        if value.is_unit() {
            return Ok(Entered::Nothing);
        }
        Ok(to_json(&value).map_or_else(|_| Entered::Other(kind_of(&value)), Entered::Value))
    }

    /// Reads the libraries that the entry imports, and what these import.
    fn load_imports(&mut self, ast: &AST) -> Result<(), Failure> {
        if crate::playbook::imports(ast).is_empty() {
            return Ok(());
        }
        // Entries stand in no file: they import as one of the folder would.
        let entry = file_of_import(&self.folder, FILE).map_err(Failure::new)?;
        let mut loader = Loader::new(&entry, &*self.sources, self.host.functions.clone());
        loader.imports_of(&entry, ast);
        if let Some(first) = loader.diagnostics.first() {
            let error = Error::invalid(first.message.clone());
            let at = first.at.clone();
            let file = if at.file == entry { FILE.to_owned() } else { at.file };
            let frame = Frame { file, line: at.line, column: at.column, called: String::new() };
            self.texts.extend(std::mem::take(&mut loader.texts));
            return Err(Failure { error, trace: vec![frame] });
        }
        self.texts.extend(loader.texts);
        for (path, file) in loader.files {
            self.libraries.add(path, file.ast);
        }
        Ok(())
    }

    fn keep_imports(&mut self, ast: &AST) {
        for statement in ast.statements() {
            if let rhai::Stmt::Import(import, _) = statement
                && let rhai::Expr::StringConstant(path, _) = &import.0
                && !import.1.name.is_empty()
            {
                let alias = import.1.name.to_string();
                self.imports.retain(|(_, known)| *known != alias);
                self.imports.push((path.to_string(), alias));
            }
        }
    }
}

/// Whether nothing but blanks follows the place.
fn is_end(text: &str, at: Position) -> bool {
    let Some(line) = at.line() else { return true };
    let mut lines = text.lines().skip(line - 1);
    let rest: String =
        lines.next().unwrap_or_default().chars().skip(at.position().unwrap_or(1) - 1).collect();
    rest.trim().is_empty() && lines.all(|line| line.trim().is_empty())
}
