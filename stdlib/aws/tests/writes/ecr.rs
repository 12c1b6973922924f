use opsrun_core::Value;
use serde_json::json;

use crate::harness::{Back, ROW, Row};

const MANIFEST: &str =
    r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

fn estate() -> Value {
    json!({ "accounts": { "111122223333": { "regions": { "us-west-2": { "repositories": {
        "api": {
            "tags": {
                "1.3.0": { "age": "20d" },
                "1.4.0": { "age": "2h" },
                "stable": { "of": "1.3.0" },
            },
            "findings": { "critical": 1, "high": 3 },
        },
        "empty": { "immutable": true, "scan-on-push": true },
    } } } } } })
}

pub(crate) const ROWS: &[Row] = &[
    Row {
        path: "ecr::create_repository",
        estate,
        arguments: |_| json!({ "name": "new", "immutable": true, "tags": { "team": "platform" } }),
        ..ROW
    },
    Row { path: "ecr::delete_repository", estate, arguments: |_| json!({ "name": "empty" }), ..ROW },
    Row {
        path: "ecr::delete_repository",
        case: "with images",
        estate,
        arguments: |_| json!({ "name": "api", "force": true }),
        back: Back::Never("images of the repository api are nowhere else"),
        // How many images went with it.
        tells_the_rest: true,
        ..ROW
    },
    Row {
        path: "ecr::put_image",
        estate,
        arguments: |_| json!({ "repository": "api", "manifest": MANIFEST, "tags": ["both", "stable"] }),
        ..ROW
    },
    Row {
        path: "ecr::delete_image",
        estate,
        arguments: |_| json!({ "repository": "api", "image": "1.3.0" }),
        ..ROW
    },
    Row {
        path: "ecr::tag",
        case: "a new one",
        estate,
        arguments: |_| json!({ "repository": "api", "image": "1.4.0", "tag": "production" }),
        ..ROW
    },
    Row {
        path: "ecr::tag",
        case: "moved",
        estate,
        arguments: |_| json!({ "repository": "api", "image": "1.4.0", "tag": "stable" }),
        ..ROW
    },
    Row { path: "ecr::untag", estate, arguments: |_| json!({ "repository": "api", "tag": "stable" }), ..ROW },
    Row {
        path: "ecr::untag",
        case: "the last one",
        estate,
        arguments: |_| json!({ "repository": "api", "tag": "1.4.0", "untagged": true }),
        ..ROW
    },
    Row {
        path: "ecr::scan",
        estate,
        arguments: |_| json!({ "repository": "api", "image": "1.4.0" }),
        back: Back::Never("a scan changes no image"),
        unseen: true,
        ..ROW
    },
];
