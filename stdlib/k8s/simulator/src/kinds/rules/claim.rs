//! Claims to volumes.

use serde_json::Value;

use super::{at, has, immutable, label_selector, quantity};
use crate::context::text;
use crate::names;
use crate::status::Invalid;

const MODES: &[&str] = &["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];

pub(crate) fn validate_claim(object: &Value) -> Vec<Invalid> {
    let mut wrong = Vec::new();
    claim_spec(&object["spec"], "spec", &mut wrong);
    wrong
}

fn claim_spec(spec: &Value, path: &str, wrong: &mut Vec<Invalid>) {
    let modes: Vec<&str> = spec["accessModes"].as_array().into_iter().flatten().map(text).collect();
    let field = at(path, "accessModes");
    if modes.is_empty() {
        wrong.push(Invalid::required(field.as_str(), "at least 1 access mode is required"));
    }
    if has(spec, "selector") {
        label_selector(&spec["selector"], &at(path, "selector"), wrong);
    }
    let unknown = modes.iter().filter(|mode| !MODES.contains(mode));
    wrong.extend(unknown.map(|mode| Invalid::not_supported(field.as_str(), *mode, MODES)));
    let alone = modes.contains(&"ReadWriteOncePod");
    if alone && modes.iter().any(|mode| *mode != "ReadWriteOncePod" && MODES.contains(mode)) {
        wrong.push(Invalid::forbidden(field, "may not use ReadWriteOncePod with other access modes"));
    }
    let field = format!("{path}.resources[storage]");
    match &spec["resources"]["requests"]["storage"] {
        Value::Null => wrong.push(Invalid::required(field, "")),
        size if quantity(size).is_zero() || quantity(size).is_negative() => {
            wrong.push(Invalid::value(field, size.clone(), "must be greater than zero"));
        }
        size if !quantity(size).is_whole() => {
            wrong.push(Invalid::value(field, size.clone(), "must be an integer"));
        }
        _ => {}
    }
    for field in ["storageClassName", "volumeAttributesClassName"] {
        let class = text(&spec[field]);
        if !class.is_empty() {
            let faults = names::subdomain(class).into_iter();
            wrong.extend(faults.map(|why| Invalid::value(at(path, field), class, why)));
        }
    }
    let mode = text(&spec["volumeMode"]);
    let known = ["Block", "Filesystem"];
    if has(spec, "volumeMode") && !known.contains(&mode) {
        wrong.push(Invalid::not_supported(at(path, "volumeMode"), mode, &known));
    }
    for field in ["dataSource", "dataSourceRef"] {
        if has(spec, field) {
            data_source(&spec[field], &at(path, field), wrong);
        }
    }
}

fn data_source(source: &Value, path: &str, wrong: &mut Vec<Invalid>) {
    for field in ["name", "kind"] {
        if text(&source[field]).is_empty() {
            wrong.push(Invalid::required(at(path, field), ""));
        }
    }
    let (group, kind) = (text(&source["apiGroup"]), text(&source["kind"]));
    if group.is_empty() && kind != "PersistentVolumeClaim" {
        let why = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
        wrong.push(Invalid::value(path, kind, why));
    }
    if !group.is_empty() {
        let faults = names::subdomain(group).into_iter();
        wrong.extend(faults.map(|why| Invalid::value(at(path, "apiGroup"), group, why)));
    }
}

pub(crate) fn validate_claim_update(old: &Value, new: &Value) -> Vec<Invalid> {
    let mut wrong = validate_claim(new);
    let bound = new["status"]["phase"] == "Bound";
    let mut same = new["spec"].clone();
    if text(&old["spec"]["volumeName"]).is_empty() {
        crate::kinds::keep(&old["spec"], &mut same, &["volumeName"]);
    }
    if !has(&old["spec"], "storageClassName") {
        crate::kinds::keep(&old["spec"], &mut same, &["storageClassName"]);
    }
    if bound {
        crate::kinds::keep(&old["spec"], &mut same, &["volumeAttributesClassName"]);
        crate::kinds::keep(
            &old["spec"]["resources"]["requests"],
            &mut same["resources"]["requests"],
            &["storage"],
        );
    }
    if same != old["spec"] {
        let why = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
        wrong.push(Invalid::forbidden("spec", format!("{why}\n{}", difference(&old["spec"], &same))));
    }
    let size = |object: &Value| quantity(&object["spec"]["resources"]["requests"]["storage"]);
    if size(new) < size(old) && size(new) <= quantity(&old["status"]["capacity"]["storage"]) {
        let why = "field can not be less than status.capacity";
        wrong.push(Invalid::forbidden("spec.resources.requests.storage", why));
    }
    immutable(&old["spec"], &new["spec"], &["volumeMode"], "", &mut wrong);
    wrong
}

/// The fields that differ, old and new.
fn difference(old: &Value, new: &Value) -> String {
    let keys = old.as_object().into_iter().chain(new.as_object()).flat_map(|map| map.keys());
    let mut keys: Vec<&String> = keys.filter(|key| old.get(*key) != new.get(*key)).collect();
    keys.sort();
    keys.dedup();
    let side = |sign: &str, object: &Value| -> Vec<String> {
        keys.iter().filter_map(|key| Some(format!("{sign} {key}: {}", object.get(*key)?))).collect()
    };
    [side("-", old), side("+", new)].concat().join("\n")
}
