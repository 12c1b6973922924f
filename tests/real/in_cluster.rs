//! A playbook that runs as a pod of the cluster that it acts on: with the pod's own service account, and nothing else.

use opsrun_tests::{Mode, Namespace, Opsrun, RealCluster, skip};

const PROJECT: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: { name: project }
data:
  opsrun.toml: |
    [targets.here]
  grants.toml: |
    [targets.here]
    grants = ["k8s"]
  look.rhai: |
    log(`in ${k8s::get("configmap/project").metadata.namespace}`);
    try { k8s::list("secrets"); } catch (error) { log(error.message); }
"#;

#[test]
fn a_playbook_in_a_pod_asks_its_own_cluster_as_the_pods_service_account() {
    let cluster = match RealCluster::shared(Mode::Node) {
        Ok(cluster) => cluster,
        Err(missing) => return skip(missing),
    };
    let namespace = cluster.namespace("inside");
    let account = format!("--serviceaccount={}:default", namespace.name());
    namespace.kubectl(&["create", "rolebinding", "default", "--clusterrole=view", &account]).ok();
    apply(cluster, &namespace, PROJECT);
    namespace.kubectl(&["wait", "serviceaccount/default", "--for=create", "--timeout=30s"]).ok();
    apply(cluster, &namespace, &pod());
    namespace.kubectl(&["wait", "pod/run", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s"]).ok();
    let said = namespace.kubectl(&["logs", "run"]).ok();
    let name = namespace.name();
    assert!(said.contains(&format!("in {name}\n")), "{said}");
    let forbidden =
        format!("secrets is forbidden: User \"system:serviceaccount:{name}:default\" cannot list resource");
    assert!(said.contains(&forbidden), "{said}");
}

/// The program and the libraries of this machine, in an image that has neither.
fn pod() -> String {
    let program = Opsrun::path();
    let folder = program.parent().expect("it is in a folder").display();
    let host = |name: &str, path: &str| format!("  - {{ name: {name}, hostPath: {{ path: {path} }} }}\n");
    let mount =
        |name: &str, path: &str| format!("    - {{ name: {name}, mountPath: {path}, readOnly: true }}\n");
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{ name: run }}\nspec:\n  restartPolicy: Never\n  containers:\n  - name: run\n    \
         image: opsrun.test/shell:1\n    args: ['cd /project && HOME=/tmp /opsrun/opsrun look.rhai --grants grants.toml']\n    volumeMounts:\n{}{}{}{}  \
         volumes:\n  - {{ name: project, configMap: {{ name: project }} }}\n{}{}{}",
        mount("project", "/project"),
        mount("program", "/opsrun"),
        mount("lib", "/lib"),
        mount("lib64", "/lib64"),
        host("program", &folder.to_string()),
        host("lib", "/lib"),
        host("lib64", "/lib64"),
    )
}

fn apply(cluster: &RealCluster, namespace: &Namespace<'_>, manifest: &str) {
    cluster.kubectl().run_with_input(["apply", "--namespace", namespace.name(), "-f", "-"], manifest).ok();
}
