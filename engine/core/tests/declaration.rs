//! What one declaration of a primitive gives.
#![allow(clippy::unwrap_used)] // a test

use opsrun_core::{Cx, Declaration, Effect, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Pours a drink.
///
/// It takes a while.
///
/// ```rhai
/// bar::pour("tea");
/// ```
#[derive(Deserialize, JsonSchema, Args)]
#[allow(dead_code)] // decoded only
struct Pour {
    /// What to pour.
    #[arg(positional)]
    drink: String,
    /// How many cups.
    #[arg(positional)]
    #[serde(default)]
    cups: u32,
    /// How long to wait for it.
    within: Option<Span>,
    /// What goes into it.
    #[serde(default)]
    extras: Extras,
}

#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)] // decoded only
struct Extras {
    sugar: Option<u32>,
}

#[derive(Serialize, JsonSchema)]
struct Poured {
    cups: u32,
}

impl Primitive for Pour {
    const PATH: &'static str = "bar::pour";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::Never("nobody un-pours a drink");
    type Out = Poured;

    async fn run(self, _: &Cx) -> Result<Poured> {
        Ok(Poured { cups: self.cups })
    }
}

const POUR: Declaration = Declaration::of::<Pour>();

#[test]
fn a_declaration_knows_its_words() {
    assert_eq!((POUR.module(), POUR.name(), POUR.summary()), ("bar", "pour", "Pours a drink."));
    assert_eq!(POUR.examples(), ["bar::pour(\"tea\");"]);
    let fields: Vec<_> = POUR.fields.iter().map(|f| (f.name, f.positional, f.required)).collect();
    assert_eq!(
        fields,
        [("drink", true, true), ("cups", true, false), ("within", false, false), ("extras", false, false)]
    );
    let schema = POUR.arguments_schema().to_value();
    assert_eq!(schema["properties"]["drink"]["type"], "string");
    assert_eq!(POUR.result_schema().to_value()["properties"]["cups"]["format"], "uint32");
}

#[test]
fn wrong_arguments_are_named_with_a_way_out() {
    for (arguments, expected) in [
        (json!({}), "`bar::pour` needs its argument `drink`\n  hint: What to pour."),
        (
            json!({ "drink": "tea", "whitin": "5m" }),
            "`bar::pour` has no option `whitin`\n  hint: did you mean `within`?",
        ),
        (
            json!({ "drink": "tea", "colour": 1 }),
            "`bar::pour` has no option `colour`\n  hint: its options are `within`, `extras`",
        ),
        (
            json!({ "drink": "tea", "within": 5 }),
            "`bar::pour`: option `within`: invalid type: integer `5`, expected a length of time such as `5.m` or \"5m\"",
        ),
        (
            json!({ "drink": "tea", "extras": { "suger": 1 } }),
            "`bar::pour`: option `extras.suger`: unknown field `suger`, expected `sugar`",
        ),
        (
            json!({ "drink": 5 }),
            "`bar::pour`: argument `drink`: invalid type: integer `5`, expected a string",
        ),
    ] {
        assert_eq!(POUR.check(arguments).unwrap_err().report(), expected);
    }
}
