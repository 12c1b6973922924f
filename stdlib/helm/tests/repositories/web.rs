//! HTTP repositories as Helm makes them.

use opsrun_tests::skip;
use serde_json::{Value, json};

use crate::charts::{helm, serve};
use crate::server::{Reply, Server};
use crate::stage::Stage;

const CHARTS: [(&str, &str); 4] =
    [("web", "1.2.0"), ("web", "1.10.0"), ("web", "2.0.0-rc.1"), ("database", "0.3.1")];

fn chart(repo: &str, name: &str, version: Option<&str>) -> Value {
    json!({ "chart": name, "repo": repo, "version": version })
}

fn version(stage: &Stage, chart: &Value) -> String {
    let text = stage.call("helm::template", &json!({ "chart": chart })).value();
    let text = text.as_str().unwrap();
    let line = text.lines().find(|line| line.contains("chart: ")).unwrap();
    line.trim().trim_start_matches("chart: ").to_owned()
}

#[test]
fn a_chart_is_taken_from_the_index_that_helm_made() {
    let stage = Stage::new();
    let helm = match helm(&stage) {
        Ok(helm) => helm,
        Err(missing) => return skip(missing),
    };
    let server = serve(helm.repository(&stage, &CHARTS, &[]));
    let repo = server.url();
    for (wanted, expected) in [
        (None, "web-1.10.0"),
        (Some("1.2.0"), "web-1.2.0"),
        (Some("^1.2"), "web-1.10.0"),
        (Some("~1.2"), "web-1.2.0"),
        (Some(">=1.0.0-0"), "web-2.0.0-rc.1"),
        (Some("2.0.0-rc.1"), "web-2.0.0-rc.1"),
    ] {
        assert_eq!(version(&stage, &chart(&repo, "web", wanted)), expected, "{wanted:?}");
    }
    assert_eq!(version(&stage, &json!(format!("{repo}/web-1.2.0.tgz"))), "web-1.2.0");
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    let stage = Stage::new();
    let helm = match helm(&stage) {
        Ok(helm) => helm,
        Err(missing) => return skip(missing),
    };
    let server = serve(helm.repository(&stage, &CHARTS, &[]));
    let repo = server.url();
    assert_eq!(
        stage.refusal(&chart(&repo, "wep", None)),
        format!("{repo} has no chart `wep`\n  hint: it has `web`, `database`")
    );
    assert_eq!(
        stage.refusal(&chart(&repo, "web", Some("^3"))),
        format!(
            "{repo} has no version of `web` that satisfies `^3`\n  hint: it has 2.0.0-rc.1, 1.10.0, 1.2.0; a pre-release is taken \
             only for a range that names one, such as `>=1.0.0-0`"
        )
    );
    let error = stage.refusal(&chart(&format!("{repo}/other"), "web", None));
    assert!(
        error.contains("/other/index.yaml was answered with 404") && error.contains("oci://HOST/PATH"),
        "{error}"
    );
    let error = stage.refusal(&chart("http://127.0.0.1:1", "web", None));
    assert!(error.contains("http://127.0.0.1:1 cannot be reached"), "{error}");
}

#[test]
fn addresses_in_an_index_may_be_absolute() {
    let stage = Stage::new();
    let helm = match helm(&stage) {
        Ok(helm) => helm,
        Err(missing) => return skip(missing),
    };
    let archives = helm.repository(&stage, &[("web", "1.2.0")], &[]);
    let elsewhere = serve(archives);
    let index = helm.repository(&stage, &[], &["--url", &elsewhere.url()]);
    let index = index.into_iter().filter(|(path, _)| path.ends_with(".yaml")).collect();
    let server = serve(index);
    let wanted = chart(&server.url(), "web", None);
    assert_eq!(version(&stage, &wanted), "web-1.2.0");
    let narrow = Stage::new().granted(&[&format!("helm pull {}/*", server.host())]);
    let error = narrow.refusal(&wanted);
    let denied = format!("`helm pull {}/web-1.2.0.tgz` is not granted", elsewhere.host());
    assert!(error.contains(&denied), "another host needs another grant: {error}");
}

#[test]
fn credentials_are_for_their_host_alone_and_are_never_told() {
    let stage = Stage::new();
    let helm = match helm(&stage) {
        Ok(helm) => helm,
        Err(missing) => return skip(missing),
    };
    let files = helm.repository(&stage, &[("web", "1.2.0")], &[]);
    let open = serve(files.clone());
    let elsewhere = open.url();
    // Signs everybody in whose password is right, and keeps the archives at another host.
    let closed = Server::start(move |asked, _| match asked.authorization.as_deref() {
        Some("Basic Y2k6Y29ycmVjdC1ob3JzZS03") if asked.path.ends_with(".tgz") => {
            Reply::to(format!("{elsewhere}{}", asked.path))
        }
        Some("Basic Y2k6Y29ycmVjdC1ob3JzZS03") => Reply::ok(files["/index.yaml"].clone()),
        _ => Reply::status(401),
    });
    let wanted = chart(&closed.url(), "web", None);
    let error = stage.refusal(&wanted);
    assert!(error.contains("wants credentials, and none are known"), "{error}");
    assert!(error.contains(&format!("registries = {{ \"{}\" =", closed.host())), "{error}");
    let section = json!({ "registries": { closed.host(): { "username": "ci", "password": "env:CHARTS" } } });
    let stage = stage.section(section).variable("CHARTS", "correct-horse-7");
    let done = stage.call("helm::template", &json!({ "chart": wanted }));
    assert!(done.value().as_str().unwrap().contains("web-1.2.0"));
    assert!(open.asked().iter().all(|asked| asked.authorization.is_none()), "{:?}", open.asked());
    let told = done.report();
    assert!(!told.contains("correct-horse-7") && !told.contains("Y2k6Y29ycmVjdC1ob3JzZS03"), "{told}");
    let stage = stage.variable("CHARTS", "wrong-horse-8");
    let done = stage.call("helm::template", &json!({ "chart": wanted }));
    assert!(done.error().contains("wants other credentials"), "{}", done.error());
    assert!(!done.report().contains("wrong-horse-8"), "{}", done.report());
    let done = stage.granted(&["helm"]).call("helm::template", &json!({ "chart": wanted }));
    assert!(done.error().contains("`secret read env:CHARTS` is not granted"), "{}", done.error());
}

#[test]
fn credentials_do_not_go_over_the_network_in_the_clear() {
    let section =
        json!({ "registries": { "charts.example.com": { "username": "ci", "password": "env:CHARTS" } } });
    let stage = Stage::new().section(section).variable("CHARTS", "correct-horse-7");
    let error = stage.refusal(&chart("http://charts.example.com", "web", None));
    assert!(
        error.starts_with("credentials of `charts.example.com` would go over the network in the clear"),
        "{error}"
    );
}

#[test]
fn a_pulled_archive_is_the_repositorys_and_a_pull_needs_grants() {
    let stage = Stage::new();
    let helm = match helm(&stage) {
        Ok(helm) => helm,
        Err(missing) => return skip(missing),
    };
    let files = helm.repository(&stage, &CHARTS, &[]);
    let server = serve(files.clone());
    let arguments = json!({ "chart": chart(&server.url(), "web", Some("~1.2")), "to": "vendor/charts" });
    let found = stage.call("helm::pull", &arguments).value();
    assert_eq!(found["file"], "vendor/charts/web-1.2.0.tgz");
    assert_eq!((&found["name"], &found["version"]), (&json!("web"), &json!("1.2.0")));
    assert_eq!(stage.read("vendor/charts/web-1.2.0.tgz"), files["/web-1.2.0.tgz"]);
    let index = String::from_utf8(files["/index.yaml"].clone()).unwrap();
    assert!(index.contains(found["digest"].as_str().unwrap().trim_start_matches("sha256:")), "{found}");
    let stage = stage.granted(&["helm pull"]);
    let error = stage.call("helm::pull", &arguments).error();
    assert!(error.contains("`file write ") && error.contains("is not granted"), "{error}");
    let stage = stage.granted(&["file write"]);
    let error = stage.call("helm::pull", &arguments).error();
    assert!(error.contains(&format!("--allow 'helm pull {}/index.yaml'", server.host())), "{error}");
}

#[test]
fn an_injected_fault_is_told_as_a_servers_own() {
    let stage = Stage::new().fault("helm pull charts.example.com/*: 503");
    let error = stage.refusal(&chart("https://charts.example.com", "web", None));
    assert!(error.starts_with("GET https://charts.example.com/index.yaml was answered with 503"), "{error}");
}

#[test]
fn an_index_may_be_as_large_as_the_largest_there_are() {
    // More than is read of any other file: Bitnami's had a million of names and values.
    let words = "a,".repeat(1_100_000);
    let index = format!("entries: {{web: [{{version: 1.0.0, keywords: [{words}]}}]}}\n");
    let server = Server::start(move |_, _| Reply::ok(index.clone()));
    let error = Stage::new().refusal(&chart(&server.url(), "web", None));
    assert!(error.contains("its index gives no address"), "{error}");
}
