//! What there is: groups, their nodes, snapshots, tags.

use serde_json::{Value, json};

use super::snapshots::not_found;
use super::{of, place};
use crate::fault::{Answer, Fault};
use crate::protocol::text;
use crate::services::rds::wire::{self, optional};
use crate::world::{Aws, Caller};

pub(super) fn groups(world: &mut Aws, caller: &Caller, input: &Value) -> Answer {
    let elasticache = of(world, caller);
    let wanted = optional(input, "ReplicationGroupId").map(str::to_ascii_lowercase);
    if let Some(wanted) = &wanted {
        elasticache.known(wanted)?;
    }
    let found =
        elasticache.groups.iter().filter(|(name, _)| wanted.as_ref().is_none_or(|wanted| wanted == *name));
    let found = found.map(|(name, group)| (name.clone(), group.described(place(caller))));
    let (page, marker) = wire::page(input, found.collect())?;
    Ok(json!({ "ReplicationGroups": { "ReplicationGroup": page }, "Marker": marker }))
}

pub(super) fn nodes(world: &mut Aws, caller: &Caller, input: &Value) -> Answer {
    let wanted = optional(input, "CacheClusterId").map(str::to_ascii_lowercase);
    let mut found = Vec::new();
    for group in of(world, caller).groups.values() {
        let nodes = group.nodes.iter().map(|number| (group.node(*number), number));
        let nodes = nodes.filter(|(name, _)| wanted.as_ref().is_none_or(|wanted| wanted == name));
        found.extend(nodes.map(|(name, number)| (name, group.node_described(*number, place(caller)))));
    }
    if let (Some(wanted), true) = (wanted, found.is_empty()) {
        return Err(Fault::not_found("CacheClusterNotFound", format!("CacheCluster not found: {wanted}")));
    }
    let (page, marker) = wire::page(input, found)?;
    Ok(json!({ "CacheClusters": { "CacheCluster": page }, "Marker": marker }))
}

pub(super) fn snapshots(world: &mut Aws, caller: &Caller, input: &Value) -> Answer {
    let wanted = optional(input, "SnapshotName").map(str::to_ascii_lowercase);
    let group = optional(input, "ReplicationGroupId");
    let source = optional(input, "SnapshotSource");
    let found = of(world, caller).snapshots.iter().filter(|(name, snapshot)| {
        let kind = if snapshot.automated { "system" } else { "user" };
        wanted.as_ref().is_none_or(|wanted| wanted == *name)
            && group.is_none_or(|group| group == snapshot.of.name)
            && source.is_none_or(|source| source == kind)
    });
    let found: Vec<(String, Value)> =
        found.map(|(name, snapshot)| (name.clone(), snapshot.described(place(caller), caller.now))).collect();
    if let (Some(wanted), true) = (wanted, found.is_empty()) {
        return Err(not_found(&wanted));
    }
    let (page, marker) = wire::page(input, found)?;
    Ok(json!({ "Snapshots": { "Snapshot": page }, "Marker": marker }))
}

pub(super) fn tags(world: &mut Aws, caller: &Caller, input: &Value) -> Answer {
    let arn = text(input, "ResourceName")?;
    let mut parts = arn.rsplit(':');
    let (name, kind) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let elasticache = of(world, caller);
    let tags = match kind {
        "snapshot" => elasticache.snapshots.get(name).ok_or_else(|| not_found(name))?.tags.clone(),
        _ => elasticache.known(name)?.tags.clone(),
    };
    Ok(json!({ "TagList": { "Tag": wire::tags(&tags) } }))
}
