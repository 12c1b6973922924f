//! Packing charts, and fetching what they depend on, held against what the real Helm does.

use opsrun_tests::{DockerRegistry, skip};
use serde_json::json;

use crate::charts::{helm, listed, serve, write, write_with};
use crate::stage::Stage;

const CRD: &str = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: ones.example.com\n";

#[test]
fn an_archive_holds_what_helms_does_and_is_always_the_same() {
    let stage = Stage::new();
    let helm = match helm(&stage) {
        Ok(helm) => helm,
        Err(missing) => return skip(missing),
    };
    let inner = write(&stage, "db", "0.1.0");
    helm.ok(&["package", &inner]);
    let needs = "dependencies:\n- {name: db, version: 0.1.0, repository: \"file://../db-0.1.0\"}\n- {name: cache, version: \"*\", repository: \"\"}\n";
    let folder = write_with(&stage, "web", "1.0.0", needs);
    stage.write(&format!("{folder}/charts/db-0.1.0.tgz"), stage.read("db-0.1.0.tgz"));
    let cache = write(&stage, "cache", "3.0.0");
    std::fs::rename(stage.path(&cache), stage.path(&format!("{folder}/charts/cache"))).unwrap();
    stage.write(&format!("{folder}/values.schema.json"), "{}");
    stage.write(&format!("{folder}/crds/one.yaml"), CRD);
    stage.write(&format!("{folder}/old.bak"), "x");
    helm.ok(&["package", &folder]);
    let found = stage.call("helm::package", &json!({ "folder": folder, "to": "dist" })).value();
    assert_eq!(found["file"], "dist/web-1.0.0.tgz");
    let ours = stage.read("dist/web-1.0.0.tgz");
    assert_eq!(listed(&ours), listed(&stage.read("web-1.0.0.tgz")));
    helm.ok(&["lint", "dist/web-1.0.0.tgz"]);
    let template = |file: &str| helm.ok(&["template", "web", file]);
    assert_eq!(template("dist/web-1.0.0.tgz"), template("web-1.0.0.tgz"));
    let again = stage.call("helm::package", &json!({ "folder": folder, "to": "again" })).value();
    assert_eq!(again["digest"], found["digest"]);
    assert_eq!(stage.read("again/web-1.0.0.tgz"), ours);
}

#[test]
fn a_chart_without_what_it_depends_on_is_not_packed() {
    let stage = Stage::new();
    let needs = "dependencies:\n- {name: db, version: 0.1.0, repository: \"https://charts.example.com\"}\n";
    let folder = write_with(&stage, "web", "1.0.0", needs);
    let error = stage.call("helm::package", &json!({ "folder": folder, "to": "dist" })).error();
    assert!(error.contains("depends on `db`") && error.contains("`helm::dependencies` fetches"), "{error}");
}

fn without_time(lock: &[u8]) -> String {
    let text = String::from_utf8(lock.to_vec()).unwrap();
    text.lines().filter(|line| !line.starts_with("generated: ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn dependencies_are_locked_and_fetched_as_helm_does() {
    let stage = Stage::new();
    let (registry, helm) = match (DockerRegistry::open(), helm(&stage)) {
        (Ok(registry), Ok(helm)) => (registry, helm),
        (Err(missing), _) | (_, Err(missing)) => return skip(missing),
    };
    let files = helm.repository(&stage, &[("db", "0.1.0"), ("db", "0.2.0"), ("db", "1.0.0")], &[]);
    let server = serve(files);
    let oci = format!("oci://{}/charts", registry.host());
    for version in ["2.0.0", "2.1.0"] {
        stage.call("helm::push", &json!({ "chart": write(&stage, "cache", version), "to": oci })).value();
    }
    write(&stage, "lib", "5.0.0");
    let needs = format!(
        "dependencies:\n- {{name: db, version: \">=0.1.0 <1\", repository: \"{0}\", condition: db.enabled, tags: [a, b]}}\n\
         - {{name: db, alias: other, version: \">=0.1.0 <1\", repository: \"{0}\", import-values: [data, {{child: x, parent: y}}]}}\n\
         - {{name: cache, version: ^2, repository: \"{oci}\"}}\n- {{name: lib, version: 5.x, repository: \"file://../lib-5.0.0\"}}\n\
         - {{name: inside, version: \"*\", repository: \"\"}}\n",
        server.url()
    );
    let (ours, theirs) =
        (write_with(&stage, "ours", "1.0.0", &needs), write_with(&stage, "theirs", "1.0.0", &needs));
    for folder in [&ours, &theirs] {
        let inside = write(&stage, "inside", "1.0.0");
        std::fs::create_dir_all(stage.path(&format!("{folder}/charts"))).unwrap();
        std::fs::rename(stage.path(&inside), stage.path(&format!("{folder}/charts/inside"))).unwrap();
        // Of an earlier version.
        stage.write(&format!("{folder}/charts/db-0.1.0.tgz"), stage.read("repo/db-0.1.0.tgz"));
    }
    helm.ok(&["dependency", "update", &theirs, "--plain-http"]);
    let found = stage.call("helm::dependencies", &json!({ "folder": ours })).value();
    assert_eq!(found["locked"], true);
    assert_eq!(found["removed"], json!(["charts/db-0.1.0.tgz"]));
    let versions: Vec<_> = found["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["version"].as_str().unwrap())
        .collect();
    assert_eq!(versions, ["0.2.0", "0.2.0", "2.1.0", "5.0.0", "*"]);
    let lock = |folder: &str| without_time(&stage.read(&format!("{folder}/Chart.lock")));
    assert_eq!(lock(&ours), lock(&theirs), "digest and all");
    let charts = |folder: &str| {
        let entries = std::fs::read_dir(stage.path(&format!("{folder}/charts"))).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(charts(&ours), charts(&theirs));
    // Each takes the other's lock for its own.
    helm.ok(&["repo", "add", "tests", &server.url()]);
    helm.ok(&["dependency", "build", &ours, "--plain-http", "--skip-refresh"]);
    std::fs::remove_file(stage.path(&format!("{theirs}/charts/db-0.2.0.tgz"))).unwrap();
    let built = stage.call("helm::dependencies", &json!({ "folder": theirs })).value();
    assert_eq!((&built["locked"], &built["removed"]), (&json!(false), &json!([])));
    assert_eq!(charts(&ours), charts(&theirs));
    let text = String::from_utf8(stage.read(&format!("{ours}/Chart.yaml"))).unwrap();
    stage.write(&format!("{ours}/Chart.yaml"), text.replace("^2", "~2.0"));
    let error = stage.call("helm::dependencies", &json!({ "folder": ours })).error();
    assert!(
        error.contains("Chart.lock` is not of the dependencies") && error.contains("`update: true`"),
        "{error}"
    );
    let updated = stage.call("helm::dependencies", &json!({ "folder": ours, "update": true })).value();
    assert_eq!(updated["removed"], json!(["charts/cache-2.1.0.tgz"]));
}
