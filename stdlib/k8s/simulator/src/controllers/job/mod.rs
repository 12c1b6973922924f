//! Jobs: pods that are to end well so many times, retried with growing delays, until enough have or too many have not.
//! A finished pod is counted when its finalizer is taken off, so that none is counted twice.

mod indexes;
mod look;
mod policy;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use self::look::Look;
use super::Controller;
use super::events::Recorder;
use super::object::{JOBS, PODS, condition_is, controller_key, is_going, key_of, list, pod, time, uid};
use super::owned::{claim, drop_finalizer};
use crate::cluster::Cluster;
use crate::context::{Cx, text};
use crate::status::Result;
use crate::store::{Change, GroupResource, ObjectKey};
use crate::write::{DeleteOptions, Propagation};

/// The job controller.
#[derive(Clone, Default)]
pub(crate) struct Jobs {
    /// By the uid of each job that runs.
    back_offs: BTreeMap<ObjectKey, (String, BackOff)>,
}

/// How a job has failed of late: what decides when it tries again.
#[derive(Clone, Copy, Debug, Default)]
struct BackOff {
    /// Since the last success.
    failures: u32,
    last: Option<Timestamp>,
}

const RECORDER: Recorder<'static> = Recorder { component: "job-controller", host: "" };
const TRACKING: &str = "batch.kubernetes.io/job-tracking";
/// A retry waits this long, then twice as long each time …
const FIRST_DELAY: SignedDuration = SignedDuration::from_secs(10);
/// … up to this.
const LONGEST_DELAY: SignedDuration = SignedDuration::from_secs(600);

impl BackOff {
    /// When the next attempt may be made.
    fn until(self) -> Option<Timestamp> {
        let doublings = self.failures.checked_sub(1)?.min(10);
        Some(self.last? + (FIRST_DELAY * 2i32.pow(doublings)).min(LONGEST_DELAY))
    }
}

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
        let Some(job) = cx.at(key) else {
            self.back_offs.remove(key);
            return release_pods(cx, key);
        };
        if job["spec"].get("managedBy").is_some_and(|by| by != "kubernetes.io/job-controller") {
            return Ok(());
        }
        if finish(&job).is_some() {
            self.back_offs.remove(key);
            return expire(cx, key, &job);
        }
        let id = uid(&job).to_owned();
        let before = self.back_offs.get(key).filter(|(of, _)| *of == id);
        let back_off = before.map(|(_, back_off)| *back_off).unwrap_or_default();
        let look = Look::at(cx, key, job, back_off)?;
        self.back_offs.insert(key.clone(), (id, look.back_off));
        look.act(cx)
    }
}

/// The pods of a job that is gone are no longer held.
fn release_pods(cx: &mut Cx<'_>, key: &ObjectKey) -> Result<()> {
    for pod in cx.list(&PODS, Some(&key.namespace)) {
        if is_tracked(&pod) && controller_key(&pod, "Job", &JOBS).as_ref() == Some(key) {
            untrack(cx, &pod)?;
        }
    }
    Ok(())
}

/// How a job has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finish {
    Complete,
    Failed,
}

impl Finish {
    /// The condition that says so.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Complete => "Complete",
            Self::Failed => "Failed",
        }
    }
}

/// How a job has ended; `None` while it has not.
pub(super) fn finish(job: &Value) -> Option<Finish> {
    [Finish::Complete, Finish::Failed].into_iter().find(|finish| condition_is(job, finish.word(), "True"))
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

fn is_tracked(pod: &Value) -> bool {
    list(pod, "/metadata/finalizers").iter().any(|finalizer| finalizer == TRACKING)
}

fn untrack(cx: &mut Cx<'_>, pod: &Value) -> Result<()> {
    drop_finalizer(cx, &key_of(&PODS, pod), TRACKING)
}
