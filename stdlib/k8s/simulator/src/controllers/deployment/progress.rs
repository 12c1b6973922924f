//! A deployment's status: its counters, and the conditions that say how the rollout goes.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::scale::max_unavailable;
use super::{Rollout, failure};
use crate::context::{Cx, text};
use crate::controllers::object::{flag, int, list, name, time, without_empty};
use crate::kinds::Subresource;
use crate::status::Result;

/// A deadline of this many seconds means none.
const NO_DEADLINE: i64 = i32::MAX as i64;

/// All replicas are of the new template and available, none of an old one is left.
pub(super) fn is_complete(deployment: &Value, status: &Value) -> bool {
    let replicas = int(deployment, "/spec/replicas");
    int(status, "/updatedReplicas") == replicas
        && int(status, "/replicas") == replicas
        && int(status, "/availableReplicas") == replicas
        && int(status, "/observedGeneration") >= int(deployment, "/metadata/generation")
}

impl Rollout {
    pub(super) fn has_deadline(&self) -> bool {
        self.deployment["spec"]["progressDeadlineSeconds"]
            .as_i64()
            .is_some_and(|seconds| seconds != NO_DEADLINE)
    }

    pub(super) fn progressing(&self) -> Option<&Value> {
        crate::controllers::object::condition(&self.deployment, "Progressing")
    }

    pub(super) fn set_condition(
        &mut self,
        cx: &Cx<'_>,
        kind: &str,
        status: &str,
        reason: &str,
        message: &str,
    ) {
        let at = cx.timestamp();
        if !self.deployment["status"].is_object() {
            self.deployment["status"] = json!({});
        }
        put_condition(&mut self.deployment["status"], kind, status, reason, message, &at);
    }

    /// A pause stops the deadline's clock, a resumption starts it anew.
    pub(super) fn note_pause(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        let reason = self.progressing().map(|condition| text(&condition["reason"]).to_owned());
        if !self.has_deadline() || reason.as_deref() == Some("ProgressDeadlineExceeded") {
            return Ok(());
        }
        let noted = reason.as_deref() == Some("DeploymentPaused");
        match (flag(&self.deployment, "/spec/paused"), noted) {
            (true, false) => {
                self.set_condition(cx, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused");
            }
            (false, true) => {
                self.set_condition(
                    cx,
                    "Progressing",
                    "Unknown",
                    "DeploymentResumed",
                    "Deployment is resumed",
                );
            }
            _ => return Ok(()),
        }
        self.write_status_and_annotations(cx)
    }

    /// Counters and availability, without a word on progress.
    pub(super) fn write_plain_status(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        let status = self.counted(cx);
        self.write_status(cx, status).map(drop)
    }

    /// Counters, availability and progress; comes back when the deadline may have passed.
    pub(super) fn write_rollout_status(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        let mut status = self.counted(cx);
        let at = cx.timestamp();
        let current = self.progressing().cloned();
        if !self.has_deadline() {
            remove_condition(&mut status, "Progressing");
        }
        let settled = int(&status, "/replicas") == int(&status, "/updatedReplicas")
            && current.as_ref().is_some_and(|current| current["reason"] == "NewReplicaSetAvailable");
        if self.has_deadline() && !settled {
            let who = match self.new_set() {
                Some(set) => format!("ReplicaSet \"{}\"", name(set)),
                None => format!("Deployment \"{}\"", name(&self.deployment)),
            };
            if is_complete(&self.deployment, &status) {
                let message = format!("{who} has successfully progressed.");
                put_condition(&mut status, "Progressing", "True", "NewReplicaSetAvailable", &message, &at);
            } else if has_progressed(&self.deployment["status"], &status) {
                let message = format!("{who} is progressing.");
                // The same reason again must move lastUpdateTime: each progress restarts the deadline.
                remove_condition(&mut status, "Progressing");
                put_condition(&mut status, "Progressing", "True", "ReplicaSetUpdated", &message, &at);
                if let Some(current) = current.filter(|current| current["status"] == "True") {
                    let since = current["lastTransitionTime"].clone();
                    condition_mut(&mut status, "Progressing")["lastTransitionTime"] = since;
                }
            } else if self.has_timed_out(cx, &status) {
                let message = format!("{who} has timed out progressing.");
                put_condition(&mut status, "Progressing", "False", "ProgressDeadlineExceeded", &message, &at);
            }
        }
        self.copy_failure(&mut status);
        if !self.write_status(cx, status)? {
            self.come_back_at_deadline(cx);
        }
        Ok(())
    }

    fn copy_failure(&self, status: &mut Value) {
        let failed = self
            .new_set()
            .and_then(|set| failure(set))
            .or_else(|| self.sets.iter().find_map(|set| failure(set)));
        match failed {
            Some(failed) => {
                let at = failed["lastTransitionTime"].clone();
                let word = |field: &str| text(&failed[field]).to_owned();
                put_condition(
                    status,
                    "ReplicaFailure",
                    &word("status"),
                    &word("reason"),
                    &word("message"),
                    &at,
                );
            }
            None => remove_condition(status, "ReplicaFailure"),
        }
    }

    fn has_timed_out(&self, cx: &Cx<'_>, status: &Value) -> bool {
        let Some(current) = list(status, "/conditions").iter().find(|c| c["type"] == "Progressing") else {
            return false;
        };
        match text(&current["reason"]) {
            "NewReplicaSetAvailable" => false,
            "ProgressDeadlineExceeded" => true,
            _ => time(&current["lastUpdateTime"]).is_some_and(|since| since + self.deadline() < cx.now()),
        }
    }

    fn come_back_at_deadline(&self, cx: &mut Cx<'_>) {
        let Some(current) = self.progressing() else { return };
        let status = &self.deployment["status"];
        let over = is_complete(&self.deployment, status) || current["reason"] == "ProgressDeadlineExceeded";
        if let Some(since) = time(&current["lastUpdateTime"]).filter(|_| self.has_deadline() && !over) {
            let left = (since + self.deadline()).duration_since(cx.now()).max(SignedDuration::ZERO);
            cx.requeue(&self.key, left + SignedDuration::from_secs(1));
        }
    }

    fn deadline(&self) -> SignedDuration {
        SignedDuration::from_secs(int(&self.deployment, "/spec/progressDeadlineSeconds"))
    }

    fn counted(&self, cx: &Cx<'_>) -> Value {
        let sum = |pointer: &str| -> i64 { self.sets.iter().map(|set| int(set, pointer)).sum() };
        let (available, size) = (sum("/status/availableReplicas"), sum("/spec/replicas"));
        let mut status = without_empty(json!({
            "observedGeneration": self.deployment["metadata"]["generation"],
            "replicas": sum("/status/replicas"),
            "updatedReplicas": self.new_set().map_or(0, |set| int(set, "/status/replicas")),
            "readyReplicas": sum("/status/readyReplicas"),
            "availableReplicas": available,
            "unavailableReplicas": (size - available).max(0),
        }));
        for field in ["collisionCount", "conditions"] {
            if let Some(value) = self.deployment["status"].get(field) {
                status[field] = value.clone();
            }
        }
        let (word, reason, message) = if available >= self.replicas() - max_unavailable(&self.deployment) {
            ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
        } else {
            ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
        };
        put_condition(&mut status, "Available", word, reason, message, &cx.timestamp());
        status
    }

    /// Says whether there was anything to write.
    fn write_status(&mut self, cx: &mut Cx<'_>, status: Value) -> Result<bool> {
        if self.deployment["status"] == status {
            return Ok(false);
        }
        self.deployment["status"] = status;
        self.write_status_and_annotations(cx)?;
        Ok(true)
    }

    /// The status write also carries the revision annotation.
    pub(super) fn write_status_and_annotations(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        let (status, metadata) = (self.deployment["status"].clone(), self.deployment["metadata"].clone());
        let written = cx.modify(&self.key, Some(Subresource::Status), |deployment| {
            deployment["status"] = status;
            if !metadata["annotations"].is_null() {
                deployment["metadata"]["annotations"] = metadata["annotations"].clone();
            }
        })?;
        self.deployment = (*written).clone();
        Ok(())
    }
}

fn has_progressed(old: &Value, new: &Value) -> bool {
    let outdated = |status: &Value| int(status, "/replicas") - int(status, "/updatedReplicas");
    let grew = |pointer: &str| int(new, pointer) > int(old, pointer);
    grew("/updatedReplicas")
        || outdated(new) < outdated(old)
        || grew("/readyReplicas")
        || grew("/availableReplicas")
}

/// Sets a condition; with status and reason as before it stays as it is, with the status alone it keeps its transition.
fn put_condition(status: &mut Value, kind: &str, word: &str, reason: &str, message: &str, at: &Value) {
    let current = list(status, "/conditions").iter().find(|c| c["type"] == kind);
    if current.is_some_and(|c| c["status"] == word && c["reason"] == reason) {
        return;
    }
    let since = current
        .filter(|c| c["status"] == word)
        .map_or_else(|| at.clone(), |c| c["lastTransitionTime"].clone());
    remove_condition(status, kind);
    let condition = json!({
        "type": kind, "status": word, "reason": reason, "message": message,
        "lastUpdateTime": at, "lastTransitionTime": since,
    });
    match status["conditions"].as_array_mut() {
        Some(conditions) => conditions.push(condition),
        None => status["conditions"] = json!([condition]),
    }
}

fn remove_condition(status: &mut Value, kind: &str) {
    if let Some(conditions) = status.get_mut("conditions").and_then(Value::as_array_mut) {
        conditions.retain(|condition| condition["type"] != kind);
        if conditions.is_empty()
            && let Some(map) = status.as_object_mut()
        {
            map.remove("conditions");
        }
    }
}

fn condition_mut<'a>(status: &'a mut Value, kind: &str) -> &'a mut Value {
    let conditions = status["conditions"].as_array_mut().into_iter().flatten();
    // The caller has just put it there.
    conditions.into_iter().find(|condition| condition["type"] == kind).expect("the condition is there")
}
