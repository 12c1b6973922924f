//! A real docker-registry, with the real Helm on the other side.

use std::collections::BTreeMap;

use opsrun_tests::{DockerRegistry, skip};
use serde_json::json;

use crate::charts::{helm, listed, serve, write};
use crate::stage::Stage;

/// `ci`, with the password `correct-horse-7`.
pub(crate) const USERS: &str = "ci:$2a$10$jR2662zUIVjia5Vu6MhKVu0ygRT1wscOoeqKCCGR7zRC6uxl.6H/W";

#[test]
fn what_helm_pushed_is_pulled_byte_for_byte() {
    let stage = Stage::new();
    let (registry, helm) = match (DockerRegistry::open(), helm(&stage)) {
        (Ok(registry), Ok(helm)) => (registry, helm),
        (Err(missing), _) | (_, Err(missing)) => return skip(missing),
    };
    let to = format!("oci://{}/charts", registry.host());
    for version in ["1.2.0", "1.10.0", "1.11.0-rc.1", "1.2.1+build.5"] {
        helm.ok(&["package", &write(&stage, "web", version)]);
        helm.ok(&["push", &format!("web-{version}.tgz"), &to, "--plain-http"]);
    }
    for (chart, expected) in [
        (json!(format!("{to}/web")), "1.10.0"),
        (json!(format!("{to}/web:1.2.0")), "1.2.0"),
        (json!({ "chart": format!("{to}/web"), "version": "~1.2" }), "1.2.1+build.5"),
        (json!({ "chart": "web", "repo": to, "version": "1.2.1+build.5" }), "1.2.1+build.5"),
        (json!({ "chart": "web", "repo": to, "version": ">=1.11.0-0" }), "1.11.0-rc.1"),
    ] {
        let found = stage.call("helm::pull", &json!({ "chart": chart, "to": "pulled" })).value();
        assert_eq!(found["version"], expected, "{chart}");
        let file = format!("web-{expected}.tgz");
        assert_eq!(stage.read(&format!("pulled/{file}")), stage.read(&file), "{chart}");
        // What it came from is named for good.
        let pinned = json!({ "chart": found["source"], "to": "pinned" });
        assert_eq!(stage.call("helm::pull", &pinned).value()["digest"], found["digest"]);
    }
    let error = stage.refusal(&json!(format!("{to}/web:9.0.0")));
    let expected = format!(
        "{to}/web has no version of `web` that satisfies `9.0.0`\n  hint: it has 1.11.0-rc.1, 1.10.0, 1.2.1+build.5, 1.2.0"
    );
    assert!(error.starts_with(&expected), "{error}");
    let error = stage.refusal(&json!(format!("{to}/wep")));
    assert!(error.starts_with(&format!("there is no chart {to}/wep")), "{error}");
}

#[test]
fn what_was_pushed_helm_pulls_byte_for_byte_and_once_is_enough() {
    let stage = Stage::new();
    let (registry, helm) = match (DockerRegistry::open(), helm(&stage)) {
        (Ok(registry), Ok(helm)) => (registry, helm),
        (Err(missing), _) | (_, Err(missing)) => return skip(missing),
    };
    let to = format!("oci://{}/charts/of/team", registry.host());
    let folder = write(&stage, "web", "1.2.3+build.5");
    stage.call("helm::package", &json!({ "folder": folder, "to": "dist" })).value();
    let pushed = stage.call("helm::push", &json!({ "chart": folder, "to": to })).value();
    assert_eq!(pushed["reference"], format!("{to}/web:1.2.3_build.5"));
    assert_eq!(pushed["is_new"], true);
    let said = helm.run(&["pull", &format!("{to}/web"), "--version", "1.2.3+build.5", "--plain-http"]);
    assert!(said.to_string().contains(pushed["digest"].as_str().unwrap()), "{said}");
    assert_eq!(stage.read("web-1.2.3+build.5.tgz"), stage.read("dist/web-1.2.3+build.5.tgz"));
    let shown =
        helm.ok(&["show", "chart", &format!("{to}/web"), "--version", "1.2.3+build.5", "--plain-http"]);
    assert!(shown.contains("description: web for tests"), "{shown}");
    let again = stage.call("helm::push", &json!({ "chart": "dist/web-1.2.3+build.5.tgz", "to": to }));
    assert_eq!((&again.value()["is_new"], &again.value()["digest"]), (&json!(false), &pushed["digest"]));
    assert!(!again.report().contains("helm push"), "nothing was sent: {}", again.report());
    assert!(listed(&stage.read("dist/web-1.2.3+build.5.tgz")).contains(&"web/Chart.yaml".to_owned()));
}

#[test]
fn a_push_that_is_undone_leaves_what_was_there() {
    let stage = Stage::new();
    let registry = match DockerRegistry::open() {
        Ok(registry) => registry,
        Err(missing) => return skip(missing),
    };
    let to = format!("oci://{}/charts", registry.host());
    let folder = write(&stage, "web", "1.0.0");
    let failing = || {
        stage.run(|call| {
            call("helm::push", json!({ "chart": folder, "to": to }))?;
            call("helm::template", json!({ "chart": format!("{to}/web:1.0.0") }))?;
            call("helm::template", json!({ "chart": "nowhere" }))
        })
    };
    let done = failing();
    assert_eq!(done.exit_code(), 3, "{}", done.report());
    let error = stage.refusal(&json!(format!("{to}/web:1.0.0")));
    assert!(error.contains("has no version of `web`") || error.contains("there is no chart"), "{error}");
    // Over another chart of the same version.
    let first = stage.call("helm::push", &json!({ "chart": folder, "to": to })).value();
    stage.write(&format!("{folder}/values.yaml"), "mode: slow\n");
    let done = failing();
    assert_eq!(done.exit_code(), 3, "{}", done.report());
    let now =
        stage.call("helm::pull", &json!({ "chart": format!("{to}/web:1.0.0"), "to": "pulled" })).value();
    assert_eq!(now["source"], format!("{to}/web@{}", first["digest"].as_str().unwrap()));
}

#[test]
fn a_registry_that_deletes_nothing_is_known_before_the_push() {
    let stage = Stage::new();
    let registry = match DockerRegistry::that_keeps_everything() {
        Ok(registry) => registry,
        Err(missing) => return skip(missing),
    };
    let to = format!("oci://{}/charts", registry.host());
    let folder = write(&stage, "web", "1.0.0");
    let done = stage.run(|call| {
        call("helm::push", json!({ "chart": folder, "to": to }))?;
        call("helm::template", json!({ "chart": "nowhere" }))
    });
    let why = format!(
        "the registry `{}` deletes nothing, so {to}/web:1.0.0 stays: delete it there by hand",
        registry.host()
    );
    assert!(done.report().contains(&why), "{}", done.report());
    stage.call("helm::template", &json!({ "chart": format!("{to}/web:1.0.0") })).value();
}

#[test]
fn a_registry_with_users_is_signed_in_to_and_the_password_is_never_told() {
    let stage = Stage::new();
    let registry = match DockerRegistry::of_users(USERS) {
        Ok(registry) => registry,
        Err(missing) => return skip(missing),
    };
    let host = registry.host();
    let folder = write(&stage, "web", "1.0.0");
    let push = json!({ "chart": folder, "to": format!("oci://{host}/charts") });
    let pull = json!({ "chart": format!("oci://{host}/charts/web:1.0.0"), "to": "pulled" });
    let error = stage.call("helm::push", &push).error();
    assert!(error.contains(&format!("`{host}` wants credentials, and none are known")), "{error}");
    let section = json!({ "registries": { &host: { "username": "ci", "password": "env:REGISTRY" } } });
    let stage = stage.section(section).variable("REGISTRY", "correct-horse-7");
    let done = stage.run(|call| {
        call("helm::push", push.clone())?;
        call("helm::pull", pull.clone())
    });
    done.value();
    let report = done.report();
    for hidden in ["correct-horse-7", "Y2k6Y29ycmVjdC1ob3JzZS03"] {
        assert!(!report.contains(hidden), "{report}");
    }
    let stage = stage.variable("REGISTRY", "wrong-horse-8");
    let done = stage.call("helm::pull", &pull);
    assert!(done.error().contains(&format!("`{host}` wants other credentials")), "{}", done.error());
    assert!(!done.report().contains("wrong-horse-8"), "{}", done.report());
    // What `helm registry login` leaves behind serves, too.
    let stage = stage.section(json!({}));
    if let Ok(helm) = opsrun_tests::helm(None) {
        let helm = helm.env("HOME", stage.path("home"));
        let login =
            ["registry", "login", &host, "--username", "ci", "--password", "correct-horse-7", "--plain-http"];
        helm.run(login).ok();
        stage.call("helm::pull", &pull).value();
    }
}

#[test]
fn a_registry_is_trusted_by_the_authority_that_the_target_names() {
    let stage = Stage::new();
    let registry = match DockerRegistry::over_tls() {
        Ok(registry) => registry,
        Err(missing) => return skip(missing),
    };
    let host = registry.host();
    let folder = write(&stage, "web", "1.0.0");
    stage.write("ca.pem", registry.certificate());
    let push = json!({ "chart": folder, "to": format!("oci://{host}/charts") });
    let stage = stage.section(json!({ "registries": { &host: { "plain-http": false } } }));
    let error = stage.call("helm::push", &push).error();
    assert!(
        error.contains("UnknownIssuer") && error.contains("certificate-authority = \"ca.pem\""),
        "{error}"
    );
    let section =
        json!({ "registries": { &host: { "plain-http": false, "certificate-authority": "ca.pem" } } });
    let stage = stage.section(section);
    stage.call("helm::push", &push).value();
    stage.call("helm::template", &json!({ "chart": format!("oci://{host}/charts/web") })).value();
}

#[test]
fn a_push_says_what_it_takes() {
    let stage = Stage::new();
    let folder = write(&stage, "web", "1.0.0");
    let refused =
        |chart: &str, to: &str| stage.call("helm::push", &json!({ "chart": chart, "to": to })).error();
    for (to, why) in [
        ("registry.example.com/charts", "`registry.example.com/charts` is no `oci://HOST/PATH`"),
        ("oci://registry.example.com/charts/web:1.0.0", "says a version"),
        ("oci://registry.example.com/Charts", "a path has lower case letters"),
        ("oci://ci:correct-horse-7@registry.example.com/charts", "bears a user or password"),
    ] {
        let error = refused(&folder, to);
        assert!(error.contains(why) && !error.contains("correct-horse"), "{to}: {error}");
    }
    stage.write("none.tgz", "nothing");
    assert!(refused("none.tgz", "oci://registry.example.com/charts").contains("`none.tgz` cannot be loaded"));
    assert!(
        refused("nowhere", "oci://registry.example.com/charts").contains("there is no chart at `nowhere`")
    );
    let capital = write(&stage, "Web", "1.0.0");
    assert!(refused(&capital, "oci://registry.example.com/charts").contains("a path has lower case letters"));
}

#[test]
fn a_repository_may_be_a_list_of_what_a_registry_holds() {
    let stage = Stage::new();
    let registry = match DockerRegistry::open() {
        Ok(registry) => registry,
        Err(missing) => return skip(missing),
    };
    let to = format!("oci://{}/charts", registry.host());
    let folder = write(&stage, "web", "1.0.0");
    let pushed = stage.call("helm::push", &json!({ "chart": folder, "to": to })).value();
    let index = |digest: &str| {
        let index = json!({ "apiVersion": "v1", "entries": { "web": [{ "version": "1.0.0", "urls": [format!("{to}/web:1.0.0")], "digest": digest }] } });
        serve(BTreeMap::from([("/index.yaml".to_owned(), index.to_string().into_bytes())]))
    };
    let server = index(pushed["archive"].as_str().unwrap());
    let chart = json!({ "chart": "web", "repo": server.url() });
    let found = stage.call("helm::pull", &json!({ "chart": chart, "to": "pulled" })).value();
    assert_eq!(found["source"], format!("{to}/web@{}", pushed["digest"].as_str().unwrap()));
    let server = index(pushed["digest"].as_str().unwrap());
    let error = stage.refusal(&json!({ "chart": "web", "repo": server.url() }));
    assert!(error.contains("does not have the digest that the repository's index says"), "{error}");
}
