//! A cluster to try things on: create, let time pass, look.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::cluster::{Cluster, ClusterOptions};
use crate::context::{Author, Cx};
use crate::controllers::object::{EVENTS, PODS, text_at};
use crate::estate::EstateSection;
use crate::status::Result;
use crate::store::{GroupResource, ObjectKey};

pub(super) struct World {
    pub(super) cluster: Cluster,
}

pub(super) const SPACE: &str = "shop";

impl World {
    /// `estate` is the `kubernetes:` section as JSON.
    pub(super) fn with(estate: Value) -> Self {
        let estate: EstateSection = serde_json::from_value(estate).expect("an estate");
        let now: Timestamp = "2026-01-02T03:00:00Z".parse().expect("a time");
        let cluster = Cluster::start(ClusterOptions { seed: 1, now, estate }).expect("a cluster");
        let mut world = Self { cluster };
        world.create(&GroupResource::new("", "namespaces"), json!({"metadata": {"name": SPACE}}));
        world.pass(1);
        world
    }

    pub(super) fn new() -> Self {
        Self::with(json!({}))
    }

    pub(super) fn cx<T>(&mut self, f: impl FnOnce(&mut Cx<'_>) -> T) -> T {
        let result = f(&mut Cx::new(&mut self.cluster, Author::component("test")));
        self.cluster.deliver();
        result
    }

    pub(super) fn try_create(&mut self, resource: &GroupResource, mut object: Value) -> Result<Arc<Value>> {
        if resource.resource != "namespaces" && resource.resource != "nodes" {
            object["metadata"]["namespace"] = SPACE.into();
        }
        self.cx(|cx| cx.create(resource, object))
    }

    pub(super) fn create(&mut self, resource: &GroupResource, object: Value) -> Arc<Value> {
        self.try_create(resource, object).expect("created")
    }

    pub(super) fn change(&mut self, resource: &GroupResource, name: &str, change: impl FnOnce(&mut Value)) {
        let key = ObjectKey::new(resource, SPACE, name);
        self.cx(|cx| cx.modify(&key, None, change)).expect("changed");
    }

    pub(super) fn pass(&mut self, seconds: i64) {
        let until = self.cluster.now() + SignedDuration::from_secs(seconds);
        self.cluster.advance(until);
    }

    pub(super) fn get(&self, resource: &GroupResource, name: &str) -> Value {
        let space = if matches!(&*resource.resource, "nodes" | "namespaces") { "" } else { SPACE };
        self.cluster.store.get(resource, space, name).map_or(Value::Null, |object| (**object).clone())
    }

    pub(super) fn list(&self, resource: &GroupResource) -> Vec<Value> {
        self.cluster.store.list(resource, Some(SPACE)).map(|object| (**object).clone()).collect()
    }

    /// One field of all pods that are not going, in order of names.
    pub(super) fn pods(&self, pointer: &str) -> Vec<String> {
        let pods = self.list(&PODS);
        let alive = pods.iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        alive.map(|pod| text_at(pod, pointer).to_owned()).collect()
    }

    /// `REASON message` of all events about a kind, in order of time.
    pub(super) fn events(&self, kind: &str) -> Vec<String> {
        let mut events = self.list(&EVENTS);
        events.retain(|event| event["involvedObject"]["kind"] == kind);
        events.sort_by_key(|event| text_at(event, "/metadata/name").rsplit('.').next().map(str::to_owned));
        events
            .iter()
            .map(|event| format!("{} {}", text_at(event, "/reason"), text_at(event, "/message")))
            .collect()
    }
}

/// A pod template with one container `c`; `more` is laid over the container.
pub(super) fn template(image: &str, more: &Value) -> Value {
    let mut container = json!({
        "name": "c", "image": image, "imagePullPolicy": "IfNotPresent", "resources": {},
        "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        container[key] = value.clone();
    }
    json!({
        "metadata": {"labels": {"app": "web"}},
        "spec": {
            "containers": [container], "restartPolicy": "Always", "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler", "securityContext": {},
        },
    })
}

/// A Deployment `web`.
pub(super) fn deployment(replicas: i64, image: &str) -> Value {
    json!({
        "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
            "template": template(image, &json!({"readinessProbe": {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 1}})),
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            "progressDeadlineSeconds": 600, "revisionHistoryLimit": 10,
        },
    })
}
