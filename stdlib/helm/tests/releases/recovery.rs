//! Releases that failed or were left behind, and how they come back.

use std::time::Duration;

use opsrun_core::{ErrorKind, Value};
use serde_json::json;

use crate::stage::{Stage, on_real};
use crate::{CHART, statuses, upgrade};

#[test]
fn a_release_that_a_dead_client_left_pending_is_told_and_taken_over_on_request() {
    on_real(|stage: &Stage| {
        let Some(helm) = stage.helm() else { return };
        let chart = format!("{}/{CHART}", env!("CARGO_MANIFEST_DIR"));
        helm.ok(&["install", "web", &chart, "--set", "mode=one"]);
        // Its hook waits for a Job that nobody runs on this cluster.
        let mut child =
            helm.command(&["upgrade", "web", &chart, "--set", "mode=two,job=true"]).spawn().unwrap();
        let pending = || helm.ok(&["history", "web"]).contains("pending-upgrade");
        let begun = (0..600).any(|_| {
            std::thread::sleep(Duration::from_millis(100));
            pending() && {
                let job =
                    stage.run(|call| call("k8s::get", json!({ "object": "job/web-job", "optional": true })));
                job.value() != Value::Null
            }
        });
        assert!(begun, "the upgrade gets to its hook");
        child.kill().unwrap();
        child.wait().unwrap();

        let refused = stage.run(|call| {
            let error = call("helm::upgrade", upgrade(&json!({ "mode": "three" }))).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict);
            let patient = json!({ "release": "web", "chart": CHART, "values": {}, "recover": "1h" });
            assert_eq!(call("helm::upgrade", patient).unwrap_err().kind(), ErrorKind::Conflict);
            Ok(error.report().into())
        });
        let refused = refused.value();
        let refused = refused.as_str().unwrap();
        assert!(refused.starts_with("the release `web` is pending-upgrade at revision 2"), "{refused}");
        assert!(refused.contains("ago), written by `Helm`") && refused.contains("recover: 1.h"), "{refused}");

        let done = stage.run(|call| {
            let values = json!({ "mode": "three" });
            call(
                "helm::upgrade",
                json!({ "release": "web", "chart": CHART, "values": values, "recover": "0s" }),
            )?;
            assert_eq!(call("k8s::get", json!({ "object": "cm/web" }))?["data"]["mode"], "three");
            call("helm::history", json!({ "release": "web" }))
        });
        let history = done.value();
        assert_eq!(statuses(&history), ["1 superseded", "2 failed", "3 deployed"]);
        assert_eq!(history[1]["description"], "Left pending-upgrade, taken over");
        helm.ok(&["rollback", "web", "1"]);
    });
}

#[test]
fn what_atomic_brings_back_is_not_brought_back_again_when_the_run_is_undone() {
    on_real(|stage: &Stage| {
        stage.run(|call| call("helm::upgrade", upgrade(&json!({ "mode": "one" })))).value();
        let atomic = |values: Value, name: &str| json!({ "release": name, "chart": CHART, "values": values, "atomic": true });
        let failed = stage.run(|call| {
            let error =
                call("helm::upgrade", atomic(json!({ "mode": "two", "bad": true }), "web")).unwrap_err();
            assert_eq!(call("k8s::get", json!({ "object": "cm/web" }))?["data"]["mode"], "one");
            let history = call("helm::history", json!({ "release": "web" }))?;
            assert_eq!(statuses(&history), ["1 superseded", "2 failed", "3 deployed"]);
            Err(error)
        });
        assert_eq!(failed.exit_code(), 3);
        let said = failed.report();
        assert!(said.contains("failed, and has been rolled back to revision 1 (`atomic`)"), "{said}");
        let after = stage.run(|call| call("helm::history", json!({ "release": "web" })));
        assert_eq!(statuses(&after.value()), ["1 superseded", "2 failed", "3 deployed"], "{said}");

        let installed = stage.run(|call| {
            let error = call("helm::upgrade", atomic(json!({ "bad": true }), "new")).unwrap_err();
            assert!(error.message().contains("has been uninstalled (`atomic`)"), "{}", error.report());
            assert_eq!(call("helm::status", json!({ "release": "new", "optional": true }))?, Value::Null);
            let left = call("k8s::list", json!({ "kind": "cm" }))?;
            let names = left.as_array().unwrap().iter().map(|map| map["metadata"]["name"].clone());
            Ok(names.filter(|name| name.as_str().unwrap().starts_with("new")).collect())
        });
        assert_eq!(installed.value(), json!(["new-kept"]), "what is to be kept is kept");
    });
}

#[test]
fn only_so_many_revisions_are_kept_and_the_deployed_one_always() {
    on_real(|stage: &Stage| {
        let done = stage.run(|call| {
            for mode in 0..12 {
                call("helm::upgrade", upgrade(&json!({ "mode": format!("m{mode}") })))?;
            }
            call("helm::history", json!({ "release": "web" }))
        });
        let shown = statuses(&done.value());
        assert_eq!((shown.len(), shown[0].as_str(), shown[9].as_str()), (10, "3 superseded", "12 deployed"));
    });
}
