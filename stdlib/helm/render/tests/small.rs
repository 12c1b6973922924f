//! Small charts, each about one rule, with what Helm 4.1.4 makes of them: the output of `helm template`, its hooks and
//! notes, or the error's text.

use std::fmt::Write;

use helm_render::{Chart, Files, KubeVersion, RenderOptions, Values, render};
use serde_json::Value as Json;

#[test]
fn small_charts_render_or_fail_as_in_helm() {
    let cases: Json = serde_json::from_str(include_str!("small.json")).expect("the cases are JSON");
    let mut failures = Vec::new();
    let cases = cases.as_array().expect("a list of cases");
    for case in cases {
        let (want, got) = match (run(case), case.get("error")) {
            (Ok(output), Some(error)) => (error.clone(), Json::from(output)),
            (Err(error), Some(wanted)) => (wanted.clone(), Json::from(error)),
            (Ok(output), None) => (case["output"].clone(), Json::from(output)),
            (Err(error), None) => (case["output"].clone(), Json::from(error)),
        };
        if want != got {
            let name = &case["name"];
            let text = |json: &Json| json.as_str().unwrap_or_default().replace('\n', "\n      ");
            failures.push(format!("{name}\n want {}\n got  {}", text(&want), text(&got)));
        }
    }
    assert!(failures.is_empty(), "{} of {} differ:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

fn run(case: &Json) -> Result<String, String> {
    let mut files = Files::new();
    for (path, text) in case["files"].as_object().expect("files") {
        files.insert(path, text.as_str().expect("a text"));
    }
    let chart = Chart::from_files(files).map_err(|e| e.to_string())?;
    let values = Values::from_json(&case["values"]).unwrap_or_default();
    let now = jiff::Timestamp::from_second(1_700_000_000).expect("a time");
    let mut options = RenderOptions::new("release-name", "default", now);
    options.include_crds = case["include_crds"].as_bool().unwrap_or(false);
    if let Some(version) = case["kube_version"].as_str() {
        options.capabilities.kube_version = KubeVersion::parse(version).expect("a version");
    }
    let rendered = render(&chart, &values, &options).map_err(|e| e.to_string())?;
    let mut text = format!("{}\n", rendered.manifest().trim());
    for hook in &rendered.hooks {
        let list = |words: Vec<&str>| format!("[{}]", words.join(" "));
        let events = list(hook.events.iter().map(|event| event.as_str()).collect());
        let deletes = list(hook.delete_policies.iter().map(|policy| policy.as_str()).collect());
        let logs = list(hook.output_log_policies.iter().map(|policy| policy.as_str()).collect());
        let (source, content) = (&hook.source, &hook.content);
        let (name, weight) = (&hook.name, hook.weight);
        writeln!(
            text,
            "---\n# Source: {source}\n{content}\n# hook {name} {events} {weight} {deletes} {logs}"
        )
        .map_err(|e| e.to_string())?;
    }
    if !rendered.notes.is_empty() {
        writeln!(text, "NOTES: {}", rendered.notes).map_err(|e| e.to_string())?;
    }
    Ok(text)
}
