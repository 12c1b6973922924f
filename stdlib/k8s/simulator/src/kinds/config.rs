//! ConfigMaps, Secrets and ServiceAccounts: objects that hold data and names.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::pod_spec::fill;
use super::{Column, Kind, Resource, Subresource, age};
use crate::context::text;
use crate::status::Invalid;

pub(super) struct ConfigMap;

/// `MaxSecretSize`, of both kinds.
const DATA_LIMIT: usize = 1024 * 1024;

impl Kind for ConfigMap {
    fn resource(&self) -> Resource {
        Resource::namespaced("", "v1", "configmaps", "ConfigMap").short("cm")
    }

    fn validate_create(&self, object: &Value) -> Vec<Invalid> {
        let mut wrong = Vec::new();
        let mut size = 0;
        for field in ["data", "binaryData"] {
            for (key, value) in object[field].as_object().into_iter().flatten() {
                wrong.extend(
                    check_key(key)
                        .into_iter()
                        .map(|why| Invalid::value(format!("{field}[{key}]"), key.as_str(), why)),
                );
                size += data_size(field == "binaryData", value);
                if field == "binaryData" && object["data"].get(key).is_some() {
                    let why = "duplicate of key present in data";
                    wrong.push(Invalid::value(format!("{field}[{key}]"), key.as_str(), why));
                }
            }
        }
        if size > DATA_LIMIT {
            wrong.push(Invalid::too_long("[]", DATA_LIMIT));
        }
        wrong
    }

    fn validate_update(&self, old: &Value, new: &Value) -> Vec<Invalid> {
        let mut wrong = immutable(old, new, &["data", "binaryData"]);
        wrong.extend(self.validate_create(new));
        wrong
    }

    fn columns(&self) -> Vec<Column> {
        vec![Column::name(), Column::new("Data", "string", 0, "Number of data entries."), Column::age()]
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        let count = ["data", "binaryData"]
            .iter()
            .map(|field| object[*field].as_object().map_or(0, serde_json::Map::len));
        vec![object["metadata"]["name"].clone(), count.sum::<usize>().into(), age(object, now)]
    }
}

fn data_size(encoded: bool, value: &Value) -> usize {
    let text = text(value);
    if encoded { STANDARD.decode(text).map_or(text.len(), |bytes| bytes.len()) } else { text.len() }
}

/// A key of data: a file name.
fn check_key(key: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if key.len() > 253 {
        wrong.push("must be no more than 253 bytes".to_owned());
    }
    if key.is_empty() || !key.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.')) {
        wrong.push(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or \
             'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
                .to_owned(),
        );
    }
    match key {
        "." => wrong.push("must not be '.'".to_owned()),
        ".." => wrong.push("must not be '..'".to_owned()),
        key if key.starts_with("..") => wrong.push("must not start with '..'".to_owned()),
        _ => {}
    }
    wrong
}

/// What `immutable: true` forbids.
fn immutable(old: &Value, new: &Value, fields: &[&str]) -> Vec<Invalid> {
    if old["immutable"] != true {
        return Vec::new();
    }
    let why = "field is immutable when `immutable` is set";
    let mut wrong = Vec::new();
    if new["immutable"] != true {
        wrong.push(Invalid::forbidden("immutable", why));
    }
    let changed = fields.iter().filter(|field| old.get(field) != new.get(field));
    wrong.extend(changed.map(|field| Invalid::forbidden(*field, why)));
    wrong
}

pub(super) struct Secret;

impl Kind for Secret {
    fn resource(&self) -> Resource {
        Resource::namespaced("", "v1", "secrets", "Secret")
    }

    fn default(&self, object: &mut Value) {
        fill(object, "type", "Opaque");
        if text(&object["type"]).is_empty() {
            object["type"] = "Opaque".into();
        }
    }

    /// `stringData` is folded into `data` and never kept.
    fn fold(&self, object: &mut Value) {
        let Some(given) = object.get("stringData").and_then(Value::as_object).cloned() else {
            crate::meta::remove(object, "stringData");
            return;
        };
        for (key, value) in given {
            object["data"][key] = STANDARD.encode(text(&value)).into();
        }
        crate::meta::remove(object, "stringData");
    }

    fn validate_create(&self, object: &Value) -> Vec<Invalid> {
        let mut wrong = Vec::new();
        let mut size = 0;
        for (key, value) in object["data"].as_object().into_iter().flatten() {
            wrong.extend(
                check_key(key)
                    .into_iter()
                    .map(|why| Invalid::value(format!("data[{key}]"), key.as_str(), why)),
            );
            size += data_size(true, value);
        }
        if size > DATA_LIMIT {
            wrong.push(Invalid::too_long("data", DATA_LIMIT));
        }
        let need = |key: &str| object["data"].get(key).is_none();
        let required: &[&str] = match text(&object["type"]) {
            "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
            "kubernetes.io/dockercfg" => &[".dockercfg"],
            "kubernetes.io/tls" => &["tls.crt", "tls.key"],
            "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
            _ => &[],
        };
        wrong.extend(
            required.iter().filter(|key| need(key)).map(|key| Invalid::required(format!("data[{key}]"), "")),
        );
        if object["type"] == "kubernetes.io/basic-auth" && need("username") && need("password") {
            wrong.push(Invalid::required("data[username]", ""));
            wrong.push(Invalid::required("data[password]", ""));
        }
        wrong
    }

    fn validate_update(&self, old: &Value, new: &Value) -> Vec<Invalid> {
        let mut wrong = Vec::new();
        if old["type"] != new["type"] {
            wrong.push(Invalid::value("type", new["type"].clone(), "field is immutable"));
        }
        wrong.extend(immutable(old, new, &["data"]));
        wrong.extend(self.validate_create(new));
        wrong
    }

    fn field(&self, object: &Value, label: &str) -> Option<String> {
        (label == "type").then(|| text(&object["type"]).to_owned())
    }

    fn unsupported_field(&self, label: &str) -> String {
        format!("field label not supported: {label}")
    }

    fn columns(&self) -> Vec<Column> {
        vec![
            Column::name(),
            Column::new(
                "Type",
                "string",
                0,
                "Used to facilitate programmatic handling of secret data. More info: \
                 https://kubernetes.io/docs/concepts/configuration/secret/#secret-types",
            ),
            Column::new(
                "Data",
                "string",
                0,
                "Data contains the secret data. Each key must consist of alphanumeric characters, '-', '_' or '.'. The serialized form of the secret data is a base64 encoded string, representing the arbitrary (possibly non-string) data value here. Described in https://tools.ietf.org/html/rfc4648#section-4",
            ),
            Column::age(),
        ]
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        let count = object["data"].as_object().map_or(0, serde_json::Map::len);
        vec![object["metadata"]["name"].clone(), object["type"].clone(), count.into(), age(object, now)]
    }
}

pub(super) struct ServiceAccount;

impl Kind for ServiceAccount {
    fn resource(&self) -> Resource {
        Resource::namespaced("", "v1", "serviceaccounts", "ServiceAccount")
            .short("sa")
            .with(Subresource::Token)
    }

    fn deletion_answers_object(&self) -> bool {
        true
    }

    fn columns(&self) -> Vec<Column> {
        vec![
            Column::name(),
            Column::new(
                "Secrets",
                "string",
                0,
                "Secrets is a list of the secrets in the same namespace that pods running using this ServiceAccount are allowed to use. Pods are only limited to this list if this service account has a \"kubernetes.io/enforce-mountable-secrets\" annotation set to \"true\". The \"kubernetes.io/enforce-mountable-secrets\" annotation is deprecated since v1.32. Prefer separate namespaces to isolate access to mounted secrets. This field should not be used to find auto-generated service account token secrets for use outside of pods. Instead, tokens can be requested directly using the TokenRequest API, or service account token secrets can be manually created. More info: https://kubernetes.io/docs/concepts/configuration/secret",
            ),
            Column::age(),
        ]
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        let count = object["secrets"].as_array().map_or(0, Vec::len);
        vec![object["metadata"]["name"].clone(), count.into(), age(object, now)]
    }
}

pub(super) struct Lease;

impl Kind for Lease {
    fn resource(&self) -> Resource {
        Resource::namespaced("coordination.k8s.io", "v1", "leases", "Lease")
    }

    fn creates_on_update(&self) -> bool {
        true
    }

    fn validate_create(&self, object: &Value) -> Vec<Invalid> {
        let mut wrong = Vec::new();
        if let Some(seconds) = object["spec"]["leaseDurationSeconds"].as_i64().filter(|seconds| *seconds <= 0)
        {
            wrong.push(Invalid::value("spec.leaseDurationSeconds", seconds, "must be greater than 0"));
        }
        if let Some(count) = object["spec"]["leaseTransitions"].as_i64().filter(|count| *count < 0) {
            wrong.push(Invalid::value("spec.leaseTransitions", count, "must be greater than or equal to 0"));
        }
        wrong
    }

    fn columns(&self) -> Vec<Column> {
        vec![
            Column::name(),
            Column::new(
                "Holder",
                "string",
                0,
                "holderIdentity contains the identity of the holder of a current lease. If Coordinated Leader Election is used, the holder identity must be equal to the elected LeaseCandidate.metadata.name field.",
            ),
            Column::age(),
        ]
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        let holder = object["spec"]["holderIdentity"].as_str().unwrap_or_default();
        vec![object["metadata"]["name"].clone(), holder.into(), age(object, now)]
    }
}

pub(super) struct PriorityClass;

impl Kind for PriorityClass {
    fn resource(&self) -> Resource {
        Resource::cluster("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass").short("pc")
    }

    fn default(&self, object: &mut Value) {
        fill(object, "preemptionPolicy", "PreemptLowerPriority");
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn is_new_generation(&self, _old: &Value, _new: &Value) -> bool {
        false
    }

    fn validate_create(&self, object: &Value) -> Vec<Invalid> {
        let mut wrong = Vec::new();
        let (name, value) = (text(&object["metadata"]["name"]), object["value"].as_i64().unwrap_or(0));
        if name.starts_with("system-") {
            let known = [("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)];
            if !known.contains(&(name, value)) {
                let why = format!(
                    "priority class names with 'system-' prefix are reserved for system use only. error: {name} is not a known \
                     system priority class"
                );
                wrong.push(Invalid::forbidden("metadata.name", why));
            }
        } else if value > 1_000_000_000 {
            let why = "maximum allowed value of a user defined priority is 1000000000";
            wrong.push(Invalid::forbidden("value", why));
        }
        wrong
    }

    fn validate_update(&self, old: &Value, new: &Value) -> Vec<Invalid> {
        let changed = |field: &str| old.get(field) != new.get(field);
        let mut wrong = Vec::new();
        if changed("value") {
            wrong.push(Invalid::forbidden("value", "may not be changed in an update."));
        }
        if changed("preemptionPolicy") {
            wrong.push(Invalid::value(
                "preemptionPolicy",
                new["preemptionPolicy"].clone(),
                "field is immutable",
            ));
        }
        wrong
    }

    fn columns(&self) -> Vec<Column> {
        vec![
            Column::name(),
            Column::new(
                "Value",
                "integer",
                0,
                "value represents the integer value of this priority class. This is the actual priority that pods receive when they have the name of this class in their pod spec.",
            ),
            Column::new(
                "Global-Default",
                "boolean",
                0,
                "globalDefault specifies whether this PriorityClass should be considered as the default priority for pods that do not have any priority class. Only one PriorityClass can be marked as `globalDefault`. However, if more than one PriorityClasses exists with their `globalDefault` field set to true, the smallest value of such global default PriorityClasses will be used as the default priority.",
            ),
            Column::age(),
            Column::new(
                "PreemptionPolicy",
                "string",
                0,
                "preemptionPolicy is the Policy for preempting pods with lower priority. One of Never, PreemptLowerPriority. Defaults to PreemptLowerPriority if unset.",
            ),
        ]
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        let default = object["globalDefault"] == true;
        vec![
            object["metadata"]["name"].clone(),
            json!(object["value"].as_i64().unwrap_or(0)),
            default.into(),
            age(object, now),
            object["preemptionPolicy"].clone(),
        ]
    }
}
