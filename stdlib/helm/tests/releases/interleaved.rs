//! One release in the hands of both: whoever makes which of its revisions, it is what Helm alone would have made of it.

use std::collections::BTreeMap;

use opsrun_core::Value;
use serde_json::json;

use crate::CHART;
use crate::stage::{RealHelm, Stage, on_real};

/// What is done to a release.
enum Step {
    /// Installs or upgrades, with these values alone.
    Upgrade(&'static [(&'static str, &'static str)]),
    Rollback(u32),
    /// With values over those of the former revision.
    Reuse(&'static [(&'static str, &'static str)]),
}

const STEPS: &[Step] = &[
    Step::Upgrade(&[("mode", "one"), ("token", "abc")]),
    Step::Upgrade(&[("mode", "two"), ("extra", "false")]),
    Step::Reuse(&[("token", "def")]),
    Step::Rollback(1),
    Step::Upgrade(&[("mode", "three")]),
    Step::Rollback(2),
    Step::Rollback(4),
    Step::Reuse(&[("hook", "false"), ("mode", "four")]),
];

#[test]
fn who_made_which_revision_cannot_be_told_from_a_release() {
    on_real(|stage: &Stage| {
        if let Some(helm) = stage.helm() {
            take_turns(stage, &helm);
        }
    });
}

#[test]
fn nor_is_it_told_from_one_of_helm_3() {
    on_real(|stage: &Stage| {
        if let Some(helm) = stage.helm3() {
            take_turns(stage, &helm);
        }
    });
}

fn take_turns(stage: &Stage, helm: &RealHelm) {
    for (number, step) in STEPS.iter().enumerate() {
        // One release is Helm's alone; of the two others, each makes every other revision.
        by_helm(helm, "alone", step, number);
        let (ours, theirs) = if number % 2 == 0 { ("odd", "even") } else { ("even", "odd") };
        by_helm(helm, theirs, step, number);
        by_opsrun(stage, ours, step);
        let expected = told(stage, helm, "alone");
        for release in ["odd", "even"] {
            let found = told(stage, helm, release);
            for (what, expected) in &expected {
                assert_eq!(&found[what], expected, "{what} of `{release}` after step {}", number + 1);
            }
        }
    }
    for release in ["alone", "odd", "even"] {
        helm.ok(&["uninstall", release]);
    }
}

fn by_helm(helm: &RealHelm, release: &str, step: &Step, number: usize) {
    let chart = format!("{}/{CHART}", env!("CARGO_MANIFEST_DIR"));
    let verb = if number == 0 { "install" } else { "upgrade" };
    let set = |values: &[(&str, &str)]| {
        let pairs = values.iter().map(|(key, value)| format!("--set={key}={value}"));
        pairs.collect::<Vec<_>>()
    };
    let mut words: Vec<String> = match step {
        Step::Upgrade(_) | Step::Reuse(_) => [verb, release, &chart].map(str::to_owned).to_vec(),
        Step::Rollback(revision) => vec!["rollback".into(), release.into(), revision.to_string()],
    };
    match step {
        Step::Upgrade(values) => words.extend(set(values)),
        Step::Reuse(values) => {
            words.push("--reuse-values".into());
            words.extend(set(values));
        }
        Step::Rollback(_) => {}
    }
    helm.ok(&words.iter().map(String::as_str).collect::<Vec<_>>());
}

fn by_opsrun(stage: &Stage, release: &str, step: &Step) {
    let set = |values: &[(&str, &str)]| {
        values.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>()
    };
    let (path, arguments) = match step {
        Step::Upgrade(values) => {
            ("helm::upgrade", json!({ "release": release, "chart": CHART, "set": set(values) }))
        }
        Step::Reuse(values) => (
            "helm::upgrade",
            json!({ "release": release, "chart": CHART, "set": set(values), "reuse_values": true }),
        ),
        Step::Rollback(revision) => ("helm::rollback", json!({ "release": release, "to": revision })),
    };
    stage.run(|call| call(path, arguments.clone())).value();
}

/// What Helm and the cluster tell of a release, with its name taken out.
fn told(stage: &Stage, helm: &RealHelm, release: &str) -> BTreeMap<String, String> {
    let mut told = BTreeMap::new();
    for what in ["manifest", "values", "hooks", "notes"] {
        let text = helm.ok(&["get", what, release]);
        // Helm 4.3 leaves a blank line after each document of a file with several.
        let text: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        told.insert(format!("helm get {what}"), text.join("\n").replace(release, "RELEASE"));
    }
    let history: Value = serde_json::from_str(&helm.ok(&["history", release, "--output", "json"])).unwrap();
    let revisions = history.as_array().unwrap().iter().map(|revision| {
        let part = |name: &str| revision[name].to_string();
        format!("{} {} {} {}", part("revision"), part("status"), part("chart"), part("description"))
    });
    told.insert("helm history".into(), revisions.collect::<Vec<_>>().join("\n"));
    let objects = ["--namespace", &stage.namespace, "get", "configmaps,secrets", "--output", "json"];
    let objects: Value = serde_json::from_str(&stage.cluster.kubectl().run(objects).ok()).unwrap();
    let mut live = Vec::new();
    for mut object in objects["items"].as_array().unwrap().iter().cloned() {
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        if name != release && !name.starts_with(&format!("{release}-")) {
            continue;
        }
        let metadata = object["metadata"].as_object_mut().unwrap();
        for made_up in ["uid", "resourceVersion", "creationTimestamp", "managedFields"] {
            metadata.remove(made_up);
        }
        live.push(serde_json::to_string_pretty(&object).unwrap().replace(release, "RELEASE"));
    }
    live.sort();
    told.insert("the live objects".into(), live.join("\n"));
    told
}
