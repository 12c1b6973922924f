//! Values and charts: what is given, what is reused of the former revision, and names, each as the real Helm has it.

use opsrun_core::{ErrorKind, Value};
use serde_json::json;

use crate::CHART;
use crate::stage::{Stage, on_real};

/// A copy of the chart in a folder of its own, with other defaults.
fn changed_chart() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let chart = format!("{}/{CHART}", env!("CARGO_MANIFEST_DIR"));
    std::process::Command::new("cp").args(["-r", &chart, "."]).current_dir(&folder).status().unwrap();
    let values = "mode: other-default\nextra: false\nhook: true\nimage: opsrun.test/web:2\n";
    std::fs::write(folder.path().join("chart/values.yaml"), values).unwrap();
    folder
}

/// Helm 4.3 leaves one after each document of a file with several.
fn without_blank_lines(manifest: &str) -> String {
    manifest.lines().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_is_reused_of_the_former_revision_is_what_helm_reuses() {
    on_real(|stage: &Stage| {
        let Some(helm) = stage.helm() else { return };
        let first = format!("{}/{CHART}", env!("CARGO_MANIFEST_DIR"));
        let folder = changed_chart();
        let second = folder.path().join("chart").display().to_string();
        let flags = ["", "reuse_values", "reset_then_reuse_values", "reset_values"];
        let given = [json!({}), json!({ "mode": "given" }), json!({ "mode": null, "new": { "a": 1 } })];
        for (number, (flag, given)) in
            flags.iter().flat_map(|flag| given.iter().map(move |given| (flag, given))).enumerate()
        {
            let (ours, theirs) = (format!("ours-{number}"), format!("helms-{number}"));
            let values = folder.path().join("given.yaml");
            std::fs::write(&values, given.to_string()).unwrap();
            let values = values.display().to_string();
            helm.ok(&["install", &theirs, &first, "--set", "mode=former,old.a=1,old.b=2"]);
            let mut arguments = vec!["upgrade", &theirs, &second, "--values", &values];
            let dashed = format!("--{}", flag.replace('_', "-"));
            if !flag.is_empty() {
                arguments.push(&dashed);
            }
            helm.ok(&arguments);
            let state = stage.run(|call| {
                let set = json!(["mode=former,old.a=1,old.b=2"]);
                call("helm::upgrade", json!({ "release": ours, "chart": first, "set": set }))?;
                let mut upgrade = json!({ "release": ours, "chart": second, "values": given });
                if !flag.is_empty() {
                    upgrade[flag] = true.into();
                }
                call("helm::upgrade", upgrade)?;
                call("helm::status", json!({ "release": ours }))
            });
            let state = state.value();
            let of_helm = |what: &str, more: &[&str]| {
                helm.ok(&[&["get", what, &theirs], more].concat()).replace(&theirs, &ours)
            };
            let what = format!("with `{flag}` and {given}");
            let values: Value = serde_json::from_str(&of_helm("values", &["--output", "json"])).unwrap();
            let none = json!({});
            assert_eq!(&state["values"], if values.is_null() { &none } else { &values }, "{what}");
            let all: Value =
                serde_json::from_str(&of_helm("values", &["--all", "--output", "json"])).unwrap();
            assert_eq!(state["all_values"], all, "{what}");
            assert_eq!(
                without_blank_lines(state["manifest"].as_str().unwrap()),
                without_blank_lines(&of_helm("manifest", &[])),
                "{what}"
            );
            let hooks: Vec<_> = state["hooks"]
                .as_array()
                .unwrap()
                .iter()
                .map(|hook| hook["manifest"].as_str().unwrap())
                .collect();
            assert!(hooks.iter().all(|hook| of_helm("hooks", &[]).contains(hook.trim())), "{what}");
        }
    });
}

#[test]
fn settings_come_in_every_form_that_helm_has() {
    on_real(|stage: &Stage| {
        let Some(helm) = stage.helm() else { return };
        let folder = changed_chart();
        let chart = folder.path().join("chart");
        std::fs::write(
            chart.join("templates/all.yaml"),
            "values: {{ toYaml .Values | nindent 2 }}\nkind: A\n",
        )
        .unwrap();
        std::fs::write(folder.path().join("cert"), "line 1\nline 2: {}\n").unwrap();
        let (chart, cert) = (chart.display().to_string(), folder.path().join("cert").display().to_string());
        let file = format!("tls.crt={cert}");
        let theirs = helm.ok(&[
            "template",
            "web",
            &chart,
            "--set-json",
            "list=[1,{\"a\":null}]",
            "--set",
            "a.b[1]=x,c=true,d=null",
            "--set-string",
            "c2=true,n=1.10",
            "--set-file",
            &file,
            "--set-literal",
            "note=a,b=c\\d",
        ]);
        let ours = stage.run(|call| {
            let set = json!([
                { "json": "list=[1,{\"a\":null}]" },
                "a.b[1]=x,c=true,d=null",
                { "string": "c2=true,n=1.10" },
                { "file": file },
                { "literal": "note=a,b=c\\d" },
            ]);
            let namespace = &stage.namespace;
            call(
                "helm::template",
                json!({ "chart": chart, "release": "web", "set": set, "namespace": namespace }),
            )
        });
        assert_eq!(ours.value(), theirs);
        for (set, expected) in [
            (json!(["a"]), "`set: a` cannot be used: "),
            (json!([{ "json": "a={" }]), "`set: json: a={` cannot be used: "),
            (
                json!([{ "text": "a=b" }]),
                "expected a setting such as \"image.tag=1.2\", or a map of one with `string`",
            ),
            (json!([{ "file": "a=/nowhere/b" }]), "/nowhere/b"),
        ] {
            let said = stage.run(|call| {
                let error = call("helm::template", json!({ "chart": chart, "set": set })).unwrap_err();
                Ok(error.report().into())
            });
            let said = said.value();
            assert!(said.as_str().unwrap().contains(expected), "{said}");
        }
    });
}

#[test]
fn a_name_that_helm_refuses_is_refused_in_its_words() {
    on_real(|stage: &Stage| {
        let Some(helm) = stage.helm() else { return };
        let chart = format!("{}/{CHART}", env!("CARGO_MANIFEST_DIR"));
        for name in ["Web", "web_1", "web..a", &"w".repeat(54)] {
            let theirs = helm.run(&["template", name, &chart]).with_code(1).stderr;
            let ours = stage.run(|call| {
                let arguments = json!({ "release": name, "chart": CHART });
                let error = call("helm::upgrade", arguments.clone()).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Invalid);
                assert_eq!(call("helm::template", arguments).unwrap_err().message(), error.message());
                Ok(error.message().into())
            });
            let ours = ours.value();
            assert!(theirs.contains(ours.as_str().unwrap()), "{ours}\n{theirs}");
        }
    });
}

#[test]
fn a_diff_tells_what_an_upgrade_would_change_and_changes_nothing() {
    on_real(|stage: &Stage| {
        let values = json!({ "mode": "fast", "token": "hunter2-before" });
        let upgrade = json!({ "release": "web", "chart": CHART, "values": values });
        stage.run(|call| call("helm::upgrade", upgrade.clone())).value();
        let told = stage.run(|call| {
            let same = call("helm::diff", json!({ "release": "web", "chart": CHART, "values": values }))?;
            // The chart writes the revision's number into its map.
            let changed = |diff: &Value| {
                let all = diff["objects"].as_array().unwrap().iter();
                let changed = all.filter(|object| object["change"] != "unchanged");
                changed
                    .map(|object| {
                        format!(
                            "{} {}",
                            object["change"].as_str().unwrap(),
                            object["object"].as_str().unwrap()
                        )
                    })
                    .collect::<Vec<_>>()
            };
            assert_eq!(changed(&same), ["changed configmap/web"]);
            // By hand, and taken back by the upgrade.
            call("k8s::patch", json!({ "object": "cm/web", "patch": { "data": { "mode": "by-hand" } } }))?;
            let values = json!({ "mode": "slow", "extra": false, "token": "hunter2-after" });
            let arguments = json!({ "release": "web", "chart": CHART, "values": values, "force": true });
            let diff = call("helm::diff", arguments)?;
            assert_eq!(
                changed(&diff),
                ["changed secret/web", "changed configmap/web", "deleted configmap/web-extra"]
            );
            assert_eq!(call("helm::history", json!({ "release": "web" }))?.as_array().unwrap().len(), 1);
            Ok(diff)
        });
        let told = told.value().to_string();
        assert!(told.contains("-  mode: by-hand\\n") && told.contains("+  mode: slow\\n"), "{told}");
        assert!(told.contains("(hidden, differs)"), "{told}");
        for secret in ["hunter2-before", "hunter2-after", "aHVudGVyM"] {
            assert!(!told.contains(secret), "{told}");
        }
        let elsewhere = stage.run(|call| {
            let arguments = json!({ "release": "web", "chart": CHART, "namespace": "not-there-yet" });
            call("helm::diff", arguments)
        });
        let elsewhere = elsewhere.value();
        let objects = elsewhere["objects"].as_array().unwrap();
        assert!(
            objects.len() == 3 && objects.iter().all(|object| object["change"] == "created"),
            "{elsewhere}"
        );
    });
}
