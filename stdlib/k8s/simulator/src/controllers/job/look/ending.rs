//! How a job ends: by its policies, limits and deadline, and what is said about it then.

use serde_json::Value;

use super::{Look, condition};
use crate::context::{Cx, text};
use crate::controllers::job::RECORDER;
use crate::controllers::job::policy::{Action, action, enough};
use crate::controllers::object::{flag, int, list, pod, stamp, text_at};
use crate::status::Result;

/// How a job ends.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    pub(super) is_success: bool,
    reason: String,
    message: String,
}

impl Ending {
    fn failure(reason: &str, message: impl Into<String>) -> Option<Self> {
        Some(Self { is_success: false, reason: reason.to_owned(), message: message.into() })
    }

    pub(super) fn success(reason: &str, message: impl Into<String>) -> Option<Self> {
        Some(Self { is_success: true, reason: reason.to_owned(), message: message.into() })
    }

    /// The conditions that announce it and that seal it.
    fn words(&self) -> (&'static str, &'static str) {
        if self.is_success { ("SuccessCriteriaMet", "Complete") } else { ("FailureTarget", "Failed") }
    }
}

impl Look {
    /// How the job ends, if it does by anything else than by the number of completions.
    pub(super) fn ending(&self, cx: &Cx<'_>) -> Option<Ending> {
        let announced = |kind: &str| {
            let found = condition(&self.status, kind).filter(|found| found["status"] == "True")?;
            Some((text(&found["reason"]).to_owned(), text(&found["message"]).to_owned()))
        };
        if let Some((reason, message)) = announced("SuccessCriteriaMet") {
            return Ending::success(&reason, message);
        }
        if let Some((reason, message)) = announced("FailureTarget") {
            return Ending::failure(&reason, message);
        }
        for pod in self.pods.iter().filter(|pod| self.is_failed(pod)) {
            if let Action::FailJob(message) = action(&self.job, pod) {
                return Ending::failure("PodFailurePolicy", message);
            }
        }
        if self.is_past_back_off_limit() {
            return Ending::failure("BackoffLimitExceeded", "Job has reached the specified backoff limit");
        }
        if self.deadline().is_some_and(|at| at <= cx.now()) && !flag(&self.job, "/spec/suspend") {
            return Ending::failure("DeadlineExceeded", "Job was active longer than specified deadline");
        }
        if !self.is_indexed() {
            return None;
        }
        let most = self.job["spec"]["maxFailedIndexes"].as_i64();
        if most.is_some_and(|most| self.given_up.count() > most) {
            let message = "Job has exceeded the specified maximal number of failed indexes";
            return Ending::failure("MaxFailedIndexesExceeded", message);
        }
        let settled = self.given_up.count() + self.completed.count();
        if self.given_up.count() > 0 && settled >= int(&self.job, "/spec/completions") {
            return Ending::failure("FailedIndexes", "Job has failed indexes");
        }
        enough(&self.job, &self.completed).and_then(|message| Ending::success("SuccessPolicy", message))
    }

    fn is_past_back_off_limit(&self) -> bool {
        let limit = int(&self.job, "/spec/backoffLimit");
        if self.failed > limit {
            return true;
        }
        if text_at(&self.job, "/spec/template/spec/restartPolicy") != "OnFailure" {
            return false;
        }
        let alive = self.pods.iter().filter(|pod| matches!(pod::phase(pod), "Running" | "Pending"));
        let restarts: i64 = alive.map(|pod| restarts(pod)).sum();
        if limit == 0 { restarts > 0 } else { restarts >= limit }
    }

    /// Stops what still runs, and announces how the job ends; the last word waits until nothing runs any more.
    pub(super) fn end(&mut self, cx: &mut Cx<'_>, ending: &Ending) -> Result<()> {
        for pod in self.active.clone() {
            self.stop(cx, &pod)?;
        }
        let (announcement, last) = ending.words();
        self.put_condition(cx, announcement, "True", &ending.reason, &ending.message);
        if self.terminating > 0 {
            return Ok(());
        }
        self.put_condition(cx, last, "True", &ending.reason, &ending.message);
        if ending.is_success {
            self.status["completionTime"] = stamp(cx.now());
            RECORDER.normal(cx, &self.job, "Completed", "Job completed");
        } else {
            RECORDER.warning(cx, &self.job, &ending.reason, &ending.message);
        }
        Ok(())
    }
}

fn restarts(pod: &Value) -> i64 {
    let statuses = ["/status/initContainerStatuses", "/status/containerStatuses"];
    statuses.iter().flat_map(|statuses| list(pod, statuses)).map(|status| int(status, "/restartCount")).sum()
}
