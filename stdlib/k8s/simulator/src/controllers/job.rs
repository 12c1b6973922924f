//! Jobs: pods that are to end well so many times, retried with growing delays, until enough have or too many have not.
//! A finished pod is counted when its finalizer is taken off, so that none is counted twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::Controller;
use super::events::Recorder;
use super::object::{
    JOBS, PODS, annotation, condition_is, controller_key, flag, int, is_going, key_of, list, name, pod,
    stamp, text_at, time,
};
use super::owned::{claim, create_pod, from_template};
use crate::cluster::Cluster;
use crate::context::{Cx, text};
use crate::kinds::Subresource;
use crate::status::{Result, Status};
use crate::store::{Change, GroupResource, ObjectKey};
use crate::write::{DeleteOptions, Propagation};

/// The job controller.
pub(crate) struct Jobs;

const RECORDER: Recorder<'static> = Recorder { component: "job-controller", host: "" };
const TRACKING: &str = "batch.kubernetes.io/job-tracking";
const INDEX: &str = "batch.kubernetes.io/job-completion-index";
/// A retry waits this long, then twice as long each time …
const FIRST_DELAY: SignedDuration = SignedDuration::from_secs(10);
/// … up to this.
const LONGEST_DELAY: SignedDuration = SignedDuration::from_secs(600);

impl Controller for Jobs {
    fn name(&self) -> &'static str {
        "job-controller"
    }

    fn watches(&self) -> &'static [GroupResource] {
        const { &[JOBS, PODS] }
    }

    fn keys(&self, _cluster: &Cluster, change: &Change) -> Vec<ObjectKey> {
        if change.key.resource == JOBS {
            return vec![change.key.clone()];
        }
        controller_key(change.object(), "Job", &JOBS).into_iter().collect()
    }

    fn reconcile(&mut self, cx: &mut Cx<'_>, key: &ObjectKey) -> Result<()> {
        let Some(job) = cx.at(key) else { return self.release_pods(cx, key) };
        if job["spec"].get("managedBy").is_some_and(|by| by != "kubernetes.io/job-controller") {
            return Ok(());
        }
        if is_finished(&job) {
            return expire(cx, key, &job);
        }
        Look::at(cx, key, job)?.act(cx)
    }
}

impl Jobs {
    /// The pods of a job that is gone are no longer held.
    fn release_pods(&self, cx: &mut Cx<'_>, key: &ObjectKey) -> Result<()> {
        for pod in cx.list(&PODS, Some(&key.namespace)) {
            if is_tracked(&pod) && controller_key(&pod, "Job", &JOBS).as_ref() == Some(key) {
                untrack(cx, &pod)?;
            }
        }
        Ok(())
    }
}

fn is_finished(job: &Value) -> bool {
    condition_is(job, "Complete", "True") || condition_is(job, "Failed", "True")
}

/// Deletes a finished job when its time to live is over.
fn expire(cx: &mut Cx<'_>, key: &ObjectKey, job: &Value) -> Result<()> {
    for pod in claim(cx, job, &job["spec"]["selector"])? {
        if is_tracked(&pod) && (pod::is_finished(&pod) || is_going(&pod)) {
            untrack(cx, &pod)?;
        }
    }
    let Some(seconds) = job["spec"]["ttlSecondsAfterFinished"].as_i64() else { return Ok(()) };
    let conditions = list(job, "/status/conditions").iter();
    let ended = conditions
        .filter(|c| matches!(text(&c["type"]), "Complete" | "Failed"))
        .find_map(|c| time(&c["lastTransitionTime"]));
    let Some(at) = ended.map(|ended| ended + SignedDuration::from_secs(seconds)) else { return Ok(()) };
    if at > cx.now() {
        cx.requeue(key, at.duration_since(cx.now()));
        return Ok(());
    }
    let options = DeleteOptions { propagation: Some(Propagation::Foreground), ..DeleteOptions::default() };
    if is_going(job) { Ok(()) } else { cx.delete(key, &options) }
}

/// One look at a job and its pods.
struct Look {
    key: ObjectKey,
    job: Arc<Value>,
    active: Vec<Arc<Value>>,
    /// Finished, not yet counted.
    uncounted: Vec<Arc<Value>>,
    going: usize,
    succeeded: i64,
    failed: i64,
    /// Indexes that have ended well.
    completed: BTreeSet<i64>,
    last_failure: Option<jiff::Timestamp>,
    status: Value,
}

impl Look {
    fn at(cx: &mut Cx<'_>, key: &ObjectKey, job: Arc<Value>) -> Result<Self> {
        let pods = claim(cx, &job, &job["spec"]["selector"])?;
        let mut status = job["status"].clone();
        if !status.is_object() {
            status = json!({});
        }
        let mut look = Self {
            key: key.clone(),
            active: pods.iter().filter(|pod| pod::is_active(pod)).cloned().collect(),
            going: pods.iter().filter(|pod| is_going(pod) && !pod::is_finished(pod)).count(),
            uncounted: Vec::new(),
            succeeded: int(&job, "/status/succeeded"),
            failed: int(&job, "/status/failed"),
            completed: parse_indexes(text_at(&job, "/status/completedIndexes")),
            last_failure: None,
            status,
            job,
        };
        for pod in &pods {
            if pod::phase(pod) == "Failed" {
                look.last_failure = look.last_failure.max(finished_at(pod));
            }
            if !is_tracked(pod) || !(pod::is_finished(pod) || (is_going(pod) && pod::node(pod).is_empty())) {
                continue;
            }
            if pod::phase(pod) == "Succeeded" {
                let fresh = index_of(pod).is_none_or(|index| look.completed.insert(index));
                look.succeeded += i64::from(fresh);
            } else {
                look.failed += i64::from(!ignored(&look.job, pod));
            }
            look.uncounted.push(Arc::clone(pod));
        }
        Ok(look)
    }

    fn act(mut self, cx: &mut Cx<'_>) -> Result<()> {
        let now = cx.now();
        let suspended = flag(&self.job, "/spec/suspend");
        if !suspended && self.status.get("startTime").is_none() {
            self.status["startTime"] = stamp(now);
        }
        let outcome = self.outcome(cx);
        if let Some((kind, reason, message)) = &outcome {
            let tone = if *kind == "Complete" { "SuccessCriteriaMet" } else { "FailureTarget" };
            self.stop_all(cx)?;
            self.condition(cx, tone, reason, message);
            // The last word waits until nothing runs any more.
            let last = self.active.is_empty() && self.going == 0;
            if last {
                self.condition(cx, kind, reason, message);
                if *kind == "Complete" {
                    self.status["completionTime"] = stamp(now);
                    RECORDER.normal(cx, &self.job, "Completed", "Job completed");
                } else {
                    RECORDER.warning(cx, &self.job, reason, message);
                }
            }
        } else if suspended {
            self.suspend(cx)?;
        } else if !is_going(&self.job) {
            self.resume(cx);
            self.start_pods(cx)?;
        }
        self.come_back_at_deadline(cx);
        self.write(cx)
    }

    /// How the job has ended, if it has.
    fn outcome(&self, cx: &Cx<'_>) -> Option<(&'static str, String, String)> {
        let failed = |reason: &str, message: String| Some(("Failed", reason.to_owned(), message));
        if let Some(target) = list(&self.status, "/conditions").iter().find(|c| c["type"] == "FailureTarget")
        {
            return failed(text(&target["reason"]), text(&target["message"]).to_owned());
        }
        for pod in &self.uncounted {
            if let Some(message) = failed_by_policy(&self.job, pod) {
                return failed("PodFailurePolicy", message);
            }
        }
        let limit = int(&self.job, "/spec/backoffLimit");
        let restarts: i64 = match text_at(&self.job, "/spec/template/spec/restartPolicy") {
            "OnFailure" => self.active.iter().map(|pod| restarts(pod)).sum(),
            _ => 0,
        };
        if self.failed > limit || (restarts > 0 && restarts >= limit.max(1)) {
            return failed("BackoffLimitExceeded", "Job has reached the specified backoff limit".to_owned());
        }
        if self.deadline().is_some_and(|at| at <= cx.now()) {
            return failed("DeadlineExceeded", "Job was active longer than specified deadline".to_owned());
        }
        let done = match self.job["spec"]["completions"].as_i64() {
            Some(completions) => self.succeeded >= completions,
            None => self.succeeded > 0 && self.active.is_empty(),
        };
        done.then(|| {
            (
                "Complete",
                "CompletionsReached".to_owned(),
                "Reached expected number of succeeded pods".to_owned(),
            )
        })
    }

    fn deadline(&self) -> Option<jiff::Timestamp> {
        let seconds = self.job["spec"]["activeDeadlineSeconds"].as_i64()?;
        Some(time(&self.status["startTime"])? + SignedDuration::from_secs(seconds))
    }

    fn come_back_at_deadline(&self, cx: &mut Cx<'_>) {
        if let Some(at) = self.deadline().filter(|at| *at > cx.now()) {
            cx.requeue(&self.key, at.duration_since(cx.now()));
        }
    }

    fn stop_all(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        for pod in std::mem::take(&mut self.active) {
            super::owned::delete_pod(cx, RECORDER, &self.job, &pod)?;
            self.failed += i64::from(condition_of(&self.status, "SuccessCriteriaMet").is_none());
            untrack(cx, &pod)?;
            if cx.at(&key_of(&PODS, &pod)).is_some() {
                self.going += 1;
            }
        }
        Ok(())
    }

    fn suspend(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        for pod in std::mem::take(&mut self.active) {
            super::owned::delete_pod(cx, RECORDER, &self.job, &pod)?;
            untrack(cx, &pod)?;
        }
        if let Some(status) = self.status.as_object_mut() {
            status.remove("startTime");
        }
        if !condition_is(&self.job, "Suspended", "True") {
            self.condition(cx, "Suspended", "JobSuspended", "Job suspended");
            RECORDER.normal(cx, &self.job, "Suspended", "Job suspended");
        }
        Ok(())
    }

    fn resume(&mut self, cx: &mut Cx<'_>) {
        if condition_is(&self.job, "Suspended", "True") {
            self.put_condition(cx, "Suspended", "False", "JobResumed", "Job resumed");
            RECORDER.normal(cx, &self.job, "Resumed", "Job resumed");
        }
    }

    fn start_pods(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        let parallelism = int(&self.job, "/spec/parallelism");
        let active = i64::try_from(self.active.len()).unwrap_or(i64::MAX);
        let wanted = match self.job["spec"]["completions"].as_i64() {
            Some(completions) => parallelism.min(completions - self.succeeded),
            None if self.succeeded > 0 => active,
            None => parallelism,
        };
        if active > wanted {
            let surplus = usize::try_from(active - wanted).unwrap_or(0);
            let mut order = self.active.clone();
            super::owned::in_deletion_order(&mut order, &self.active);
            for pod in order.iter().take(surplus) {
                super::owned::delete_pod(cx, RECORDER, &self.job, pod)?;
                untrack(cx, pod)?;
            }
            return Ok(());
        }
        if active == wanted {
            return Ok(());
        }
        if let Some(at) = self.retry_at().filter(|at| *at > cx.now()) {
            cx.requeue(&self.key, at.duration_since(cx.now()));
            return Ok(());
        }
        let indexed = self.job["spec"]["completionMode"] == "Indexed";
        let mut taken: BTreeSet<i64> = self.active.iter().filter_map(|pod| index_of(pod)).collect();
        for _ in active..wanted {
            let mut pod = from_template(&self.job, &self.job["spec"]["template"]);
            pod["metadata"]["finalizers"] = json!([TRACKING]);
            if indexed {
                let completions = int(&self.job, "/spec/completions");
                let Some(index) =
                    (0..completions).find(|i| !taken.contains(i) && !self.completed.contains(i))
                else {
                    break;
                };
                taken.insert(index);
                give_index(&mut pod, name(&self.job), index);
            }
            let pod = create_pod(cx, RECORDER, &self.job, pod)?;
            self.active.push(pod);
        }
        Ok(())
    }

    /// When the next attempt may be made after failures.
    fn retry_at(&self) -> Option<jiff::Timestamp> {
        let failures = u32::try_from(self.failed).unwrap_or(u32::MAX);
        let doublings = failures.checked_sub(1)?.min(10);
        let delay = (FIRST_DELAY * 2i32.pow(doublings)).min(LONGEST_DELAY);
        self.last_failure.map(|at| at + delay)
    }

    fn condition(&mut self, cx: &Cx<'_>, kind: &str, reason: &str, message: &str) {
        self.put_condition(cx, kind, "True", reason, message);
    }

    fn put_condition(&mut self, cx: &Cx<'_>, kind: &str, word: &str, reason: &str, message: &str) {
        if condition_of(&self.status, kind).is_some_and(|c| c["status"] == word) {
            return;
        }
        let now = cx.timestamp();
        let mut conditions: Vec<Value> = list(&self.status, "/conditions").to_vec();
        conditions.retain(|condition| condition["type"] != kind);
        conditions.push(json!({
            "type": kind, "status": word, "reason": reason, "message": message,
            "lastProbeTime": now, "lastTransitionTime": now,
        }));
        self.status["conditions"] = conditions.into();
    }

    fn write(mut self, cx: &mut Cx<'_>) -> Result<()> {
        let ready = self.active.iter().filter(|pod| pod::is_ready(pod)).count();
        let counters: BTreeMap<&str, i64> = [
            ("active", i64::try_from(self.active.len()).unwrap_or(i64::MAX)),
            ("succeeded", self.succeeded),
            ("failed", self.failed),
        ]
        .into();
        for (field, number) in counters {
            super::owned::set_or_remove(&mut self.status, field, number);
        }
        self.status["ready"] = ready.into();
        self.status["terminating"] = self.going.into();
        self.status["uncountedTerminatedPods"] = json!({});
        if !self.completed.is_empty() {
            self.status["completedIndexes"] = print_indexes(&self.completed).into();
        }
        let status = self.status;
        if self.job["status"] != status {
            cx.modify(&self.key, Some(Subresource::Status), |job| job["status"] = status)?;
        }
        for pod in &self.uncounted {
            untrack(cx, pod)?;
        }
        Ok(())
    }
}

fn condition_of<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    list(status, "/conditions").iter().find(|condition| condition["type"] == kind)
}

fn is_tracked(pod: &Value) -> bool {
    list(pod, "/metadata/finalizers").iter().any(|finalizer| finalizer == TRACKING)
}

fn untrack(cx: &mut Cx<'_>, pod: &Value) -> Result<()> {
    let result = cx.modify(&key_of(&PODS, pod), None, |pod| {
        if let Some(metadata) = pod["metadata"].as_object_mut()
            && let Some(finalizers) = metadata.get_mut("finalizers").and_then(Value::as_array_mut)
        {
            finalizers.retain(|finalizer| finalizer != TRACKING);
            if finalizers.is_empty() {
                metadata.remove("finalizers");
            }
        }
    });
    match result {
        Ok(_) | Err(Status { code: 404, .. }) => Ok(()),
        Err(status) => Err(status),
    }
}

fn index_of(pod: &Value) -> Option<i64> {
    annotation(pod, INDEX)?.parse().ok()
}

/// An indexed pod knows its number by label, annotation, variable and host name.
fn give_index(pod: &mut Value, job: &str, index: i64) {
    let text = index.to_string();
    pod["metadata"]["generateName"] = format!("{job}-{index}-").into();
    pod["metadata"]["labels"][INDEX] = text.clone().into();
    pod["metadata"]["annotations"][INDEX] = text.into();
    pod["spec"]["hostname"] = format!("{job}-{index}").into();
    let variable = json!({
        "name": "JOB_COMPLETION_INDEX",
        "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": format!("metadata.labels['{INDEX}']")}},
    });
    for field in ["containers", "initContainers"] {
        for container in pod["spec"].get_mut(field).and_then(Value::as_array_mut).into_iter().flatten() {
            match container.get_mut("env").and_then(Value::as_array_mut) {
                Some(env) => env.push(variable.clone()),
                None => container["env"] = json!([variable]),
            }
        }
    }
}

fn restarts(pod: &Value) -> i64 {
    list(pod, "/status/containerStatuses").iter().map(|status| int(status, "/restartCount")).sum()
}

fn finished_at(pod: &Value) -> Option<jiff::Timestamp> {
    list(pod, "/status/containerStatuses")
        .iter()
        .filter_map(|s| time(&s["state"]["terminated"]["finishedAt"]))
        .max()
}

/// The rule of the failure policy that a failed pod meets: its action, its place, and the container and exit code.
fn policy_rule<'a>(job: &'a Value, pod: &Value) -> Option<(&'a str, usize, String)> {
    list(job, "/spec/podFailurePolicy/rules").iter().enumerate().find_map(|(at, rule)| {
        let action = text(&rule["action"]);
        let codes = &rule["onExitCodes"];
        if codes.is_null() {
            let met = list(rule, "/onPodConditions").iter().find(|pattern| {
                let wanted =
                    if text(&pattern["status"]).is_empty() { "True" } else { text(&pattern["status"]) };
                condition_is(pod, text(&pattern["type"]), wanted)
            })?;
            return Some((action, at, format!("has condition {}", text(&met["type"]))));
        }
        let listed = |code: i64| list(codes, "/values").iter().any(|value| value.as_i64() == Some(code));
        list(pod, "/status/containerStatuses").iter().find_map(|status| {
            let code = status["state"]["terminated"]["exitCode"].as_i64().filter(|code| *code != 0)?;
            let named = codes["containerName"].as_str().is_none_or(|wanted| status["name"] == wanted);
            let met = named && (listed(code) == (codes["operator"] == "In"));
            met.then(|| {
                (
                    action,
                    at,
                    format!(
                        "Container {} for pod {}/{} failed with exit code {code}",
                        text(&status["name"]),
                        text_at(pod, "/metadata/namespace"),
                        name(pod)
                    ),
                )
            })
        })
    })
}

fn failed_by_policy(job: &Value, pod: &Value) -> Option<String> {
    let (action, at, what) = policy_rule(job, pod).filter(|_| pod::phase(pod) == "Failed")?;
    (action == "FailJob").then(|| format!("{what} matching FailJob rule at index {at}"))
}

fn ignored(job: &Value, pod: &Value) -> bool {
    policy_rule(job, pod).is_some_and(|(action, _, _)| action == "Ignore")
}

/// `0-2,5`.
fn print_indexes(indexes: &BTreeSet<i64>) -> String {
    let mut ranges: Vec<(i64, i64)> = Vec::new();
    for index in indexes {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *index => *last = *index,
            _ => ranges.push((*index, *index)),
        }
    }
    let print = |(from, to): &(i64, i64)| match to - from {
        0 => from.to_string(),
        1 => format!("{from},{to}"),
        _ => format!("{from}-{to}"),
    };
    ranges.iter().map(print).collect::<Vec<_>>().join(",")
}

fn parse_indexes(text: &str) -> BTreeSet<i64> {
    let range = |part: &str| -> Option<std::ops::RangeInclusive<i64>> {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        Some(from.parse().ok()?..=to.parse().ok()?)
    };
    text.split(',').filter_map(range).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_printed_as_ranges() {
        for text in ["", "0", "0,1", "0-2", "0-2,5,7-9"] {
            assert_eq!(print_indexes(&parse_indexes(text)), text);
        }
    }
}
