//! What was done is taken back, also if nobody knows whether it was done.

use opsrun_core::{Error, Result};
use opsrun_runtime::{Outcome, Past};
use serde_json::{Value, json};

use crate::stage::{Caller, Stage, on_all};

fn estate(versioning: bool) -> Stage {
    let large = "x".repeat(70_000);
    Stage::estate(json!({ "buckets": { "prod-config": {
        "versioning": versioning,
        "objects": { "app.yaml": "replicas: 3", "old.yaml": "old", "large.txt": large },
    } } }))
}

/// Every primitive that writes, once.
fn everything(call: Caller<'_>) -> Result<Value> {
    let at = |key: &str| format!("s3://prod-config/{key}");
    call("s3::put", json!({ "to": at("app.yaml"), "content": "replicas: 5" }))?;
    call("s3::put", json!({ "to": at("new.yaml"), "content": "new" }))?;
    call("s3::put", json!({ "to": at("app.yaml"), "content": "replicas: 7" }))?;
    call("s3::copy", json!({ "from": at("app.yaml"), "to": at("old.yaml") }))?;
    call("s3::delete", json!({ "object": at("app.yaml") }))?;
    call("s3::delete", json!({ "object": at("new.yaml") }))?;
    call("s3::put", json!({ "to": at("new.yaml"), "file": "large.bin" }))?;
    call(
        "s3::set_lifecycle",
        json!({ "bucket": "prod-config", "rules": [{ "id": "all", "prefix": "tmp/", "days": 3 }] }),
    )?;
    call("s3::create_bucket", json!({ "bucket": "prod-more", "versioning": true }))
}

fn and_fails(call: Caller<'_>) -> Result<Value> {
    everything(call)?;
    Err(Error::failed("enough"))
}

#[test]
fn everything_is_taken_back_with_versions_and_without() {
    for versioning in [true, false] {
        let stage = estate(versioning);
        stage.write("large.bin", vec![7_u8; 9 << 20]);
        let before = stage.snapshot();
        let done = stage.run(everything);
        done.value();
        assert_ne!(stage.snapshot(), before);
        let stage = estate(versioning);
        stage.write("large.bin", vec![7_u8; 9 << 20]);
        let failed = stage.run(and_fails);
        assert_eq!(failed.left(), Vec::<String>::new(), "{}", failed.report());
        assert_eq!(stage.snapshot(), before, "{}", failed.report());
    }
}

#[test]
fn what_cannot_come_back_is_named() {
    let stage = estate(false);
    let failed = stage.run(|call| {
        call("s3::put", json!({ "to": "s3://prod-config/large.txt", "content": "small" }))?;
        Err(Error::failed("enough"))
    });
    let left = failed.left().join("\n");
    assert!(left.contains("s3://prod-config/large.txt had another content, of 70000 bytes"), "{left}");
}

#[test]
fn a_lost_answer_is_settled_by_looking() {
    for versioning in [true, false] {
        for fault in [
            "aws s3:PutObject: lost-answer",
            "aws s3:CopyObject: lost-answer",
            "aws s3:DeleteObject: lost-answer",
            "aws s3:CreateMultipartUpload: lost",
            "aws s3:UploadPart: lost-answer",
            "aws s3:CompleteMultipartUpload: lost-answer",
            "aws s3:PutBucketLifecycleConfiguration: lost-answer",
            "aws s3:CreateBucket: lost-answer",
        ] {
            let stage = estate(versioning);
            stage.write("large.bin", vec![7_u8; 9 << 20]);
            let before = stage.snapshot();
            let failed = stage.run_with(&[fault], Past::default(), everything);
            assert!(matches!(failed.outcome, Outcome::Undone { .. }), "{fault}: {}", failed.report());
            assert_eq!(stage.snapshot(), before, "{fault}: {}", failed.report());
        }
    }
}

#[test]
fn a_run_that_was_killed_once_a_write_was_sent_goes_on() {
    for versioning in [true, false] {
        for (path, arguments) in [
            ("s3::put", json!({ "to": "s3://prod-config/app.yaml", "content": "replicas: 5" })),
            ("s3::put", json!({ "to": "s3://prod-config/new.yaml", "content": "new" })),
            ("s3::put", json!({ "to": "s3://prod-config/large.bin", "file": "large.bin" })),
            ("s3::copy", json!({ "from": "s3://prod-config/app.yaml", "to": "s3://prod-config/copy" })),
            ("s3::delete", json!({ "object": "s3://prod-config/app.yaml" })),
            ("s3::set_lifecycle", json!({ "bucket": "prod-config", "rules": [{ "id": "all", "days": 3 }] })),
            ("s3::create_bucket", json!({ "bucket": "prod-more" })),
        ] {
            let stage = estate(versioning);
            stage.write("large.bin", vec![7_u8; 9 << 20]);
            let before = stage.snapshot();
            let done = stage.run(|call| call(path, arguments.clone()));
            done.value();
            let after = stage.snapshot();
            let last = done.writes();
            let gone_on = stage.run_with(&[], done.killed_at_write(last), |call| {
                let value = call(path, arguments.clone())?;
                assert_ne!(value["changed"], false, "{path}: it is this call's own");
                Ok(value)
            });
            gone_on.value();
            assert_eq!((stage.snapshot(), gone_on.writes()), (after, 0), "{path}: {}", gone_on.report());
            let failed = stage.run_with(&[], done.killed_at_write(last), |call| {
                call(path, arguments.clone())?;
                Err(Error::failed("enough"))
            });
            assert_eq!(stage.snapshot(), before, "{path}: {}", failed.report());
        }
    }
}

#[test]
fn an_upload_that_broke_off_goes_on_with_the_parts_that_are_missing() {
    let put = json!({ "to": "s3://prod-config/large.bin", "file": "large.bin" });
    let lost = "aws s3:UploadPart: lost after 1";
    // If it cannot be given up, it stays; else it is begun anew: once more two parts, and the end.
    for (faults, writes) in [(&[lost, "aws s3:AbortMultipartUpload: 403 always"][..], 2), (&[lost], 4)] {
        let stage = estate(true);
        stage.write("large.bin", (0..9_u32 << 20).map(|at| (at >> 9) as u8).collect::<Vec<_>>());
        let failed = stage.run_with(faults, Past::default(), |call| call("s3::put", put.clone()));
        let unfinished = stage.snapshot().contains_key("aws s3 unfinished prod-config/large.bin");
        assert_eq!(unfinished, writes == 2, "{}", failed.report());
        let past = failed.killed_at_write(3);
        let gone_on = stage.run_with(&[], past, |call| call("s3::put", put.clone()));
        assert_eq!(
            (gone_on.value()["changed"].clone(), gone_on.writes()),
            (json!(true), writes),
            "{}",
            gone_on.report()
        );
        assert!(!stage.snapshot().contains_key("aws s3 unfinished prod-config/large.bin"));
        assert_eq!(stage.value("s3::put", put.clone())["changed"], false);
    }
}

#[test]
fn a_version_is_restored_and_taken_back() {
    on_all(|stage| {
        // It keeps no versions.
        if stage.name == "s3s-fs" {
            return;
        }
        let url = "s3://opsrun-versions/app.yaml";
        stage.value("s3::create_bucket", json!({ "bucket": "opsrun-versions", "versioning": true }));
        for content in ["one", "two"] {
            stage.value("s3::put", json!({ "to": url, "content": content }));
        }
        stage.value("s3::delete", json!({ "object": url }));
        let versions = stage.value("s3::versions", json!({ "object": url }));
        let told: Vec<_> =
            versions.as_array().unwrap().iter().map(|v| (v["deleted"].clone(), v["size"].clone())).collect();
        assert_eq!(told.len(), 3, "{}: {versions}", stage.name);
        assert_eq!(told[0], (json!(true), json!(0)), "{}", stage.name);
        let oldest =
            versions.as_array().unwrap().iter().find(|v| v["tag"] == "f97c5d29941bfb1b2fdab0874906ab82");
        let restore = json!({ "object": url, "version": oldest.unwrap()["version"] });
        let failed = stage.run(|call| {
            call("s3::restore_version", restore.clone())?;
            assert_eq!(call("s3::get", json!({ "from": url }))?["text"], "one");
            Err(Error::failed("enough"))
        });
        assert_eq!(failed.left(), Vec::<String>::new(), "{}", failed.report());
        assert_eq!(stage.value("s3::versions", json!({ "object": url })), versions, "{}", stage.name);
        assert_eq!(stage.value("s3::restore_version", restore.clone())["changed"], true, "{}", stage.name);
        assert_eq!(stage.value("s3::restore_version", restore)["changed"], false, "{}", stage.name);
    });
}
