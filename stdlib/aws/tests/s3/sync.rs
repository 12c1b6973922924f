//! Folders and buckets that become alike.

use opsrun_core::Error;
use opsrun_runtime::Past;
use serde_json::{Value, json};

use crate::stage::{Stage, on_all};

const FILES: usize = 12;

fn site(stage: &Stage) {
    for number in 0..FILES {
        stage.write(&format!("site/{}/page-{number}.html", number % 3), format!("page {number}"));
    }
    stage.write("site/index.html", "index");
    stage.write("site/notes.tmp", "not for others");
}

fn up(more: Value) -> Value {
    let mut arguments = json!({ "from": "site", "to": "s3://opsrun-site/www", "exclude": ["*.tmp"] });
    arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    arguments
}

/// Copied, deleted, unchanged.
fn counts(synced: &Value) -> (u64, u64, u64) {
    let of = |name: &str| synced[name].as_u64().unwrap();
    (of("copied"), of("deleted"), of("unchanged"))
}

#[test]
fn a_folder_goes_up_and_comes_down() {
    on_all(|stage| {
        let all = FILES as u64 + 1;
        site(stage);
        stage.value("s3::create_bucket", json!({ "bucket": "opsrun-site" }));
        let plan = stage.call("s3::sync", &up(json!({ "dry_run": true })));
        assert_eq!((counts(&plan.value()), plan.writes()), ((all, 0, 0), 0), "{}", stage.name);
        assert_eq!(plan.value()["changes"][0], json!({ "name": "0/page-0.html", "why": "new", "size": 6 }));
        assert_eq!(counts(&stage.value("s3::sync", up(json!({})))), (all, 0, 0), "{}", stage.name);
        let again = stage.call("s3::sync", &up(json!({ "delete": true })));
        assert_eq!((counts(&again.value()), again.writes()), ((0, 0, all), 0), "{}", stage.name);
        stage.write("site/0/page-0.html", "page X");
        std::fs::remove_file(stage.folder().join("site/1/page-1.html")).unwrap();
        stage.value("s3::put", json!({ "to": "s3://opsrun-site/www/kept.tmp", "content": "kept" }));
        let second = stage.value("s3::sync", up(json!({ "delete": true })));
        assert_eq!(counts(&second), (1, 1, all - 2), "{}: {second}", stage.name);
        let head = stage.value("s3::head", json!({ "object": "s3://opsrun-site/www/0/page-0.html" }));
        assert_eq!(head["content_type"], "text/html", "{}", stage.name);
        let down = json!({ "from": "s3://opsrun-site/www/", "to": "down", "include": ["0/*", "kept*"] });
        let first = stage.value("s3::sync", down.clone());
        assert_eq!(counts(&first), (5, 0, 0), "{}: {first}", stage.name);
        assert_eq!(counts(&stage.value("s3::sync", down)), (0, 0, 5), "{}", stage.name);
        stage.value("s3::create_bucket", json!({ "bucket": "opsrun-mirror" }));
        let across = json!({ "from": "s3://opsrun-site/www", "to": "s3://opsrun-mirror" });
        assert_eq!(counts(&stage.value("s3::sync", across.clone())), (all, 0, 0), "{}", stage.name);
        assert_eq!(counts(&stage.value("s3::sync", across)), (0, 0, all), "{}", stage.name);
        let error = stage.error(
            "s3::sync",
            json!({ "from": "site", "to": "s3://opsrun-site/www", "include": ["none"], "delete": true }),
        );
        assert!(
            error.contains("so everything in s3://opsrun-site/www would be deleted"),
            "{}: {error}",
            stage.name
        );
    });
}

fn estate(versioning: bool) -> Stage {
    let stage = Stage::of_account(json!({ "regions": {
        "us-west-2": { "s3": { "buckets": { "opsrun-site": {
            "versioning": versioning,
            "objects": { "www/index.html": "before", "www/gone.html": "gone", "other": "other" },
        } } } },
        "eu-west-1": { "s3": { "buckets": { "opsrun-dr": { "versioning": true } } } },
    } }));
    site(&stage);
    stage.write("site/large.bin", vec![3_u8; 9 << 20]);
    stage
}

#[test]
fn a_sync_is_taken_back() {
    for faults in [
        &[][..],
        &["aws s3:PutObject opsrun-site/www/1/page-4.html: lost-answer"],
        &["aws s3:CompleteMultipartUpload: lost-answer"],
        &["aws s3:DeleteObjects: lost-answer"],
        &["aws s3:CopyObject: 500"],
    ] {
        let stage = estate(true);
        let before = stage.snapshot();
        let failed = stage.run_with(faults, Past::default(), |call| {
            call("s3::sync", up(json!({ "delete": true })))?;
            call("s3::sync", json!({ "from": "s3://opsrun-site", "to": "s3://opsrun-dr/mirror" }))?;
            call("s3::sync", json!({ "from": "s3://opsrun-site", "to": "down" }))?;
            Err(Error::failed("enough"))
        });
        assert_eq!(failed.left(), Vec::<String>::new(), "{faults:?}: {}", failed.report());
        assert_eq!(stage.snapshot(), before, "{faults:?}: {}", failed.report());
    }
    let stage = estate(false);
    let failed = stage.run(|call| {
        call("s3::sync", up(json!({ "delete": true })))?;
        Err(Error::failed("enough"))
    });
    let left = failed.left().join("\n");
    assert!(left.contains("s3://opsrun-site/www/index.html had other contents"), "{left}");
    assert!(left.contains("s3://opsrun-site/www/gone.html are deleted"), "{left}");
    let keys = stage.value("s3::list", json!({ "at": "s3://opsrun-site" }));
    assert_eq!(keys["count"], 2, "what was new is gone again: {keys}");
}

#[test]
fn a_sync_that_failed_goes_on_with_what_is_missing() {
    let stage = estate(true);
    let done = stage.run(|call| call("s3::sync", up(json!({}))));
    done.value();
    let past = done.killed_at_write(4);
    // What was copied before it was killed is there; of the rest some is.
    for key in ["www/2/page-2.html", "www/2/page-5.html"] {
        stage.value("s3::delete", json!({ "object": format!("s3://opsrun-site/{key}") }));
    }
    let gone_on = stage.run_with(&[], past, |call| call("s3::sync", up(json!({}))));
    assert_eq!(counts(&gone_on.value()), (2, 0, FILES as u64), "{}", gone_on.report());
}

#[test]
fn a_key_that_would_leave_the_folder_is_refused() {
    let stage = Stage::estate(
        json!({ "buckets": { "opsrun-hostile": { "objects": { "a": "1", "../../evil": "2" } } } }),
    );
    let down = |more: Value| {
        let mut arguments = json!({ "from": "s3://opsrun-hostile", "to": "down" });
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        arguments
    };
    let error = stage.error("s3::sync", down(json!({})));
    assert!(error.contains("the key `../../evil` cannot be a file in `down`"), "{error}");
    assert_eq!(counts(&stage.value("s3::sync", down(json!({ "exclude": ["../*"] })))), (1, 0, 0));
}
