use opsrun_core::Value;
use serde_json::json;

use crate::harness::{Back, ROW, Row};

fn estate() -> Value {
    json!({ "accounts": {
        "111122223333": { "regions": {
            "us-west-2": { "rds": {
                "instances": {
                    "prod": { "class": "db.r6g.large", "storage": 40, "multi-az": true, "encrypted": true },
                    "staging": {},
                    "reader": { "replica-of": "prod", "storage": 40 },
                },
                "snapshots": { "nightly": { "of": "prod", "age": "20h" } },
            } },
            "us-east-1": { "rds": { "instances": { "standby": { "replica-of": "us-west-2/prod" } } } },
        } },
        "444455556666": {},
    } })
}

pub(crate) const ROWS: &[Row] = &[
    Row {
        path: "rds::snapshot",
        estate,
        arguments: |_| json!({ "instance": "prod", "name": "before", "tags": { "release": "1.4.0" } }),
        ..ROW
    },
    Row {
        path: "rds::copy_snapshot",
        case: "to another region",
        estate,
        arguments: |_| json!({ "snapshot": "nightly", "from_region": "us-west-2", "region": "us-east-1" }),
        ..ROW
    },
    Row {
        path: "rds::share_snapshot",
        estate,
        arguments: |_| json!({ "snapshot": "nightly", "accounts": ["444455556666"] }),
        ..ROW
    },
    Row {
        path: "rds::delete_snapshot",
        estate,
        arguments: |_| json!({ "snapshot": "nightly" }),
        back: Back::Never("what a deleted snapshot held is nowhere else"),
        ..ROW
    },
    Row {
        path: "rds::restore",
        estate,
        arguments: |_| json!({ "snapshot": "nightly", "instance": "restored", "deletion_protection": true }),
        ..ROW
    },
    Row {
        path: "rds::restore_to_time",
        estate,
        before: |call| call("rds::describe", json!({ "instance": "prod" })),
        arguments: |prod| json!({ "source": "prod", "instance": "then", "time": prod["latest_restorable"] }),
        ..ROW
    },
    Row {
        path: "rds::restore_to_time",
        case: "the latest",
        estate,
        arguments: |_| json!({ "source": "prod", "instance": "then", "latest": true }),
        ..ROW
    },
    Row {
        path: "rds::create_replica",
        case: "in another region",
        estate,
        arguments: |_| json!({ "source": "prod", "instance": "second", "source_region": "us-west-2", "region": "us-east-1" }),
        ..ROW
    },
    Row {
        path: "rds::promote",
        estate,
        arguments: |_| json!({ "replica": "standby", "region": "us-east-1", "backup_retention": 7 }),
        back: Back::Never("a promoted replica cannot follow its source again"),
        ..ROW
    },
    Row {
        path: "rds::failover",
        estate,
        arguments: |_| json!({ "instance": "prod", "to": "us-west-2b" }),
        ..ROW
    },
    Row {
        path: "rds::modify",
        case: "now",
        estate,
        arguments: |_| {
            json!({
                "instance": "prod", "class": "db.r6g.xlarge", "backup_retention": 14,
                "deletion_protection": true, "apply_immediately": true,
            })
        },
        ..ROW
    },
    Row {
        path: "rds::modify",
        case: "in its window",
        estate,
        arguments: |_| json!({ "instance": "staging", "class": "db.m6g.large" }),
        ..ROW
    },
    Row {
        path: "rds::rename",
        estate,
        arguments: |_| json!({ "instance": "staging", "to": "staging-old" }),
        ..ROW
    },
    Row {
        path: "rds::delete",
        case: "with a last snapshot",
        estate,
        arguments: |_| json!({ "instance": "staging", "final_snapshot": "last" }),
        ..ROW
    },
    Row {
        path: "rds::delete",
        case: "with all that is in it",
        estate,
        arguments: |_| json!({ "instance": "staging", "skip_final_snapshot": true }),
        back: Back::Never("was deleted without a final snapshot"),
        ..ROW
    },
    Row {
        path: "rds::delete",
        case: "a replica",
        estate,
        arguments: |_| json!({ "instance": "reader", "skip_final_snapshot": true }),
        ..ROW
    },
];
