use serde_json::{Value, json};

use super::World;
use super::world::{SPACE, deployment, template};
use crate::controllers::object::{BUDGETS, DEPLOYMENTS, NAMESPACES, PODS, condition, int, text_at};

fn pod(name: &str) -> Value {
    let mut pod = template("app:1", &json!({}));
    pod["metadata"]["name"] = name.into();
    pod
}

fn evict(world: &mut World, pod: &str) -> (u16, Value) {
    let body =
        json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": SPACE}});
    world.request("POST", &format!("/api/v1/namespaces/{SPACE}/pods/{pod}/eviction"), &body)
}

#[test]
fn a_namespace_says_what_its_pods_may_not_do() {
    let mut world = World::new();
    world.change(&NAMESPACES, SPACE, |namespace| {
        namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = "baseline".into();
        namespace["metadata"]["labels"]["pod-security.kubernetes.io/warn"] = "restricted".into();
    });
    world.create(&PODS, pod("plain"));
    let mut bad = pod("bad");
    bad["spec"]["hostPID"] = true.into();
    let refused = world.try_create(&PODS, bad).expect_err("forbidden");
    let wanted =
        "pods \"bad\" is forbidden: violates PodSecurity \"baseline:latest\": host namespaces (hostPID=true)";
    assert_eq!((refused.code, refused.message.as_str()), (403, wanted));
    let refused = world.try_change(&NAMESPACES, SPACE, |namespace| {
        namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = "strict".into();
    });
    assert!(
        refused.expect_err("invalid").message.contains("must be one of privileged, baseline, restricted")
    );
}

#[test]
fn an_eviction_says_so_on_the_pod_and_keeps_to_the_budget() {
    let mut world = World::new();
    world.create(&DEPLOYMENTS, deployment(2, "app:1"));
    let spec = json!({"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}});
    world.create(&BUDGETS, json!({"metadata": {"name": "b"}, "spec": spec}));
    world.pass(20);
    let pods = world.pods("/metadata/name");
    assert_eq!(evict(&mut world, &pods[0]).0, 201);
    let gone = world.get(&PODS, &pods[0]);
    assert_eq!(condition(&gone, "DisruptionTarget").expect("why")["reason"], "EvictionByEvictionAPI");
    let (code, answer) = evict(&mut world, &pods[1]);
    assert_eq!((code, text_at(&answer, "/reason")), (429, "TooManyRequests"));
    assert_eq!(answer["details"]["causes"][0]["reason"], "DisruptionBudget");
    world.pass(60);
    assert_eq!(int(&world.get(&BUDGETS, "b"), "/status/disruptionsAllowed"), 1);
    assert_eq!(evict(&mut world, &pods[1]).0, 201);
}

#[test]
fn a_budget_may_let_sick_pods_go_always() {
    for (policy, code) in [("IfHealthyBudget", 429), ("AlwaysAllow", 201)] {
        let mut world = World::with(json!({"images": [{"match": "sick", "http": {"/": 500}}]}));
        world.create(&DEPLOYMENTS, deployment(2, "sick"));
        let selector = json!({"matchLabels": {"app": "web"}});
        let spec = json!({"minAvailable": 1, "selector": selector, "unhealthyPodEvictionPolicy": policy});
        world.create(&BUDGETS, json!({"metadata": {"name": "b"}, "spec": spec}));
        world.pass(20);
        let pod = world.pods("/metadata/name").remove(0);
        assert_eq!(evict(&mut world, &pod).0, code, "{policy}");
    }
}
