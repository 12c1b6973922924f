//! Revisions: which template a ReplicaSet was when, and how many old ones are kept.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::context::Cx;
use crate::controllers::object::{REPLICA_SETS, annotation, created, int, is_going, key_of, name};
use crate::status::Result;
use crate::write::DeleteOptions;

pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
pub(super) const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
pub(super) const MAX: &str = "deployment.kubernetes.io/max-replicas";
const NOT_COPIED: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    HISTORY,
    DESIRED,
    MAX,
    "deprecated.deployment.rollback.to",
];
/// Older revisions than fit are forgotten.
const HISTORY_LENGTH: usize = 2000;
/// A limit of this size means none.
const UNLIMITED: i64 = i32::MAX as i64;

pub(super) fn revision(object: &Value) -> i64 {
    annotation(object, REVISION).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Gives the deployment its new set's revision; says whether that changed anything.
pub(super) fn set_revision(deployment: &mut Value, revision: &str) -> bool {
    if annotation(deployment, REVISION) == Some(revision) {
        return false;
    }
    annotations(deployment).insert(REVISION.to_owned(), revision.into());
    true
}

/// Copies the deployment's annotations to its new set and raises the set's revision; says whether that changed anything.
pub(super) fn annotate(deployment: &Value, set: &mut Value, revision: i64) -> bool {
    let mut changed = false;
    let own = annotations(set);
    for (key, value) in deployment["metadata"]["annotations"].as_object().into_iter().flatten() {
        if !NOT_COPIED.contains(&key.as_str()) && own.get(key) != Some(value) {
            own.insert(key.clone(), value.clone());
            changed = true;
        }
    }
    let before = own.get(REVISION).and_then(Value::as_str).map(str::to_owned);
    let number = match before.as_deref() {
        None => 0,
        Some(text) => match text.parse() {
            Ok(number) => number,
            Err(_) => return false,
        },
    };
    if number >= revision {
        return changed;
    }
    own.insert(REVISION.to_owned(), revision.to_string().into());
    if let Some(before) = before {
        let history = own.get(HISTORY).and_then(Value::as_str).unwrap_or_default();
        let mut all: Vec<&str> = history.split(',').filter(|text| !text.is_empty()).collect();
        all.push(&before);
        while all.join(",").len() > HISTORY_LENGTH {
            all.remove(0);
        }
        let history = all.join(",");
        own.insert(HISTORY.to_owned(), history.into());
    }
    true
}

/// Deletes the oldest idle sets beyond the history limit.
pub(super) fn clean_up(cx: &mut Cx<'_>, deployment: &Value, old: &[Arc<Value>]) -> Result<()> {
    let Some(limit) = deployment["spec"]["revisionHistoryLimit"].as_i64().filter(|limit| *limit != UNLIMITED)
    else {
        return Ok(());
    };
    let mut old: Vec<_> = old.iter().filter(|set| !is_going(set)).collect();
    let surplus = old.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
    old.sort_by(|a, b| (revision(a), created(a), name(a)).cmp(&(revision(b), created(b), name(b))));
    for set in old.into_iter().take(surplus) {
        let unseen = int(set, "/metadata/generation") > int(set, "/status/observedGeneration");
        if int(set, "/spec/replicas") == 0 && int(set, "/status/replicas") == 0 && !unseen {
            cx.delete(&key_of(&REPLICA_SETS, set), &DeleteOptions::default())?;
        }
    }
    Ok(())
}

/// The annotations of an object, made if there are none.
pub(super) fn annotations(object: &mut Value) -> &mut Map<String, Value> {
    let place = &mut object["metadata"]["annotations"];
    if !place.is_object() {
        *place = Value::Object(Map::new());
    }
    // Made an object just above.
    place.as_object_mut().expect("annotations are an object")
}
