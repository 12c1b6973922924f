//! Completion at a place of an unfinished text: modules, primitives, option names, units, and the names that are around.

use opsrun_core::Declaration;
use opsrun_runtime::Registry;

use crate::lexer::{Kind, Token, defined_names, tokens};
use crate::library;

/// One way to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// What stands there afterwards.
    pub text: String,
    /// One line about it; empty if there is nothing to say.
    pub summary: String,
}

const KEYWORDS: &[&str] = &[
    "let", "const", "if", "else", "for", "in", "while", "loop", "break", "continue", "return", "throw",
    "try", "catch", "fn", "import", "switch", "true", "false",
];

/// How the text before byte `at` may go on: the byte from which on it is replaced, and by what.
/// `around` are names from outside of the text; one that ends in `::` is a module's, and `module::name` is in it.
pub fn complete(text: &str, at: usize, registry: Registry, around: &[String]) -> (usize, Vec<Completion>) {
    let before = text.get(..at).unwrap_or(text);
    let tokens = tokens(before);
    let (word, tokens) = match tokens.split_last() {
        Some((last, _)) if is_open(last, before) => return (before.len(), Vec::new()),
        Some((last, rest)) if last.kind == Kind::Word && last.start + last.text.len() == before.len() => {
            (last.text, rest)
        }
        _ => ("", tokens.as_slice()),
    };
    let start = before.len() - word.len();
    let mut found = match tokens {
        [.., number, dot] if dot.text == "." && number.kind == Kind::Number => units(),
        [.., number] if number.kind == Kind::Number && number.text.ends_with('.') => units(),
        [.., dot] if dot.text == "." || dot.text == "?." => methods(),
        [.., colons] if colons.text == "::" => {
            members(registry, &path_before(&tokens[..tokens.len() - 1]), around)
        }
        _ => match options(registry, tokens) {
            Some(options) => options,
            None => names(text, registry, around),
        },
    };
    found.retain(|completion| completion.text.starts_with(word) && completion.text != word);
    found.sort_by(|a, b| a.text.cmp(&b.text));
    found.dedup_by(|a, b| a.text == b.text);
    (start, found)
}

fn completion(text: impl Into<String>, summary: impl Into<String>) -> Completion {
    Completion { text: text.into(), summary: summary.into() }
}

/// A text or a comment that the end of the input cuts off.
fn is_open(last: &Token, text: &str) -> bool {
    let ends = last.start + last.text.len() == text.len();
    match last.kind {
        Kind::Comment => ends,
        Kind::Text => ends && (last.text.len() == 1 || !last.text.ends_with(&last.text[..1])),
        _ => false,
    }
}

fn units() -> Vec<Completion> {
    library::units().map(|(unit, words)| completion(unit, words)).collect()
}

fn methods() -> Vec<Completion> {
    const ON_NOTHING: &[&str] = &[
        "now", "step", "parallel", "retry", "defer", "on", "lease", "approve", "param", "print", "assert",
        "fail",
    ];
    library::functions()
        .filter(|function| !ON_NOTHING.contains(&function.name))
        .map(|function| completion(function.name, function.summary()))
        .collect()
}

/// `a::b` of the tokens that end in it.
fn path_before(tokens: &[Token]) -> String {
    let mut parts = Vec::new();
    let mut rest = tokens;
    while let [before @ .., word] = rest {
        if word.kind != Kind::Word {
            break;
        }
        parts.push(word.text);
        match before {
            [before @ .., colons] if colons.text == "::" => rest = before,
            _ => break,
        }
    }
    parts.reverse();
    parts.join("::")
}

fn members(registry: Registry, module: &str, around: &[String]) -> Vec<Completion> {
    let imported = around.iter().filter_map(|name| {
        let member = name.strip_prefix(module)?.strip_prefix("::").filter(|member| !member.is_empty())?;
        Some(completion(member, ""))
    });
    let inner = registry.modules().filter_map(|found| {
        let rest = found.path.strip_prefix(module)?.strip_prefix("::")?;
        Some(completion(rest.split("::").next()?, found.doc))
    });
    let primitives = registry.primitives().filter(|declaration| declaration.module() == module);
    primitives.map(|found| completion(found.name(), found.summary())).chain(inner).chain(imported).collect()
}

fn names(text: &str, registry: Registry, around: &[String]) -> Vec<Completion> {
    let modules = registry.modules().filter_map(|module| {
        let first = module.path.split("::").next()?;
        Some(completion(format!("{first}::"), module.doc))
    });
    let functions = library::functions().map(|function| completion(function.name, function.summary()));
    let around = around.iter().filter(|name| !name.contains("::") || name.ends_with("::"));
    let own = defined_names(text).into_iter().chain(around.cloned()).map(|name| completion(name, ""));
    modules.chain(functions).chain(own).chain(KEYWORDS.iter().map(|word| completion(*word, ""))).collect()
}

/// The options of the call in whose options map the tokens end, at a place for a key.
fn options(registry: Registry, tokens: &[Token]) -> Option<Vec<Completion>> {
    let last = tokens.last()?;
    if last.text != "#{" && last.text != "," {
        return None;
    }
    let map = innermost(tokens)?;
    if tokens.get(map)?.text != "#{" {
        return None;
    }
    let call = innermost(&tokens[..map])?;
    if tokens.get(call)?.text != "(" {
        return None;
    }
    let path = path_before(&tokens[..call]);
    let given: Vec<_> =
        tokens[map..].windows(2).filter(|pair| pair[1].text == ":").map(|pair| pair[0].text).collect();
    let of_primitive = |declaration: &'static Declaration| -> Vec<Completion> {
        declaration.options().map(|field| completion(field.name, first_line(field.doc))).collect()
    };
    let all = match registry.primitive(&path) {
        Some(declaration) => of_primitive(declaration),
        None => {
            let function = library::functions().find(|function| function.name == path)?;
            function.options.iter().map(|(name, doc)| completion(*name, *doc)).collect()
        }
    };
    Some(all.into_iter().filter(|option| !given.contains(&option.text.as_str())).collect())
}

/// The index of the bracket that is still open at the end.
fn innermost(tokens: &[Token]) -> Option<usize> {
    let mut closed = 0usize;
    for (index, token) in tokens.iter().enumerate().rev() {
        match token.text {
            ")" | "]" | "}" => closed += 1,
            "(" | "[" | "{" | "#{" if closed == 0 => return Some(index),
            "(" | "[" | "{" | "#{" => closed -= 1,
            _ => {}
        }
    }
    None
}

fn first_line(doc: &str) -> &str {
    doc.lines().next().unwrap_or_default()
}
