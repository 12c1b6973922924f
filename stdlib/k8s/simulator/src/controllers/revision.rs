//! ControllerRevisions: the templates that a StatefulSet or DaemonSet has had, numbered and hashed.

use std::sync::Arc;

use serde_json::{Value, json};

use super::hash::{revision_hash, template_hash};
use super::object::{REVISIONS, controlled_by, created, int, is_controlled_by, key_of, name, namespace};
use crate::context::Cx;
use crate::status::Result;
use crate::write::DeleteOptions;

/// The revision of `owner`'s present template, made or raised to the newest if need be, and all others, oldest first.
pub(crate) fn current(cx: &mut Cx<'_>, owner: &Value, label: &str) -> Result<(Arc<Value>, Vec<Arc<Value>>)> {
    let mut all: Vec<Arc<Value>> = cx
        .list(&REVISIONS, Some(namespace(owner)))
        .into_iter()
        .filter(|revision| is_controlled_by(revision, owner))
        .collect();
    all.sort_by_key(|revision| (int(revision, "/revision"), created(revision), name(revision).to_owned()));
    let mut template = owner["spec"]["template"].clone();
    template["$patch"] = "replace".into();
    let data = json!({"spec": {"template": template}});
    let newest = all.last().map_or(0, |revision| int(revision, "/revision"));
    if let Some(at) = all.iter().position(|revision| revision["data"] == data) {
        let mut found = all.remove(at);
        if int(&found, "/revision") < newest {
            found = cx.modify(&key_of(&REVISIONS, &found), None, |revision| {
                revision["revision"] = (newest + 1).into();
            })?;
        }
        return Ok((found, all));
    }
    let collisions = int(owner, "/status/collisionCount");
    let hash = match owner["kind"] == "StatefulSet" {
        true => revision_hash(&data, collisions),
        false => template_hash(&owner["spec"]["template"], Some(collisions).filter(|n| *n > 0)),
    };
    let mut labels = owner["spec"]["template"]["metadata"]["labels"].clone();
    if !labels.is_object() {
        labels = json!({});
    }
    labels[label] = hash.clone().into();
    let revision = json!({
        "metadata": {
            "name": format!("{}-{hash}", name(owner)), "namespace": namespace(owner), "labels": labels,
            "ownerReferences": [controlled_by(owner)],
        },
        "data": data, "revision": newest + 1,
    });
    Ok((cx.create(&REVISIONS, revision)?, all))
}

/// Deletes the oldest revisions beyond the limit that no pod is of.
pub(crate) fn clean_up(cx: &mut Cx<'_>, owner: &Value, old: &[Arc<Value>], used: &[String]) -> Result<()> {
    let limit = usize::try_from(owner["spec"]["revisionHistoryLimit"].as_i64().unwrap_or(10)).unwrap_or(0);
    let idle: Vec<&Arc<Value>> =
        old.iter().filter(|revision| !used.iter().any(|used| used == name(revision))).collect();
    for revision in idle.iter().take(idle.len().saturating_sub(limit)) {
        cx.delete(&key_of(&REVISIONS, revision), &DeleteOptions::default())?;
    }
    Ok(())
}
