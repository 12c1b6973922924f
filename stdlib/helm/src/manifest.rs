//! A release's manifest as objects, marked as the release's own.

use opsrun_core::Result;
use opsrun_k8s::object::Object;
use serde_json::{Map, Value, json};

use crate::error::Error;

const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
const RELEASE_NAME: &str = "meta.helm.sh/release-name";
const RELEASE_NAMESPACE: &str = "meta.helm.sh/release-namespace";
const RESOURCE_POLICY: &str = "helm.sh/resource-policy";

/// The objects of a manifest, in its order; `what` names it in errors.
///
/// # Errors
/// `Invalid` if a document is no object of Kubernetes.
pub(crate) fn objects(what: &str, manifest: &str) -> Result<Vec<Value>> {
    let mut objects = Vec::new();
    for document in documents(manifest) {
        let object = helm_render::yaml::to_json(&document)
            .map_err(|error| Error::Render { chart: what.to_owned(), why: error.to_string() })?;
        flatten(what, object, &mut objects)?;
    }
    Ok(objects)
}

fn flatten(what: &str, object: Value, into: &mut Vec<Value>) -> Result<(), Error> {
    if object.is_null() || object.as_object().is_some_and(Map::is_empty) {
        return Ok(());
    }
    if object.text("/kind").ends_with("List") && object["items"].is_array() {
        return object.items("/items").iter().try_for_each(|item| flatten(what, item.clone(), into));
    }
    for (pointer, field) in
        [("/apiVersion", "apiVersion"), ("/kind", "kind"), ("/metadata/name", "metadata.name")]
    {
        if object.text(pointer).is_empty() {
            let why = format!("a document of kind `{}` has no `{field}`", object.text("/kind"));
            return Err(Error::Render { chart: what.to_owned(), why });
        }
    }
    into.push(object);
    Ok(())
}

/// Cuts at lines that begin with `---`.
fn documents(manifest: &str) -> Vec<String> {
    let mut documents = vec![String::new()];
    for line in manifest.lines() {
        if line.starts_with("---") && line[3..].trim().is_empty() {
            documents.push(String::new());
        } else if let Some(document) = documents.last_mut() {
            document.push_str(line);
            document.push('\n');
        }
    }
    documents.retain(|document| !document.trim().is_empty());
    documents
}

/// Marks an object as the release's.
pub(crate) fn own(object: &mut Value, release: &str, namespace: &str) {
    let mut put = |kind: &str, key: &str, value: &str| {
        if !object["metadata"][kind].is_object() {
            object["metadata"][kind] = json!({});
        }
        object["metadata"][kind][key] = value.into();
    };
    put("labels", MANAGED_BY, "Helm");
    put("annotations", RELEASE_NAME, release);
    put("annotations", RELEASE_NAMESPACE, namespace);
}

/// Why an existing object is not the release's; `None` if it is.
pub(crate) fn not_ours(object: &Value, release: &str, namespace: &str) -> Option<String> {
    let checks = [
        ("label", "labels", MANAGED_BY, "Helm"),
        ("annotation", "annotations", RELEASE_NAME, release),
        ("annotation", "annotations", RELEASE_NAMESPACE, namespace),
    ];
    let faults: Vec<String> = checks
        .iter()
        .filter_map(|(what, kind, key, wanted)| match object["metadata"][kind][key].as_str() {
            None => Some(format!("its {what} `{key}` is missing, and must be `{wanted}`")),
            Some(found) if found != *wanted => {
                Some(format!("its {what} `{key}` is `{found}`, not `{wanted}`"))
            }
            Some(_) => None,
        })
        .collect();
    (!faults.is_empty()).then(|| faults.join("; "))
}

/// Whether the object stays when its release no longer has it.
pub(crate) fn is_kept(object: &Value) -> bool {
    let policy = object["metadata"]["annotations"][RESOURCE_POLICY].as_str().unwrap_or_default();
    policy.trim().eq_ignore_ascii_case("keep")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_belongs_to_the_release_that_marked_it() {
        let manifest =
            "---\n# Source: a\napiVersion: v1\nkind: Secret\nmetadata: { name: a }\n---\n# nothing\n";
        let mut objects = objects("web", manifest).expect("objects");
        assert_eq!(objects.len(), 1);
        assert!(not_ours(&objects[0], "web", "prod").is_some());
        own(&mut objects[0], "web", "prod");
        assert_eq!(not_ours(&objects[0], "web", "prod"), None);
        assert_eq!(
            not_ours(&objects[0], "api", "prod").as_deref(),
            Some("its annotation `meta.helm.sh/release-name` is `web`, not `api`")
        );
    }
}
