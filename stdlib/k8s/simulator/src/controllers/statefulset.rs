//! StatefulSets: pods with names, claims and an order.
//! One pod changes at a time, unless the set is `Parallel`; updates go from the highest number down to the partition.

use std::sync::Arc;

use serde_json::{Value, json};

use super::events::Recorder;
use super::object::{
    CLAIMS, PODS, STATEFUL_SETS, controlled_by, controller_key, int, int_or, is_going, key_of, label, list,
    name, namespace, pod, text_at, uid, without_empty,
};
use super::owned::{claim, from_template};
use super::replicaset::come_back_when_available;
use super::{Controller, revision};
use crate::cluster::Cluster;
use crate::context::{Cx, text};
use crate::kinds::Subresource;
use crate::status::Result;
use crate::store::{Change, GroupResource, ObjectKey};
use crate::write::DeleteOptions;

/// The statefulset controller.
#[derive(Clone)]
pub(crate) struct StatefulSets;

const RECORDER: Recorder<'static> = Recorder { component: "statefulset-controller", host: "" };
const REVISION: &str = "controller-revision-hash";

impl Controller for StatefulSets {
    fn name(&self) -> &'static str {
        "statefulset-controller"
    }

    fn watches(&self) -> &'static [GroupResource] {
        const { &[STATEFUL_SETS, PODS] }
    }

    fn keys(&self, _cluster: &Cluster, change: &Change) -> Vec<ObjectKey> {
        if change.key.resource == STATEFUL_SETS {
            return vec![change.key.clone()];
        }
        controller_key(change.object(), "StatefulSet", &STATEFUL_SETS).into_iter().collect()
    }

    fn reconcile(&mut self, cx: &mut Cx<'_>, key: &ObjectKey) -> Result<()> {
        let Some(set) = cx.at(key) else { return Ok(()) };
        let pods = claim(cx, &set, &set["spec"]["selector"])?;
        if is_going(&set) {
            return Ok(());
        }
        let (update, old) = revision::current(cx, &set, "controller.kubernetes.io/hash")?;
        let update = name(&update).to_owned();
        let current = match text_at(&set, "/status/currentRevision") {
            "" => update.clone(),
            current => current.to_owned(),
        };
        let view = View { set: &set, current: &current, update: &update };
        view.hand_claims_over(cx, &pods)?;
        let moved = view.move_on(cx, &pods);
        let pods = claim(cx, &set, &set["spec"]["selector"])?;
        view.write_status(cx, key, &pods)?;
        moved?;
        come_back_when_available(cx, key, &set, &pods);
        let mut used: Vec<String> =
            pods.iter().filter_map(|pod| label(pod, REVISION)).map(str::to_owned).collect();
        used.extend([current, update]);
        revision::clean_up(cx, &set, &old, &used)
    }
}

struct View<'a> {
    set: &'a Value,
    current: &'a str,
    update: &'a str,
}

impl View<'_> {
    fn replicas(&self) -> i64 {
        int(self.set, "/spec/replicas")
    }

    fn start(&self) -> i64 {
        int(self.set, "/spec/ordinals/start")
    }

    fn partition(&self) -> i64 {
        int(self.set, "/spec/updateStrategy/rollingUpdate/partition")
    }

    fn is_ours(&self, ordinal: i64) -> bool {
        (self.start()..self.start() + self.replicas()).contains(&ordinal)
    }

    /// Claims that are not to outlive their pod or the set belong to it. A pod's belong to it only when it is surplus.
    fn hand_claims_over(&self, cx: &mut Cx<'_>, pods: &[Arc<Value>]) -> Result<()> {
        let policy = &self.set["spec"]["persistentVolumeClaimRetentionPolicy"];
        for pod in pods {
            let surplus = ordinal(pod).is_some_and(|number| !self.is_ours(number));
            let owner = match surplus && policy["whenScaled"] == "Delete" {
                true => Some(controlled_by(pod)),
                false => (policy["whenDeleted"] == "Delete").then(|| controlled_by(self.set)),
            };
            for template in list(self.set, "/spec/volumeClaimTemplates") {
                let key = ObjectKey::new(
                    &CLAIMS,
                    namespace(self.set),
                    &format!("{}-{}", name(template), name(pod)),
                );
                let Some(claim) = cx.at(&key) else { continue };
                let mut wanted: Vec<Value> = list(&claim, "/metadata/ownerReferences").to_vec();
                wanted.retain(|other| ![uid(self.set), uid(pod)].contains(&text(&other["uid"])));
                wanted.extend(owner.clone());
                if wanted != list(&claim, "/metadata/ownerReferences") {
                    cx.modify(&key, None, |claim| claim["metadata"]["ownerReferences"] = wanted.into())?;
                }
            }
        }
        Ok(())
    }

    /// One change, or as many as may be at once.
    fn move_on(&self, cx: &mut Cx<'_>, pods: &[Arc<Value>]) -> Result<()> {
        let ordered = self.set["spec"]["podManagementPolicy"] != "Parallel";
        let min_ready = int(self.set, "/spec/minReadySeconds");
        for number in self.start()..self.start() + self.replicas() {
            let existing = pods.iter().find(|pod| ordinal(pod) == Some(number));
            match existing {
                None => {
                    self.create(cx, number)?;
                    if ordered {
                        return Ok(());
                    }
                }
                Some(pod) if pod::is_finished(pod) && !is_going(pod) => {
                    self.delete(cx, pod)?;
                    if ordered {
                        return Ok(());
                    }
                }
                Some(pod) => {
                    let steady = !is_going(pod) && pod::is_available(pod, min_ready, cx.now());
                    if ordered && !steady {
                        // As the real one, it waits for this pod even if its revision is what keeps it from being ready.
                        return Ok(());
                    }
                }
            }
        }
        let mut surplus: Vec<&Arc<Value>> =
            pods.iter().filter(|pod| ordinal(pod).is_some_and(|number| !self.is_ours(number))).collect();
        surplus.sort_by_key(|pod| std::cmp::Reverse(ordinal(pod)));
        for pod in &surplus {
            if !is_going(pod) {
                self.delete(cx, pod)?;
            }
            if ordered {
                return Ok(());
            }
        }
        self.roll(cx, pods)
    }

    /// The next pod of an old revision goes when all above it are well.
    fn roll(&self, cx: &mut Cx<'_>, pods: &[Arc<Value>]) -> Result<()> {
        if self.set["spec"]["updateStrategy"]["type"] == "OnDelete" {
            return Ok(());
        }
        let min_ready = int(self.set, "/spec/minReadySeconds");
        let first = self.start() + self.partition();
        for number in (first..self.start() + self.replicas()).rev() {
            let Some(pod) = pods.iter().find(|pod| ordinal(pod) == Some(number)) else { return Ok(()) };
            if is_going(pod) {
                return Ok(());
            }
            if label(pod, REVISION) != Some(self.update) {
                return self.delete(cx, pod);
            }
            if !pod::is_available(pod, min_ready, cx.now()) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn create(&self, cx: &mut Cx<'_>, number: i64) -> Result<()> {
        let set = self.set;
        let pod_name = format!("{}-{number}", name(set));
        let of_update = number >= self.start() + self.partition() || self.current == self.update;
        let revision = if of_update { self.update } else { self.current };
        let template =
            if of_update { set["spec"]["template"].clone() } else { self.template_of(cx, revision) };
        for claim in list(set, "/spec/volumeClaimTemplates") {
            self.create_claim(cx, claim, &pod_name)?;
        }
        let mut pod = from_template(set, &template);
        pod["metadata"]["name"] = pod_name.clone().into();
        for (key, value) in [
            ("statefulset.kubernetes.io/pod-name", pod_name.as_str()),
            ("apps.kubernetes.io/pod-index", &number.to_string()),
            (REVISION, revision),
        ] {
            pod["metadata"]["labels"][key] = value.into();
        }
        pod["spec"]["hostname"] = pod_name.clone().into();
        if !text_at(set, "/spec/serviceName").is_empty() {
            pod["spec"]["subdomain"] = set["spec"]["serviceName"].clone();
        }
        self.add_claims(&mut pod, &pod_name);
        match cx.create(&PODS, pod) {
            Ok(_) => {
                let message = format!("create Pod {pod_name} in StatefulSet {} successful", name(set));
                RECORDER.normal(cx, set, "SuccessfulCreate", &message);
                Ok(())
            }
            Err(status) => {
                let message =
                    format!("create Pod {pod_name} in StatefulSet {} failed error: {status}", name(set));
                RECORDER.warning(cx, set, "FailedCreate", &message);
                Err(status)
            }
        }
    }

    fn template_of(&self, cx: &Cx<'_>, revision: &str) -> Value {
        let found = cx.get(&super::object::REVISIONS, namespace(self.set), revision);
        let mut template = found.map_or(Value::Null, |found| found["data"]["spec"]["template"].clone());
        match template.as_object_mut() {
            Some(map) => {
                map.remove("$patch");
                template
            }
            None => self.set["spec"]["template"].clone(),
        }
    }

    fn add_claims(&self, pod: &mut Value, pod_name: &str) {
        let templates = list(self.set, "/spec/volumeClaimTemplates");
        if templates.is_empty() {
            return;
        }
        let mut volumes: Vec<Value> = templates
            .iter()
            .map(|claim| {
                json!({"name": name(claim), "persistentVolumeClaim": {"claimName": format!("{}-{pod_name}", name(claim))}})
            })
            .collect();
        let own = list(pod, "/spec/volumes").iter();
        volumes.extend(
            own.filter(|volume| !templates.iter().any(|claim| volume["name"] == name(claim))).cloned(),
        );
        pod["spec"]["volumes"] = volumes.into();
    }

    fn create_claim(&self, cx: &mut Cx<'_>, template: &Value, pod_name: &str) -> Result<()> {
        let claim_name = format!("{}-{pod_name}", name(template));
        if cx.get(&CLAIMS, namespace(self.set), &claim_name).is_some() {
            return Ok(());
        }
        let mut claim = json!({"metadata": template["metadata"], "spec": template["spec"]});
        claim["metadata"]["name"] = claim_name.clone().into();
        claim["metadata"]["namespace"] = namespace(self.set).into();
        for (key, value) in self.set["spec"]["selector"]["matchLabels"].as_object().into_iter().flatten() {
            claim["metadata"]["labels"][key] = value.clone();
        }
        cx.create(&CLAIMS, claim)?;
        let message =
            format!("create Claim {claim_name} Pod {pod_name} in StatefulSet {} success", name(self.set));
        RECORDER.normal(cx, self.set, "SuccessfulCreate", &message);
        Ok(())
    }

    fn delete(&self, cx: &mut Cx<'_>, pod: &Value) -> Result<()> {
        cx.delete(&key_of(&PODS, pod), &DeleteOptions::default())?;
        let message = format!("delete Pod {} in StatefulSet {} successful", name(pod), name(self.set));
        RECORDER.normal(cx, self.set, "SuccessfulDelete", &message);
        Ok(())
    }

    fn write_status(&self, cx: &mut Cx<'_>, key: &ObjectKey, pods: &[Arc<Value>]) -> Result<()> {
        let min_ready = int(self.set, "/spec/minReadySeconds");
        let count = |test: &dyn Fn(&Value) -> bool| pods.iter().filter(|pod| test(pod)).count();
        let alive = |pod: &Value| !is_going(pod);
        let of = |revision: &str, pod: &Value| label(pod, REVISION) == Some(revision);
        let updated = count(&|pod| alive(pod) && of(self.update, pod));
        let ready = count(&pod::is_ready);
        let total = pods.len();
        let mut current = self.current;
        let wanted = usize::try_from(self.replicas()).unwrap_or(0);
        if updated == wanted && ready == wanted && total == wanted {
            current = self.update;
        }
        let mut status = without_empty(json!({
            "observedGeneration": self.set["metadata"]["generation"],
            "readyReplicas": ready,
            "currentReplicas": count(&|pod| alive(pod) && of(current, pod)),
            "updatedReplicas": updated,
            "currentRevision": current, "updateRevision": self.update,
            "conditions": self.set["status"]["conditions"],
        }));
        status["replicas"] = total.into();
        status["availableReplicas"] = count(&|pod| pod::is_available(pod, min_ready, cx.now())).into();
        status["collisionCount"] = int_or(self.set, "/status/collisionCount", 0).into();
        if self.set["status"] == status {
            return Ok(());
        }
        cx.modify(key, Some(Subresource::Status), |set| set["status"] = status).map(drop)
    }
}

/// The number at the end of a pod's name.
fn ordinal(pod: &Value) -> Option<i64> {
    text(&pod["metadata"]["name"]).rsplit_once('-')?.1.parse().ok()
}
