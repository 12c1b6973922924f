//! The end of a namespace: what is in it is deleted, conditions tell what remains, then it is let go.
//! It follows the deletions themselves rather than asking again and again.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Controller;
use super::object::{NAMESPACES, condition, is_going, list, text_at};
use crate::cluster::Cluster;
use crate::context::{Cx, text};
use crate::kinds::Subresource;
use crate::status::{Result, Status};
use crate::store::{Change, GroupResource, ObjectKey};
use crate::write::{DeleteOptions, Propagation};

/// The namespace controller.
#[derive(Clone)]
pub(crate) struct NamespaceTermination;

const FINALIZER: &str = "kubernetes";

impl Controller for NamespaceTermination {
    fn name(&self) -> &'static str {
        "namespace-controller"
    }

    fn watches(&self) -> &'static [GroupResource] {
        &[]
    }

    fn watches_everything(&self) -> bool {
        true
    }

    fn keys(&self, cluster: &Cluster, change: &Change) -> Vec<ObjectKey> {
        let of_namespace = change.key.resource == NAMESPACES;
        let name = if of_namespace { &change.key.name } else { &change.key.namespace };
        if name.is_empty() {
            return Vec::new();
        }
        let going = cluster.store.get(&NAMESPACES, "", name).is_some_and(|namespace| is_going(namespace));
        going.then(|| ObjectKey::new(&NAMESPACES, "", name)).into_iter().collect()
    }

    fn reconcile(&mut self, cx: &mut Cx<'_>, key: &ObjectKey) -> Result<()> {
        let Some(namespace) = cx.at(key).filter(|namespace| is_going(namespace)) else { return Ok(()) };
        if !list(&namespace, "/spec/finalizers").iter().any(|finalizer| finalizer == FINALIZER) {
            return Ok(());
        }
        let resources = contained(cx);
        let mut failures = Vec::new();
        for resource in &resources {
            if let Err(status) = empty(cx, resource, &key.name) {
                failures.push(status.to_string());
            }
        }
        let remains = Remains::count(cx, &resources, &key.name);
        let conditions = remains.conditions(cx, &namespace, &failures);
        let mut status = namespace["status"].clone();
        status["conditions"] = conditions.into();
        if namespace["status"] != status {
            cx.modify(key, Some(Subresource::Status), |namespace| namespace["status"] = status)?;
        }
        if let Some(why) = failures.into_iter().next() {
            return Err(Status::bad_request(why));
        }
        if remains.objects.is_empty() {
            cx.modify(key, Some(Subresource::Finalize), |namespace| {
                if let Some(spec) = namespace["spec"].as_object_mut()
                    && let Some(finalizers) = spec.get_mut("finalizers").and_then(Value::as_array_mut)
                {
                    finalizers.retain(|finalizer| finalizer != FINALIZER);
                    if finalizers.is_empty() {
                        spec.remove("finalizers");
                    }
                }
            })?;
        }
        Ok(())
    }
}

/// The resources that live in namespaces.
fn contained(cx: &Cx<'_>) -> Vec<GroupResource> {
    let registry = &cx.cluster.registry;
    let inside = |resource: &GroupResource| registry.hub(resource).is_some_and(|s| s.resource.namespaced);
    cx.resources().into_iter().filter(inside).collect()
}

fn empty(cx: &mut Cx<'_>, resource: &GroupResource, namespace: &str) -> Result<()> {
    let options = DeleteOptions { propagation: Some(Propagation::Background), ..DeleteOptions::default() };
    for object in cx.list(resource, Some(namespace)) {
        if is_going(&object) {
            continue;
        }
        match cx.delete(&super::object::key_of(resource, &object), &options) {
            Ok(()) | Err(Status { code: 404, .. }) => {}
            Err(status) => return Err(status),
        }
    }
    Ok(())
}

/// How many objects are left of each resource, and how many hold each finalizer.
struct Remains {
    objects: BTreeMap<String, usize>,
    finalizers: BTreeMap<String, usize>,
}

impl Remains {
    fn count(cx: &Cx<'_>, resources: &[GroupResource], namespace: &str) -> Self {
        let mut remains = Self { objects: BTreeMap::new(), finalizers: BTreeMap::new() };
        for resource in resources {
            let left = cx.list(resource, Some(namespace));
            if !left.is_empty() {
                let place = format!("{}.{}", resource.resource, resource.group);
                remains.objects.insert(place, left.len());
            }
            for finalizer in left.iter().flat_map(|object| list(object, "/metadata/finalizers")) {
                *remains.finalizers.entry(text(finalizer).to_owned()).or_default() += 1;
            }
        }
        remains
    }

    /// The five conditions, each with the time since which it says what it says.
    fn conditions(&self, cx: &Cx<'_>, namespace: &Value, failures: &[String]) -> Vec<Value> {
        let objects: Vec<String> = self
            .objects
            .iter()
            .map(|(place, count)| format!("{place} has {count} resource instances"))
            .collect();
        let held: Vec<String> = self
            .finalizers
            .iter()
            .map(|(name, count)| format!("{name} in {count} resource instances"))
            .collect();
        let told = |bad: bool, word: (&'static str, String), fine: (&'static str, &str)| match bad {
            true => ("True", word.0, word.1),
            false => ("False", fine.0, fine.1.to_owned()),
        };
        let all = [
            (
                "NamespaceDeletionDiscoveryFailure",
                told(
                    false,
                    ("", String::new()),
                    ("ResourcesDiscovered", "All resources successfully discovered"),
                ),
            ),
            (
                "NamespaceDeletionGroupVersionParsingFailure",
                told(
                    false,
                    ("", String::new()),
                    ("ParsedGroupVersions", "All legacy kube types successfully parsed"),
                ),
            ),
            (
                "NamespaceDeletionContentFailure",
                told(
                    !failures.is_empty(),
                    (
                        "ContentDeletionFailed",
                        format!(
                            "Failed to delete all resource types, {} remaining: {}",
                            failures.len(),
                            failures.join(", ")
                        ),
                    ),
                    ("ContentDeleted", "All content successfully deleted, may be waiting on finalization"),
                ),
            ),
            (
                "NamespaceContentRemaining",
                told(
                    !objects.is_empty(),
                    ("SomeResourcesRemain", format!("Some resources are remaining: {}", objects.join(", "))),
                    ("ContentRemoved", "All content successfully removed"),
                ),
            ),
            (
                "NamespaceFinalizersRemaining",
                told(
                    !held.is_empty(),
                    (
                        "SomeFinalizersRemain",
                        format!(
                            "Some content in the namespace has finalizers remaining: {}",
                            held.join(", ")
                        ),
                    ),
                    ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
                ),
            ),
        ];
        let stamped = |(kind, (word, reason, message)): (&str, (&str, &str, String))| {
            let known = condition(namespace, kind).filter(|known| text_at(known, "/status") == word);
            let since = known.map_or_else(|| cx.timestamp(), |known| known["lastTransitionTime"].clone());
            json!({"type": kind, "status": word, "lastTransitionTime": since, "reason": reason, "message": message})
        };
        all.into_iter().map(stamped).collect()
    }
}
