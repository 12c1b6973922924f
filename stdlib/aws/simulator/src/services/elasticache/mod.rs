//! ElastiCache: replication groups and snapshots with their keys, in one region of an account.

mod describe;
mod group;
mod groups;
mod reach;
mod section;
mod snapshots;

use std::collections::BTreeMap;

use jiff::Timestamp;
use opsrun_core::Span;
use serde_json::{Value, json};

use self::group::{Group, put};
pub use self::reach::NoCache;
use self::section::Times;
pub use self::section::{CacheSection, CacheSnapshotSection, ElastiCacheSection, KeysSection};
use self::snapshots::Snapshot;
use crate::fault::{Answer, Fault};
use crate::protocol::Call;
use crate::services::place::{Place, place};
use crate::world::{Aws, Caller};

const AVAILABLE: &str = "available";
const CREATING: &str = "creating";
const DELETING: &str = "deleting";
const MODIFYING: &str = "modifying";
const SNAPSHOTTING: &str = "snapshotting";
/// Nobody can write to it meanwhile; AWS calls that `modifying` as well.
const FAILING_OVER: &str = "failing-over";

/// The table of a group's keys: each has `key` and `value`.
const KEYS: &str = "keys";
/// Whoever an estate's `writes` are of begins keys so.
const APP: &str = "app";

/// ElastiCache in one region of an account.
#[derive(Debug, Clone, Default)]
pub(crate) struct ElastiCache {
    groups: BTreeMap<String, Group>,
    snapshots: BTreeMap<String, Snapshot>,
    writers: Vec<Writer>,
    times: Times,
    failing: Vec<String>,
}

/// Somebody who adds a key as often as this, whatever group has the name.
#[derive(Debug, Clone)]
struct Writer {
    group: String,
    every: Span,
    next: Timestamp,
    number: u32,
}

/// What the addresses of an account's groups in a region end with: `us-west-2` is `usw2` there.
fn domain(place: Place<'_>) -> String {
    let mut parts = place.region.split('-');
    let first = parts.next().unwrap_or_default();
    let short: String = parts.filter_map(|part| part.chars().next()).collect();
    let number = place.number() & 0xff_ffff;
    format!("{number:06x}.ng.{}.{first}{short}.cache.amazonaws.com", group::NODE_GROUP)
}

/// # Errors
/// Those of AWS.
pub(crate) fn call(world: &mut Aws, caller: &Caller, call: &Call) -> Answer {
    settle(world, &caller.account, &caller.region, caller.now);
    let input = &call.input;
    match call.operation.as_str() {
        "DescribeReplicationGroups" => describe::groups(world, caller, input),
        "DescribeCacheClusters" => describe::nodes(world, caller, input),
        "DescribeSnapshots" => describe::snapshots(world, caller, input),
        "ListTagsForResource" => describe::tags(world, caller, input),
        "CreateSnapshot" => snapshots::create(world, caller, input),
        "DeleteSnapshot" => snapshots::delete(world, caller, input),
        "CreateReplicationGroup" => groups::create(world, caller, input),
        "ModifyReplicationGroup" => groups::modify(world, caller, input),
        "IncreaseReplicaCount" => groups::replicas(world, caller, input, true),
        "DecreaseReplicaCount" => groups::replicas(world, caller, input, false),
        "TestFailover" => groups::fail_over(world, caller, input),
        "DeleteReplicationGroup" => groups::delete(world, caller, input),
        operation => Err(Fault::not_simulated("elasticache", operation)),
    }
}

/// ElastiCache where the caller asks.
fn of<'w>(world: &'w mut Aws, caller: &Caller) -> &'w mut ElastiCache {
    &mut world.region_of(caller).elasticache
}

/// Lets happen in a region what has happened there until now.
fn settle(world: &mut Aws, account: &str, region: &str, now: Timestamp) {
    let taken = |world: &mut Aws| {
        let content = world.accounts.get_mut(account)?.regions.get_mut(region)?;
        Some(std::mem::take(&mut content.elasticache))
    };
    let Some(mut elasticache) = taken(world) else { return };
    elasticache.flee(&|group, node| world.down_since(region, Some(&group.zone(node, region)), now));
    elasticache.advance(now, &|group, at| {
        let zone = group.zone(group.primary, region);
        world.is_down(region, Some(&zone), at)
    });
    if let Some(region) = world.accounts.get_mut(account).and_then(|account| account.regions.get_mut(region))
    {
        region.elasticache = elasticache;
    }
}

impl ElastiCache {
    /// # Errors
    /// What of the section cannot be.
    pub(crate) fn start(section: &ElastiCacheSection, region: &str, now: Timestamp) -> Result<Self, String> {
        let mut elasticache = ElastiCache {
            times: section.times,
            failing: section.failing_snapshots.clone(),
            ..ElastiCache::default()
        };
        for (name, of) in &section.groups {
            let group = Group::start(name, of, now)
                .map_err(|why| format!("{region}: elasticache: groups: {name}: {why}"))?;
            elasticache.groups.insert(name.clone(), group);
            if let Some(every) = of.writes.filter(|every| !every.duration().is_zero()) {
                let writer = Writer { group: name.clone(), every, next: every.after(now), number: 1 };
                elasticache.writers.push(writer);
            }
        }
        for (name, of) in &section.snapshots {
            let group = elasticache.groups.get(&of.of).ok_or_else(|| {
                format!("elasticache: snapshots: {name}: there is no group `{}` that it could be of", of.of)
            })?;
            let started = now.checked_sub(of.age.duration()).unwrap_or(now);
            let of_then = Group { keys: group.keys.at(started), ..group.clone() };
            let snapshot = Snapshot {
                automated: of.automated,
                tags: of.tags.clone(),
                ready: started,
                ..Snapshot::begun(name, of_then, Span::default(), started)
            };
            elasticache.snapshots.insert(name.clone(), snapshot);
        }
        Ok(elasticache)
    }

    /// What fails over by itself does so when its primary's zone goes down, to a replica whose zone is not.
    fn flee(&mut self, down_since: &dyn Fn(&Group, u32) -> Option<Timestamp>) {
        let span = self.times.failover;
        for group in self.groups.values_mut() {
            if !group.automatic_failover || group.status != AVAILABLE || !group.plan.is_empty() {
                continue;
            }
            let Some(since) = down_since(group, group.primary) else { continue };
            let next = group.heirs().find(|node| down_since(group, *node).is_none());
            if let Some(next) = next {
                group.flee(next, since, span);
            }
        }
    }

    /// Takes all steps that are due, and writes in between what is written.
    fn advance(&mut self, now: Timestamp, is_down: &dyn Fn(&Group, Timestamp) -> bool) {
        loop {
            let due = self.groups.values().filter_map(|group| {
                let step = group.plan.front()?;
                (step.at <= now).then(|| (step.at, group.name.clone()))
            });
            let Some((at, name)) = due.min() else { break };
            self.write(at, is_down);
            if self.groups.get_mut(&name).is_some_and(|group| !group.step()) {
                self.groups.remove(&name);
            }
        }
        self.write(now, is_down);
    }

    /// What the estate's writers write until then.
    fn write(&mut self, until: Timestamp, is_down: &dyn Fn(&Group, Timestamp) -> bool) {
        for writer in &mut self.writers {
            while writer.next <= until {
                let at = writer.next;
                writer.next = writer.every.after(at);
                let group = self.groups.get_mut(&writer.group);
                let Some(group) = group.filter(|group| group.is_up() && !is_down(group, at)) else {
                    continue;
                };
                let (key, value) = made_up(APP, writer.number, at);
                put(&mut group.keys, at, &key, value);
                writer.number += 1;
            }
        }
    }

    /// # Errors
    /// `ReplicationGroupNotFoundFault`.
    fn known(&mut self, name: &str) -> Answer<&mut Group> {
        self.groups.get_mut(name).ok_or_else(|| {
            let message = format!("ReplicationGroup {name} not found.");
            Fault::not_found("ReplicationGroupNotFoundFault", message)
        })
    }

    /// A group that something may be done to now.
    ///
    /// # Errors
    /// `ReplicationGroupNotFoundFault`, `InvalidReplicationGroupState`.
    fn available(&mut self, name: &str) -> Answer<&mut Group> {
        let group = self.known(name)?;
        if group.status == AVAILABLE {
            return Ok(group);
        }
        let message = format!("Replication group {name} is not in available state.");
        Err(Fault::sender("InvalidReplicationGroupState", message))
    }

    pub(crate) fn snapshot(&self, region: &str, now: Timestamp, things: &mut BTreeMap<String, Value>) {
        for (name, group) in &self.groups {
            // What the estate's writers add goes on by itself.
            let keys = group.keys.table(KEYS).map(|keys| {
                let is_ours = |key: Option<&Value>| {
                    key.and_then(Value::as_str).is_some_and(|key| key.starts_with("app:"))
                };
                let (count, checksum) = keys.checksum(|row| !is_ours(row.get("key")));
                json!({ "count": count, "checksum": checksum })
            });
            let thing = json!({
                "status": group.status,
                "node-type": group.node_type,
                "version": group.version,
                "nodes": group.nodes.len(),
                "primary": group.node(group.primary),
                "retention": group.retention,
                "automatic-failover": group.automatic_failover,
                "subnet-group": group.subnet_group,
                "security-groups": group.security_groups,
                "tags": group.tags,
                "keys": keys,
            });
            things.insert(format!("elasticache group {region}/{name}"), thing);
        }
        for (name, snapshot) in &self.snapshots {
            let thing =
                json!({ "of": snapshot.of.name, "status": snapshot.status(now), "tags": snapshot.tags });
            things.insert(format!("elasticache snapshot {region}/{name}"), thing);
        }
    }
}

/// A key that nobody has thought of, and when it was written.
fn made_up(by: &str, number: u32, at: Timestamp) -> (String, Value) {
    (format!("{by}:{number}"), at.to_string().into())
}

impl Aws {
    /// Lets happen what has happened until now, everywhere.
    pub(crate) fn settle_caches(&mut self, now: Timestamp) {
        let places = self.accounts.iter().flat_map(|(account, content)| {
            content.regions.keys().map(move |region| (account.clone(), region.clone()))
        });
        let places: Vec<_> = places.collect();
        places.iter().for_each(|(account, region)| settle(self, account, region, now));
    }
}
