//! `deploy-prod` and `rollback` on the real node, with the real helm looking at, and acting on, the same release.

use opsrun_tests::{Mode, Opsrun, Outcome, Program, RealCluster, helm, kubectl, skip};

/// The namespace of the target `test` in `playbooks/opsrun.toml`.
const NAMESPACE: &str = "workflow-test";
const RELEASE: &str = "workflow-platform";

#[test]
fn a_release_is_installed_upgraded_and_taken_back_when_it_breaks() {
    let platform = match Platform::on_a_real_node() {
        Ok(platform) => platform,
        Err(missing) => return skip(missing),
    };

    platform.deploy("1.0.0").ok();
    assert_eq!(platform.versions(), ["1.0.0"; 3]);

    platform.deploy("1.1.0").ok();
    assert_eq!(platform.versions(), ["1.1.0"; 3]);
    assert_eq!(platform.history(), ["1 superseded", "2 deployed"]);

    let broken = platform.deploy("broken").with_code(3);
    for cause in ["workflow-platform-api", "fatal: DATABASE_URL has no host", "it ended with code 78"] {
        assert!(broken.to_string().contains(cause), "the error does not name `{cause}`\n{broken}");
    }
    assert_eq!(platform.versions(), ["1.1.0"; 3]);
    assert_eq!(platform.history().last().expect("a revision"), "4 deployed");

    let unmigrated = platform.deploy("bad-migration").with_code(3);
    let cause = r#"002_workflows: column "owner" exists"#;
    assert!(unmigrated.to_string().contains(cause), "the error does not name `{cause}`\n{unmigrated}");
    assert_eq!(platform.versions(), ["1.1.0"; 3]);

    // The real helm goes back on a release of ours, and ours on one of helm's.
    platform.helm(&["rollback", RELEASE, "1", "--wait", "--timeout", "90s"]).ok();
    assert_eq!(platform.versions(), ["1.0.0"; 3]);
    platform.opsrun("rollback", &["--revision", "2"]).ok();
    assert_eq!(platform.versions(), ["1.1.0"; 3]);
    assert!(platform.history().last().expect("a revision").ends_with("deployed"));
}

struct Platform {
    opsrun: Program,
    kubectl: Program,
    helm: Program,
}

impl Platform {
    fn on_a_real_node() -> Result<Self, opsrun_tests::Missing> {
        let cluster = RealCluster::shared(Mode::Node)?;
        let kubeconfig = Some(cluster.kubeconfig());
        Ok(Platform {
            opsrun: Opsrun::program().env("KUBECONFIG", cluster.kubeconfig()).trusting("playbooks"),
            kubectl: kubectl(kubeconfig)?,
            helm: helm(kubeconfig)?,
        })
    }

    fn deploy(&self, version: &str) -> Outcome {
        self.opsrun("deploy-prod", &["--environment", "test", "--version", version, "--observe", "2s"])
    }

    /// Runs a playbook on the target `test`, where users reach the servers from within their pods only.
    fn opsrun(&self, playbook: &str, parameters: &[&str]) -> Outcome {
        let playbook = format!("playbooks/{playbook}.rhai");
        self.opsrun.run([&[playbook.as_str(), "--target", "test", "--url", ""], parameters].concat())
    }

    fn helm(&self, arguments: &[&str]) -> Outcome {
        self.helm.run([&["--namespace", NAMESPACE], arguments].concat())
    }

    /// What runs: the tags of the three deployments' images, with every pod ready.
    fn versions(&self) -> Vec<String> {
        let columns = r#"jsonpath={range .items[*]}{.spec.template.spec.containers[0].image}{"\n"}{end}"#;
        let query = ["--namespace", NAMESPACE, "get", "deployments", "-o", columns];
        let images = self.kubectl.run(query).ok();
        images.lines().map(|image| image.rsplit(':').next().unwrap_or(image).to_owned()).collect()
    }

    /// The release's revisions, as the real helm sees them.
    fn history(&self) -> Vec<String> {
        let history = self.helm(&["history", RELEASE, "--output", "json"]).ok();
        let revisions: Vec<serde_json::Value> = serde_json::from_str(&history).expect("helm prints JSON");
        let shown = |revision: &serde_json::Value| {
            format!("{} {}", revision["revision"], revision["status"].as_str().unwrap_or_default())
        };
        revisions.iter().map(shown).collect()
    }
}
