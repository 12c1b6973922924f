//! From what pods use to how many there should be.
//! Only resource metrics exist; there is no API for custom and external ones.

use std::sync::Arc;

use jiff::SignedDuration;
use opsrun_k8s_schema::Quantity;
use serde_json::{Value, json};

use crate::context::{Cx, text};
use crate::controllers::object::{PODS, is_going, list, name, namespace, pod, text_at, time};
use crate::images::Amount;
use crate::selector::Selector;

/// The largest size that a metric asks for and that metric's name, what was measured, and what could not be.
#[derive(Debug, Default)]
pub(super) struct Proposal {
    pub(super) best: Option<(i64, String)>,
    pub(super) statuses: Vec<Value>,
    /// Reasons and messages.
    pub(super) failures: Vec<(&'static str, String)>,
    of: usize,
}

impl Proposal {
    pub(super) fn without_selector() -> Self {
        let failure = ("InvalidSelector", "selector is required".to_owned());
        Self { failures: vec![failure], of: 1, ..Self::default() }
    }

    pub(super) fn failure(&self) -> String {
        let first = self.failures.first().map_or("", |(_, why)| why);
        format!(
            "invalid metrics ({} invalid out of {}), first error is: {first}",
            self.failures.len(),
            self.of
        )
    }
}

/// One metric's answer.
struct Measured {
    replicas: i64,
    status: Value,
    metric: String,
}

/// Usage of this share of the target either way is near enough, in parts of a thousand.
const TOLERANCE: i128 = 100;
const THOUSAND: i128 = 1000;
/// For so long after its start a pod that is not ready is not asked for its CPU.
const WARM_UP: SignedDuration = SignedDuration::from_mins(5);

pub(super) fn propose(cx: &Cx<'_>, autoscaler: &Value, selector: &str, current: i64) -> Proposal {
    let metrics = list(autoscaler, "/spec/metrics");
    let mut proposal = Proposal { of: metrics.len(), ..Proposal::default() };
    for metric in metrics {
        match measure(cx, autoscaler, metric, selector, current) {
            Ok(measured) => {
                proposal.statuses.push(measured.status);
                if proposal.best.as_ref().is_none_or(|(most, _)| measured.replicas > *most) {
                    proposal.best = Some((measured.replicas, measured.metric));
                }
            }
            Err(failure) => {
                proposal.statuses.push(json!({"type": ""}));
                proposal.failures.push(failure);
            }
        }
    }
    // What is unknown might want more: nothing shrinks on half of the metrics.
    if !proposal.failures.is_empty() && proposal.best.as_ref().is_some_and(|(most, _)| *most < current) {
        proposal.best = None;
    }
    proposal
}

type Failure = (&'static str, String);

fn measure(
    cx: &Cx<'_>,
    autoscaler: &Value,
    metric: &Value,
    selector: &str,
    current: i64,
) -> Result<Measured, Failure> {
    let kind = text(&metric["type"]);
    let (field, reason) = match kind {
        "Resource" => ("resource", "FailedGetResourceMetric"),
        "ContainerResource" => ("containerResource", "FailedGetContainerResourceMetric"),
        other => return Err(unserved(autoscaler, metric, other)),
    };
    let source = &metric[field];
    let resource = text(&source["name"]);
    let container = source["container"].as_str();
    let fail = |why: String| (reason, why);
    let utilization = source["target"]["averageUtilization"].as_i64();
    let what = match utilization {
        Some(_) => format!("failed to get {resource} utilization: "),
        None => format!("failed to get {resource} usage: "),
    };
    if !cx.cluster.estate().metrics {
        return Err(fail(format!(
            "{what}unable to get metrics for resource {resource}: unable to fetch metrics from resource metrics API: \
             the server could not find the requested resource (get pods.metrics.k8s.io)"
        )));
    }
    let crowd = Crowd::look(cx, namespace(autoscaler), selector, resource, container)
        .map_err(|why| fail(format!("{what}{why}")))?;
    let word = if container.is_some() { "container resource" } else { "resource" };
    let (replicas, metric_name, current_value) = match utilization {
        Some(target) => {
            crowd.check_requests(resource, container).map_err(|why| fail(format!("{what}{why}")))?;
            let (usage, requested) = crowd.sums();
            if requested == 0 {
                return Err(fail(format!("{what}no metrics returned matched known pods")));
            }
            let percent = usage * 100 / requested;
            let replicas = crowd.replicas(current, Goal::Percent(i128::from(target)));
            let average = crowd.average();
            let value = json!({"averageUtilization": i64::try_from(percent).unwrap_or(i64::MAX), "averageValue": average});
            (replicas, format!("{resource} {word} utilization (percentage of request)"), value)
        }
        None => {
            let target = amount(text(&source["target"]["averageValue"]));
            let replicas = crowd.replicas(current, Goal::Each(target));
            (replicas, format!("{resource} {word}"), json!({"averageValue": crowd.average()}))
        }
    };
    let mut status = json!({"type": kind, field: {"name": resource, "current": current_value}});
    if let Some(container) = container {
        status[field]["container"] = container.into();
    }
    Ok(Measured { replicas, status, metric: metric_name })
}

fn unserved(autoscaler: &Value, metric: &Value, kind: &str) -> Failure {
    let custom = "unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered";
    let external = "unable to fetch metrics from external metrics API: no external metrics API (external.metrics.k8s.io) registered";
    match kind {
        "Pods" => {
            let name = text_at(metric, "/pods/metric/name");
            (
                "FailedGetPodsMetric",
                format!("failed to get pods metric value: unable to get metric {name}: {custom}"),
            )
        }
        "Object" => {
            let name = text_at(metric, "/object/metric/name");
            let object = text_at(metric, "/object/describedObject/kind");
            let space = namespace(autoscaler);
            let what = format!("{object} on {space} {}", text_at(metric, "/object/describedObject/name"));
            (
                "FailedGetObjectMetric",
                format!("failed to get object metric value: unable to get metric {name}: {what}/{custom}"),
            )
        }
        _ => {
            let name = text_at(metric, "/external/metric/name");
            let place = format!("{}/{name}", namespace(autoscaler));
            (
                "FailedGetExternalMetric",
                format!(
                    "failed to get external metric {name}: unable to get external metric {place}: {external}"
                ),
            )
        }
    }
}

/// What each pod should use.
#[derive(Clone, Copy)]
enum Goal {
    /// Of its request.
    Percent(i128),
    /// In thousandths.
    Each(i128),
}

/// The target's pods, by what is known of them. Amounts are thousandths.
struct Crowd {
    pods: Vec<Arc<Value>>,
    /// Usage and request of the pods that count.
    measured: Vec<(i128, i128)>,
    /// Requests of pods without metrics.
    missing: Vec<i128>,
    /// Requests of pods that start up.
    unready: Vec<i128>,
}

impl Crowd {
    fn look(
        cx: &Cx<'_>,
        space: &str,
        selector: &str,
        resource: &str,
        container: Option<&str>,
    ) -> Result<Self, String> {
        let served = cx.cluster.registry.hub(&PODS).expect("pods are always served");
        let selector = Selector::of(served, Some(selector), None).map_err(|why| why.to_string())?;
        let pods: Vec<Arc<Value>> =
            cx.list(&PODS, Some(space)).into_iter().filter(|pod| selector.matches(served, pod)).collect();
        if pods.is_empty() {
            return Err("no pods returned by selector while calculating replica count".to_owned());
        }
        let mut crowd =
            Self { pods: Vec::new(), measured: Vec::new(), missing: Vec::new(), unready: Vec::new() };
        for found in pods {
            if is_going(&found) || pod::phase(&found) == "Failed" {
                continue;
            }
            let request = request_of(&found, resource, container).unwrap_or(0);
            let running = pod::phase(&found) == "Running";
            let started = time(&found["status"]["startTime"]);
            let warm = started.is_some_and(|at| at + WARM_UP <= cx.now());
            if pod::phase(&found) == "Pending" || (resource == "cpu" && !warm && !pod::is_ready(&found)) {
                crowd.unready.push(request);
            } else if running {
                crowd.measured.push((usage_of(cx, &found, resource, container), request));
            } else {
                crowd.missing.push(request);
            }
            crowd.pods.push(found);
        }
        if crowd.measured.is_empty() {
            return Err("did not receive metrics for targeted pods (pods might be unready)".to_owned());
        }
        Ok(crowd)
    }

    /// Names a container without a request.
    fn check_requests(&self, resource: &str, container: Option<&str>) -> Result<(), String> {
        self.pods.iter().try_for_each(|pod| request_of(pod, resource, container).map(drop))
    }

    /// Usage and requests of the pods that count.
    fn sums(&self) -> (i128, i128) {
        self.measured.iter().fold((0, 0), |(usage, request), (u, r)| (usage + u, request + r))
    }

    fn average(&self) -> String {
        let usage: i128 = self.measured.iter().map(|(usage, _)| usage).sum();
        let count = i128::try_from(self.measured.len()).unwrap_or(1).max(1);
        Quantity::milli(i64::try_from(usage / count).unwrap_or(i64::MAX)).to_string()
    }

    /// The size at which each pod would use what it should.
    fn replicas(&self, current: i64, goal: Goal) -> i64 {
        let ratio = |pods: &[(i128, i128)]| {
            let usage: i128 = pods.iter().map(|(usage, _)| usage).sum();
            let request: i128 = pods.iter().map(|(_, request)| request).sum();
            let goal = match goal {
                // As the real one does, in whole percents.
                Goal::Percent(percent) => return (usage * 100 / request.max(1), percent.max(1)),
                Goal::Each(each) => each * i128::try_from(pods.len()).unwrap_or(1),
            };
            (usage, goal.max(1))
        };
        let near = |(above, below): (i128, i128)| {
            (above * THOUSAND >= below * (THOUSAND - TOLERANCE))
                && (above * THOUSAND <= below * (THOUSAND + TOLERANCE))
        };
        let size = |(above, below): (i128, i128), count: usize| {
            let count = i128::try_from(count).unwrap_or(i128::MAX);
            i64::try_from((above * count + below - 1).div_euclid(below)).unwrap_or(i64::MAX)
        };
        let first = ratio(&self.measured);
        let up = first.0 > first.1;
        if self.missing.is_empty() && (self.unready.is_empty() || !up) {
            return if near(first) { current } else { size(first, self.measured.len()) };
        }
        // Those of whom nothing is known are taken to use what argues against the change.
        let mut all = self.measured.clone();
        for request in &self.missing {
            let usage = match goal {
                _ if up => 0,
                Goal::Percent(percent) => request * percent.max(100) / 100,
                Goal::Each(each) => each,
            };
            all.push((usage, *request));
        }
        if up {
            all.extend(self.unready.iter().map(|request| (0, *request)));
        }
        let second = ratio(&all);
        if near(second) || (second.0 > second.1) != up {
            return current;
        }
        let wanted = size(second, all.len());
        if (up && wanted < current) || (!up && wanted > current) { current } else { wanted }
    }
}

fn containers<'a>(pod: &'a Value, only: Option<&'a str>) -> impl Iterator<Item = &'a Value> {
    let sidecars = list(pod, "/spec/initContainers").iter().filter(|c| c["restartPolicy"] == "Always");
    let all = list(pod, "/spec/containers").iter().chain(sidecars);
    all.filter(move |container| only.is_none_or(|only| container["name"] == only))
}

fn request_of(pod: &Value, resource: &str, only: Option<&str>) -> Result<i128, String> {
    containers(pod, only)
        .map(|container| match container["resources"]["requests"][resource].as_str() {
            Some(quantity) => Ok(amount(quantity)),
            None => Err(format!(
                "missing request for {resource} in container {} of Pod {}",
                name_of(container),
                name(pod)
            )),
        })
        .sum()
}

fn name_of(container: &Value) -> &str {
    text(&container["name"])
}

/// What the estate says the pod's images use.
fn usage_of(cx: &Cx<'_>, pod: &Value, resource: &str, only: Option<&str>) -> i128 {
    let of = |container: &Value| {
        let usage = cx.cluster.estate().behaviour(text(&container["image"])).usage;
        let known = match resource {
            "cpu" => usage.cpu,
            "memory" => usage.memory,
            _ => return 0,
        };
        match known {
            Amount::Quantity(quantity) => amount(&quantity),
            Amount::Percent(percent) => {
                let request = container["resources"]["requests"][resource].as_str().map_or(0, amount);
                request * i128::from(percent) / 100
            }
        }
    };
    containers(pod, only).map(of).sum()
}

fn amount(quantity: &str) -> i128 {
    crate::controllers::quantity::Milli::parse(quantity).0
}
