use serde_json::{Value, json};

use super::World;
use super::world::{SPACE, deployment};
use crate::controllers::object::{
    AUTOSCALERS, CONFIGMAPS, DEPLOYMENTS, NAMESPACES, QUOTAS, condition, int, text_at,
};

fn autoscaler(min: i64, max: i64) -> Value {
    json!({
        "metadata": {"name": "web"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": min, "maxReplicas": max,
            "metrics": [{"type": "Resource", "resource": {
                "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60},
            }}],
        },
    })
}

fn measured_deployment(replicas: i64) -> Value {
    let mut wanted = deployment(replicas, "app:1");
    wanted["spec"]["template"]["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "100m"}});
    wanted
}

fn reason(object: &Value, kind: &str) -> String {
    condition(object, kind).map_or("", |condition| text_at(condition, "/reason")).to_owned()
}

#[test]
fn a_busy_deployment_grows_at_the_rate_and_to_the_limit_that_it_may() {
    let mut world = World::with(json!({"images": [{"match": "app:1", "usage": {"cpu": "90%"}}]}));
    world.create(&DEPLOYMENTS, measured_deployment(2));
    world.pass(30);
    world.create(&AUTOSCALERS, autoscaler(1, 5));
    world.pass(16);
    // 2 * 90 / 60 = 3.
    assert_eq!(int(&world.get(&DEPLOYMENTS, "web"), "/spec/replicas"), 3);
    let events = world.events("HorizontalPodAutoscaler");
    let wanted = "SuccessfulRescale New size: 3; reason: cpu resource utilization (percentage of request) above target";
    assert_eq!(events, [wanted]);
    world.pass(120);
    let found = world.get(&AUTOSCALERS, "web");
    assert_eq!(int(&world.get(&DEPLOYMENTS, "web"), "/spec/replicas"), 5);
    assert_eq!(int(&found, "/status/currentReplicas"), 5);
    assert_eq!(
        found["status"]["currentMetrics"][0]["resource"]["current"],
        json!({"averageUtilization": 90, "averageValue": "90m"})
    );
    assert_eq!(reason(&found, "ScalingLimited"), "TooManyReplicas");
}

#[test]
fn an_idle_deployment_shrinks_after_five_minutes() {
    let mut world = World::with(json!({"images": [{"match": "app:1", "usage": {"cpu": "20%"}}]}));
    world.create(&DEPLOYMENTS, measured_deployment(3));
    world.pass(30);
    world.create(&AUTOSCALERS, autoscaler(1, 5));
    world.pass(280);
    assert_eq!(int(&world.get(&DEPLOYMENTS, "web"), "/spec/replicas"), 3);
    assert_eq!(reason(&world.get(&AUTOSCALERS, "web"), "AbleToScale"), "ScaleDownStabilized");
    world.pass(60);
    assert_eq!(int(&world.get(&DEPLOYMENTS, "web"), "/spec/replicas"), 1);
}

#[test]
fn without_metrics_only_the_limits_count() {
    let mut world = World::with(json!({"metrics": false}));
    world.create(&DEPLOYMENTS, measured_deployment(1));
    world.pass(30);
    world.create(&AUTOSCALERS, autoscaler(2, 5));
    world.pass(31);
    assert_eq!(int(&world.get(&DEPLOYMENTS, "web"), "/spec/replicas"), 2);
    assert_eq!(reason(&world.get(&AUTOSCALERS, "web"), "ScalingActive"), "FailedGetResourceMetric");
}

#[test]
fn a_namespace_ends_when_its_contents_have_ended() {
    let mut world = World::new();
    world.create(&DEPLOYMENTS, deployment(2, "app:1"));
    world.create(&CONFIGMAPS, json!({"metadata": {"name": "held", "finalizers": ["example.com/hold"]}}));
    world.pass(30);
    world.delete(&NAMESPACES, SPACE);
    world.pass(60);
    let namespace = world.get(&NAMESPACES, SPACE);
    assert_eq!(text_at(&namespace, "/status/phase"), "Terminating");
    let remaining = condition(&namespace, "NamespaceContentRemaining").expect("the condition");
    assert_eq!(remaining["message"], "Some resources are remaining: configmaps. has 1 resource instances");
    world.change(&CONFIGMAPS, "held", |map| map["metadata"]["finalizers"] = json!([]));
    world.pass(1);
    assert_eq!(world.get(&NAMESPACES, SPACE), Value::Null);
    let left: Vec<String> =
        world.cluster.snapshot().into_keys().filter(|key| key.contains(&format!("/{SPACE}/"))).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_quota_tells_what_is_used() {
    let mut world = World::new();
    let hard = json!({"requests.cpu": "1", "pods": "5", "configmaps": "10"});
    world.create(&QUOTAS, json!({"metadata": {"name": "q"}, "spec": {"hard": hard}}));
    world.create(&DEPLOYMENTS, measured_deployment(2));
    world.pass(10);
    let status = world.get(&QUOTAS, "q")["status"].clone();
    assert_eq!(
        status,
        json!({"hard": hard, "used": {"requests.cpu": "200m", "pods": "2", "configmaps": "1"}})
    );
    world.change(&DEPLOYMENTS, "web", |d| d["spec"]["replicas"] = 0.into());
    world.pass(60);
    assert_eq!(text_at(&world.get(&QUOTAS, "q"), "/status/used/pods"), "0");
}
