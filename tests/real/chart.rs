//! The shipped chart, as the real helm sees it: sound in every environment, and running on the real node.

use opsrun_tests::{Mode, RealCluster, helm, repository, skip};

#[test]
fn the_chart_passes_strict_lint_in_every_environment() {
    let helm = match helm(None) {
        Ok(helm) => helm.within(repository("playbooks/workflow-platform")),
        Err(missing) => return skip(missing),
    };
    for environment in ["prod", "staging", "test"] {
        helm.run(["lint", "--strict", "chart", "--values", &format!("values-{environment}.yaml")]).ok();
    }
}

#[test]
fn the_schema_names_a_value_that_does_not_exist() {
    let helm = match helm(None) {
        Ok(helm) => helm.within(repository("playbooks/workflow-platform")),
        Err(missing) => return skip(missing),
    };
    let refused = helm.run(["template", "chart", "--set", "image.tga=1.1.0"]).with_code(1);
    assert!(refused.stderr.contains("additional properties 'tga' not allowed"), "{refused}");
}

#[test]
fn the_platform_runs_and_migrates_on_the_real_node() {
    let cluster = match RealCluster::shared(Mode::Node) {
        Ok(cluster) => cluster,
        Err(missing) => return skip(missing),
    };
    let helm = match cluster.helm() {
        Ok(helm) => helm.within(repository("playbooks/workflow-platform")),
        Err(missing) => return skip(missing),
    };
    let namespace = cluster.namespace("platform");
    let release =
        ["workflow-platform", "chart", "--namespace", namespace.name(), "--values", "values-test.yaml"];
    helm.run([&["install"], &release[..], &["--wait", "--timeout", "90s"]].concat()).ok();

    let pods = namespace
        .kubectl(&["get", "pods", "-o", "jsonpath={.items[*].status.containerStatuses[*].ready}"])
        .ok();
    assert!(!pods.is_empty() && !pods.contains("false"), "{pods}");
    namespace.kubectl(&["create", "job", "migrate", "--from=cronjob/workflow-platform-migrations"]).ok();
    namespace.kubectl(&["wait", "--for=condition=complete", "job/migrate", "--timeout=60s"]).ok();
    let migrated = namespace.kubectl(&["logs", "job/migrate"]).ok();
    assert_eq!(migrated, "applied 001_accounts\napplied 002_workflows\napplied 003_runs\n");
}
