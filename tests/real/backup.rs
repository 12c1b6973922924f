//! A namespace of a real cluster that is deleted comes back from its backup, and beside itself.
#![allow(clippy::disallowed_methods)] // a test

use std::path::Path;

use opsrun_tests::{Mode, Namespace, Opsrun, Program, RealCluster, skip};

const OBJECTS: &str = r#"
apiVersion: v1
kind: ServiceAccount
metadata: { name: web }
---
apiVersion: v1
kind: Secret
metadata: { name: database }
stringData: { password: kept-in-the-backup }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: settings, labels: { app: web } }
data: { mode: fast }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: { name: web }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view }
subjects: [{ kind: ServiceAccount, name: web, namespace: NAMESPACE }]
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  replicas: 2
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      serviceAccountName: web
      terminationGracePeriodSeconds: 1
      containers:
      - { name: web, image: "opsrun.test/web:1", readinessProbe: { httpGet: { port: 8080, path: /health }, periodSeconds: 1 } }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { type: NodePort, selector: { app: web }, ports: [{ port: 80, targetPort: 8080 }] }
---
apiVersion: batch/v1
kind: Job
metadata: { name: once }
spec:
  template:
    spec: { restartPolicy: Never, containers: [{ name: once, image: "opsrun.test/shell:1", args: ["true"] }] }
"#;

const PLAYBOOKS: [(&str, &str); 3] = [
    (
        "keep.rhai",
        r#"let namespace = param("namespace");
           backup::init();
           let made = backup::create(`namespace:${namespace}`);
           let good = backup::verify(made.snapshot, #{ assertions: #{ objects: ["Deployment/web", "Secret/database"] } });
           log(`${good.counts}`);"#,
    ),
    (
        "back.rhai",
        r#"let namespace = param("namespace");
           let to = param("to");
           let good = backup::latest_good(`namespace:${namespace}`);
           log(`${backup::restore(good.snapshot, #{ to: `namespace:${to}` }).done}`);"#,
    ),
    (
        "broken.rhai",
        r#"let made = backup::create(`namespace:${param("namespace")}`);
           backup::verify(made.snapshot, #{ assertions: #{ objects: ["Deployment/gone"] } });"#,
    ),
];

#[test]
fn a_deleted_namespace_comes_back_and_beside_itself() {
    let cluster = match RealCluster::shared(Mode::Node) {
        Ok(cluster) => cluster,
        Err(missing) => return skip(missing),
    };
    let namespace = cluster.namespace("kept");
    let name = namespace.name();
    let folder = tempfile::tempdir().expect("a folder");
    let opsrun = project(folder.path(), cluster);
    apply(folder.path(), &namespace);
    namespace.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"]).ok();
    namespace.kubectl(&["wait", "job/once", "--for=condition=complete", "--timeout=60s"]).ok();
    let before = objects(&namespace);

    let kept = opsrun.run(["keep.rhai", "--namespace", name]).with_code(0).to_string();
    assert!(kept.contains("\"objects of Deployment\": 1"), "{kept}");
    assert!(!kept.contains("objects of Pod") && !kept.contains("objects of Job"), "{kept}");
    let broken = opsrun.run(["broken.rhai", "--namespace", name]).with_code(3).to_string();
    assert!(broken.contains("`Deployment/gone`") && broken.contains("is not good"), "{broken}");
    let repository = walk(&folder.path().join("repository"));
    assert!(
        !repository.windows(18).any(|bytes| bytes == b"kept-in-the-backup"),
        "a Secret can be read there"
    );

    cluster.kubectl().run(["delete", "namespace", name, "--timeout=90s"]).ok();
    let back = opsrun.run(["back.rhai", "--namespace", name, "--to", name]).with_code(0).to_string();
    assert!(back.contains("\"created\""), "{back}");
    namespace.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"]).ok();
    assert_eq!(objects(&namespace), before);
    let again = opsrun.run(["back.rhai", "--namespace", name, "--to", name]).with_code(0).to_string();
    assert!(again.contains("\"changed\": 0") && again.contains("\"created\": 0"), "{again}");

    let beside = format!("{name}-beside");
    opsrun.run(["back.rhai", "--namespace", name, "--to", &beside]).with_code(0);
    let there = |query: &[&str]| cluster.kubectl().run([&["--namespace", &beside], query].concat()).ok();
    there(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    let subject = there(&["get", "rolebinding/web", "-o", "jsonpath={.subjects[0].namespace}"]);
    let password = there(&["get", "secret/database", "-o", "jsonpath={.data.password}"]);
    cluster.kubectl().run(["delete", "namespace", &beside, "--wait=false"]).ok();
    assert_eq!((subject.as_str(), password.as_str()), (beside.as_str(), "a2VwdC1pbi10aGUtYmFja3Vw"));
}

fn project(folder: &Path, cluster: &RealCluster) -> Program {
    let target = "[targets.here]\ngrants = [\"k8s\", \"file\", \"secret\"]\n\
                  [targets.here.backup.repositories.default]\nstore = \"folder:repository\"\npassword = \"env:BACKUP_PASSWORD\"\n";
    std::fs::write(folder.join("opsrun.toml"), target).expect("a file");
    for (name, text) in PLAYBOOKS {
        std::fs::write(folder.join(name), text).expect("a file");
    }
    let opsrun =
        Opsrun::program().env("KUBECONFIG", cluster.kubeconfig()).env("BACKUP_PASSWORD", "correct horse");
    opsrun.within(folder.to_owned()).trusting(".")
}

fn apply(folder: &Path, namespace: &Namespace) {
    let manifests = folder.join("objects.yaml");
    std::fs::write(&manifests, OBJECTS.replace("NAMESPACE", namespace.name())).expect("a file");
    namespace.kubectl(&["apply", "-f", manifests.to_str().expect("UTF-8")]).ok();
}

/// What there is to be kept, and how it is meant.
fn objects(namespace: &Namespace) -> String {
    let kinds = "serviceaccounts,secrets,configmaps,rolebindings,deployments,services";
    let columns = r#"jsonpath={range .items[*]}{.kind}/{.metadata.name} {.data} {.spec.replicas} {.spec.ports[0].port}{.spec.ports[0].nodePort} {.subjects}{"\n"}{end}"#;
    namespace.kubectl(&["get", kinds, "-o", columns]).ok()
}

/// The bytes of all files.
fn walk(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        bytes.extend(if path.is_dir() { walk(&path) } else { std::fs::read(path).expect("a file") });
    }
    bytes
}
