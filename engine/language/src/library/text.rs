//! Texts: what Rhai's own functions change in place comes here as a new value, and regular expressions.

use regex::{Captures, Regex, RegexBuilder};
use rhai::{Array, Dynamic, Map, NativeCallContext};

use super::{Function, Outcome, invalid};
use crate::value::printed;

pub(super) const FUNCTIONS: &[Function] = &[
    function!(
        "join",
        "join(items, separator) -> string",
        "Puts the items into one text.\n\n```rhai\nassert([\"a\", \"b\"].join(\", \") == \"a, b\", \"joined\");\n```",
        |items: Array, separator: &str| -> String {
            items.iter().map(printed).collect::<Vec<_>>().join(separator)
        }
    ),
    function!(
        "lines",
        "lines(text) -> array",
        "The lines of a text, without their line breaks.\n\n```rhai\nassert(lines(\"a\\nb\").len() == 2, \"two\");\n```",
        |text: &str| -> Array { strings(text.lines()) }
    ),
    function!(
        "words",
        "words(text) -> array",
        "What stands between blanks.\n\n```rhai\nassert(words(\" a  b \") == [\"a\", \"b\"], \"two words\");\n```",
        |text: &str| -> Array { strings(text.split_whitespace()) }
    ),
    function!(
        "trimmed",
        "trimmed(text) -> string",
        "The text without blanks around it; `trim()` changes a variable in place.\n\n\
         ```rhai\nassert(\" a \".trimmed() == \"a\", \"trimmed\");\n```",
        |text: &str| -> String { text.trim().to_owned() }
    ),
    function!(
        "replaced",
        "replaced(text, from, to) -> string",
        "The text with every `from` replaced; `replace()` changes a variable in place.\n\n\
         ```rhai\nassert(\"a-b\".replaced(\"-\", \"_\") == \"a_b\", \"replaced\");\n```",
        |text: &str, from: &str, to: &str| -> String { text.replace(from, to) }
    ),
    function!(
        "padded",
        "padded(value, width) -> string",
        "The value as text of at least `width` characters, filled up with blanks; on the left if `width` is negative.\n\n\
         ```rhai\nassert(\"a\".padded(3) == \"a  \" && 7.padded(-3) == \"  7\", \"padded\");\n```",
        |value: Dynamic, width: i64| -> String {
            let columns = usize::try_from(width.unsigned_abs()).unwrap_or(WIDEST).min(WIDEST);
            let text = printed(&value);
            if width < 0 { format!("{text:>columns$}") } else { format!("{text:<columns$}") }
        }
    ),
    function!(
        "matches",
        "matches(text, pattern) -> bool",
        "Whether a regular expression is found in the text.\n\n\
         ```rhai\nassert(\"v1.2\".matches(`^v\\d+`), \"a version\");\n```",
        |ctx: NativeCallContext, text: &str, pattern: &str| -> Outcome<bool> {
            Ok(compiled(&ctx, pattern)?.is_match(text))
        }
    ),
    function!(
        "captures",
        "captures(text, pattern) -> map",
        "The first match as a map: `all`, and the groups by number (`\"1\"`) and by name; `()` if there is none.\n\n\
         ```rhai\nassert(\"v1.2\".captures(`v(?<major>\\d+)`).major == \"1\", \"the major version\");\n```",
        |ctx: NativeCallContext, text: &str, pattern: &str| -> Outcome<Dynamic> {
            let pattern = compiled(&ctx, pattern)?;
            let found = pattern.captures(text);
            Ok(found.map_or(Dynamic::UNIT, |found| Dynamic::from_map(groups(&pattern, &found))))
        }
    ),
    function!(
        "find_all",
        "find_all(text, pattern) -> array",
        "Every match of a regular expression.\n\n\
         ```rhai\nassert(\"a1b22\".find_all(`\\d+`) == [\"1\", \"22\"], \"the numbers\");\n```",
        |ctx: NativeCallContext, text: &str, pattern: &str| -> Outcome<Array> {
            Ok(strings(compiled(&ctx, pattern)?.find_iter(text).map(|found| found.as_str())))
        }
    ),
    function!(
        "replace_all",
        "replace_all(text, pattern, with) -> string",
        "The text with every match replaced; `$1` and `$name` in `with` stand for groups.\n\n\
         ```rhai\nassert(\"a1\".replace_all(`\\d`, \"#\") == \"a#\", \"replaced\");\n```",
        |ctx: NativeCallContext, text: &str, pattern: &str, with: &str| -> Outcome<String> {
            Ok(compiled(&ctx, pattern)?.replace_all(text, with).into_owned())
        }
    ),
];

/// Wider than this nobody reads.
const WIDEST: usize = 10_000;
/// Bounds what a pattern may cost; the matching itself takes linear time.
const PATTERN_BYTES: usize = 1 << 20;

fn compiled(ctx: &NativeCallContext, pattern: &str) -> Outcome<Regex> {
    match RegexBuilder::new(pattern).size_limit(PATTERN_BYTES).build() {
        Ok(compiled) => Ok(compiled),
        Err(error) => invalid(ctx, format!("`{pattern}` is no regular expression: {error}")),
    }
}

fn groups(pattern: &Regex, found: &Captures) -> Map {
    let mut map = Map::new();
    for (number, name) in pattern.capture_names().enumerate() {
        let text = found.get(number).map_or(Dynamic::UNIT, |group| group.as_str().into());
        map.insert(if number == 0 { "all".into() } else { number.to_string().into() }, text.clone());
        if let Some(name) = name {
            map.insert(name.into(), text);
        }
    }
    map
}

fn strings<'t>(texts: impl Iterator<Item = &'t str>) -> Array {
    texts.map(|text| text.into()).collect()
}
