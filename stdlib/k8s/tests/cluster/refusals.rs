//! What primitives say of what cannot be done, in the same words on the simulated cluster and on a real API server.

use opsrun_core::{Error, ErrorKind, Result, Value};
use serde_json::{Value as Json, json};

use crate::stage::{Caller, Stage, on_each};

const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, labels: { app: web } }
spec:
  replicas: 1
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: app, image: 'opsrun.test/web:1' }] }
";

fn on_a_stage(script: impl Fn(Caller<'_>) -> Result<()> + Sync) {
    on_each(|stage: &Stage| {
        stage.run(|call| script(call).map(|()| Value::Null)).value();
    });
}

#[track_caller]
fn refused(call: Caller<'_>, path: &str, arguments: Json, kind: ErrorKind, expected: &str) -> Error {
    let error = call(path, arguments).unwrap_err();
    let report = error.report();
    assert_eq!(error.kind(), kind, "{report}");
    assert!(report.contains(expected), "`{expected}` is not said by\n{report}");
    error
}

#[test]
fn what_names_no_object_is_told_with_how_to_name_one() {
    on_a_stage(|call| {
        let get = |object: &str, kind, expected| {
            refused(call, "k8s::get", json!({ "object": object }), kind, expected)
        };
        get(
            "deploymnt/web",
            ErrorKind::NotFound,
            "the cluster has no kind `deploymnt`\n  hint: did you mean `deployment`?",
        );
        get(
            "deployment",
            ErrorKind::Invalid,
            "`deployment` names a kind, but no object of it\n  hint: write it like `deployment/NAME`",
        );
        get("deployment/web", ErrorKind::NotFound, "deployment/web in ");
        refused(
            call,
            "k8s::list",
            json!({ "kind": "pods/x" }),
            ErrorKind::Invalid,
            "takes a kind, not the object `pods/x`",
        );
        for path in ["k8s::delete", "k8s::wait"] {
            let both = json!({ "object": "pod/x", "labels": "a=b" });
            refused(call, path, both, ErrorKind::Invalid, "takes a name or `labels`, not both");
        }
        let both = json!({ "object": "pod/x", "labels": "a=b" });
        refused(call, "k8s::logs", both, ErrorKind::Invalid, "give a name or labels, not both");
        refused(
            call,
            "k8s::delete",
            json!({ "object": "pods", "labels": "" }),
            ErrorKind::Invalid,
            "it selects everything",
        );
        Ok(())
    });
}

#[test]
fn manifests_that_cannot_be_meant_are_refused_before_anything_is_sent() {
    on_a_stage(|call| {
        let twice = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\n";
        let apply = |manifests: Json, expected| {
            refused(call, "k8s::apply", json!({ "manifests": manifests }), ErrorKind::Invalid, expected)
        };
        apply(twice.into(), "the ConfigMap `a` is given twice: only one of them can be meant");
        apply("kind: [".into(), "cannot be read");
        apply(
            json!([{ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "generateName": "a-" } }]),
            "has no `metadata.name`",
        );
        refused(
            call,
            "k8s::apply",
            json!({ "manifests": { "apiVersion": "shop.test/v1", "kind": "Order", "metadata": { "name": "a" } } }),
            ErrorKind::NotFound,
            "the cluster has no kind `Order` of `shop.test/v1`",
        );
        refused(
            call,
            "k8s::apply",
            json!({ "manifests": { "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" } }, "namespace": "not-there" }),
            ErrorKind::NotFound,
            "applying configmap/a in not-there: namespaces \"not-there\" not found",
        );
        let found = call("k8s::list", json!({ "kind": "configmaps", "fields": "metadata.name=a" }))?;
        assert_eq!(found, json!([]));
        Ok(())
    });
}

#[test]
fn an_object_that_the_server_finds_wrong_is_told_field_by_field() {
    on_a_stage(|call| {
        let wrong = WEB.replace("name: app,", "name: App_,").replace("replicas: 1", "replicas: -1");
        let error = refused(
            call,
            "k8s::apply",
            json!({ "manifests": wrong }),
            ErrorKind::Failed,
            "applying deployment/web in ",
        );
        let details = error.details().join("\n");
        assert!(
            details.contains("spec.replicas: ")
                && details.contains("spec.template.spec.containers[0].name: "),
            "{details}"
        );
        assert_eq!(error.data_value()["code"], 422);
        Ok(())
    });
}

#[test]
fn objects_of_a_new_namespace_are_applied_with_it_in_any_order() {
    on_each(|stage: &Stage| {
        let name = format!("opsrun-order-{}", std::process::id());
        let done = stage.run(|call| {
            let manifests = format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: a, namespace: {name} }}\n---\napiVersion: v1\nkind: Namespace\n\
                 metadata: {{ name: {name} }}\n"
            );
            let result = call("k8s::apply", json!({ "manifests": manifests }))?;
            let order: Vec<_> = result["objects"].as_array().unwrap().iter().map(|object| object["object"].clone()).collect();
            assert_eq!(order, ["configmap/a", &format!("namespace/{name}")], "they are told in the order given");
            call("k8s::delete", json!({ "object": format!("namespace/{name}"), "wait": "0s" }))
        });
        done.value();
    });
}

#[test]
fn each_kind_of_patch_does_what_it_says() {
    on_a_stage(|call| {
        call("k8s::apply", json!({ "manifests": WEB }))?;
        let patch = |patch: Json, kind: &str| {
            call("k8s::patch", json!({ "object": "deploy/web", "patch": patch, "type": kind }))
        };
        let containers =
            |object: &Json| object["spec"]["template"]["spec"]["containers"].as_array().unwrap().len();
        let second = json!({ "spec": { "template": { "spec": { "containers": [{ "name": "second", "image": "opsrun.test/web:2" }] } } } });
        assert_eq!(
            containers(&patch(second.clone(), "strategic")?),
            2,
            "strategic merges lists by their keys"
        );
        assert_eq!(containers(&patch(second, "merge")?), 1, "merge replaces lists");
        let replicas = patch(json!([{ "op": "replace", "path": "/spec/replicas", "value": 3 }]), "json")?;
        assert_eq!(replicas["spec"]["replicas"], 3);
        let wrong = json!([{ "op": "test", "path": "/spec/replicas", "value": 7 }, { "op": "remove", "path": "/spec/replicas" }]);
        assert!(patch(wrong, "json").is_err());
        for (body, kind, expected) in [
            (json!({ "spec": {} }), "json", "a JSON patch is an array of operations"),
            (
                json!([]),
                "merge",
                "expected a map\n  hint: an array of operations is a patch of `type: \"json\"`",
            ),
            (json!({}), "other", "unknown variant `other`, expected one of `merge`, `strategic`, `json`"),
        ] {
            let report = patch(body, kind).unwrap_err().report();
            assert!(report.contains(expected), "{report}");
        }
        Ok(())
    });
}

#[test]
fn what_has_no_replicas_or_no_rollout_is_told() {
    on_a_stage(|call| {
        call(
            "k8s::apply",
            json!({ "manifests": [WEB, { "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" } }] }),
        )?;
        let invalid =
            |path: &str, arguments, expected| refused(call, path, arguments, ErrorKind::Invalid, expected);
        invalid(
            "k8s::scale",
            json!({ "workload": "cm/a", "replicas": 2 }),
            "a configmap has no replicas to scale",
        );
        for path in ["k8s::rollout_status", "k8s::rollout_restart", "k8s::rollout_undo"] {
            invalid(
                path,
                json!({ "workload": "cm/a" }),
                "configmap/a has no rollout\n  hint: Deployments, StatefulSets and DaemonSets have",
            );
        }
        invalid("k8s::job_from_cronjob", json!({ "cronjob": "deploy/web" }), "deployment/web is no CronJob");
        invalid("k8s::run_job", json!({ "manifest": WEB }), "`k8s::run_job` takes a Job, not a Deployment");
        call("k8s::patch", json!({ "object": "deploy/web", "patch": { "spec": { "paused": true } } }))?;
        refused(
            call,
            "k8s::rollout_restart",
            json!({ "workload": "deploy/web" }),
            ErrorKind::Conflict,
            "is paused: its pods would stay as they are\n  hint: let it go on first: `k8s::patch(\"deployment/web\", #{ spec: #{ paused: false } })`",
        );
        Ok(())
    });
}

#[test]
fn a_wait_that_ends_in_vain_says_what_there_is_instead() {
    on_a_stage(|call| {
        let held = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "held", "finalizers": ["shop.test/guard"] }, "data": { "a": "1" } });
        call("k8s::apply", json!({ "manifests": held }))?;
        let wait = |until: &str, expected: &str| {
            let arguments = json!({ "object": "cm/held", "until": until, "within": "1s" });
            refused(call, "k8s::wait", arguments, ErrorKind::Timeout, expected);
        };
        wait(".data.a=2", "is not `.data.a=2` after 1s: `.data.a` is `1`");
        wait(".data.b", "is not `.data.b` after 1s: it has no `.data.b` yet");
        wait("condition=Ready", "is not `Ready` after 1s: it has no condition `Ready` yet");
        wait("deleted", "is still there after 1s");
        refused(
            call,
            "k8s::wait",
            json!({ "object": "cm/none", "until": "exists", "within": "1s" }),
            ErrorKind::Timeout,
            "it does not exist",
        );
        refused(
            call,
            "k8s::wait",
            json!({ "object": "cm/held", "until": "Ready" }),
            ErrorKind::Invalid,
            "`Ready` is nothing to wait for: write `ready`",
        );
        refused(
            call,
            "k8s::wait",
            json!({ "object": "cm", "labels": "a=none" }),
            ErrorKind::NotFound,
            "no configmap has the labels `a=none`",
        );
        let gone = json!({ "object": "cm/held", "wait": "1s" });
        refused(call, "k8s::delete", gone, ErrorKind::Timeout, "held by the finalizers `shop.test/guard`");
        call("k8s::patch", json!({ "object": "cm/held", "patch": { "metadata": { "finalizers": null } } }))?;
        call("k8s::wait", json!({ "object": "cm/held", "until": "deleted", "within": "10s" }))?;
        Ok(())
    });
}

#[test]
fn a_diff_of_a_secret_shows_its_keys_and_never_its_values() {
    on_a_stage(|call| {
        let secret = |data: Json| {
            json!({ "apiVersion": "v1", "kind": "Secret", "stringData": data, "metadata": { "name": "keys",
            "annotations": { "kubectl.kubernetes.io/last-applied-configuration": data.to_string() } } })
        };
        let before = secret(json!({ "a": "hunter2-before", "same": "unchanging" }));
        let first = call("k8s::diff", json!({ "manifests": before }))?;
        call("k8s::apply", json!({ "manifests": before }))?;
        let after = secret(json!({ "a": "hunter2-after", "b": "hunter2-new", "same": "unchanging" }));
        let second = call("k8s::diff", json!({ "manifests": after }))?;
        for diff in [&first, &second] {
            assert_eq!(diff["changed"], true);
            let text = diff.to_string();
            assert!(!text.contains("hunter2") && !text.contains("aHVudGVyMi"), "{text}");
        }
        let text = second["objects"][0]["diff"].as_str().unwrap();
        assert!(text.contains("-  a: (hidden)\n+  a: (hidden, differs)\n+  b: (hidden, differs)\n   same: (hidden, the same)"), "{text}");
        Ok(())
    });
}

#[test]
fn a_job_of_a_name_that_is_taken_is_not_run() {
    on_a_stage(|call| {
        let job = json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "once" }, "spec": { "suspend": true, "template": {
            "spec": { "restartPolicy": "Never", "containers": [{ "name": "main", "image": "opsrun.test/shell:1", "args": ["true"] }] } } } });
        call("k8s::apply", json!({ "manifests": job }))?;
        refused(
            call,
            "k8s::run_job",
            json!({ "manifest": job }),
            ErrorKind::Conflict,
            "exists already\n  hint: delete it first, or use `generateName`",
        );
        refused(
            call,
            "k8s::wait",
            json!({ "object": "job/once", "within": "1s" }),
            ErrorKind::Timeout,
            "it is suspended (`spec.suspend`)",
        );
        Ok(())
    });
}
