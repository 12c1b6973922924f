//! Claims get their volumes: one that is there and fits, or one made by the claim's class; both go when nobody needs them.
//! What a volume holds is not simulated, and making one takes no time.

use std::sync::Arc;

use opsrun_k8s_schema::Quantity;
use serde_json::{Value, json};

use super::Controller;
use super::events::Recorder;
use super::object::{
    CLAIMS, PODS, VOLUMES, created, flag, is_going, key_of, list, name, namespace, pod, selects, text_at, uid,
};
use super::owned::drop_finalizer;
use crate::cluster::Cluster;
use crate::context::{Cx, text};
use crate::kinds::Subresource;
use crate::status::{Result, Status};
use crate::store::{Change, GroupResource, ObjectKey};
use crate::write::DeleteOptions;

/// Binder, provisioner and the two protections in one.
#[derive(Clone)]
pub(crate) struct Volumes;

pub(crate) const CLASSES: GroupResource = GroupResource::new("storage.k8s.io", "storageclasses");
const RECORDER: Recorder<'static> = Recorder { component: "persistentvolume-controller", host: "" };
const CLAIM_IN_USE: &str = "kubernetes.io/pvc-protection";
const VOLUME_IN_USE: &str = "kubernetes.io/pv-protection";
const BY_CONTROLLER: &str = "pv.kubernetes.io/bound-by-controller";
const COMPLETED: &str = "pv.kubernetes.io/bind-completed";
const PROVISIONED: &str = "pv.kubernetes.io/provisioned-by";
/// Such a class makes no volumes.
pub(crate) const NO_PROVISIONER: &str = "kubernetes.io/no-provisioner";

impl Controller for Volumes {
    fn name(&self) -> &'static str {
        "persistentvolume-controller"
    }

    fn watches(&self) -> &'static [GroupResource] {
        const { &[CLAIMS, VOLUMES, CLASSES, PODS] }
    }

    fn keys(&self, cluster: &Cluster, change: &Change) -> Vec<ObjectKey> {
        let object = change.object();
        let unbound = || {
            let claims = cluster.store.list(&CLAIMS, None);
            claims.filter(|claim| !is_bound(claim)).map(|claim| key_of(&CLAIMS, claim)).collect()
        };
        if change.key.resource == CLASSES {
            return unbound();
        }
        if change.key.resource == PODS {
            return claims_of(object).map(|name| ObjectKey::new(&CLAIMS, namespace(object), name)).collect();
        }
        let mut keys = vec![change.key.clone()];
        if change.key.resource == VOLUMES {
            // A volume that has come may be what claims have waited for; one that is gone is lost to its claim.
            let claim = &object["spec"]["claimRef"];
            keys.push(ObjectKey::new(&CLAIMS, text(&claim["namespace"]), text(&claim["name"])));
            keys.extend(if claim.is_null() { unbound() } else { Vec::new() });
        } else if change.new.is_none() {
            keys.push(ObjectKey::new(&VOLUMES, "", text_at(object, "/spec/volumeName")));
        }
        keys
    }

    fn reconcile(&mut self, cx: &mut Cx<'_>, key: &ObjectKey) -> Result<()> {
        let Some(object) = cx.at(key) else { return Ok(()) };
        if key.resource == VOLUMES { follow_claim(cx, key, &object) } else { serve(cx, key, &object) }
    }
}

/// The claims that a pod uses by name.
fn claims_of(pod: &Value) -> impl Iterator<Item = &str> {
    let volumes = list(pod, "/spec/volumes").iter();
    volumes.filter_map(|volume| volume["persistentVolumeClaim"]["claimName"].as_str())
}

fn is_bound(claim: &Value) -> bool {
    text_at(claim, "/status/phase") == "Bound"
}

fn pods_with(cx: &Cx<'_>, claim: &ObjectKey) -> Vec<Arc<Value>> {
    let pods = cx.list(&PODS, Some(&claim.namespace)).into_iter();
    pods.filter(|pod| claims_of(pod).any(|name| name == claim.name)).collect()
}

fn serve(cx: &mut Cx<'_>, key: &ObjectKey, claim: &Value) -> Result<()> {
    if is_going(claim) {
        // A pod that has a node holds its claims, even when it has ended.
        let held = pods_with(cx, key).iter().any(|pod| !pod::node(pod).is_empty());
        return if held { Ok(()) } else { drop_finalizer(cx, key, CLAIM_IN_USE) };
    }
    if is_bound(claim) {
        return keep_up(cx, key, claim);
    }
    if let Some(volume) = fitting(cx, claim) {
        return bind(cx, key, claim, &volume);
    }
    let class = text_at(claim, "/spec/storageClassName");
    if !text_at(claim, "/spec/volumeName").is_empty() {
        return Ok(());
    }
    let Some(class) = cx.get(&CLASSES, "", class) else {
        if class.is_empty() {
            let message = "no persistent volumes available for this claim and no storage class is set";
            RECORDER.normal(cx, claim, "FailedBinding", message);
        }
        return Ok(());
    };
    let waits = class["volumeBindingMode"] == "WaitForFirstConsumer";
    if waits && !pods_with(cx, key).iter().any(|pod| pod::is_active(pod)) {
        let message = "waiting for first consumer to be created before binding";
        RECORDER.normal(cx, claim, "WaitForFirstConsumer", message);
        return Ok(());
    }
    if class["provisioner"] == NO_PROVISIONER {
        return Ok(());
    }
    let volume = provision(cx, claim, &class)?;
    let recorder = Recorder { component: text(&class["provisioner"]), host: "" };
    let message = format!("Successfully provisioned volume {}", name(&volume));
    recorder.normal(cx, claim, "ProvisioningSucceeded", &message);
    bind(cx, key, claim, &volume)
}

/// The smallest free volume that satisfies a claim, or the one that it names or that names it.
fn fitting(cx: &Cx<'_>, claim: &Value) -> Option<Arc<Value>> {
    let spec = &claim["spec"];
    let named = text(&spec["volumeName"]);
    let reserved = |volume: &Value| {
        let owner = &volume["spec"]["claimRef"];
        let known = owner["uid"].as_str().is_none_or(|id| id.is_empty() || id == uid(claim));
        owner["namespace"] == namespace(claim) && owner["name"] == name(claim) && known
    };
    let satisfies = |volume: &Value| {
        let offered = &volume["spec"];
        text(&offered["storageClassName"]) == text(&spec["storageClassName"])
            && size(&offered["capacity"]) >= size(&spec["resources"]["requests"])
            && list(spec, "/accessModes").iter().all(|mode| list(offered, "/accessModes").contains(mode))
            && offered["volumeMode"] == spec["volumeMode"]
            && (spec["selector"].is_null() || selects(&spec["selector"], &volume["metadata"]["labels"]))
    };
    let volumes = cx.list(&VOLUMES, None).into_iter().filter(|volume| !is_going(volume));
    let free = volumes.filter(|volume| match volume["spec"]["claimRef"].is_null() {
        false => reserved(volume),
        true if named.is_empty() => satisfies(volume),
        true => name(volume) == named,
    });
    free.min_by_key(|volume| (!reserved(volume), size(&volume["spec"]["capacity"]), name(volume).to_owned()))
}

/// The amount of storage in a list of resources.
fn size(resources: &Value) -> Quantity {
    text(&resources["storage"]).parse().unwrap_or(Quantity::ZERO)
}

fn reference(claim: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": namespace(claim), "name": name(claim),
        "uid": uid(claim), "resourceVersion": claim["metadata"]["resourceVersion"],
    })
}

fn provision(cx: &mut Cx<'_>, claim: &Value, class: &Value) -> Result<Arc<Value>> {
    let volume = format!("pvc-{}", uid(claim));
    if let Some(made) = cx.get(&VOLUMES, "", &volume) {
        return Ok(made);
    }
    let spec = &claim["spec"];
    let reclaim = class.get("reclaimPolicy").cloned().unwrap_or_else(|| "Delete".into());
    let made = json!({
        "metadata": {"name": volume, "annotations": {PROVISIONED: class["provisioner"]}},
        "spec": {
            "accessModes": spec["accessModes"], "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "claimRef": reference(claim), "persistentVolumeReclaimPolicy": reclaim,
            "storageClassName": name(class), "volumeMode": spec["volumeMode"],
            "csi": {"driver": class["provisioner"], "volumeHandle": volume},
        },
    });
    cx.create(&VOLUMES, made)
}

fn bind(cx: &mut Cx<'_>, key: &ObjectKey, claim: &Value, volume: &Value) -> Result<()> {
    let at = key_of(&VOLUMES, volume);
    if volume["spec"]["claimRef"]["uid"] != claim["metadata"]["uid"] {
        cx.modify(&at, None, |volume| {
            volume["spec"]["claimRef"] = reference(claim);
            volume["metadata"]["annotations"][BY_CONTROLLER] = "yes".into();
        })?;
    }
    set_phase(cx, &at, "Bound")?;
    let chosen = text_at(claim, "/spec/volumeName").is_empty();
    cx.modify(key, None, |claim| {
        claim["spec"]["volumeName"] = name(volume).into();
        claim["metadata"]["annotations"][COMPLETED] = "yes".into();
        if chosen {
            claim["metadata"]["annotations"][BY_CONTROLLER] = "yes".into();
        }
    })?;
    let (modes, capacity) = (volume["spec"]["accessModes"].clone(), volume["spec"]["capacity"].clone());
    cx.modify(key, Some(Subresource::Status), |claim| {
        claim["status"] = json!({"phase": "Bound", "accessModes": modes, "capacity": capacity});
    })
    .map(drop)
}

/// A bound claim grows with its request, and is lost with its volume.
fn keep_up(cx: &mut Cx<'_>, key: &ObjectKey, claim: &Value) -> Result<()> {
    let at = ObjectKey::new(&VOLUMES, "", text_at(claim, "/spec/volumeName"));
    let Some(volume) = cx.at(&at) else {
        RECORDER.warning(
            cx,
            claim,
            "ClaimLost",
            "Bound claim has lost its PersistentVolume. Data on the volume is lost!",
        );
        return cx
            .modify(key, Some(Subresource::Status), |claim| claim["status"] = json!({"phase": "Lost"}))
            .map(drop);
    };
    let wanted = claim["spec"]["resources"]["requests"]["storage"].clone();
    let class = cx.get(&CLASSES, "", text_at(claim, "/spec/storageClassName"));
    let grows = class.is_some_and(|class| flag(&class, "/allowVolumeExpansion"));
    if !grows || size(&claim["spec"]["resources"]["requests"]) <= size(&volume["spec"]["capacity"]) {
        return Ok(());
    }
    cx.modify(&at, None, |volume| volume["spec"]["capacity"]["storage"] = wanted.clone())?;
    cx.modify(key, Some(Subresource::Status), |claim| claim["status"]["capacity"]["storage"] = wanted)?;
    let recorder = Recorder { component: "kubelet", host: "" };
    let message = "MountVolume.NodeExpandVolume succeeded for volume ";
    recorder.normal(cx, claim, "FileSystemResizeSuccessful", &format!("{message}\"{}\"", name(&volume)));
    Ok(())
}

/// A volume is free, bound, or left behind by a claim that is gone: then it goes too, or waits for its fate.
fn follow_claim(cx: &mut Cx<'_>, key: &ObjectKey, volume: &Value) -> Result<()> {
    let owner = &volume["spec"]["claimRef"];
    let claim = cx.get(&CLAIMS, text(&owner["namespace"]), text(&owner["name"]));
    let known = text(&owner["uid"]);
    let phase = match claim {
        _ if known.is_empty() => "Available",
        Some(claim) if uid(&claim) == known => "Bound",
        _ => "Released",
    };
    set_phase(cx, key, phase)?;
    if is_going(volume) {
        return if phase == "Bound" { Ok(()) } else { drop_finalizer(cx, key, VOLUME_IN_USE) };
    }
    let made = volume["metadata"]["annotations"].get(PROVISIONED).is_some();
    if phase == "Released" && made && volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete" {
        return match cx.delete(key, &DeleteOptions::default()) {
            Ok(()) | Err(Status { code: 404, .. }) => Ok(()),
            Err(status) => Err(status),
        };
    }
    Ok(())
}

fn set_phase(cx: &mut Cx<'_>, volume: &ObjectKey, phase: &str) -> Result<()> {
    let known = cx.at(volume).is_some_and(|volume| text_at(&volume, "/status/phase") == phase);
    if known {
        return Ok(());
    }
    let now = cx.timestamp();
    cx.modify(volume, Some(Subresource::Status), |volume| {
        volume["status"] = json!({"phase": phase, "lastPhaseTransitionTime": now});
    })
    .map(drop)
}

/// The class of claims that name none: of several marked as default the newest.
pub(crate) fn default_class(cx: &Cx<'_>) -> Option<String> {
    const MARK: &str = "storageclass.kubernetes.io/is-default-class";
    let classes = cx.list(&CLASSES, None).into_iter();
    let marked = classes.filter(|class| super::object::annotation(class, MARK) == Some("true"));
    marked
        .max_by_key(|class| (created(class), std::cmp::Reverse(name(class).to_owned())))
        .map(|class| name(&class).to_owned())
}
