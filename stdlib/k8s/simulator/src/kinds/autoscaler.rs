//! HorizontalPodAutoscalers, in both served versions. The second is what is stored.

use serde_json::{Value, json};

use super::pod_spec::fill;
use super::{Column, Kind, Resource, age};
use crate::context::text;
use crate::status::Invalid;

pub(super) struct Autoscaler;

/// What version 1 cannot say is kept in this annotation.
const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";

impl Kind for Autoscaler {
    fn resource(&self) -> Resource {
        Resource::namespaced("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
            .short("hpa")
            .category("all")
            .status()
    }

    fn default(&self, object: &mut Value) {
        let spec = &mut object["spec"];
        fill(spec, "minReplicas", 1);
        if spec["metrics"].as_array().is_none_or(Vec::is_empty) {
            spec["metrics"] = json!([cpu_metric(80)]);
        }
        if spec["behavior"].is_object() {
            let up = [
                json!({"type": "Pods", "value": 4, "periodSeconds": 15}),
                json!({"type": "Percent", "value": 100, "periodSeconds": 15}),
            ];
            let down = [json!({"type": "Percent", "value": 100, "periodSeconds": 15})];
            default_rules(&mut spec["behavior"]["scaleUp"], &up);
            fill(&mut spec["behavior"]["scaleUp"], "stabilizationWindowSeconds", 0);
            default_rules(&mut spec["behavior"]["scaleDown"], &down);
        }
    }

    fn validate_create(&self, object: &Value) -> Vec<Invalid> {
        let spec = &object["spec"];
        let (min, max) =
            (spec["minReplicas"].as_i64().unwrap_or(1), spec["maxReplicas"].as_i64().unwrap_or(0));
        let mut wrong = Vec::new();
        if min < 1 {
            wrong.push(Invalid::value("spec.minReplicas", min, "must be greater than or equal to 1"));
        }
        if max < 1 {
            wrong.push(Invalid::value("spec.maxReplicas", max, "must be greater than 0"));
        } else if max < min {
            wrong.push(Invalid::value(
                "spec.maxReplicas",
                max,
                "must be greater than or equal to `minReplicas`",
            ));
        }
        for field in ["kind", "name"] {
            if text(&spec["scaleTargetRef"][field]).is_empty() {
                wrong.push(Invalid::required(format!("spec.scaleTargetRef.{field}"), ""));
            }
        }
        let external = |metric: &Value| matches!(text(&metric["type"]), "Object" | "External");
        if min == 0 && !spec["metrics"].as_array().is_some_and(|metrics| metrics.iter().any(external)) {
            let why =
                "must specify at least one Object or External metric to support scaling to zero replicas";
            wrong.push(Invalid::forbidden("spec.metrics", why));
        }
        wrong
    }

    fn columns(&self) -> Vec<Column> {
        columns()
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        cells(object, now)
    }
}

fn default_rules(rules: &mut Value, policies: &[Value]) {
    fill(rules, "selectPolicy", "Max");
    if rules["policies"].as_array().is_none_or(Vec::is_empty) {
        rules["policies"] = policies.to_vec().into();
    }
}

fn cpu_metric(percent: i64) -> Value {
    json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": percent}}})
}

pub(super) struct AutoscalerV1;

impl Kind for AutoscalerV1 {
    fn resource(&self) -> Resource {
        Resource::namespaced("autoscaling", "v1", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
            .short("hpa")
            .category("all")
            .status()
            .stored_as("autoscaling", "horizontalpodautoscalers", "v2")
    }

    fn default(&self, object: &mut Value) {
        let spec = &mut object["spec"];
        fill(spec, "minReplicas", 1);
        if object["metadata"]["annotations"].get(METRICS).is_none() {
            fill(&mut object["spec"], "targetCPUUtilizationPercentage", 80);
        }
    }

    fn stored_shape(&self, object: &mut Value) {
        let percent = object["spec"]["targetCPUUtilizationPercentage"].as_i64();
        crate::meta::remove(&mut object["spec"], "targetCPUUtilizationPercentage");
        crate::meta::remove(&mut object["status"], "currentCPUUtilizationPercentage");
        let kept = object["metadata"]["annotations"].get(METRICS).and_then(Value::as_str).map(str::to_owned);
        let mut metrics: Vec<Value> =
            kept.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        if let Some(percent) = percent {
            metrics.push(cpu_metric(percent));
        }
        object["spec"]["metrics"] = metrics.into();
        if let Some(annotations) = object["metadata"].get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove(METRICS);
        }
        if object["metadata"]["annotations"].as_object().is_none_or(serde_json::Map::is_empty) {
            crate::meta::remove(&mut object["metadata"], "annotations");
        }
    }

    fn served_shape(&self, object: &mut Value) {
        let metrics = object["spec"]["metrics"].as_array().cloned().unwrap_or_default();
        crate::meta::remove(&mut object["spec"], "metrics");
        crate::meta::remove(&mut object["spec"], "behavior");
        let (cpu, others): (Vec<Value>, Vec<Value>) = metrics.into_iter().partition(|metric| {
            metric["resource"]["name"] == "cpu" && metric["resource"]["target"]["type"] == "Utilization"
        });
        if let Some(percent) =
            cpu.first().and_then(|m| m["resource"]["target"]["averageUtilization"].as_i64())
        {
            object["spec"]["targetCPUUtilizationPercentage"] = percent.into();
        }
        if !others.is_empty() {
            object["metadata"]["annotations"][METRICS] = Value::from(others).to_string().into();
        }
        if object["status"].is_object() {
            for field in ["conditions", "currentMetrics"] {
                crate::meta::remove(&mut object["status"], field);
            }
            fill(&mut object["status"], "currentReplicas", 0);
        }
    }

    fn columns(&self) -> Vec<Column> {
        columns()
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        let mut stored = object.clone();
        self.stored_shape(&mut stored);
        cells(&stored, now)
    }
}

fn columns() -> Vec<Column> {
    vec![
        Column::name(),
        Column::new(
            "Reference",
            "string",
            0,
            "scaleTargetRef points to the target resource to scale, and is used to the pods for which metrics should be collected, as well as to actually change the replica count.",
        ),
        Column::new(
            "Targets",
            "string",
            0,
            "metrics contains the specifications for which to use to calculate the desired replica count (the maximum replica count across all metrics will be used).  The desired replica count is calculated multiplying the ratio between the target value and the current value by the current number of pods.  Ergo, metrics used must decrease as the pod count is increased, and vice-versa.  See the individual metric source types for more information about how each type of metric must respond. If not set, the default metric will be set to 80% average CPU utilization.",
        ),
        Column::new(
            "MinPods",
            "string",
            0,
            "minReplicas is the lower limit for the number of replicas to which the autoscaler can scale down.  It defaults to 1 pod.  minReplicas is allowed to be 0 if the alpha feature gate HPAScaleToZero is enabled and at least one Object or External metric is configured.  Scaling is active as long as at least one metric value is available.",
        ),
        Column::new(
            "MaxPods",
            "string",
            0,
            "maxReplicas is the upper limit for the number of replicas to which the autoscaler can scale up. It cannot be less that minReplicas.",
        ),
        Column::new(
            "Replicas",
            "string",
            0,
            "currentReplicas is current number of replicas of pods managed by this autoscaler, as last seen by the autoscaler.",
        ),
        Column::age(),
    ]
}

fn cells(object: &Value, now: jiff::Timestamp) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let target = &spec["scaleTargetRef"];
    let metrics = spec["metrics"].as_array().into_iter().flatten().map(|metric| {
        let target = &metric["resource"]["target"];
        let name = text(&metric["resource"]["name"]);
        match target["averageUtilization"].as_i64() {
            Some(percent) => format!("{name}: <unknown>/{percent}%"),
            None => format!("{name}: <unknown>/{}", text(&target["averageValue"])),
        }
    });
    let metrics: Vec<String> = metrics.collect();
    let metrics = if metrics.is_empty() { "<none>".to_owned() } else { metrics.join(", ") };
    let min = spec["minReplicas"].as_i64().map_or_else(|| "<unset>".to_owned(), |min| min.to_string());
    vec![
        object["metadata"]["name"].clone(),
        format!("{}/{}", text(&target["kind"]), text(&target["name"])).into(),
        metrics.into(),
        min.into(),
        spec["maxReplicas"].as_i64().unwrap_or(0).into(),
        status["currentReplicas"].as_i64().unwrap_or(0).into(),
        age(object, now),
    ]
}
