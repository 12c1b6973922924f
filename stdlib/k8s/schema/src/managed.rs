//! Who owns which field: `metadata.managedFields` on updates and server-side applies.
//! Objects are plain values; schemas and conversions between versions come from `Versions`; the time is passed in.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value, json};

use crate::decode;
use crate::field_set::{FieldSet, Path};
use crate::schema::{Gvk, Schema};
use crate::typed::{self, Duplicates};

/// The annotation of client-side apply.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// More `Update` entries than this are folded into `ancient-changes`.
const MAX_UPDATE_MANAGERS: usize = 10;

/// The versions of one resource.
pub trait Versions {
    fn schema(&self, api_version: &str) -> Option<&Schema>;

    /// The object in another version; `None` if that version is not known (any more).
    fn convert(&self, object: &Value, api_version: &str) -> Option<Value>;
}

/// A resource with one version, or whose versions have the same fields.
pub struct OneVersion<'a>(pub &'a Schema);

impl Versions for OneVersion<'_> {
    fn schema(&self, _api_version: &str) -> Option<&Schema> {
        Some(self.0)
    }

    fn convert(&self, object: &Value, api_version: &str) -> Option<Value> {
        let mut object = object.clone();
        if let Some(map) = object.as_object_mut() {
            map.insert("apiVersion".to_owned(), api_version.into());
        }
        Some(object)
    }
}

/// Who writes, and how.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    pub manager: &'a str,
    /// The version the objects are in.
    pub api_version: &'a str,
    /// `status`, `scale`, …; empty for the object itself.
    pub subresource: &'a str,
    /// RFC 3339, in seconds.
    pub time: &'a str,
    /// Field paths that this endpoint does not write: `[["status"]]` for the object, `[["spec"]]` for its status.
    pub ignored: &'a [&'a [&'a str]],
}

/// Why an apply is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApplyError {
    /// 409.
    Conflicts(Vec<Conflict>),
    /// 400.
    BadRequest(String),
    /// 500: the applied object does not fit its schema.
    Schema(String),
}

/// A field that another manager has with another value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    pub manager: ManagerId,
    pub path: Path,
}

/// Which entry of `managedFields`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ManagerId {
    pub manager: String,
    /// `Apply` or `Update`.
    pub operation: String,
    /// Empty for `Apply`: a manager has one such entry, whatever the version.
    pub api_version: String,
    pub subresource: String,
}

impl fmt::Display for ManagerId {
    /// `"one"`, `"creator" using apps/v1`, `"x" with subresource "scale" using apps/v1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", json!(self.manager))?;
        if !self.subresource.is_empty() {
            write!(f, " with subresource {}", json!(self.subresource))?;
        }
        if self.operation == "Update" {
            write!(f, " using {}", self.api_version)?;
        }
        Ok(())
    }
}

impl ApplyError {
    /// The message of the answer.
    pub fn message(&self) -> String {
        match self {
            Self::BadRequest(message) | Self::Schema(message) => message.clone(),
            Self::Conflicts(conflicts) => {
                if let [one] = conflicts.as_slice() {
                    return format!(
                        "Apply failed with 1 conflict: conflict with {}: {}",
                        one.manager, one.path
                    );
                }
                let mut lines = Vec::new();
                for group in conflicts.chunk_by(|a, b| a.manager == b.manager) {
                    lines.push(format!("conflicts with {}:", group[0].manager));
                    lines.extend(group.iter().map(|conflict| format!("- {}", conflict.path)));
                }
                format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
            }
        }
    }

    /// `details.causes`.
    pub fn causes(&self) -> Vec<Value> {
        let Self::Conflicts(conflicts) = self else { return Vec::new() };
        conflicts
            .iter()
            .map(|conflict| {
                json!({
                    "reason": "FieldManagerConflict",
                    "message": format!("conflict with {}", conflict.manager),
                    "field": conflict.path.to_string(),
                })
            })
            .collect()
    }
}

#[derive(Clone, Debug)]
struct Owned {
    set: FieldSet,
    api_version: String,
    applied: bool,
    time: Option<String>,
}

type Managers = BTreeMap<ManagerId, Owned>;

/// Sets the managed fields of an object that replaces `live` (an empty object or null when it is created).
///
/// `new` is in `writer.api_version`, defaulted, as it is to be stored; its own `managedFields` count if they are valid.
pub fn update(live: &Value, mut new: Value, writer: &Writer<'_>, versions: &dyn Versions) -> Value {
    let sent = new["metadata"].get("managedFields").cloned();
    let Some(managers) = entries_for_update(live, sent.as_ref(), writer) else {
        strip(&mut new);
        return new;
    };
    strip(&mut new);
    let creating = is_absent(live);
    if managers.is_empty() && !creating {
        return new;
    }
    let absent = creating.then(|| live_object(&Value::Null, writer, versions));
    let live = absent.as_ref().unwrap_or(live);
    let managers = cap(tracked_update(live, &new, writer, versions, managers, writer.manager));
    put(&mut new, &managers);
    new
}

/// `None`: the writer clears them.
fn entries_for_update(live: &Value, sent: Option<&Value>, writer: &Writer<'_>) -> Option<Managers> {
    let of_live = || parse(live["metadata"].get("managedFields")).unwrap_or_default();
    if !writer.subresource.is_empty() {
        return Some(of_live());
    }
    if let Some(Value::Array(entries)) = sent {
        let reset = match entries.as_slice() {
            [] => true,
            [Value::Object(only)] => only.values().all(|value| value.is_null() || *value == json!("")),
            _ => false,
        };
        if reset {
            return if is_absent(live) { Some(Managers::new()) } else { None };
        }
    }
    Some(match parse(sent) {
        Ok(managers) if !managers.is_empty() => managers,
        _ => of_live(),
    })
}

/// Applies a configuration to `live` (null or an empty object if there is none).
///
/// Answers the merged object with its managed fields, not yet defaulted.
pub fn apply(
    live: &Value,
    applied: &Value,
    writer: &Writer<'_>,
    versions: &dyn Versions,
    force: Force,
) -> Result<Value, ApplyError> {
    let gvk = Gvk::of(applied);
    if gvk.api_version() != writer.api_version {
        return Err(ApplyError::BadRequest(format!(
            "Incorrect version specified in apply patch. Specified patch version: {}, expected: {}",
            gvk.api_version(),
            writer.api_version
        )));
    }
    if applied["metadata"].get("managedFields").is_some_and(|fields| !fields.is_null()) {
        return Err(ApplyError::BadRequest("metadata.managedFields must be nil".to_owned()));
    }
    let first = apply_once(live, applied, writer, versions, force);
    // kubectl takes over what its own client-side apply had set.
    let Err(ApplyError::Conflicts(conflicts)) = &first else { return finish(first, applied, writer) };
    if writer.manager != "kubectl" {
        return first;
    }
    let Some(allowed) = last_applied_set(live, writer, versions) else { return first };
    let left: Vec<Conflict> =
        conflicts.iter().filter(|conflict| !allowed.has(&conflict.path.0)).cloned().collect();
    if !left.is_empty() {
        return Err(ApplyError::Conflicts(left));
    }
    finish(apply_once(live, applied, writer, versions, Force::Yes), applied, writer)
}

/// Who owns which field, by paths as [`crate::diff()`] writes them. An object that is no map has no owners.
pub fn owners(object: &Value) -> BTreeMap<String, Vec<String>> {
    let mut owners: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let managers = parse(object["metadata"].get("managedFields")).unwrap_or_default();
    for (id, owned) in managers {
        for path in owned.set.paths() {
            let names = owners.entry(path.plain()).or_default();
            if !names.contains(&id.manager) {
                names.push(id.manager.clone());
            }
        }
    }
    owners
}

/// Whether the server would answer an apply with the object as it is. `false` also where that cannot be told from here: for
/// custom kinds, and where `applied` says the same in other words than the server (`0.5` for `500m`).
pub fn is_applied(live: &Value, applied: &Value, manager: &str) -> bool {
    let gvk = Gvk::of(applied);
    let Some(schema) = Schema::for_kind(&gvk) else { return false };
    let api_version = gvk.api_version();
    let ignored: &[&[&str]] = &[&["status"]];
    let writer = Writer { manager, api_version: &api_version, subresource: "", time: "", ignored };
    apply(live, applied, &writer, &OneVersion(schema), Force::No).is_ok_and(|merged| merged == *live)
}

/// What is applied, without these fields, written as in [`Conflict::path`]. `None` where the kind is not known or one of
/// them is not in it.
pub fn without<'f>(applied: &Value, fields: impl IntoIterator<Item = &'f str>) -> Option<Value> {
    let schema = Schema::for_kind(&Gvk::of(applied))?;
    let all = typed::field_set(schema, applied).paths();
    let mut left_out = FieldSet::default();
    for field in fields {
        left_out.insert(&all.iter().find(|path| path.to_string() == field)?.0);
    }
    Some(typed::remove(schema, applied, &left_out))
}

/// Whether conflicting fields are taken from their managers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    Yes,
    No,
}

/// Keeps the annotation of client-side apply in step, for kubectl.
fn finish(
    result: Result<Value, ApplyError>,
    applied: &Value,
    writer: &Writer<'_>,
) -> Result<Value, ApplyError> {
    let mut object = result?;
    let annotated =
        object["metadata"]["annotations"][LAST_APPLIED].as_str().is_some_and(|text| !text.is_empty());
    if writer.manager == "kubectl" && annotated {
        let mut bare = applied.clone();
        if let Some(annotations) = bare["metadata"].get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove(LAST_APPLIED);
        }
        object["metadata"]["annotations"][LAST_APPLIED] = format!("{bare}\n").into();
    }
    Ok(object)
}

fn apply_once(
    live: &Value,
    applied: &Value,
    writer: &Writer<'_>,
    versions: &dyn Versions,
    force: Force,
) -> Result<Value, ApplyError> {
    let schema = versions
        .schema(writer.api_version)
        .ok_or_else(|| ApplyError::Schema(format!("no corresponding type for {}", Gvk::of(applied))))?;
    let mut managers = parse(live["metadata"].get("managedFields"))
        .map_err(|why| ApplyError::Schema(format!("failed to decode managed fields: {why}")))?;
    let live_plain = live_object(live, writer, versions);
    if managers.is_empty() {
        let empty = live_object(&Value::Null, writer, versions);
        managers = cap(tracked_update(&empty, &live_plain, writer, versions, managers, "before-first-apply"));
    }
    let wrong = typed::validate(schema, applied, Duplicates::Refused);
    if !wrong.is_empty() {
        let metadata = &applied["metadata"];
        let text = |key: &str| metadata[key].as_str().unwrap_or_default().to_owned();
        return Err(ApplyError::Schema(format!(
            "failed to create typed patch object ({}/{}; {}): {}",
            text("namespace"),
            text("name"),
            Gvk::of(applied),
            typed::mismatch_text(&wrong)
        )));
    }
    let id = ManagerId {
        manager: or_unknown(writer.manager),
        operation: "Apply".to_owned(),
        api_version: String::new(),
        subresource: writer.subresource.to_owned(),
    };
    let merged = typed::merge(schema, &live_plain, applied);
    let ignored = FieldSet::of_fields(writer.ignored.iter().copied());
    let set = typed::field_set(schema, applied).difference_below(&ignored);
    let last = managers.get(&id).cloned();
    let time = last.as_ref().and_then(|last| last.time.clone());
    managers
        .insert(id.clone(), Owned { set, api_version: writer.api_version.to_owned(), applied: true, time });
    let mut merged = match &last {
        Some(last) if !last.set.is_empty() => prune(merged, &managers, last, writer, versions),
        _ => merged,
    };
    let comparison = compared(schema, &live_plain, &merged, writer);
    let conflicts = settle(&live_plain, &merged, writer, versions, comparison, &mut managers, &id, force);
    if !conflicts.is_empty() {
        return Err(ApplyError::Conflicts(conflicts));
    }
    strip_identity(&mut managers, &id);
    let same = live_plain == merged && !is_absent(live);
    if !same && let Some(mine) = managers.get_mut(&id) {
        mine.time = Some(writer.time.to_owned());
    }
    if same
        && let Some(mine) = managers.get_mut(&id)
        && mine.time.is_none()
    {
        mine.time = None;
    }
    put(&mut merged, &managers);
    Ok(merged)
}

/// An object as the merge sees it: without managed fields, an absent one as its type's zero value.
fn live_object(live: &Value, writer: &Writer<'_>, versions: &dyn Versions) -> Value {
    if is_absent(live) {
        let schema = versions.schema(writer.api_version);
        return match schema {
            Some(schema) if !schema.go.is_empty() => decode::zero(schema),
            _ => json!({}),
        };
    }
    let mut live = live.clone();
    strip(&mut live);
    live
}

fn is_absent(object: &Value) -> bool {
    object.as_object().is_none_or(Map::is_empty)
}

fn or_unknown(manager: &str) -> String {
    if manager.is_empty() { "unknown".to_owned() } else { manager.to_owned() }
}

/// What differs between two objects in one version, but for what the writer's endpoint does not write. The managed fields
/// themselves are nobody's.
fn compared(schema: &Schema, live: &Value, new: &Value, writer: &Writer<'_>) -> typed::Comparison {
    let managed: &[&str] = &["metadata", "managedFields"];
    let ignored = FieldSet::of_fields(writer.ignored.iter().copied().chain([managed]));
    let typed::Comparison { added, removed, modified } = typed::compare(schema, live, new);
    let seen = |set: FieldSet| if set.is_empty() { set } else { set.difference_below(&ignored) };
    typed::Comparison { added: seen(added), removed: seen(removed), modified: seen(modified) }
}

/// An update by `manager`: what it changed becomes its own.
fn tracked_update(
    live: &Value,
    new: &Value,
    writer: &Writer<'_>,
    versions: &dyn Versions,
    mut managers: Managers,
    manager: &str,
) -> Managers {
    let Some(schema) = versions.schema(writer.api_version) else { return managers };
    let own = ManagerId {
        manager: or_unknown(manager),
        operation: "Update".to_owned(),
        api_version: writer.api_version.to_owned(),
        subresource: writer.subresource.to_owned(),
    };
    // Nobody's name, so that the writer's earlier entry is treated as any other's.
    let nobody = ManagerId { manager: String::new(), ..own.clone() };
    let comparison = compared(schema, live, new, writer);
    let changed = comparison.modified.union(&comparison.added).difference(&identity());
    settle(live, new, writer, versions, comparison, &mut managers, &nobody, Force::Yes);
    if !changed.is_empty() {
        let before = managers.get(&own).map(|mine| mine.set.clone()).unwrap_or_default();
        managers.insert(
            own,
            Owned {
                set: changed.union(&before),
                api_version: writer.api_version.to_owned(),
                applied: false,
                time: Some(writer.time.to_owned()),
            },
        );
    }
    managers
}

/// Takes what changed between `live` and `new` from the managers other than `own`; answers the conflicts instead, if
/// there are any and nothing is forced. `comparison` is that of the writer's version.
#[allow(clippy::too_many_arguments)] // one write: what it changes, by whom, on whose account
fn settle(
    live: &Value,
    new: &Value,
    writer: &Writer<'_>,
    versions: &dyn Versions,
    comparison: typed::Comparison,
    managers: &mut Managers,
    own: &ManagerId,
    force: Force,
) -> Vec<Conflict> {
    let parts = |it: typed::Comparison| (it.modified.union(&it.added), it.removed);
    let mut comparisons = BTreeMap::from([(writer.api_version.to_owned(), Some(parts(comparison)))]);
    let mut conflicts = Vec::new();
    let mut left = Managers::new();
    for (id, owned) in managers.iter() {
        if id == own {
            left.insert(id.clone(), owned.clone());
            continue;
        }
        let version = &owned.api_version;
        if !comparisons.contains_key(version) {
            let converted = || {
                let (live, new) = (versions.convert(live, version)?, versions.convert(new, version)?);
                Some(parts(compared(versions.schema(version)?, &live, &new, writer)))
            };
            comparisons.insert(version.clone(), converted());
        }
        // A version that is no longer known takes its entry with it.
        let Some(Some((changed, removed))) = comparisons.get(version) else { continue };
        let mut owned = owned.clone();
        let conflicting = owned.set.intersection(changed);
        if !conflicting.is_empty() {
            owned.set = owned.set.difference(&conflicting);
            let paths = conflicting.paths().into_iter();
            conflicts.extend(paths.map(|path| Conflict { manager: id.clone(), path }));
        }
        if !removed.is_empty() {
            owned.set = owned.set.difference(removed);
        }
        left.insert(id.clone(), owned);
    }
    if force == Force::No && !conflicts.is_empty() {
        return conflicts;
    }
    left.retain(|_, owned| !owned.set.is_empty());
    *managers = left;
    Vec::new()
}

/// Removes what the manager applied last time, does not apply now, and nobody else owns.
fn prune(
    merged: Value,
    managers: &Managers,
    last: &Owned,
    writer: &Writer<'_>,
    versions: &dyn Versions,
) -> Value {
    let convert = |object: &Value, version: &str| versions.convert(object, version);
    let Some(schema) = versions.schema(&last.api_version) else { return merged };
    let same = last.api_version == writer.api_version;
    let Some(base) = (if same { Some(merged.clone()) } else { convert(&merged, &last.api_version) }) else {
        return merged;
    };
    let named = |schema: &Schema, set: &FieldSet| typed::with_named_fields(Some(schema), set);
    let last_named = named(schema, &last.set);
    let mut pruned = typed::remove(schema, &base, &last_named);
    // Others' items come back, of this version first.
    let mut by_version: BTreeMap<&str, FieldSet> = BTreeMap::new();
    for owned in managers.values() {
        let set = by_version.entry(&owned.api_version).or_default();
        *set = set.union(&owned.set);
    }
    let mut order: Vec<&str> = by_version.keys().copied().collect();
    order.sort_by_key(|version| *version != last.api_version);
    let mut at = last.api_version.as_str();
    let mut whole = base.clone();
    for version in order {
        let Some(schema) = versions.schema(version) else { continue };
        if version != at {
            let (Some(w), Some(p)) = (convert(&whole, version), convert(&pruned, version)) else { continue };
            (whole, pruned, at) = (w, p, version);
        }
        let whole_set = named(schema, &typed::field_set(schema, &whole));
        let pruned_set = named(schema, &typed::field_set(schema, &pruned));
        let managed = named(schema, &by_version[version]);
        pruned = typed::remove(schema, &whole, &whole_set.difference(&pruned_set.union(&managed)));
    }
    if at != last.api_version {
        match convert(&pruned, &last.api_version) {
            Some(object) => pruned = object,
            None => return merged,
        }
    }
    // What goes must have been this manager's.
    let pruned_set = named(schema, &typed::field_set(schema, &pruned));
    let base_set = named(schema, &typed::field_set(schema, &base));
    let gone = base_set.difference(&pruned_set).intersection(&last_named);
    let out = typed::remove(schema, &base, &gone);
    if same { out } else { convert(&out, writer.api_version).unwrap_or(merged) }
}

/// What client-side apply had set and is still so.
fn last_applied_set(live: &Value, writer: &Writer<'_>, versions: &dyn Versions) -> Option<FieldSet> {
    let schema = versions.schema(writer.api_version)?;
    let text = live["metadata"]["annotations"][LAST_APPLIED].as_str()?;
    let last: Value = serde_json::from_str(text).ok()?;
    if last["apiVersion"] != writer.api_version
        || !typed::validate(schema, &last, Duplicates::Refused).is_empty()
    {
        return None;
    }
    let mut live = live.clone();
    strip(&mut live);
    let comparison = typed::compare(schema, &last, &live);
    let set = typed::field_set(schema, &last);
    Some(set.difference(&comparison.modified).difference(&comparison.added).difference(&comparison.removed))
}

/// What is never owned.
fn identity() -> FieldSet {
    FieldSet::of_fields([
        ["apiVersion"].as_slice(),
        &["kind"],
        &["metadata"],
        &["metadata", "name"],
        &["metadata", "namespace"],
        &["metadata", "creationTimestamp"],
        &["metadata", "selfLink"],
        &["metadata", "uid"],
        &["metadata", "clusterName"],
        &["metadata", "generation"],
        &["metadata", "managedFields"],
        &["metadata", "resourceVersion"],
    ])
}

fn strip_identity(managers: &mut Managers, id: &ManagerId) {
    if let Some(mine) = managers.get_mut(id) {
        mine.set = mine.set.difference(&identity());
        if mine.set.is_empty() {
            managers.remove(id);
        }
    }
}

/// Folds the oldest `Update` entries into one per version, until there are few enough.
fn cap(mut managers: Managers) -> Managers {
    let mut updaters: Vec<ManagerId> =
        managers.iter().filter(|(_, owned)| !owned.applied).map(|(id, _)| id.clone()).collect();
    let mut count = updaters.len();
    if count <= MAX_UPDATE_MANAGERS {
        return managers;
    }
    updaters.sort_by_key(|id| (managers[id].time.clone().unwrap_or_default(), id.clone()));
    let mut first_of: BTreeMap<String, ManagerId> = BTreeMap::new();
    for id in updaters {
        if count <= MAX_UPDATE_MANAGERS {
            break;
        }
        let version = managers[&id].api_version.clone();
        let Some(first) = first_of.get(&version) else {
            first_of.insert(version, id);
            continue;
        };
        let bucket = ManagerId {
            manager: "ancient-changes".to_owned(),
            operation: "Update".to_owned(),
            api_version: version,
            subresource: String::new(),
        };
        if !managers.contains_key(&bucket)
            && let Some(owned) = managers.remove(first)
        {
            managers.insert(bucket.clone(), owned);
        }
        let Some(owned) = managers.remove(&id) else { continue };
        if let Some(into) = managers.get_mut(&bucket) {
            into.set = into.set.union(&owned.set);
            into.time = owned.time;
        }
        count -= 1;
    }
    managers
}

fn parse(entries: Option<&Value>) -> Result<Managers, String> {
    let mut managers = Managers::new();
    for (at, entry) in entries.and_then(Value::as_array).into_iter().flatten().enumerate() {
        let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        let operation = text("operation");
        if operation != "Apply" && operation != "Update" {
            return Err("operation must be `Apply` or `Update`".to_owned());
        }
        let api_version = text("apiVersion");
        if api_version.is_empty() {
            return Err("apiVersion must not be empty".to_owned());
        }
        match text("fieldsType").as_str() {
            "FieldsV1" => {}
            "" => return Err(format!("missing fieldsType in managed fields entry {at}")),
            other => return Err(format!("invalid fieldsType {other:?} in managed fields entry {at}")),
        }
        let set = match entry.get("fieldsV1") {
            Some(fields) if !fields.is_null() => FieldSet::from_fields(fields)?,
            _ => FieldSet::default(),
        };
        let applied = operation == "Apply";
        let id = ManagerId {
            manager: text("manager"),
            operation,
            api_version: if applied { String::new() } else { api_version.clone() },
            subresource: text("subresource"),
        };
        let time = entry["time"].as_str().map(str::to_owned);
        managers.insert(id, Owned { set, api_version, applied, time });
    }
    Ok(managers)
}

fn strip(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
}

fn put(object: &mut Value, managers: &Managers) {
    let mut order: Vec<(&ManagerId, &Owned)> = managers.iter().collect();
    order.sort_by_key(|(id, owned)| {
        (&id.operation, owned.time.as_deref().unwrap_or(""), &id.manager, &owned.api_version, &id.subresource)
    });
    let entries: Vec<Value> = order
        .into_iter()
        .map(|(id, owned)| {
            let mut entry = json!({
                "manager": id.manager, "operation": id.operation, "apiVersion": owned.api_version,
                "fieldsType": "FieldsV1", "fieldsV1": owned.set.to_fields(),
            });
            if let Some(time) = &owned.time {
                entry["time"] = time.as_str().into();
            }
            if !id.subresource.is_empty() {
                entry["subresource"] = id.subresource.as_str().into();
            }
            entry
        })
        .collect();
    strip(object);
    if entries.is_empty() {
        return;
    }
    let Some(map) = object.as_object_mut() else { return };
    if let Some(metadata) = map.entry("metadata").or_insert_with(|| json!({})).as_object_mut() {
        metadata.insert("managedFields".to_owned(), entries.into());
    }
}
