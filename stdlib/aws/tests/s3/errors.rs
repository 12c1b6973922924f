//! One clear error for each thing that can be wrong.

use serde_json::json;

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
