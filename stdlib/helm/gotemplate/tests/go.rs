//! Templates that Go itself rendered: the output or the error's text must be the same.

#![allow(clippy::disallowed_methods, clippy::print_stdout)] // A test reads its cases from a file, or says that it has none.

use std::path::{Path, PathBuf};

use gotemplate::{Function, Functions, MissingKey, Templates, Type, Value};
use serde_json::Value as Json;

#[test]
fn templates_render_as_in_go() {
    compare(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/go.json"));
}

#[test]
fn the_shared_cases_render_as_in_go() {
    let path = shared().join("helm-parity/template-cases.json");
    if path.exists() {
        compare(&path);
    } else {
        println!("skipped: needs {}", path.display());
    }
}

#[test]
fn a_template_that_calls_itself_fails_instead_of_overflowing_the_stack() {
    let mut functions = Functions::new();
    functions.set(
        "include",
        Function::new(&[Type::String, Type::Any], |cx, args| {
            let name = args[0].as_str().map(|s| s.to_text().into_owned()).unwrap_or_default();
            cx.execute(&name, &args[1]).map(Value::Str)
        }),
    );
    for text in [
        r#"{{ template "t" . }}"#,
        r#"{{ include "t" . }}"#,
        r#"{{ if true }}{{ with . }}{{ print (include "t" .) }}{{ end }}{{ end }}"#,
    ] {
        let mut templates = Templates::new("t", functions.clone());
        templates.parse("t", text).expect("the template parses");
        let error = templates.execute("t", &Value::int(1), &mut Vec::new()).expect_err("there is no end");
        assert!(error.to_string().ends_with("exceeded maximum template depth (100000)"), "{text}");
    }
}

#[test]
fn parentheses_within_parentheses_have_a_limit() {
    let text = format!("{{{{ {}1{} }}}}", "(".repeat(20_000), ")".repeat(20_000));
    let error = Templates::new("t", Functions::new()).parse("t", &text).expect_err("too deep");
    assert_eq!(error.to_string(), "template: t:1: max expression depth exceeded");
}

#[test]
fn what_a_text_defines_is_seen_by_that_text_alone() {
    let mut functions = Functions::new();
    functions.set(
        "tpl",
        Function::new(&[Type::String], |cx, args| {
            let text = args[0].as_str().map(|s| s.to_text().into_owned()).unwrap_or_default();
            cx.execute_text(&text, &Value::Nil).map(Value::Str)
        }),
    );
    let mut templates = Templates::new("set", functions);
    let text = r#"{{ define "x" }}outer{{ end }}{{ define "y" }}[{{ template "x" }}]{{ end -}}
{{ tpl "{{ define \"x\" }}inner{{ end }}{{ template \"y\" }}" }} {{ template "y" }}"#;
    templates.parse("t", text).expect("the template parses");
    let mut out = Vec::new();
    templates.execute("t", &Value::Nil, &mut out).expect("the template renders");
    assert_eq!(String::from_utf8_lossy(&out), "[inner] [outer]");
}

fn compare(path: &Path) {
    let text = std::fs::read_to_string(path).expect("the cases can be read");
    let cases: Json = serde_json::from_str(&text).expect("the cases are JSON");
    let mut failures = Vec::new();
    let mut count = 0;
    for case in cases["cases"].as_array().expect("a list of cases") {
        count += 1;
        let template = case["template"].as_str().expect("a template");
        let got = outcome(template, &value(&cases["data"]));
        let want = (case["outcome"].as_str().unwrap_or(""), case["text"].as_str().unwrap_or(""));
        if got != (want.0, want.1.to_owned()) {
            failures.push(format!("{template}\n  want {want:?}\n  got  {got:?}"));
        }
    }
    assert!(failures.is_empty(), "{} of {count} differ:\n{}", failures.len(), failures.join("\n"));
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
