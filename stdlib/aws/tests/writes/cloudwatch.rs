use opsrun_core::Value;
use serde_json::json;

use crate::harness::{Back, ROW, Row};

fn estate() -> Value {
    json!({ "accounts": { "111122223333": { "regions": { "us-west-2": { "cloudwatch": {
        "metrics": [{ "namespace": "Workflow", "name": "Workers", "constant": 3 }],
        "alarms": {
            "queue": {
                "namespace": "Workflow", "metric": "QueueLength", "dimensions": { "queue": "mail" },
                "threshold": 100, "periods": 2, "description": "mail is late", "tags": { "team": "mail" },
                "actions": ["arn:aws:sns:us-west-2:111122223333:on-call"],
            },
            "silent": { "namespace": "Workflow", "metric": "Nothing", "threshold": 1 },
            "few": { "namespace": "Workflow", "metric": "Workers", "threshold": 1, "comparison": "LessThanThreshold" },
        },
    } } } } } })
}

pub(crate) const ROWS: &[Row] = &[
    Row {
        path: "cloudwatch::set_alarm",
        case: "a new one",
        estate,
        arguments: |_| {
            json!({
                "name": "new", "namespace": "Workflow", "metric": "Workers", "statistic": "Minimum",
                "comparison": "<", "threshold": 2, "periods": 3, "tags": { "team": "mail" },
            })
        },
        ..ROW
    },
    Row {
        path: "cloudwatch::set_alarm",
        case: "changed",
        estate,
        arguments: |_| json!({ "name": "queue", "threshold": 1000, "statistic": "p99", "description": "" }),
        ..ROW
    },
    Row { path: "cloudwatch::delete_alarm", estate, arguments: |_| json!({ "name": "queue" }), ..ROW },
    Row {
        path: "cloudwatch::disable_alarm_actions",
        estate,
        before: |call| call("cloudwatch::disable_alarm_actions", json!({ "alarms": "silent" })),
        arguments: |_| json!({ "alarms": ["few", "queue", "silent"] }),
        ..ROW
    },
    Row {
        path: "cloudwatch::enable_alarm_actions",
        estate,
        before: |call| call("cloudwatch::disable_alarm_actions", json!({ "alarms": ["few", "silent"] })),
        arguments: |_| json!({ "alarms": ["few", "queue", "silent"] }),
        ..ROW
    },
    Row {
        path: "cloudwatch::put_metric",
        estate,
        arguments: |_| json!({ "namespace": "Workflow", "metric": "Deployments", "value": 1.0, "unit": "Count" }),
        back: Back::Never("it can be neither changed nor deleted"),
        anew: true,
        unseen: true,
        ..ROW
    },
];
