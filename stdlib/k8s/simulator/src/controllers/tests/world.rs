//! A cluster to try things on: create, let time pass, look.

use std::sync::Arc;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::cluster::{Cluster, ClusterOptions};
use crate::context::{Author, Cx};
use crate::controllers::object::{EVENTS, PODS, text_at};
use crate::estate::EstateSection;
use crate::reply::Reply;
use crate::status::Result;
use crate::store::{GroupResource, ObjectKey};
use crate::write::DeleteOptions;

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
        self.try_change(resource, name, change).expect("changed");
    }

    pub(super) fn try_change(
        &mut self,
        resource: &GroupResource,
        name: &str,
        change: impl FnOnce(&mut Value),
    ) -> Result<Arc<Value>> {
        let key = key(resource, name);
        self.cx(|cx| cx.modify(&key, None, change))
    }

    pub(super) fn delete(&mut self, resource: &GroupResource, name: &str) {
        let key = key(resource, name);
        self.cx(|cx| cx.delete(&key, &DeleteOptions::default())).expect("a deletion that begins");
    }

    pub(super) fn pass(&mut self, seconds: i64) {
        let until = self.cluster.now() + SignedDuration::from_secs(seconds);
        self.cluster.advance(until);
    }

    pub(super) fn get(&self, resource: &GroupResource, name: &str) -> Value {
        let key = key(resource, name);
        let found = self.cluster.store.get(resource, &key.namespace, name);
        found.map_or(Value::Null, |object| (**object).clone())
    }

    pub(super) fn list(&self, resource: &GroupResource) -> Vec<Value> {
        self.cluster.store.list(resource, Some(SPACE)).map(|object| (**object).clone()).collect()
    }

    /// What the server answers: code and body.
    pub(super) fn request(&mut self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json")
            .body(Bytes::from(body.to_string()))
            .expect("a request");
        match self.cluster.handle(request) {
            Reply::Response(response) => {
                let code = response.status().as_u16();
                (code, serde_json::from_slice(response.body()).unwrap_or(Value::Null))
            }
            _ => panic!("an answer at once"),
        }
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

fn key(resource: &GroupResource, name: &str) -> ObjectKey {
    let cluster_wide = matches!(&*resource.resource, "nodes" | "namespaces" | "storageclasses");
    let space = if cluster_wide { "" } else { SPACE };
    ObjectKey::new(resource, space, name)
}

pub(super) fn name_of(object: &Value) -> String {
    text_at(object, "/metadata/name").to_owned()
}

/// A CronJob `tick` that runs the image `task`.
pub(super) fn cron_job(schedule: &str) -> Value {
    let mut template = template("task", &json!({}));
    template["spec"]["restartPolicy"] = "Never".into();
    json!({
        "metadata": {"name": "tick"},
        "spec": {"schedule": schedule, "jobTemplate": {"spec": {"template": template}}},
    })
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
