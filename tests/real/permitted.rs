//! `deploy-prod` on the real node as an account that may do what `opsrun grants` found out, and nothing else.
#![allow(clippy::disallowed_methods)] // writes the files of a project

use std::path::Path;
use std::process::Command;

use opsrun_tests::{Missing, Mode, Opsrun, Outcome, Program, RealCluster, repository, skip};
use tempfile::TempDir;

/// As the target `test`, in a namespace of its own.
const NAMESPACE: &str = "workflow-permitted";

/// A cluster where nothing has been deployed yet, with the images of `tests/servers/images`.
const ESTATE: &str = r#"
k8s:
  images:
    - match: "*"
      present: true
      commands: { "/bin/migrate": { output: "done" }, "wget *": { output: "ok" } }
"#;

/// One where no server comes up, and it is looked why.
const BROKEN: &str = r#"
k8s:
  images:
    - { match: "*", present: true, crash: { after: 1s, exit: 78, log: ["fatal: no host"] } }
"#;

#[test]
fn deploying_needs_what_was_found_out_and_nothing_else() {
    let project = match Project::on_a_real_node() {
        Ok(project) => project,
        Err(missing) => return skip(missing),
    };
    let rbac = project.needs();
    project.admin.run_with_input(["apply", "-f", "-"], &rbac).ok();

    project.deploy("1.0.0").ok();
    project.deploy("1.1.0").ok();
    let broken = project.deploy("broken").with_code(3);
    assert!(broken.to_string().contains("fatal: DATABASE_URL has no host"), "{broken}");

    // Without one of its rules it does not work, and says which one that is.
    let rule = rbac.lines().find(|line| line.contains("[services]")).expect("it applies services");
    assert!(rule.contains("patch"), "{rule}");
    project.admin.run_with_input(["apply", "-f", "-"], &rbac.replace(&format!("{rule}\n"), "")).ok();
    let denied = project.deploy("1.1.0");
    assert!(matches!(denied.code, Some(1 | 3)), "{denied}");
    let said = denied.to_string();
    assert!(said.contains("User \"system:serviceaccount:workflow-permitted:opsrun\" cannot"), "{said}");
    let need = "with RBAC: { apiGroups: [\"\"], resources: [services], resourceNames: [";
    assert!(said.contains(need) && said.contains("in a Role of `workflow-permitted`"), "{said}");
    assert!(said.contains("--> playbooks/deploy-prod.rhai:"), "{said}");
}

/// The playbooks with a target for this test, and the account that they run as.
struct Project {
    _folder: TempDir,
    opsrun: Program,
    admin: Program,
}

impl Project {
    fn on_a_real_node() -> Result<Self, Missing> {
        let cluster = RealCluster::shared(Mode::Node)?;
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let copied = Command::new("cp").arg("-r").arg(repository("playbooks")).arg(folder.path()).status();
        assert!(copied.expect("cp runs").success());
        let target = format!("[targets.test]\nk8s = {{ namespace = \"{NAMESPACE}\" }}\n");
        write(folder.path(), "playbooks/opsrun.toml", &target);
        write(folder.path(), "estate.yaml", ESTATE);
        write(folder.path(), "broken.yaml", BROKEN);
        let admin = cluster.kubectl().clone();
        admin.run(["create", "namespace", NAMESPACE]).ok();
        admin.run(["create", "serviceaccount", "opsrun", "--namespace", NAMESPACE]).ok();
        let token = admin.run(["create", "token", "opsrun", "--namespace", NAMESPACE]).ok();
        let kubeconfig = folder.path().join("kubeconfig");
        std::fs::copy(cluster.kubeconfig(), &kubeconfig).expect("the kubeconfig is there");
        let account = admin.clone().env("KUBECONFIG", &kubeconfig);
        account.run(["config", "set-credentials", "opsrun", "--token", token.trim()]).ok();
        account.run(["config", "set-context", "--current", "--user", "opsrun"]).ok();
        account.run(["get", "secrets", "--namespace", NAMESPACE]).with_code(1);
        let opsrun = Opsrun::program().within(folder.path()).env("KUBECONFIG", kubeconfig);
        Ok(Project { _folder: folder, opsrun, admin })
    }

    /// What was found out, on a cluster where it is installed and then upgraded, and on one where it fails.
    fn needs(&self) -> String {
        let estates = ["--estate", "estate.yaml", "--estate", "broken.yaml"];
        self.playbook(&["grants"], &[&["--format", "rbac"], &estates[..]].concat()).ok()
    }

    /// Our own gate lets everything through.
    fn deploy(&self, version: &str) -> Outcome {
        self.playbook(&["run"], &["--version", version, "--allow", "k8s"])
    }

    fn playbook(&self, command: &[&str], words: &[&str]) -> Outcome {
        let playbook = ["playbooks/deploy-prod.rhai", "--target", "test", "--environment", "test"];
        let parameters = ["--url", "", "--observe", "2s"];
        self.opsrun.run([command, &playbook, &parameters, words].concat())
    }
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("a file can be written");
}
