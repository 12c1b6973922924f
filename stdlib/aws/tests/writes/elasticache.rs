use opsrun_core::Value;
use serde_json::json;

use crate::harness::{Back, ROW, Row};

fn estate() -> Value {
    json!({ "accounts": { "111122223333": { "regions": { "us-west-2": { "elasticache": {
        "groups": {
            "cache": {
                "node-type": "cache.r7g.large", "version": "7.1", "replicas": 1, "data": 6,
                "subnet-group": "private", "security-groups": ["sg-1"],
                "keys": { "flag:new-ui": "on", "limit": 100 }, "tags": { "team": "workflow" },
            },
            "three": { "replicas": 2, "keys": 30 },
        },
        "snapshots": { "nightly": { "of": "cache", "age": "20h" } },
    } } } } } })
}

pub(crate) const ROWS: &[Row] = &[
    Row {
        path: "elasticache::snapshot",
        estate,
        arguments: |_| json!({ "cache": "cache", "name": "before", "tags": { "release": "1.4.0" } }),
        ..ROW
    },
    Row {
        path: "elasticache::delete_snapshot",
        estate,
        arguments: |_| json!({ "snapshot": "nightly" }),
        back: Back::Never("what a deleted snapshot held is nowhere else"),
        ..ROW
    },
    Row {
        path: "elasticache::restore",
        estate,
        arguments: |_| json!({ "snapshot": "nightly", "cache": "restored", "replicas": 1 }),
        ..ROW
    },
    Row {
        path: "elasticache::failover",
        estate,
        arguments: |_| json!({ "cache": "three", "to": "three-003" }),
        ..ROW
    },
    Row {
        path: "elasticache::modify",
        case: "larger",
        estate,
        arguments: |_| json!({ "cache": "cache", "node_type": "cache.r7g.xlarge", "replicas": 2 }),
        ..ROW
    },
    Row {
        path: "elasticache::modify",
        case: "fewer",
        estate,
        arguments: |_| json!({ "cache": "three", "replicas": 1 }),
        ..ROW
    },
    Row {
        path: "elasticache::delete",
        case: "with a last snapshot",
        estate,
        arguments: |_| json!({ "cache": "cache", "final_snapshot": "last" }),
        ..ROW
    },
    Row {
        path: "elasticache::delete",
        case: "with all that is in it",
        estate,
        arguments: |_| json!({ "cache": "cache", "skip_final_snapshot": true }),
        back: Back::Never("was deleted without a final snapshot"),
        ..ROW
    },
];
