use opsrun_core::Value;
use serde_json::json;

use crate::harness::{ROW, Row};

fn estate() -> Value {
    json!({ "accounts": { "111122223333": { "zones": { "example.com": { "records": [
        { "name": "www.example.com", "type": "CNAME", "values": ["us.example.com"], "id": "us", "weight": 100 },
        { "name": "www.example.com", "type": "CNAME", "values": ["eu.example.com"], "id": "eu", "weight": 0 },
        { "name": "api.example.com", "type": "A", "alias": { "name": "lb.example.net", "zone": "Z2" } },
    ] } } } } })
}

pub(crate) const ROWS: &[Row] = &[
    Row {
        path: "route53::set",
        case: "a new one",
        estate,
        arguments: |_| {
            let record =
                json!({ "name": "new.example.com", "type": "A", "ttl": 60, "values": ["192.0.2.1"] });
            json!({ "zone": "example.com", "record": record, "wait": "5m" })
        },
        ..ROW
    },
    Row {
        path: "route53::set",
        case: "in the place of an alias",
        estate,
        arguments: |_| {
            let record =
                json!({ "name": "API.example.com.", "type": "a", "values": ["192.0.2.1", "192.0.2.2"] });
            json!({ "zone": "example.com", "record": record })
        },
        ..ROW
    },
    Row {
        path: "route53::weights",
        estate,
        arguments: |_| json!({ "zone": "example.com", "name": "www.example.com", "weights": { "us": 0, "eu": 100 } }),
        ..ROW
    },
    Row {
        path: "route53::delete",
        estate,
        arguments: |_| json!({ "zone": "example.com", "name": "www.example.com", "type": "CNAME", "id": "us" }),
        ..ROW
    },
];
