//! Deployments.

use serde_json::{Value, json};

use super::pod_spec::{default_template, fill};
use super::{Column, Kind, Resource, age};
use crate::context::text;
use crate::rest::scale::label_selector_text;
use crate::status::Invalid;

pub(super) struct Deployment;

impl Kind for Deployment {
    fn resource(&self) -> Resource {
        Resource::namespaced("apps", "v1", "deployments", "Deployment")
            .short("deploy")
            .category("all")
            .status()
            .scale()
    }

    fn warnings(&self, old: Option<&Value>, new: &Value) -> Vec<String> {
        super::rules::workload_warnings(old, new, "spec.template")
    }

    fn validate_create(&self, object: &Value) -> Vec<Invalid> {
        super::rules::validate_deployment(object)
    }

    fn validate_update(&self, old: &Value, new: &Value) -> Vec<Invalid> {
        super::rules::validate_deployment_update(old, new)
    }

    fn validate_status(&self, _old: &Value, new: &Value) -> Vec<Invalid> {
        let counters = &[
            "observedGeneration",
            "replicas",
            "updatedReplicas",
            "readyReplicas",
            "availableReplicas",
            "unavailableReplicas",
        ];
        super::rules::validate_counters(
            &new["status"],
            counters,
            &["updatedReplicas", "readyReplicas", "availableReplicas"],
        )
    }

    fn default(&self, object: &mut Value) {
        let spec = &mut object["spec"];
        fill(spec, "replicas", 1);
        fill(spec, "revisionHistoryLimit", 10);
        fill(spec, "progressDeadlineSeconds", 600);
        fill(spec, "strategy", json!({}));
        let strategy = &mut spec["strategy"];
        fill(strategy, "type", "RollingUpdate");
        if strategy["type"] == "RollingUpdate" {
            fill(strategy, "rollingUpdate", json!({}));
            fill(&mut strategy["rollingUpdate"], "maxUnavailable", "25%");
            fill(&mut strategy["rollingUpdate"], "maxSurge", "25%");
        }
        default_template(&mut spec["template"]);
    }

    fn has_generation(&self) -> bool {
        true
    }

    /// Annotations count too.
    fn is_new_generation(&self, old: &Value, new: &Value) -> bool {
        old.get("spec") != new.get("spec")
            || old["metadata"].get("annotations") != new["metadata"].get("annotations")
    }

    fn columns(&self) -> Vec<Column> {
        vec![
            Column::name(),
            Column::new("Ready", "string", 0, "Number of the pod with ready state"),
            Column::new(
                "Up-to-date",
                "string",
                0,
                "Total number of non-terminating pods targeted by this deployment that have the desired template spec.",
            ),
            Column::new(
                "Available",
                "string",
                0,
                "Total number of available non-terminating pods (ready for at least minReadySeconds) targeted by this deployment.",
            ),
            Column::age(),
            Column::new("Containers", "string", 1, "Names of each container in the template."),
            Column::new("Images", "string", 1, "Images referenced by each container in the template."),
            Column::new(
                "Selector",
                "string",
                1,
                "Label selector for pods. Existing ReplicaSets whose pods are selected by this will be the ones affected by this deployment.",
            ),
        ]
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        let (spec, status) = (&object["spec"], &object["status"]);
        let number = |value: &Value| value.as_i64().unwrap_or(0);
        let (containers, images) = containers_and_images(&spec["template"]["spec"]);
        vec![
            object["metadata"]["name"].clone(),
            format!("{}/{}", number(&status["readyReplicas"]), number(&spec["replicas"])).into(),
            number(&status["updatedReplicas"]).into(),
            number(&status["availableReplicas"]).into(),
            age(object, now),
            containers,
            images,
            selector_cell(&spec["selector"]),
        ]
    }
}

/// The names and images of a pod spec's containers, each joined by commas.
pub(super) fn containers_and_images(spec: &Value) -> (Value, Value) {
    let list = |field: &str| -> Value {
        let containers = spec["containers"].as_array().into_iter().flatten();
        containers.map(|container| text(&container[field])).collect::<Vec<_>>().join(",").into()
    };
    (list("name"), list("image"))
}

/// A selector as a cell: `<none>` when it is empty.
pub(super) fn selector_cell(selector: &Value) -> Value {
    match label_selector_text(selector) {
        text if text.is_empty() => "<none>".into(),
        text => text.into(),
    }
}
