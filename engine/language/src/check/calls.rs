//! Calls: that the function exists, how many arguments it takes, and what they may be.

use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet};

use opsrun_core::{Declaration, Value};
use opsrun_runtime::Registry;
use rhai::{
    AST, ASTNode, Array, Dynamic, Expr, FnAccess, FnCallExpr, FnPtr, ImmutableString, Map, Position, Stmt,
};

use super::literal::{closure, is_text, literal};
use super::{schema, walk};
use crate::diagnostic::{Diagnostic, Place};
use crate::document::usage;
use crate::host::options_at;
use crate::imports::{file_of_import, folder_of};
use crate::lexer::defined_names;
use crate::library;
use crate::playbook::Loader;
use crate::syntax::unknown_module;
use crate::words::{arguments, nearest, suggestion};

/// What the parser makes calls of itself.
const SYNTAX: &[&str] = &["Fn", "call", "curry", "type_of", "is_def_var", "is_def_fn", "is_shared", "this"];

/// Every name that can be called.
pub(super) struct Known {
    registry: Registry,
    /// The overloads of built-in functions, as the types of their parameters.
    builtin: BTreeMap<String, Vec<Vec<TypeId>>>,
    /// Of each file: the functions it defines, with the numbers of their parameters, and whether others may call them.
    scripts: BTreeMap<String, BTreeMap<String, Vec<(usize, bool)>>>,
    /// Of each file: the names that its text defines.
    names: BTreeMap<String, Vec<String>>,
    /// Keys of literal maps in all files: a map's closures are called like methods.
    keys: BTreeSet<String>,
}

impl Known {
    pub(super) fn new(loader: &Loader<'_>, registry: Registry) -> Self {
        let mut builtin: BTreeMap<String, Vec<Vec<TypeId>>> = BTreeMap::new();
        let functions = loader.engine.collect_fn_metadata(
            None,
            |function| {
                let metadata = function.metadata;
                function
                    .namespace
                    .is_empty()
                    .then(|| (metadata.name.to_string(), metadata.param_types.to_vec()))
            },
            true,
        );
        for (name, types) in functions {
            builtin.entry(name).or_default().push(types);
        }
        let mut scripts: BTreeMap<String, BTreeMap<String, Vec<(usize, bool)>>> = BTreeMap::new();
        let mut keys = BTreeSet::new();
        for (path, file) in &loader.files {
            let functions = scripts.entry(path.clone()).or_default();
            for function in file.ast.iter_functions() {
                let public = function.access == FnAccess::Public;
                functions.entry(function.name.to_owned()).or_default().push((function.params.len(), public));
            }
            walk(&file.ast, &mut |path| {
                if let Some(ASTNode::Expr(Expr::Map(map, _))) = path.last() {
                    keys.extend(map.0.iter().map(|(key, _)| key.name.to_string()));
                }
            });
        }
        let names =
            loader.files.iter().map(|(path, file)| (path.clone(), defined_names(&file.source))).collect();
        Known { registry, builtin, scripts, names, keys }
    }

    /// The names that the text of a file defines.
    pub(super) fn names(&self, file: &str) -> &[String] {
        self.names.get(file).map_or(&[], Vec::as_slice)
    }
}

/// Checks every call of one file.
pub(super) fn check(file: &str, ast: &AST, known: &Known, found: &mut Vec<Diagnostic>) {
    let mut aliases: BTreeMap<String, String> = BTreeMap::new();
    walk(ast, &mut |path| {
        if let Some(ASTNode::Stmt(Stmt::Import(import, _))) = path.last()
            && let Expr::StringConstant(library, _) = &import.0
            && let Ok(library) = file_of_import(folder_of(file), library)
        {
            aliases.insert(import.1.name.to_string(), library);
        }
    });
    let checker = Checker { file, known, aliases };
    walk(ast, &mut |path| match path.last() {
        Some(ASTNode::Expr(Expr::FnCall(call, at)) | ASTNode::Stmt(Stmt::FnCall(call, at))) => {
            if !call.namespace.is_empty() {
                checker.qualified(call, *at, found);
            } else if !call.is_operator_call() {
                checker.plain(call, *at, false, found);
            }
        }
        Some(ASTNode::Expr(Expr::MethodCall(call, at))) => checker.plain(call, *at, true, found),
        Some(ASTNode::Expr(Expr::Dot(dot, ..))) if !is_index(path) => checker.unit(&dot.lhs, &dot.rhs, found),
        _ => {}
    });
}

struct Checker<'k> {
    file: &'k str,
    known: &'k Known,
    aliases: BTreeMap<String, String>,
}

impl Checker<'_> {
    fn place(&self, at: Position) -> Place {
        Place::new(self.file, at)
    }

    fn qualified(&self, call: &FnCallExpr, at: Position, found: &mut Vec<Diagnostic>) {
        let module = call.namespace.path.iter().map(|part| part.name.as_str()).collect::<Vec<_>>().join("::");
        let start = call.namespace.path.first().map_or(at, |part| part.pos);
        if let Some(library) = self.aliases.get(&module) {
            return self.imported(call, library, start, found);
        }
        if let Some(declaration) = self.known.registry.primitive(&format!("{module}::{}", call.name)) {
            return self.primitive(declaration, call, start, found);
        }
        let modules: Vec<String> =
            self.known.registry.modules().map(|module| module.path.to_owned()).collect();
        if !modules.contains(&module) {
            let imported = self.aliases.keys().cloned();
            found.push(unknown_module(
                self.place(start),
                &module,
                &modules.iter().cloned().chain(imported).collect::<Vec<_>>(),
            ));
            return;
        }
        let of_module = self.known.registry.primitives().filter(|declaration| declaration.module() == module);
        let names: Vec<_> = of_module.map(Declaration::name).collect();
        let unknown =
            Diagnostic::error(self.place(start), format!("`{module}` has no function `{}`", call.name));
        found.push(match suggestion(&call.name, &names, &format!("`{module}` has")) {
            Some(hint) => unknown.hint(hint),
            None => unknown,
        });
    }

    fn imported(&self, call: &FnCallExpr, library: &str, start: Position, found: &mut Vec<Diagnostic>) {
        // A library that could not be read has been told.
        let Some(functions) = self.known.scripts.get(library) else { return };
        let public = |overloads: &&Vec<(usize, bool)>| overloads.iter().any(|(_, public)| *public);
        match functions.get(call.name.as_str()).filter(public) {
            Some(overloads) => {
                self.count(call, overloads.iter().map(|(count, _)| *count).collect(), start, found);
            }
            None => {
                let callable =
                    functions.iter().filter(|(name, overloads)| !name.contains('$') && public(overloads));
                let names: Vec<_> = callable.map(|(name, _)| name.as_str()).collect();
                let unknown = Diagnostic::error(
                    self.place(start),
                    format!("`{library}` has no function `{}`", call.name),
                );
                found.push(match suggestion(&call.name, &names, "it has") {
                    Some(hint) => unknown.hint(hint),
                    None => unknown,
                });
            }
        }
    }

    fn primitive(
        &self,
        declaration: &Declaration,
        call: &FnCallExpr,
        start: Position,
        found: &mut Vec<Diagnostic>,
    ) {
        let path = declaration.path;
        let fields: Vec<_> = declaration.positional().collect();
        let has_options = declaration.options().next().is_some();
        let required = fields.iter().filter(|field| field.required).count();
        let most = fields.len() + usize::from(has_options);
        if call.args.len() < required || call.args.len() > most {
            let message =
                format!("`{path}` takes {}, this is {}", arguments(required..=most), call.args.len());
            found.push(
                Diagnostic::error(self.place(start), message).hint(format!("it is `{}`", usage(declaration))),
            );
            return;
        }
        let with_options = match call.args.last() {
            Some(Expr::Map(..)) => options_at(declaration, call.args.len()),
            Some(_) => call.args.len() > fields.len(),
            None => false,
        };
        let places = call.args.len() - usize::from(with_options);
        let before = found.len();
        let schema = declaration.arguments_schema().to_value();
        let field_schema = |name: &str| schema.get("properties").and_then(|fields| fields.get(name));
        for (field, argument) in fields.iter().zip(&call.args[..places]) {
            if let Some(schema) = field_schema(field.name) {
                schema::check(schema, argument, &format!("argument `{}`", field.name), self.file, found);
            }
        }
        match call.args.last().filter(|_| with_options) {
            Some(Expr::Map(map, _)) => {
                for (key, value) in &map.0 {
                    if !declaration.fields.iter().any(|field| field.name == key.name) {
                        let names: Vec<_> = declaration.options().map(|field| field.name).collect();
                        let unknown = Diagnostic::error(
                            self.place(key.pos),
                            format!("`{path}` has no option `{}`", key.name),
                        );
                        found.push(match suggestion(&key.name, &names, "its options are") {
                            Some(hint) => unknown.hint(hint),
                            None => unknown,
                        });
                    } else if let Some(schema) = field_schema(&key.name) {
                        schema::check(schema, value, &format!("option `{}`", key.name), self.file, found);
                    }
                }
            }
            Some(other) if literal(other).is_some() || is_text(other) || closure(other).is_some() => {
                found.push(
                    Diagnostic::error(
                        self.place(other.start_position()),
                        format!("the options of `{path}` are a map `#{{ … }}`"),
                    )
                    .hint(format!("it is `{}`", usage(declaration))),
                );
            }
            _ => {}
        }
        if found.len() == before {
            self.decoded(declaration, call, places, start, found);
        }
    }

    /// Where all arguments are literals, the primitive's own decoding has the last word.
    fn decoded(
        &self,
        declaration: &Declaration,
        call: &FnCallExpr,
        places: usize,
        start: Position,
        found: &mut Vec<Diagnostic>,
    ) {
        let mut named = serde_json::Map::new();
        for (field, argument) in declaration.positional().zip(&call.args[..places]) {
            let Some(value) = literal(argument) else { return };
            named.insert(field.name.to_owned(), value);
        }
        if let Some(options) = call.args.get(places) {
            let Some(Value::Object(options)) = literal(options) else { return };
            named.extend(options);
        }
        if let Err(error) = declaration.check(Value::Object(named)) {
            let mut wrong = Diagnostic::error(self.place(start), error.message());
            wrong.hint = error.hint_text().map(str::to_owned);
            found.push(wrong);
        }
    }

    fn plain(&self, call: &FnCallExpr, at: Position, method: bool, found: &mut Vec<Diagnostic>) {
        let name = call.name.as_str();
        if name.contains('$') || SYNTAX.contains(&name) {
            return;
        }
        let count = call.args.len() + usize::from(method);
        let own = self.known.scripts.get(self.file).and_then(|functions| functions.get(name));
        if let Some(overloads) = own {
            let counts: Vec<_> = overloads.iter().map(|(count, _)| *count).collect();
            // A method's object is `this`, or the first parameter of a function.
            if counts.contains(&call.args.len()) || (method && counts.contains(&count)) {
                return;
            }
            if !self.known.builtin.contains_key(name) {
                return self.count(call, counts, at, found);
            }
        }
        let Some(overloads) = self.known.builtin.get(name) else {
            if !(method && self.known.keys.contains(name)) {
                found.push(self.unknown(name, at));
            }
            return;
        };
        if name == "sleep"
            && !method
            && call.args.iter().any(|argument| matches!(literal(argument), Some(Value::Number(_))))
        {
            let unit = Diagnostic::error(self.place(at), "`sleep` needs a number with a unit");
            found.push(unit.hint("write `sleep(5.s)`"));
            return;
        }
        if name == "secret"
            && !method
            && let [argument] = &call.args[..]
            && let Some(Value::String(reference)) = literal(argument)
            && let Err(error) = opsrun_runtime::check_reference(self.known.registry, &reference)
        {
            let mut wrong = Diagnostic::error(self.place(argument.start_position()), error.message());
            wrong.hint = error.hint_text().map(str::to_owned);
            found.push(wrong);
            return;
        }
        let fitting: Vec<_> = overloads.iter().filter(|types| types.len() == count).collect();
        let described = library::functions().find(|function| function.name == name);
        let hint = |wrong: Diagnostic| match described {
            Some(function) => wrong.hint(format!("it is `{}`", function.usage)),
            None => wrong,
        };
        if fitting.is_empty() {
            let counts: BTreeSet<_> = overloads
                .iter()
                .map(|types| types.len() - usize::from(method && !types.is_empty()))
                .collect();
            let counts: Vec<_> = counts.iter().map(usize::to_string).collect();
            let message =
                format!("`{name}` takes {} arguments, this is {}", counts.join(" or "), call.args.len());
            found.push(hint(Diagnostic::error(self.place(at), message)));
            return;
        }
        let given: Vec<_> =
            std::iter::repeat_n(None, usize::from(method)).chain(call.args.iter().map(type_of)).collect();
        let fits = |types: &&&Vec<TypeId>| {
            given.iter().zip(types.iter()).all(|(given, wanted)| takes(*wanted, *given))
        };
        if !fitting.iter().any(|types| fits(&types)) {
            let given: Vec<_> =
                call.args.iter().map(|argument| type_of(argument).map_or("…", |(_, name)| name)).collect();
            let message = format!("`{name}` does not take ({})", given.join(", "));
            found.push(hint(Diagnostic::error(self.place(at), message)));
            return;
        }
        if let Some(function) = described.filter(|function| !function.options.is_empty() && !method) {
            self.library_options(function, call, found);
        }
    }

    fn library_options(&self, function: &library::Function, call: &FnCallExpr, found: &mut Vec<Diagnostic>) {
        let words = function.usage.split(['(', ')']).nth(1).unwrap_or_default();
        let parameters: Vec<_> = words.split(", ").collect();
        let options = parameters.iter().position(|word| *word == "[options]");
        let Some(Expr::Map(map, _)) =
            options.filter(|_| call.args.len() == parameters.len()).and_then(|index| call.args.get(index))
        else {
            return;
        };
        let names: Vec<_> = function.options.iter().map(|(name, _)| *name).collect();
        for (key, _) in map.0.iter().filter(|(key, _)| !names.contains(&key.name.as_str())) {
            let unknown = Diagnostic::error(
                self.place(key.pos),
                format!("`{}` has no option `{}`", function.name, key.name),
            );
            found.push(match suggestion(&key.name, &names, "its options are") {
                Some(hint) => unknown.hint(hint),
                None => unknown,
            });
        }
    }

    fn unknown(&self, name: &str, at: Position) -> Diagnostic {
        let unknown = Diagnostic::error(self.place(at), format!("there is no function `{name}`"));
        if self.known.names.get(self.file).is_some_and(|names| names.iter().any(|known| known == name)) {
            return unknown.hint(format!("if `{name}` is a closure, write `{name}.call(…)`"));
        }
        let primitive = self.known.registry.primitives().find(|declaration| declaration.name() == name);
        if let Some(primitive) = primitive {
            return unknown.hint(format!("did you mean `{}`?", primitive.path));
        }
        let own = self.known.scripts.get(self.file).into_iter().flatten().map(|(name, _)| name.as_str());
        let proper =
            |name: &&str| !name.contains('$') && name.starts_with(|first: char| first.is_alphabetic());
        match nearest(name, own.chain(self.known.builtin.keys().map(String::as_str)).filter(proper)) {
            Some(nearest) => unknown.hint(format!("did you mean `{nearest}`?")),
            None => unknown,
        }
    }

    fn count(&self, call: &FnCallExpr, takes: Vec<usize>, at: Position, found: &mut Vec<Diagnostic>) {
        if takes.contains(&call.args.len()) {
            return;
        }
        let message = format!("`{}` takes {}, this is {}", call.name, arguments(takes), call.args.len());
        found.push(Diagnostic::error(self.place(at), message));
    }

    /// `5.minutes`: a number has no other properties than units.
    fn unit(&self, number: &Expr, property: &Expr, found: &mut Vec<Diagnostic>) {
        let (Expr::IntegerConstant(..), Expr::Property(property, at)) = (number, property) else { return };
        let units: Vec<_> = library::units().map(|(name, _)| name).collect();
        let name = property.2.as_str();
        // `5.tag` is Rhai's own.
        if units.contains(&name) || self.known.builtin.contains_key(&format!("get${name}")) {
            return;
        }
        let words = library::units()
            .find(|(_, words)| words.starts_with(name) || name.starts_with(words))
            .map(|(unit, _)| unit);
        let hint = match words {
            Some(unit) => format!("did you mean `{unit}`?"),
            None => format!("the units are {}", crate::words::quoted(units)),
        };
        found.push(Diagnostic::error(self.place(*at), format!("there is no unit `{name}`")).hint(hint));
    }
}

/// Whether the last node is what an index is made of: the `0.line` of `at[0].line` is no number with a unit.
fn is_index(path: &[ASTNode]) -> bool {
    match path {
        [.., ASTNode::Expr(Expr::Index(part, ..)), ASTNode::Expr(last)] => std::ptr::eq(&part.rhs, *last),
        _ => false,
    }
}

/// The type that an expression has for certain, and its name.
fn type_of(expression: &Expr) -> Option<(TypeId, &'static str)> {
    Some(match expression {
        _ if closure(expression).is_some() => (TypeId::of::<FnPtr>(), "closure"),
        Expr::StringConstant(..) | Expr::InterpolatedString(..) => {
            (TypeId::of::<ImmutableString>(), "string")
        }
        Expr::IntegerConstant(..) => (TypeId::of::<i64>(), "integer"),
        Expr::FloatConstant(..) => (TypeId::of::<f64>(), "float"),
        Expr::BoolConstant(..) => (TypeId::of::<bool>(), "bool"),
        Expr::CharConstant(..) => (TypeId::of::<char>(), "char"),
        Expr::Array(..) => (TypeId::of::<Array>(), "array"),
        Expr::Map(..) => (TypeId::of::<Map>(), "map"),
        _ => return None,
    })
}

fn takes(wanted: TypeId, given: Option<(TypeId, &'static str)>) -> bool {
    let Some((given, _)) = given else { return true };
    let text = [TypeId::of::<ImmutableString>(), TypeId::of::<String>(), TypeId::of::<&str>()];
    wanted == TypeId::of::<Dynamic>() || wanted == given || (text.contains(&wanted) && text.contains(&given))
}
