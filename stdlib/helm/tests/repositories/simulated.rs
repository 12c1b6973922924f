//! The repositories and registries of an estate, asked by the real Helm: they answer as real ones do.

use std::sync::{Arc, mpsc};

use opsrun_core::{Simulator, Surroundings, System};
use opsrun_gate::{EstateFolder, Listener};
use opsrun_helm::Helm;
use opsrun_runtime::World;
use opsrun_tests::skip;
use serde_json::{Value, json};

use crate::charts::{helm, write};
use crate::stage::Stage;

/// One host of an estate, at whatever address it is served.
struct At(Arc<dyn Simulator>, &'static str);

impl Simulator for At {
    fn connect(&self, system: &str, _: &http::Uri) -> Option<tokio::io::DuplexStream> {
        self.0.connect(system, &self.1.parse().unwrap())
    }
}

/// Serves a host as long as the test program runs; gives the address.
fn served(stage: &Stage, section: Value, host: &'static str) -> String {
    let (tell, told) = mpsc::channel();
    let files = Arc::new(EstateFolder::new(stage.folder()));
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let surroundings = Surroundings { clock: World::live().clock(), seed: 1, files };
            let simulator = Helm.simulator(Some(&section), &surroundings).unwrap().unwrap();
            let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
            tell.send(listener.address().unwrap().to_string()).unwrap();
            listener.serve(Arc::new(At(simulator, host)), "helm").await.unwrap();
        });
    });
    told.recv().unwrap()
}

#[test]
fn the_real_helm_pushes_to_and_pulls_from_a_registry_of_an_estate() {
    let stage = Stage::new();
    let helm = match helm(&stage) {
        Ok(helm) => helm,
        Err(missing) => return skip(missing),
    };
    write(&stage, "web", "1.0.0");
    let section = json!({ "oci://registry.example.com/charts": ["web-1.0.0"] });
    let to = format!("oci://{}/charts", served(&stage, section, "https://registry.example.com"));
    helm.ok(&["pull", &format!("{to}/web"), "--plain-http"]);
    stage.call("helm::package", &json!({ "folder": "web-1.0.0", "to": "own" })).value();
    assert_eq!(stage.read("web-1.0.0.tgz"), stage.read("own/web-1.0.0.tgz"));
    helm.ok(&["package", &write(&stage, "web", "1.1.0+build.7")]);
    helm.ok(&["push", "web-1.1.0+build.7.tgz", &to, "--plain-http"]);
    let pushed = stage.read("web-1.1.0+build.7.tgz");
    std::fs::remove_file(stage.path("web-1.1.0+build.7.tgz")).unwrap();
    helm.ok(&["pull", &format!("{to}/web"), "--version", "^1.0", "--plain-http"]);
    assert_eq!(stage.read("web-1.1.0+build.7.tgz"), pushed);
    let ours = stage.call("helm::pull", &json!({ "chart": format!("{to}/web"), "to": "ours" })).value();
    assert_eq!(stage.read(ours["file"].as_str().unwrap()), pushed);
    let missing = helm.run(&["pull", &format!("{to}/none"), "--plain-http"]);
    assert_eq!(missing.code, Some(1), "{missing}");
}

#[test]
fn the_real_helm_pulls_from_a_repository_of_an_estate() {
    let stage = Stage::new();
    let helm = match helm(&stage) {
        Ok(helm) => helm,
        Err(missing) => return skip(missing),
    };
    let charts = [write(&stage, "web", "1.0.0"), write(&stage, "web", "1.2.0")];
    let section = json!({ "https://charts.example.com/stable": charts });
    let address = served(&stage, section, "https://charts.example.com");
    helm.ok(&["pull", "web", "--repo", &format!("http://{address}/stable"), "--version", "~1.0"]);
    let ours = json!({ "folder": "web-1.0.0", "to": "own" });
    stage.call("helm::package", &ours).value();
    assert_eq!(stage.read("web-1.0.0.tgz"), stage.read("own/web-1.0.0.tgz"));
}

#[test]
fn an_estate_that_cannot_be_says_where_and_why() {
    let stage = Stage::new();
    write(&stage, "web", "1.0.0");
    let refused = |section: Value| {
        let files = Arc::new(EstateFolder::new(stage.folder()));
        let surroundings = Surroundings { clock: World::live().clock(), seed: 1, files };
        let error = Helm.simulator(Some(&section), &surroundings).err().unwrap();
        error.report()
    };
    for (section, why) in [
        (json!({ "charts.example.com": [] }), "`charts.example.com` is no repository"),
        (json!({ "ftp://charts.example.com": [] }), "`ftp://charts.example.com` is no repository"),
        (
            json!({ "https://charts.example.com": ["nowhere"] }),
            "`https://charts.example.com`\n  caused by: `nowhere` does not exist",
        ),
        (json!({ "https://charts.example.com": ["web-1.0.0/templates"] }), "Chart.yaml file is missing"),
        (json!({ "https://charts.example.com": "web" }), "it says what is where, as paths of charts"),
    ] {
        let error = refused(section);
        assert!(error.contains(why), "{why}: {error}");
    }
}
