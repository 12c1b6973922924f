//! A Vault whose engine `secret` has versions and whose other engines have none; it lets everybody read.
//!
//! ```yaml
//! vault:
//!   secret/app: { password: rehearsed }
//!   kv/app: { password: rehearsed }
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri};
use opsrun_core::{Error, Result, Simulator, Value, simulate};
use serde::Deserialize;
use serde_json::json;

/// What is where, without the `data` of the engine with versions.
type Secrets = BTreeMap<String, BTreeMap<String, Value>>;

const VERSIONED: &str = "secret/";

pub(crate) fn start(section: Option<&Value>) -> Result<Arc<dyn Simulator>> {
    let secrets: Secrets = match section {
        None => Secrets::new(),
        Some(section) => Secrets::deserialize(section).map_err(|error| Error::invalid(error.to_string()))?,
    };
    Ok(Arc::new(Simulated(simulate(crate::SYSTEM, secrets, answer, |_| BTreeMap::new()))))
}

/// The simulated one, found without an environment.
struct Simulated(Arc<dyn Simulator>);

impl Simulator for Simulated {
    fn connect(&self, system: &str, to: &Uri) -> Option<tokio::io::DuplexStream> {
        self.0.connect(system, to)
    }

    fn section(&self) -> Value {
        json!({ "address": "http://vault.estate", "anonymous": true, "certificate-authority": null })
    }
}

fn answer(secrets: &mut Secrets, request: &Request<Bytes>) -> (StatusCode, String) {
    let path = request.uri().path().trim_start_matches("/v1/");
    if request.method() != Method::GET {
        return (StatusCode::METHOD_NOT_ALLOWED, json!({ "errors": [] }).to_string());
    }
    if path == "sys/health" {
        return (StatusCode::OK, json!({ "initialized": true, "sealed": false }).to_string());
    }
    let versioned = path.strip_prefix(VERSIONED);
    let found = match versioned {
        None => secrets.get(path).map(|data| json!({ "data": data })),
        Some(rest) => {
            let Some(name) = rest.strip_prefix("data/") else {
                let warning = "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use.";
                return (StatusCode::NOT_FOUND, json!({ "errors": [], "warnings": [warning] }).to_string());
            };
            let secret = secrets.get(&format!("{VERSIONED}{name}"));
            secret.map(
                |data| json!({ "data": { "data": data, "metadata": { "version": 1, "destroyed": false } } }),
            )
        }
    };
    match found {
        Some(body) => (StatusCode::OK, body.to_string()),
        None => (StatusCode::NOT_FOUND, json!({ "errors": [] }).to_string()),
    }
}
