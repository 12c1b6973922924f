//! Deployments: one ReplicaSet for each template, scaled against each other as the strategy says.
//! It sees pods only through their ReplicaSets, except to know that a `Recreate` may begin.

mod history;
mod progress;
mod rolling;
mod scale;

use std::sync::Arc;

use serde_json::{Value, json};

use self::scale::{max_surge, rolls};
use super::Controller;
use super::events::Recorder;
use super::hash::template_hash;
use super::object::{
    DEPLOYMENTS, PODS, REPLICA_SETS, controlled_by, controller_key, controller_of, created, flag, int,
    is_controlled_by, is_going, key_of, list, name, namespace, pod, selects, text_at, uid,
};
use crate::cluster::Cluster;
use crate::context::{Cx, text};
use crate::kinds::Subresource;
use crate::status::Result;
use crate::store::{Change, GroupResource, ObjectKey};

/// The deployment controller.
#[derive(Clone)]
pub(crate) struct Deployments;

const HASH_LABEL: &str = "pod-template-hash";

impl Controller for Deployments {
    fn name(&self) -> &'static str {
        "deployment-controller"
    }

    fn watches(&self) -> &'static [GroupResource] {
        const { &[DEPLOYMENTS, REPLICA_SETS, PODS] }
    }

    fn keys(&self, cluster: &Cluster, change: &Change) -> Vec<ObjectKey> {
        if change.key.resource == DEPLOYMENTS {
            return vec![change.key.clone()];
        }
        if change.key.resource == REPLICA_SETS {
            let owner = controller_key(change.object(), "Deployment", &DEPLOYMENTS);
            return owner.map_or_else(|| adopters(cluster, change.object()), |key| vec![key]);
        }
        // A pod that is gone may be the last old one that a `Recreate` waits for.
        let gone = change.new.is_none();
        let set = gone.then(|| controller_key(change.object(), "ReplicaSet", &REPLICA_SETS)).flatten();
        let set = set.and_then(|key| cluster.store.get(&REPLICA_SETS, &key.namespace, &key.name));
        set.and_then(|set| controller_key(set, "Deployment", &DEPLOYMENTS)).into_iter().collect()
    }

    fn reconcile(&mut self, cx: &mut Cx<'_>, key: &ObjectKey) -> Result<()> {
        let Some(deployment) = cx.at(key) else { return Ok(()) };
        let sets = owned_sets(cx, &deployment)?;
        let mut rollout = Rollout { key: key.clone(), deployment: (*deployment).clone(), sets, new: None };
        if is_going(&deployment) {
            rollout.find_new();
            return rollout.write_plain_status(cx);
        }
        rollout.note_pause(cx)?;
        if flag(&rollout.deployment, "/spec/paused") {
            return rollout.scale_only(cx);
        }
        rollout.sync_revision(cx, Creation::Never)?;
        if rollout.is_scaling_event() {
            return rollout.scale_only(cx);
        }
        match text_at(&deployment, "/spec/strategy/type") {
            "Recreate" => rollout.recreate(cx),
            _ => rollout.roll(cx),
        }
    }
}

/// Deployments whose selector covers a ReplicaSet that nobody owns.
fn adopters(cluster: &Cluster, set: &Value) -> Vec<ObjectKey> {
    let deployments = cluster.store.list(&DEPLOYMENTS, Some(namespace(set)));
    let covers =
        |deployment: &&Arc<Value>| selects(&deployment["spec"]["selector"], &set["metadata"]["labels"]);
    deployments.filter(covers).map(|deployment| key_of(&DEPLOYMENTS, deployment)).collect()
}

/// The ReplicaSets of a deployment, oldest first; unowned ones that it selects are taken, owned ones it no longer
/// selects let go.
fn owned_sets(cx: &mut Cx<'_>, deployment: &Value) -> Result<Vec<Arc<Value>>> {
    let mut owned = Vec::new();
    for set in cx.list(&REPLICA_SETS, Some(namespace(deployment))) {
        let selected = selects(&deployment["spec"]["selector"], &set["metadata"]["labels"]);
        let key = key_of(&REPLICA_SETS, &set);
        if is_controlled_by(&set, deployment) {
            if selected {
                owned.push(set);
            } else if !is_going(&set) {
                let owner = uid(deployment).to_owned();
                cx.modify(&key, None, |set| super::owned::release(set, &owner))?;
            }
        } else if selected && controller_of(&set).is_none() && !is_going(&set) && !is_going(deployment) {
            let reference = controlled_by(deployment);
            owned.push(cx.modify(&key, None, |set| super::owned::adopt(set, reference))?);
        }
    }
    owned.sort_by(|a, b| (created(a), name(a)).cmp(&(created(b), name(b))));
    Ok(owned)
}

/// One look at a deployment and its ReplicaSets.
struct Rollout {
    key: ObjectKey,
    deployment: Value,
    /// Oldest first.
    sets: Vec<Arc<Value>>,
    /// The set whose template is the deployment's.
    new: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Creation {
    Never,
    IfMissing,
}

impl Rollout {
    fn replicas(&self) -> i64 {
        int(&self.deployment, "/spec/replicas")
    }

    fn new_set(&self) -> Option<&Arc<Value>> {
        let name_of_new = self.new.as_deref()?;
        self.sets.iter().find(|set| name(set) == name_of_new)
    }

    fn old_sets(&self) -> Vec<Arc<Value>> {
        self.sets.iter().filter(|set| Some(name(set)) != self.new.as_deref()).cloned().collect()
    }

    /// The oldest set with the deployment's template.
    fn find_new(&mut self) {
        let template = &self.deployment["spec"]["template"];
        let found = self.sets.iter().find(|set| without_hash(&set["spec"]["template"]) == *template);
        self.new = found.map(|set| name(set).to_owned());
    }

    /// Replaces a set in hand by what was written.
    fn put(&mut self, set: Arc<Value>) {
        match self.sets.iter_mut().find(|other| name(other) == name(&set)) {
            Some(place) => *place = set,
            None => self.sets.push(set),
        }
    }

    /// Finds the new set, or makes it, and sees that it bears the highest revision, as the deployment does.
    fn sync_revision(&mut self, cx: &mut Cx<'_>, creation: Creation) -> Result<()> {
        self.find_new();
        let highest = self.old_sets().iter().map(|set| history::revision(set)).max().unwrap_or(0);
        let Some(existing) = self.new_set().cloned() else {
            return if creation == Creation::IfMissing { self.create_set(cx, highest + 1) } else { Ok(()) };
        };
        let mut set = (*existing).clone();
        let changed = history::annotate(&self.deployment, &mut set, highest + 1);
        let min_ready = int(&self.deployment, "/spec/minReadySeconds");
        if changed || int(&set, "/spec/minReadySeconds") != min_ready {
            super::owned::set_or_remove(&mut set["spec"], "minReadySeconds", min_ready);
            let written = cx.update(&REPLICA_SETS, set)?;
            self.put(written);
            return Ok(());
        }
        let revision = history::revision(&set).to_string();
        let mut changed = history::set_revision(&mut self.deployment, &revision);
        if self.has_deadline() && self.progressing().is_none() {
            let message = format!("Found new replica set \"{}\"", name(&set));
            self.set_condition(cx, "Progressing", "True", "FoundNewReplicaSet", &message);
            changed = true;
        }
        if changed {
            self.write_status_and_annotations(cx)?;
        }
        Ok(())
    }

    fn create_set(&mut self, cx: &mut Cx<'_>, revision: i64) -> Result<()> {
        let deployment = &self.deployment;
        let template = &deployment["spec"]["template"];
        let collisions = deployment["status"]["collisionCount"].as_i64();
        let hash = template_hash(template, collisions);
        let mut template = template.clone();
        template["metadata"]["labels"][HASH_LABEL] = hash.clone().into();
        let mut selector = deployment["spec"]["selector"].clone();
        selector["matchLabels"][HASH_LABEL] = hash.clone().into();
        let name_of_set = set_name(name(deployment), &hash);
        let mut set = json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {
                "name": name_of_set, "namespace": namespace(deployment), "labels": template["metadata"]["labels"],
                "ownerReferences": [controlled_by(deployment)],
            },
            "spec": {"replicas": 0, "selector": selector, "template": template},
        });
        let min_ready = int(deployment, "/spec/minReadySeconds");
        super::owned::set_or_remove(&mut set["spec"], "minReadySeconds", min_ready);
        let replicas = self.replicas_of_new(&set);
        set["spec"]["replicas"] = replicas.into();
        history::annotate(deployment, &mut set, revision);
        scale::annotate_sizes(&mut set, self.replicas(), self.replicas() + max_surge(deployment));
        let created = match cx.create(&REPLICA_SETS, set) {
            Ok(created) => created,
            Err(status) if status.reason == "AlreadyExists" => return self.count_collision(cx, status),
            Err(status) => return self.report_failed_creation(cx, &name_of_set, status),
        };
        self.new = Some(name_of_set.clone());
        self.put(created);
        if replicas > 0 {
            let message = format!("Scaled up replica set {name_of_set} from 0 to {replicas}");
            RECORDER.normal(cx, &self.deployment, "ScalingReplicaSet", &message);
        }
        history::set_revision(&mut self.deployment, &revision.to_string());
        if self.has_deadline() {
            let message = format!("Created new replica set \"{name_of_set}\"");
            self.set_condition(cx, "Progressing", "True", "NewReplicaSetCreated", &message);
        }
        self.write_status_and_annotations(cx)
    }

    /// The name is taken by a set of another template: the next hash will differ.
    fn count_collision(&mut self, cx: &mut Cx<'_>, status: crate::status::Status) -> Result<()> {
        let collisions = int(&self.deployment, "/status/collisionCount") + 1;
        cx.modify(&self.key, Some(Subresource::Status), |deployment| {
            deployment["status"]["collisionCount"] = collisions.into();
        })?;
        Err(status)
    }

    fn report_failed_creation(
        &mut self,
        cx: &mut Cx<'_>,
        set: &str,
        status: crate::status::Status,
    ) -> Result<()> {
        let message = format!("Failed to create new replica set \"{set}\": {status}");
        if self.has_deadline() {
            self.set_condition(cx, "Progressing", "False", "ReplicaSetCreateError", &message);
            self.write_status_and_annotations(cx)?;
        }
        RECORDER.warning(cx, &self.deployment, "ReplicaSetCreateError", &message);
        Err(status)
    }

    /// Stops everything old before anything new starts.
    fn recreate(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        let mut stopped = false;
        for set in self.old_sets() {
            stopped |= self.scale_set(cx, &set, 0)?;
        }
        if stopped || self.old_pods_run(cx) {
            return self.write_rollout_status(cx);
        }
        if self.new.is_none() {
            self.sync_revision(cx, Creation::IfMissing)?;
        }
        if let Some(set) = self.new_set().cloned() {
            self.scale_set(cx, &set, self.replicas())?;
        }
        self.clean_up_if_complete(cx)?;
        self.write_rollout_status(cx)
    }

    fn old_pods_run(&self, cx: &Cx<'_>) -> bool {
        let old = self.old_sets();
        if old.iter().any(|set| int(set, "/status/replicas") > 0) {
            return true;
        }
        cx.list(&PODS, Some(namespace(&self.deployment)))
            .iter()
            .any(|pod| !pod::is_finished(pod) && old.iter().any(|set| is_controlled_by(pod, set)))
    }

    fn clean_up_if_complete(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        if progress::is_complete(&self.deployment, &self.deployment["status"]) {
            history::clean_up(cx, &self.deployment, &self.old_sets())?;
        }
        Ok(())
    }

    /// What the new set's size becomes while the strategy allows.
    fn replicas_of_new(&self, new: &Value) -> i64 {
        let (wanted, has) = (self.replicas(), int(new, "/spec/replicas"));
        if !rolls(&self.deployment) {
            return wanted;
        }
        let total: i64 = self.sets.iter().map(|set| int(set, "/spec/replicas")).sum();
        let most = wanted + max_surge(&self.deployment);
        if total >= most { has } else { has + (most - total).min(wanted - has) }
    }
}

pub(crate) const RECORDER: Recorder<'static> = Recorder { component: "deployment-controller", host: "" };

fn without_hash(template: &Value) -> Value {
    let mut template = template.clone();
    if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
        labels.remove(HASH_LABEL);
    }
    template
}

fn set_name(deployment: &str, hash: &str) -> String {
    const LONGEST: usize = 253;
    let room = LONGEST - 1 - hash.len();
    format!("{}-{hash}", &deployment[..deployment.len().min(room)])
}

/// A condition of a set that means that it cannot make pods.
fn failure(set: &Value) -> Option<&Value> {
    list(set, "/status/conditions").iter().find(|condition| text(&condition["type"]) == "ReplicaFailure")
}
