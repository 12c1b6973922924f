//! What playbooks get of databases and snapshots.

use std::collections::BTreeMap;

use aws_sdk_rds::types::{DbInstance, DbSnapshot, Tag};
use jiff::Timestamp;
use opsrun_core::Span;
use schemars::JsonSchema;
use serde::Serialize;

/// An instance of RDS.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Database {
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) region: String,
    /// `available`, `backing-up`, `modifying` … as AWS calls it.
    pub(crate) status: String,
    /// `db.r6g.large`
    pub(crate) class: String,
    pub(crate) engine: String,
    pub(crate) version: String,
    /// In GiB.
    pub(crate) storage: i32,
    pub(crate) multi_az: bool,
    pub(crate) zone: Option<String>,
    /// Where a failover leads to.
    pub(crate) secondary_zone: Option<String>,
    /// Where it is reached; it has none before it is there.
    pub(crate) address: Option<String>,
    pub(crate) port: Option<i32>,
    /// The name of the database that was made with it.
    pub(crate) database: Option<String>,
    /// For how many days it can be restored to any moment.
    pub(crate) backup_retention: i32,
    /// The newest moment that it can be restored to.
    pub(crate) latest_restorable: Option<String>,
    /// Of a replica, what it follows: a name, or an ARN in another region.
    pub(crate) replica_of: Option<String>,
    /// Names, or ARNs in other regions.
    pub(crate) replicas: Vec<String>,
    pub(crate) deletion_protection: bool,
    pub(crate) encrypted: bool,
    pub(crate) created: Option<String>,
    /// What changes in the next maintenance window.
    pub(crate) pending: BTreeMap<String, String>,
    pub(crate) tags: BTreeMap<String, String>,
}

impl Database {
    pub(crate) fn of(instance: &DbInstance, region: &str) -> Self {
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        let endpoint = instance.endpoint();
        Database {
            name: text(instance.db_instance_identifier()),
            arn: text(instance.db_instance_arn()),
            region: region.to_owned(),
            status: text(instance.db_instance_status()),
            class: text(instance.db_instance_class()),
            engine: text(instance.engine()),
            version: text(instance.engine_version()),
            storage: instance.allocated_storage().unwrap_or_default(),
            multi_az: instance.multi_az().unwrap_or_default(),
            zone: instance.availability_zone().map(str::to_owned),
            secondary_zone: instance.secondary_availability_zone().map(str::to_owned),
            address: endpoint.and_then(|endpoint| endpoint.address()).map(str::to_owned),
            port: endpoint.and_then(|endpoint| endpoint.port()),
            database: instance.db_name().map(str::to_owned),
            backup_retention: instance.backup_retention_period().unwrap_or_default(),
            latest_restorable: instance.latest_restorable_time().and_then(time).map(|at| at.to_string()),
            replica_of: instance.read_replica_source_db_instance_identifier().map(str::to_owned),
            replicas: instance.read_replica_db_instance_identifiers().to_vec(),
            deletion_protection: instance.deletion_protection().unwrap_or_default(),
            encrypted: instance.storage_encrypted().unwrap_or_default(),
            created: instance.instance_create_time().and_then(time).map(|at| at.to_string()),
            pending: pending(instance),
            tags: tag_map(instance.tag_list()),
        }
    }
}

fn pending(instance: &DbInstance) -> BTreeMap<String, String> {
    let Some(pending) = instance.pending_modified_values() else { return BTreeMap::new() };
    let values = [
        ("class", pending.db_instance_class().map(str::to_owned)),
        ("storage", pending.allocated_storage().map(|gib| gib.to_string())),
        ("multi_az", pending.multi_az().map(|is| is.to_string())),
        ("backup_retention", pending.backup_retention_period().map(|days| days.to_string())),
        ("version", pending.engine_version().map(str::to_owned)),
        ("name", pending.db_instance_identifier().map(str::to_owned)),
    ];
    values.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// A snapshot of an instance.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct SnapshotOfDatabase {
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) region: String,
    /// Its instance.
    pub(crate) instance: String,
    /// `creating`, `available`, `failed`
    pub(crate) status: String,
    /// In percent.
    pub(crate) progress: i32,
    /// When its data is of.
    pub(crate) taken: Option<String>,
    /// How long ago that was.
    pub(crate) age: Option<Span>,
    /// In GiB: the storage of its instance.
    pub(crate) storage: i32,
    pub(crate) engine: String,
    pub(crate) version: String,
    /// `manual`, `automated`
    pub(crate) kind: String,
    pub(crate) encrypted: bool,
    /// The ARN of the snapshot that it is a copy of.
    pub(crate) copy_of: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
}

impl SnapshotOfDatabase {
    pub(crate) fn of(snapshot: &DbSnapshot, region: &str, now: Timestamp) -> Self {
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        let taken =
            snapshot.original_snapshot_create_time().or(snapshot.snapshot_create_time()).and_then(time);
        let age =
            taken.map(|taken| std::time::Duration::try_from(now.duration_since(taken)).unwrap_or_default());
        SnapshotOfDatabase {
            name: text(snapshot.db_snapshot_identifier()),
            arn: text(snapshot.db_snapshot_arn()),
            region: region.to_owned(),
            instance: text(snapshot.db_instance_identifier()),
            status: text(snapshot.status()),
            progress: snapshot.percent_progress().unwrap_or_default(),
            taken: taken.map(|at| at.to_string()),
            // Nobody wants to know the milliseconds.
            age: age.map(|age| Span::from_secs(age.as_secs())),
            storage: snapshot.allocated_storage().unwrap_or_default(),
            engine: text(snapshot.engine()),
            version: text(snapshot.engine_version()),
            kind: text(snapshot.snapshot_type()),
            encrypted: snapshot.encrypted().unwrap_or_default(),
            copy_of: snapshot.source_db_snapshot_identifier().map(str::to_owned),
            tags: tag_map(snapshot.tag_list()),
        }
    }

    pub(crate) fn is_available(&self) -> bool {
        self.status == "available"
    }
}

pub(crate) fn time(at: &aws_smithy_types::DateTime) -> Option<Timestamp> {
    Timestamp::new(at.secs(), i32::try_from(at.subsec_nanos()).ok()?).ok()
}

fn tag_map(tags: &[Tag]) -> BTreeMap<String, String> {
    let pair = |tag: &Tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned()));
    tags.iter().filter_map(pair).collect()
}
