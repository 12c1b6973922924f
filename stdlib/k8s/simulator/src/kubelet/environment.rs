//! What a container finds when it starts: its variables and the files that volumes bring.
//! It reads ConfigMaps, Secrets and the pod; what refers to something that is not there is an error in the kubelet's words.

use std::collections::BTreeMap;

use base64::Engine;
use serde_json::Value;

use crate::context::{Cx, text};
use crate::controllers::object::{CLAIMS, CONFIGMAPS, SECRETS, flag, list, name, namespace, text_at, uid};
use crate::store::GroupResource;

/// The variables of a container; the error is what its waiting state says.
pub(super) fn variables(
    cx: &Cx<'_>,
    pod: &Value,
    container: &Value,
) -> Result<BTreeMap<String, String>, String> {
    let mut variables = BTreeMap::new();
    for (name, value) in [
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("HOSTNAME", hostname(pod)),
        ("HOME", "/root"),
        ("KUBERNETES_SERVICE_PORT", "443"),
    ] {
        variables.insert(name.to_owned(), value.to_owned());
    }
    for source in list(container, "/envFrom") {
        let prefix = text_at(source, "/prefix");
        for (field, resource) in [("configMapRef", CONFIGMAPS), ("secretRef", SECRETS)] {
            let Some(reference) = source.get(field).filter(|reference| !reference.is_null()) else {
                continue;
            };
            let found = cx.get(&resource, namespace(pod), text_at(reference, "/name"));
            match found {
                Some(object) => {
                    variables.extend(data(&object).into_iter().map(|(k, v)| (format!("{prefix}{k}"), v)));
                }
                None if flag(reference, "/optional") || cx.is_hidden(&resource, namespace(pod)) => {}
                None => return Err(missing(&resource, text_at(reference, "/name"))),
            }
        }
    }
    for entry in list(container, "/env") {
        let value = match entry.get("valueFrom").filter(|source| !source.is_null()) {
            None => Some(expand(text_at(entry, "/value"), &variables)),
            Some(source) => from_source(cx, pod, container, source)?,
        };
        if let Some(value) = value {
            variables.insert(text_at(entry, "/name").to_owned(), value);
        }
    }
    Ok(variables)
}

/// A container's arguments with `$(NAME)` filled in.
pub(super) fn arguments(words: &[Value], variables: &BTreeMap<String, String>) -> Vec<String> {
    words.iter().map(|word| expand(text(word), variables)).collect()
}

fn from_source(
    cx: &Cx<'_>,
    pod: &Value,
    container: &Value,
    source: &Value,
) -> Result<Option<String>, String> {
    for (field, resource) in [("configMapKeyRef", CONFIGMAPS), ("secretKeyRef", SECRETS)] {
        let Some(reference) = source.get(field).filter(|reference| !reference.is_null()) else { continue };
        let (object, key) = (text_at(reference, "/name"), text_at(reference, "/key"));
        let optional = flag(reference, "/optional") || cx.is_hidden(&resource, namespace(pod));
        let Some(found) = cx.get(&resource, namespace(pod), object) else {
            return if optional { Ok(None) } else { Err(missing(&resource, object)) };
        };
        return match data(&found).remove(key) {
            Some(value) => Ok(Some(value)),
            None if optional => Ok(None),
            None => {
                let kind = if resource == SECRETS { "Secret" } else { "ConfigMap" };
                Err(format!("couldn't find key {key} in {kind} {}/{object}", namespace(pod)))
            }
        };
    }
    if let Some(reference) = source.get("fieldRef").filter(|reference| !reference.is_null()) {
        return Ok(Some(field(pod, text_at(reference, "/fieldPath"))));
    }
    let reference = &source["resourceFieldRef"];
    Ok(Some(resource_field(container, text_at(reference, "/resource"))))
}

fn missing(resource: &GroupResource, name: &str) -> String {
    format!("{} \"{name}\" not found", if *resource == SECRETS { "secret" } else { "configmap" })
}

/// The downward API.
pub(super) fn field(pod: &Value, path: &str) -> String {
    let plain = match path {
        "metadata.name" => name(pod),
        "metadata.namespace" => namespace(pod),
        "metadata.uid" => uid(pod),
        "spec.nodeName" => text_at(pod, "/spec/nodeName"),
        "spec.serviceAccountName" => text_at(pod, "/spec/serviceAccountName"),
        "status.podIP" | "status.podIPs" => text_at(pod, "/status/podIP"),
        "status.hostIP" | "status.hostIPs" => text_at(pod, "/status/hostIP"),
        _ => {
            let keyed = |prefix: &str| path.strip_prefix(prefix).and_then(|rest| rest.strip_suffix("']"));
            let key = keyed("metadata.labels['").map(|key| ("labels", key));
            let key = key.or_else(|| keyed("metadata.annotations['").map(|key| ("annotations", key)));
            return key.map_or_else(String::new, |(map, key)| text(&pod["metadata"][map][key]).to_owned());
        }
    };
    plain.to_owned()
}

/// `limits.cpu` and the like, as the quantity stands there.
fn resource_field(container: &Value, path: &str) -> String {
    let value =
        path.split_once('.').map_or(&Value::Null, |(list, resource)| &container["resources"][list][resource]);
    value.as_str().map_or_else(|| "0".to_owned(), str::to_owned)
}

/// `$(NAME)` becomes the value, `$$(NAME)` stays as `$(NAME)`, an unknown name stays as it is.
fn expand(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        result.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(escaped) = after.strip_prefix('$') {
            result.push('$');
            rest = escaped;
        } else if let Some((name, tail)) = after.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
            match variables.get(name) {
                Some(value) => result.push_str(value),
                None => result.push_str(&format!("$({name})")),
            }
            rest = tail;
        } else {
            result.push('$');
            rest = after;
        }
    }
    result.push_str(rest);
    result
}

/// A ConfigMap's or Secret's content as text. What is no text is left out: nothing here could print it.
fn data(object: &Value) -> BTreeMap<String, String> {
    let secret = object["kind"] == "Secret";
    let entries = object["data"].as_object().into_iter().flatten();
    entries
        .filter_map(|(key, value)| {
            let value = text(value);
            let value = if secret { decode_base64(value)? } else { value.to_owned() };
            Some((key.clone(), value))
        })
        .collect()
}

/// A value as the server stores it.
fn decode_base64(text: &str) -> Option<String> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
    String::from_utf8(bytes).ok()
}

/// The name a container sees.
pub(super) fn hostname(pod: &Value) -> &str {
    match text_at(pod, "/spec/hostname") {
        "" => name(pod),
        hostname => hostname,
    }
}

/// Why a pod's volumes cannot be mounted yet, as the event tells it.
pub(super) fn missing_volume(cx: &Cx<'_>, pod: &Value) -> Option<String> {
    list(pod, "/spec/volumes").iter().find_map(|volume| {
        let failure = |why: String| {
            format!("MountVolume.SetUp failed for volume \"{}\" : {why}", text(&volume["name"]))
        };
        let absent = |resource: &GroupResource, source: &Value, field: &str| {
            let wanted = text(&source[field]);
            let there = flag(source, "/optional")
                || cx.is_hidden(resource, namespace(pod))
                || cx.get(resource, namespace(pod), wanted).is_some();
            (!there).then(|| failure(missing(resource, wanted)))
        };
        if let Some(source) = volume.get("configMap") {
            return absent(&CONFIGMAPS, source, "name");
        }
        if let Some(source) = volume.get("secret") {
            return absent(&SECRETS, source, "secretName");
        }
        if let Some(source) = volume.get("persistentVolumeClaim") {
            let claim = text(&source["claimName"]);
            let bound = cx
                .get(&CLAIMS, namespace(pod), claim)
                .is_some_and(|claim| claim["status"]["phase"] == "Bound");
            return (!bound).then(|| failure(format!("persistentvolumeclaim \"{claim}\" not bound")));
        }
        list(volume, "/projected/sources").iter().find_map(|source| {
            let config = source.get("configMap").and_then(|source| absent(&CONFIGMAPS, source, "name"));
            config.or_else(|| source.get("secret").and_then(|source| absent(&SECRETS, source, "name")))
        })
    })
}

/// The files that ConfigMap, Secret and projected volumes put into a container, by path.
pub(super) fn files(cx: &Cx<'_>, pod: &Value, container: &Value) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for mount in list(container, "/volumeMounts") {
        let volume = list(pod, "/spec/volumes").iter().find(|volume| volume["name"] == mount["name"]);
        let Some(volume) = volume else { continue };
        let mut content = BTreeMap::new();
        content.extend(volume_files(cx, pod, volume));
        for source in list(volume, "/projected/sources") {
            content.extend(volume_files(cx, pod, source));
        }
        let at = text_at(mount, "/mountPath").trim_end_matches('/');
        match text_at(mount, "/subPath") {
            "" => files.extend(content.into_iter().map(|(path, text)| (format!("{at}/{path}"), text))),
            sub => files.extend(content.remove(sub).map(|text| (at.to_owned(), text))),
        }
    }
    files
}

fn volume_files(cx: &Cx<'_>, pod: &Value, source: &Value) -> BTreeMap<String, String> {
    let config = source.get("configMap").map(|map| (CONFIGMAPS, map, text_at(map, "/name")));
    let secret = source.get("secret").map(|map| {
        let name = text_at(map, "/secretName");
        (SECRETS, map, if name.is_empty() { text_at(map, "/name") } else { name })
    });
    if let Some((resource, map, name)) = config.or(secret) {
        let all = cx.get(&resource, namespace(pod), name).map(|object| data(&object)).unwrap_or_default();
        let items = list(map, "/items");
        if items.is_empty() {
            return all;
        }
        let item =
            |item: &Value| Some((text(&item["path"]).to_owned(), all.get(text(&item["key"]))?.clone()));
        return items.iter().filter_map(item).collect();
    }
    let items = list(source, "/downwardAPI/items").iter();
    items
        .map(|item| (text(&item["path"]).to_owned(), field(pod, text_at(item, "/fieldRef/fieldPath"))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_in() {
        let variables = [("A".to_owned(), "1".to_owned())].into();
        for (text, expected) in [("$(A)-$(B)", "1-$(B)"), ("$$(A)", "$(A)"), ("a$b", "a$b"), ("$(A", "$(A")] {
            assert_eq!(expand(text, &variables), expected);
        }
    }

    #[test]
    fn secrets_are_decoded() {
        assert_eq!(decode_base64("aHVudGVyMg==").as_deref(), Some("hunter2"));
        assert_eq!(decode_base64("/w=="), None, "not a text");
    }
}
