//! What the primitives do, on the simulated cluster and, where one can be started, on a real API server.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // tests

mod credentials;
mod refusals;
mod server;
mod stage;
mod troubles;

use opsrun_core::{ErrorKind, Value};
use serde_json::json;
use stage::{Stage, on_a_node, on_each};

fn settings(mode: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "settings" }, "data": { "mode": mode } })
}

const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  replicas: 2
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { terminationGracePeriodSeconds: 1, containers: [{ name: app, image: 'opsrun.test/web:1' }] }
";

#[test]
fn an_apply_says_what_it_changed() {
    on_each(|stage: &Stage| {
        let done = stage.run(|call| {
            let mut changes = Vec::new();
            for mode in ["fast", "fast", "slow"] {
                let result = call("k8s::apply", json!({ "manifests": settings(mode) }))?;
                changes.push(result["objects"][0]["change"].clone());
            }
            Ok(changes.into())
        });
        assert_eq!(done.value(), json!(["created", "unchanged", "changed"]));
    });
}

#[test]
fn a_failed_run_leaves_every_object_as_it_was() {
    on_each(|stage: &Stage| {
        stage.run(|call| {
            call("k8s::apply", json!({ "manifests": [settings("fast"), DEPLOYMENT] }))?;
            call("k8s::apply", json!({ "manifests": { "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "old" }, "data": { "key": "dmFsdWU=" } } }))
        }).value();
        let before = stage.objects();
        let done = stage.run(|call| {
            call("k8s::apply", json!({ "manifests": [settings("slow"), DEPLOYMENT.replace("web:1", "web:2"),
                { "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "new" } }] }))?;
            call("k8s::scale", json!({ "workload": "deploy/web", "replicas": 5 }))?;
            call("k8s::patch", json!({ "object": "cm/settings", "patch": { "metadata": { "labels": { "a": "b" } }, "data": { "mode": null } } }))?;
            call("k8s::rollout_restart", json!({ "workload": "deployment/web" }))?;
            call("k8s::delete", json!({ "object": "secret/old" }))?;
            call("k8s::get", json!({ "object": "configmap/none" }))
        });
        assert_eq!(done.exit_code(), 3, "{}", done.report());
        assert_eq!(stage.objects(), before, "{}", done.report());
    });
}

#[test]
fn a_conflict_names_manager_and_field_and_force_takes_over() {
    on_each(|stage: &Stage| {
        let done = stage.run(|call| {
            call("k8s::apply", json!({ "manifests": settings("fast") }))?;
            call("k8s::patch", json!({ "object": "cm/settings", "patch": { "metadata": { "managedFields": [
                { "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": { "f:data": { "f:mode": {} } }, "manager": "kubectl", "operation": "Apply" }
            ] } } }))?;
            let error = call("k8s::apply", json!({ "manifests": settings("slow") })).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict);
            assert_eq!(error.details(), ["`.data.mode` is managed by `kubectl`"]);
            call("k8s::apply", json!({ "manifests": settings("slow"), "force": true }))
        });
        assert_eq!(done.value()["changed"], 1);
    });
}

#[test]
fn a_diff_shows_what_would_change_and_changes_nothing() {
    on_each(|stage: &Stage| {
        let done = stage.run(|call| {
            call("k8s::apply", json!({ "manifests": settings("fast") }))?;
            let diff = call("k8s::diff", json!({ "manifests": settings("slow") }))?;
            let now = call("k8s::get", json!({ "object": "cm/settings" }))?;
            assert_eq!(now["data"]["mode"], "fast");
            Ok(diff)
        });
        let diff = done.value();
        let text = diff["objects"][0]["diff"].as_str().unwrap();
        assert!(text.contains("-  mode: fast\n+  mode: slow"), "{text}");
    });
}

#[test]
fn a_new_kind_can_be_used_at_once() {
    let definition = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: widgets.opsrun.test }
spec:
  group: opsrun.test
  scope: Namespaced
  names: { kind: Widget, plural: widgets, singular: widget }
  versions:
  - name: v1
    served: true
    storage: true
    schema: { openAPIV3Schema: { type: object, x-kubernetes-preserve-unknown-fields: true } }
---
apiVersion: opsrun.test/v1
kind: Widget
metadata: { name: first }
spec: { size: 3 }
";
    on_each(|stage: &Stage| {
        let done = stage.run(|call| {
            call("k8s::apply", json!({ "manifests": definition }))?;
            let widget = call("k8s::get", json!({ "object": "widgets.opsrun.test/first" }))?;
            call("k8s::wait", json!({ "object": "widget/first", "until": ".spec.size=3" }))?;
            call("k8s::delete", json!({ "object": "crd/widgets.opsrun.test" }))?;
            Ok(widget)
        });
        assert_eq!(done.value()["spec"]["size"], 3);
    });
}

#[test]
fn many_objects_are_listed_page_by_page() {
    on_each(|stage: &Stage| {
        let many: Vec<Value> = (0..60)
            .map(|n| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": format!("m{n:02}"), "labels": { "set": "many" } } }))
            .collect();
        let done = stage.run(|call| {
            call("k8s::apply", json!({ "manifests": many }))?;
            let found = call("k8s::list", json!({ "kind": "configmaps", "labels": { "set": "many" } }))?;
            call("k8s::delete", json!({ "object": "configmaps", "labels": "set=many" }))?;
            Ok(found.as_array().unwrap().len().into())
        });
        assert_eq!(done.value(), 60);
    });
}

#[test]
fn a_rollout_a_job_and_a_command_run_and_a_broken_one_names_its_pod() {
    let job = |command: &str| {
        json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": { "generateName": "migrate-" }, "spec": {
            "backoffLimit": 0, "template": { "spec": { "restartPolicy": "Never", "containers": [
                { "name": "main", "image": "opsrun.test/shell:1", "args": [command] }] } } } })
    };
    on_a_node(|stage: &Stage| {
        let done = stage.run(|call| {
            call("k8s::apply", json!({ "manifests": DEPLOYMENT, "wait": "2m" }))?;
            call("k8s::scale", json!({ "workload": "deploy/web", "replicas": 1, "wait": "2m" }))?;
            call("k8s::rollout_restart", json!({ "workload": "deploy/web", "wait": "2m" }))?;
            let back = call("k8s::rollout_undo", json!({ "workload": "deploy/web", "wait": "2m" }))?;
            assert_eq!(back["revision"], 3);
            let said = call(
                "k8s::exec",
                json!({ "object": "deploy/web", "command": "cat; exit 3", "stdin": "hello", "check": false }),
            )?;
            assert_eq!(said, json!({ "code": 3, "stdout": "hello", "stderr": "" }));
            call("k8s::logs", json!({ "object": "deploy/web", "tail": 5 }))?;
            let job_done = call("k8s::run_job", json!({ "manifest": job("echo migrated") }))?;
            assert_eq!((&job_done["succeeded"], &job_done["log"]), (&json!(1), &json!("migrated\n")));
            let failed =
                call("k8s::run_job", json!({ "manifest": job("echo no such table; exit 4") })).unwrap_err();
            let report = failed.report();
            assert!(report.contains("container main: it ended with code 4 (Error)"), "{report}");
            assert!(report.contains("log: no such table"), "{report}");
            let broken = DEPLOYMENT.replace("opsrun.test/web:1", "127.0.0.1:1/none:1");
            let error =
                call("k8s::apply", json!({ "manifests": broken, "wait": "10s", "force": true })).unwrap_err();
            let report = error.report();
            assert!(report.contains("container app: ") && report.contains("Pull"), "{report}");
            Err(error)
        });
        assert_eq!(done.exit_code(), 3, "{}", done.report());
    });
}
