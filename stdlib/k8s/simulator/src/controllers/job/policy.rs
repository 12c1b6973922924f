//! What a Job says about failed pods and about enough success: the rules of its two policies.
//! Functions of objects; what follows from them is the controller's.

use serde_json::Value;

use super::indexes::Indexes;
use crate::context::text;
use crate::controllers::object::{list, name, namespace};

/// What becomes of a Job when a pod of it has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// The failure counts: also without a policy, or if no rule fits.
    Count,
    Ignore,
    FailIndex,
    /// With the message.
    FailJob(String),
}

/// The action of the first rule of the failure policy that a failed pod meets.
pub(super) fn action(job: &Value, pod: &Value) -> Action {
    for (at, rule) in list(job, "/spec/podFailurePolicy/rules").iter().enumerate() {
        let Some(what) = met(rule, pod) else { continue };
        return match text(&rule["action"]) {
            "Ignore" => Action::Ignore,
            "FailIndex" => Action::FailIndex,
            "FailJob" => Action::FailJob(format!("{what} matching FailJob rule at index {at}")),
            _ => Action::Count,
        };
    }
    Action::Count
}

/// By what a pod meets a rule.
fn met(rule: &Value, pod: &Value) -> Option<String> {
    let pod_name = format!("{}/{}", namespace(pod), name(pod));
    let codes = &rule["onExitCodes"];
    if codes.is_null() {
        let conditions = list(pod, "/status/conditions").iter();
        let met = conditions.into_iter().find(|condition| {
            list(rule, "/onPodConditions").iter().any(|pattern| {
                pattern["type"] == condition["type"] && pattern["status"] == condition["status"]
            })
        })?;
        return Some(format!("Pod {pod_name} has condition {}", text(&met["type"])));
    }
    let listed = |code: i64| list(codes, "/values").iter().any(|value| value.as_i64() == Some(code));
    let statuses = ["/status/containerStatuses", "/status/initContainerStatuses"];
    statuses.iter().flat_map(|statuses| list(pod, statuses)).find_map(|status| {
        let code = status["state"]["terminated"]["exitCode"].as_i64().filter(|code| *code != 0)?;
        let named = codes["containerName"].as_str().is_none_or(|wanted| status["name"] == wanted);
        (named && listed(code) == (codes["operator"] == "In")).then(|| {
            format!("Container {} for pod {pod_name} failed with exit code {code}", text(&status["name"]))
        })
    })
}

/// Whether these indexes are success enough; the message says by which rule.
pub(super) fn enough(job: &Value, completed: &Indexes) -> Option<String> {
    if completed.0.is_empty() {
        return None;
    }
    let rules = list(job, "/spec/successPolicy/rules").iter();
    let met = rules.into_iter().position(|rule| {
        let count = rule["succeededCount"].as_i64();
        let Some(named) = rule["succeededIndexes"].as_str() else {
            return count.is_some_and(|count| completed.count() >= count);
        };
        let named = Indexes::parse(named, i64::MAX);
        let done = named.0.intersection(&completed.0).count();
        !named.0.is_empty()
            && (done == named.0.len()
                || count.is_some_and(|count| i64::try_from(done).is_ok_and(|done| done >= count)))
    })?;
    Some(format!("Matched rules at index {met}"))
}
