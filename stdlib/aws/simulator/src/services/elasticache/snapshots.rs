//! Snapshots are made and deleted.

use std::collections::BTreeMap;

use jiff::Timestamp;
use opsrun_core::Span;
use serde_json::{Value, json};

use super::group::{Group, What};
use super::{ElastiCache, Place, SNAPSHOTTING, of, place};
use crate::fault::{Answer, Fault};
use crate::protocol::text;
use crate::services::rds::wire::{identifier, tags_of};
use crate::world::{Aws, Caller};

#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    pub(super) name: String,
    /// Its group as it was, with the keys of that time.
    pub(super) of: Box<Group>,
    pub(super) automated: bool,
    pub(super) started: Timestamp,
    pub(super) ready: Timestamp,
    pub(super) fails: bool,
    pub(super) tags: BTreeMap<String, String>,
}

impl Snapshot {
    pub(super) fn begun(name: &str, of: Group, takes: Span, now: Timestamp) -> Self {
        Snapshot {
            name: name.to_owned(),
            of: Box::new(of),
            automated: false,
            started: now,
            ready: takes.after(now),
            fails: false,
            tags: BTreeMap::new(),
        }
    }

    pub(super) fn status(&self, now: Timestamp) -> &'static str {
        match (now >= self.ready, self.fails) {
            (false, _) => "creating",
            (true, true) => "failed",
            (true, false) => "available",
        }
    }

    /// As `DescribeSnapshots` has it.
    pub(super) fn described(&self, place: Place<'_>, now: Timestamp) -> Value {
        let group = &self.of;
        json!({
            "SnapshotName": self.name,
            "ReplicationGroupId": group.name,
            "ReplicationGroupDescription": group.description,
            "SnapshotStatus": self.status(now),
            "SnapshotSource": if self.automated { "automated" } else { "manual" },
            "CacheNodeType": group.node_type,
            "Engine": group.engine,
            "EngineVersion": group.version,
            "NumNodeGroups": 1,
            "AutomaticFailover": if group.automatic_failover { "enabled" } else { "disabled" },
            "Port": group.port,
            "CacheSubnetGroupName": group.subnet_group,
            "SnapshotRetentionLimit": group.retention,
            "NodeSnapshots": { "NodeSnapshot": [{
                "CacheClusterId": group.node(group.primary),
                "NodeGroupId": super::group::NODE_GROUP,
                "CacheNodeId": super::group::NODE_GROUP,
                "CacheSize": format!("{} MB", u64::from(group.data) * 1024),
                "CacheNodeCreateTime": group.created.to_string(),
                "SnapshotCreateTime": self.started.to_string(),
            }] },
            "ARN": place.arn("elasticache", "snapshot", &self.name),
        })
    }
}

pub(super) fn not_found(name: &str) -> Fault {
    Fault::not_found("SnapshotNotFoundFault", format!("Snapshot {name} not found."))
}

impl ElastiCache {
    /// Begins a snapshot of a group; gives how long it takes.
    ///
    /// # Errors
    /// `SnapshotAlreadyExistsFault`, `ReplicationGroupNotFoundFault`, `InvalidReplicationGroupState`.
    pub(super) fn take(&mut self, name: &str, group: &str, now: Timestamp) -> Answer<Span> {
        if self.snapshots.contains_key(name) {
            let message = format!("Snapshot with specified name already exists: {name}");
            return Err(Fault::sender("SnapshotAlreadyExistsFault", message));
        }
        let times = self.times;
        let of = self.available(group)?;
        let takes = Span::from(times.snapshot.duration() + times.snapshot_per_gib.duration() * of.data);
        let of = Group { keys: of.keys.at(now), ..of.clone() };
        let fails = self.failing.iter().any(|failing| failing == name);
        let snapshot = Snapshot { fails, ..Snapshot::begun(name, of, takes, now) };
        self.snapshots.insert(name.to_owned(), snapshot);
        Ok(takes)
    }
}

pub(super) fn create(world: &mut Aws, caller: &Caller, input: &Value) -> Answer {
    let name = identifier(input, "SnapshotName")?;
    let group = text(input, "ReplicationGroupId")?.to_ascii_lowercase();
    let elasticache = of(world, caller);
    let takes = elasticache.take(&name, &group, caller.now)?;
    elasticache.known(&group)?.then(takes, caller.now, SNAPSHOTTING, What::Ready);
    let snapshot = elasticache.snapshots.get_mut(&name).ok_or_else(|| not_found(&name))?;
    snapshot.tags = tags_of(input);
    Ok(json!({ "Snapshot": snapshot.described(place(caller), caller.now) }))
}

pub(super) fn delete(world: &mut Aws, caller: &Caller, input: &Value) -> Answer {
    let name = text(input, "SnapshotName")?.to_ascii_lowercase();
    let elasticache = of(world, caller);
    let snapshot = elasticache.snapshots.get(&name).ok_or_else(|| not_found(&name))?;
    if snapshot.status(caller.now) == "creating" {
        let message = format!("Snapshot {name} is not in available state.");
        return Err(Fault::sender("InvalidSnapshotState", message));
    }
    let mut described = snapshot.described(place(caller), caller.now);
    described["SnapshotStatus"] = json!("deleting");
    elasticache.snapshots.remove(&name);
    Ok(json!({ "Snapshot": described }))
}
