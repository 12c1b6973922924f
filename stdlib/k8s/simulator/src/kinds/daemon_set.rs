//! DaemonSets.

use serde_json::{Value, json};

use super::deployment::{containers_and_images, selector_cell};
use super::pod_spec::{default_template, fill};
use super::{Column, Kind, Resource, age};
use crate::context::{Cx, text};
use crate::status::{Invalid, Result};

pub(super) struct DaemonSet;

const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

impl Kind for DaemonSet {
    fn resource(&self) -> Resource {
        Resource::namespaced("apps", "v1", "daemonsets", "DaemonSet").short("ds").category("all").status()
    }

    fn warnings(&self, old: Option<&Value>, new: &Value) -> Vec<String> {
        match old {
            Some(old) if old["spec"]["template"] == new["spec"]["template"] => Vec::new(),
            _ => super::rules::pod_warnings(&new["spec"]["template"], "spec.template"),
        }
    }

    fn validate_create(&self, object: &Value) -> Vec<Invalid> {
        super::rules::validate_daemon_set(object)
    }

    fn validate_update(&self, old: &Value, new: &Value) -> Vec<Invalid> {
        super::rules::validate_daemon_set_update(old, new)
    }

    fn validate_status(&self, _old: &Value, new: &Value) -> Vec<Invalid> {
        let counters = &[
            "currentNumberScheduled",
            "numberMisscheduled",
            "desiredNumberScheduled",
            "numberReady",
            "observedGeneration",
            "updatedNumberScheduled",
            "numberAvailable",
            "numberUnavailable",
        ];
        super::rules::validate_counters(&new["status"], counters, &[])
    }

    fn default(&self, object: &mut Value) {
        let spec = &mut object["spec"];
        fill(spec, "revisionHistoryLimit", 10);
        fill(spec, "updateStrategy", json!({}));
        fill(&mut spec["updateStrategy"], "type", "RollingUpdate");
        if spec["updateStrategy"]["type"] == "RollingUpdate" {
            fill(&mut spec["updateStrategy"], "rollingUpdate", json!({}));
            fill(&mut spec["updateStrategy"]["rollingUpdate"], "maxUnavailable", 1);
            fill(&mut spec["updateStrategy"]["rollingUpdate"], "maxSurge", 0);
        }
        default_template(&mut spec["template"]);
        // An annotation in the versioned object, a field inside the server: it comes with conversion, to any owner.
        fill(&mut object["metadata"]["annotations"], TEMPLATE_GENERATION, "0");
    }

    fn prepare_create(&self, _cx: &mut Cx<'_>, object: &mut Value) -> Result<()> {
        object["metadata"]["annotations"][TEMPLATE_GENERATION] = "1".into();
        Ok(())
    }

    fn prepare_update(&self, _cx: &mut Cx<'_>, old: &Value, new: &mut Value) -> Result<()> {
        let count: i64 = text(&old["metadata"]["annotations"][TEMPLATE_GENERATION]).parse().unwrap_or(1);
        let changed = old["spec"].get("template") != new["spec"].get("template");
        new["metadata"]["annotations"][TEMPLATE_GENERATION] = (count + i64::from(changed)).to_string().into();
        Ok(())
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn columns(&self) -> Vec<Column> {
        let status = "The total number of nodes that should be running the daemon pod (including nodes correctly running the \
            daemon pod). More info: https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/";
        vec![
            Column::name(),
            Column::new("Desired", "integer", 0, status),
            Column::new(
                "Current",
                "integer",
                0,
                "The number of nodes that are running at least 1 daemon pod and are supposed to run the daemon pod. More info: \
                 https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/",
            ),
            Column::new(
                "Ready",
                "integer",
                0,
                "numberReady is the number of nodes that should be running the daemon pod and have one or more of the daemon pod \
                 running with a Ready Condition.",
            ),
            Column::new(
                "Up-to-date",
                "integer",
                0,
                "The total number of nodes that are running updated daemon pod",
            ),
            Column::new(
                "Available",
                "integer",
                0,
                "The number of nodes that should be running the daemon pod and have one or more of the daemon pod running and \
                 available (ready for at least spec.minReadySeconds)",
            ),
            Column::new(
                "Node Selector",
                "string",
                0,
                "NodeSelector is a selector which must be true for the pod to fit on a node. Selector which must match a node's \
                 labels for the pod to be scheduled on that node. More info: \
                 https://kubernetes.io/docs/concepts/configuration/assign-pod-node/",
            ),
            Column::age(),
            Column::new("Containers", "string", 1, "Names of each container in the template."),
            Column::new("Images", "string", 1, "Images referenced by each container in the template."),
            Column::new(
                "Selector",
                "string",
                1,
                "A label query over pods that are managed by the daemon set. Must match in order to be controlled. It must match \
                 the pod template's labels. More info: \
                 https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors",
            ),
        ]
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        let (spec, status) = (&object["spec"], &object["status"]);
        let number = |field: &str| Value::from(status[field].as_i64().unwrap_or(0));
        let (containers, images) = containers_and_images(&spec["template"]["spec"]);
        vec![
            object["metadata"]["name"].clone(),
            number("desiredNumberScheduled"),
            number("currentNumberScheduled"),
            number("numberReady"),
            number("updatedNumberScheduled"),
            number("numberAvailable"),
            selector_cell(&spec["template"]["spec"]["nodeSelector"]),
            age(object, now),
            containers,
            images,
            selector_cell(&spec["selector"]),
        ]
    }
}
