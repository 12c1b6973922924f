//! Hooks of every event, run in the order and deleted by the policies of the real Helm.

use serde_json::{Value, json};

use crate::stage::{Stage, on_real};

const EVENTS: [&str; 9] = [
    "pre-install",
    "post-install",
    "pre-upgrade",
    "post-upgrade",
    "pre-rollback",
    "post-rollback",
    "pre-delete",
    "post-delete",
    "test",
];

/// Hooks that stay, so that they can be looked at: two for each event whose weights are not in the order of their names,
/// one of no weight and of another kind, and one for several events; and one that goes when it has succeeded.
fn chart() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("templates")).unwrap();
    let mut all = String::new();
    let mut hook = |kind: &str, name: &str, events: &str, more: &str| {
        all += &format!(
            "---\napiVersion: v1\nkind: {kind}\nmetadata:\n  name: {{{{ .Release.Name }}}}-{name}\n  labels: {{ hook: {{{{ .Release.Name }}}} }}\n  annotations:\n    helm.sh/hook: {events}\n{more}\n"
        );
    };
    for event in EVENTS {
        hook("ConfigMap", &format!("a-{event}"), event, "    helm.sh/hook-weight: \"2\"");
        hook("ConfigMap", &format!("b-{event}"), event, "    helm.sh/hook-weight: \"-3\"");
        hook("Secret", &format!("c-{event}"), event, "");
        hook("ConfigMap", &format!("d-{event}"), event, "");
        hook("ConfigMap", &format!("gone-{event}"), event, "    helm.sh/hook-delete-policy: hook-succeeded");
    }
    hook("ConfigMap", "often", &EVENTS.join(","), "    helm.sh/hook-weight: \"9\"");
    let plain = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: {{ .Release.Name }} }\n";
    std::fs::write(folder.path().join("Chart.yaml"), "apiVersion: v2\nname: hooks\nversion: 1.0.0\n")
        .unwrap();
    std::fs::write(folder.path().join("templates/all.yaml"), all + plain).unwrap();
    folder
}

/// The release's hooks that are there, in the order in which they were made.
fn made(stage: &Stage, release: &str) -> Vec<String> {
    let all = stage.run(|call| {
        let labels = format!("hook={release}");
        let mut all = Vec::new();
        for kind in ["configmaps", "secrets"] {
            let found = call("k8s::list", json!({ "kind": kind, "labels": labels }))?;
            all.extend(found.as_array().unwrap().iter().map(|object| {
                let version = object["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap();
                (version, object["metadata"]["name"].as_str().unwrap().replace(release, ""))
            }));
        }
        all.sort();
        Ok(all.into_iter().map(|(_, name)| Value::from(name)).collect())
    });
    all.value().as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

#[test]
fn hooks_of_all_events_run_as_helm_runs_them() {
    on_real(|stage: &Stage| {
        let Some(helm) = stage.helm() else { return };
        let folder = chart();
        let chart = folder.path().display().to_string();
        let steps: [(&[&str], &str, Value); 5] = [
            (&["install", "helms", &chart], "helm::upgrade", json!({ "chart": chart })),
            (&["upgrade", "helms", &chart], "helm::upgrade", json!({ "chart": chart })),
            (&["rollback", "helms", "1"], "helm::rollback", json!({ "to": 1 })),
            (&["test", "helms"], "helm::test", json!({})),
            (&["uninstall", "helms"], "helm::uninstall", json!({})),
        ];
        let mut seen = 0;
        for (theirs, primitive, mut ours) in steps {
            helm.ok(theirs);
            ours["release"] = "ours".into();
            stage.run(|call| call(primitive, ours.clone())).value();
            let (expected, found) = (made(stage, "helms"), made(stage, "ours"));
            assert_eq!(found, expected, "after {primitive}");
            assert!(found.len() > seen && found.last().unwrap() == "-often", "{found:?}");
            seen = found.len();
        }
        assert_eq!(seen, EVENTS.len() * 4 + 1, "none of them was left out");
    });
}
