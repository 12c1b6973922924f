use opsrun_core::Value;
use serde_json::json;

use crate::harness::{Back, ROW, Row};

fn estate() -> Value {
    json!({ "accounts": { "111122223333": { "regions": { "us-west-2": {
        "scaling-groups": { "legacy": { "min": 1, "max": 8, "desired": 4, "launch": "60s", "type": "m6i.large" } },
    } } } } })
}

pub(crate) const ROWS: &[Row] = &[
    Row {
        path: "autoscaling::set_desired",
        case: "up",
        estate,
        arguments: |_| json!({ "group": "legacy", "desired": 6, "wait": "10m" }),
        ..ROW
    },
    Row {
        path: "autoscaling::set_desired",
        case: "down",
        estate,
        arguments: |_| json!({ "group": "legacy", "desired": 2 }),
        ..ROW
    },
    Row {
        path: "autoscaling::suspend",
        estate,
        before: |call| call("autoscaling::suspend", json!({ "group": "legacy", "processes": ["Launch"] })),
        arguments: |_| json!({ "group": "legacy", "processes": ["Launch", "Terminate", "AZRebalance"] }),
        ..ROW
    },
    Row {
        path: "autoscaling::resume",
        estate,
        before: |call| {
            call("autoscaling::suspend", json!({ "group": "legacy", "processes": ["Launch", "AZRebalance"] }))
        },
        arguments: |_| json!({ "group": "legacy", "processes": ["Launch", "Terminate"] }),
        ..ROW
    },
    Row {
        path: "autoscaling::start_instance_refresh",
        estate,
        arguments: |_| json!({ "group": "legacy", "min_healthy": 50 }),
        back: Back::Never("machines that were replaced are gone"),
        anew: true,
        unseen: true,
        ..ROW
    },
];
