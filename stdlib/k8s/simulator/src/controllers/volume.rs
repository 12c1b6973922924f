//! Claims get their volumes: one is made for each claim whose class has a provisioner, and bound to it at once.
//! What a volume holds is not simulated.

use serde_json::json;

use super::Controller;
use super::object::{CLAIMS, VOLUMES, is_going, name, text_at, uid};
use crate::cluster::Cluster;
use crate::context::Cx;
use crate::kinds::Subresource;
use crate::status::Result;
use crate::store::{Change, GroupResource, ObjectKey};

/// Provisioner and binder in one.
pub(crate) struct Volumes;

const CLASSES: GroupResource = GroupResource::new("storage.k8s.io", "storageclasses");

impl Controller for Volumes {
    fn name(&self) -> &'static str {
        "persistentvolume-controller"
    }

    fn watches(&self) -> &'static [GroupResource] {
        const { &[CLAIMS, CLASSES] }
    }

    fn keys(&self, cluster: &Cluster, change: &Change) -> Vec<ObjectKey> {
        if change.key.resource == CLAIMS {
            return vec![change.key.clone()];
        }
        // A class that has come may be what claims have waited for.
        let claims = cluster.store.list(&CLAIMS, None);
        claims
            .map(|claim| ObjectKey::new(&CLAIMS, text_at(claim, "/metadata/namespace"), name(claim)))
            .collect()
    }

    fn reconcile(&mut self, cx: &mut Cx<'_>, key: &ObjectKey) -> Result<()> {
        let Some(claim) = cx.at(key).filter(|claim| !is_going(claim)) else { return Ok(()) };
        if text_at(&claim, "/status/phase") == "Bound" {
            return Ok(());
        }
        let class = text_at(&claim, "/spec/storageClassName");
        let Some(class) = cx.get(&CLASSES, "", class) else { return Ok(()) };
        let volume = format!("pvc-{}", uid(&claim));
        let size = claim.pointer("/spec/resources/requests/storage").cloned().unwrap_or_default();
        let modes = claim.pointer("/spec/accessModes").cloned().unwrap_or_default();
        if cx.get(&VOLUMES, "", &volume).is_none() {
            let made = json!({
                "metadata": {
                    "name": volume,
                    "annotations": { "pv.kubernetes.io/provisioned-by": class["provisioner"] },
                },
                "spec": {
                    "accessModes": modes,
                    "capacity": { "storage": size },
                    "claimRef": {
                        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                        "namespace": key.namespace, "name": key.name, "uid": uid(&claim),
                    },
                    "persistentVolumeReclaimPolicy": class.get("reclaimPolicy").cloned().unwrap_or_else(|| "Delete".into()),
                    "storageClassName": name(&class),
                    "csi": { "driver": class["provisioner"], "volumeHandle": volume },
                },
            });
            cx.create(&VOLUMES, made)?;
            let at = ObjectKey::new(&VOLUMES, "", &volume);
            cx.modify(&at, Some(Subresource::Status), |volume| {
                volume["status"] = json!({ "phase": "Bound" });
            })?;
        }
        cx.modify(key, None, |claim| {
            claim["spec"]["volumeName"] = volume.clone().into();
            claim["metadata"]["annotations"]["pv.kubernetes.io/bind-completed"] = "yes".into();
            claim["metadata"]["annotations"]["pv.kubernetes.io/bound-by-controller"] = "yes".into();
        })?;
        cx.modify(key, Some(Subresource::Status), |claim| {
            claim["status"] =
                json!({ "phase": "Bound", "accessModes": modes, "capacity": { "storage": size } });
        })?;
        Ok(())
    }
}
