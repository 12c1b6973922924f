//! A pod's status as its kubelet reports it: phase, conditions, containers.
//! A function of the pod and of what the kubelet knows; it writes nothing.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::container::{Container, Role, State};
use super::pod::{PodRun, spec_of};
use crate::context::text;
use crate::controllers::object::{condition, int, list, stamp, text_at};

/// The status that is to be stored.
pub(super) fn status(run: &PodRun, pod: &Value, host: &str, now: Timestamp) -> Value {
    let phase = phase(run, pod);
    let mut status = pod["status"].clone();
    let generation = int(pod, "/metadata/generation");
    status["observedGeneration"] = generation.into();
    status["phase"] = phase.into();
    status["startTime"] = stamp(run.started);
    status["hostIP"] = host.into();
    status["hostIPs"] = json!([{"ip": host}]);
    if let Some(ip) = &run.ip {
        status["podIP"] = ip.clone().into();
        status["podIPs"] = json!([{"ip": ip}]);
    }
    if let Some((reason, message)) = &run.failure {
        status["reason"] = (*reason).into();
        status["message"] = message.clone().into();
    }
    let statuses = |main: bool| -> Vec<Value> {
        let chosen = run.containers.iter().filter(|container| (container.role == Role::Main) == main);
        chosen
            .map(|container| container.status(spec_of(pod, &container.name).unwrap_or(&Value::Null)))
            .collect()
    };
    status["containerStatuses"] = statuses(true).into();
    let inits = statuses(false);
    if !inits.is_empty() {
        status["initContainerStatuses"] = inits.into();
    }
    status["conditions"] = conditions(run, pod, phase, generation, now);
    status
}

/// `getPhase`: what the containers' states amount to.
pub(super) fn phase(run: &PodRun, pod: &Value) -> &'static str {
    if run.failure.is_some() && !run.is_running() {
        return "Failed";
    }
    if PodRun::was_finished(pod) {
        return if text_at(pod, "/status/phase") == "Failed" { "Failed" } else { "Succeeded" };
    }
    let policy = text_at(pod, "/spec/restartPolicy");
    let failed_init = run.containers.iter().any(|container| {
        container.role == Role::Init
            && container.ended().is_some_and(|ended| ended.exit != 0)
            && policy == "Never"
    });
    if failed_init {
        return "Failed";
    }
    if !run.initialized() {
        return "Pending";
    }
    let mains: Vec<&Container> =
        run.containers.iter().filter(|container| container.role == Role::Main).collect();
    let waiting = |c: &&&Container| matches!(c.state, State::Waiting { .. }) && c.last.is_none();
    if mains.iter().any(|container| waiting(&container)) {
        return "Pending";
    }
    if mains.iter().any(|container| container.running().is_some()) {
        return "Running";
    }
    let all_over = mains.iter().all(|container| container.ended().is_some());
    let all_well = mains.iter().all(|container| container.succeeded());
    let going = crate::controllers::object::is_going(pod) && run.is_finished(pod);
    match policy {
        "Always" if !going => "Running",
        _ if all_over && all_well => "Succeeded",
        "Never" | "Always" if all_over => "Failed",
        _ if all_over && going => "Failed",
        _ => "Running",
    }
}

fn conditions(run: &PodRun, pod: &Value, phase: &str, generation: i64, now: Timestamp) -> Value {
    let names = |unfit: &dyn Fn(&&Container) -> bool| -> String {
        run.containers
            .iter()
            .filter(unfit)
            .map(|container| container.name.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let unready = names(&|c| c.role != Role::Init && !c.ready());
    let uninitialized = names(&|c| match c.role {
        Role::Init => !c.succeeded(),
        Role::Sidecar => !c.started(),
        Role::Main => false,
    });
    let finished = match phase {
        "Succeeded" => Some("PodCompleted"),
        "Failed" => Some("PodFailed"),
        _ => None,
    };
    let containers = match (finished, unready.is_empty()) {
        (Some(reason), _) => (false, reason, String::new()),
        (None, true) => (true, "", String::new()),
        (None, false) => {
            (false, "ContainersNotReady", format!("containers with unready status: [{unready}]"))
        }
    };
    let ready = match readiness_gate(pod).filter(|_| containers.0) {
        Some(why) => (false, "ReadinessGatesNotReady", why),
        None => containers.clone(),
    };
    let initialized = match (phase, uninitialized.is_empty()) {
        ("Succeeded", _) => (true, "PodCompleted", String::new()),
        (_, true) => (true, "", String::new()),
        (_, false) => (
            false,
            "ContainersNotInitialized",
            format!("containers with incomplete status: [{uninitialized}]"),
        ),
    };
    let sandbox =
        (run.has_sandbox() && finished.is_none() && !ended_by_deletion(run, pod), "", String::new());
    let own = [
        ("PodReadyToStartContainers", sandbox),
        ("Initialized", initialized),
        ("Ready", ready),
        ("ContainersReady", containers),
    ];
    let mut all: Vec<Value> = own
        .iter()
        .map(|(kind, (holds, reason, message))| one(pod, kind, *holds, reason, message, generation, now))
        .collect();
    for other in list(pod, "/status/conditions") {
        let kind = text(&other["type"]);
        if own.iter().any(|(own, _)| *own == kind) {
            continue;
        }
        let mut other = other.clone();
        if kind == "PodScheduled" {
            other["observedGeneration"] = generation.into();
        }
        all.push(other);
    }
    all.into()
}

fn ended_by_deletion(run: &PodRun, pod: &Value) -> bool {
    crate::controllers::object::is_going(pod) && run.is_finished(pod)
}

fn one(
    pod: &Value,
    kind: &str,
    holds: bool,
    reason: &str,
    message: &str,
    generation: i64,
    now: Timestamp,
) -> Value {
    let word = if holds { "True" } else { "False" };
    let since =
        condition(pod, kind).filter(|old| old["status"] == word).map(|old| old["lastTransitionTime"].clone());
    let mut condition = json!({
        "type": kind, "status": word, "observedGeneration": generation, "lastProbeTime": null,
        "lastTransitionTime": since.unwrap_or_else(|| stamp(now)),
    });
    for (field, text) in [("reason", reason), ("message", message)] {
        if !text.is_empty() {
            condition[field] = text.into();
        }
    }
    condition
}

/// The first readiness gate that does not hold.
fn readiness_gate(pod: &Value) -> Option<String> {
    let broken: Vec<String> = list(pod, "/spec/readinessGates")
        .iter()
        .filter_map(|gate| {
            let kind = text(&gate["conditionType"]);
            match condition(pod, kind) {
                None => {
                    Some(format!("corresponding condition of pod readiness gate \"{kind}\" does not exist."))
                }
                Some(found) if found["status"] != "True" => Some(format!(
                    "the status of pod readiness gate \"{kind}\" is not \"True\", but {}",
                    text(&found["status"])
                )),
                Some(_) => None,
            }
        })
        .collect();
    (!broken.is_empty()).then(|| broken.join(", "))
}

/// A duration as Go prints it: `10s`, `1m20s`, `2.5s`, `300ms`.
pub(super) fn go_duration(duration: SignedDuration) -> String {
    let millis = duration.as_millis();
    if millis < 1000 {
        return format!("{millis}ms");
    }
    let (hours, minutes) = (millis / 3_600_000, millis / 60_000 % 60);
    let fraction = format!("{:03}", millis % 1000);
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    let seconds = format!("{}{point}{fraction}s", millis / 1000 % 60);
    match (hours, minutes) {
        (0, 0) => seconds,
        (0, _) => format!("{minutes}m{seconds}"),
        _ => format!("{hours}h{minutes}m{seconds}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_print_as_go_prints_them() {
        for (millis, text) in
            [(10_000, "10s"), (80_000, "1m20s"), (300_000, "5m0s"), (2_500, "2.5s"), (300, "300ms")]
        {
            assert_eq!(go_duration(SignedDuration::from_millis(millis)), text);
        }
    }
}
