//! Nodes.

use serde_json::Value;

use super::{Column, Kind, Resource, Subresource, age};
use crate::context::text;
use crate::status::Invalid;

pub(super) struct Node;

impl Kind for Node {
    fn resource(&self) -> Resource {
        Resource::cluster("", "v1", "nodes", "Node").short("no").status().with(Subresource::Proxy)
    }

    fn validate_create(&self, object: &Value) -> Vec<Invalid> {
        super::rules::validate_node(None, object)
    }

    fn validate_update(&self, old: &Value, new: &Value) -> Vec<Invalid> {
        super::rules::validate_node(Some(old), new)
    }

    fn field(&self, object: &Value, label: &str) -> Option<String> {
        (label == "spec.unschedulable").then(|| (object["spec"]["unschedulable"] == true).to_string())
    }

    fn unsupported_field(&self, label: &str) -> String {
        format!("field label not supported: {label}")
    }

    fn columns(&self) -> Vec<Column> {
        let info = "Reported by the node.";
        vec![
            Column::name(),
            Column::new("Status", "string", 0, "The status of the node"),
            Column::new("Roles", "string", 0, "The roles of the node"),
            Column::age(),
            Column::new("Version", "string", 0, "Kubelet Version reported by the node."),
            Column::new("Internal-IP", "string", 1, info),
            Column::new("External-IP", "string", 1, info),
            Column::new("OS-Image", "string", 1, info),
            Column::new("Kernel-Version", "string", 1, info),
            Column::new("Container-Runtime", "string", 1, info),
        ]
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
        let ready = conditions.into_iter().find(|condition| condition["type"] == "Ready");
        let mut state = match ready.map(|condition| text(&condition["status"])) {
            Some("True") => "Ready".to_owned(),
            Some(_) => "NotReady".to_owned(),
            None => "Unknown".to_owned(),
        };
        if object["spec"]["unschedulable"] == true {
            state.push_str(",SchedulingDisabled");
        }
        let labels = object["metadata"]["labels"].as_object().into_iter().flatten();
        let roles: Vec<&str> = labels
            .filter_map(|(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
                Some(role) if !role.is_empty() => Some(role),
                _ if key == "kubernetes.io/role" => value.as_str(),
                _ => None,
            })
            .collect();
        let roles = if roles.is_empty() { "<none>".to_owned() } else { roles.join(",") };
        let address = |kind: &str| {
            let mut all = object["status"]["addresses"].as_array().into_iter().flatten();
            all.find(|address| address["type"] == kind)
                .map_or("<none>", |address| text(&address["address"]))
                .to_owned()
        };
        let info = |field: &str| match text(&object["status"]["nodeInfo"][field]) {
            "" => Value::from("<unknown>"),
            text => text.into(),
        };
        vec![
            object["metadata"]["name"].clone(),
            state.into(),
            roles.into(),
            age(object, now),
            object["status"]["nodeInfo"]["kubeletVersion"].as_str().unwrap_or_default().into(),
            address("InternalIP").into(),
            address("ExternalIP").into(),
            info("osImage"),
            info("kernelVersion"),
            info("containerRuntimeVersion"),
        ]
    }
}
