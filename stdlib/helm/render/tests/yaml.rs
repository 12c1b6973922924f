//! Holds reading and writing YAML against what Helm's own libraries answered (`tests/oracle` writes the answers).

use gotemplate::Value;
use helm_render::yaml;
use serde::Deserialize;

#[derive(Deserialize)]
struct WriteCase {
    #[serde(rename = "in")]
    value: serde_json::Value,
    yaml: String,
    pretty: Option<String>,
}

#[derive(Deserialize)]
struct ReadCase {
    #[serde(rename = "in")]
    text: String,
    #[serde(default)]
    out: serde_json::Value,
    #[serde(default)]
    error: String,
    #[serde(default)]
    strict: String,
}

#[test]
fn every_value_is_written_as_helm_writes_it() {
    let cases: Vec<WriteCase> =
        serde_json::from_str(include_str!("oracle/answers/yaml-write.json")).expect("a corpus");
    let mut wrong = Vec::new();
    for case in &cases {
        let value = template_value(&case.value);
        let written = yaml::write(&value).unwrap_or_default();
        note(&mut wrong, &case.value, "toYaml", &case.yaml, written.strip_suffix('\n').unwrap_or(&written));
        let pretty = yaml::write_pretty(&value);
        let expected = case.pretty.as_ref().unwrap_or(&case.yaml);
        note(&mut wrong, &case.value, "toYamlPretty", expected, pretty.strip_suffix('\n').unwrap_or(&pretty));
    }
    report(&wrong, cases.len());
}

#[test]
fn every_text_is_read_as_helm_reads_it() {
    let cases: Vec<ReadCase> =
        serde_json::from_str(include_str!("oracle/answers/yaml-read.json")).expect("a corpus");
    let mut wrong = Vec::new();
    for case in &cases {
        let (expected, found) = match (&case.out, yaml::to_json(&case.text)) {
            (out, Ok(found)) if case.error.is_empty() => {
                (floats(out).to_string(), floats(&found).to_string())
            }
            (out, found) => {
                let expected = if case.error.is_empty() { out.to_string() } else { case.error.clone() };
                let found = found.map_or_else(|e| e.to_string(), |v| v.to_string());
                (expected, found.trim_start_matches("error converting YAML to JSON: ").to_owned())
            }
        };
        note(&mut wrong, &case.text, "read", &expected, &found);
        let strict = yaml::to_json_strict(&case.text).err().map(|e| e.to_string()).unwrap_or_default();
        if case.error.is_empty() {
            let strict = strict.trim_start_matches("error converting YAML to JSON: ");
            note(&mut wrong, &case.text, "read strictly", &case.strict, strict);
        }
    }
    report(&wrong, cases.len());
}

#[test]
fn nesting_is_bounded_instead_of_exhausting_the_stack() {
    let flow = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let block = |depth: usize| (0..depth).map(|i| " ".repeat(i) + "a:\n").collect::<String>();
    for text in [flow(280), block(280)] {
        let value = yaml::parse(&text).expect("that deep is allowed");
        assert_eq!(
            yaml::parse(yaml::write(&value).expect("it has JSON")).map_err(|e| e.to_string()).err(),
            None
        );
        yaml::write_pretty(&value);
    }
    for text in [flow(5_000), block(2_000), "- ".repeat(5_000), "{a: ".repeat(5_000)] {
        let refused = yaml::parse(&text).expect_err("that deep is refused").to_string();
        assert!(refused.contains("exceeded max depth"), "{refused}");
    }
}

#[test]
fn aliases_cannot_multiply_without_bound() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..9 {
        let aliases = vec![format!("*a{}", i - 1); 9].join(", ");
        bomb.push_str(&format!("a{i}: &a{i} [{aliases}]\n"));
    }
    let refused = yaml::parse(&bomb).expect_err("it is a bomb").to_string();
    assert_eq!(refused, "error converting YAML to JSON: yaml: document contains excessive aliasing");
}

fn note(wrong: &mut Vec<String>, input: impl std::fmt::Debug, what: &str, expected: &str, found: &str) {
    if expected != found {
        wrong.push(format!("{what} {input:?}\n  expected {expected:?}\n     found {found:?}"));
    }
}

fn report(wrong: &[String], cases: usize) {
    assert!(wrong.is_empty(), "{} differences in {cases} cases:\n{}", wrong.len(), wrong.join("\n"));
}

fn template_value(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::Nil,
        serde_json::Value::Bool(b) => Value::Bool(*b),
        serde_json::Value::Number(n) => Value::float(n.as_f64().expect("a JSON number")),
        serde_json::Value::String(s) => Value::str(s),
        serde_json::Value::Array(items) => Value::list(items.iter().map(template_value).collect()),
        serde_json::Value::Object(entries) => {
            Value::Map(entries.iter().map(|(key, value)| (key, template_value(value))).collect())
        }
    }
}

/// Go's JSON knows one kind of number.
fn floats(value: &serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Number(n) => n.as_f64().into(),
        serde_json::Value::Array(items) => items.iter().map(floats).collect(),
        serde_json::Value::Object(entries) => entries.iter().map(|(k, v)| (k.clone(), floats(v))).collect(),
        other => other.clone(),
    }
}
