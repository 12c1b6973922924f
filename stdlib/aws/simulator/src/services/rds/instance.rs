//! A simulated database instance: what it is, and what becomes of it by and by.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use opsrun_core::Span;
use serde_json::{Value, json};

use super::{Place, default_key, domain};
use opsrun_db_simulator::rows::Database;

pub(super) const AVAILABLE: &str = "available";
pub(super) const BACKING_UP: &str = "backing-up";
pub(super) const CREATING: &str = "creating";
pub(super) const DELETING: &str = "deleting";
pub(super) const MODIFYING: &str = "modifying";
pub(super) const REBOOTING: &str = "rebooting";
pub(super) const RENAMING: &str = "renaming";

#[derive(Debug, Clone)]
pub(super) struct Instance {
    pub(super) name: String,
    pub(super) class: String,
    pub(super) engine: String,
    pub(super) version: String,
    /// In GiB.
    pub(super) storage: u32,
    pub(super) multi_az: bool,
    pub(super) zone: String,
    /// Where a failover leads to.
    pub(super) secondary: String,
    /// In days.
    pub(super) retention: u32,
    pub(super) protected: bool,
    pub(super) encrypted: bool,
    pub(super) user: String,
    pub(super) database: Option<String>,
    pub(super) port: u16,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) subnet_group: Option<String>,
    pub(super) security_groups: Vec<String>,
    pub(super) parameter_group: Option<String>,
    pub(super) created: Timestamp,
    /// It can be restored to moments from then on.
    pub(super) backed_up_since: Timestamp,
    /// Stays when it is renamed: `db-ABC…`.
    pub(super) resource: String,
    pub(super) replica: Option<Replica>,
    /// Of a replica, empty: its rows are its source's.
    pub(super) rows: Database,
    pub(super) status: &'static str,
    /// What happens next, in the order of time.
    pub(super) plan: VecDeque<Step>,
    /// What waits for the maintenance window.
    pub(super) pending: Modification,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Replica {
    pub(super) region: String,
    pub(super) source: String,
    pub(super) lag: Span,
}

#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) at: Timestamp,
    pub(super) what: What,
    /// Its state from then on.
    pub(super) status: &'static str,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    Nothing,
    FailedOver,
    Modified(Box<Modification>),
    Renamed(String),
    Removed,
}

/// Members of an instance that can be given other values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Modification {
    pub(super) class: Option<String>,
    pub(super) storage: Option<u32>,
    pub(super) multi_az: Option<bool>,
    pub(super) retention: Option<u32>,
    pub(super) version: Option<String>,
}

impl Instance {
    /// Whether somebody can be connected to it.
    pub(super) fn is_up(&self) -> bool {
        !matches!(self.status, CREATING | DELETING | REBOOTING | RENAMING)
    }

    pub(super) fn then(&mut self, at: Timestamp, what: What, status: &'static str) {
        self.plan.push_back(Step { at, what, status });
    }

    /// Takes the next step; gives its new name if it has one, `None` if it is gone.
    pub(super) fn step(&mut self) -> Option<String> {
        let Some(step) = self.plan.pop_front() else { return Some(self.name.clone()) };
        self.status = step.status;
        match step.what {
            What::Nothing => {}
            What::FailedOver => std::mem::swap(&mut self.zone, &mut self.secondary),
            What::Modified(modification) => self.become_of(*modification),
            What::Renamed(name) => self.name = name,
            What::Removed => return None,
        }
        Some(self.name.clone())
    }

    fn become_of(&mut self, modification: Modification) {
        let Modification { class, storage, multi_az, retention, version } = modification;
        self.class = class.unwrap_or_else(|| self.class.clone());
        self.storage = storage.unwrap_or(self.storage);
        self.multi_az = multi_az.unwrap_or(self.multi_az);
        self.retention = retention.unwrap_or(self.retention);
        self.version = version.unwrap_or_else(|| self.version.clone());
    }

    /// The newest moment that it can be restored to: AWS stores its log every five minutes.
    pub(super) fn latest_restorable(&self, now: Timestamp) -> Option<Timestamp> {
        if self.retention == 0 || self.replica.is_some() {
            return None;
        }
        let stored = Timestamp::from_second(now.as_second().div_euclid(300) * 300).ok()?;
        (stored >= self.backed_up_since).then_some(stored)
    }

    /// The oldest one.
    pub(super) fn earliest_restorable(&self, now: Timestamp) -> Timestamp {
        let days = jiff::SignedDuration::from_hours(24 * i64::from(self.retention));
        now.checked_sub(days).unwrap_or(Timestamp::MIN).max(self.backed_up_since)
    }

    /// `default.postgres15`
    fn default_parameters(&self) -> String {
        let major = self.version.split('.').next().unwrap_or_default();
        format!("default.{}{major}", self.engine)
    }

    pub(super) fn address(&self, place: Place<'_>) -> String {
        format!("{}.{}", self.name, domain(place))
    }

    /// As `DescribeDBInstances` has it. `replicas` are the names of its own.
    pub(super) fn described(&self, place: Place<'_>, replicas: &[String], now: Timestamp) -> Value {
        let Modification { class, storage, multi_az, retention, version } = &self.pending;
        let renamed = self.plan.iter().find_map(|step| match &step.what {
            What::Renamed(name) => Some(name),
            _ => None,
        });
        let groups: Vec<Value> = (self.security_groups.iter())
            .map(|group| json!({ "VpcSecurityGroupId": group, "Status": "active" }))
            .collect();
        let replica = self.replica.as_ref();
        let source = replica.map(|replica| match replica.region == place.region {
            true => replica.source.clone(),
            false => Place { region: &replica.region, ..place }.arn("rds", "db", &replica.source),
        });
        json!({
            "DBInstanceIdentifier": self.name,
            "DBInstanceArn": place.arn("rds", "db", &self.name),
            "DbiResourceId": self.resource,
            "DBInstanceClass": self.class,
            "DBInstanceStatus": self.status,
            "Engine": self.engine,
            "EngineVersion": self.version,
            "MasterUsername": self.user,
            "DBName": self.database,
            // There is none before it is there.
            "Endpoint": (self.status != CREATING).then(|| json!({
                "Address": self.address(place),
                "Port": self.port,
                "HostedZoneId": "Z1PVIF0B656C1W",
            })),
            "AllocatedStorage": self.storage,
            "StorageType": "gp3",
            "StorageEncrypted": self.encrypted,
            "KmsKeyId": self.encrypted.then(|| default_key(place)),
            "InstanceCreateTime": (self.status != CREATING).then(|| self.created.to_string()),
            "BackupRetentionPeriod": self.retention,
            "LatestRestorableTime": self.latest_restorable(now).map(|at| at.to_string()),
            "PreferredBackupWindow": "08:00-08:30",
            "PreferredMaintenanceWindow": "sun:09:00-sun:09:30",
            "MultiAZ": self.multi_az,
            "AvailabilityZone": self.zone,
            "SecondaryAvailabilityZone": self.multi_az.then_some(&self.secondary),
            "DeletionProtection": self.protected,
            "PubliclyAccessible": false,
            "AutoMinorVersionUpgrade": true,
            "CopyTagsToSnapshot": false,
            "DbInstancePort": 0,
            "ReadReplicaSourceDBInstanceIdentifier": source,
            "ReadReplicaDBInstanceIdentifiers": { "ReadReplicaDBInstanceIdentifier": replicas },
            "DBSubnetGroup": self.subnet_group.as_ref().map(|name| json!({ "DBSubnetGroupName": name })),
            "VpcSecurityGroups": { "VpcSecurityGroupMembership": groups },
            "DBParameterGroups": { "DBParameterGroup": [{
                "DBParameterGroupName": self.parameter_group.clone().unwrap_or_else(|| self.default_parameters()),
                "ParameterApplyStatus": "in-sync",
            }] },
            "PendingModifiedValues": {
                "DBInstanceIdentifier": renamed,
                "DBInstanceClass": class,
                "AllocatedStorage": storage,
                "MultiAZ": multi_az,
                "BackupRetentionPeriod": retention,
                "EngineVersion": version,
            },
            "TagList": { "Tag": super::wire::tags(&self.tags) },
        })
    }
}
