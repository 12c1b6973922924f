//! Relational Database Service: instances and snapshots with their rows, in one region of an account.

mod describe;
mod instance;
mod instances;
mod metrics;
mod reach;
mod replicas;
mod restores;
mod section;
mod snapshot;
mod snapshots;
mod sql;
mod start;
#[cfg(test)]
mod tests;
pub(crate) mod wire;

use std::collections::BTreeMap;

use jiff::Timestamp;
use opsrun_core::Span;
use serde_json::{Value, json};

use self::instance::{AVAILABLE, Instance};
pub(crate) use self::metrics::{measured, metric};
pub use self::reach::{DatabaseFacts, DatabaseServer, NoDatabase};
pub use self::section::{InstanceSection, RdsSection, SnapshotSection};
use self::section::{QuotaSection, Times};
use self::snapshot::Snapshot;
use crate::fault::{Answer, Fault};
use crate::protocol::Call;
use crate::services::place::{Place, place};
use crate::world::{Aws, Caller};
use opsrun_db_simulator::rows::{Databases, Fields};

/// Who owns what is in an instance's databases.
const OWNER: &str = "postgres";

/// Who wrote a row that an estate's `writes` added.
const APP: &str = "app";

/// RDS in one region of an account.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rds {
    instances: BTreeMap<String, Instance>,
    snapshots: BTreeMap<String, Snapshot>,
    writers: Vec<Writer>,
    quotas: QuotaSection,
    times: Times,
    failing: BTreeMap<String, u8>,
}

/// Somebody who writes as often as this, whatever instance has the name.
#[derive(Debug, Clone)]
struct Writer {
    instance: String,
    writes: Writes,
    every: Span,
    next: Timestamp,
}

#[derive(Debug, Clone)]
enum Writes {
    /// A row that is made up, into this table.
    Row(String),
    Sql(String),
}

/// What the addresses of an account's databases in a region end with.
fn domain(place: Place<'_>) -> String {
    format!("c{:011x}.{}.rds.amazonaws.com", place.number() & 0xfff_ffff_ffff, place.region)
}

/// The key that AWS encrypts with if nobody names one.
fn default_key(place: Place<'_>) -> String {
    format!("arn:aws:kms:{}:{}:key/aws-rds", place.region, place.account)
}

/// # Errors
/// Those of AWS.
pub(crate) fn call(world: &mut Aws, caller: &Caller, call: &Call) -> Answer {
    settle(world, &caller.account, &caller.region, caller.now);
    let input = &call.input;
    match call.operation.as_str() {
        "DescribeDBInstances" => describe::instances(world, caller, input),
        "DescribeDBSnapshots" => describe::snapshots(world, caller, input),
        "DescribeDBSnapshotAttributes" => describe::attributes(world, caller, input),
        "CreateDBSnapshot" => snapshots::create(world, caller, input),
        "DeleteDBSnapshot" => snapshots::delete(world, caller, input),
        "CopyDBSnapshot" => snapshots::copy(world, caller, input),
        "ModifyDBSnapshotAttribute" => snapshots::share(world, caller, input),
        "RestoreDBInstanceFromDBSnapshot" => restores::from_snapshot(world, caller, input),
        "RestoreDBInstanceToPointInTime" => restores::to_point_in_time(world, caller, input),
        "CreateDBInstanceReadReplica" => replicas::create(world, caller, input),
        "PromoteReadReplica" => replicas::promote(world, caller, input),
        "RebootDBInstance" => instances::reboot(world, caller, input),
        "ModifyDBInstance" => instances::modify(world, caller, input),
        "DeleteDBInstance" => instances::delete(world, caller, input),
        operation => Err(Fault::not_simulated("rds", operation)),
    }
}

/// RDS where the caller asks.
fn of<'w>(world: &'w mut Aws, caller: &Caller) -> &'w mut Rds {
    let account = world.accounts.entry(caller.account.clone()).or_default();
    &mut account.regions.entry(caller.region.clone()).or_default().rds
}

/// Lets happen in a region what has happened there until now.
fn settle(world: &mut Aws, account: &str, region: &str, now: Timestamp) {
    let taken = |world: &mut Aws| {
        let rds = &mut world.accounts.get_mut(account)?.regions.get_mut(region)?.rds;
        Some(std::mem::take(rds))
    };
    let Some(mut rds) = taken(world) else { return };
    rds.flee(&|zone| world.down_since(region, Some(zone), now));
    rds.advance(now, &|zone, at| world.is_down(region, Some(zone), at));
    if let Some(region) = world.accounts.get_mut(account).and_then(|account| account.regions.get_mut(region))
    {
        region.rds = rds;
    }
}

/// The databases of an instance as whoever reads there sees them.
fn to_read(world: &mut Aws, at: Place<'_>, name: &str, now: Timestamp) -> Option<Databases> {
    settle(world, at.account, at.region, now);
    let Some(until) = arrived(world, at, name, now) else {
        return Some(instance(world, at, name)?.databases.clone());
    };
    let replica = instance(world, at, name)?.replica.clone()?;
    let source = Place { region: &replica.region, ..at };
    Some(to_read(world, source, &replica.source, now)?.at(until))
}

/// Up to when a replica has what its source has written; `None` of what is none.
fn arrived(world: &Aws, at: Place<'_>, name: &str, now: Timestamp) -> Option<Timestamp> {
    let replica = instance(world, at, name)?.replica.as_ref()?;
    // What a source had written when it went down had not yet arrived in full.
    let until = world.down_since(&replica.region, None, now).unwrap_or(now);
    Some(until.checked_sub(replica.lag.duration()).unwrap_or(until))
}

fn instance<'w>(world: &'w Aws, at: Place<'_>, name: &str) -> Option<&'w Instance> {
    world.accounts.get(at.account)?.regions.get(at.region)?.rds.instances.get(name)
}

impl Rds {
    /// Takes all steps that are due, and writes in between what is written.
    fn advance(&mut self, now: Timestamp, is_down: &dyn Fn(&str, Timestamp) -> bool) {
        loop {
            let due = self.instances.values().filter_map(|instance| {
                let at = instance.next()?;
                (at <= now).then(|| (at, instance.name.clone()))
            });
            let Some((at, name)) = due.min() else { break };
            self.write(at, is_down);
            let Some(mut instance) = self.instances.remove(&name) else { break };
            if let Some(name) = instance.step() {
                self.instances.insert(name, instance);
            }
        }
        self.write(now, is_down);
    }

    /// What has a standby in another zone fails over when its own goes down.
    fn flee(&mut self, down_since: &dyn Fn(&str) -> Option<Timestamp>) {
        let span = self.times.failover;
        for instance in self.instances.values_mut() {
            if !instance.multi_az || instance.status != AVAILABLE || !instance.plan.is_empty() {
                continue;
            }
            let Some(since) = down_since(&instance.zone) else { continue };
            if down_since(&instance.secondary).is_none() {
                instance.then(since, instance::What::Nothing, instance::REBOOTING);
                instance.then(span.after(since), instance::What::FailedOver, AVAILABLE);
            }
        }
    }

    /// What the estate's writers write until then.
    fn write(&mut self, until: Timestamp, is_down: &dyn Fn(&str, Timestamp) -> bool) {
        for writer in &mut self.writers {
            while writer.next <= until {
                let at = writer.next;
                writer.next = writer.every.after(at);
                let Some(instance) = self.instances.get_mut(&writer.instance) else { continue };
                if instance.is_up() && instance.replica.is_none() && !is_down(&instance.zone, at) {
                    instance.write(&writer.writes, at);
                }
            }
        }
    }

    /// # Errors
    /// `DBInstanceNotFound`.
    fn known(&mut self, name: &str) -> Answer<&mut Instance> {
        self.instances
            .get_mut(name)
            .ok_or_else(|| Fault::not_found("DBInstanceNotFound", format!("DBInstance {name} not found.")))
    }

    /// An instance that something may be done to now; `to_do` is what.
    ///
    /// # Errors
    /// `DBInstanceNotFound`, `InvalidDBInstanceState`.
    fn available(&mut self, name: &str, to_do: &str) -> Answer<&mut Instance> {
        let instance = self.known(name)?;
        if instance.status == AVAILABLE {
            return Ok(instance);
        }
        Err(in_state(format!(
            "Cannot {to_do} because the database instance {name} is not currently in the available state: it is {}.",
            instance.status
        )))
    }

    /// # Errors
    /// `DBInstanceAlreadyExists`, `InstanceQuotaExceeded`, `StorageQuotaExceeded`.
    fn room_for(&self, name: &str, gib: u32) -> Answer<()> {
        if self.instances.contains_key(name) {
            return Err(Fault::sender("DBInstanceAlreadyExists", "DB instance already exists"));
        }
        if self.instances.len() >= self.quotas.instances {
            return Err(Fault::sender(
                "InstanceQuotaExceeded",
                format!("Cannot create more than {} DB instances", self.quotas.instances),
            ));
        }
        let used: u32 = self.instances.values().map(|instance| instance.storage).sum();
        if used + gib > self.quotas.storage {
            let message = format!("Cannot allocate more than {} GiB of storage", self.quotas.storage);
            return Err(Fault::sender("StorageQuotaExceeded", message));
        }
        Ok(())
    }

    pub(crate) fn snapshot(&self, region: &str, now: Timestamp, things: &mut BTreeMap<String, Value>) {
        for (name, instance) in &self.instances {
            let tables = instance.tables().map(|(name, table)| {
                // What the estate's writers add goes on by itself.
                let (rows, checksum) = table.checksum(|row| row.get("written_by") != Some(&json!(APP)));
                (name, json!({ "rows": rows, "checksum": checksum }))
            });
            let thing = json!({
                "status": instance.status,
                "class": instance.class,
                "version": instance.version,
                "multi-az": instance.multi_az,
                "zone": instance.zone,
                "retention": instance.retention,
                "protected": instance.protected,
                "subnet-group": instance.subnet_group,
                "security-groups": instance.security_groups,
                "pending": instance.pending != instance::Modification::default(),
                "tags": instance.tags,
                "replica-of": instance.replica.as_ref().map(|of| format!("{}/{}", of.region, of.source)),
                "tables": tables.collect::<BTreeMap<_, _>>(),
            });
            things.insert(format!("rds db {region}/{name}"), thing);
            // It only grows, so it is told apart.
            things.insert(format!("rds storage {region}/{name}"), json!(instance.storage));
        }
        for (name, snapshot) in &self.snapshots {
            let thing = json!({
                "of": snapshot.of.name,
                "status": snapshot.progress(now).1,
                "shared-with": snapshot.shared_with,
                "tags": snapshot.tags,
            });
            things.insert(format!("rds snapshot {region}/{name}"), thing);
        }
    }
}

fn in_state(message: String) -> Fault {
    Fault::sender("InvalidDBInstanceState", message)
}

/// A row that nobody has thought of: a key, when it was written, and by whom.
fn made_up(key: &str, number: i64, at: Timestamp, by: &str) -> Fields {
    let row = [
        (key.to_owned(), json!(number)),
        ("at".to_owned(), json!(at.to_string())),
        ("written_by".to_owned(), json!(by)),
    ];
    row.into_iter().collect()
}

impl Aws {
    /// Lets happen what has happened until now, everywhere.
    pub(crate) fn settle_databases(&mut self, now: Timestamp) {
        let places = self.accounts.iter().flat_map(|(account, content)| {
            content.regions.keys().map(move |region| (account.clone(), region.clone()))
        });
        let places: Vec<_> = places.collect();
        places.iter().for_each(|(account, region)| settle(self, account, region, now));
    }
}
