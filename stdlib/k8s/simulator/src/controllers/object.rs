//! Reading stored objects: the fields every controller asks for, and references between objects.
//! Objects have passed validation; an absent field reads as empty, zero or false.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::context::{rfc3339, text};
use crate::store::{GroupResource, ObjectKey};

pub(crate) const AUTOSCALERS: GroupResource = GroupResource::new("autoscaling", "horizontalpodautoscalers");
pub(crate) const LIMITS: GroupResource = GroupResource::new("", "limitranges");
pub(crate) const QUOTAS: GroupResource = GroupResource::new("", "resourcequotas");
pub(crate) const CONFIGMAPS: GroupResource = GroupResource::new("", "configmaps");
pub(crate) const EVENTS: GroupResource = GroupResource::new("", "events");
pub(crate) const ENDPOINTS: GroupResource = GroupResource::new("", "endpoints");
pub(crate) const CRON_JOBS: GroupResource = GroupResource::new("batch", "cronjobs");
pub(crate) const JOBS: GroupResource = GroupResource::new("batch", "jobs");
pub(crate) const SLICES: GroupResource = GroupResource::new("discovery.k8s.io", "endpointslices");
pub(crate) const BUDGETS: GroupResource = GroupResource::new("policy", "poddisruptionbudgets");
pub(crate) const STATEFUL_SETS: GroupResource = GroupResource::new("apps", "statefulsets");
pub(crate) const DAEMON_SETS: GroupResource = GroupResource::new("apps", "daemonsets");
pub(crate) const REVISIONS: GroupResource = GroupResource::new("apps", "controllerrevisions");
pub(crate) const NAMESPACES: GroupResource = GroupResource::new("", "namespaces");
pub(crate) const NODES: GroupResource = GroupResource::new("", "nodes");
pub(crate) const PODS: GroupResource = GroupResource::new("", "pods");
pub(crate) const SECRETS: GroupResource = GroupResource::new("", "secrets");
pub(crate) const SERVICES: GroupResource = GroupResource::new("", "services");
pub(crate) const SERVICE_ACCOUNTS: GroupResource = GroupResource::new("", "serviceaccounts");
pub(crate) const CLAIMS: GroupResource = GroupResource::new("", "persistentvolumeclaims");
pub(crate) const VOLUMES: GroupResource = GroupResource::new("", "persistentvolumes");
pub(crate) const REPLICATION_CONTROLLERS: GroupResource = GroupResource::new("", "replicationcontrollers");
pub(crate) const DEPLOYMENTS: GroupResource = GroupResource::new("apps", "deployments");
pub(crate) const REPLICA_SETS: GroupResource = GroupResource::new("apps", "replicasets");
pub(crate) const INGRESSES: GroupResource = GroupResource::new("networking.k8s.io", "ingresses");

pub(crate) fn name(object: &Value) -> &str {
    text(&object["metadata"]["name"])
}

pub(crate) fn namespace(object: &Value) -> &str {
    text(&object["metadata"]["namespace"])
}

pub(crate) fn uid(object: &Value) -> &str {
    text(&object["metadata"]["uid"])
}

pub(crate) fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object["metadata"]["labels"][key].as_str()
}

pub(crate) fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object["metadata"]["annotations"][key].as_str()
}

/// The text at a JSON pointer.
pub(crate) fn text_at<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).map_or("", text)
}

/// The number at a JSON pointer; 0 if there is none.
pub(crate) fn int(object: &Value, pointer: &str) -> i64 {
    int_or(object, pointer, 0)
}

pub(crate) fn int_or(object: &Value, pointer: &str, default: i64) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(default)
}

pub(crate) fn flag(object: &Value, pointer: &str) -> bool {
    object.pointer(pointer).and_then(Value::as_bool).unwrap_or(false)
}

/// The list at a JSON pointer; empty if there is none.
pub(crate) fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub(crate) fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

pub(crate) fn created(object: &Value) -> Timestamp {
    time(&object["metadata"]["creationTimestamp"]).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Whether a deletion has begun.
pub(crate) fn is_going(object: &Value) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

pub(crate) fn key_of(resource: &GroupResource, object: &Value) -> ObjectKey {
    ObjectKey::new(resource, namespace(object), name(object))
}

/// The owner reference with `controller: true`.
pub(crate) fn controller_of(object: &Value) -> Option<&Value> {
    list(object, "/metadata/ownerReferences").iter().find(|owner| owner["controller"] == true)
}

pub(crate) fn is_controlled_by(object: &Value, owner: &Value) -> bool {
    controller_of(object).is_some_and(|reference| text(&reference["uid"]) == uid(owner))
}

/// The key of the controller of an object, if it is of this kind.
pub(crate) fn controller_key(object: &Value, kind: &str, resource: &GroupResource) -> Option<ObjectKey> {
    let owner = controller_of(object).filter(|owner| owner["kind"] == kind)?;
    Some(ObjectKey::new(resource, namespace(object), text(&owner["name"])))
}

/// The reference that makes `owner` the controller of an object.
pub(crate) fn controlled_by(owner: &Value) -> Value {
    json!({
        "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": name(owner), "uid": uid(owner),
        "controller": true, "blockOwnerDeletion": true,
    })
}

pub(crate) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    list(object, "/status/conditions").iter().find(|condition| condition["type"] == kind)
}

/// Puts a condition into a status, in the place of the one of its type.
pub(crate) fn put_condition(status: &mut Value, condition: Value) {
    let mut conditions: Vec<Value> = list(status, "/conditions").to_vec();
    match conditions.iter_mut().find(|known| known["type"] == condition["type"]) {
        Some(known) => *known = condition,
        None => conditions.push(condition),
    }
    status["conditions"] = conditions.into();
}

pub(crate) fn condition_is(object: &Value, kind: &str, status: &str) -> bool {
    condition(object, kind).is_some_and(|condition| condition["status"] == status)
}

/// Whether objects with these labels are selected. `selector` is a LabelSelector (absent: nothing, empty: everything).
pub(crate) fn selects(selector: &Value, labels: &Value) -> bool {
    if selector.is_null() {
        return false;
    }
    let has = |key: &str| labels[key].as_str();
    let exact = selector["matchLabels"]
        .as_object()
        .is_none_or(|wanted| wanted.iter().all(|(k, v)| has(k) == v.as_str()));
    exact
        && list(selector, "/matchExpressions").iter().all(|term| {
            let (value, values) = (has(text(&term["key"])), list(term, "/values"));
            let listed = value.is_some_and(|value| values.iter().any(|v| v == value));
            match text(&term["operator"]) {
                "In" => listed,
                "NotIn" => !listed,
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => false,
            }
        })
}

/// A number or a percentage of `total`, rounded up or down.
pub(crate) fn scaled(value: &Value, total: i64, rounding: Rounding) -> i64 {
    match value
        .as_str()
        .and_then(|text| text.strip_suffix('%'))
        .and_then(|percent| percent.parse::<i64>().ok())
    {
        Some(percent) => match rounding {
            Rounding::Up => (percent * total + 99).div_euclid(100),
            Rounding::Down => (percent * total).div_euclid(100),
        },
        None => value.as_i64().unwrap_or(0),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rounding {
    Up,
    Down,
}

/// An object without its zero counters, empty texts, nulls and empty lists: what Go's `omitempty` leaves.
pub(crate) fn without_empty(mut object: Value) -> Value {
    if let Some(map) = object.as_object_mut() {
        map.retain(|_, value| match value {
            Value::Null => false,
            Value::Number(number) => number.as_i64() != Some(0),
            Value::String(text) => !text.is_empty(),
            Value::Array(items) => !items.is_empty(),
            _ => true,
        });
    }
    object
}

pub(crate) fn stamp(time: Timestamp) -> Value {
    rfc3339(time).into()
}

pub(crate) mod pod {
    //! What controllers ask of pods.

    use jiff::{SignedDuration, Timestamp};
    use serde_json::Value;

    use super::{condition, condition_is, is_going, text_at, time};

    pub(crate) fn phase(pod: &Value) -> &str {
        text_at(pod, "/status/phase")
    }

    pub(crate) fn node(pod: &Value) -> &str {
        text_at(pod, "/spec/nodeName")
    }

    pub(crate) fn is_finished(pod: &Value) -> bool {
        matches!(phase(pod), "Succeeded" | "Failed")
    }

    /// Neither finished nor going.
    pub(crate) fn is_active(pod: &Value) -> bool {
        !is_finished(pod) && !is_going(pod)
    }

    pub(crate) fn is_ready(pod: &Value) -> bool {
        condition_is(pod, "Ready", "True")
    }

    /// When the pod has been ready for `min_ready` seconds; `None` if it is not ready.
    pub(crate) fn available_at(pod: &Value, min_ready: i64) -> Option<Timestamp> {
        let ready = condition(pod, "Ready").filter(|ready| ready["status"] == "True")?;
        let since = time(&ready["lastTransitionTime"]).unwrap_or(Timestamp::UNIX_EPOCH);
        Some(since + SignedDuration::from_secs(min_ready))
    }

    pub(crate) fn is_available(pod: &Value, min_ready: i64, now: Timestamp) -> bool {
        available_at(pod, min_ready).is_some_and(|at| min_ready == 0 || at <= now)
    }
}
