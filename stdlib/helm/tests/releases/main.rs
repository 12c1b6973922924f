//! Releases on a real API server, in company of the real Helm.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout)] // tests

mod hooks;
mod interleaved;
mod records;
mod recovery;
mod stage;
mod values;

use opsrun_core::{ErrorKind, Value};
use serde_json::json;
use stage::{Stage, on_real};

const CHART: &str = "tests/releases/chart";

fn upgrade(values: &Value) -> Value {
    json!({ "release": "web", "chart": CHART, "values": values })
}

fn statuses(history: &Value) -> Vec<String> {
    let all = history.as_array().unwrap();
    all.iter().map(|one| format!("{} {}", one["revision"], one["status"].as_str().unwrap())).collect()
}

#[test]
fn an_upgrade_deletes_what_vanished_and_a_rollback_brings_it_back() {
    on_real(|stage: &Stage| {
        let done = stage.run(|call| {
            let first = call("helm::upgrade", upgrade(&json!({ "mode": "fast" })))?;
            assert_eq!(first["notes"], "Release web of web.\n");
            assert_eq!((&first["revision"], &first["status"]), (&json!(1), &json!("deployed")));
            let second = call("helm::upgrade", upgrade(&json!({ "mode": "slow", "extra": false })))?;
            assert_eq!(second["deleted"], 1, "what is to be kept is kept");
            assert_eq!(call("k8s::get", json!({ "object": "cm/web" }))?["data"]["mode"], "slow");
            assert_eq!(call("k8s::get", json!({ "object": "cm/web-hook", "optional": true }))?, Value::Null);
            call("helm::rollback", json!({ "release": "web" }))?;
            assert_eq!(call("k8s::get", json!({ "object": "cm/web" }))?["data"]["mode"], "fast");
            call("k8s::get", json!({ "object": "cm/web-extra" }))?;
            let history = call("helm::history", json!({ "release": "web" }))?;
            assert_eq!(statuses(&history), ["1 superseded", "2 superseded", "3 deployed"]);
            call("helm::uninstall", json!({ "release": "web" }))?;
            call("k8s::list", json!({ "kind": "configmaps", "labels": "app.kubernetes.io/managed-by=Helm" }))
        });
        let left = done.value();
        assert_eq!(left.as_array().unwrap().len(), 1, "web-kept stays: {left}");
    });
}

#[test]
fn a_failed_run_returns_to_the_last_good_revision() {
    on_real(|stage: &Stage| {
        stage.run(|call| call("helm::upgrade", upgrade(&json!({ "mode": "fast" })))).value();
        let done = stage.run(|call| {
            call("helm::upgrade", upgrade(&json!({ "mode": "slow" })))?;
            call("helm::upgrade", upgrade(&json!({ "mode": "slow", "bad": true })))
        });
        assert_eq!(done.exit_code(), 3, "{}", done.report());
        let after = stage.run(|call| {
            assert_eq!(call("k8s::get", json!({ "object": "cm/web" }))?["data"]["mode"], "fast");
            assert_eq!(call("k8s::get", json!({ "object": "cm/web-bad", "optional": true }))?, Value::Null);
            call("helm::history", json!({ "release": "web" }))
        });
        let shown = statuses(&after.value());
        assert_eq!(
            shown,
            ["1 superseded", "2 superseded", "3 failed", "4 superseded", "5 deployed"],
            "{}",
            done.report()
        );
    });
}

#[test]
fn an_install_that_is_undone_leaves_nothing() {
    on_real(|stage: &Stage| {
        let done = stage.run(|call| {
            call("helm::upgrade", upgrade(&json!({ "mode": "fast" })))?;
            call("k8s::get", json!({ "object": "configmap/none" }))
        });
        assert_eq!(done.exit_code(), 3, "{}", done.report());
        let left = stage.run(|call| {
            let maps =
                call("k8s::list", json!({ "kind": "cm", "labels": "app.kubernetes.io/managed-by=Helm" }))?;
            let secrets = call("k8s::list", json!({ "kind": "secrets", "labels": "owner=helm" }))?;
            Ok(json!([maps.as_array().unwrap().len(), secrets]))
        });
        assert_eq!(left.value(), json!([1, []]), "only what is to be kept stays: {}", done.report());
    });
}

#[test]
fn objects_of_others_are_not_taken_over() {
    on_real(|stage: &Stage| {
        let done = stage.run(|call| {
            let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "web" } });
            call("k8s::apply", json!({ "manifests": map }))?;
            let error = call("helm::upgrade", upgrade(&json!({}))).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict);
            Ok(error.message().into())
        });
        let message = done.value();
        let expected = format!(
            "configmap/web in {} exists and cannot be imported into the release `web`: its label \
             `app.kubernetes.io/managed-by` is missing",
            stage.namespace
        );
        assert!(message.as_str().unwrap().starts_with(&expected), "{message}");
    });
}

#[test]
fn helm_and_opsrun_go_on_where_the_other_left() {
    on_real(|stage: &Stage| {
        let Some(helm) = stage.helm() else { return };
        let helm = |arguments: &[&str]| helm.ok(arguments);
        let chart = format!("{}/{CHART}", env!("CARGO_MANIFEST_DIR"));
        stage.run(|call| call("helm::upgrade", upgrade(&json!({ "mode": "one" })))).value();
        let history = helm(&["history", "web", "--output", "json"]);
        assert!(history.contains("\"status\":\"deployed\""), "{history}");
        helm(&["upgrade", "web", &chart, "--set", "mode=two"]);
        stage.run(|call| call("helm::upgrade", upgrade(&json!({ "mode": "three" })))).value();
        helm(&["rollback", "web", "2"]);
        let done = stage.run(|call| {
            assert_eq!(call("k8s::get", json!({ "object": "cm/web" }))?["data"]["mode"], "two");
            call("helm::rollback", json!({ "release": "web", "to": 1 }))?;
            assert_eq!(call("k8s::get", json!({ "object": "cm/web" }))?["data"]["mode"], "one");
            call("helm::status", json!({ "release": "web" }))
        });
        let status = done.value();
        assert_eq!((&status["revision"], &status["values"]["mode"]), (&json!(5), &json!("one")));
        assert_eq!(helm(&["get", "manifest", "web"]).trim(), status["manifest"].as_str().unwrap().trim());
        assert!(helm(&["get", "values", "web"]).contains("mode: one"));
        helm(&["uninstall", "web"]);
        let gone = stage.run(|call| call("helm::status", json!({ "release": "web", "optional": true })));
        assert_eq!(gone.value(), Value::Null);
    });
}
