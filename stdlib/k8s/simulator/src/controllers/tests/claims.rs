use serde_json::{Value, json};

use super::World;
use super::world::{name_of, template};
use crate::controllers::object::{
    CLAIMS, LIMITS, NAMESPACES, PODS, STATEFUL_SETS, VOLUMES, is_going, text_at,
};
use crate::controllers::volume::CLASSES;

fn claim(more: &Value) -> Value {
    let mut spec = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
    for (key, value) in more.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    json!({"metadata": {"name": "data"}, "spec": spec})
}

fn pod_with_claim() -> Value {
    let mut pod = template("app:1", &json!({}));
    pod["metadata"]["name"] = "p".into();
    pod["spec"]["volumes"] = json!([{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]);
    pod
}

fn phase(world: &World) -> String {
    text_at(&world.get(&CLAIMS, "data"), "/status/phase").to_owned()
}

fn volumes(world: &World) -> Vec<Value> {
    world.cluster.store.list(&VOLUMES, None).map(|volume| (**volume).clone()).collect()
}

#[test]
fn a_claim_that_names_no_class_gets_a_volume_of_the_default_class() {
    let mut world = World::new();
    world.create(&CLAIMS, claim(&json!({})));
    world.pass(1);
    assert_eq!(phase(&world), "Bound");
    assert_eq!(text_at(&world.get(&CLAIMS, "data"), "/spec/storageClassName"), "standard");
    assert_eq!(text_at(&volumes(&world)[0], "/status/phase"), "Bound");
}

#[test]
fn without_a_provisioner_a_claim_waits_for_a_volume_that_fits() {
    let mut world = World::with(json!({"storage_class": null}));
    world.create(&CLAIMS, claim(&json!({})));
    world.pass(1);
    assert_eq!(phase(&world), "Pending");
    for (name, size) in [("small", "500Mi"), ("large", "5Gi"), ("right", "2Gi")] {
        let spec = json!({
            "capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/data"},
        });
        let volume = json!({"metadata": {"name": name}, "spec": spec});
        world.cx(|cx| cx.create(&VOLUMES, volume)).expect("a volume");
        world.pass(1);
        let wanted = if name == "small" { "Pending" } else { "Bound" };
        assert_eq!(phase(&world), wanted, "{name}");
    }
    assert_eq!(text_at(&world.get(&CLAIMS, "data"), "/spec/volumeName"), "large");
    let phases: Vec<Value> = volumes(&world).iter().map(|volume| volume["status"]["phase"].clone()).collect();
    assert_eq!(phases, ["Bound", "Available", "Available"]);
}

#[test]
fn a_class_may_wait_for_the_first_pod() {
    let mut world = World::new();
    let class = json!({
        "metadata": {"name": "late"}, "provisioner": "example.com/disk", "volumeBindingMode": "WaitForFirstConsumer",
    });
    world.cx(|cx| cx.create(&CLASSES, class)).expect("a class");
    world.create(&CLAIMS, claim(&json!({"storageClassName": "late"})));
    world.pass(5);
    assert_eq!(phase(&world), "Pending");
    world.create(&PODS, pod_with_claim());
    world.pass(5);
    assert_eq!(
        (phase(&world), world.pods("/status/phase")),
        ("Bound".to_owned(), vec!["Running".to_owned()])
    );
}

#[test]
fn a_claim_stays_while_a_pod_uses_it_and_takes_its_volume_with_it() {
    let mut world = World::new();
    world.create(&CLAIMS, claim(&json!({})));
    world.create(&PODS, pod_with_claim());
    world.pass(10);
    world.delete(&CLAIMS, "data");
    world.pass(60);
    assert!(is_going(&world.get(&CLAIMS, "data")));
    world.delete(&PODS, "p");
    world.pass(60);
    assert_eq!((world.get(&CLAIMS, "data"), volumes(&world)), (Value::Null, Vec::new()));
}

#[test]
fn a_namespace_with_claims_ends() {
    let mut world = World::new();
    world.create(&CLAIMS, claim(&json!({})));
    world.create(&PODS, pod_with_claim());
    world.pass(10);
    world.delete(&NAMESPACES, super::world::SPACE);
    world.pass(60);
    assert_eq!(world.get(&NAMESPACES, super::world::SPACE), Value::Null);
}

#[test]
fn a_claim_grows_only_if_its_class_lets_it() {
    let mut world = World::new();
    world.create(&CLAIMS, claim(&json!({})));
    world.pass(1);
    let grow = |world: &mut World| {
        world.try_change(&CLAIMS, "data", |claim| {
            claim["spec"]["resources"]["requests"]["storage"] = "2Gi".into();
        })
    };
    let refused = grow(&mut world).expect_err("refused");
    assert!(refused.code == 403 && refused.message.contains("must support resize"), "{refused}");
    world.change(&CLASSES, "standard", |class| class["allowVolumeExpansion"] = true.into());
    grow(&mut world).expect("grown");
    world.pass(1);
    assert_eq!(text_at(&world.get(&CLAIMS, "data"), "/status/capacity/storage"), "2Gi");
}

#[test]
fn what_a_claim_cannot_mean_is_refused_with_its_field() {
    let mut world = World::new();
    for (more, wanted) in [
        (json!({"accessModes": []}), "spec.accessModes: Required value: at least 1 access mode is required"),
        (json!({"accessModes": ["ReadSometimes"]}), "spec.accessModes: Unsupported value: \"ReadSometimes\""),
        (json!({"resources": {}}), "spec.resources[storage]: Required value"),
        (json!({"volumeMode": "Tape"}), "spec.volumeMode: Unsupported value: \"Tape\""),
    ] {
        let refused = world.try_create(&CLAIMS, claim(&more)).expect_err(wanted);
        assert!(refused.code == 422 && refused.message.contains(wanted), "{refused}");
    }
    world.create(&CLAIMS, claim(&json!({})));
    world.pass(1);
    let refused =
        world.try_change(&CLAIMS, "data", |claim| claim["spec"]["accessModes"] = json!(["ReadWriteMany"]));
    let refused = refused.expect_err("refused");
    assert!(refused.message.contains("spec is immutable after creation"), "{refused}");
}

#[test]
fn claims_of_a_stateful_set_go_with_its_pods_if_it_says_so() {
    for (policy, left) in [
        (json!({"whenScaled": "Retain", "whenDeleted": "Retain"}), [2, 2]),
        (json!({"whenScaled": "Delete", "whenDeleted": "Retain"}), [1, 1]),
        (json!({"whenScaled": "Delete", "whenDeleted": "Delete"}), [1, 0]),
    ] {
        let mut world = World::new();
        let spec = json!({
            "replicas": 2, "serviceName": "db", "selector": {"matchLabels": {"app": "web"}},
            "template": template("app:1", &json!({})), "volumeClaimTemplates": [claim(&json!({}))],
            "persistentVolumeClaimRetentionPolicy": policy,
        });
        world.create(&STATEFUL_SETS, json!({"metadata": {"name": "db"}, "spec": spec}));
        world.pass(30);
        let claims = |world: &World| world.list(&CLAIMS).iter().map(name_of).collect::<Vec<_>>();
        assert_eq!(claims(&world), ["data-db-0", "data-db-1"]);
        world.change(&STATEFUL_SETS, "db", |set| set["spec"]["replicas"] = 1.into());
        world.pass(60);
        assert_eq!(claims(&world).len(), left[0], "{policy}");
        world.delete(&STATEFUL_SETS, "db");
        world.pass(60);
        assert_eq!(claims(&world).len(), left[1], "{policy}");
    }
}

#[test]
fn a_namespace_bounds_what_a_claim_may_ask_for() {
    let mut world = World::new();
    let limit =
        json!({"type": "PersistentVolumeClaim", "min": {"storage": "2Gi"}, "max": {"storage": "4Gi"}});
    world.create(&LIMITS, json!({"metadata": {"name": "l"}, "spec": {"limits": [limit]}}));
    let refused = world.try_create(&CLAIMS, claim(&json!({}))).expect_err("too small");
    let wanted = "persistentvolumeclaims \"data\" is forbidden: minimum storage usage per PersistentVolumeClaim is 2Gi, but \
        request is 1Gi";
    assert_eq!((refused.code, refused.message.as_str()), (403, wanted));
    world.create(&CLAIMS, claim(&json!({"resources": {"requests": {"storage": "3Gi"}}})));
}
