//! Why a workload does not come up: the pod, the container, how it ended, its last log lines and its events.
//! Told by everything that waits. It only reads, and what it may not read it leaves out.

use std::collections::BTreeMap;

use opsrun_core::{BoxFuture, Error};
use serde_json::{Value, json};

use crate::client::{Client, Parameters, Query};
use crate::error;
use crate::object::{Address, Labels, Object};
use crate::pod_trouble::{self, Finding, Run};
use crate::readiness::{self, Readiness};

/// What is wrong with some objects, worst first.
#[derive(Debug, Clone, Default)]
pub struct Diagnosis {
    pub troubles: Vec<Trouble>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trouble {
    /// `pod api-5d9c7-x2x4k, container app`
    pub what: String,
    /// `CrashLoopBackOff: it ended with code 1 (Error), restarted 3 times`
    pub why: String,
    pub log: Vec<String>,
    pub events: Vec<String>,
}

/// Pods that are told in full: the others mostly have the same to say.
const PODS: usize = 2;
const LOG_LINES: usize = 10;
const EVENTS: usize = 3;

impl Diagnosis {
    /// Adds what was found to an error.
    #[must_use]
    pub fn explain(&self, mut error: Error) -> Error {
        let mut data = Vec::new();
        for trouble in &self.troubles {
            error = error.detail(format!("{}: {}", trouble.what, trouble.why));
            for line in &trouble.log {
                error = error.detail(format!("  log: {line}"));
            }
            for event in &trouble.events {
                error = error.detail(format!("  event: {event}"));
            }
            data.push(
                json!({ "what": trouble.what, "why": trouble.why, "log": trouble.log, "events": trouble.events }),
            );
        }
        if data.is_empty() { error } else { error.data(json!({ "troubles": data })) }
    }
}

/// Looks into the objects.
pub async fn of(client: &Client, objects: &[Address]) -> Diagnosis {
    let mut diagnosis = Diagnosis::default();
    for at in objects {
        // What cannot be read is no reason to hide the failure that is being explained.
        match one(client, at).await {
            Ok(troubles) => diagnosis.troubles.extend(troubles),
            Err(error) => client.cx().warn(format!("{at} could not be looked into: {error}")),
        }
    }
    diagnosis
}

async fn one(client: &Client, at: &Address) -> Result<Vec<Trouble>, error::Error> {
    let Some(object) = client.find(at).await? else { return Ok(Vec::new()) };
    let (pods, owner) = match (at.resource.group.as_str(), at.resource.kind.as_str()) {
        ("", "Pod") => (vec![object.clone()], None),
        ("apps", "Deployment") => {
            let Some(current) = newest_replica_set(client, at, &object).await? else {
                return own(client, at, &object).await;
            };
            (pods_of(client, at, &object, &current).await?, Some(current))
        }
        ("apps", "StatefulSet" | "DaemonSet" | "ReplicaSet") | ("batch", "Job") => {
            (pods_of(client, at, &object, &object).await?, Some(object.clone()))
        }
        ("", "PersistentVolumeClaim") => return Ok(claim(client, at).await?.into_iter().collect()),
        _ => return of_any_kind(client, at, &object).await,
    };
    let mut troubles = Vec::new();
    if let Some(owner) = owner.filter(|owner| lacks_pods(owner, pods.len())) {
        troubles.extend(cannot_create(client, at, &owner).await?);
    }
    let mut found: Vec<(&Value, Finding)> =
        pods.iter().filter_map(|pod| Some((pod, pod_trouble::of(pod)?))).collect();
    found.sort_by(|(a, x), (b, y)| (x.rank, a.name()).cmp(&(y.rank, b.name())));
    let mut claims = BTreeMap::new();
    for (pod, finding) in found.into_iter().take(PODS) {
        if finding.is_unscheduled {
            claims.extend(claims_of(client, at, pod).await?);
        }
        troubles.push(tell(client, at, pod, finding).await?);
    }
    troubles.extend(claims.into_values());
    if troubles.is_empty() { own(client, at, &object).await } else { Ok(troubles) }
}

/// Whether an owner of pods has fewer than it should; of a DaemonSet only its status tells how many that are.
fn lacks_pods(owner: &Value, pods: usize) -> bool {
    let wanted = match owner.text("/kind") {
        "DaemonSet" => owner.number("/status/desiredNumberScheduled"),
        "Job" => 1,
        _ => owner.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1),
    };
    i64::try_from(pods).is_ok_and(|pods| pods < wanted)
}

/// The claims of a pod that are not bound: it waits for them.
async fn claims_of(
    client: &Client,
    at: &Address,
    pod: &Value,
) -> Result<BTreeMap<String, Trouble>, error::Error> {
    let kind = client.kind_of("v1", "PersistentVolumeClaim").await?;
    let mut troubles = BTreeMap::new();
    for volume in pod.items("/spec/volumes") {
        // A generic ephemeral volume has a claim that is named after both.
        let name = match volume.text("/persistentVolumeClaim/claimName") {
            "" if volume.get("ephemeral").is_some() => format!("{}-{}", pod.name(), volume.text("/name")),
            "" => continue,
            name => name.to_owned(),
        };
        let place = client.place(kind.clone(), at.namespace.as_deref(), &name);
        troubles.extend(claim(client, &place).await?.map(|trouble| (name, trouble)));
    }
    Ok(troubles)
}

/// A claim that is not bound. Why is often said in events that warn of nothing.
async fn claim(client: &Client, at: &Address) -> Result<Option<Trouble>, error::Error> {
    let Some(claim) = client.find(at).await? else {
        return Ok(Some(Trouble {
            what: at.short(),
            why: "it does not exist".to_owned(),
            ..Trouble::default()
        }));
    };
    let phase = claim.text("/status/phase");
    if phase == "Bound" {
        return Ok(None);
    }
    let class = match claim.pointer("/spec/storageClassName").and_then(Value::as_str) {
        None => "it names no storage class".to_owned(),
        Some("") => "it wants no storage class".to_owned(),
        Some(class) => format!("its storage class is `{class}`"),
    };
    let mut told: Vec<String> = events_of(client, at.namespace.as_deref(), &claim)
        .await?
        .iter()
        .map(|event| format!("{}: {}", event.text("/reason"), event.text("/message").trim()))
        .collect();
    told.dedup();
    let events = told.split_off(told.len().saturating_sub(EVENTS));
    Ok(Some(Trouble { what: at.short(), why: format!("it is {phase}; {class}"), log: Vec::new(), events }))
}

/// Of a kind that is not Kubernetes' own: what it says itself, and what is wrong with the workloads that belong to it.
/// Boxed, as that leads back to [`one`].
fn of_any_kind<'a>(
    client: &'a Client,
    at: &'a Address,
    object: &'a Value,
) -> BoxFuture<'a, Result<Vec<Trouble>, error::Error>> {
    Box::pin(of_parts(client, at, object))
}

async fn of_parts(client: &Client, at: &Address, object: &Value) -> Result<Vec<Trouble>, error::Error> {
    let mut troubles = own(client, at, object).await?;
    let group = &at.resource.group;
    if !group.contains('.') || group.ends_with(".k8s.io") {
        return Ok(troubles);
    }
    for (version, kind) in OWNED {
        let kind = client.kind_of(version, kind).await?;
        let listed = client.list(&kind, at.namespace.as_deref(), &Query::default()).await;
        // Who may read the object may still not read these.
        let Ok(found) = listed else { continue };
        let belongs = |part: &&Value| part.controller() == Some(object.uid());
        for part in found.iter().filter(belongs).filter(|part| readiness::of(part) != Readiness::Ready) {
            let place = client.place(kind.clone(), Some(part.text("/metadata/namespace")), part.name());
            troubles.extend(one(client, &place).await?);
        }
    }
    Ok(troubles)
}

/// What operators make of their own kinds, mostly.
const OWNED: [(&str, &str); 5] = [
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("batch/v1", "Job"),
    ("v1", "Pod"),
];

/// What the object's own conditions and events say.
async fn own(client: &Client, at: &Address, object: &Value) -> Result<Vec<Trouble>, error::Error> {
    let bad = |condition: &&Value| match condition.text("/type") {
        "Failed" | "Stalled" | "ReplicaFailure" | "FailureTarget" => condition["status"] == "True",
        "Ready" | "Available" | "Progressing" | "Established" | "Complete" => condition["status"] != "True",
        _ => false,
    };
    let mut said: Vec<String> = object
        .conditions()
        .filter(bad)
        .map(|condition| condition.text("/message").to_owned())
        .filter(|message| !message.is_empty())
        .collect();
    said.dedup();
    let events = warnings(client, at.namespace.as_deref(), object).await?;
    if said.is_empty() && events.is_empty() {
        return Ok(Vec::new());
    }
    let why = if said.is_empty() { "see its events".to_owned() } else { said.join("; ") };
    Ok(vec![Trouble { what: at.short(), why, log: Vec::new(), events }])
}

async fn newest_replica_set(
    client: &Client,
    at: &Address,
    deployment: &Value,
) -> Result<Option<Value>, error::Error> {
    let sets = client.kind_of("apps/v1", "ReplicaSet").await?;
    let query = Query::labels(Labels::of_selector(&deployment["spec"]["selector"]).as_str());
    let sets = client.list(&sets, at.namespace.as_deref(), &query).await?;
    let revision = |set: &Value| {
        let text = set["metadata"]["annotations"]["deployment.kubernetes.io/revision"].as_str();
        text.and_then(|text| text.parse::<u64>().ok()).unwrap_or_default()
    };
    Ok(sets.into_iter().filter(|set| set.controller() == Some(deployment.uid())).max_by_key(revision))
}

async fn pods_of(
    client: &Client,
    at: &Address,
    workload: &Value,
    owner: &Value,
) -> Result<Vec<Value>, error::Error> {
    let pods = client.kind_of("v1", "Pod").await?;
    let query = Query::labels(Labels::of_selector(&workload["spec"]["selector"]).as_str());
    let pods = client.list(&pods, at.namespace.as_deref(), &query).await?;
    Ok(pods.into_iter().filter(|pod| pod.controller() == Some(owner.uid())).collect())
}

/// Pods that the controller could not even create: a quota, an admission rule, a missing service account.
async fn cannot_create(
    client: &Client,
    at: &Address,
    owner: &Value,
) -> Result<Option<Trouble>, error::Error> {
    let failure = owner.condition("ReplicaFailure").filter(|condition| condition["status"] == "True");
    let failure = failure.map(|condition| condition.text("/message").to_owned());
    let events = events_of(client, at.namespace.as_deref(), owner).await?;
    let event = events.iter().rev().find(|event| event.text("/reason") == "FailedCreate");
    let why = failure.or_else(|| event.map(|event| event.text("/message").to_owned()));
    Ok(why.map(|why| Trouble {
        what: at.short(),
        why: format!("its pods cannot be created: {why}"),
        ..Trouble::default()
    }))
}

async fn tell(client: &Client, at: &Address, pod: &Value, finding: Finding) -> Result<Trouble, error::Error> {
    let namespace = at.namespace.as_deref();
    let mut what = format!("pod {}", pod.name());
    let mut log = Vec::new();
    if let Some(container) = &finding.container {
        let sort = if finding.is_init { "init container" } else { "container" };
        what = format!("{what}, {sort} {container}");
        if let Some(run) = finding.log {
            log = last_lines(client, namespace, pod.name(), container, run).await;
        }
    }
    let events = warnings(client, namespace, pod).await?;
    Ok(Trouble { what, why: finding.why, log, events })
}

/// The last lines of a container's log; why it cannot be read, as a log may be gone with its node.
async fn last_lines(
    client: &Client,
    namespace: Option<&str>,
    pod: &str,
    container: &str,
    run: Run,
) -> Vec<String> {
    let Ok(pods) = client.kind_of("v1", "Pod").await else { return Vec::new() };
    let path = format!("{}/log", pods.path(namespace, Some(pod)));
    let parameters = Parameters::default()
        .with("container", container)
        .with("tailLines", LOG_LINES.to_string())
        .with_if(run == Run::Previous, "previous", "true");
    match client.text(&path, &parameters, "reading the log").await {
        Ok(text) => text.lines().map(str::to_owned).collect(),
        Err(error) => vec![format!("(it cannot be read: {error})")],
    }
}

/// The warnings about an object, each text once, latest last.
async fn warnings(
    client: &Client,
    namespace: Option<&str>,
    object: &Value,
) -> Result<Vec<String>, error::Error> {
    let mut latest: BTreeMap<(String, String), (usize, i64)> = BTreeMap::new();
    for (order, event) in events_of(client, namespace, object).await?.iter().enumerate() {
        if event.text("/type") == "Warning" {
            let key = (event.text("/reason").to_owned(), event.text("/message").trim().to_owned());
            let count = event.number("/count").max(event.number("/series/count")).max(1);
            let known = latest.entry(key).or_default();
            *known = (order, known.1 + count);
        }
    }
    let mut told: Vec<_> = latest.into_iter().map(|(text, (order, count))| (order, count, text)).collect();
    told.sort();
    let from = told.len().saturating_sub(EVENTS);
    let line = |(_, count, (reason, message)): (usize, i64, (String, String))| match count {
        1 => format!("{reason}: {message}"),
        _ => format!("{reason}: {message} ({count} times)"),
    };
    Ok(told.drain(from..).map(line).collect())
}

/// The events about an object, oldest first; none if they may not be read.
pub(crate) async fn events_of(
    client: &Client,
    namespace: Option<&str>,
    object: &Value,
) -> Result<Vec<Value>, error::Error> {
    let events = client.kind_of("v1", "Event").await?;
    let query = Query { labels: String::new(), fields: format!("involvedObject.uid={}", object.uid()) };
    match client.list(&events, namespace.or(Some("default")), &query).await {
        Ok(mut found) => {
            found.sort_by(|a, b| (time_of(a), a.name()).cmp(&(time_of(b), b.name())));
            Ok(found)
        }
        Err(error) if error.code() == Some(403) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// When an event was last seen.
pub(crate) fn time_of(event: &Value) -> &str {
    ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/metadata/creationTimestamp"]
        .iter()
        .map(|pointer| event.text(pointer))
        .find(|time| !time.is_empty())
        .unwrap_or_default()
}
