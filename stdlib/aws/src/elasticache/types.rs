//! What playbooks get of caches and snapshots.

use std::collections::BTreeMap;

use aws_sdk_elasticache::types::{
    AutomaticFailoverStatus, CacheCluster, MultiAzStatus, NodeGroup, NodeGroupMember, ReplicationGroup,
    Snapshot,
};
use jiff::Timestamp;
use opsrun_core::Span;
use schemars::JsonSchema;
use serde::Serialize;

use crate::rds::time;

/// A replication group of ElastiCache.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Cache {
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) region: String,
    pub(crate) description: String,
    /// `available`, `modifying`, `snapshotting` … as AWS calls it.
    pub(crate) status: String,
    /// `cache.r7g.large`
    pub(crate) node_type: String,
    /// `redis`, `valkey`
    pub(crate) engine: String,
    pub(crate) version: Option<String>,
    /// Where it is reached for writing; of one with shards, where its shards are told. None before it is there.
    pub(crate) address: Option<String>,
    pub(crate) port: Option<i32>,
    /// Where its replicas are reached.
    pub(crate) reader_address: Option<String>,
    pub(crate) shards: Vec<Shard>,
    pub(crate) automatic_failover: bool,
    pub(crate) multi_az: bool,
    /// For how many days automated snapshots stay.
    pub(crate) snapshot_retention: i32,
    pub(crate) created: Option<String>,
    pub(crate) subnet_group: Option<String>,
    /// Of the network.
    pub(crate) security_groups: Vec<String>,
    pub(crate) parameter_group: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
}

/// A part of the keys, or all of them: a primary and its replicas.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Shard {
    /// `0001`
    pub(crate) name: String,
    pub(crate) status: String,
    /// The node that takes writes; AWS does not say that of groups with several shards.
    pub(crate) primary: Option<String>,
    pub(crate) nodes: Vec<Node>,
}

/// A node of a cache.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Node {
    pub(crate) name: String,
    /// `primary`, `replica`
    pub(crate) role: Option<String>,
    pub(crate) zone: Option<String>,
    pub(crate) address: Option<String>,
}

fn present(text: Option<&str>) -> String {
    text.unwrap_or_default().to_owned()
}

impl Cache {
    /// Without what only its nodes and its tags tell.
    pub(super) fn of(group: &ReplicationGroup, region: &str) -> Self {
        let shards: Vec<Shard> = group.node_groups().iter().map(Shard::of).collect();
        let first = group.node_groups().first();
        let primary = first.and_then(NodeGroup::primary_endpoint);
        let reached = group.configuration_endpoint().or(primary);
        let reader = first.and_then(NodeGroup::reader_endpoint);
        Cache {
            name: present(group.replication_group_id()),
            arn: present(group.arn()),
            region: region.to_owned(),
            description: present(group.description()),
            status: present(group.status()),
            node_type: present(group.cache_node_type()),
            engine: group.engine().unwrap_or("redis").to_owned(),
            version: None,
            address: reached.and_then(|reached| reached.address()).map(str::to_owned),
            port: reached.and_then(|reached| reached.port()),
            reader_address: reader.and_then(|reader| reader.address()).map(str::to_owned),
            shards,
            automatic_failover: matches!(
                group.automatic_failover(),
                Some(AutomaticFailoverStatus::Enabled | AutomaticFailoverStatus::Enabling)
            ),
            multi_az: group.multi_az() == Some(&MultiAzStatus::Enabled),
            snapshot_retention: group.snapshot_retention_limit().unwrap_or_default(),
            created: group.replication_group_create_time().and_then(time).map(|at| at.to_string()),
            subnet_group: None,
            security_groups: Vec::new(),
            parameter_group: None,
            tags: BTreeMap::new(),
        }
    }

    /// With what one of its nodes tells of all.
    pub(super) fn with(mut self, node: &CacheCluster) -> Self {
        self.version = node.engine_version().map(str::to_owned);
        self.subnet_group = node.cache_subnet_group_name().map(str::to_owned);
        let groups = node.security_groups().iter();
        self.security_groups =
            groups.filter_map(|group| group.security_group_id().map(str::to_owned)).collect();
        let parameters = node.cache_parameter_group().and_then(|group| group.cache_parameter_group_name());
        self.parameter_group = parameters.map(str::to_owned);
        self
    }

    /// It can be worked with, or somebody has to do something about it.
    pub(crate) fn is_settled(&self) -> bool {
        matches!(self.status.as_str(), "available" | "create-failed")
    }

    pub(crate) fn shard(&self, name: &str) -> Option<&Shard> {
        self.shards.iter().find(|shard| shard.name == name)
    }

    /// How many replicas each shard has.
    pub(crate) fn replicas(&self) -> usize {
        self.shards.iter().map(|shard| shard.nodes.len()).max().unwrap_or(1).saturating_sub(1)
    }
}

impl Shard {
    fn of(group: &NodeGroup) -> Self {
        let nodes: Vec<Node> = group.node_group_members().iter().map(Node::of).collect();
        let primary = nodes.iter().find(|node| node.role.as_deref() == Some("primary"));
        Shard {
            name: present(group.node_group_id()),
            status: present(group.status()),
            primary: primary.map(|node| node.name.clone()),
            nodes,
        }
    }
}

impl Node {
    fn of(member: &NodeGroupMember) -> Self {
        let reached = member.read_endpoint().and_then(|reached| reached.address());
        Node {
            name: present(member.cache_cluster_id()),
            role: member.current_role().map(str::to_owned),
            zone: member.preferred_availability_zone().map(str::to_owned),
            address: reached.map(str::to_owned),
        }
    }
}

/// A snapshot of a replication group.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct SnapshotOfCache {
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) region: String,
    /// Its replication group.
    pub(crate) cache: String,
    /// `creating`, `available`, `failed` …
    pub(crate) status: String,
    /// When its data is of.
    pub(crate) taken: Option<String>,
    /// How long ago that was.
    pub(crate) age: Option<Span>,
    /// How much is in each of its shards: `1024 MB`.
    pub(crate) sizes: Vec<String>,
    pub(crate) node_type: String,
    pub(crate) engine: String,
    pub(crate) version: Option<String>,
    /// `manual`, `automated`
    pub(crate) kind: String,
}

impl SnapshotOfCache {
    pub(super) fn of(snapshot: &Snapshot, region: &str, now: Timestamp) -> Self {
        let parts = snapshot.node_snapshots();
        let taken = parts.iter().filter_map(|part| part.snapshot_create_time().and_then(time)).min();
        let age =
            taken.map(|taken| std::time::Duration::try_from(now.duration_since(taken)).unwrap_or_default());
        SnapshotOfCache {
            name: present(snapshot.snapshot_name()),
            arn: present(snapshot.arn()),
            region: region.to_owned(),
            cache: snapshot
                .replication_group_id()
                .or(snapshot.cache_cluster_id())
                .unwrap_or_default()
                .to_owned(),
            status: present(snapshot.snapshot_status()),
            taken: taken.map(|at| at.to_string()),
            // Nobody wants to know the milliseconds.
            age: age.map(|age| Span::from_secs(age.as_secs())),
            sizes: parts.iter().filter_map(|part| part.cache_size().map(str::to_owned)).collect(),
            node_type: present(snapshot.cache_node_type()),
            engine: present(snapshot.engine()),
            version: snapshot.engine_version().map(str::to_owned),
            kind: present(snapshot.snapshot_source()),
        }
    }
}
