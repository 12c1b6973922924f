//! What the declarations say, for people and for editors: help pages, the reference in Markdown, `.d.rhai`, JSON schemas.

use opsrun_core::{Declaration, Effect, Field, Module, TakesSecrets, Undo, Value};
use opsrun_runtime::Registry;
use serde_json::json;

use crate::check::schema_words;
use crate::library::{self, Function};
use crate::parameter::plain;
use crate::playbook::Playbook;
use crate::words::nearest;

/// `k8s::scale(workload, replicas, [options])`
pub fn usage(declaration: &Declaration) -> String {
    let mut words: Vec<String> = declaration
        .positional()
        .map(|field| if field.required { field.name.to_owned() } else { format!("[{}]", field.name) })
        .collect();
    if declaration.options().next().is_some() {
        words.push("[options]".to_owned());
    }
    format!("{}({})", declaration.path, words.join(", "))
}

/// The page for a primitive, a module, a function of the library, or a unit.
///
/// # Errors
/// What is nearest to it, if there is nothing of that name.
pub fn help(registry: Registry, name: &str) -> Result<String, String> {
    let name = name.trim();
    if let Some(declaration) = registry.primitive(name) {
        return Ok(primitive_page(declaration));
    }
    if let Some(module) = registry.modules().find(|module| module.path == name) {
        return Ok(module_page(module));
    }
    if let Some(function) = library::functions().find(|function| function.name == name) {
        return Ok(function_page(function));
    }
    if let Some((unit, words)) = library::units().find(|(unit, _)| *unit == name.trim_start_matches('.')) {
        return Ok(format!("5.{unit}\n\n  A number of {words}.\n"));
    }
    let known = registry
        .primitives()
        .map(|declaration| declaration.path)
        .chain(registry.modules().map(|module| module.path))
        .chain(library::functions().map(|function| function.name));
    let known: Vec<_> = known.collect();
    let last = name.rsplit("::").next().unwrap_or(name);
    let same_name =
        registry.primitives().find(|declaration| declaration.name() == last).map(|found| found.path);
    Err(match same_name.or_else(|| nearest(name, known.iter().copied())) {
        Some(near) => format!("there is nothing named `{name}`; did you mean `{near}`?"),
        None => format!("there is nothing named `{name}`"),
    })
}

/// The page of a playbook: the comment that it begins with, and its parameters as options of the command line.
pub fn playbook_page(playbook: &Playbook) -> String {
    let mut text = format!("{}\n", playbook.path());
    let description = playbook.description();
    if !description.is_empty() {
        text.push_str(&format!("\n{}", indented(&description)));
    }
    if !playbook.parameters().is_empty() {
        text.push_str("\nParameters\n");
    }
    let rows: Vec<(String, String)> = playbook
        .parameters()
        .iter()
        .map(|parameter| {
            let mut words = Vec::new();
            if !parameter.help.is_empty() {
                words.push(parameter.help.clone());
            }
            if !parameter.choices.is_empty() {
                words.push(format!(
                    "one of {}",
                    parameter.choices.iter().map(plain).collect::<Vec<_>>().join(", ")
                ));
            }
            if parameter.secret {
                words.push("a secret, as a reference such as env:NAME".to_owned());
            }
            words.push(match (&parameter.default, parameter.required) {
                (_, true) => "required".to_owned(),
                (Some(default), _) if plain(default).is_empty() => "empty by default".to_owned(),
                (Some(default), _) => format!("default: {}", plain(default)),
                (None, _) => "default: computed".to_owned(),
            });
            (format!("--{} <{}>", parameter.name, parameter.kind.name()), words.join("; "))
        })
        .collect();
    text.push_str(&table(rows.iter().map(|(name, words)| (name.as_str(), words.as_str()))));
    text
}

/// Everything there is, one line each.
pub fn overview(registry: Registry) -> String {
    let mut text = String::new();
    for module in registry.modules() {
        text.push_str(&format!("{}\n  {}\n", module.path, module.doc));
        text.push_str(&table(module.primitives.iter().map(|found| (found.path, found.summary()))));
        text.push('\n');
    }
    text.push_str("functions\n  Control, time, texts, data.\n");
    text.push_str(&table(library::functions().map(|function| (function.name, function.summary()))));
    text
}

/// The reference in Markdown: a page for each module, and one for the library; file names and texts.
pub fn markdown(registry: Registry) -> Vec<(String, String)> {
    let mut pages: Vec<_> = registry
        .modules()
        .map(|module| {
            let mut text = format!("# {}\n\n{}\n", module.path, module.doc);
            for declaration in module.primitives {
                text.push_str(&primitive_markdown(declaration));
            }
            (format!("{}.md", module.path.replace("::", "-")), text)
        })
        .collect();
    let mut text =
        "# Functions\n\nWhat every playbook has besides primitives and the functions of Rhai itself.\n"
            .to_owned();
    for function in library::functions() {
        text.push_str(&format!("\n## {}\n\n`{}`\n\n{}\n", function.name, function.usage, function.doc));
        if !function.options.is_empty() {
            text.push_str("\n| option | |\n|---|---|\n");
            for (name, doc) in function.options {
                text.push_str(&format!("| `{name}` | {} |\n", cell(doc)));
            }
        }
    }
    text.push_str("\n## Units\n\n| unit | |\n|---|---|\n");
    for (unit, words) in library::units() {
        text.push_str(&format!("| `5.{unit}` | {words} |\n"));
    }
    pages.push(("functions.md".to_owned(), text));
    pages
}

/// Rhai's definition files, for editors: file names and texts. A function stands there once for each way to call it.
pub fn definitions(registry: Registry) -> Vec<(String, String)> {
    let mut files: Vec<_> = registry
        .modules()
        .map(|module| {
            let mut text = format!("module {};\n", module.path.replace("::", "_"));
            for declaration in module.primitives {
                let result = rhai_type(&declaration.result_schema().to_value());
                for parameters in typed(declaration) {
                    text.push_str(&definition(declaration.doc, declaration.name(), &parameters, result));
                }
            }
            (format!("{}.d.rhai", module.path.replace("::", "-")), text)
        })
        .collect();
    let mut text = "module static;\n".to_owned();
    for function in library::functions() {
        let (call, result) = function.usage.split_once(" -> ").unwrap_or((function.usage, "()"));
        let result = match result {
            "string" => "String",
            "bool" => "bool",
            "array" => "Array",
            "map" => "Map",
            "()" => "()",
            _ => "?",
        };
        let parameters: Vec<&str> =
            call.split(['(', ')']).nth(1).into_iter().flat_map(|all| all.split(", ")).collect();
        for optional in [false, true] {
            if optional && !call.contains('[') {
                continue;
            }
            let given =
                parameters.iter().filter(|name| !name.is_empty() && (optional || !name.starts_with('[')));
            let given: Vec<_> = given.map(|name| format!("{}: ?", name.trim_matches(['[', ']']))).collect();
            text.push_str(&definition(function.doc, function.name, &given.join(", "), result));
        }
    }
    files.push(("functions.d.rhai".to_owned(), text));
    files
}

fn definition(doc: &str, name: &str, parameters: &str, result: &str) -> String {
    format!("\n{}fn {name}({parameters}) -> {result};\n", comment(doc))
}

/// Arguments and result of a primitive as JSON schemas, with its effect and the way back.
pub fn schema(declaration: &Declaration) -> Value {
    json!({
        "path": declaration.path,
        "summary": declaration.summary(),
        "effect": declaration.effect,
        "undo": undo_words(declaration),
        "secrets": declaration.fields.iter().filter(|field| field.secrets != TakesSecrets::No).map(|field| field.name).collect::<Vec<_>>(),
        "arguments": declaration.arguments_schema().to_value(),
        "result": declaration.result_schema().to_value(),
    })
}

fn primitive_page(declaration: &Declaration) -> String {
    let mut text = format!("{}\n\n{}", usage(declaration), indented(&prose(declaration.doc)));
    let schema = declaration.arguments_schema().to_value();
    let mut section = |title: &str, fields: Vec<&'static Field>| {
        if fields.is_empty() {
            return;
        }
        let width = fields.iter().map(|field| field.name.len()).max().unwrap_or_default();
        text.push_str(&format!("\n{title}\n"));
        for field in fields {
            let must = if field.required { "" } else { ", may be left out" };
            let must = if field.required && !field.positional { ", required" } else { must };
            let must = if field.positional || field.required { must } else { "" };
            text.push_str(&format!("  {:width$}  {}{must}\n", field.name, field_words(&schema, field)));
            text.push_str(&format!(
                "  {:width$}  {}\n",
                "",
                field.doc.replace('\n', &format!("\n  {:width$}  ", ""))
            ));
        }
    };
    section("Arguments", declaration.positional().collect());
    section("Options", declaration.options().collect());
    text.push_str(&format!("\nEffect   {}\n", effect_words(declaration.effect)));
    text.push_str(&format!("Undo     {}\n", undo_words(declaration)));
    for example in declaration.examples() {
        text.push_str(&format!("\nExample\n{}", indented(&example)));
    }
    text
}

fn function_page(function: &Function) -> String {
    let mut text = format!("{}\n\n{}", function.usage, indented(&prose(function.doc)));
    if !function.options.is_empty() {
        text.push_str("\nOptions\n");
        text.push_str(&table(function.options.iter().copied()));
    }
    for example in examples(function.doc) {
        text.push_str(&format!("\nExample\n{}", indented(&example)));
    }
    text
}

fn module_page(module: &Module) -> String {
    let rows = module.primitives.iter().map(|declaration| (declaration.path, declaration.summary()));
    format!("{}\n\n  {}\n\n{}", module.path, module.doc, table(rows))
}

fn primitive_markdown(declaration: &Declaration) -> String {
    let schema = declaration.arguments_schema().to_value();
    let mut text = format!("\n## {}\n\n`{}`\n\n{}\n", declaration.path, usage(declaration), declaration.doc);
    if !declaration.fields.is_empty() {
        text.push_str("\n| argument or option | type | |\n|---|---|---|\n");
        for field in declaration.positional().chain(declaration.options()) {
            let kind = if field.required { "" } else { ", optional" };
            let words = field_words(&schema, field);
            text.push_str(&format!("| `{}` | {}{kind} | {} |\n", field.name, cell(&words), cell(field.doc)));
        }
    }
    text.push_str(&format!(
        "\nEffect: {}. Undo: {}.\n",
        effect_words(declaration.effect),
        undo_words(declaration)
    ));
    text
}

fn field_words(schema: &Value, field: &Field) -> String {
    let fields = schema.get("properties");
    let words =
        fields.and_then(|fields| fields.get(field.name)).map_or_else(|| "anything".to_owned(), schema_words);
    match field.secrets {
        TakesSecrets::No => words,
        TakesSecrets::Value | TakesSecrets::Marker => format!("{words}, takes secrets"),
    }
}

fn effect_words(effect: Effect) -> &'static str {
    match effect {
        Effect::None => "none: it computes only",
        Effect::Read => "reads",
        Effect::Write => "writes",
    }
}

fn undo_words(declaration: &Declaration) -> String {
    match declaration.undo {
        Undo::Nothing => "nothing to undo".to_owned(),
        Undo::By(path) => format!("by `{path}`"),
        Undo::Never(why) => format!("none: {why}"),
    }
}

/// `workload: String, replicas: int, options: Map`, for each number of arguments that it takes.
fn typed(declaration: &Declaration) -> Vec<String> {
    let schema = declaration.arguments_schema().to_value();
    let words: Vec<String> = declaration
        .positional()
        .map(|field| {
            let kind =
                schema.get("properties").and_then(|fields| fields.get(field.name)).map_or("?", rhai_type);
            format!("{}: {kind}", field.name)
        })
        .collect();
    let required = declaration.positional().filter(|field| field.required).count();
    let mut overloads = Vec::new();
    for count in required..=words.len() {
        overloads.push(words[..count].join(", "));
        if declaration.options().next().is_some() {
            let with = words[..count].iter().map(String::as_str).chain(["options: Map"]);
            overloads.push(with.collect::<Vec<_>>().join(", "));
        }
    }
    overloads
}

fn rhai_type(schema: &Value) -> &'static str {
    match schema.get("type").and_then(Value::as_str) {
        Some("string") => "String",
        Some("integer") => "int",
        Some("number") => "float",
        Some("boolean") => "bool",
        Some("array") => "Array",
        Some("object") => "Map",
        Some("null") => "()",
        _ => "?",
    }
}

/// The documentation without its examples.
fn prose(doc: &str) -> String {
    let mut code = false;
    let lines = doc.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        let shown = !code && !fence;
        code ^= fence;
        shown
    });
    lines.collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

/// The ```` ```rhai ```` fences of a documentation.
pub(crate) fn examples(doc: &str) -> Vec<String> {
    doc.split("```rhai\n").skip(1).filter_map(|rest| rest.split("\n```").next()).map(str::to_owned).collect()
}

fn table<'t>(rows: impl Iterator<Item = (&'t str, &'t str)>) -> String {
    let rows: Vec<_> = rows.collect();
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    rows.iter().map(|(name, words)| format!("  {name:width$}  {words}\n")).collect()
}

fn indented(text: &str) -> String {
    text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") }).collect()
}

fn comment(doc: &str) -> String {
    doc.lines().map(|line| format!("/// {line}").trim_end().to_owned() + "\n").collect()
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
