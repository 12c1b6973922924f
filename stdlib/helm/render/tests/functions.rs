//! Holds every template function against what Helm's own answered (`tests/oracle` writes the answers).

use std::collections::BTreeMap;

use gotemplate::{Functions, MissingKey, Templates, Value};
use helm_render::functions::{FunctionEnv, SharedRng, table};
use serde::Deserialize;

/// What follows a function's name, or a whole template; and the output, or an error after an exclamation mark.
type Call = (String, String);

#[derive(Deserialize)]
struct Answers {
    data: serde_json::Value,
    calls: BTreeMap<String, Vec<Call>>,
    texts: Vec<Call>,
}

#[test]
fn every_function_answers_as_helms_does() {
    let answers: Answers =
        serde_json::from_str(include_str!("oracle/answers/functions.json")).expect("the answers are JSON");
    let functions = functions(0);
    let mut wrong = Vec::new();
    let mut count = 0;
    let calls = answers.calls.iter().flat_map(|(name, calls)| {
        calls.iter().map(move |(args, out)| (format!("{{{{ {name} {args} | toJson }}}}"), out))
    });
    let texts = answers.texts.iter().map(|(text, out)| (text.clone(), out));
    for (text, expected) in calls.chain(texts) {
        count += 1;
        let found = run(&functions, &text, &answers.data);
        if found != *expected {
            wrong.push(format!("{text}\n  expected {expected:?}\n     found {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} differences in {count} calls:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_same_seed_gives_the_same_secrets() {
    let text = "{{ randAlphaNum 8 }} {{ randNumeric 4 }} {{ uuidv4 }} {{ shuffle \"abcdef\" }} {{ randBytes 4 }} \
                {{ htpasswd \"u\" \"p\" }} {{ encryptAES \"k\" \"text\" }}";
    let (first, second) = (run_alone(1, text), run_alone(1, text));
    assert_eq!(first, second);
    assert_ne!(first, run_alone(2, text));
}

#[test]
fn what_is_encrypted_can_be_decrypted() {
    assert_eq!(run_alone(0, "{{ encryptAES \"key\" \"some text\" | decryptAES \"key\" }}"), "some text");
}

fn functions(seed: u64) -> Functions {
    let now = "2023-11-14T22:13:20Z".parse().expect("a time");
    table(&FunctionEnv { now, rng: SharedRng::from_seed(seed) })
}

fn run_alone(seed: u64, text: &str) -> String {
    run(&functions(seed), text, &serde_json::Value::Null)
}

fn run(functions: &Functions, text: &str, data: &serde_json::Value) -> String {
    let mut templates = Templates::new("t", functions.clone());
    templates.set_missing_key(MissingKey::Zero);
    if let Err(e) = templates.parse("t", text) {
        return format!("!{e}");
    }
    let mut out = Vec::new();
    match templates.execute("t", &template_value(data), &mut out) {
        Ok(()) => String::from_utf8_lossy(&out).into_owned(),
        Err(e) => {
            let text = e.to_string();
            format!("!{}", text.split_once(">: ").map_or(text.as_str(), |(_, message)| message))
        }
    }
}

fn template_value(value: &serde_json::Value) -> Value {
    helm_render::yaml::parse(value.to_string()).expect("the data is JSON, and so YAML")
}
