//! A simulated snapshot of a database.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::instance::Instance;
use super::{Place, default_key};
use opsrun_db_simulator::rows::Databases;

#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    pub(super) name: String,
    /// Its instance as it was.
    pub(super) of: Box<Instance>,
    pub(super) automated: bool,
    pub(super) started: Timestamp,
    pub(super) ready: Timestamp,
    /// It fails when so many percent are done.
    pub(super) fails_at: Option<u8>,
    pub(super) tags: BTreeMap<String, String>,
    /// Accounts that may restore and copy it; `all` is everybody.
    pub(super) shared_with: BTreeSet<String>,
    /// Of what it is a copy: its ARN and region.
    pub(super) copy_of: Option<(String, String)>,
    /// As they were when it was begun.
    pub(super) databases: Databases,
    /// When that was; of a copy, when its source was begun.
    pub(super) taken: Timestamp,
}

impl Snapshot {
    /// Percent that are done, and its state.
    pub(super) fn progress(&self, now: Timestamp) -> (u8, &'static str) {
        let whole = (self.ready.as_second() - self.started.as_second()).max(1);
        let done = (now.as_second() - self.started.as_second()) * 100 / whole;
        let done = u8::try_from(done.clamp(0, 100)).unwrap_or(100);
        match self.fails_at {
            Some(percent) if done >= percent => (percent, "failed"),
            _ if now >= self.ready => (100, "available"),
            _ => (done.min(99), "creating"),
        }
    }

    pub(super) fn is_available(&self, now: Timestamp) -> bool {
        self.progress(now).1 == "available"
    }

    /// As `DescribeDBSnapshots` has it for whoever it belongs to, or is shared with.
    pub(super) fn described(&self, place: Place<'_>, now: Timestamp) -> Value {
        let (percent, status) = self.progress(now);
        let (copy_of, from) = match &self.copy_of {
            Some((arn, region)) => (Some(arn), Some(region).filter(|region| *region != place.region)),
            None => (None, None),
        };
        json!({
            "DBSnapshotIdentifier": self.name,
            "DBSnapshotArn": place.arn("rds", "snapshot", &self.name),
            "DBInstanceIdentifier": self.of.name,
            "DbiResourceId": self.of.resource,
            "SnapshotCreateTime": (percent > 0).then(|| self.started.to_string()),
            "OriginalSnapshotCreateTime": (percent > 0).then(|| self.taken.to_string()),
            "SnapshotDatabaseTime": (percent > 0).then(|| self.taken.to_string()),
            "InstanceCreateTime": self.of.created.to_string(),
            "Engine": self.of.engine,
            "EngineVersion": self.of.version,
            "AllocatedStorage": self.of.storage,
            "StorageType": "gp3",
            "Status": status,
            "PercentProgress": percent,
            "Port": self.of.port,
            "AvailabilityZone": self.of.zone,
            "MasterUsername": self.of.user,
            "SnapshotType": if self.automated { "automated" } else { "manual" },
            "Encrypted": self.of.encrypted,
            "KmsKeyId": self.of.encrypted.then(|| default_key(place)),
            "SourceDBSnapshotIdentifier": copy_of,
            "SourceRegion": from,
            "SnapshotTarget": "region",
            "TagList": { "Tag": super::wire::tags(&self.tags) },
        })
    }
}
