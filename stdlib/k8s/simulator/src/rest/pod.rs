//! The paths below a pod that are no objects of their own: its log, eviction, binding, and streams into it.
//! Containers are the kubelet's; here is what is checked before it is asked.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Call;
use super::options::{WriteOptions, integer};
use crate::channel::Protocol;
use crate::cluster::Cluster;
use crate::context::{rfc3339, text};
use crate::controllers::object::put_condition;
use crate::fault::is_cut_off;
use crate::kinds::Subresource;
use crate::logs::LogOptions;
use crate::media::Media;
use crate::reply::{self, Reply};
use crate::session::{SessionRequest, What};
use crate::shape;
use crate::status::{Result, Status};
use crate::store::GroupResource;
use crate::write::{DeleteOptions, Place, check_preconditions};

/// Exec, attach, port-forward: checks, and hands the session to the kubelet.
pub(super) fn connect(cluster: &mut Cluster, call: &Call<'_>) -> Result<Reply> {
    let pod = pod(cluster, call)?;
    let query = &call.request.query;
    let name = call.name();
    let mut container = String::new();
    if call.sub != Some(Subresource::PortForward) {
        container = pick_container(&pod, query.text("container"))?;
    }
    if text(&pod["spec"]["nodeName"]).is_empty() {
        return Err(Status::bad_request(format!("pod {name} does not have a host assigned")));
    }
    if matches!(text(&pod["status"]["phase"]), "Succeeded" | "Failed") {
        let why = format!(
            "cannot exec into a container in a completed pod; current phase is {}",
            text(&pod["status"]["phase"])
        );
        return Err(Status::bad_request(why));
    }
    if let Some(why) = unreachable(cluster, &pod) {
        return Err(Status::new(500, "", format!("error dialing backend: {why}")));
    }
    let upgrade = call.request.header("upgrade").unwrap_or_default();
    if !upgrade.eq_ignore_ascii_case("websocket") {
        return Err(Status::bad_request("Upgrade request required"));
    }
    let Some(protocol) = Protocol::choose(call.request.header("sec-websocket-protocol")) else {
        return Ok(Reply::Response(reply::text(403, "text/plain; charset=utf-8", Bytes::new())));
    };
    let (id, output) = cluster.new_session();
    let what = match call.sub {
        Some(Subresource::Exec) => What::Exec { command: query.all("command").map(str::to_owned).collect() },
        Some(Subresource::Attach) => What::Attach,
        _ => {
            let ports = query.all("ports").flat_map(|list| list.split(','));
            What::PortForward { ports: ports.filter_map(|port| port.trim().parse().ok()).collect() }
        }
    };
    let request = SessionRequest {
        id,
        what,
        pod,
        container,
        stdin: query.flag("stdin"),
        stdout: query.get("stdout").is_none() || query.flag("stdout"),
        stderr: query.get("stderr").is_none() || query.flag("stderr"),
        tty: query.flag("tty"),
    };
    cluster.with_kubelet(|kubelet, cx| kubelet.open(cx, &request))?;
    Ok(Reply::Session { request, protocol, output })
}

pub(super) fn log(cluster: &mut Cluster, call: &Call<'_>) -> Result<Reply> {
    let pod = pod(cluster, call)?;
    let query = &call.request.query;
    let container = pick_container(&pod, query.text("container"))?;
    if text(&pod["spec"]["nodeName"]).is_empty() {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = http::StatusCode::NO_CONTENT;
        return Ok(Reply::Response(response));
    }
    let status = container_status(&pod, &container);
    let restarts = status["restartCount"].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    let name = call.name();
    let previous = query.flag("previous");
    let terminated = &status["lastState"]["terminated"];
    if previous && (restarts == 0 || terminated.is_null()) {
        let why = format!("previous terminated container \"{container}\" in pod \"{name}\" not found");
        return Err(Status::bad_request(why));
    }
    let run = if previous { restarts - 1 } else { restarts };
    let waiting = &status["state"]["waiting"];
    let started = status["state"].get("running").is_some() || status["state"].get("terminated").is_some();
    if !previous && !started && terminated.is_null() {
        let reason = waiting["reason"].as_str().unwrap_or("ContainerCreating");
        let why = format!("container \"{container}\" in pod \"{name}\" is waiting to start: {reason}");
        return Err(Status::bad_request(why));
    }
    // A container that waits to be started again shows what it printed last.
    let run = if !previous && !started {
        run.saturating_sub(u32::from(restarts > 0 && waiting.is_null()))
    } else {
        run
    };
    let options = log_options(call, cluster.now)?;
    if let Some(why) = unreachable(cluster, &pod) {
        let (host, namespace) = (text(&pod["status"]["hostIP"]), call.place());
        let url = format!("https://{host}:10250/containerLogs/{namespace}/{name}/{container}");
        return Err(Status::new(500, "", format!("Get \"{url}\": {why}")));
    }
    let uid = text(&pod["metadata"]["uid"]);
    if query.flag("follow") {
        let body = cluster.logs.follow(uid, &container, run, &options);
        let mut head = Response::new(());
        head.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        return Ok(Reply::Stream { head, body });
    }
    Ok(Reply::Response(reply::text(200, "text/plain", cluster.logs.read(uid, &container, run, &options))))
}

/// Why the kubelet of a pod cannot be asked, if its node is down.
fn unreachable(cluster: &Cluster, pod: &Value) -> Option<String> {
    let host = text(&pod["status"]["hostIP"]);
    is_cut_off(cluster, pod).then(|| format!("dial tcp {host}:10250: connect: no route to host"))
}

fn log_options(call: &Call<'_>, now: Timestamp) -> Result<LogOptions> {
    let query = &call.request.query;
    let count = |name: &str| -> Result<Option<usize>> {
        Ok(integer(query, name)?.map(|number| usize::try_from(number).unwrap_or(0)))
    };
    let seconds = integer(query, "sinceSeconds")?.map(|seconds| now - SignedDuration::from_secs(seconds));
    let since = query.text("sinceTime").and_then(|time| time.parse().ok());
    Ok(LogOptions {
        tail: count("tailLines")?,
        since: seconds.or(since),
        limit_bytes: count("limitBytes")?,
        timestamps: query.flag("timestamps"),
    })
}

/// `policy/v1` Eviction: a deletion that budgets may refuse.
pub(super) fn evict(cluster: &mut Cluster, call: &Call<'_>) -> Result<Response<Bytes>> {
    let options = WriteOptions::of(&call.request.query, "CreateOptions", false)?;
    let decoded = shape::decode_as("policy", "v1", "Eviction", call.request, options.validation)?;
    let given = text(&decoded.object["metadata"]["name"]);
    if !given.is_empty() && given != call.name() {
        return Err(Status::bad_request("name in URL does not match name in Eviction object"));
    }
    let pod = pod(cluster, call)?;
    let wanted = &decoded.object["deleteOptions"];
    let dry_run = options.dry_run || wanted["dryRun"].as_array().is_some_and(|values| !values.is_empty());
    let finished = matches!(text(&pod["status"]["phase"]), "Succeeded" | "Failed" | "Pending");
    if !finished && !crate::meta::is_deleting(&pod) {
        spend_budget(cluster, &pod, dry_run)?;
    }
    let deletion = DeleteOptions {
        grace_period: wanted["gracePeriodSeconds"].as_i64(),
        dry_run,
        uid: wanted["preconditions"]["uid"].as_str().map(str::to_owned),
        resource_version: wanted["preconditions"]["resourceVersion"].as_str().map(str::to_owned),
        ..DeleteOptions::default()
    };
    check_preconditions(&call.served, call.name(), &pod, &deletion)?;
    if !dry_run {
        announce_eviction(cluster, call, &pod)?;
    }
    let deletion = DeleteOptions { uid: None, resource_version: None, ..deletion };
    cluster.delete_object(&call.served, call.place(), call.name(), &deletion, call.author)?;
    let body =
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    Ok(reply::object(Media::of(call.request)?, 201, &body))
}

/// Says on the pod why it goes.
fn announce_eviction(cluster: &mut Cluster, call: &Call<'_>, pod: &Value) -> Result<()> {
    let condition = json!({
        "type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting", "lastProbeTime": null, "lastTransitionTime": rfc3339(cluster.now),
        "observedGeneration": pod["metadata"]["generation"],
    });
    let key = call.served.key(call.place(), call.name());
    let mut cx = crate::context::Cx::new(cluster, call.author.clone());
    cx.modify(&key, Some(Subresource::Status), |pod| put_condition(&mut pod["status"], condition)).map(drop)
}

/// Takes one disruption from the budget that covers the pod, or refuses.
fn spend_budget(cluster: &mut Cluster, pod: &Value, dry_run: bool) -> Result<()> {
    let resource = GroupResource::new("policy", "poddisruptionbudgets");
    let namespace = text(&pod["metadata"]["namespace"]);
    let covering: Vec<Arc<Value>> = cluster
        .store
        .list(&resource, Some(namespace))
        .filter(|budget| {
            crate::selector::label_selector_matches(&budget["spec"]["selector"], &pod["metadata"]["labels"])
        })
        .cloned()
        .collect();
    let budget = match covering.as_slice() {
        [] => return Ok(()),
        [one] => one,
        _ => {
            return Err(Status::new(
                500,
                "",
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
            ));
        }
    };
    let ready = pod["status"]["conditions"].as_array().into_iter().flatten();
    let ready = ready.clone().any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
    let status = &budget["status"];
    let number = |field: &str| status[field].as_i64().unwrap_or(0);
    let enough = number("desiredHealthy") > 0 && number("currentHealthy") >= number("desiredHealthy");
    if !ready && (enough || budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow") {
        return Ok(());
    }
    if number("observedGeneration") < budget["metadata"]["generation"].as_i64().unwrap_or(0) {
        let name = text(&budget["metadata"]["name"]);
        let why = format!("The disruption budget {name} is still being processed by the server.");
        return Err(refused_by_budget(&why, Some(10)));
    }
    if status["disruptionsAllowed"].as_i64().unwrap_or(0) <= 0 {
        return Err(over_budget(budget));
    }
    if dry_run {
        return Ok(());
    }
    let pod_name = text(&pod["metadata"]["name"]).to_owned();
    let at = rfc3339(cluster.now);
    let key = crate::store::ObjectKey::new(&resource, namespace, text(&budget["metadata"]["name"]));
    let mut cx = crate::context::Cx::new(cluster, crate::context::Author::component("kube-apiserver"));
    cx.modify(&key, Some(Subresource::Status), |budget| {
        let allowed = budget["status"]["disruptionsAllowed"].as_i64().unwrap_or(1);
        budget["status"]["disruptionsAllowed"] = (allowed - 1).into();
        budget["status"]["disruptedPods"][pod_name] = at.into();
    })?;
    Ok(())
}

fn over_budget(budget: &Value) -> Status {
    let status = &budget["status"];
    let number = |field: &str| status[field].as_i64().unwrap_or(0);
    let why = format!(
        "The disruption budget {} needs {} healthy pods and has {} currently",
        text(&budget["metadata"]["name"]),
        number("desiredHealthy"),
        number("currentHealthy")
    );
    refused_by_budget(&why, None)
}

fn refused_by_budget(why: &str, retry_after: Option<i64>) -> Status {
    let message = "Cannot evict pod as it would violate the pod's disruption budget.";
    let mut details = json!({"causes": [{"reason": "DisruptionBudget", "message": why}]});
    if let Some(seconds) = retry_after {
        details["retryAfterSeconds"] = seconds.into();
    }
    Status::new(429, "TooManyRequests", message).with_details(details)
}

/// Binds a pod to a node, as a scheduler does.
pub(super) fn bind(cluster: &mut Cluster, call: &Call<'_>) -> Result<Response<Bytes>> {
    let options = WriteOptions::of(&call.request.query, "CreateOptions", false)?;
    let decoded = shape::decode_as("", "v1", "Binding", call.request, options.validation)?;
    let node = text(&decoded.object["target"]["name"]).to_owned();
    let place = Place { served: &call.served, sub: call.sub, namespace: call.place(), name: call.name() };
    let now = rfc3339(cluster.now);
    cluster.update(&place, call.author, options.dry_run, &mut |_, old| {
        let bound = text(&old["spec"]["nodeName"]);
        if !bound.is_empty() {
            let why = format!("pod {} is already assigned to node \"{bound}\"", call.name());
            return Err(Status::conflict("", "pods/binding", call.name(), &why));
        }
        let mut new = old.clone();
        new["spec"]["nodeName"] = node.clone().into();
        put_condition(
            &mut new["status"],
            json!({
                "type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now,
            }),
        );
        Ok(new)
    })?;
    let body =
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    Ok(reply::object(Media::of(call.request)?, 201, &body))
}

fn pod(cluster: &Cluster, call: &Call<'_>) -> Result<Arc<Value>> {
    let found = cluster.store.get(&call.served.resource.storage, call.place(), call.name());
    found.cloned().ok_or_else(|| call.served.not_found(call.name()))
}

/// The container that is meant: the one named, the annotated default, or the only one.
fn pick_container(pod: &Value, wanted: Option<&str>) -> Result<String> {
    let name = text(&pod["metadata"]["name"]);
    let names = |field: &str| -> Vec<&str> {
        pod["spec"][field]
            .as_array()
            .into_iter()
            .flatten()
            .map(|container| text(&container["name"]))
            .collect()
    };
    let (containers, init, ephemeral) =
        (names("containers"), names("initContainers"), names("ephemeralContainers"));
    if let Some(wanted) = wanted {
        if [&containers, &init, &ephemeral].iter().any(|names| names.contains(&wanted)) {
            return Ok(wanted.to_owned());
        }
        return Err(Status::bad_request(format!("container {wanted} is not valid for pod {name}")));
    }
    if let [only] = containers.as_slice() {
        return Ok((*only).to_owned());
    }
    let annotated = pod["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"].as_str();
    if let Some(default) = annotated.filter(|name| containers.contains(name)) {
        return Ok(default.to_owned());
    }
    let mut why = format!(
        "a container name must be specified for pod {name}, choose one of: [{}]",
        containers.join(" ")
    );
    if !init.is_empty() {
        why.push_str(&format!(" or one of the init containers: [{}]", init.join(" ")));
    }
    Err(Status::bad_request(why))
}

fn container_status(pod: &Value, container: &str) -> Value {
    let lists = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"];
    let mut all = lists.iter().flat_map(|list| pod["status"][*list].as_array().into_iter().flatten());
    all.find(|status| text(&status["name"]) == container).cloned().unwrap_or(Value::Null)
}

/// A token for a service account; it opens nothing here.
pub(super) fn token(cluster: &mut Cluster, call: &Call<'_>) -> Result<Response<Bytes>> {
    let options = WriteOptions::of(&call.request.query, "CreateOptions", false)?;
    let decoded =
        shape::decode_as("authentication.k8s.io", "v1", "TokenRequest", call.request, options.validation)?;
    if cluster.store.get(&call.served.resource.storage, call.place(), call.name()).is_none() {
        return Err(call.served.not_found(call.name()));
    }
    let mut object = decoded.object;
    let seconds = object["spec"]["expirationSeconds"].as_i64().unwrap_or(3600);
    object["spec"]["expirationSeconds"] = seconds.into();
    object["spec"]
        .as_object_mut()
        .expect("an indexed spec is a map")
        .entry("boundObjectRef")
        .or_insert(Value::Null);
    object["metadata"]["name"] = call.name().into();
    object["metadata"]["namespace"] = call.place().into();
    object["metadata"]["creationTimestamp"] = rfc3339(cluster.now).into();
    let expires = cluster.now + SignedDuration::from_secs(seconds);
    let secret = crate::context::random_uid(&mut cluster.rng);
    object["status"] =
        json!({"token": format!("simulated.{secret}"), "expirationTimestamp": rfc3339(expires)});
    Ok(reply::object(Media::of(call.request)?, 201, &object))
}
