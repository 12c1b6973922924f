//! DELETE: one object or a collection, with options from body and query.
//! What deletion comes to is `write`'s; here is what is asked and what is answered.

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use super::options::{ListOptions, check_dry_run, integer};
use super::{Call, read};
use crate::cluster::Cluster;
use crate::media::Media;
use crate::reply;
use crate::selector::Selector;
use crate::shape;
use crate::status::{Invalid, Result, Status, details};
use crate::write::{DeleteOptions, Deletion, Propagation};

const ORPHANS: &str = "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to \
    remove them or set propagationPolicy=Orphan to suppress this warning";

pub(super) fn delete(cluster: &mut Cluster, call: &Call<'_>) -> Result<Response<Bytes>> {
    let media = Media::of(call.request)?;
    let options = options(call)?;
    let deletion = cluster.delete_object(&call.served, call.place(), call.name(), &options, call.author)?;
    let mut response = match deletion {
        Deletion::Pending(object) => read::one(cluster, call, media, 200, call.served.view(&object)),
        Deletion::Gone(object) if call.served.kind.deletion_answers_object() => {
            read::one(cluster, call, media, 200, call.served.view(&object))
        }
        Deletion::Gone(object) => reply::object(Media::JSON, 200, &success(call, &object)),
    };
    if call.served.kind.orphans_by_default() && options.propagation.is_none() {
        reply::warn(response.headers_mut(), &[ORPHANS.to_owned()]);
    }
    Ok(response)
}

pub(super) fn delete_collection(cluster: &mut Cluster, call: &Call<'_>) -> Result<Response<Bytes>> {
    let media = Media::of(call.request)?;
    let list = ListOptions::of(&call.request.query, false)?;
    let selector = Selector::of(&call.served, list.labels.as_deref(), list.fields.as_deref())?;
    let options = options(call)?;
    let revision = cluster.store.revision();
    let chosen: Vec<Value> = cluster
        .store
        .list(&call.served.resource.storage, call.namespace.as_deref())
        .map(|object| call.served.view(object))
        .filter(|object| selector.matches(&call.served, object))
        .collect();
    for object in &chosen {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        match cluster.delete_object(&call.served, call.place(), name, &options, call.author) {
            Ok(_) => {}
            Err(status) if status.code == 404 => {}
            Err(status) => return Err(status),
        }
    }
    Ok(read::many(cluster, call, media, chosen, &json!({"resourceVersion": revision.to_string()})))
}

fn success(call: &Call<'_>, object: &Value) -> Value {
    let resource = &call.served.resource;
    let mut details = details(call.name(), &resource.group, &resource.plural);
    details["uid"] = object["metadata"]["uid"].clone();
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}

/// The options of the body, or else of the query.
pub(super) fn options(call: &Call<'_>) -> Result<DeleteOptions> {
    let body = shape::delete_options(call.request)?;
    let query = &call.request.query;
    let from_query = |name: &str| query.text(name).map(Value::from).unwrap_or_default();
    let (grace, policy, orphan, dry_run) = match &body {
        Some(body) => {
            let dry_run: Vec<String> = body["dryRun"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|v| v.as_str().unwrap_or_default().to_owned())
                .collect();
            (
                body["gracePeriodSeconds"].as_i64(),
                body["propagationPolicy"].clone(),
                body["orphanDependents"].as_bool(),
                dry_run,
            )
        }
        None => (None, Value::Null, None, Vec::new()),
    };
    // kubectl and client-go send either; the server reads the query only without a body.
    let (grace, policy, orphan, dry_run) = match body.is_some() {
        true => (grace, policy, orphan, dry_run),
        false => (
            integer(query, "gracePeriodSeconds")?,
            from_query("propagationPolicy"),
            query.get("orphanDependents").map(|_| query.flag("orphanDependents")),
            query.all("dryRun").map(str::to_owned).collect(),
        ),
    };
    let mut wrong = Vec::new();
    if let (Some(_), Some(policy)) = (orphan, policy.as_str()) {
        let why = "orphanDependents and deletionPropagation cannot be both set";
        wrong.push(Invalid::value("propagationPolicy", policy, why));
    } else if let Some(policy) = policy.as_str()
        && !matches!(policy, "Foreground" | "Background" | "Orphan")
    {
        wrong.push(Invalid::not_supported(
            "propagationPolicy",
            policy,
            &["Foreground", "Background", "Orphan", "nil"],
        ));
    }
    wrong.extend(check_dry_run(
        &dry_run.iter().map(String::as_str).filter(|v| !v.is_empty()).collect::<Vec<_>>(),
    ));
    if !wrong.is_empty() {
        return Err(Status::invalid("meta.k8s.io", "DeleteOptions", "", &wrong));
    }
    let propagation = match (orphan, policy.as_str()) {
        (Some(true), _) | (_, Some("Orphan")) => Some(Propagation::Orphan),
        (Some(false), _) | (_, Some("Background")) => Some(Propagation::Background),
        (_, Some("Foreground")) => Some(Propagation::Foreground),
        _ => None,
    };
    let precondition =
        |field: &str| body.as_ref().and_then(|body| body["preconditions"][field].as_str()).map(str::to_owned);
    Ok(DeleteOptions {
        grace_period: grace,
        propagation,
        uid: precondition("uid"),
        resource_version: precondition("resourceVersion"),
        dry_run: dry_run.iter().any(|value| value == "All"),
    })
}
