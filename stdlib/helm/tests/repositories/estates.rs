//! Remote charts in rehearsals and plans: whole programs, no network in the one, nothing brought in the other.

use opsrun_tests::{DockerRegistry, Opsrun, Program, skip};

use crate::charts::{helm, serve, write};
use crate::registries::USERS;
use crate::stage::Stage;

const PLAYBOOK: &str = r#"
let web = #{ chart: "web", repo: "https://charts.example.com/stable", version: "^1" };
step("release", || helm::upgrade("web", web, #{ create_namespace: true }));
step("publish", || {
    let file = helm::pull(web, #{ to: "dist" }).file;
    let brought = helm::push(file, "oci://registry.example.com/charts");
    assert(helm::template(brought.reference).contains("web-1.2.0"));
});
"#;

const ESTATE: &str = "
helm:
  https://charts.example.com/stable: [web-1.0.0, web-1.2.0, web-2.0.0]
  oci://registry.example.com/charts: []
";

fn project(stage: &Stage, grants: &str, helm: &str) -> Program {
    for version in ["1.0.0", "1.2.0", "2.0.0"] {
        write(stage, "web", version);
    }
    stage.write("publish.rhai", PLAYBOOK);
    stage.write("estate.yaml", ESTATE);
    let text = format!(
        "estate = \"estate.yaml\"\n[targets.prod]\ngrants = [{grants}]\n[targets.prod.helm]\n{helm}\n"
    );
    stage.write("opsrun.toml", text);
    Opsrun::program().within(stage.folder())
}

#[test]
fn a_playbook_with_remote_charts_is_rehearsed_without_a_network() {
    let stage = Stage::new();
    let grants = r#""k8s", "helm pull charts.example.com/*", "helm pull,push registry.example.com/*", "file write", "secret read env:REGISTRY""#;
    let helm = r#"registries = { "charts.example.com" = { username = "ci", password = "env:REGISTRY" } }"#;
    let opsrun = project(&stage, grants, helm);
    let said = opsrun.run(["rehearse", "publish.rhai"]);
    let text = said.clone().with_code(0).to_string();
    assert!(text.contains("oci://registry.example.com/charts/web:1.2.0"), "{text}");
    assert!(!stage.folder().join("dist").exists(), "a rehearsal writes no files");
    let said = opsrun.run(["rehearse", "publish.rhai", "--fault", "helm pull charts.example.com/*: 503"]);
    assert!(said.to_string().contains("index.yaml was answered with 503"), "{said}");
    let said = opsrun.run([
        "rehearse",
        "publish.rhai",
        "--fault",
        "helm push registry.example.com/charts/web/1.2.0: 403",
    ]);
    let text = said.clone().with_code(3).to_string();
    assert!(text.contains("403") && text.contains("registry.example.com"), "{text}");
    let said = opsrun.run(["rehearse", "publish.rhai", "--fail-everywhere"]);
    said.with_code(0);
    let said = opsrun.run(["grants", "publish.rhai"]).with_code(0).to_string();
    assert!(said.contains("helm pull charts.example.com/stable/index.yaml"), "{said}");
    assert!(said.contains("helm pull,push registry.example.com/charts/web"), "{said}");
}

#[test]
fn a_plan_reads_for_real_and_brings_nothing() {
    let stage = Stage::new();
    let registry = match DockerRegistry::open() {
        Ok(registry) => registry,
        Err(missing) => return skip(missing),
    };
    let host = registry.host();
    let grants = format!(r#""helm pull,push {host}/*", "file write""#);
    let opsrun = project(&stage, &grants, "");
    let playbook = format!(
        "let to = \"oci://{host}/charts\";\nlet brought = helm::push(\"web-1.0.0\", to);\n\
         assert(helm::template(brought.reference).contains(\"web-1.0.0\"));\n\
         assert(helm::template(#{{ chart: \"web\", repo: to }}).contains(\"web-1.0.0\"));\n"
    );
    stage.write("push.rhai", &playbook);
    // A plan is laid over a cluster, too; nobody is asked there.
    let cluster = r#"{ apiVersion: v1, kind: Config, current-context: none, clusters: [{ name: none, cluster: { server: "http://127.0.0.1:1" } }],
        contexts: [{ name: none, context: { cluster: none, user: none } }], users: [{ name: none, user: {} }] }"#;
    stage.write("kubeconfig", cluster);
    let opsrun = opsrun.env("KUBECONFIG", stage.path("kubeconfig")).trusting(stage.path("opsrun.toml"));
    let said = opsrun.run(["plan", "push.rhai", "--output", "text"]).with_code(0).to_string();
    assert!(said.contains(&format!("oci://{host}/charts/web:1.0.0")), "{said}");
    let error = stage.refusal(&serde_json::json!(format!("oci://{host}/charts/web:1.0.0")));
    assert!(error.contains("there is no chart"), "nothing was brought: {error}");
    opsrun.run(["run", "push.rhai"]).ok();
    stage
        .call("helm::template", &serde_json::json!({ "chart": format!("oci://{host}/charts/web:1.0.0") }))
        .value();
}

#[test]
fn a_password_is_in_no_journal_and_no_audit_log() {
    let stage = Stage::new();
    let registry = match DockerRegistry::of_users(USERS) {
        Ok(registry) => registry,
        Err(missing) => return skip(missing),
    };
    let host = registry.host();
    let grants = format!(r#""helm pull,push {host}/*", "file write", "secret read env:REGISTRY""#);
    let section =
        format!(r#"registries = {{ "{host}" = {{ username = "ci", password = "env:REGISTRY" }} }}"#);
    let opsrun = project(&stage, &grants, &section);
    let playbook = format!(
        "step(\"push\", || helm::push(\"web-1.0.0\", \"oci://{host}/charts\"));\n\
         step(\"pull\", || helm::pull(\"oci://{host}/charts/web\", #{{ to: \"dist\" }}));\n\
         helm::pull(\"oci://{host}/charts/none\", #{{ to: \"dist\" }});\n"
    );
    stage.write("push.rhai", &playbook);
    // The first is undone, the second gets no further than the door.
    for (password, code) in [("correct-horse-7", 3), ("wrong-horse-8", 1)] {
        let opsrun = opsrun.clone().env("REGISTRY", password).trusting(stage.path("opsrun.toml"));
        let said =
            opsrun.run(["run", "push.rhai", "--audit", "audit.log", "--output", "json"]).with_code(code);
        let mut written = vec![("output".to_owned(), format!("{}{}", said.stdout, said.stderr))];
        written.push(("audit log".to_owned(), String::from_utf8(stage.read("audit.log")).unwrap()));
        assert!(written[1].1.contains("\"verb\":\"push\""), "{}", written[1].1);
        let journals = opsrun.home().join(".local/state/opsrun/runs");
        for entry in std::fs::read_dir(journals).unwrap() {
            let path = entry.unwrap().path();
            written.push((path.display().to_string(), std::fs::read_to_string(path).unwrap()));
        }
        assert!(written.len() > 2, "there is a journal");
        for (what, text) in written {
            for hidden in [password, "Y2k6Y29ycmVjdC1ob3JzZS03", "Y2k6d3JvbmctaG9yc2UtOA"] {
                assert!(!text.contains(hidden), "{hidden} in {what}: {text}");
            }
        }
    }
}

#[test]
fn the_command_line_renders_what_helm_does() {
    let stage = Stage::new();
    let helm = match helm(&stage) {
        Ok(helm) => helm,
        Err(missing) => return skip(missing),
    };
    let server = serve(helm.repository(&stage, &[("web", "1.2.0"), ("web", "1.10.0")], &[]));
    let opsrun = Opsrun::program().within(stage.folder());
    let address = format!("{}/web-1.2.0.tgz", server.url());
    for arguments in [
        vec!["template", "web", "web", "--repo", &server.url(), "--version", "~1.2"],
        vec!["template", "web", "web", "--repo", &server.url()],
        vec!["template", "web", &address],
    ] {
        let ours = opsrun.run([&["helm"], arguments.as_slice()].concat()).ok();
        assert_eq!(ours, helm.ok(&arguments), "{arguments:?}");
    }
}
