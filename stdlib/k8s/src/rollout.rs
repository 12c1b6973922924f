//! The revisions of a workload, and the way back to one of them.

use opsrun_core::{Error, ErrorKind, Result};
use serde_json::{Value, json};

use crate::client::{Client, PatchKind, Query};
use crate::object::{Address, Labels, Object};
use crate::types::Rollout;

pub(crate) fn check_kind(at: &Address) -> Result<()> {
    match (at.resource.group.as_str(), at.resource.kind.as_str()) {
        ("apps", "Deployment" | "StatefulSet" | "DaemonSet") => Ok(()),
        _ => Err(Error::invalid(format!("{} has no rollout", at.short()))
            .hint("Deployments, StatefulSets and DaemonSets have")),
    }
}

/// A paused Deployment keeps its pods until it goes on, so there is no rollout to be had.
pub(crate) fn check_going(at: &Address, workload: &Value) -> Result<()> {
    if workload.pointer("/spec/paused") != Some(&Value::Bool(true)) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Conflict, format!("{at} is paused: its pods would stay as they are")).hint(
        format!("let it go on first: `k8s::patch(\"{}\", #{{ spec: #{{ paused: false }} }})`", at.short()),
    ))
}

pub(crate) fn of(workload: &Value) -> Rollout {
    let replicas = workload.pointer("/spec/replicas").or(workload.pointer("/status/desiredNumberScheduled"));
    Rollout {
        replicas: replicas.and_then(Value::as_i64).unwrap_or(1),
        revision: deployment_revision(workload),
    }
}

/// The patch that brings back the template of revision `to`, or of the one before the current.
pub(crate) async fn way_back(
    client: &Client,
    at: &Address,
    workload: &Value,
    to: Option<u64>,
) -> Result<(PatchKind, Value)> {
    let is_deployment = at.resource.kind == "Deployment";
    let kind = if is_deployment { "ReplicaSet" } else { "ControllerRevision" };
    let kind = client.kind_of("apps/v1", kind).await?;
    let query = Query::labels(Labels::of_selector(&workload["spec"]["selector"]).as_str());
    let mut revisions: Vec<(u64, Value)> = client
        .list(&kind, at.namespace.as_deref(), &query)
        .await?
        .into_iter()
        .filter(|object| object.controller() == Some(workload.uid()))
        .filter_map(|object| {
            let number =
                if is_deployment { deployment_revision(&object) } else { object["revision"].as_u64() };
            Some((number?, object))
        })
        .collect();
    revisions.sort_by_key(|(number, _)| *number);
    let known: Vec<String> = revisions.iter().map(|(number, _)| number.to_string()).collect();
    let found = match to {
        Some(to) => revisions.into_iter().find(|(number, _)| *number == to),
        None => revisions.into_iter().rev().nth(1),
    };
    let Some((_, revision)) = found else {
        return Err(match to {
            Some(to) => Error::not_found(format!("{at} has no revision {to}"))
                .hint(format!("its revisions are {}", known.join(", "))),
            None => Error::not_found(format!("{at} has no earlier revision")),
        });
    };
    if !is_deployment {
        // The data of a ControllerRevision is a strategic merge patch.
        return Ok((PatchKind::Strategic, revision["data"].clone()));
    }
    let mut template = revision["spec"]["template"].clone();
    if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.remove("pod-template-hash");
    }
    Ok((PatchKind::Json, json!([{ "op": "replace", "path": "/spec/template", "value": template }])))
}

fn deployment_revision(object: &Value) -> Option<u64> {
    object["metadata"]["annotations"]["deployment.kubernetes.io/revision"].as_str()?.parse().ok()
}
