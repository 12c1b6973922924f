//! JSON and YAML.

use opsrun_core::{Value, yaml};
use rhai::{Dynamic, NativeCallContext};

use super::{Function, Outcome, invalid};
use crate::failure::fail;
use crate::value::{from_json, to_json};

pub(super) const FUNCTIONS: &[Function] = &[
    function!(
        "to_json",
        "to_json(value) -> string",
        "The value as JSON, on one line.\n\n```rhai\nassert(to_json([1, \"a\"]) == `[1,\"a\"]`, \"JSON\");\n```",
        |ctx: NativeCallContext, map: rhai::Map| written(&ctx, &Dynamic::from_map(map)),
        |ctx: NativeCallContext, value: Dynamic| written(&ctx, &value),
    ),
    function!(
        "parse_json",
        "parse_json(text) -> value",
        "Reads JSON; `null` becomes `()`.\n\n```rhai\nassert(parse_json(`{\"a\": 1}`).a == 1, \"read\");\n```",
        |ctx: NativeCallContext, text: &str| -> Outcome<Dynamic> {
            match serde_json::from_str::<Value>(text) {
                Ok(value) => Ok(from_json(&value)),
                Err(error) => invalid(&ctx, format!("the text is no JSON: {error}")),
            }
        }
    ),
    function!(
        "to_yaml",
        "to_yaml(value) -> string",
        "The value as YAML.\n\n```rhai\nlog(to_yaml(#{ replicas: 3 }));\n```",
        |ctx: NativeCallContext, value: Dynamic| -> Outcome<String> {
            match to_json(&value) {
                Ok(json) => yaml::to_string(&json).map_err(|error| fail(&ctx, error)),
                Err(what) => invalid(&ctx, format!("{what} cannot be written as YAML")),
            }
        }
    ),
    function!(
        "parse_yaml",
        "parse_yaml(text) -> value",
        "Reads one YAML document; several come as an array.\n\n\
         ```rhai\nassert(parse_yaml(\"a: 1\").a == 1, \"read\");\n```",
        |ctx: NativeCallContext, text: &str| -> Outcome<Dynamic> {
            let documents = yaml::documents("the text", text).map_err(|error| fail(&ctx, error))?;
            Ok(match documents.as_slice() {
                [] => Dynamic::UNIT,
                [document] => from_json(document),
                several => Dynamic::from_array(several.iter().map(from_json).collect()),
            })
        }
    ),
];

fn written(ctx: &NativeCallContext, value: &Dynamic) -> Outcome<String> {
    match to_json(value) {
        Ok(json) => Ok(json.to_string()),
        Err(what) => invalid(ctx, format!("{what} cannot be written as JSON")),
    }
}
