//! The part of admission that concerns every kind: namespaces that are absent, going or full.
//! Admission of single kinds is theirs (`Kind::admit_*`).

use serde_json::{Value, json};

use crate::context::{Cx, text};
use crate::meta;
use crate::registry::Served;
use crate::status::{Result, Status};
use crate::store::GroupResource;

/// `NamespaceLifecycle` and `ResourceQuota`: a new object needs a namespace that exists, is not being deleted and has room.
pub(crate) fn namespace_accepts(cx: &Cx<'_>, served: &Served, namespace: &str, object: &Value) -> Result<()> {
    if !served.resource.namespaced {
        return Ok(());
    }
    let Some(found) = cx.get(&GroupResource::new("", "namespaces"), "", namespace) else {
        return Err(Status::not_found("", "namespaces", namespace));
    };
    if !meta::is_deleting(&found) {
        return crate::kinds::quota::admit(cx, &served.resource.storage, object);
    }
    let name = text(&object["metadata"]["name"]);
    let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
    let mut refusal = Status::forbidden(&served.resource.group, &served.resource.plural, name, &why);
    if let Some(details) = &mut refusal.details {
        details["causes"] = json!([{
            "reason": "NamespaceTerminating",
            "message": format!("namespace {namespace} is being terminated"),
            "field": "metadata.namespace",
        }]);
    }
    Err(refusal)
}
