//! What an estate file says of ElastiCache in one region of an account.

use std::collections::BTreeMap;

use opsrun_core::Span;
use serde::Deserialize;
use serde_json::Value;

/// ```yaml
/// elasticache:
///   groups:
///     workflow-cache: { node-type: cache.r7g.large, replicas: 1, keys: { "flag:new-ui": "on" }, writes: 5s }
///   snapshots:
///     nightly: { of: workflow-cache, age: 20h }
/// ```
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ElastiCacheSection {
    /// Replication groups without shards, by name.
    pub groups: BTreeMap<String, CacheSection>,
    pub snapshots: BTreeMap<String, CacheSnapshotSection>,
    pub times: Times,
    /// Snapshots with these names fail instead of getting ready.
    pub failing_snapshots: Vec<String>,
}

/// One replication group.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct CacheSection {
    pub node_type: String,
    /// `redis` or `valkey`
    pub engine: String,
    pub version: String,
    /// Besides the primary.
    pub replicas: u32,
    /// A replica becomes the primary when that is lost; by itself, if there is one.
    pub automatic_failover: Option<bool>,
    /// For how many days automated snapshots stay; 0: none are made.
    pub retention: u32,
    pub port: u16,
    /// How much is in it, in GiB: a snapshot takes longer of more.
    pub data: u32,
    pub description: String,
    pub subnet_group: Option<String>,
    pub security_groups: Vec<String>,
    pub tags: BTreeMap<String, String>,
    /// How old it is when the estate begins.
    pub age: Span,
    pub keys: KeysSection,
    /// As often somebody adds a key, as long as the group can be reached.
    pub writes: Option<Span>,
}

impl Default for CacheSection {
    fn default() -> Self {
        CacheSection {
            node_type: "cache.t4g.small".to_owned(),
            engine: "redis".to_owned(),
            version: "7.1".to_owned(),
            replicas: 1,
            automatic_failover: None,
            retention: 1,
            port: 6379,
            data: 1,
            description: String::new(),
            subnet_group: None,
            security_groups: Vec::new(),
            tags: BTreeMap::new(),
            age: Span::from_secs(30 * 86_400),
            keys: KeysSection::default(),
            writes: None,
        }
    }
}

/// The keys themselves with their values, or how many to make up.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum KeysSection {
    Count(u32),
    These(BTreeMap<String, Value>),
}

impl Default for KeysSection {
    fn default() -> Self {
        KeysSection::Count(0)
    }
}

/// A snapshot that is there when the estate begins.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CacheSnapshotSection {
    /// The group.
    pub of: String,
    #[serde(default)]
    pub age: Span,
    /// Made by AWS every day, and not by somebody.
    #[serde(default)]
    pub automated: bool,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// How long what takes long takes.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Times {
    pub snapshot: Span,
    pub snapshot_per_gib: Span,
    /// Empty or from a snapshot.
    pub create: Span,
    pub failover: Span,
    /// Another type of node, more or fewer replicas.
    pub modify: Span,
    pub delete: Span,
}

impl Default for Times {
    fn default() -> Self {
        Times {
            snapshot: Span::from_secs(120),
            snapshot_per_gib: Span::from_secs(20),
            create: Span::from_secs(600),
            failover: Span::from_secs(60),
            modify: Span::from_secs(600),
            delete: Span::from_secs(240),
        }
    }
}
