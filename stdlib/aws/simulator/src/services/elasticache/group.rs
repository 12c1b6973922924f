//! A simulated replication group: its nodes, its keys, and what becomes of it by and by.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use opsrun_core::Span;
use serde_json::{Value, json};

use super::section::{CacheSection, KeysSection};
use super::{AVAILABLE, CREATING, DELETING, FAILING_OVER, KEYS, Place, domain, made_up};
use opsrun_db_simulator::rows::{Column, Database};
use opsrun_db_simulator::value::Type;

/// Those without shards have one part, and it is called so.
pub(super) const NODE_GROUP: &str = "0001";

#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) node_type: String,
    pub(super) engine: String,
    pub(super) version: String,
    pub(super) port: u16,
    /// In GiB.
    pub(super) data: u32,
    pub(super) retention: u32,
    pub(super) automatic_failover: bool,
    pub(super) multi_az: bool,
    pub(super) subnet_group: Option<String>,
    pub(super) security_groups: Vec<String>,
    pub(super) parameter_group: Option<String>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) created: Timestamp,
    /// Numbers of its nodes: `NAME-001`.
    pub(super) nodes: Vec<u32>,
    /// Which of them takes writes.
    pub(super) primary: u32,
    pub(super) keys: Database,
    pub(super) status: &'static str,
    /// What happens next, in the order of time.
    pub(super) plan: VecDeque<Step>,
}

#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) at: Timestamp,
    pub(super) what: What,
}

/// It is available after each of them but `Lost`.
#[derive(Debug, Clone)]
pub(super) enum What {
    Ready,
    /// Its primary does not answer any more.
    Lost,
    /// This node is the primary now.
    FailedOver(u32),
    OfType(String),
    OfNodes(u32),
    Removed,
}

impl Group {
    /// # Errors
    /// What of the section cannot be.
    pub(super) fn start(name: &str, of: &CacheSection, now: Timestamp) -> Result<Self, String> {
        let created = now.checked_sub(of.age.duration()).unwrap_or(now);
        let failover = of.automatic_failover.unwrap_or(of.replicas > 0);
        if failover && of.replicas == 0 {
            return Err("there is no replica for `automatic-failover`".to_owned());
        }
        let mut keys = empty(created);
        let these: Vec<(String, Value)> = match &of.keys {
            KeysSection::These(keys) => keys.clone().into_iter().collect(),
            KeysSection::Count(count) => {
                (1..=*count).map(|number| made_up("seed", number, created)).collect()
            }
        };
        for (key, value) in these {
            put(&mut keys, created, &key, value);
        }
        Ok(Group {
            name: name.to_owned(),
            description: of.description.clone(),
            node_type: of.node_type.clone(),
            engine: of.engine.clone(),
            version: of.version.clone(),
            port: of.port,
            data: of.data,
            retention: of.retention,
            automatic_failover: failover,
            multi_az: failover,
            subnet_group: of.subnet_group.clone(),
            security_groups: of.security_groups.clone(),
            parameter_group: None,
            tags: of.tags.clone(),
            created,
            nodes: (1..=of.replicas + 1).collect(),
            primary: 1,
            keys,
            status: AVAILABLE,
            plan: VecDeque::new(),
        })
    }

    /// Whether somebody can write to it.
    pub(super) fn is_up(&self) -> bool {
        !matches!(self.status, CREATING | DELETING | FAILING_OVER)
    }

    pub(super) fn then(&mut self, span: Span, now: Timestamp, status: &'static str, what: What) {
        self.status = status;
        self.plan.push_back(Step { at: span.after(now), what });
    }

    /// The nodes that may become the primary, in the order in which they would.
    pub(super) fn heirs(&self) -> impl Iterator<Item = u32> {
        let (before, after): (Vec<u32>, Vec<u32>) = self.nodes.iter().partition(|node| **node < self.primary);
        let primary = self.primary;
        after.into_iter().chain(before).filter(move |node| *node != primary)
    }

    /// Fails over to this node, as its primary is lost since then.
    pub(super) fn flee(&mut self, node: u32, since: Timestamp, span: Span) {
        self.plan.push_back(Step { at: since, what: What::Lost });
        self.plan.push_back(Step { at: span.after(since), what: What::FailedOver(node) });
    }

    /// Takes the next step; whether it is still there.
    pub(super) fn step(&mut self) -> bool {
        let Some(step) = self.plan.pop_front() else { return true };
        self.status = AVAILABLE;
        match step.what {
            What::Ready => {}
            What::Lost => self.status = FAILING_OVER,
            What::FailedOver(node) => self.primary = node,
            What::OfType(node_type) => self.node_type = node_type,
            What::OfNodes(count) => self.have(count),
            What::Removed => return false,
        }
        true
    }

    /// The newest replicas go; a new one has the next free number.
    fn have(&mut self, count: u32) {
        while self.nodes.len() > count as usize {
            let last = self.nodes.iter().rposition(|node| *node != self.primary);
            let Some(last) = last else { return };
            self.nodes.remove(last);
        }
        let mut next = 1;
        while self.nodes.len() < count as usize {
            if !self.nodes.contains(&next) {
                self.nodes.push(next);
            }
            next += 1;
        }
        self.nodes.sort_unstable();
    }

    pub(super) fn node(&self, number: u32) -> String {
        format!("{}-{number:03}", self.name)
    }

    /// The nodes stand in the region's three zones, one after the other.
    pub(super) fn zone(&self, number: u32, region: &str) -> String {
        let zone = ["c", "a", "b"][(number % 3) as usize];
        format!("{region}{zone}")
    }

    pub(super) fn address(&self, place: Place<'_>) -> String {
        format!("{}.{}", self.name, domain(place))
    }

    /// As `DescribeReplicationGroups` has it.
    pub(super) fn described(&self, place: Place<'_>) -> Value {
        let there = self.status != CREATING;
        let members: Vec<Value> = self
            .nodes
            .iter()
            .map(|number| {
                json!({
                    "CacheClusterId": self.node(*number),
                    "CacheNodeId": NODE_GROUP,
                    "ReadEndpoint": there.then(|| json!({
                        "Address": format!("{}.{}", self.node(*number), domain(place)),
                        "Port": self.port,
                    })),
                    "PreferredAvailabilityZone": self.zone(*number, place.region),
                    "CurrentRole": if *number == self.primary { "primary" } else { "replica" },
                })
            })
            .collect();
        let node_group = json!({
            "NodeGroupId": NODE_GROUP,
            "Status": self.told_status(),
            "PrimaryEndpoint": { "Address": self.address(place), "Port": self.port },
            "ReaderEndpoint": { "Address": format!("{}-ro.{}", self.name, domain(place)), "Port": self.port },
            "NodeGroupMembers": { "NodeGroupMember": members },
        });
        let names: Vec<String> = self.nodes.iter().map(|number| self.node(*number)).collect();
        let on = |is: bool| if is { "enabled" } else { "disabled" };
        json!({
            "ReplicationGroupId": self.name,
            "Description": self.description,
            "Status": self.told_status(),
            "PendingModifiedValues": {},
            "MemberClusters": { "ClusterId": names },
            // There are no addresses before it is there.
            "NodeGroups": { "NodeGroup": there.then_some(node_group) },
            "AutomaticFailover": on(self.automatic_failover),
            "MultiAZ": on(self.multi_az),
            "SnapshotRetentionLimit": self.retention,
            "SnapshotWindow": "05:00-06:00",
            "ClusterEnabled": false,
            "CacheNodeType": self.node_type,
            "AuthTokenEnabled": false,
            "TransitEncryptionEnabled": false,
            "AtRestEncryptionEnabled": false,
            "ARN": place.arn("elasticache", "replicationgroup", &self.name),
            "ReplicationGroupCreateTime": self.created.to_string(),
            "Engine": self.engine,
        })
    }

    /// AWS has one word for what it does to a group.
    fn told_status(&self) -> &'static str {
        if self.status == FAILING_OVER { super::MODIFYING } else { self.status }
    }

    /// As `DescribeCacheClusters` has one of its nodes.
    pub(super) fn node_described(&self, number: u32, place: Place<'_>) -> Value {
        let groups: Vec<Value> = (self.security_groups.iter())
            .map(|group| json!({ "SecurityGroupId": group, "Status": "active" }))
            .collect();
        let major = self.version.split('.').next().unwrap_or_default();
        let usual = || format!("default.{}{major}", self.engine);
        json!({
            "CacheClusterId": self.node(number),
            "ReplicationGroupId": self.name,
            "CacheClusterStatus": self.told_status(),
            "CacheNodeType": self.node_type,
            "Engine": self.engine,
            "EngineVersion": self.version,
            "NumCacheNodes": 1,
            "PreferredAvailabilityZone": self.zone(number, place.region),
            "CacheClusterCreateTime": self.created.to_string(),
            "CacheParameterGroup": {
                "CacheParameterGroupName": self.parameter_group.clone().unwrap_or_else(usual),
                "ParameterApplyStatus": "in-sync",
            },
            "CacheSubnetGroupName": self.subnet_group,
            "SecurityGroups": { "member": groups },
            "SnapshotRetentionLimit": self.retention,
            "ARN": place.arn("elasticache", "cluster", &self.node(number)),
        })
    }
}

/// A database without keys.
pub(super) fn empty(at: Timestamp) -> Database {
    let mut keys = Database::default();
    let columns = vec![Column::new("key", Type::Text), Column::new("value", Type::Jsonb)];
    // There is none of this name before.
    let _ = keys.create_table(at, KEYS, columns, "key");
    keys
}

pub(super) fn put(keys: &mut Database, at: Timestamp, key: &str, value: Value) {
    let row = [("key".to_owned(), key.into()), ("value".to_owned(), value)];
    // It has the table's key.
    let _ = keys.put(at, KEYS, &row.into_iter().collect());
}
