//! Plans on a real cluster: the API server's own audit log says that it was read, and nothing else.
#![allow(clippy::disallowed_methods)] // a test

use opsrun_tests::{Mode, Opsrun, RealCluster, skip};

const POLICY: &str = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{ level: Metadata }]\n";

const CHART: [(&str, &str); 2] = [
    ("chart/Chart.yaml", "apiVersion: v2\nname: shop\nversion: 1.0.0\n"),
    (
        "chart/templates/all.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: shop }\nspec:\n  replicas: {{ .Values.replicas }}\n  \
         selector: { matchLabels: { app: shop } }\n  template:\n    metadata: { labels: { app: shop } }\n    \
         spec: { containers: [ { name: shop, image: shop } ] }\n---\napiVersion: v1\nkind: Service\n\
         metadata: { name: shop }\nspec: { selector: { app: shop }, ports: [ { port: 80 } ] }\n",
    ),
];

/// Everything that plans: a release, scaling, a Job, a rollout, plain objects, a kind of its own.
const PLAYBOOK: &str = r#"
step("release", || helm::upgrade("shop", "chart", #{ values: #{ replicas: 2 }, wait: 2.m }));
step("scale", || k8s::scale("deployment/shop", 3, #{ wait: 1.m }));
step("restart", || { k8s::rollout_restart("deployment/shop"); k8s::rollout_status("deployment/shop"); });
step("job", || k8s::run_job(`{ apiVersion: batch/v1, kind: Job, metadata: { name: task }, spec: { template: { spec: {
    restartPolicy: Never, containers: [ { name: task, image: task, command: ["true"] } ] } } } }`));
step("kinds", || k8s::apply(#{ file: "widget.yaml" }));
step("settings", || {
    k8s::apply("{ apiVersion: v1, kind: ConfigMap, metadata: { name: settings }, data: { mode: fast } }");
    k8s::delete("configmap/old");
});
"#;

const WIDGET: &str = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n\
    metadata: { name: widgets.example.test }\nspec:\n  group: example.test\n  scope: Namespaced\n  \
    names: { plural: widgets, singular: widget, kind: Widget, listKind: WidgetList }\n  versions:\n  \
    - name: v1\n    served: true\n    storage: true\n    \
    schema: { openAPIV3Schema: { type: object, x-kubernetes-preserve-unknown-fields: true } }\n---\n\
    apiVersion: example.test/v1\nkind: Widget\nmetadata: { name: one }\nspec: { size: 3 }\n";

#[test]
fn the_audit_log_of_a_real_api_server_has_only_reads_of_a_plan() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (policy, log) = (folder.path().join("policy.yaml"), folder.path().join("audit.log"));
    std::fs::write(&policy, POLICY).expect("it can be written to");
    let flags =
        [format!("--audit-policy-file={}", policy.display()), format!("--audit-log-path={}", log.display())];
    let cluster = match RealCluster::start(Mode::Node, &flags.each_ref().map(String::as_str)) {
        Ok(cluster) => cluster,
        Err(missing) => return skip(missing),
    };
    let namespace = cluster.namespace("planned");
    namespace.kubectl(&["wait", "serviceaccount/default", "--for=create", "--timeout=30s"]).ok();
    namespace.kubectl(&["create", "configmap", "old", "--from-literal=mode=slow"]).ok();
    std::fs::create_dir_all(folder.path().join("chart/templates")).expect("a folder can be made");
    for (name, text) in CHART.into_iter().chain([("plan.rhai", PLAYBOOK), ("widget.yaml", WIDGET)]) {
        std::fs::write(folder.path().join(name), text).expect("it can be written to");
    }
    let project = format!(
        "[targets.here]\ngrants = [\"k8s\", \"file read *\"]\nk8s = {{ namespace = \"{}\" }}\n",
        namespace.name()
    );
    std::fs::write(folder.path().join("opsrun.toml"), project).expect("it can be written to");
    let opsrun =
        Opsrun::program().env("KUBECONFIG", cluster.kubeconfig()).within(folder.path()).trusting(".");
    let said = opsrun.run(["plan", "plan.rhai"]).ok();
    for line in [
        "    + deployments {}/shop\n",
        "    + services {}/shop\n",
        "spec.replicas: 2 → 3",
        "    → 3 pods of deployments {}/shop would be replaced by 3\n",
        "    + jobs {}/task\n",
        "    + customresourcedefinitions widgets.example.test\n",
        "    + widgets {}/one\n",
        "    + configmaps {}/settings\n",
        "    - configmaps {}/old\n",
    ] {
        let line = line.replace("{}", namespace.name());
        assert!(said.contains(&line), "{line}\n{said}");
    }
    let log = std::fs::read_to_string(&log).expect("the audit log");
    let ours: Vec<serde_json::Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|event| event["userAgent"].as_str().is_some_and(|agent| agent.starts_with("opsrun")))
        .collect();
    assert!(ours.len() > 20, "the log names opsrun's requests: {}", ours.len());
    for event in &ours {
        let verb = event["verb"].as_str().unwrap_or_default();
        assert!(matches!(verb, "get" | "list" | "watch"), "{event}");
    }
    let still = namespace.kubectl(&["get", "configmaps,deployments,secrets,jobs", "-o", "name"]).ok();
    assert_eq!(
        still.lines().filter(|line| !line.contains("kube-root-ca")).collect::<Vec<_>>(),
        ["configmap/old"]
    );
}

#[test]
fn the_api_servers_own_dry_run_is_a_second_opinion() {
    let cluster = match RealCluster::shared(Mode::Node) {
        Ok(cluster) => cluster,
        Err(missing) => return skip(missing),
    };
    let namespace = cluster.namespace("opinion");
    // Admission that nobody can foresee who does not run it.
    let policy = format!(
        r#"{{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingAdmissionPolicy","metadata":{{"name":"no-forbidden-{0}"}},
        "spec":{{"failurePolicy":"Fail","matchConstraints":{{"resourceRules":[{{"apiGroups":[""],"apiVersions":["v1"],
        "operations":["CREATE"],"resources":["configmaps"]}}]}},"validations":[{{"expression":
        "object.metadata.name != 'forbidden'","message":"nobody may have this name"}}]}}}}"#,
        namespace.name()
    );
    let binding = format!(
        r#"{{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingAdmissionPolicyBinding","metadata":{{"name":"no-forbidden-{0}"}},
        "spec":{{"policyName":"no-forbidden-{0}","validationActions":["Deny"],"matchResources":{{"namespaceSelector":
        {{"matchLabels":{{"kubernetes.io/metadata.name":"{0}"}}}}}}}}}}"#,
        namespace.name()
    );
    for object in [policy, binding] {
        cluster.kubectl().run_with_input(["create", "-f", "-"], &object).ok();
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let playbook = "k8s::apply(\"{ apiVersion: v1, kind: ConfigMap, metadata: { name: forbidden } }\");\n";
    std::fs::write(folder.path().join("one.rhai"), playbook).expect("it can be written to");
    let project =
        format!("[targets.here]\ngrants = [\"k8s\"]\nk8s = {{ namespace = \"{}\" }}\n", namespace.name());
    std::fs::write(folder.path().join("opsrun.toml"), project).expect("it can be written to");
    let opsrun =
        Opsrun::program().env("KUBECONFIG", cluster.kubeconfig()).within(folder.path()).trusting(".");
    assert!(!opsrun.run(["plan", "one.rhai"]).ok().contains("nobody may have this name"));
    // A policy takes a moment to come into force.
    let mut said = String::new();
    for _ in 0..50 {
        said = opsrun.run(["plan", "one.rhai", "--server"]).ok();
        if said.contains("nobody may have this name") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    assert!(
        said.contains("the API server's dry run refuses `k8s patch configmaps/forbidden in opinion"),
        "{said}"
    );
    assert!(said.contains("nobody may have this name"), "{said}");
}
