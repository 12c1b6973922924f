//! What an estate file says of RDS in one region of an account.

use std::collections::BTreeMap;

use opsrun_core::Span;
use serde::Deserialize;

use opsrun_db_simulator::rows::Fields;

/// ```yaml
/// rds:
///   instances:
///     workflow-prod: { class: db.r6g.large, storage: 100, multi-az: true, tables: { orders: { rows: 1000, writes: 1s } } }
///   snapshots:
///     nightly: { of: workflow-prod, age: 20h }
/// ```
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct RdsSection {
    pub instances: BTreeMap<String, InstanceSection>,
    pub snapshots: BTreeMap<String, SnapshotSection>,
    pub quotas: QuotaSection,
    pub times: Times,
    /// Snapshots and copies with these names fail when they are so many percent done.
    pub failing_snapshots: BTreeMap<String, u8>,
}

/// One database.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct InstanceSection {
    pub class: String,
    pub engine: String,
    pub version: String,
    /// In GiB.
    pub storage: u32,
    pub multi_az: bool,
    /// The first of the region by itself.
    pub zone: Option<String>,
    /// For how many days it can be restored to any moment; 0: not at all.
    pub retention: u32,
    /// Deletion protection.
    pub protected: bool,
    pub encrypted: bool,
    /// Its administrator.
    pub user: String,
    /// Who may sign in, with their passwords; `null` takes any. Without users, everybody may.
    pub users: BTreeMap<String, Option<String>>,
    /// The name of the database in it.
    pub database: Option<String>,
    pub port: u16,
    pub tags: BTreeMap<String, String>,
    pub subnet_group: Option<String>,
    pub security_groups: Vec<String>,
    /// How old it is when the estate begins.
    pub age: Span,
    /// `NAME`, or `REGION/NAME` in another one: it is a read replica of that.
    pub replica_of: Option<String>,
    /// So far a replica is behind.
    pub lag: Span,
    pub tables: BTreeMap<String, TableSection>,
    /// Statements that make what else is in its database.
    pub sql: Option<String>,
    /// What somebody does there, as long as it can be reached under its name. Rows whose column `written_by` is `app` are not
    /// compared after a rehearsal, as they come by themselves.
    pub writes: Vec<WritesSection>,
    /// So long after the estate's start its storage is lost: it is `failed` for good, and can be restored from its backups.
    pub fails: Option<Span>,
}

/// Statements that are run again and again.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WritesSection {
    pub every: Span,
    pub sql: String,
}

impl Default for InstanceSection {
    fn default() -> Self {
        InstanceSection {
            class: "db.t4g.medium".to_owned(),
            engine: "postgres".to_owned(),
            version: "15.7".to_owned(),
            storage: 20,
            multi_az: false,
            zone: None,
            retention: 7,
            protected: false,
            encrypted: false,
            user: "postgres".to_owned(),
            database: None,
            port: 5432,
            tags: BTreeMap::new(),
            subnet_group: None,
            security_groups: Vec::new(),
            age: Span::from_secs(30 * 86_400),
            replica_of: None,
            lag: Span::from_secs(2),
            tables: BTreeMap::new(),
            users: BTreeMap::new(),
            sql: None,
            writes: Vec::new(),
            fails: None,
        }
    }
}

/// A table with rows.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TableSection {
    /// The column that tells rows apart.
    #[serde(default = "usual_key")]
    pub key: String,
    #[serde(default)]
    pub rows: RowsSection,
    /// As often somebody adds a row, as long as the database can be reached under its name.
    pub writes: Option<Span>,
}

fn usual_key() -> String {
    "id".to_owned()
}

/// The rows themselves, or how many to make up.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum RowsSection {
    Count(u32),
    These(Vec<Fields>),
}

impl Default for RowsSection {
    fn default() -> Self {
        RowsSection::Count(0)
    }
}

/// A snapshot that is there when the estate begins.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SnapshotSection {
    /// The instance.
    pub of: String,
    #[serde(default)]
    pub age: Span,
    /// Made by AWS every day, and not by somebody.
    #[serde(default)]
    pub automated: bool,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// How many of them there may be.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct QuotaSection {
    pub instances: usize,
    /// Those that somebody made.
    pub snapshots: usize,
    /// Of all instances, in GiB.
    pub storage: u32,
}

impl Default for QuotaSection {
    /// What a new account has.
    fn default() -> Self {
        QuotaSection { instances: 40, snapshots: 100, storage: 100_000 }
    }
}

/// How long what takes long takes. Sizes are of the storage that an instance has.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Times {
    pub snapshot: Span,
    pub snapshot_per_gib: Span,
    /// To the same or another region.
    pub copy: Span,
    pub copy_per_gib: Span,
    /// Blocks are fetched afterwards, so it does not depend on the size.
    pub restore: Span,
    pub restore_to_time: Span,
    pub restore_to_time_per_gib: Span,
    pub replica: Span,
    pub replica_per_gib: Span,
    pub promote: Span,
    pub reboot: Span,
    /// A failover takes between this and twice as long.
    pub failover: Span,
    pub modify: Span,
    pub rename: Span,
    pub delete: Span,
}

impl Default for Times {
    fn default() -> Self {
        Times {
            snapshot: Span::from_secs(60),
            snapshot_per_gib: Span::from_secs(2),
            copy: Span::from_secs(120),
            copy_per_gib: Span::from_secs(5),
            restore: Span::from_secs(480),
            restore_to_time: Span::from_secs(600),
            restore_to_time_per_gib: Span::from_secs(2),
            replica: Span::from_secs(480),
            replica_per_gib: Span::from_secs(3),
            promote: Span::from_secs(240),
            reboot: Span::from_secs(60),
            failover: Span::from_secs(60),
            modify: Span::from_secs(420),
            rename: Span::from_secs(120),
            delete: Span::from_secs(240),
        }
    }
}

/// `base`, and `each` for every GiB.
pub(super) fn of_size(base: Span, each: Span, gib: u32) -> Span {
    Span::from(base.duration() + each.duration() * gib)
}
