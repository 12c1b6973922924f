use serde_json::{Value, json};

use super::World;
use super::world::deployment;
use crate::controllers::object::{DEPLOYMENTS, PODS, REPLICA_SETS, condition, int, text_at};

fn set_image(world: &mut World, image: &str) {
    world.change(&DEPLOYMENTS, "web", |d| {
        d["spec"]["template"]["spec"]["containers"][0]["image"] = image.into();
    });
}

fn reason(world: &World, kind: &str) -> String {
    let deployment = world.get(&DEPLOYMENTS, "web");
    condition(&deployment, kind).map_or("", |condition| text_at(condition, "/reason")).to_owned()
}

#[test]
fn a_deployment_becomes_available() {
    let mut world = World::new();
    world.create(&DEPLOYMENTS, deployment(2, "app:1"));
    world.pass(1);
    assert_eq!(reason(&world, "Available"), "MinimumReplicasUnavailable");
    world.pass(20);
    assert_eq!(world.pods("/status/phase"), ["Running", "Running"]);
    assert_eq!(reason(&world, "Available"), "MinimumReplicasAvailable");
    assert_eq!(reason(&world, "Progressing"), "NewReplicaSetAvailable");
    let status = world.get(&DEPLOYMENTS, "web")["status"].clone();
    assert_eq!((int(&status, "/availableReplicas"), int(&status, "/updatedReplicas")), (2, 2));
    assert_eq!(status.get("unavailableReplicas"), None);
}

#[test]
fn a_rollout_replaces_every_pod_and_keeps_the_old_set_for_the_way_back() {
    let mut world = World::new();
    world.create(&DEPLOYMENTS, deployment(4, "app:1"));
    world.pass(20);
    set_image(&mut world, "app:2");
    world.pass(60);
    assert_eq!(world.pods("/spec/containers/0/image"), ["app:2"; 4]);
    let sizes: Vec<i64> = world.list(&REPLICA_SETS).iter().map(|set| int(set, "/spec/replicas")).collect();
    assert_eq!(sizes.iter().sum::<i64>(), 4);
    assert_eq!(sizes.len(), 2);
    set_image(&mut world, "app:1");
    world.pass(60);
    assert_eq!(world.list(&REPLICA_SETS).len(), 2, "the old set is used again");
    let deployment = world.get(&DEPLOYMENTS, "web");
    assert_eq!(deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "3");
}

#[test]
fn a_rollout_to_an_image_that_cannot_be_pulled_keeps_the_old_pods() {
    let mut world = World::with(json!({"images": [{"match": "app:bad", "pull_error": "manifest unknown"}]}));
    world.create(&DEPLOYMENTS, deployment(2, "app:1"));
    world.pass(20);
    set_image(&mut world, "app:bad");
    world.pass(590);
    let mut images = world.pods("/spec/containers/0/image");
    images.sort();
    assert_eq!(images, ["app:1", "app:1", "app:bad"]);
    assert_eq!(reason(&world, "Progressing"), "ReplicaSetUpdated");
    let waiting: Vec<Value> = world
        .list(&PODS)
        .iter()
        .map(|pod| pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"].clone())
        .filter(|reason| !reason.is_null())
        .collect();
    assert_eq!(waiting, ["ImagePullBackOff"]);
    world.pass(30);
    assert_eq!(reason(&world, "Progressing"), "ProgressDeadlineExceeded");
    assert_eq!(reason(&world, "Available"), "MinimumReplicasAvailable");
}

#[test]
fn recreate_stops_all_old_pods_first() {
    let mut world = World::new();
    let mut wanted = deployment(2, "app:1");
    wanted["spec"]["strategy"] = json!({"type": "Recreate"});
    world.create(&DEPLOYMENTS, wanted);
    world.pass(20);
    set_image(&mut world, "app:2");
    for _ in 0..200 {
        let until = world.cluster.now() + jiff::SignedDuration::from_millis(100);
        world.cluster.advance(until);
        let mut images: Vec<Value> =
            world.list(&PODS).iter().map(|pod| pod["spec"]["containers"][0]["image"].clone()).collect();
        images.dedup();
        assert!(images.len() < 2, "{images:?}");
    }
    assert_eq!(world.pods("/spec/containers/0/image"), ["app:2"; 2]);
}

#[test]
fn a_paused_deployment_scales_but_does_not_roll() {
    let mut world = World::new();
    world.create(&DEPLOYMENTS, deployment(1, "app:1"));
    world.pass(20);
    world.change(&DEPLOYMENTS, "web", |d| {
        d["spec"]["paused"] = true.into();
        d["spec"]["replicas"] = 3.into();
        d["spec"]["template"]["spec"]["containers"][0]["image"] = "app:2".into();
    });
    world.pass(20);
    assert_eq!(world.pods("/spec/containers/0/image"), ["app:1"; 3]);
    assert_eq!(reason(&world, "Progressing"), "DeploymentPaused");
}

#[test]
fn events_tell_the_story() {
    let mut world = World::new();
    world.create(&DEPLOYMENTS, deployment(1, "app:1"));
    world.pass(20);
    let set = text_at(&world.list(&REPLICA_SETS)[0], "/metadata/name").to_owned();
    let pod = world.pods("/metadata/name")[0].clone();
    assert_eq!(
        world.events("Deployment"),
        [format!("ScalingReplicaSet Scaled up replica set {set} from 0 to 1")]
    );
    assert_eq!(world.events("ReplicaSet"), [format!("SuccessfulCreate Created pod: {pod}")]);
    let of_pod: Vec<String> =
        world.events("Pod").iter().map(|e| e.split(' ').next().unwrap_or("").to_owned()).collect();
    assert_eq!(of_pod, ["Scheduled", "Pulling", "Pulled", "Created", "Started", "Unhealthy", "Unhealthy"]);
}
