//! What is wrong with one pod, read off its status. It asks nobody, and knows no workload.

use serde_json::Value;

use crate::object::Object;

/// What is wrong with a pod.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The lower, the more it says.
    pub rank: u8,
    pub container: Option<String>,
    pub is_init: bool,
    pub why: String,
    /// Which run's log tells about it.
    pub log: Option<Run>,
    /// No node takes it.
    pub is_unscheduled: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Run {
    Current,
    Previous,
}

/// `None` if nothing is wrong with it.
pub(crate) fn of(pod: &Value) -> Option<Finding> {
    let sorts = [("init", "/status/initContainerStatuses"), ("", "/status/containerStatuses")];
    let containers = sorts.iter().flat_map(|(sort, pointer)| {
        pod.items(pointer).iter().filter_map(move |status| container(pod, status, *sort == "init"))
    });
    if let Some(worst) = containers.min_by_key(|finding| finding.rank) {
        return Some(worst);
    }
    let plain =
        |rank, why| Finding { rank, container: None, is_init: false, why, log: None, is_unscheduled: false };
    if let Some(scheduled) = pod.condition("PodScheduled").filter(|condition| condition["status"] == "False")
    {
        let why = join(&[scheduled.text("/reason"), scheduled.text("/message")], "no node takes it");
        return Some(Finding { is_unscheduled: true, ..plain(2, why) });
    }
    match pod.text("/status/phase") {
        "Failed" => {
            Some(plain(1, join(&[pod.text("/status/reason"), pod.text("/status/message")], "it failed")))
        }
        "Pending" => Some(plain(4, "it is still pending".to_owned())),
        "Running" => {
            // All containers are ready: something outside of the pod has to agree.
            let gate = pod
                .items("/spec/readinessGates")
                .iter()
                .map(|gate| gate.text("/conditionType"))
                .find(|gate| pod.condition(gate).is_none_or(|condition| condition["status"] != "True"))?;
            Some(plain(3, format!("its readiness gate `{gate}` is not met")))
        }
        _ => None,
    }
}

fn container(pod: &Value, status: &Value, is_init: bool) -> Option<Finding> {
    let name = status.text("/name");
    let restarts = status.number("/restartCount");
    let last = status.pointer("/lastState/terminated");
    let found = |rank, why, log| {
        let container = Some(name.to_owned());
        Some(Finding { rank, container, is_init, why, log, is_unscheduled: false })
    };
    if let Some(waiting) = status.pointer("/state/waiting") {
        let reason = waiting.text("/reason");
        let starting = matches!(reason, "ContainerCreating" | "PodInitializing" | "");
        let why = match last {
            Some(last) => format!("{reason}: it {}, restarted {}", ended(pod, name, last), times(restarts)),
            None => join(&[reason, waiting.text("/message")], "it is starting"),
        };
        return found(if starting { 5 } else { 0 }, why, last.map(|_| Run::Previous));
    }
    if let Some(terminated) = status.pointer("/state/terminated") {
        if terminated["exitCode"] == 0 {
            return None;
        }
        return found(0, format!("it {}", ended(pod, name, terminated)), Some(Run::Current));
    }
    if status["ready"] == true {
        return None;
    }
    // One of the sort that has to end before the others begin is no readier than that.
    let sidecar = spec(pod, name).is_some_and(|spec| spec.text("/restartPolicy") == "Always");
    let mut why = if is_init && !sidecar {
        "it has not ended yet, and the others wait for it".to_owned()
    } else if status["started"] == false {
        "it runs, but its startup probe has not succeeded".to_owned()
    } else {
        "it runs, but is not ready".to_owned()
    };
    if let Some(last) = last {
        why = format!("{why}; before that it {}, restarted {}", ended(pod, name, last), times(restarts));
    }
    found(3, why, Some(Run::Current))
}

fn ended(pod: &Value, container: &str, terminated: &Value) -> String {
    let code = terminated.number("/exitCode");
    match (terminated.text("/reason"), terminated.text("/message").trim()) {
        ("OOMKilled", _) => {
            let limit =
                spec(pod, container).map(|spec| spec.text("/resources/limits/memory")).unwrap_or_default();
            let limit = if limit.is_empty() { String::new() } else { format!(", its limit is {limit}") };
            format!("ended with code {code} (OOMKilled: it needed more memory than it may have{limit})")
        }
        ("", "") => format!("ended with code {code}"),
        (reason, "") => format!("ended with code {code} ({reason})"),
        (reason, message) => format!("ended with code {code} ({reason}: {message})"),
    }
}

fn spec<'p>(pod: &'p Value, container: &str) -> Option<&'p Value> {
    let pointers = ["/spec/containers", "/spec/initContainers"];
    pointers.iter().flat_map(|pointer| pod.items(pointer)).find(|spec| spec.text("/name") == container)
}

fn times(count: i64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

fn join(parts: &[&str], otherwise: &str) -> String {
    let parts: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { otherwise.to_owned() } else { parts.join(": ") }
}
