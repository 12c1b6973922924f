//! A simulated database instance: what it is, and what becomes of it by and by.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use opsrun_core::Span;
use serde_json::{Value, json};

use super::{APP, OWNER, Place, Writes, default_key, domain, made_up, sql};
use opsrun_db_simulator::rows::{Databases, Table};

pub(super) const AVAILABLE: &str = "available";
pub(super) const BACKING_UP: &str = "backing-up";
pub(super) const CREATING: &str = "creating";
pub(super) const DELETING: &str = "deleting";
/// Its storage is lost, and it does not come back.
pub(super) const FAILED: &str = "failed";
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
    pub(super) users: BTreeMap<String, Option<String>>,
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
    /// Of a replica, empty: it has its source's.
    pub(super) databases: Databases,
    /// When it fails, or has failed.
    pub(super) fails: Option<Timestamp>,
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
        !matches!(self.status, CREATING | DELETING | FAILED | REBOOTING | RENAMING)
    }

    /// When something happens to it next.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.plan.front().map(|step| step.at).into_iter().chain(self.will_fail()).min()
    }

    fn will_fail(&self) -> Option<Timestamp> {
        self.fails.filter(|_| !matches!(self.status, DELETING | FAILED))
    }

    /// The database that it was made with, or the one that is always there.
    pub(super) fn main_database(&self) -> &str {
        self.database.as_deref().unwrap_or(OWNER)
    }

    /// All tables, with the names of their databases where it is not the main one.
    pub(super) fn tables(&self) -> impl Iterator<Item = (String, &Table)> {
        self.databases.iter().flat_map(move |(database, content)| {
            content.tables().map(move |(name, table)| match database == self.main_database() {
                true => (name.to_string(), table),
                false => (format!("{database}/{name}"), table),
            })
        })
    }

    /// What is refused is the application's affair.
    pub(super) fn write(&mut self, what: &Writes, at: Timestamp) {
        let main = self.main_database().to_owned();
        match what {
            Writes::Sql(text) => drop(sql::run(&mut self.databases, &main, text, at)),
            Writes::Row(name) => {
                let Some(database) = self.databases.get_mut(&main) else { return };
                let Some(table) = database.table(name.as_str()) else { return };
                let row = made_up(table.key().unwrap_or_default(), table.next_key(), at, APP);
                let _ = database.put(at, name, &row);
            }
        }
    }

    pub(super) fn then(&mut self, at: Timestamp, what: What, status: &'static str) {
        self.plan.push_back(Step { at, what, status });
    }

    /// Takes the next step; gives its new name if it has one, `None` if it is gone.
    pub(super) fn step(&mut self) -> Option<String> {
        if self.will_fail().is_some_and(|fails| self.plan.front().is_none_or(|step| fails <= step.at)) {
            self.status = FAILED;
            self.plan.clear();
        }
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
        let now = self.fails.map_or(now, |fails| fails.min(now));
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
