use opsrun_core::Value;
use serde_json::json;

use crate::harness::{Back, ROW, Row};

fn estate() -> Value {
    let objects = json!({ "a.txt": "one", "b.txt": "two" });
    json!({ "accounts": { "111122223333": { "regions": { "us-west-2": { "s3": { "buckets": {
        "plain": { "objects": objects },
        "kept": { "versioning": true, "objects": objects },
        "empty": {},
        "empty-kept": { "versioning": true },
    } } } } } } })
}

pub(crate) const ROWS: &[Row] = &[
    Row {
        path: "s3::put",
        case: "a new one",
        estate,
        arguments: |_| json!({ "to": "s3://plain/new.txt", "content": "new" }),
        ..ROW
    },
    Row {
        path: "s3::put",
        case: "over another one",
        estate,
        arguments: |_| json!({ "to": "s3://plain/a.txt", "content": "another" }),
        ..ROW
    },
    Row {
        path: "s3::put",
        case: "over another one, which is kept",
        estate,
        arguments: |_| json!({ "to": "s3://kept/a.txt", "content": "another", "metadata": { "release": "1" } }),
        ..ROW
    },
    Row {
        path: "s3::copy",
        estate,
        arguments: |_| json!({ "from": "s3://kept/a.txt", "to": "s3://plain/b.txt" }),
        ..ROW
    },
    Row { path: "s3::delete", estate, arguments: |_| json!({ "object": "s3://plain/a.txt" }), ..ROW },
    Row {
        path: "s3::delete",
        case: "where versions are kept",
        estate,
        arguments: |_| json!({ "object": "s3://kept/a.txt" }),
        ..ROW
    },
    Row {
        path: "s3::delete",
        case: "a version for good",
        estate,
        before: |call| call("s3::versions", json!({ "object": "s3://kept/a.txt" })),
        arguments: |versions| json!({ "object": "s3://kept/a.txt", "version": versions[0]["version"] }),
        back: Back::Never("is deleted for good"),
        ..ROW
    },
    Row {
        path: "s3::restore_version",
        estate,
        before: |call| {
            call("s3::put", json!({ "to": "s3://kept/a.txt", "content": "another" }))?;
            call("s3::versions", json!({ "object": "s3://kept/a.txt" }))
        },
        arguments: |versions| json!({ "object": "s3://kept/a.txt", "version": versions[1]["version"] }),
        ..ROW
    },
    Row {
        path: "s3::sync",
        case: "a folder up",
        estate,
        arguments: |_| json!({ "from": "site", "to": "s3://kept", "delete": true }),
        tells_the_rest: true,
        ..ROW
    },
    Row {
        path: "s3::sync",
        case: "from bucket to bucket",
        estate,
        arguments: |_| json!({ "from": "s3://plain", "to": "s3://empty/www" }),
        tells_the_rest: true,
        ..ROW
    },
    Row {
        path: "s3::download",
        unseen: true,
        estate,
        arguments: |_| json!({ "from": "s3://plain/a.txt", "to": "down/a.txt" }),
        back: Back::Never("a file that was read is a copy"),
        ..ROW
    },
    Row {
        path: "s3::create_bucket",
        estate,
        arguments: |_| json!({ "bucket": "made", "versioning": true }),
        ..ROW
    },
    Row { path: "s3::delete_bucket", estate, arguments: |_| json!({ "bucket": "empty-kept" }), ..ROW },
    Row {
        path: "s3::set_lifecycle",
        case: "where none was",
        estate,
        arguments: |_| json!({ "bucket": "plain", "rules": [{ "id": "old", "prefix": "tmp/", "days": 30 }] }),
        ..ROW
    },
    Row {
        path: "s3::set_lifecycle",
        case: "none any more",
        estate,
        before: |call| {
            let rules = json!([{ "id": "old", "prefix": "tmp/", "days": 30 }]);
            call("s3::set_lifecycle", json!({ "bucket": "plain", "rules": rules }))
        },
        arguments: |_| json!({ "bucket": "plain", "rules": [] }),
        ..ROW
    },
    Row {
        path: "s3::take_back",
        case: "a version",
        estate,
        before: |call| call("s3::put", json!({ "to": "s3://kept/a.txt", "content": "another" })),
        arguments: |put| {
            let written = json!({ "key": "a.txt", "since": "2026-01-01T00:00:00Z", "made": put["version"] });
            json!({ "bucket": "kept", "objects": [written] })
        },
        back: Back::Never("it is itself what takes back"),
        // Deleting a version that is gone is no error, and asking for it would be a request as well.
        writes_again: true,
        ..ROW
    },
    Row {
        path: "s3::take_back",
        case: "an object",
        estate,
        before: |call| call("s3::put", json!({ "to": "s3://plain/new.txt", "content": "new" })),
        arguments: |put| {
            let written = json!({ "key": "new.txt", "since": "2026-01-01T00:00:00Z", "tag": put["tag"] });
            json!({ "bucket": "plain", "objects": [written] })
        },
        tells_the_rest: true,
        back: Back::Never("it is itself what takes back"),
        ..ROW
    },
    Row {
        path: "s3::take_back_files",
        unseen: true,
        estate,
        before: |call| {
            call("s3::sync", json!({ "from": "s3://plain", "to": "down" }))?;
            call("s3::head", json!({ "object": "s3://plain/a.txt" }))
        },
        arguments: |object| {
            let file = json!({ "name": "a.txt", "size": object["size"], "modified": object["modified"] });
            json!({ "folder": "down", "files": [file] })
        },
        tells_the_rest: true,
        back: Back::Never("it is itself what takes back"),
        ..ROW
    },
];
