//! Pods as `kubectl get` shows them: ready counts, the reason behind a phase, restarts.
//! Follows the printer of the real server (`printPod`).

use jiff::Timestamp;
use serde_json::Value;

use super::{Column, age, human_duration};
use crate::context::text;

pub(super) fn columns() -> Vec<Column> {
    vec![
        Column::name(),
        Column::new("Ready", "string", 0, "The aggregate readiness state of this pod for accepting traffic."),
        Column::new("Status", "string", 0, "The aggregate status of the containers in this pod."),
        Column::new(
            "Restarts",
            "string",
            0,
            "The number of times the containers in this pod have been restarted and when the last container in this pod has \
             restarted.",
        ),
        Column::age(),
        Column::new(
            "IP",
            "string",
            1,
            "podIP address allocated to the pod. Routable at least within the cluster. Empty if not yet allocated.",
        ),
        Column::new(
            "Node",
            "string",
            1,
            "NodeName indicates in which node this pod is scheduled. If empty, this pod is a candidate for scheduling by the \
             scheduler defined in schedulerName. Once this field is set, the kubelet for this node becomes responsible for the \
             lifecycle of this pod. This field should not be used to express a desire for the pod to be scheduled on a specific \
             node. https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#nodename",
        ),
        Column::new(
            "Nominated Node",
            "string",
            1,
            "nominatedNodeName is set only when this pod preempts other pods on the node, but it cannot be scheduled right away \
             as preemption victims receive their graceful termination periods. This field does not guarantee that the pod will \
             be scheduled on this node. Scheduler may decide to place the pod elsewhere if other nodes become available sooner. \
             Scheduler may also decide to give the resources on this node to a higher priority pod that is created after \
             preemption. As a result, this field may be different than PodSpec.nodeName when the pod is scheduled.",
        ),
        Column::new(
            "Readiness Gates",
            "string",
            1,
            "If specified, all readiness gates will be evaluated for pod readiness. A pod is ready when all its containers are \
             ready AND all conditions specified in the readiness gates have status equal to \"True\" More info: \
             https://git.k8s.io/enhancements/keps/sig-network/580-pod-readiness-gates",
        ),
    ]
}

pub(super) fn cells(pod: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&pod["spec"], &pod["status"]);
    let seen = Seen::of(pod);
    let total = spec["containers"].as_array().map_or(0, Vec::len) + seen.sidecars;
    let restarts = match seen.last_restart.filter(|_| seen.restarts > 0) {
        Some(at) => format!("{} ({} ago)", seen.restarts, human_duration(now.as_second() - at.as_second())),
        None => seen.restarts.to_string(),
    };
    let or_none = |value: &Value| match text(value) {
        "" => Value::from("<none>"),
        text => text.into(),
    };
    let gates = spec["readinessGates"].as_array().map_or_else(
        || "<none>".to_owned(),
        |gates| {
            let met =
                gates.iter().filter(|gate| condition(pod, text(&gate["conditionType"])) == "True").count();
            format!("{met}/{}", gates.len())
        },
    );
    vec![
        pod["metadata"]["name"].clone(),
        format!("{}/{total}", seen.ready).into(),
        seen.reason.into(),
        restarts.into(),
        age(pod, now),
        or_none(&status["podIP"]),
        or_none(&spec["nodeName"]),
        or_none(&status["nominatedNodeName"]),
        gates.into(),
    ]
}

/// What the containers' statuses come to.
struct Seen {
    ready: usize,
    sidecars: usize,
    restarts: i64,
    last_restart: Option<Timestamp>,
    reason: String,
}

impl Seen {
    fn of(pod: &Value) -> Self {
        let status = &pod["status"];
        let reason = match text(&status["reason"]) {
            "" => text(&status["phase"]).to_owned(),
            reason => reason.to_owned(),
        };
        let mut seen = Self { ready: 0, sidecars: 0, restarts: 0, last_restart: None, reason };
        if condition_reason(pod, "PodScheduled") == "SchedulingGated" {
            seen.reason = "SchedulingGated".to_owned();
        }
        let initializing = seen.initializers(pod);
        if !initializing || condition(pod, "Initialized") == "True" {
            seen.containers(pod);
        }
        if crate::meta::is_deleting(pod) {
            if text(&status["reason"]) == "NodeLost" {
                seen.reason = "Unknown".to_owned();
            } else if !matches!(text(&status["phase"]), "Succeeded" | "Failed") {
                seen.reason = "Terminating".to_owned();
            }
        }
        seen
    }

    /// Init containers: the first that is not done gives the reason.
    fn initializers(&mut self, pod: &Value) -> bool {
        let specs = pod["spec"]["initContainers"].as_array().cloned().unwrap_or_default();
        let statuses = pod["status"]["initContainerStatuses"].as_array().cloned().unwrap_or_default();
        self.sidecars = specs.iter().filter(|spec| spec["restartPolicy"] == "Always").count();
        for (index, status) in statuses.iter().enumerate() {
            let sidecar = specs.iter().any(|s| s["name"] == status["name"] && s["restartPolicy"] == "Always");
            self.count(status);
            let terminated = &status["state"]["terminated"];
            if !terminated.is_null() && terminated["exitCode"] == 0 {
                continue;
            }
            if sidecar && status["started"] == true {
                self.ready += usize::from(status["ready"] == true);
                continue;
            }
            let waiting = text(&status["state"]["waiting"]["reason"]);
            self.reason = if !terminated.is_null() {
                format!("Init:{}", ended(terminated))
            } else if !waiting.is_empty() && waiting != "PodInitializing" {
                format!("Init:{waiting}")
            } else {
                format!("Init:{index}/{}", specs.len())
            };
            return true;
        }
        false
    }

    fn containers(&mut self, pod: &Value) {
        let statuses = pod["status"]["containerStatuses"].as_array().cloned().unwrap_or_default();
        let mut running = false;
        for status in statuses.iter().rev() {
            self.count(status);
            let state = &status["state"];
            let waiting = text(&state["waiting"]["reason"]);
            if !waiting.is_empty() {
                self.reason = waiting.to_owned();
            } else if !state["terminated"].is_null() {
                self.reason = ended(&state["terminated"]);
            } else if status["ready"] == true && !state["running"].is_null() {
                running = true;
                self.ready += 1;
            }
        }
        if self.reason == "Completed" && running {
            let ready = condition(pod, "Ready") == "True";
            self.reason = if ready { "Running" } else { "NotReady" }.to_owned();
        }
    }

    fn count(&mut self, status: &Value) {
        self.restarts += status["restartCount"].as_i64().unwrap_or(0);
        let finished = text(&status["lastState"]["terminated"]["finishedAt"]).parse::<Timestamp>().ok();
        self.last_restart = self.last_restart.max(finished);
    }
}

/// `Error`, `Completed`, or what is known of an exit without a reason.
fn ended(terminated: &Value) -> String {
    match (text(&terminated["reason"]), terminated["signal"].as_i64().unwrap_or(0)) {
        ("", 0) => format!("ExitCode:{}", terminated["exitCode"].as_i64().unwrap_or(0)),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

fn find<'a>(pod: &'a Value, kind: &str) -> Option<&'a Value> {
    pod["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}

fn condition<'a>(pod: &'a Value, kind: &str) -> &'a str {
    find(pod, kind).map(|condition| text(&condition["status"])).unwrap_or_default()
}

fn condition_reason<'a>(pod: &'a Value, kind: &str) -> &'a str {
    find(pod, kind).map(|condition| text(&condition["reason"])).unwrap_or_default()
}
