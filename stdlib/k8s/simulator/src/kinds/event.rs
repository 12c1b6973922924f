//! Events: one store, two shapes. The core one is what is stored.

use serde_json::{Value, json};

use super::pod_spec::fill;
use super::{Column, Kind, Resource, human_duration};
use crate::context::{Cx, text};
use crate::status::{Invalid, Result};

pub(super) struct Event;

/// The same fields under the two APIs' names, core first.
const RENAMED: [(&str, &str); 8] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
    ("reportingInstance", "reportingInstance"),
];

impl Kind for Event {
    fn resource(&self) -> Resource {
        Resource::namespaced("", "v1", "events", "Event").short("ev")
    }

    /// Times are written even when there is none.
    fn prepare_create(&self, _cx: &mut Cx<'_>, object: &mut Value) -> Result<()> {
        complete(object);
        Ok(())
    }

    fn prepare_update(&self, _cx: &mut Cx<'_>, _old: &Value, new: &mut Value) -> Result<()> {
        complete(new);
        Ok(())
    }

    fn validate_create(&self, object: &Value) -> Vec<Invalid> {
        let (own, involved) =
            (text(&object["metadata"]["namespace"]), text(&object["involvedObject"]["namespace"]));
        let cluster_wide = involved.is_empty() && matches!(own, "default" | "kube-system" | "");
        if own == involved || cluster_wide {
            return Vec::new();
        }
        vec![Invalid::value("involvedObject.namespace", involved, "does not match event.namespace")]
    }

    fn field(&self, object: &Value, label: &str) -> Option<String> {
        let involved = &object["involvedObject"];
        let value = match label {
            "type" => &object["type"],
            "reason" => &object["reason"],
            "reportingComponent" => &object["reportingComponent"],
            "source" => match text(&object["source"]["component"]) {
                "" => &object["reportingComponent"],
                _ => &object["source"]["component"],
            },
            _ => {
                &involved[label.strip_prefix("involvedObject.").filter(|field| {
                    ["kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"]
                        .contains(field)
                })?]
            }
        };
        Some(text(value).to_owned())
    }

    fn unsupported_field(&self, label: &str) -> String {
        format!("field label not supported: {label}")
    }

    fn columns(&self) -> Vec<Column> {
        columns()
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        cells(object, now)
    }
}

fn complete(event: &mut Value) {
    for field in ["eventTime", "firstTimestamp", "lastTimestamp"] {
        if event.get(field).is_none() {
            event[field] = Value::Null;
        }
    }
    for field in ["reportingComponent", "reportingInstance"] {
        fill(event, field, "");
    }
    fill(event, "source", json!({}));
    fill(event, "involvedObject", json!({}));
}

pub(super) struct EventsEvent;

impl Kind for EventsEvent {
    fn resource(&self) -> Resource {
        Resource::namespaced("events.k8s.io", "v1", "events", "Event")
            .short("ev")
            .stored_as("", "events", "v1")
    }

    fn stored_shape(&self, object: &mut Value) {
        rename(object, |(core, events)| (events, core));
    }

    fn served_shape(&self, object: &mut Value) {
        rename(object, |(core, events)| (core, events));
        // These two are left out when they are empty.
        for field in ["reportingController", "reportingInstance"] {
            if text(&object[field]).is_empty() {
                crate::meta::remove(object, field);
            }
        }
        if object["deprecatedSource"].is_null() {
            object["deprecatedSource"] = json!({});
        }
    }

    fn prepare_create(&self, _cx: &mut Cx<'_>, object: &mut Value) -> Result<()> {
        complete(object);
        Ok(())
    }

    fn prepare_update(&self, _cx: &mut Cx<'_>, _old: &Value, new: &mut Value) -> Result<()> {
        complete(new);
        Ok(())
    }

    fn field(&self, object: &Value, label: &str) -> Option<String> {
        let label = label.replacen("regarding.", "involvedObject.", 1);
        let mut core = object.clone();
        self.stored_shape(&mut core);
        Event.field(&core, &label)
    }

    fn unsupported_field(&self, label: &str) -> String {
        format!("field label not supported: {label}")
    }

    fn columns(&self) -> Vec<Column> {
        columns()
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        let mut core = object.clone();
        self.stored_shape(&mut core);
        cells(&core, now)
    }
}

fn rename(object: &mut Value, pair: impl Fn((&'static str, &'static str)) -> (&'static str, &'static str)) {
    let Some(map) = object.as_object_mut() else { return };
    for names in RENAMED {
        let (from, to) = pair(names);
        if let Some(value) = map.remove(from) {
            map.insert(to.to_owned(), value);
        }
    }
}

fn columns() -> Vec<Column> {
    vec![
        Column::new(
            "Last Seen",
            "string",
            0,
            "The time at which the most recent occurrence of this event was recorded.",
        ),
        Column::new(
            "Type",
            "string",
            0,
            "Type of this event (Normal, Warning), new types could be added in the future",
        ),
        Column::new(
            "Reason",
            "string",
            0,
            "This should be a short, machine understandable string that gives the reason for the transition into the object's current status.",
        ),
        Column::new("Object", "string", 0, "The object that this event is about."),
        Column::new(
            "Subobject",
            "string",
            1,
            "If referring to a piece of an object instead of an entire object, this string should contain a valid JSON/Go field access statement, such as desiredState.manifest.containers[2]. For example, if the object reference is to a container within a pod, this would take on a value like: \"spec.containers{name}\" (where \"name\" refers to the name of the container that triggered the event) or if no container name is specified \"spec.containers[2]\" (container with index 2 in this pod). This syntax is chosen only to have some well-defined way of referencing a part of an object.",
        ),
        Column::new(
            "Source",
            "string",
            1,
            "The component reporting this event. Should be a short machine understandable string.",
        ),
        Column::new("Message", "string", 0, "A human-readable description of the status of this operation."),
        Column::new(
            "First Seen",
            "string",
            1,
            "The time at which the event was first recorded. (Time of server receipt is in TypeMeta.)",
        ),
        Column::new("Count", "string", 1, "The number of times this event has occurred."),
        Column { format: "name".to_owned(), ..Column::new("Name", "string", 1, &Column::name().description) },
    ]
}

fn cells(event: &Value, now: jiff::Timestamp) -> Vec<Value> {
    let since = |value: &Value| {
        let at = text(value).parse::<jiff::Timestamp>().ok();
        at.map(|at| human_duration(now.as_second() - at.as_second()))
    };
    let micro = since(&event["eventTime"]);
    let unknown = || "<unknown>".to_owned();
    let first = since(&event["firstTimestamp"]).or_else(|| micro.clone()).unwrap_or_else(unknown);
    let series = since(&event["series"]["lastObservedTime"]);
    let last = series.or_else(|| since(&event["lastTimestamp"])).unwrap_or_else(|| first.clone());
    let involved = &event["involvedObject"];
    let object = format!("{}/{}", text(&involved["kind"]).to_lowercase(), text(&involved["name"]));
    let source = match (text(&event["source"]["component"]), text(&event["source"]["host"])) {
        ("", _) => text(&event["reportingComponent"]).to_owned(),
        (component, "") => component.to_owned(),
        (component, host) => format!("{component}, {host}"),
    };
    let count = event["series"]["count"].as_i64().or(event["count"].as_i64()).unwrap_or(1).max(1);
    vec![
        last.into(),
        event["type"].as_str().unwrap_or_default().into(),
        event["reason"].as_str().unwrap_or_default().into(),
        object.into(),
        text(&involved["fieldPath"]).into(),
        source.into(),
        text(&event["message"]).trim().into(),
        first.into(),
        count.into(),
        event["metadata"]["name"].clone(),
    ]
}
