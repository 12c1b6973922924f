use opsrun_core::Value;
use serde_json::json;

use crate::harness::{Back, ROW, Row};

fn estate() -> Value {
    json!({ "accounts": { "111122223333": { "distributions": {
        "E1WORKFLOW": { "aliases": ["www.example.com"] },
    } } } })
}

pub(crate) const ROWS: &[Row] = &[Row {
    path: "cloudfront::invalidate",
    estate,
    arguments: |_| json!({ "distribution": "www.example.com", "paths": ["/index.html", "/assets/*"] }),
    back: Back::Never("what caches have dropped they fetch anew"),
    anew: true,
    ..ROW
}];
