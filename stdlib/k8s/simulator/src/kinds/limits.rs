//! `LimitRanger`: what a namespace's LimitRanges add to a pod's containers.
//! Amounts are copied, not compared: only defaults are given here.

use serde_json::Value;

use super::pod_spec::{fill, items};
use crate::context::Cx;
use crate::status::Result;
use crate::store::GroupResource;

/// Gives containers the default limits and requests of their namespace.
pub(super) fn apply(cx: &mut Cx<'_>, namespace: &str, pod: &mut Value) -> Result<()> {
    for range in cx.list(&GroupResource::new("", "limitranges"), Some(namespace)) {
        let limits = range["spec"]["limits"].as_array().into_iter().flatten();
        for limit in limits.filter(|limit| limit["type"] == "Container") {
            for list in ["containers", "initContainers"] {
                for container in items(&mut pod["spec"], list) {
                    for (given, wanted) in [("default", "limits"), ("defaultRequest", "requests")] {
                        for (resource, amount) in limit[given].as_object().into_iter().flatten() {
                            fill(&mut container["resources"][wanted], resource, amount.clone());
                        }
                    }
                }
            }
        }
    }
    Ok(())
}
