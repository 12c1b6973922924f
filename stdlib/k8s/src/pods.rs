//! The pods that a playbook means: one, those of a workload, or those with some labels.

use opsrun_core::{Error, Result};
use serde_json::Value;

use crate::client::{Client, Query};
use crate::object::{Labels, Object, ObjectRef};

/// The pods, in the order of their names; none is an error.
///
/// # Errors
/// `NotFound`, `Invalid`, and those of the cluster.
pub(crate) async fn of(
    client: &Client,
    object: &ObjectRef,
    labels: Option<&Labels>,
    namespace: Option<&str>,
) -> Result<Vec<Value>> {
    if labels.is_some() && object.name.is_some() {
        return Err(Error::invalid(format!("`{object}` with `labels`: give a name or labels, not both"))
            .hint("with `labels` the first argument is `pods`"));
    }
    let own = namespace.or(object.namespace.as_deref()).unwrap_or(client.namespace()).to_owned();
    let selector = match labels {
        Some(labels) => labels.clone(),
        None => {
            let at = client.address(object, namespace).await?;
            let found = client.get(&at).await?;
            if at.resource.kind == "Pod" {
                return Ok(vec![found]);
            }
            let selector = &found["spec"]["selector"];
            if !selector.is_object() {
                return Err(Error::invalid(format!("{at} has no pods")));
            }
            // A Service selects by labels alone.
            let matches = selector.get("matchLabels").or(selector.get("matchExpressions")).is_some();
            let wrapped = serde_json::json!({ "matchLabels": selector });
            Labels::of_selector(if matches { selector } else { &wrapped })
        }
    };
    let pods = client.kind_of("v1", "Pod").await?;
    let found = client.list(&pods, Some(&own), &Query::labels(selector.as_str())).await?;
    if found.is_empty() {
        return Err(Error::not_found(format!("{object} has no pods in {own}")));
    }
    Ok(found)
}

/// The one to run something in: one that stays, ready if there is such a one.
pub(crate) fn best(mut pods: Vec<Value>) -> Option<Value> {
    // A stable sort: of equals, the first.
    pods.sort_by_key(|pod| {
        let ready = pod.condition("Ready").is_some_and(|condition| condition["status"] == "True");
        (!pod.text("/metadata/deletionTimestamp").is_empty(), !ready)
    });
    pods.into_iter().next()
}

/// The container of that name, which may be one of any sort.
///
/// # Errors
/// `NotFound`, naming those that there are.
pub(crate) fn check_container<'p>(pod: &'p Value, name: &str) -> Result<&'p str> {
    let pointers = ["/spec/initContainers", "/spec/containers", "/spec/ephemeralContainers"];
    let all: Vec<&str> = pointers
        .iter()
        .flat_map(|pointer| pod.items(pointer))
        .map(|container| container.text("/name"))
        .collect();
    all.iter().copied().find(|known| *known == name).ok_or_else(|| {
        Error::not_found(format!("pod/{} has no container `{name}`", pod.name()))
            .hint(format!("its containers are `{}`", all.join("`, `")))
    })
}
