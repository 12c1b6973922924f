//! Puts words to what the interpreter reports in its own terms.

use opsrun_core::{Error, ErrorKind};
use rhai::EvalAltResult;

use crate::host::Host;
use crate::library;
use crate::words::{nearest, suggestion};

/// The error for a person; `None` where the interpreter's words will do.
pub(crate) fn explain(error: &EvalAltResult, host: &Host) -> Option<Error> {
    let stopped = |message: String| Error::new(ErrorKind::Script, message);
    Some(match error {
        EvalAltResult::ErrorFunctionNotFound(signature, _) => not_found(signature, host),
        EvalAltResult::ErrorStackOverflow(_) => host.meter.too_deep(),
        EvalAltResult::ErrorDataTooLarge(..) => host.meter.limits().too_large(),
        EvalAltResult::ErrorPropertyNotFound(key, _) => Error::failed(format!("the map has no key `{key}`"))
            .hint(format!("where it may be missing, write `.get(\"{key}\") ?? other`")),
        EvalAltResult::ErrorIndexNotFound(key, _) => Error::failed(format!("there is no item `{key}`")),
        EvalAltResult::ErrorArrayBounds(length, index, _) => {
            Error::failed(format!("there is no item {index}: the array has {length} items"))
        }
        EvalAltResult::ErrorDotExpr(text, _) => property(text)?,
        EvalAltResult::ErrorDataRace(name, _) => {
            stopped(format!("`{name}` is changed while it is being read"))
                .hint("give each branch a value of its own")
        }
        EvalAltResult::ErrorMismatchDataType(wanted, found, _)
        | EvalAltResult::ErrorMismatchOutputType(wanted, found, _) => {
            Error::failed(format!("{} is expected, this is {}", type_word(wanted), type_word(found)))
        }
        EvalAltResult::ErrorArithmetic(text, _) => Error::failed(crate::failure::lower(text)),
        EvalAltResult::ErrorFor(_) => Error::failed("`for` goes through arrays, texts and ranges only")
            .hint("for a map, write `for key in map.keys()` or `for entry in entries(map)`"),
        _ => return None,
    })
}

/// `k8s::scael (i64, map)`: a name that does not exist, or arguments that it does not take.
fn not_found(signature: &str, host: &Host) -> Error {
    let (name, arguments) = match signature.split_once(" (") {
        Some((name, arguments)) => (name, arguments.trim_end_matches(')')),
        None => (signature, ""),
    };
    let arguments: Vec<&str> = arguments.split(", ").filter(|word| !word.is_empty()).collect();
    let given = match arguments.as_slice() {
        [] => "no arguments".to_owned(),
        some => some.iter().map(|name| type_word(name)).collect::<Vec<_>>().join(", "),
    };
    let script = |message: String| Error::new(ErrorKind::Script, message);
    if name.starts_with("anon$") {
        return script(format!("the closure does not take what it is called with: {given}"));
    }
    if !name.starts_with(|first: char| first.is_alphabetic() || first == '_') {
        return Error::failed(format!("`{name}` is not defined for {given}"));
    }
    if let Some(declaration) = host.functions.registry.primitive(name) {
        return script(format!("`{name}` cannot be called with {} arguments", arguments.len()))
            .hint(format!("it is `{}`", crate::document::usage(declaration)));
    }
    if let Some((module, function)) = name.rsplit_once("::") {
        let names: Vec<_> = host
            .functions
            .registry
            .primitives()
            .filter(|declaration| declaration.module() == module)
            .map(opsrun_core::Declaration::name)
            .collect();
        let error = script(format!("`{module}` has no function `{function}` that takes {given}"));
        return match suggestion(function, &names, &format!("`{module}` has")) {
            Some(hint) => error.hint(hint),
            None => error,
        };
    }
    if let Some(function) = library::functions().find(|function| function.name == name) {
        return script(format!("`{name}` does not take {given}")).hint(format!("it is `{}`", function.usage));
    }
    let known = crate::check::builtin_names(&host.engine);
    if known.contains(name) {
        return script(format!("`{name}` does not take {given}"));
    }
    let error = script(format!("there is no function `{name}`"));
    match nearest(name, known.iter().map(String::as_str)) {
        Some(nearest) => error.hint(format!("did you mean `{nearest}`?")),
        None => error,
    }
}

/// `Unknown property 'm' - a getter is not registered for type 'map'`
fn property(text: &str) -> Option<Error> {
    let mut quoted = text.split('\'').skip(1).step_by(2);
    let (name, kind) = (quoted.next()?, quoted.next()?);
    let error = Error::failed(format!("{} has no property `{name}`", type_word(kind)));
    let units: Vec<_> = library::units().map(|(unit, _)| unit).collect();
    Some(match kind {
        "i64" => error.hint(format!("a number's units are {}", crate::words::quoted(units))),
        "()" => error.hint("nothing was returned here: check what comes before the dot"),
        _ => error,
    })
}

/// A type of the interpreter's, in the words of a playbook's author.
pub(crate) fn type_word(name: &str) -> String {
    match name.trim() {
        name if name.contains("String") || name == "&str" || name == "string" || name == "char" => {
            "a string".into()
        }
        "i64" => "an integer".into(),
        "f64" => "a float".into(),
        "bool" => "a bool".into(),
        "array" => "an array".into(),
        "map" => "a map".into(),
        "Fn" => "a closure".into(),
        "()" => "nothing".into(),
        "span" => "a length of time".into(),
        "bytes" => "an amount of bytes".into(),
        "moment" => "a moment".into(),
        "range" | "range=" => "a range".into(),
        other => format!("a value of type `{other}`"),
    }
}
