//! Begins and ends the serving of custom kinds: names are accepted, versions appear, objects go with their definition.

use std::sync::Arc;

use serde_json::Value;

use super::definition::{CLEANUP, established};
use super::resource::CustomKind;
use crate::context::{Cx, text};
use crate::controllers::Controller;
use crate::kinds::{Kind, Subresource};
use crate::meta;
use crate::registry::{KindRef, Registry};
use crate::status::Result;
use crate::store::{GroupResource, ObjectKey};
use crate::write::DeleteOptions;

/// The controller of definitions.
#[derive(Clone, Default)]
pub(crate) struct Establish;

static DEFINITIONS: [GroupResource; 1] =
    [GroupResource::new("apiextensions.k8s.io", "customresourcedefinitions")];

impl Controller for Establish {
    fn name(&self) -> &'static str {
        "customresourcedefinitions"
    }

    fn manager(&self) -> &'static str {
        "kube-apiserver"
    }

    fn watches(&self) -> &'static [GroupResource] {
        &DEFINITIONS
    }

    fn reconcile(&mut self, cx: &mut Cx<'_>, key: &ObjectKey) -> Result<()> {
        let Some(definition) = cx.at(key) else {
            // `widgets.example.test`: the plural name is the first label.
            if let Some((plural, group)) = key.name.split_once('.') {
                cx.cluster.registry.remove_custom(group, plural);
            }
            return Ok(());
        };
        if meta::is_deleting(&definition) {
            return clean_up(cx, key, &definition);
        }
        serve(&mut cx.cluster.registry, &definition);
        let is_new = definition["status"]["conditions"].as_array().is_none_or(Vec::is_empty)
            || definition["status"]["acceptedNames"] != definition["spec"]["names"];
        if is_new {
            let now = cx.now();
            cx.modify(key, Some(Subresource::Status), |definition| established(definition, now))?;
        }
        Ok(())
    }
}

/// Serves the versions that the definition says, and no others.
pub(crate) fn serve(registry: &mut Registry, definition: &Value) {
    let spec = &definition["spec"];
    let (group, plural) = (text(&spec["group"]), text(&spec["names"]["plural"]));
    let kinds: Vec<CustomKind> = spec["versions"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|version| version["served"] == true || version["storage"] == true)
        .map(|version| CustomKind::new(definition, version))
        .collect();
    let wanted: Vec<_> = kinds.iter().map(Kind::resource).collect();
    let current: Vec<_> = registry
        .iter()
        .map(|served| &served.resource)
        .filter(|resource| resource.custom && resource.group == group && resource.plural == plural)
        .cloned()
        .collect();
    let generation = definition["metadata"]["generation"].as_u64().unwrap_or(0);
    if wanted == current && registry.custom_generation(group, plural) == Some(generation) {
        return;
    }
    registry.remove_custom(group, plural);
    for kind in kinds {
        registry.add(KindRef::Custom(Arc::new(kind)));
    }
    registry.set_custom_generation(group, plural, generation);
}

/// Deletes the objects, then lets the definition go.
fn clean_up(cx: &mut Cx<'_>, key: &ObjectKey, definition: &Value) -> Result<()> {
    if !meta::finalizers(definition).any(|name| name == CLEANUP) {
        return Ok(());
    }
    let resource = GroupResource {
        group: text(&definition["spec"]["group"]).to_owned().into(),
        resource: text(&definition["spec"]["names"]["plural"]).to_owned().into(),
    };
    for object in cx.list(&resource, None) {
        let metadata = &object["metadata"];
        let key = ObjectKey::new(&resource, text(&metadata["namespace"]), text(&metadata["name"]));
        if !meta::is_deleting(&object) {
            cx.delete(&key, &DeleteOptions::default())?;
        }
    }
    if !cx.list(&resource, None).is_empty() {
        cx.requeue(key, jiff::SignedDuration::from_secs(1));
        return Ok(());
    }
    cx.modify(key, None, |definition| {
        if let Some(finalizers) = definition["metadata"]["finalizers"].as_array_mut() {
            finalizers.retain(|name| name != CLEANUP);
        }
        if definition["metadata"]["finalizers"].as_array().is_some_and(Vec::is_empty) {
            meta::remove(&mut definition["metadata"], "finalizers");
        }
    })?;
    Ok(())
}
