//! Rules of Helm and of the libraries it uses, against what these answered (`tests/helm.json`).

use gotemplate::Map;
use serde_json::Value as Json;

use crate::chart::Chart;
use crate::files::{Files, IgnoreRules};
use crate::glob::Glob;
use crate::semver::{Constraint, Version};
use crate::values::{Coalescer, SetKind, Values};

fn cases() -> Json {
    serde_json::from_str(include_str!("../tests/helm.json")).expect("the cases are JSON")
}

fn fail_if_any(failures: &[String], count: usize) {
    assert!(failures.is_empty(), "{} of {count} differ:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn settings_become_values() {
    let cases = cases();
    let cases = cases["set"].as_array().expect("a list");
    let mut failures = Vec::new();
    for case in cases {
        let kind = match case["kind"].as_str() {
            Some("typed") => SetKind::Typed,
            Some("text") => SetKind::Text,
            Some("json") => SetKind::Json,
            _ => SetKind::Literal,
        };
        let text = case["text"].as_str().expect("a text");
        let mut values = Values::from_json(&case["base"]).unwrap_or_default();
        let got = match values.set(kind, text) {
            Ok(()) => serde_json::json!({ "result": values.to_json() }),
            // The words of Go's JSON decoder are its own.
            Err(_) if kind == SetKind::Json => serde_json::json!({ "error": case["error"] }),
            Err(e) => serde_json::json!({ "error": e.to_string() }),
        };
        let want = match case.get("error") {
            Some(error) => serde_json::json!({ "error": error }),
            None => serde_json::json!({ "result": case["result"] }),
        };
        if got != want {
            failures.push(format!("{kind:?} {text}\n  want {want}\n  got  {got}"));
        }
    }
    fail_if_any(&failures, cases.len());
}

#[test]
fn ranges_allow_versions() {
    let cases = cases();
    let versions: Vec<&str> =
        cases["versions"].as_array().expect("a list").iter().filter_map(Json::as_str).collect();
    let mut failures = Vec::new();
    let ranges = cases["semver"].as_object().expect("a map");
    for (range, want) in ranges {
        let (allows, error) = match Constraint::parse(range) {
            Err(e) => (Vec::new(), Json::from(e)),
            Ok(constraint) => {
                let allowed = |v: &&&str| Version::parse(v).is_ok_and(|v| constraint.allows(&v));
                (versions.iter().filter(allowed).copied().collect(), Json::Null)
            }
        };
        if Json::from(allows.clone()) != want["allows"] || error != want["error"] {
            failures.push(format!("{range}\n  want {want}\n  got  {allows:?} {error}"));
        }
    }
    fail_if_any(&failures, ranges.len());
}

#[test]
fn patterns_match_paths() {
    let cases = cases();
    let paths: Vec<&str> =
        cases["paths"].as_array().expect("a list").iter().filter_map(Json::as_str).collect();
    let mut failures = Vec::new();
    let patterns = cases["glob"].as_object().expect("a map");
    for (pattern, want) in patterns {
        let got = match Glob::parse(pattern) {
            None => Json::Null,
            Some(glob) => {
                Json::from(paths.iter().filter(|path| glob.matches(path)).copied().collect::<Vec<_>>())
            }
        };
        if got != *want {
            failures.push(format!("{pattern}\n  want {want}\n  got  {got}"));
        }
    }
    fail_if_any(&failures, patterns.len());
}

#[test]
fn ignore_files_leave_out_paths() {
    let cases = cases();
    let paths: Vec<&str> =
        cases["ignored_paths"].as_array().expect("a list").iter().filter_map(Json::as_str).collect();
    let mut failures = Vec::new();
    let rule_sets = cases["ignore"].as_object().expect("a map");
    for (text, want) in rule_sets {
        let got = match IgnoreRules::parse(text) {
            Err(e) => Json::from(e.to_string()),
            Ok(rules) => {
                let ignored = |is_folder: bool| -> Vec<&str> {
                    paths.iter().filter(|path| rules.ignores(path, is_folder)).copied().collect()
                };
                serde_json::json!({ "files": ignored(false), "folders": ignored(true) })
            }
        };
        if got != *want {
            failures.push(format!("{text:?}\n  want {want}\n  got  {got}"));
        }
    }
    fail_if_any(&failures, rule_sets.len());
}

#[test]
fn streams_are_cut_into_documents() {
    let cases = cases();
    for case in cases["split"].as_array().expect("a list") {
        let text = case["text"].as_str().expect("a text");
        let want: Vec<&str> = case["result"]
            .as_array()
            .map_or(Vec::new(), |items| items.iter().filter_map(Json::as_str).collect());
        assert_eq!(crate::manifest::documents(text), want, "{text:?}");
    }
}

#[test]
fn values_are_put_over_defaults() {
    let cases = cases();
    let cases = cases["coalesce"].as_array().expect("a list");
    let mut failures = Vec::new();
    for case in cases {
        let chart = chart(&case["chart"]);
        let values = Values::from_json(&case["values"]).unwrap_or_default();
        let shown = |result: Result<Map, String>, key: &str| match result {
            Ok(map) => (key.to_owned(), Values(map).to_json()),
            Err(e) => ("error".to_owned(), Json::from(e)),
        };
        for (result, key) in [
            (Coalescer::default().coalesce(&chart, &values.0), "result"),
            (Coalescer::default().merge(&chart, &values.0), "merged"),
        ] {
            let (key, got) = shown(result, key);
            if got != case[&key] {
                failures.push(format!("{}\n  {key} want {}\n  got  {got}", case["chart"], case[&key]));
            }
        }
    }
    fail_if_any(&failures, cases.len());
}

fn chart(json: &Json) -> Chart {
    let mut files = Files::new();
    let name = json["name"].as_str().expect("a name");
    files.insert("Chart.yaml", format!("apiVersion: v2\nname: {name}\nversion: 1.0.0\n"));
    let mut chart = Chart::from_files(files).expect("the chart loads");
    chart.values = Values::from_json(&json["values"]).unwrap_or_default().0;
    let children = json["children"].as_array();
    chart.dependencies = children.map_or(Vec::new(), |children| children.iter().map(self::chart).collect());
    chart
}
