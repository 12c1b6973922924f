use opsrun_core::Value;
use serde_json::json;

use crate::harness::{Back, ROW, Row};

fn estate() -> Value {
    json!({ "accounts": { "111122223333": { "regions": { "us-west-2": { "clusters": { "prod": {
        "version": "1.34",
        "node-groups": { "workers": { "min": 2, "max": 6, "desired": 3 } },
    } } } } } } })
}

pub(crate) const ROWS: &[Row] = &[
    Row {
        path: "eks::scale",
        estate,
        arguments: |_| json!({ "cluster": "prod", "group": "workers", "desired": 8, "wait": "15m" }),
        ..ROW
    },
    Row {
        path: "eks::update",
        estate,
        arguments: |_| json!({ "cluster": "prod", "group": "workers", "version": "1.35", "wait": "2h" }),
        back: Back::Never("EKS takes no older version"),
        ..ROW
    },
    Row {
        path: "eks::update",
        case: "without waiting",
        estate,
        arguments: |_| json!({ "cluster": "prod", "group": "workers", "version": "1.35" }),
        back: Back::Never("EKS takes no older version"),
        ..ROW
    },
    Row {
        path: "eks::kubeconfig",
        unseen: true,
        estate,
        arguments: |_| json!({ "cluster": "prod", "file": "kubeconfig" }),
        back: Back::Never("changes nothing there"),
        ..ROW
    },
];
