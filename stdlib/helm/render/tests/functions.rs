//! Holds every template function against what Helm's own answered (`tests/oracle` writes the answers).

#![allow(clippy::disallowed_methods, clippy::print_stdout)] // One test reads a list of names from disk, where there is one.

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

#[test]
fn an_authority_signs_certificates_and_its_key_must_fit() {
    let good = "{{ $ca := genCA \"ca\" 1 }}{{ $c := genSignedCert \"svc\" (list \"10.0.0.1\") (list \"svc.ns\") 1 $ca }}\
                {{ $d := buildCustomCert (b64enc $c.Cert) (b64enc $c.Key) }}{{ eq $c.Cert $d.Cert }}\n{{ $c.Cert }}{{ $c.Key }}";
    let made = run_alone(3, good);
    assert!(made.starts_with("true\n-----BEGIN CERTIFICATE-----\n"), "{made}");
    assert!(made.contains("-----BEGIN RSA PRIVATE KEY-----\n"), "{made}");
    assert_eq!(made, run_alone(3, good), "the same seed gives the same certificates");
    let foreign = "{{ $ca := genCAWithKey \"ca\" 1 (genPrivateKey \"ecdsa\") }}\
                   {{ $mixed := buildCustomCert (b64enc $ca.Cert) (genPrivateKey \"ed25519\" | b64enc) }}\
                   {{ genSignedCertWithKey \"svc\" nil nil 1 $mixed (genPrivateKey \"ecdsa\") }}";
    let refused = run_alone(3, foreign);
    assert!(refused.ends_with("x509: provided PrivateKey doesn't match parent's PublicKey"), "{refused}");
}

#[test]
fn every_function_of_helm_is_there() {
    let shared = std::env::var_os("OPSRUN_SHARED").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared"),
        std::path::PathBuf::from,
    );
    let Ok(names) = std::fs::read_to_string(shared.join("helm-parity/function-names.txt")) else {
        println!("skipped: needs {}/helm-parity", shared.display());
        return;
    };
    // Go's own, and those that need the engine.
    let elsewhere = [
        "and", "call", "eq", "ge", "gt", "html", "index", "js", "le", "len", "lt", "ne", "not", "or",
        "print", "printf", "println", "urlquery", "fail", "include", "lookup", "required", "tpl",
    ];
    let functions = functions(0);
    let is_there = |name: &&str| functions.get(name).is_some() || elsewhere.contains(name);
    let missing: Vec<&str> = names.lines().filter(|name| !is_there(name)).collect();
    assert!(missing.is_empty(), "missing: {missing:?}");
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
