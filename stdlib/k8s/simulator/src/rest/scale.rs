//! The `Scale` of an object: read from it, and written back into it.
//! Paths are the kind's; it assumes objects in the served version.

use serde_json::{Value, json};

use crate::kinds::ScalePaths;
use crate::registry::Served;

/// The Scale of an object.
pub(crate) fn of(served: &Served, object: &Value) -> Value {
    let paths = served.kind.scale();
    let metadata = &object["metadata"];
    let mut scale = json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {}, "spec": {}, "status": {"replicas": at(object, &paths.status_replicas).as_i64().unwrap_or(0)},
    });
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = metadata.get(field) {
            scale["metadata"][field] = value.clone();
        }
    }
    if let Some(replicas) = at(object, &paths.spec_replicas).as_i64().filter(|replicas| *replicas != 0) {
        scale["spec"]["replicas"] = replicas.into();
    }
    if let Some(selector) = selector(object, &paths).filter(|text| !text.is_empty()) {
        scale["status"]["selector"] = selector.into();
    }
    scale
}

/// Writes `spec.replicas` of a Scale into the object.
pub(crate) fn set(served: &Served, object: &mut Value, replicas: i64) {
    let path = served.kind.scale().spec_replicas;
    let mut place = object;
    for part in path.split('.').filter(|part| !part.is_empty()) {
        if !place.is_object() {
            *place = json!({});
        }
        place = &mut place[part];
    }
    *place = replicas.into();
}

/// An applied Scale as an applied configuration of its object.
pub(crate) fn applied(served: &Served, scale: &Value) -> Value {
    let mut object = json!({
        "apiVersion": served.resource.api_version(), "kind": served.resource.kind, "metadata": scale["metadata"],
    });
    set(served, &mut object, scale["spec"]["replicas"].as_i64().unwrap_or(0));
    object
}

fn at<'a>(object: &'a Value, path: &str) -> &'a Value {
    path.split('.').filter(|part| !part.is_empty()).fold(object, |value, part| &value[part])
}

fn selector(object: &Value, paths: &ScalePaths) -> Option<String> {
    match at(object, paths.selector.as_deref()?) {
        Value::String(text) => Some(text.clone()),
        value @ Value::Object(_) => Some(label_selector_text(value)),
        _ => None,
    }
}

/// A label selector, or a plain map of labels, as text: `app=rs,t in (a,b)`.
pub(crate) fn label_selector_text(selector: &Value) -> String {
    let plain = selector.get("matchLabels").is_none() && selector.get("matchExpressions").is_none();
    let labels = if plain { selector } else { &selector["matchLabels"] };
    let mut terms: Vec<(String, String)> = labels
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.clone(), format!("{key}={}", value.as_str().unwrap_or_default())))
        .collect();
    for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
        let key = expression["key"].as_str().unwrap_or_default().to_owned();
        let mut values: Vec<&str> =
            expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        values.sort_unstable();
        let values = values.join(",");
        let text = match expression["operator"].as_str().unwrap_or_default() {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key.clone(),
        };
        terms.push((key, text));
    }
    terms.sort();
    terms.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(",")
}
