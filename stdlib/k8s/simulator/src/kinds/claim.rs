//! Volumes and claims to them.

use opsrun_k8s_schema::Quantity;
use serde_json::{Value, json};

use super::pod_spec::fill;
use super::{Column, Kind, Resource, age};
use crate::context::{Cx, text};
use crate::controllers::volume::{CLASSES, default_class};
use crate::status::{Invalid, Result, Status};

pub(super) struct Claim;

/// Defaults of a claim, also of one in a StatefulSet.
pub(super) fn default_claim(claim: &mut Value) {
    fill(claim, "status", json!({}));
    fill(&mut claim["status"], "phase", "Pending");
    if claim["spec"].is_object() {
        fill(&mut claim["spec"], "volumeMode", "Filesystem");
    }
}

impl Kind for Claim {
    fn resource(&self) -> Resource {
        Resource::namespaced("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
            .short("pvc")
            .status()
    }

    fn default(&self, object: &mut Value) {
        default_claim(object);
    }

    fn prepare_create(&self, _cx: &mut Cx<'_>, object: &mut Value) -> Result<()> {
        object["status"] = json!({"phase": "Pending"});
        let protection = Value::from("kubernetes.io/pvc-protection");
        let finalizers = &mut object["metadata"]["finalizers"];
        match finalizers.as_array_mut() {
            Some(list) if list.contains(&protection) => {}
            Some(list) => list.push(protection),
            None => *finalizers = json!([protection]),
        }
        Ok(())
    }

    /// `DefaultStorageClass`: a claim that names no class, not even an empty one, gets the default one. `LimitRanger`.
    fn admit_create(&self, cx: &mut Cx<'_>, object: &mut Value) -> Result<()> {
        if object["spec"].is_object()
            && object["spec"].get("storageClassName").is_none()
            && let Some(class) = default_class(cx)
        {
            object["spec"]["storageClassName"] = class.into();
        }
        super::limits::check_claim(cx, object)
    }

    /// `PersistentVolumeClaimResize`: a bound claim grows only if its class lets it.
    fn admit_update(&self, cx: &mut Cx<'_>, old: &Value, new: &mut Value) -> Result<()> {
        let size = |claim: &Value| {
            text(&claim["spec"]["resources"]["requests"]["storage"]).parse().unwrap_or(Quantity::ZERO)
        };
        if size(new) <= size(old) {
            return Ok(());
        }
        let name = text(&new["metadata"]["name"]);
        if old["status"]["phase"] != "Bound" {
            let why = "only bound persistent volume claims can be expanded";
            return Err(Status::forbidden("", "persistentvolumeclaims", name, why));
        }
        let class = cx.get(&CLASSES, "", text(&old["spec"]["storageClassName"]));
        if class.is_some_and(|class| class["allowVolumeExpansion"] == true) {
            return Ok(());
        }
        let why = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must \
            support resize";
        Err(Status::forbidden("", "persistentvolumeclaims", name, why))
    }

    fn warnings(&self, _old: Option<&Value>, new: &Value) -> Vec<String> {
        super::rules::claim_warnings(&new["spec"], "spec")
    }

    fn validate_create(&self, object: &Value) -> Vec<Invalid> {
        super::rules::validate_claim(object)
    }

    fn validate_update(&self, old: &Value, new: &Value) -> Vec<Invalid> {
        super::rules::validate_claim_update(old, new)
    }

    fn deletion_answers_object(&self) -> bool {
        true
    }

    fn columns(&self) -> Vec<Column> {
        vec![
            Column::name(),
            Column::new(
                "Status",
                "string",
                0,
                "phase represents the current phase of PersistentVolumeClaim.",
            ),
            Column::new(
                "Volume",
                "string",
                0,
                "volumeName is the binding reference to the PersistentVolume backing this claim.",
            ),
            Column::new(
                "Capacity",
                "string",
                0,
                "capacity represents the actual resources of the underlying volume.",
            ),
            Column::new(
                "Access Modes",
                "string",
                0,
                "accessModes contains the actual access modes the volume backing the PVC has. More info: https://kubernetes.io/docs/concepts/storage/persistent-volumes#access-modes-1",
            ),
            Column::new("StorageClass", "string", 0, "StorageClass of the pvc"),
            Column::new("VolumeAttributesClass", "string", 0, "VolumeAttributesClass of the pvc"),
            Column::age(),
            Column::new(
                "VolumeMode",
                "string",
                1,
                "volumeMode defines what type of volume is required by the claim. Value of Filesystem is implied when not included in claim spec.",
            ),
        ]
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        let (spec, status) = (&object["spec"], &object["status"]);
        let phase = if crate::meta::is_deleting(object) { "Terminating" } else { text(&status["phase"]) };
        let bound = !text(&spec["volumeName"]).is_empty();
        let modes = if bound { access_modes(&status["accessModes"]) } else { String::new() };
        let capacity = if bound { text(&status["capacity"]["storage"]) } else { "" };
        vec![
            object["metadata"]["name"].clone(),
            phase.into(),
            text(&spec["volumeName"]).into(),
            capacity.into(),
            modes.into(),
            text(&spec["storageClassName"]).into(),
            spec["volumeAttributesClassName"].as_str().unwrap_or("<unset>").into(),
            age(object, now),
            spec["volumeMode"].as_str().unwrap_or("<unset>").into(),
        ]
    }
}

/// `RWO,RWX`: access modes in their short form.
pub(super) fn access_modes(modes: &Value) -> String {
    let short = |mode: &Value| match text(mode) {
        "ReadWriteOnce" => "RWO",
        "ReadOnlyMany" => "ROX",
        "ReadWriteMany" => "RWX",
        "ReadWriteOncePod" => "RWOP",
        _ => "",
    };
    modes.as_array().into_iter().flatten().map(short).collect::<Vec<_>>().join(",")
}

pub(super) struct Volume;

impl Kind for Volume {
    fn resource(&self) -> Resource {
        Resource::cluster("", "v1", "persistentvolumes", "PersistentVolume").short("pv").status()
    }

    fn default(&self, object: &mut Value) {
        fill(&mut object["spec"], "persistentVolumeReclaimPolicy", "Retain");
        fill(&mut object["spec"], "volumeMode", "Filesystem");
        if let Some(path) = object["spec"].get_mut("hostPath").filter(|path| path.is_object()) {
            fill(path, "type", "");
        }
        fill(object, "status", json!({}));
        fill(&mut object["status"], "phase", "Pending");
    }

    fn prepare_create(&self, _cx: &mut Cx<'_>, object: &mut Value) -> Result<()> {
        object["status"] = json!({"phase": "Pending"});
        let protection = Value::from("kubernetes.io/pv-protection");
        if !crate::meta::finalizers(object).any(|name| protection == name) {
            match object["metadata"]["finalizers"].as_array_mut() {
                Some(list) => list.push(protection),
                None => object["metadata"]["finalizers"] = json!([protection]),
            }
        }
        Ok(())
    }

    fn deletion_answers_object(&self) -> bool {
        true
    }
}
