use serde_json::{Value, json};

use super::World;
use super::world::{deployment, name_of, template};
use crate::controllers::object::{
    DAEMON_SETS, DEPLOYMENTS, ENDPOINTS, EVENTS, NODES, PODS, SERVICES, STATEFUL_SETS, condition,
    condition_is, int, is_going, list, text_at,
};

/// Three nodes in two zones: `node-1` and `node-3` in `a`, `node-2` in `b`.
fn world(faults: &Value) -> World {
    World::with(json!({"nodes": {"count": 3, "zones": ["a", "b"]}, "faults": faults}))
}

fn taints(world: &World, node: &str) -> Vec<String> {
    let node = world.get(&NODES, node);
    let taints = list(&node, "/spec/taints").iter();
    taints.map(|taint| format!("{}:{}", text_at(taint, "/key"), text_at(taint, "/effect"))).collect()
}

const LOST: [&str; 2] =
    ["node.kubernetes.io/unreachable:NoSchedule", "node.kubernetes.io/unreachable:NoExecute"];

fn on(world: &World, node: &str) -> Vec<Value> {
    world.list(&PODS).into_iter().filter(|pod| text_at(pod, "/spec/nodeName") == node).collect()
}

fn addresses(world: &World) -> usize {
    list(&world.get(&ENDPOINTS, "web"), "/subsets/0/addresses").len()
}

fn service(world: &mut World) {
    let spec = json!({"selector": {"app": "web"}, "ports": [{"port": 80}]});
    world.create(&SERVICES, json!({"metadata": {"name": "web"}, "spec": spec}));
}

#[test]
fn a_node_that_is_down_is_lost_after_forty_seconds_and_its_pods_serve_no_more() {
    let mut world = world(&json!([{"at": "60s", "node": "node-1", "down": "10m"}]));
    world.create(&DEPLOYMENTS, deployment(3, "app:1"));
    service(&mut world);
    world.pass(95);
    assert!(condition_is(&world.get(&NODES, "node-1"), "Ready", "True"));
    assert_eq!(addresses(&world), 3);
    world.pass(10);
    let node = world.get(&NODES, "node-1");
    for kind in ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"] {
        let condition = condition(&node, kind).expect("the condition");
        assert_eq!(condition["status"], "Unknown");
        assert_eq!(condition["reason"], "NodeStatusUnknown");
        assert_eq!(condition["message"], "Kubelet stopped posting node status.");
    }
    assert_eq!(taints(&world, "node-1"), LOST);
    assert_eq!(addresses(&world), 2);
    let pod = on(&world, "node-1").remove(0);
    assert!(condition_is(&pod, "Ready", "False") && !is_going(&pod));
    let events = world.cluster.store.list(&EVENTS, Some("default"));
    let told: Vec<&str> = events.map(|event| text_at(event, "/message")).collect();
    assert_eq!(told, ["Node node-1 status is now: NodeNotReady"]);
}

#[test]
fn pods_of_a_lost_node_are_replaced_after_five_minutes_and_go_when_it_is_back() {
    let mut world = world(&json!([{"at": "60s", "node": "node-1", "down": "10m"}]));
    world.create(&DEPLOYMENTS, deployment(3, "app:1"));
    world.pass(60 + 40 + 295);
    assert_eq!(world.pods("/spec/nodeName").len(), 3);
    let lost = name_of(&on(&world, "node-1")[0]);
    world.pass(40);
    let pod = world.get(&PODS, &lost);
    assert!(is_going(&pod));
    assert_eq!(condition(&pod, "DisruptionTarget").expect("why")["reason"], "DeletionByTaintManager");
    assert_eq!(int(&world.get(&DEPLOYMENTS, "web"), "/status/availableReplicas"), 3);
    assert!(!world.pods("/spec/nodeName").contains(&"node-1".to_owned()));
    world.pass(200);
    assert!(is_going(&world.get(&PODS, &lost)), "nobody can say that it has ended");
    world.pass(60 + 10 * 60);
    assert_eq!(world.get(&PODS, &lost), Value::Null);
    assert!(condition_is(&world.get(&NODES, "node-1"), "Ready", "True"));
    assert_eq!(taints(&world, "node-1"), Vec::<String>::new());
}

#[test]
fn a_node_that_is_back_in_time_keeps_its_pods_which_start_anew() {
    let mut world = world(&json!([{"at": "60s", "node": "node-1", "down": "2m"}]));
    world.create(&DEPLOYMENTS, deployment(3, "app:1"));
    service(&mut world);
    world.pass(50);
    let before = on(&world, "node-1").remove(0);
    world.pass(200);
    let after = on(&world, "node-1").remove(0);
    assert_eq!(before["metadata"]["uid"], after["metadata"]["uid"]);
    let container = &after["status"]["containerStatuses"][0];
    assert_eq!((&container["restartCount"], &container["ready"]), (&json!(1), &json!(true)));
    assert_eq!(container["lastState"]["terminated"]["exitCode"], 255);
    assert_ne!(before["status"]["podIP"], after["status"]["podIP"]);
    assert_eq!(addresses(&world), 3);
    let events = world.events("Pod");
    assert!(events.iter().any(|event| event.starts_with("TaintManagerEviction Cancelling deletion of Pod")));
}

#[test]
fn a_zone_that_is_down_loses_its_nodes_one_by_one() {
    let mut world = world(&json!([{"at": "60s", "zone": "a", "down": "10m"}]));
    world.pass(102);
    let evicting = |world: &World| {
        ["node-1", "node-2", "node-3"].map(|node| taints(world, node).iter().any(|taint| taint == LOST[1]))
    };
    assert_eq!(evicting(&world), [true, false, false]);
    assert_eq!(taints(&world, "node-3"), [LOST[0]]);
    world.pass(10);
    assert_eq!(evicting(&world), [true, false, true]);
    world.pass(10 * 60);
    assert_eq!(evicting(&world), [false; 3]);
}

#[test]
fn nothing_is_driven_off_when_no_node_is_heard() {
    let mut world = World::with(json!({"faults": [{"at": "60s", "node": "node-1", "down": "20m"}]}));
    world.create(&DEPLOYMENTS, deployment(1, "app:1"));
    world.pass(15 * 60);
    assert_eq!(taints(&world, "node-1"), [LOST[0]]);
    assert!(world.list(&PODS).iter().all(|pod| !is_going(pod)));
}

#[test]
fn a_stateful_pod_on_a_lost_node_is_not_replaced() {
    let mut world = world(&json!([{"at": "60s", "node": "node-1"}]));
    let mut wanted = template("app:1", &json!({}));
    wanted["spec"]["nodeSelector"] = json!({"kubernetes.io/hostname": "node-1"});
    let spec = json!({
        "replicas": 1, "serviceName": "db", "selector": {"matchLabels": {"app": "web"}}, "template": wanted,
    });
    world.create(&STATEFUL_SETS, json!({"metadata": {"name": "db"}, "spec": spec}));
    world.pass(30);
    let before = world.get(&PODS, "db-0");
    world.pass(20 * 60);
    let after = world.get(&PODS, "db-0");
    assert_eq!(before["metadata"]["uid"], after["metadata"]["uid"]);
    assert!(is_going(&after));
}

#[test]
fn a_taint_that_evicts_does_so_at_once_or_when_tolerance_ends() {
    let mut world = world(&json!([]));
    for (name, tolerations) in [
        ("none", json!([])),
        ("some", json!([{"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60}])),
        ("all", json!([{"key": "k", "value": "v", "effect": "NoExecute"}])),
    ] {
        let mut pod = template("app:1", &json!({}));
        pod["metadata"]["name"] = name.into();
        pod["spec"]["nodeName"] = "node-1".into();
        pod["spec"]["tolerations"] = tolerations;
        pod["spec"]["terminationGracePeriodSeconds"] = 1.into();
        world.create(&PODS, pod);
    }
    world.pass(10);
    world.change(&NODES, "node-1", |node| {
        node["spec"]["taints"] = json!([{"key": "k", "value": "v", "effect": "NoExecute"}]);
    });
    world.pass(20);
    assert_eq!(world.pods("/metadata/name"), ["all", "some"]);
    world.pass(60);
    assert_eq!(world.pods("/metadata/name"), ["all"]);
}

#[test]
fn a_cordoned_node_is_tainted_until_it_is_uncordoned() {
    let mut world = world(&json!([]));
    world.change(&NODES, "node-1", |node| node["spec"]["unschedulable"] = true.into());
    world.pass(1);
    assert_eq!(taints(&world, "node-1"), ["node.kubernetes.io/unschedulable:NoSchedule"]);
    world.change(&NODES, "node-1", |node| node["spec"]["unschedulable"] = false.into());
    world.pass(1);
    assert_eq!(taints(&world, "node-1"), Vec::<String>::new());
}

fn daemon_set(image: &str, update: &Value) -> Value {
    json!({
        "metadata": {"name": "agent"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}}, "template": template(image, &json!({})),
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": update},
        },
    })
}

#[test]
fn daemon_pods_stay_where_new_ones_would_not_come() {
    let mut world = world(&json!([]));
    world.create(&DAEMON_SETS, daemon_set("app:1", &json!({"maxUnavailable": 1, "maxSurge": 0})));
    world.pass(20);
    let taint = |effect: &str| json!([{"key": "k", "effect": effect}]);
    world.change(&NODES, "node-1", |node| node["spec"]["taints"] = taint("NoSchedule"));
    world.pass(60);
    assert_eq!(on(&world, "node-1").len(), 1);
    let status = world.get(&DAEMON_SETS, "agent")["status"].clone();
    assert_eq!((int(&status, "/desiredNumberScheduled"), int(&status, "/numberMisscheduled")), (2, 1));
    world.change(&NODES, "node-1", |node| node["spec"]["taints"] = taint("NoExecute"));
    world.pass(60);
    assert_eq!(on(&world, "node-1").len(), 0);
    world.change(&NODES, "node-1", |node| node["spec"]["taints"] = json!([]));
    world.pass(20);
    assert_eq!(int(&world.get(&DAEMON_SETS, "agent"), "/status/numberAvailable"), 3);
}

#[test]
fn daemon_pods_outlive_the_loss_of_their_node() {
    let mut world = world(&json!([{"at": "60s", "node": "node-1", "down": "20m"}]));
    world.create(&DAEMON_SETS, daemon_set("app:1", &json!({"maxUnavailable": 1, "maxSurge": 0})));
    world.pass(15 * 60);
    assert!(on(&world, "node-1").iter().all(|pod| !is_going(pod)));
    assert_eq!(on(&world, "node-1").len(), 1);
    world.pass(10 * 60);
    assert_eq!(int(&world.get(&DAEMON_SETS, "agent"), "/status/numberAvailable"), 3);
}

#[test]
fn with_surge_a_new_daemon_pod_comes_before_the_old_one_goes() {
    let mut world = world(&json!([]));
    world.create(&DAEMON_SETS, daemon_set("app:1", &json!({"maxUnavailable": 0, "maxSurge": 1})));
    world.pass(20);
    world.change(&DAEMON_SETS, "agent", |set| {
        set["spec"]["template"]["spec"]["containers"][0]["image"] = "app:2".into();
    });
    let (mut least, mut most) = (usize::MAX, 0);
    for _ in 0..300 {
        world.pass(1);
        let pods = world.list(&PODS);
        let ready = pods.iter().filter(|pod| !is_going(pod) && condition_is(pod, "Ready", "True")).count();
        least = least.min(ready);
        most = most.max(pods.iter().filter(|pod| !is_going(pod)).count());
    }
    assert_eq!((least, most), (3, 4));
    assert_eq!(world.pods("/spec/containers/0/image"), ["app:2"; 3]);
}

#[test]
fn killed_pods_are_gone_at_once_and_replaced() {
    let mut world =
        world(&json!([{"at": "60s", "pods": {"namespace": "shop", "selector": "app in (web)"}, "kill": 2}]));
    world.create(&DEPLOYMENTS, deployment(3, "app:1"));
    world.pass(58);
    let before = world.pods("/metadata/name");
    world.pass(2);
    let after: Vec<String> = world.list(&PODS).iter().map(name_of).collect();
    assert!(!after.contains(&before[0]) && !after.contains(&before[1]) && after.contains(&before[2]));
    world.pass(20);
    assert_eq!(int(&world.get(&DEPLOYMENTS, "web"), "/status/availableReplicas"), 3);
}

#[test]
fn pods_of_a_node_that_is_deleted_go_and_are_replaced() {
    let mut world = world(&json!([]));
    world.create(&DEPLOYMENTS, deployment(3, "app:1"));
    world.pass(20);
    world.delete(&NODES, "node-1");
    world.pass(30);
    assert_eq!(on(&world, "node-1").len(), 1);
    world.pass(30);
    assert_eq!(on(&world, "node-1").len(), 0);
    assert_eq!(int(&world.get(&DEPLOYMENTS, "web"), "/status/availableReplicas"), 3);
}

#[test]
fn a_lost_node_that_is_declared_out_of_service_lets_its_pods_go() {
    let mut world = world(&json!([{"at": "60s", "node": "node-1"}]));
    world.create(&DEPLOYMENTS, deployment(3, "app:1"));
    world.pass(10 * 60);
    assert_eq!(on(&world, "node-1").len(), 1);
    world.change(&NODES, "node-1", |node| {
        let mut taints = list(node, "/spec/taints").to_vec();
        taints.push(json!({"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute"}));
        node["spec"]["taints"] = taints.into();
    });
    world.pass(5);
    assert_eq!(on(&world, "node-1").len(), 0);
}
