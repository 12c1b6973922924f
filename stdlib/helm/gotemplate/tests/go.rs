//! Templates rendered by Go itself, from `template-cases.json`: the output or the error's text must be the same.

#![allow(clippy::disallowed_methods, clippy::print_stdout)] // A test reads its cases from a file, or says that it has none.

use std::path::PathBuf;

use gotemplate::{Functions, MissingKey, Templates, Value};
use serde_json::Value as Json;

#[test]
fn templates_render_as_in_go() {
    let path = shared().join("helm-parity/template-cases.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: needs {}", path.display());
        return;
    };
    let cases: Json = serde_json::from_str(&text).expect("the cases are JSON");
    let mut failures = Vec::new();
    for case in cases["cases"].as_array().expect("a list of cases") {
        let template = case["template"].as_str().expect("a template");
        let got = outcome(template, &value(&cases["data"]));
        let want = (case["outcome"].as_str().unwrap_or(""), case["text"].as_str().unwrap_or(""));
        if got != (want.0, want.1.to_owned()) {
            failures.push(format!("{template}\n  want {want:?}\n  got  {got:?}"));
        }
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}

fn outcome(template: &str, data: &Value) -> (&'static str, String) {
    let mut templates = Templates::new("t", Functions::new());
    templates.set_missing_key(MissingKey::Zero);
    if let Err(e) = templates.parse("t", template) {
        return ("parse-error", e.to_string());
    }
    let mut out = Vec::new();
    match templates.execute("t", data, &mut out) {
        Ok(()) => ("output", String::from_utf8_lossy(&out).into_owned()),
        Err(e) => ("exec-error", e.to_string()),
    }
}

fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(b) => Value::Bool(*b),
        Json::Number(n) => Value::float(n.as_f64().expect("a number that fits")),
        Json::String(s) => Value::str(s.as_str()),
        Json::Array(items) => Value::list(items.iter().map(value).collect()),
        Json::Object(entries) => {
            Value::Map(entries.iter().map(|(key, item)| (key.as_str(), value(item))).collect())
        }
    }
}

fn shared() -> PathBuf {
    match std::env::var_os("OPSRUN_SHARED") {
        Some(path) => path.into(),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../../shared"),
    }
}
