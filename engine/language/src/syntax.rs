//! What the parser could not read, in words, with what was probably meant: people write the language that they know best.

use opsrun_runtime::Registry;
use rhai::{LexError, ParseErrorType};

use crate::diagnostic::{Diagnostic, Place};
use crate::library;
use crate::words::{nearest, suggestion};

/// What an error of the parser says about `source`; `names` are those of variables that may have been meant.
pub(crate) fn explain(
    at: Place,
    error: &ParseErrorType,
    source: &str,
    names: &[String],
    registry: Registry,
) -> Diagnostic {
    let line = at.line.checked_sub(1).and_then(|line| source.lines().nth(line)).unwrap_or_default();
    let around = Around::of(line, at.column);
    match error {
        ParseErrorType::VariableUndefined(name) => unknown_variable(&at, name, &around, names, registry),
        ParseErrorType::ModuleUndefined(name) => {
            let modules: Vec<_> = registry.modules().map(|module| module.path.to_owned()).collect();
            unknown_module(at, name, &modules)
        }
        other => {
            let found = Diagnostic::error(at, message(other));
            match hint(other, &around) {
                Some(hint) => found.hint(hint),
                None => found,
            }
        }
    }
}

pub(crate) fn unknown_module(at: Place, name: &str, modules: &[String]) -> Diagnostic {
    let found = Diagnostic::error(at, format!("there is no module `{name}`"));
    let names: Vec<_> = modules.iter().map(String::as_str).collect();
    match suggestion(name, &names, "the modules are") {
        Some(hint) => found.hint(hint),
        None => found,
    }
}

/// The line of an error, on both sides of its place.
struct Around<'l> {
    before: &'l str,
    after: &'l str,
}

impl<'l> Around<'l> {
    fn of(line: &'l str, column: usize) -> Self {
        let at = line.char_indices().nth(column.saturating_sub(1)).map_or(line.len(), |(at, _)| at);
        let (before, after) = line.split_at(at);
        Around { before: before.trim(), after: after.trim() }
    }

    fn word_before(&self) -> &'l str {
        let start = self.before.rfind(|last: char| !last.is_alphanumeric() && last != '_');
        &self.before[start.map_or(0, |at| at + self.before[at..].chars().next().map_or(1, char::len_utf8))..]
    }

    fn word_after(&self) -> &'l str {
        let end = self.after.find(|next: char| !next.is_alphanumeric() && next != '_');
        &self.after[..end.unwrap_or(self.after.len())]
    }

    fn first_word(&self) -> &'l str {
        let text = if self.before.is_empty() { self.after } else { self.before };
        text.split(|next: char| !next.is_alphanumeric() && next != '_').next().unwrap_or_default()
    }
}

fn message(error: &ParseErrorType) -> String {
    match error {
        ParseErrorType::UnexpectedEOF => {
            "the text ends too early: a bracket or a quote is not closed".to_owned()
        }
        ParseErrorType::BadInput(LexError::UnterminatedString) => {
            "the text that begins here has no closing quote".to_owned()
        }
        ParseErrorType::BadInput(LexError::MalformedChar(text)) if text.chars().count() > 1 => {
            "between single quotes stands one character".to_owned()
        }
        ParseErrorType::MissingToken(..) | ParseErrorType::MissingSymbol(_)
            if error.to_string().to_lowercase().contains("typo of") =>
        {
            "this assigns, where a value is expected".to_owned()
        }
        ParseErrorType::ExprTooDeep => "this is nested too deep".to_owned(),
        ParseErrorType::LoopBreak => "`break` and `continue` stand in a loop only".to_owned(),
        ParseErrorType::WrongFnDefinition => {
            "a function is defined at the top level of a file, not in a block or in another function"
                .to_owned()
        }
        ParseErrorType::AssignmentToConstant(name) if !name.is_empty() => {
            format!("`{name}` is a constant: it cannot be changed")
        }
        ParseErrorType::DuplicatedProperty(name) => format!("the key `{name}` is in the map twice"),
        ParseErrorType::FnDuplicatedDefinition(name, _) => {
            format!("the function `{}` is defined twice", name.split('(').next().unwrap_or(name))
        }
        other => crate::failure::lower(&other.to_string()).replace('\'', "`"),
    }
}

fn hint(error: &ParseErrorType, around: &Around) -> Option<String> {
    match error {
        ParseErrorType::Reserved(word) | ParseErrorType::UnknownOperator(word) => {
            return Some(reserved(word));
        }
        ParseErrorType::BadInput(LexError::UnterminatedString) => {
            return Some("a text of several lines stands between backticks".to_owned());
        }
        ParseErrorType::BadInput(LexError::MalformedChar(_)) => {
            return Some("texts stand between double quotes, or between backticks".to_owned());
        }
        ParseErrorType::BadInput(LexError::UnexpectedInput(text)) if text == "#" => {
            return Some("comments begin with `//`, and maps with `#{`".to_owned());
        }
        ParseErrorType::LoopBreak => {
            return Some("a closure is left with `return`".to_owned());
        }
        ParseErrorType::WrongFnDefinition => {
            return Some("here, write a closure: `let name = |…| { … };`".to_owned());
        }
        ParseErrorType::ExprTooDeep => {
            return Some("give parts of it names of their own, with `let` or `fn`".to_owned());
        }
        _ => {}
    }
    foreign(around)
}

fn reserved(word: &str) -> String {
    match word {
        "null" | "nil" => "nothing is written `()`".to_owned(),
        "var" => "a variable is defined with `let`".to_owned(),
        "++" | "--" => format!("write `{}= 1`", &word[..1]),
        "===" => "write `==`".to_owned(),
        "!==" => "write `!=`".to_owned(),
        ":=" => "write `let name = …`, or `=` for a variable that there is".to_owned(),
        "->" | "<-" | "=>" => "a closure is written `|x| …`".to_owned(),
        "?" => "there is no `a ? b : c`: write `if a { b } else { c }`".to_owned(),
        "#" => "comments begin with `//`, and maps with `#{`".to_owned(),
        symbol if !symbol.starts_with(|first: char| first.is_alphabetic() || first == '_') => {
            "it means nothing in a playbook".to_owned()
        }
        word => format!("as a key, write it in quotes: `\"{word}\"`, and read it with `[\"{word}\"]`"),
    }
}

/// What other languages would write here.
fn foreign(around: &Around) -> Option<String> {
    let (before, after) = (around.before, around.after);
    let text = match (around.word_before(), around.word_after()) {
        ("elif" | "elsif" | "elseif", _) | (_, "elif" | "elsif" | "elseif") => "write `else if`",
        ("and", _) | (_, "and") => "write `&&`",
        ("or", _) | (_, "or") => "write `||`",
        ("not", _) => "write `!`",
        ("mut", _) | (_, "mut") => "every variable can be changed: leave out `mut`",
        ("function" | "def" | "func", _) => "a function is written `fn name(…) { … }`",
        (_, "of") => "write `for item in items { … }`",
        (number, unit) if number.parse::<u64>().is_ok() && library::units().any(|(name, _)| name == unit) => {
            return Some(format!("a quantity is written `{number}.{unit}`"));
        }
        _ if after.starts_with(':') && !after.starts_with("::") => match before.rfind(['(', '{']) {
            Some(open) if before[open..].starts_with('(') => "options stand in a map: `#{ name: value }`",
            _ => "a map is written `#{ key: value }`",
        },
        _ if after.starts_with('?') => "there is no `a ? b : c`: write `if a { b } else { c }`",
        _ if after.starts_with("=>") => "a closure is written `|x| …`",
        _ if after.starts_with('=') && matches!(around.first_word(), "if" | "while") => {
            "`==` compares, `=` assigns"
        }
        _ if after.starts_with('{') && before.ends_with(')') && before.contains('(') => {
            "a body is a closure between the brackets: `step(\"name\", || { … })`"
        }
        _ if before.contains("===") || after.contains("===") => "write `==`",
        _ if around.first_word() == "for" && (before.contains('=') || after.starts_with('=')) => {
            "write `for i in 0..10 { … }`"
        }
        _ if after.starts_with('#') => "comments begin with `//`, and maps with `#{`",
        _ => return None,
    };
    Some(text.to_owned())
}

fn unknown_variable(
    at: &Place,
    name: &str,
    around: &Around,
    names: &[String],
    registry: Registry,
) -> Diagnostic {
    let found = Diagnostic::error(at.clone(), format!("there is no variable `{name}`"));
    let rest = around.after.strip_prefix(name).unwrap_or_default().trim_start();
    let is_module = registry.modules().any(|module| module.path == name);
    if let Some(member) = rest.strip_prefix('.').filter(|_| is_module) {
        let member = member.split(|next: char| !next.is_alphanumeric() && next != '_').next();
        return found.hint(format!("`{name}` is a module: write `{name}::{}`", member.unwrap_or_default()));
    }
    match name {
        "None" | "nil" | "undefined" | "Null" | "NULL" => return found.hint("nothing is written `()`"),
        "True" | "TRUE" => return found.hint("write `true`"),
        "False" | "FALSE" => return found.hint("write `false`"),
        "self" => return found.hint("write `this`"),
        "not" => return found.hint("write `!`"),
        "elif" | "elsif" | "elseif" => return found.hint("write `else if`"),
        "function" | "def" | "func" => return found.hint("a function is written `fn name(…) { … }`"),
        _ => {}
    }
    if names.iter().any(|known| known == name) {
        return found.hint(format!(
            "a function sees only its parameters: hand `{name}` over, or use a closure `|| …`, which sees what is around it"
        ));
    }
    let assigned = around.before.is_empty() && rest.starts_with('=') && !rest.starts_with("==");
    match nearest(name, names.iter().map(String::as_str)) {
        Some(nearest) => found.hint(format!("did you mean `{nearest}`?")),
        None if assigned => found.hint(format!("define it: `let {name} = …`")),
        None => found,
    }
}
