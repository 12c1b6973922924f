//! ReplicaSets, and the ReplicationControllers that came before them.

use serde_json::{Value, json};

use super::deployment::{containers_and_images, selector_cell};
use super::pod_spec::{default_template, fill};
use super::{Column, Kind, Resource, age};
use crate::status::Invalid;

pub(super) struct ReplicaSet;

impl Kind for ReplicaSet {
    fn resource(&self) -> Resource {
        Resource::namespaced("apps", "v1", "replicasets", "ReplicaSet")
            .short("rs")
            .category("all")
            .status()
            .scale()
    }

    fn warnings(&self, old: Option<&Value>, new: &Value) -> Vec<String> {
        super::rules::workload_warnings(old, new, "spec.template")
    }

    fn validate_create(&self, object: &Value) -> Vec<Invalid> {
        super::rules::validate_replica_set(object)
    }

    fn validate_update(&self, old: &Value, new: &Value) -> Vec<Invalid> {
        super::rules::validate_replica_set_update(old, new)
    }

    fn validate_status(&self, _old: &Value, new: &Value) -> Vec<Invalid> {
        let counters =
            &["observedGeneration", "replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas"];
        super::rules::validate_counters(
            &new["status"],
            counters,
            &["fullyLabeledReplicas", "readyReplicas", "availableReplicas"],
        )
    }

    fn default(&self, object: &mut Value) {
        fill(&mut object["spec"], "replicas", 1);
        default_template(&mut object["spec"]["template"]);
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn columns(&self) -> Vec<Column> {
        columns(
            "Label selector is a label query over pods that should match the replica count. Label keys and values that must \
            match in order to be controlled by this replica set. It must match the pod template's labels. More info: \
            https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors",
        )
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        cells(object, now)
    }
}

pub(super) struct ReplicationController;

impl Kind for ReplicationController {
    fn resource(&self) -> Resource {
        Resource::namespaced("", "v1", "replicationcontrollers", "ReplicationController")
            .short("rc")
            .category("all")
            .status()
            .scale()
    }

    fn warnings(&self, old: Option<&Value>, new: &Value) -> Vec<String> {
        super::rules::workload_warnings(old, new, "spec.template")
    }

    fn validate_create(&self, object: &Value) -> Vec<Invalid> {
        super::rules::validate_replication_controller(object)
    }

    fn field(&self, object: &Value, label: &str) -> Option<String> {
        (label == "status.replicas").then(|| object["status"]["replicas"].as_i64().unwrap_or(0).to_string())
    }

    fn unsupported_field(&self, label: &str) -> String {
        format!("field label not supported: {label}")
    }

    fn default(&self, object: &mut Value) {
        let labels = object["spec"]["template"]["metadata"]["labels"].clone();
        if labels.as_object().is_some_and(|labels| !labels.is_empty()) {
            fill(&mut object["spec"], "selector", labels.clone());
            if object["metadata"]["labels"].as_object().is_none_or(serde_json::Map::is_empty) {
                object["metadata"]["labels"] = labels;
            }
        }
        fill(&mut object["spec"], "replicas", 1);
        if object["spec"].get("template").is_some() {
            default_template(&mut object["spec"]["template"]);
        }
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn columns(&self) -> Vec<Column> {
        columns(
            "Selector is a label query over pods that should match the Replicas count. If Selector is empty, it is defaulted \
            to the labels present on the Pod template. Label keys and values that must match in order to be controlled by this \
            replication controller, if empty defaulted to labels on Pod template. More info: \
            https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors",
        )
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        cells(object, now)
    }
}

fn columns(selector: &str) -> Vec<Column> {
    vec![
        Column::name(),
        Column::new(
            "Desired",
            "integer",
            0,
            "Replicas is the number of desired pods. This is a pointer to distinguish between explicit zero and unspecified. \
             Defaults to 1. More info: https://kubernetes.io/docs/concepts/workloads/controllers/replicaset",
        ),
        Column::new(
            "Current",
            "integer",
            0,
            "Replicas is the most recently observed number of non-terminating pods. More info: \
             https://kubernetes.io/docs/concepts/workloads/controllers/replicaset",
        ),
        Column::new(
            "Ready",
            "integer",
            0,
            "The number of non-terminating pods targeted by this ReplicaSet with a Ready Condition.",
        ),
        Column::age(),
        Column::new("Containers", "string", 1, "Names of each container in the template."),
        Column::new("Images", "string", 1, "Images referenced by each container in the template."),
        Column::new("Selector", "string", 1, selector),
    ]
}

fn cells(object: &Value, now: jiff::Timestamp) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let number = |value: &Value| Value::from(value.as_i64().unwrap_or(0));
    let (containers, images) = containers_and_images(&spec["template"]["spec"]);
    vec![
        object["metadata"]["name"].clone(),
        number(&spec["replicas"]),
        number(&status["replicas"]),
        number(&status["readyReplicas"]),
        age(object, now),
        containers,
        images,
        selector_cell(&spec["selector"]),
    ]
}

pub(super) struct PodTemplate;

impl Kind for PodTemplate {
    fn resource(&self) -> Resource {
        Resource::namespaced("", "v1", "podtemplates", "PodTemplate")
    }

    fn warnings(&self, _old: Option<&Value>, new: &Value) -> Vec<String> {
        super::rules::pod_warnings(&new["template"], "template")
    }

    fn validate_create(&self, object: &Value) -> Vec<Invalid> {
        let mut wrong = Vec::new();
        super::rules::validate_pod_template(&object["template"], "template", &mut wrong);
        wrong
    }

    fn default(&self, object: &mut Value) {
        fill(object, "template", json!({}));
        default_template(&mut object["template"]);
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn is_new_generation(&self, old: &Value, new: &Value) -> bool {
        old.get("template") != new.get("template")
    }
}
