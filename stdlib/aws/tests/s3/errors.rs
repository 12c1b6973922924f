//! One clear error for each thing that can be wrong.

use opsrun_core::Span;
use opsrun_runtime::Past;
use serde_json::json;

use crate::server;
use crate::stage::Stage;

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let stage = Stage::of_section(json!({ "accounts": {
        "111122223333": { "regions": {
            "us-west-2": { "s3": { "buckets": { "prod-west": { "objects": { "a": "1" } } } } },
            "eu-west-1": { "s3": { "buckets": { "prod-eu": { "objects": { "a": "2" } } } } },
        } },
        "444455556666": { "regions": { "us-west-2": { "s3": { "buckets": { "not-ours": {} } } } } },
    } }));
    let get = |url: &str| json!({ "from": url });
    assert_eq!(stage.value("s3::get", get("s3://prod-eu/a"))["text"], "2");
    assert_eq!(stage.value("s3::bucket", json!({ "bucket": "prod-eu" }))["region"], "eu-west-1");
    for (path, arguments, wanted) in [
        ("s3::get", get("s3://prod-west/b"), vec!["there is no object s3://prod-west/b", "us-west-2"]),
        (
            "s3::get",
            get("s3://prod-none/b"),
            vec!["there is no bucket `prod-none`", "s3:ListBucket in us-west-2"],
        ),
        ("s3::get", get("s3://prod-west"), vec!["names a bucket and no object"]),
        ("s3::get", get("prod-west/a"), vec!["write it like `s3://BUCKET/KEY`"]),
        (
            "s3::put",
            json!({ "to": "s3://not-ours/a", "content": "x" }),
            vec!["s3://not-ours/a", "in us-west-2", "s3:"],
        ),
        (
            "s3::get",
            json!({ "from": "s3://prod-eu/a", "region": "us-west-2" }),
            vec!["s3://prod-eu/a", "us-west-2", "the bucket is in another region"],
        ),
        (
            "s3::put",
            json!({ "to": "s3://prod-west/c" }),
            vec!["needs one of its options `content` and `file`"],
        ),
        (
            "s3::put",
            json!({ "to": "s3://prod-west/c", "file": "none.txt" }),
            vec!["`none.txt` does not exist"],
        ),
        (
            "s3::create_bucket",
            json!({ "bucket": "prod-eu" }),
            vec!["is there already, in eu-west-1 and not in us-west-2"],
        ),
        ("s3::create_bucket", json!({ "bucket": "not-ours" }), vec!["us-west-2", "BucketAlreadyExists"]),
        (
            "s3::delete_bucket",
            json!({ "bucket": "prod-west" }),
            vec!["BucketNotEmpty", "delete what is in it first"],
        ),
    ] {
        let error = stage.error(path, arguments);
        for wanted in wanted {
            assert!(error.contains(wanted), "{path}: no `{wanted}` in:\n{error}");
        }
    }
}

#[test]
fn what_s3_refuses_names_account_region_and_action() {
    for (fault, wanted) in [
        ("aws s3:GetObject: 403", vec!["s3:GetObject in us-west-2, the estate's account", "AccessDenied"]),
        ("aws s3:HeadObject: 403", vec!["asking for s3://prod-west/a", "s3:GetObject in us-west-2"]),
        ("aws s3:GetObject: refused", vec!["s3:GetObject in us-west-2", "cannot be reached"]),
    ] {
        let stage = Stage::estate(json!({ "buckets": { "prod-west": { "objects": { "a": "1" } } } }));
        let failed = stage.run_with(&[fault], Past::default(), |call| {
            call("s3::get", json!({ "from": "s3://prod-west/a" }))
        });
        for wanted in wanted {
            assert!(failed.error().contains(wanted), "{fault}: no `{wanted}` in:\n{}", failed.error());
        }
    }
}

#[test]
fn a_lifecycle_is_kept_by_time() {
    let stage = Stage::estate(
        json!({ "buckets": { "prod-west": { "versioning": true, "objects": { "tmp/a": "1", "b": "2" } } } }),
    );
    let rules = json!([{ "id": "tmp", "prefix": "tmp/", "days": 3, "former_days": 2 }]);
    let set = json!({ "bucket": "prod-west", "rules": rules });
    assert_eq!(stage.value("s3::set_lifecycle", set.clone()), true);
    assert_eq!(stage.value("s3::set_lifecycle", set), false);
    let count = || stage.value("s3::list", json!({ "at": "s3://prod-west" }))["count"].clone();
    let versions =
        || stage.value("s3::versions", json!({ "object": "s3://prod-west/tmp/a" })).as_array().unwrap().len();
    assert_eq!((count(), versions()), (json!(2), 1));
    stage.pass(Span::from_secs(4 * 86_400));
    assert_eq!((count(), versions()), (json!(1), 2), "it is marked as deleted");
    stage.pass(Span::from_secs(3 * 86_400));
    assert_eq!((count(), versions()), (json!(1), 1), "the former version is gone");
    let put = json!({ "to": "s3://prod-west/c", "content": "x" });
    let presign = stage.value("s3::presign", json!({ "object": "s3://prod-west/b", "within": "1h" }));
    assert!(presign["address"].as_str().unwrap().contains("X-Amz-Date=20260309T"), "{presign}");
    assert_eq!(stage.value("s3::put", put)["changed"], true, "signed by the run's clock");
}

#[test]
fn what_does_not_arrive_as_it_was_stored_is_thrown_away() {
    let large = "x".repeat(9 << 20) + server::FRAGILE;
    let objects = json!({ "small": format!("please {}", server::FRAGILE), "large": large, "good": "good" });
    let estate = Stage::of_today(json!({ "accounts": { "111122223333": { "regions": {
        "us-west-2": { "s3": { "buckets": { "prod-west": { "objects": objects } } } },
    } } } }));
    let stage = Stage::behind_a_bad_line(&estate);
    assert_eq!(stage.value("s3::get", json!({ "from": "s3://prod-west/good" }))["text"], "good");
    let error = stage.error("s3::get", json!({ "from": "s3://prod-west/small" }));
    assert!(error.contains("s3://prod-west/small did not arrive as it was stored"), "{error}");
    for key in ["small", "large"] {
        let download = json!({ "from": format!("s3://prod-west/{key}"), "to": format!("down/{key}") });
        let error = stage.error("s3::download", download);
        assert!(error.contains("did not arrive as it was stored"), "{error}");
    }
    let error = stage.error("s3::sync", json!({ "from": "s3://prod-west", "to": "down" }));
    assert!(error.contains("did not arrive as it was stored"), "{error}");
    let left: Vec<_> = std::fs::read_dir(stage.folder().join("down"))
        .unwrap()
        .map(|file| file.unwrap().file_name())
        .collect();
    assert!(left.iter().all(|name| name == "good"), "{left:?}");
}
