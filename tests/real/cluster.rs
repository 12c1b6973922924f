//! The real cluster itself: that it comes up with a node, and that nothing of it stays.

use opsrun_tests::{Missing, Mode, RealCluster, skip};

#[test]
fn a_pod_runs_and_answers_on_the_real_node() {
    let cluster = match RealCluster::shared(Mode::Node) {
        Ok(cluster) => cluster,
        Err(missing) => return skip(missing),
    };
    let namespace = cluster.namespace("pod");
    namespace.kubectl(&["create", "deployment", "web", "--image=opsrun.test/workflow/app:1.0.0"]).ok();
    namespace.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"]).ok();
    let answer =
        namespace.kubectl(&["exec", "deployment/web", "--", "wget", "-qO-", "http://127.0.0.1:8080/version"]);
    assert_eq!(answer.ok(), "1.0.0\n");
}

#[test]
fn a_dropped_cluster_is_gone() {
    let (kubeconfig, kubectl) = match short_lived() {
        Ok(gone) => gone,
        Err(missing) => return skip(missing),
    };
    assert!(!kubeconfig.exists(), "its data folder is still there");
    kubectl.run(["get", "namespaces", "--request-timeout=1s"]).with_code(1);
}

fn short_lived() -> Result<(std::path::PathBuf, opsrun_tests::Program), Missing> {
    let cluster = RealCluster::start(Mode::Api, &["--audit-log-path=-"])?;
    cluster.kubectl().run(["get", "namespaces"]).ok();
    Ok((cluster.kubeconfig().to_owned(), cluster.kubectl().clone()))
}
