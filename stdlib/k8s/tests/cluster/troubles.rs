//! What a wait that fails tells, on a real node: which pod and container, why, its last log lines and events.

use opsrun_core::{Error, ErrorKind, Result, Span, Value};
use serde_json::{Value as Json, json};

use crate::stage::{Caller, Stage, on_a_node};

/// A pod whose only container runs this in a shell.
fn pod(name: &str, script: &str, more: &Json) -> Json {
    let mut container = json!({ "name": "app", "image": "opsrun.test/shell:1", "args": [script] });
    container.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name },
            "spec": { "terminationGracePeriodSeconds": 0, "containers": [container] } })
}

fn never(mut pod: Json) -> Json {
    pod["spec"]["restartPolicy"] = "Never".into();
    pod
}

fn deployment(name: &str, more: &Json) -> Json {
    json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name }, "spec": {
        "selector": { "matchLabels": { "app": name } },
        "template": { "metadata": { "labels": { "app": name } }, "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [{ "name": "app", "image": "opsrun.test/shell:1", "args": ["sleep 600"] }] } } } })
    .as_object()
    .cloned()
    .map(|mut object| {
        object["spec"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Json::from(object)
    })
    .unwrap()
}

/// Waits in vain, and expects the report to say all of this.
#[track_caller]
fn told(call: Caller<'_>, object: &str, within: u64, expected: &[&str]) -> Error {
    let error = call("k8s::wait", json!({ "object": object, "within": Span::from_secs(within).to_string() }))
        .unwrap_err();
    let report = error.report();
    for text in expected {
        assert!(report.contains(text), "{object}: `{text}` is not said by\n{report}");
    }
    error
}

fn on_a_stage(script: impl Fn(Caller<'_>) -> Result<()> + Sync) {
    on_a_node(|stage: &Stage| {
        let done = stage.run(|call| {
            // A pod is refused before the namespace has its own.
            call("k8s::wait", json!({ "object": "serviceaccount/default", "until": "exists" }))?;
            script(call).map(|()| Value::Null)
        });
        done.value();
    });
}

#[test]
fn a_container_that_ends_is_told_with_its_end_and_its_log() {
    let oom = never(pod(
        "greedy",
        "busybox dd if=/dev/zero of=/dev/null bs=200M count=1",
        // Without it, the pod is ready for a moment before it is killed.
        &json!({ "resources": { "limits": { "memory": "20Mi" } }, "readinessProbe": { "exec": { "command": ["busybox", "false"] } } }),
    ));
    let mut init = pod("prepared", "sleep 600", &json!({}));
    init["spec"]["initContainers"] = json!([{ "name": "prepare", "image": "opsrun.test/shell:1", "args": ["echo cannot reach the database; exit 2"] }]);
    on_a_stage(|call| {
        // As above.
        let unready = json!({ "readinessProbe": { "exec": { "command": ["busybox", "false"] } } });
        let crash = pod("crashing", "echo starting; echo FATAL no REDIS_URL; exit 3", &unready);
        call("k8s::apply", json!({ "manifests": [crash, oom, init] }))?;
        let error = told(
            call,
            "pod/greedy",
            30,
            &[
                "pod greedy, container app: it ended with code 137 (OOMKilled: it needed more memory than it may have, its limit is 20Mi)",
            ],
        );
        assert_eq!(error.kind(), ErrorKind::Failed);
        told(
            call,
            "pod/crashing",
            15,
            &[
                "pod/crashing in ",
                // Between two starts it has ended, or waits for the next one.
                "pod crashing, container app: ",
                "it ended with code 3 (Error)",
                "log: FATAL no REDIS_URL",
                "event: BackOff: Back-off restarting failed container app in pod crashing",
            ],
        );
        told(
            call,
            "pod/prepared",
            3,
            &[
                "pod prepared, init container prepare: ",
                "it ended with code 2 (Error)",
                "log: cannot reach the database",
            ],
        );
        Ok(())
    });
}

#[test]
fn a_container_that_cannot_start_is_told_with_what_it_lacks() {
    let key = json!({ "env": [{ "name": "MODE", "valueFrom": { "configMapKeyRef": { "name": "settings", "key": "mode" } } }] });
    let secret = json!({ "envFrom": [{ "secretRef": { "name": "none" } }] });
    let image = json!({ "image": "127.0.0.1:1/none:1" });
    let mut mount = pod(
        "mounting",
        "sleep 600",
        &json!({ "volumeMounts": [{ "name": "files", "mountPath": "/files" }] }),
    );
    mount["spec"]["volumes"] = json!([{ "name": "files", "configMap": { "name": "files" } }]);
    on_a_stage(|call| {
        let settings = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "settings" }, "data": { "other": "x" } });
        call(
            "k8s::apply",
            json!({ "manifests": [
            settings, pod("keyless", "sleep 600", &key), pod("secretless", "sleep 600", &secret),
            pod("imageless", "sleep 600", &image), mount,
        ] }),
        )?;
        told(
            call,
            "pod/keyless",
            5,
            &["pod keyless, container app: CreateContainerConfigError: couldn't find key mode in ConfigMap "],
        );
        told(
            call,
            "pod/secretless",
            3,
            &["pod secretless, container app: CreateContainerConfigError: secret \"none\" not found"],
        );
        told(
            call,
            "pod/imageless",
            3,
            &["pod imageless, container app: ", "ImagePull", "127.0.0.1:1/none:1"],
        );
        told(
            call,
            "pod/mounting",
            3,
            &[
                "pod mounting, container app: ContainerCreating",
                "FailedMount",
                "configmap \"files\" not found",
            ],
        );
        Ok(())
    });
}

#[test]
fn a_pod_that_no_node_takes_is_told_with_what_the_scheduler_says() {
    let cpu = json!({ "resources": { "requests": { "cpu": "1000" } } });
    let mut claiming =
        pod("claiming", "sleep 600", &json!({ "volumeMounts": [{ "name": "data", "mountPath": "/data" }] }));
    claiming["spec"]["volumes"] =
        json!([{ "name": "data", "persistentVolumeClaim": { "claimName": "data" } }]);
    let claim = json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "data" },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } } });
    let mut selective = pod("selective", "sleep 600", &json!({}));
    selective["spec"]["nodeSelector"] = json!({ "disk": "fast" });
    on_a_stage(|call| {
        call(
            "k8s::apply",
            json!({ "manifests": [pod("large", "sleep 600", &cpu), claiming, claim, selective] }),
        )?;
        told(
            call,
            "pod/large",
            3,
            &["pod large: Unschedulable: 0/1 nodes are available", "Insufficient cpu"],
        );
        told(
            call,
            "pod/selective",
            1,
            &["pod selective: Unschedulable: 0/1 nodes are available", "node affinity/selector"],
        );
        told(
            call,
            "pod/claiming",
            3,
            &[
                "pod claiming: Unschedulable",
                "persistentvolumeclaim/data: it is Pending; it names no storage class",
                "event: FailedBinding: no persistent volumes available for this claim and no storage class is set",
            ],
        );
        Ok(())
    });
}

#[test]
fn pods_that_are_not_ready_or_not_allowed_are_told_by_their_workload() {
    let mut probed = deployment("probed", &json!({}));
    probed["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] =
        json!({ "exec": { "command": ["sh", "-c", "echo still loading; exit 1"] }, "periodSeconds": 1 });
    probed["spec"]["template"]["spec"]["containers"][0]["args"] = json!(["echo listening; sleep 600"]);
    on_a_stage(|call| {
        call("k8s::apply", json!({ "manifests": [probed] }))?;
        told(
            call,
            "deployment/probed",
            6,
            &[
                "0 of 1 replicas are available",
                ", container app: it runs, but is not ready",
                "log: listening",
                "event: Unhealthy: Readiness probe failed: still loading",
            ],
        );
        let quota = json!({ "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "few" }, "spec": { "hard": { "pods": "1" } } });
        call("k8s::apply", json!({ "manifests": [quota, deployment("refused", &json!({}))] }))?;
        told(
            call,
            "deployment/refused",
            5,
            &[
                "deployment/refused: its pods cannot be created: pods \"refused-",
                "exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1",
            ],
        );
        Ok(())
    });
}

#[test]
fn what_belongs_to_a_custom_kind_tells_why_that_is_not_ready() {
    let definition = json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "shops.troubles.opsrun.test" }, "spec": {
            "group": "troubles.opsrun.test", "scope": "Namespaced",
            "names": { "kind": "Shop", "plural": "shops", "singular": "shop" },
            "versions": [{ "name": "v1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } } }] } });
    let shop = json!({ "apiVersion": "troubles.opsrun.test/v1", "kind": "Shop", "metadata": { "name": "main" },
        "status": { "conditions": [{ "type": "Ready", "status": "False", "message": "the server is not up" }] } });
    on_a_stage(|call| {
        call("k8s::apply", json!({ "manifests": [definition] }))?;
        call("k8s::apply", json!({ "manifests": [shop] }))?;
        call("k8s::patch", json!({ "object": "shop/main", "patch": { "status": shop["status"] } }))?;
        let owner = call("k8s::get", json!({ "object": "shop/main" }))?["metadata"]["uid"].clone();
        let mut server = deployment("shop-server", &json!({}));
        server["metadata"]["ownerReferences"] = json!([{ "apiVersion": "troubles.opsrun.test/v1", "kind": "Shop", "name": "main", "uid": owner, "controller": true }]);
        server["spec"]["template"]["spec"]["containers"][0]["args"] =
            json!(["echo FATAL out of stock; exit 9"]);
        call("k8s::apply", json!({ "manifests": [server] }))?;
        told(
            call,
            "shop/main",
            8,
            &[
                "shop/main in ",
                "the server is not up",
                ", container app: ",
                "it ended with code 9 (Error)",
                "log: FATAL out of stock",
            ],
        );
        call("k8s::delete", json!({ "object": "crd/shops.troubles.opsrun.test" }))?;
        Ok(())
    });
}
