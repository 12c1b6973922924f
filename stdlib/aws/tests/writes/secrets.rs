use opsrun_core::Value;
use serde_json::json;

use crate::harness::{Back, ROW, Row};

fn estate() -> Value {
    json!({ "accounts": { "111122223333": { "regions": { "us-west-2": {
        "secrets": { "app/db": { "user": "app", "password": "first" }, "app/key": "first-key" },
        "rotations": { "app/db": { "key": "password", "takes": "1m" } },
        "parameters": { "/app/image": "web:1.3.0", "/app/key": { "value": "first-key", "secure": true } },
    } } } } })
}

pub(crate) const ROWS: &[Row] = &[
    Row {
        path: "secretsmanager::create",
        estate,
        arguments: |_| json!({ "secret": "app/new", "value": "fresh", "tags": { "team": "platform" } }),
        ..ROW
    },
    Row {
        path: "secretsmanager::delete",
        estate,
        arguments: |_| json!({ "secret": "app/key", "recovery": "7d" }),
        ..ROW
    },
    Row {
        path: "secretsmanager::delete",
        case: "for good",
        estate,
        arguments: |_| json!({ "secret": "app/key", "for_good": true }),
        back: Back::Never("was deleted for good"),
        ..ROW
    },
    Row {
        path: "secretsmanager::restore",
        estate,
        before: |call| call("secretsmanager::delete", json!({ "secret": "app/key" })),
        arguments: |_| json!({ "secret": "app/key" }),
        ..ROW
    },
    Row {
        path: "secretsmanager::rotate",
        estate,
        arguments: |_| json!({ "secret": "app/db" }),
        anew: true,
        ..ROW
    },
    Row {
        path: "secretsmanager::put",
        case: "a key",
        estate,
        arguments: |_| json!({ "secret": "app/db", "value": "second", "key": "password" }),
        ..ROW
    },
    Row {
        path: "secretsmanager::put",
        case: "a whole one",
        estate,
        arguments: |_| json!({ "secret": "app/key", "value": "second-key" }),
        ..ROW
    },
    Row {
        path: "secretsmanager::use_version",
        estate,
        before: |call| call("secretsmanager::put", json!({ "secret": "app/key", "value": "second-key" })),
        arguments: |put| json!({ "secret": "app/key", "version": put["previous"] }),
        ..ROW
    },
    Row {
        path: "ssm::put",
        case: "a new one",
        estate,
        arguments: |_| json!({ "name": "/app/new", "value": "one" }),
        ..ROW
    },
    Row {
        path: "ssm::put",
        case: "another value, encrypted from now on",
        estate,
        arguments: |_| json!({ "name": "/app/image", "value": "web:1.4.0", "secure": true }),
        ..ROW
    },
    Row { path: "ssm::delete", estate, arguments: |_| json!({ "name": "/app/key" }), ..ROW },
];
