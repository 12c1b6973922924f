//! StatefulSets.

use serde_json::{Value, json};

use super::deployment::containers_and_images;
use super::pod_spec::{default_template, fill, items};
use super::{Column, Kind, NameRule, Resource, age};
use crate::status::Invalid;

pub(super) struct StatefulSet;

impl Kind for StatefulSet {
    fn resource(&self) -> Resource {
        Resource::namespaced("apps", "v1", "statefulsets", "StatefulSet")
            .short("sts")
            .category("all")
            .status()
            .scale()
    }

    fn name_rule(&self) -> NameRule {
        NameRule::Label
    }

    fn warnings(&self, old: Option<&Value>, new: &Value) -> Vec<String> {
        if old.is_some_and(|old| old["spec"] == new["spec"]) {
            return Vec::new();
        }
        let mut out = super::rules::pod_warnings(&new["spec"]["template"], "spec.template");
        for (index, claim) in new["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten().enumerate()
        {
            let path = format!("spec.volumeClaimTemplates[{index}]");
            out.extend(super::rules::claim_warnings(&claim["spec"], &path));
        }
        if new["spec"]["revisionHistoryLimit"].as_i64().is_some_and(|limit| limit < 0) {
            out.push(
                "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended"
                    .to_owned(),
            );
        }
        out
    }

    fn validate_create(&self, object: &Value) -> Vec<Invalid> {
        super::rules::validate_stateful_set(object)
    }

    fn validate_update(&self, old: &Value, new: &Value) -> Vec<Invalid> {
        super::rules::validate_stateful_set_update(old, new)
    }

    fn validate_status(&self, _old: &Value, new: &Value) -> Vec<Invalid> {
        let counters = &[
            "observedGeneration",
            "replicas",
            "readyReplicas",
            "currentReplicas",
            "updatedReplicas",
            "availableReplicas",
        ];
        super::rules::validate_counters(
            &new["status"],
            counters,
            &["readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"],
        )
    }

    fn default(&self, object: &mut Value) {
        let spec = &mut object["spec"];
        fill(spec, "podManagementPolicy", "OrderedReady");
        fill(spec, "replicas", 1);
        fill(spec, "revisionHistoryLimit", 10);
        fill(spec, "updateStrategy", json!({}));
        fill(&mut spec["updateStrategy"], "type", "RollingUpdate");
        if spec["updateStrategy"]["type"] == "RollingUpdate" {
            fill(&mut spec["updateStrategy"], "rollingUpdate", json!({}));
            fill(&mut spec["updateStrategy"]["rollingUpdate"], "partition", 0);
        }
        fill(spec, "persistentVolumeClaimRetentionPolicy", json!({}));
        for when in ["whenDeleted", "whenScaled"] {
            fill(&mut spec["persistentVolumeClaimRetentionPolicy"], when, "Retain");
        }
        default_template(&mut spec["template"]);
        for claim in items(spec, "volumeClaimTemplates") {
            claim["apiVersion"] = "v1".into();
            claim["kind"] = "PersistentVolumeClaim".into();
            super::claim::default_claim(claim);
        }
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn columns(&self) -> Vec<Column> {
        vec![
            Column::name(),
            Column::new("Ready", "string", 0, "Number of the pod with ready state"),
            Column::age(),
            Column::new("Containers", "string", 1, "Names of each container in the template."),
            Column::new("Images", "string", 1, "Images referenced by each container in the template."),
        ]
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        let (spec, status) = (&object["spec"], &object["status"]);
        let number = |value: &Value| value.as_i64().unwrap_or(0);
        let (containers, images) = containers_and_images(&spec["template"]["spec"]);
        vec![
            object["metadata"]["name"].clone(),
            format!("{}/{}", number(&status["readyReplicas"]), number(&spec["replicas"])).into(),
            age(object, now),
            containers,
            images,
        ]
    }
}
