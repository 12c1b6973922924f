//! Plans on a served estate: what they say, that they change nothing, and that a run is bound by them.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // a test

use std::path::PathBuf;

use opsrun_tests::{Outcome, Program, ServedEstate};
use serde_json::Value;
use tempfile::TempDir;

const PROJECT: &str =
    "[targets.shop]\ngrants = [\"k8s\"]\n\n[targets.prod]\nprotected = true\ngrants = [\"k8s\"]\n";

const ESTATE: &str = r#"
k8s:
  objects:
    - apiVersion: apps/v1
      kind: Deployment
      metadata: { name: api, namespace: default }
      spec:
        replicas: 2
        selector: { matchLabels: { app: api } }
        template:
          metadata: { labels: { app: api } }
          spec: { containers: [ { name: api, image: "shop/api:1" } ] }
    - apiVersion: v1
      kind: ConfigMap
      metadata: { name: old, namespace: default }
      data: { mode: slow }
"#;

const PLAYBOOK: &str = r#"
let replicas = param("replicas", #{ default: 3, help: "how many" });
step("release", || {
    k8s::patch("deployment/api", #{ spec: #{ template: #{ spec: #{ containers: [ #{ name: "api", image: "shop/api:2" } ] } } } });
    k8s::rollout_status("deployment/api");
});
step("scale", || k8s::scale("deployment/api", replicas, #{ wait: 1.m }));
step("tidy up", || {
    k8s::delete("configmap/old");
    k8s::apply("{ apiVersion: v1, kind: ConfigMap, metadata: { name: settings }, data: { mode: fast } }");
});
"#;

/// A served estate that stands for the real cluster, and a project beside it.
struct Stage {
    folder: TempDir,
    _estate: ServedEstate,
    program: Program,
}

impl Stage {
    fn set_up(playbook: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("opsrun.toml", PROJECT), ("estate.yaml", ESTATE), ("change.rhai", playbook)] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let program = Program::new(env!("CARGO_BIN_EXE_opsrun")).within(folder.path());
        let estate = ServedEstate::served_by(program.clone(), &folder.path().join("estate.yaml"), 50);
        let program = program.env("KUBECONFIG", estate.kubeconfig()).trusting(".");
        let stage = Stage { folder, _estate: estate, program };
        stage.play("k8s::rollout_status(\"deployment/api\")");
        stage
    }

    fn opsrun(&self, words: &[&str]) -> Outcome {
        self.program.run(words)
    }

    /// Runs this text as a playbook on `shop`, and gives its value.
    fn play(&self, text: &str) -> Value {
        std::fs::write(self.path("other.rhai"), text).unwrap();
        let said = self.opsrun(&["other.rhai", "--target", "shop", "--output", "json"]).ok();
        let mut events = said.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        events.find(|event| event["event"] == "ended").unwrap()["value"].clone()
    }

    /// All that the playbook is about, with versions.
    fn state(&self) -> Value {
        self.play(
            r#"["deployments", "replicasets", "pods", "configmaps"].map(|kind|
                k8s::list(kind).map(|o| `${o.metadata.name} ${o.metadata.resourceVersion}`))"#,
        )
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn plan(&self, more: &[&str]) -> Outcome {
        self.opsrun(&[&["plan", "change.rhai", "--target", "shop", "-o", "plan.json"], more].concat())
    }

    fn runs(&self) -> usize {
        self.opsrun(&["runs", "list"]).ok().lines().filter(|line| line.contains("-change-")).count()
    }
}

#[test]
fn a_plan_says_field_by_field_what_would_change_and_changes_nothing() {
    let stage = Stage::set_up(PLAYBOOK);
    let before = stage.state();
    let said = stage.plan(&[]).ok();
    assert_eq!(stage.state(), before);
    assert_eq!(stage.runs(), 0, "a plan is no run");
    let (plan, _) = said.split_once("plan ").unwrap();
    assert_eq!(
        plan,
        r#"▸ release
    ~ deployments default/api
        spec.template.spec.containers[name=api].image: "shop/api:1" → "shop/api:2"   (estate)
    → 2 pods of deployments default/api would be replaced by 2
▸ scale
    ~ deployments default/api
        spec.replicas: 2 → 3   (estate)
    → 1 pod of deployments default/api would start
▸ tidy up
    - configmaps default/old
    + configmaps default/settings
"#
    );
    assert!(said.contains(": 1 to create, 2 to change, 1 to delete\n"), "{said}");
}

#[test]
fn a_run_does_what_its_plan_says() {
    let stage = Stage::set_up(PLAYBOOK);
    stage.plan(&["--replicas", "1"]).ok();
    stage.opsrun(&["run", "--plan", "plan.json"]).ok();
    let now = stage.play(
        r#"let api = k8s::get("deployment/api"); [api.spec.replicas, api.spec.template.spec.containers[0].image,
           k8s::list("configmaps").map(|o| o.metadata.name).filter(|name| name != "kube-root-ca.crt")]"#,
    );
    assert_eq!(now, serde_json::json!([1, "shop/api:2", ["settings"]]));
    // What it rested on is no longer so.
    let again = stage.opsrun(&["run", "--plan", "plan.json"]).with_code(2).to_string();
    for line in
        ["no longer holds", "configmaps default/old is gone", "configmaps default/settings exists now"]
    {
        assert!(again.contains(line), "{again}");
    }
    assert_eq!(stage.runs(), 1, "a run that may not begin is none");
}

#[test]
fn a_plan_is_good_only_for_what_it_was_made_of() {
    let stage = Stage::set_up(PLAYBOOK);
    stage.plan(&[]).ok();
    let file = stage.path("plan.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let refused = |expected: &str, words: &[&str]| {
        let said = stage.opsrun(&[&["run", "--plan", "plan.json"], words].concat()).with_code(2).to_string();
        assert!(said.contains(expected), "{expected}\n{said}");
    };
    std::fs::write(&file, text.replace("default/old", "default/kube-root-ca.crt")).unwrap();
    refused("was changed after it was made", &[]);
    std::fs::write(&file, "{}").unwrap();
    refused("is no plan: it does not say its `format`", &[]);
    std::fs::write(&file, &text).unwrap();
    refused("`--replicas` is not what the plan was made with", &["change.rhai", "--replicas", "7"]);
    refused("the plan is for `change.rhai`, not for `other.rhai`", &["other.rhai"]);
    refused("the plan is for the target `shop`, this is `prod`", &["--target", "prod"]);
    std::fs::write(stage.path("change.rhai"), format!("{PLAYBOOK}\nlog(\"and more\");")).unwrap();
    refused("`change.rhai` is not as it was when the plan was made", &[]);
    assert_eq!(stage.runs(), 0);
}

#[test]
fn a_write_that_is_not_in_the_plan_does_not_leave() {
    let stage = Stage::set_up(
        r#"
        step("one", || k8s::apply("{ apiVersion: v1, kind: ConfigMap, metadata: { name: one } }"));
        if k8s::get("configmap/old").data.mode == "fast" {
            step("two", || k8s::delete("configmap/old"));
        }
        "#,
    );
    stage.plan(&[]).ok();
    let change = r#"k8s::patch("configmap/old", #{ data: #{ mode: "fast" } })"#;
    // What was read is a precondition, so this is found before anything is written.
    stage.play(change);
    let said = stage.opsrun(&["run", "--plan", "plan.json"]).with_code(2).to_string();
    assert!(said.contains("configmaps default/old is another one"), "{said}");
    // What steers the run and is no object of the target is found when it writes.
    let stage = Stage::set_up(
        r#"
        step("one", || k8s::apply("{ apiVersion: v1, kind: ConfigMap, metadata: { name: one } }"));
        let name = `at-${timestamp_of_now()}`;
        step("two", || k8s::apply(`{ apiVersion: v1, kind: ConfigMap, metadata: { name: ${name} } }`));
        "#
        .replace("timestamp_of_now()", "now().format(\"%H-%M-%S\")")
        .as_str(),
    );
    stage.plan(&[]).ok();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let said = stage.opsrun(&["run", "--plan", "plan.json"]).with_code(3).to_string();
    assert!(said.contains("is not in the plan"), "{said}");
    let left = stage.play("k8s::list(\"configmaps\").map(|o| o.metadata.name)");
    assert_eq!(left, serde_json::json!(["kube-root-ca.crt", "old"]), "what the plan did name is taken back");
}

#[test]
fn a_protected_target_wants_a_plan_that_somebody_has_seen() {
    let stage = Stage::set_up(PLAYBOOK);
    let refused = |expected: &str, words: &[&str]| {
        let said = stage.opsrun(words).with_code(2).to_string();
        assert!(said.contains(expected), "{expected}\n{said}");
    };
    refused("nobody is there to be asked", &["change.rhai", "--target", "prod"]);
    refused("`--yes` alone is not enough there", &["change.rhai", "--target", "prod", "--yes"]);
    stage.opsrun(&["plan", "change.rhai", "--target", "prod", "-o", "plan.json"]).ok();
    let plan: Value =
        serde_json::from_str(&std::fs::read_to_string(stage.path("plan.json")).unwrap()).unwrap();
    let hash = plan["hash"].as_str().unwrap();
    refused("`--yes` needs the hash of the plan there", &["run", "--plan", "plan.json", "--yes"]);
    refused("is not the hash of this plan", &["run", "--plan", "plan.json", "--yes=0123456789ab"]);
    assert_eq!(stage.runs(), 0);
    stage.opsrun(&["run", "--plan", "plan.json", &format!("--yes={}", &hash[..12])]).ok();
}

#[test]
fn a_run_that_would_fail_has_no_plan_but_a_reason() {
    let stage = Stage::set_up(
        r#"step("break", || k8s::patch("deployment/api", #{ spec: #{ selector: #{ matchLabels: #{ app: "other" } } } }));"#,
    );
    let said = stage.plan(&[]).with_code(1).to_string();
    assert!(said.contains("there is no plan, as the run would fail; nothing was changed"), "{said}");
    assert!(said.contains("field is immutable") && said.contains("in step `break`"), "{said}");
    assert!(!stage.path("plan.json").exists());
}

#[test]
fn a_project_that_is_not_trusted_has_no_cluster_asked_for_a_plan() {
    let stage = Stage::set_up(PLAYBOOK);
    // Whoever asked this address would say that it cannot be reached.
    std::fs::write(
        stage.path("opsrun.toml"),
        "[targets.shop]\ngrants = [\"k8s\"]\nk8s = { server = \"http://127.0.0.1:1\" }\n",
    )
    .unwrap();
    let said = stage.plan(&[]).with_code(2).to_string();
    assert!(said.contains("opsrun trust") && !said.contains("cannot be reached"), "{said}");
}
