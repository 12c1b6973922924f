//! Where and how releases are recorded: each reads what the other wrote.

use opsrun_core::ErrorKind;
use serde_json::json;

use crate::stage::{Stage, on_real};
use crate::{CHART, statuses, upgrade};

#[test]
fn releases_in_config_maps_are_helms_as_well() {
    on_real(|stage: &Stage| {
        let Some(helm) = stage.helm() else { return };
        let helm = helm.with("HELM_DRIVER", "configmap");
        let stage = stage.with_config_maps();
        let chart = format!("{}/{CHART}", env!("CARGO_MANIFEST_DIR"));
        stage.run(|call| call("helm::upgrade", upgrade(&json!({ "mode": "one" })))).value();
        helm.ok(&["upgrade", "web", &chart, "--set", "mode=two"]);
        let done = stage.run(|call| {
            call("helm::rollback", json!({ "release": "web" }))?;
            let secrets = call("k8s::list", json!({ "kind": "secrets", "labels": "owner=helm" }))?;
            assert_eq!(secrets, json!([]));
            call("helm::history", json!({ "release": "web" }))
        });
        assert_eq!(statuses(&done.value()), ["1 superseded", "2 superseded", "3 deployed"]);
        assert!(helm.ok(&["get", "values", "web"]).contains("mode: one"));
        helm.ok(&["rollback", "web", "2"]);
        let gone = stage.run(|call| {
            assert_eq!(call("k8s::get", json!({ "object": "cm/web" }))?["data"]["mode"], "two");
            call("helm::uninstall", json!({ "release": "web", "keep_history": true }))?;
            call("helm::history", json!({ "release": "web" }))
        });
        assert_eq!(statuses(&gone.value()).last().unwrap(), "4 uninstalled");
        assert!(helm.ok(&["history", "web"]).contains("uninstalled"));
    });
}

#[test]
fn a_target_that_keeps_releases_nowhere_is_refused() {
    on_real(|stage: &Stage| {
        let stage = stage.with_section("helm", json!({ "storage": "sql" }));
        let said = stage.run(|call| {
            let error = call("helm::history", json!({ "release": "web" })).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            Ok(error.report().into())
        });
        let said = said.value();
        let said = said.as_str().unwrap();
        assert!(said.starts_with("the section `helm` of the target `real`: unknown variant `sql`"), "{said}");
        assert!(said.contains("`secrets` or `configmaps`"), "{said}");
    });
}

/// A chart with a file of so many bytes that do not compress.
fn big_chart(bytes: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("templates")).unwrap();
    let write = |name: &str, text: &[u8]| std::fs::write(folder.path().join(name), text).unwrap();
    write("Chart.yaml", b"apiVersion: v2\nname: big\nversion: 1.0.0\n");
    write("templates/a.yaml", b"apiVersion: v1\nkind: ConfigMap\nmetadata: { name: {{ .Release.Name }} }\n");
    // A linear congruential generator (Knuth's MMIX): noise enough for gzip.
    let mut state: u64 = 1;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    })
    .take(bytes)
    .collect();
    write("noise", &noise);
    folder
}

#[test]
fn a_big_record_is_read_by_both_and_one_that_is_too_big_is_refused_before_anything_is_written() {
    on_real(|stage: &Stage| {
        let Some(helm) = stage.helm() else { return };
        // The bytes are in base64 within the record, which gzip brings down to what they were; then base64 again.
        let (fits, too_big) = (big_chart(700_000), big_chart(800_000));
        let (fits, too_big) = (fits.path().display().to_string(), too_big.path().display().to_string());
        let done = stage.run(|call| {
            call("helm::upgrade", json!({ "release": "ours", "chart": fits }))?;
            let error = call("helm::upgrade", json!({ "release": "huge", "chart": too_big })).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.message().contains("is too big for its record: 1"), "{}", error.message());
            assert_eq!(call("k8s::get", json!({ "object": "cm/huge", "optional": true }))?, json!(null));
            call("helm::history", json!({ "release": "ours" }))
        });
        assert_eq!(statuses(&done.value()), ["1 deployed"]);
        assert!(helm.ok(&["get", "manifest", "ours"]).contains("name: ours"));
        helm.ok(&["install", "theirs", &fits]);
        let status = stage.run(|call| call("helm::status", json!({ "release": "theirs" })));
        assert_eq!(status.value()["chart"], "big-1.0.0");
        let refused = helm.run(&["install", "huge", &too_big]);
        assert_eq!(refused.code, Some(1), "{refused}");
    });
}

#[test]
fn a_release_that_was_applied_from_the_clients_side_is_taken_over() {
    on_real(|stage: &Stage| {
        let Some(helm) = stage.helm() else { return };
        let chart = format!("{}/{CHART}", env!("CARGO_MANIFEST_DIR"));
        helm.ok(&["install", "web", &chart, "--server-side=false", "--set", "mode=one"]);
        let done = stage.run(|call| {
            call("helm::upgrade", upgrade(&json!({ "mode": "two", "extra": false })))?;
            assert_eq!(call("k8s::get", json!({ "object": "cm/web" }))?["data"]["mode"], "two");
            assert_eq!(call("k8s::get", json!({ "object": "cm/web-extra", "optional": true }))?, json!(null));
            call("helm::history", json!({ "release": "web" }))
        });
        assert_eq!(statuses(&done.value()), ["1 superseded", "2 deployed"]);
        helm.ok(&["upgrade", "web", &chart, "--set", "mode=three"]);
        helm.ok(&["rollback", "web", "1"]);
        let mode =
            stage.run(|call| Ok(call("k8s::get", json!({ "object": "cm/web" }))?["data"]["mode"].clone()));
        assert_eq!(mode.value(), "one");
    });
}
