//! One look at a job and its pods: what has ended is counted, what is missing is started, and the job ends.
//! A pod's finalizer goes when it has been counted, so that none is counted twice.

mod ending;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use self::ending::Ending;
use super::indexes::{Indexes, give_index, index_of};
use super::policy::{Action, action};
use super::{BackOff, RECORDER, TRACKING, is_tracked, untrack};
use crate::context::Cx;
use crate::controllers::object::{
    PODS, annotation, created, flag, int, is_going, key_of, list, name, pod, put_condition, stamp, text_at,
    time, uid,
};
use crate::controllers::owned::{
    claim, create_pod, delete_pod, from_template, in_deletion_order, set_or_remove,
};
use crate::kinds::Subresource;
use crate::status::Result;
use crate::store::ObjectKey;

const FAILURES: &str = "batch.kubernetes.io/job-index-failure-count";
const IGNORED: &str = "batch.kubernetes.io/job-index-ignored-failure-count";

pub(super) struct Look {
    key: ObjectKey,
    job: Arc<Value>,
    pods: Vec<Arc<Value>>,
    active: Vec<Arc<Value>>,
    /// Pods that are going and have not ended yet.
    terminating: i64,
    /// With the pods that are counted now.
    succeeded: i64,
    failed: i64,
    /// Indexes that have ended well, and those that have used up their attempts.
    completed: Indexes,
    given_up: Indexes,
    /// Of each index that is to be tried again, the pod that failed last: it tells how often.
    held: BTreeMap<i64, Arc<Value>>,
    pub(super) back_off: BackOff,
    status: Value,
}

impl Look {
    pub(super) fn at(cx: &mut Cx<'_>, key: &ObjectKey, job: Arc<Value>, back_off: BackOff) -> Result<Self> {
        let pods = claim(cx, &job, &job["spec"]["selector"])?;
        let completions = int(&job, "/spec/completions");
        let status = if job["status"].is_object() { job["status"].clone() } else { json!({}) };
        let mut look = Self {
            key: key.clone(),
            active: pods.iter().filter(|pod| pod::is_active(pod)).cloned().collect(),
            terminating: count(pods.iter().filter(|pod| is_going(pod) && !pod::is_finished(pod))),
            succeeded: int(&job, "/status/succeeded"),
            failed: int(&job, "/status/failed"),
            completed: Indexes::parse(text_at(&job, "/status/completedIndexes"), completions),
            given_up: Indexes::parse(text_at(&job, "/status/failedIndexes"), completions),
            held: BTreeMap::new(),
            back_off,
            status,
            pods,
            job,
        };
        look.count();
        look.hold();
        Ok(look)
    }

    /// Counts the pods that have ended since the last look.
    fn count(&mut self) {
        let fresh = |pod: &&Arc<Value>| is_tracked(pod) && self.is_valid(pod);
        let ended_well = |pod: &&Arc<Value>| pod::phase(pod) == "Succeeded";
        let well: Vec<Arc<Value>> = self.pods.iter().filter(fresh).filter(ended_well).cloned().collect();
        let badly: Vec<Arc<Value>> =
            self.pods.iter().filter(fresh).filter(|pod| self.is_failed(pod)).cloned().collect();
        self.succeeded += count(well.iter());
        self.failed += count(badly.iter().filter(|pod| self.counts(pod)));
        self.completed.0.extend(well.iter().filter_map(|pod| index_of(pod)));
        if let Some(limit) = self.per_index() {
            let given_up = badly.iter().filter(|pod| match action(&self.job, pod) {
                Action::FailIndex => true,
                Action::Ignore => false,
                Action::Count | Action::FailJob(_) => number(pod, FAILURES) >= limit,
            });
            let given_up: Vec<i64> = given_up.filter_map(|pod| index_of(pod)).collect();
            self.given_up.0.extend(given_up);
        }
        if self.is_indexed() {
            self.succeeded = self.completed.count();
        }
        let last_success = well.iter().map(|pod| finished_at(pod)).max();
        if last_success.is_some() {
            self.back_off = BackOff::default();
        }
        for at in badly.iter().map(|pod| finished_at(pod)).filter(|at| Some(*at) > last_success) {
            self.back_off.failures += 1;
            self.back_off.last = self.back_off.last.max(Some(at));
        }
    }

    /// Keeps, for each index that is to be tried again, the pod that failed last.
    fn hold(&mut self) {
        if self.per_index().is_none() {
            return;
        }
        let active: BTreeSet<i64> = self.active.iter().filter_map(|pod| index_of(pod)).collect();
        for pod in &self.pods {
            let Some(index) = index_of(pod).filter(|_| is_tracked(pod) && self.is_valid(pod)) else {
                continue;
            };
            let settled = self.completed.has(index) || self.given_up.has(index) || active.contains(&index);
            if settled || !self.is_failed(pod) {
                continue;
            }
            let rank = |pod: &Value| (number(pod, FAILURES) + number(pod, IGNORED), finished_at(pod));
            if self.held.get(&index).is_none_or(|other| rank(other) <= rank(pod)) {
                self.held.insert(index, Arc::clone(pod));
            }
        }
    }

    pub(super) fn act(mut self, cx: &mut Cx<'_>) -> Result<()> {
        let suspended = flag(&self.job, "/spec/suspend");
        if !suspended && self.status.get("startTime").is_none() {
            self.status["startTime"] = stamp(cx.now());
        }
        let mut ending = self.ending(cx);
        let mut managed = Ok(());
        if ending.is_none() && !is_going(&self.job) {
            managed = self.manage(cx, suspended);
            if self.is_complete() {
                ending = Ending::success("CompletionsReached", "Reached expected number of succeeded pods");
            } else {
                self.note_suspension(cx, suspended);
            }
        }
        let released = self.settle(ending.as_ref());
        if let Some(ending) = &ending {
            self.end(cx, ending)?;
        }
        if let Some(at) = self.deadline().filter(|at| *at > cx.now() && !suspended) {
            cx.requeue(&self.key, at.duration_since(cx.now()));
        }
        self.write(cx)?;
        for pod in &released {
            untrack(cx, pod)?;
        }
        managed
    }

    fn is_indexed(&self) -> bool {
        self.job["spec"]["completionMode"] == "Indexed"
    }

    /// How often each index may fail, if they are counted one by one.
    fn per_index(&self) -> Option<i64> {
        self.job["spec"]["backoffLimitPerIndex"].as_i64()
    }

    /// A pod that is going is replaced only when it has ended.
    fn replaces_ended_only(&self) -> bool {
        self.job["spec"]["podReplacementPolicy"] == "Failed"
            || !self.job["spec"]["podFailurePolicy"].is_null()
    }

    /// An indexed job that was made smaller has pods that do not matter any more.
    fn is_valid(&self, pod: &Value) -> bool {
        !self.is_indexed() || index_of(pod).is_some_and(|index| index < int(&self.job, "/spec/completions"))
    }

    fn is_failed(&self, pod: &Value) -> bool {
        match pod::phase(pod) {
            "Failed" => true,
            "Succeeded" => false,
            _ => is_going(pod) && !self.replaces_ended_only(),
        }
    }

    fn counts(&self, pod: &Value) -> bool {
        action(&self.job, pod) != Action::Ignore
    }

    fn deadline(&self) -> Option<Timestamp> {
        let seconds = self.job["spec"]["activeDeadlineSeconds"].as_i64()?;
        Some(time(&self.status["startTime"])? + SignedDuration::from_secs(seconds))
    }

    fn is_complete(&self) -> bool {
        self.active.is_empty()
            && match self.job["spec"]["completions"].as_i64() {
                Some(completions) => self.succeeded >= completions,
                None => self.succeeded > 0,
            }
    }

    /// Deletes the pods that are too many, or starts those that are missing.
    fn manage(&mut self, cx: &mut Cx<'_>, suspended: bool) -> Result<()> {
        let active = count(self.active.iter());
        let parallelism = int(&self.job, "/spec/parallelism");
        let wanted = match self.job["spec"]["completions"].as_i64() {
            _ if suspended => 0,
            Some(completions) => parallelism.min(completions - self.succeeded).max(0),
            None if self.succeeded > 0 => active,
            None => parallelism,
        };
        let surplus = self.surplus(usize::try_from(active - wanted).unwrap_or(0));
        if !surplus.is_empty() {
            return surplus.iter().try_for_each(|pod| self.stop(cx, pod));
        }
        let leaving = if self.replaces_ended_only() { self.terminating } else { 0 };
        let missing = wanted - leaving - active;
        if missing <= 0 {
            return Ok(());
        }
        if self.per_index().is_none()
            && let Some(at) = self.back_off.until().filter(|at| *at > cx.now())
        {
            cx.requeue(&self.key, at.duration_since(cx.now()));
            return Ok(());
        }
        if self.is_indexed() {
            return self.start_indexes(cx, missing);
        }
        (0..missing).try_for_each(|_| self.start(cx, self.new_pod()))
    }

    /// The active pods to delete: those that repeat an index first.
    fn surplus(&self, least: usize) -> Vec<Arc<Value>> {
        let mut order = self.active.clone();
        in_deletion_order(&mut order, &self.active);
        let mut seen = BTreeSet::new();
        let repeats = |pod: &Arc<Value>| {
            self.is_indexed()
                && (!self.is_valid(pod) || index_of(pod).is_some_and(|index| !seen.insert(index)))
        };
        // From the end: of two pods with one index the one that serves more stays.
        let (mut surplus, rest): (Vec<_>, Vec<_>) = order.into_iter().rev().partition(repeats);
        let more = least.saturating_sub(surplus.len());
        surplus.extend(rest.into_iter().rev().take(more));
        surplus
    }

    fn start_indexes(&mut self, cx: &mut Cx<'_>, missing: i64) -> Result<()> {
        let mut taken: BTreeSet<i64> = self.active.iter().filter_map(|pod| index_of(pod)).collect();
        if self.replaces_ended_only() {
            let leaving = self.pods.iter().filter(|pod| is_going(pod) && !pod::is_finished(pod));
            taken.extend(leaving.filter_map(|pod| index_of(pod)));
        }
        let pending = (0..int(&self.job, "/spec/completions")).filter(|index| {
            !taken.contains(index) && !self.completed.has(*index) && !self.given_up.has(*index)
        });
        let pending: Vec<i64> = pending.take(usize::try_from(missing).unwrap_or(0)).collect();
        let turn = |index: &i64| {
            let last = self.held.get(index)?;
            let failures =
                u32::try_from(number(last, FAILURES) + number(last, IGNORED) + 1).unwrap_or(u32::MAX);
            BackOff { failures, last: Some(finished_at(last)) }.until().filter(|at| *at > cx.now())
        };
        let (later, now): (Vec<i64>, Vec<i64>) = pending.into_iter().partition(|index| turn(index).is_some());
        if let Some(at) = later.iter().filter_map(turn).min() {
            cx.requeue(&self.key, at.duration_since(cx.now()));
        }
        for index in now {
            let mut pod = self.new_pod();
            give_index(&mut pod, name(&self.job), index);
            if self.per_index().is_some() {
                let last = self.held.remove(&index);
                let before = |key: &str| last.as_deref().map_or(0, |pod| number(pod, key));
                let ignored = last.as_deref().is_some_and(|pod| !self.counts(pod));
                let failed = last.is_some() && !ignored;
                let counts = [
                    (FAILURES, before(FAILURES) + i64::from(failed)),
                    (IGNORED, before(IGNORED) + i64::from(ignored)),
                ];
                for (key, count) in counts {
                    if key == FAILURES || count > 0 {
                        pod["metadata"]["annotations"][key] = count.to_string().into();
                    }
                }
            }
            self.start(cx, pod)?;
        }
        Ok(())
    }

    fn new_pod(&self) -> Value {
        let mut pod = from_template(&self.job, &self.job["spec"]["template"]);
        pod["metadata"]["finalizers"] = json!([TRACKING]);
        pod
    }

    fn start(&mut self, cx: &mut Cx<'_>, pod: Value) -> Result<()> {
        let pod = create_pod(cx, RECORDER, &self.job, pod)?;
        self.active.push(pod);
        Ok(())
    }

    /// Deletes an active pod, which is not counted any more.
    fn stop(&mut self, cx: &mut Cx<'_>, pod: &Value) -> Result<()> {
        delete_pod(cx, RECORDER, &self.job, pod)?;
        untrack(cx, pod)?;
        self.active.retain(|other| uid(other) != uid(pod));
        self.terminating += i64::from(cx.at(&key_of(&PODS, pod)).is_some());
        Ok(())
    }

    fn note_suspension(&mut self, cx: &mut Cx<'_>, suspended: bool) {
        let known = condition(&self.status, "Suspended").map(|known| known["status"] == "True");
        match (known, suspended) {
            (None | Some(false), true) => {
                self.put_condition(cx, "Suspended", "True", "JobSuspended", "Job suspended");
                RECORDER.normal(cx, &self.job, "Suspended", "Job suspended");
            }
            (Some(true), false) => {
                self.put_condition(cx, "Suspended", "False", "JobResumed", "Job resumed");
                RECORDER.normal(cx, &self.job, "Resumed", "Job resumed");
                self.status["startTime"] = stamp(cx.now());
            }
            _ => {}
        }
    }

    /// Takes the counts into the status. Answers the pods that need not be held any longer.
    fn settle(&mut self, ending: Option<&Ending>) -> Vec<Arc<Value>> {
        let (mut succeeded, mut failed) =
            (int(&self.job, "/status/succeeded"), int(&self.job, "/status/failed"));
        let over = ending.is_some() || is_going(&self.job);
        let mut released = Vec::new();
        for pod in self.pods.iter().filter(|pod| is_tracked(pod)) {
            let is_held = self.held.values().any(|held| uid(held) == uid(pod));
            let well = pod::phase(pod) == "Succeeded";
            let bad = self.is_failed(pod) || ending.is_some_and(|ending| !ending.is_success);
            if !over && !well && (is_held || !self.is_failed(pod)) {
                continue;
            }
            released.push(Arc::clone(pod));
            if well {
                succeeded += 1;
            } else if bad && self.is_valid(pod) && self.counts(pod) {
                failed += 1;
            }
        }
        if self.is_indexed() {
            succeeded = self.completed.count();
            let completed = self.completed.print();
            if !completed.is_empty() {
                self.status["completedIndexes"] = completed.into();
            }
        }
        if self.per_index().is_some() {
            self.status["failedIndexes"] = self.given_up.print().into();
        }
        set_or_remove(&mut self.status, "succeeded", succeeded);
        set_or_remove(&mut self.status, "failed", failed);
        released
    }

    fn put_condition(&mut self, cx: &Cx<'_>, kind: &str, word: &str, reason: &str, message: &str) {
        if condition(&self.status, kind).is_some_and(|known| known["status"] == word) {
            return;
        }
        let now = cx.timestamp();
        let condition = json!({
            "type": kind, "status": word, "reason": reason, "message": message,
            "lastProbeTime": now, "lastTransitionTime": now,
        });
        put_condition(&mut self.status, condition);
    }

    fn write(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        set_or_remove(&mut self.status, "active", count(self.active.iter()));
        self.status["ready"] = count(self.active.iter().filter(|pod| pod::is_ready(pod))).into();
        self.status["terminating"] = self.terminating.into();
        self.status["uncountedTerminatedPods"] = json!({});
        if self.job["status"] == self.status {
            return Ok(());
        }
        let status = self.status.clone();
        cx.modify(&self.key, Some(Subresource::Status), |job| job["status"] = status).map(drop)
    }
}

fn count<T>(items: impl Iterator<Item = T>) -> i64 {
    i64::try_from(items.count()).unwrap_or(i64::MAX)
}

fn number(pod: &Value, key: &str) -> i64 {
    annotation(pod, key).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// A condition of a status.
fn condition<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    list(status, "/conditions").iter().find(|condition| condition["type"] == kind)
}

/// When a pod ended: when its last container did, else when it ceased to be ready, else when it was deleted.
fn finished_at(pod: &Value) -> Timestamp {
    let statuses = list(pod, "/status/containerStatuses");
    let ended: Option<Vec<Timestamp>> =
        statuses.iter().map(|status| time(&status["state"]["terminated"]["finishedAt"])).collect();
    let ready =
        crate::controllers::object::condition(pod, "Ready").filter(|ready| ready["status"] == "False");
    let deleted = || {
        let grace = int(pod, "/metadata/deletionGracePeriodSeconds");
        Some(time(&pod["metadata"]["deletionTimestamp"])? - SignedDuration::from_secs(grace))
    };
    ended
        .and_then(|times| times.into_iter().max())
        .or_else(|| ready.and_then(|ready| time(&ready["lastTransitionTime"])))
        .or_else(deleted)
        .unwrap_or_else(|| created(pod))
}
