//! HorizontalPodAutoscalers: every 15 s the size that a target's metrics ask for, within limits and at a measured pace.
//! It scales whatever has a Scale; usage is the estate's word on the images of the pods.

mod metrics;
mod pace;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use self::metrics::Proposal;
use self::pace::Pace;
use super::Controller;
use super::events::Recorder;
use super::object::{AUTOSCALERS, int, int_or, is_going, list, text_at};
use crate::context::{Cx, text};
use crate::kinds::Subresource;
use crate::registry::Served;
use crate::rest::scale;
use crate::status::Result;
use crate::store::{GroupResource, ObjectKey};

/// The autoscaler. It remembers its own recommendations and changes, as the real one does in memory.
#[derive(Clone, Default)]
pub(crate) struct Autoscalers {
    memory: BTreeMap<ObjectKey, Memory>,
}

#[derive(Clone)]
struct Memory {
    due: Timestamp,
    pace: Pace,
}

const PERIOD: SignedDuration = SignedDuration::from_secs(15);
const RECORDER: Recorder<'static> = Recorder { component: "horizontal-pod-autoscaler", host: "" };

impl Controller for Autoscalers {
    fn name(&self) -> &'static str {
        "horizontal-pod-autoscaler"
    }

    fn watches(&self) -> &'static [GroupResource] {
        const { &[AUTOSCALERS] }
    }

    fn reconcile(&mut self, cx: &mut Cx<'_>, key: &ObjectKey) -> Result<()> {
        let Some(autoscaler) = cx.at(key).filter(|autoscaler| !is_going(autoscaler)) else {
            self.memory.remove(key);
            return Ok(());
        };
        let now = cx.now();
        let memory = self
            .memory
            .entry(key.clone())
            .or_insert_with(|| Memory { due: now + PERIOD, pace: Pace::default() });
        // A change does not hurry it.
        if now < memory.due {
            cx.requeue(key, memory.due.duration_since(now));
            return Ok(());
        }
        memory.due = now + PERIOD;
        cx.requeue(key, PERIOD);
        let mut sync = Sync { key, status: autoscaler["status"].clone(), autoscaler, pace: &mut memory.pace };
        sync.run(cx);
        let Sync { status, autoscaler, .. } = sync;
        if autoscaler["status"] == status {
            return Ok(());
        }
        cx.modify(key, Some(Subresource::Status), |autoscaler| autoscaler["status"] = status).map(drop)
    }
}

/// What is scaled: the object as served, and its Scale.
struct Target {
    served: Arc<Served>,
    key: ObjectKey,
    scale: Value,
}

/// One look at one autoscaler.
struct Sync<'a> {
    key: &'a ObjectKey,
    autoscaler: Arc<Value>,
    status: Value,
    pace: &'a mut Pace,
}

impl Sync<'_> {
    fn run(&mut self, cx: &mut Cx<'_>) {
        let target = match self.target(cx) {
            Ok(target) => target,
            Err(why) => {
                RECORDER.warning(cx, &self.autoscaler, "FailedGetScale", &why);
                let message =
                    format!("the HPA controller was unable to get the target's current scale: {why}");
                self.condition(cx, "AbleToScale", "False", "FailedGetScale", &message);
                return;
            }
        };
        let message = "the HPA controller was able to get the target's current scale";
        self.condition(cx, "AbleToScale", "True", "SucceededGetScale", message);
        let current = int(&target.scale, "/spec/replicas");
        let (least, most) = (self.least(), int(&self.autoscaler, "/spec/maxReplicas"));
        self.pace.begin(cx.now(), current);
        let mut measured = None;
        let (desired, reason) = if current == 0 && least != 0 {
            let message = "scaling is disabled since the replica count of the target is zero";
            self.condition(cx, "ScalingActive", "False", "ScalingDisabled", message);
            (0, String::new())
        } else if current > most {
            (most, "Current number of replicas above Spec.MaxReplicas".to_owned())
        } else if current < least {
            (least, "Current number of replicas below Spec.MinReplicas".to_owned())
        } else {
            let proposal = self.propose(cx, &target, current);
            let Some((wanted, metric)) = proposal.best else {
                self.sizes(current, None, &proposal.statuses);
                let message = proposal.failure();
                RECORDER.warning(cx, &self.autoscaler, "FailedComputeMetricsReplicas", &message);
                return;
            };
            measured = Some(proposal.statuses);
            let reason = match wanted.cmp(&current) {
                std::cmp::Ordering::Greater => format!("{metric} above target"),
                _ => "All metrics below target".to_owned(),
            };
            (self.at_pace(cx, current, wanted), reason)
        };
        let statuses = measured.unwrap_or_default();
        if desired == current {
            self.sizes(current, Some(current), &statuses);
            return;
        }
        let resized = cx.modify(&target.key, Some(Subresource::Scale), |object| {
            scale::set(&target.served, object, desired);
        });
        if let Err(status) = resized {
            let message = format!("New size: {desired}; reason: {reason}; error: {status}");
            RECORDER.warning(cx, &self.autoscaler, "FailedRescale", &message);
            let message = format!("the HPA controller was unable to update the target scale: {status}");
            self.condition(cx, "AbleToScale", "False", "FailedUpdateScale", &message);
            self.sizes(current, None, &statuses);
            return;
        }
        let message = format!("the HPA controller was able to update the target scale to {desired}");
        self.condition(cx, "AbleToScale", "True", "SucceededRescale", &message);
        RECORDER.normal(
            cx,
            &self.autoscaler,
            "SuccessfulRescale",
            &format!("New size: {desired}; reason: {reason}"),
        );
        self.pace.changed(cx.now(), desired - current);
        self.sizes(current, Some(desired), &statuses);
        self.status["lastScaleTime"] = cx.timestamp();
    }

    fn least(&self) -> i64 {
        int_or(&self.autoscaler, "/spec/minReplicas", 1)
    }

    fn target(&self, cx: &Cx<'_>) -> std::result::Result<Target, String> {
        let reference = &self.autoscaler["spec"]["scaleTargetRef"];
        let (version, kind, name) =
            (text(&reference["apiVersion"]), text(&reference["kind"]), text(&reference["name"]));
        let group = version.split_once('/').map_or("", |(group, _)| group);
        let registry = &cx.cluster.registry;
        let served = registry.kind(version, kind).filter(|served| served.resource.has(Subresource::Scale));
        let served =
            served.cloned().ok_or_else(|| format!("no matches for kind \"{kind}\" in group \"{group}\""))?;
        let key = ObjectKey::new(&served.resource.storage, &self.key.namespace, name);
        let object = cx.at(&key).ok_or_else(|| served.not_found(name).to_string())?;
        let scale = scale::of(&served, &served.view(&object));
        // Writes go through the stored version.
        let served = registry.hub(&key.resource).cloned().unwrap_or(served);
        Ok(Target { served, key, scale })
    }

    /// What the metrics ask for, with the conditions that say so.
    fn propose(&mut self, cx: &mut Cx<'_>, target: &Target, current: i64) -> Proposal {
        let selector = text_at(&target.scale, "/status/selector");
        if selector.is_empty() {
            let message = "the HPA target's scale is missing a selector";
            self.condition(cx, "ScalingActive", "False", "InvalidSelector", message);
            RECORDER.warning(cx, &self.autoscaler, "SelectorRequired", "selector is required");
            return Proposal::without_selector();
        }
        let proposal = metrics::propose(cx, &self.autoscaler, selector, current);
        for (reason, why) in &proposal.failures {
            RECORDER.warning(cx, &self.autoscaler, reason, why);
        }
        match &proposal.best {
            Some((_, metric)) => {
                let message =
                    format!("the HPA was able to successfully calculate a replica count from {metric}");
                self.condition(cx, "ScalingActive", "True", "ValidMetricFound", &message);
            }
            None => {
                if let Some((reason, why)) = proposal.failures.first() {
                    let message = format!("the HPA was unable to compute the replica count: {why}");
                    self.condition(cx, "ScalingActive", "False", reason, &message);
                }
            }
        }
        proposal
    }

    /// The wanted size, held back by windows and rates, within the limits.
    fn at_pace(&mut self, cx: &Cx<'_>, current: i64, wanted: i64) -> i64 {
        let rules = self.autoscaler["spec"]["behavior"].clone();
        let (stable, held) = self.pace.stabilise(cx.now(), &rules, current, wanted);
        match held {
            None => self.condition(
                cx,
                "AbleToScale",
                "True",
                "ReadyForNewScale",
                "recommended size matches current size",
            ),
            Some(held) => self.condition(cx, "AbleToScale", "True", held.reason, held.message),
        }
        let limits = (self.least(), int(&self.autoscaler, "/spec/maxReplicas"));
        let (desired, limit) = self.pace.limit(cx.now(), &rules, current, stable, limits);
        match limit {
            None => self.condition(
                cx,
                "ScalingLimited",
                "False",
                "DesiredWithinRange",
                "the desired count is within the acceptable range",
            ),
            Some(limit) => self.condition(cx, "ScalingLimited", "True", limit.reason, limit.message),
        }
        desired
    }

    /// `desired` stays as it was if none is given.
    fn sizes(&mut self, current: i64, desired: Option<i64>, metrics: &[Value]) {
        super::owned::set_or_remove(&mut self.status, "currentReplicas", current);
        if let Some(desired) = desired {
            self.status["desiredReplicas"] = desired.into();
        }
        self.status["currentMetrics"] = if metrics.is_empty() { Value::Null } else { metrics.into() };
    }

    fn condition(&mut self, cx: &Cx<'_>, kind: &str, word: &str, reason: &str, message: &str) {
        let mut conditions = list(&self.status, "/conditions").to_vec();
        let now = cx.timestamp();
        let new = json!({
            "type": kind, "status": word, "lastTransitionTime": now, "reason": reason, "message": message,
        });
        match conditions.iter_mut().find(|condition| condition["type"] == kind) {
            Some(known) => {
                let since = if known["status"] == word { known["lastTransitionTime"].clone() } else { now };
                *known = new;
                known["lastTransitionTime"] = since;
            }
            None => conditions.push(new),
        }
        self.status["conditions"] = conditions.into();
    }
}
