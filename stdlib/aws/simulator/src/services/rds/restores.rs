//! Instances are made of snapshots, and of other instances as they were.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde_json::Value;

use super::describe::{self, name_of};
use super::instance::{AVAILABLE, BACKING_UP, CREATING, Instance, Modification, What};
use super::instances::described;
use super::section::of_size;
use super::wire::{flag, identifier, invalid, list, number, optional, tags_of};
use super::{of, place, start, to_read};
use crate::fault::{Answer, Fault};
use crate::protocol::text;
use crate::world::{Aws, Caller};
use opsrun_db_simulator::rows::Databases;

/// How long the first backup of a new instance takes.
const FIRST_BACKUP: opsrun_core::Span = opsrun_core::Span::from_secs(120);

pub(super) fn from_snapshot(world: &mut Aws, caller: &Caller, input: &Value) -> Answer {
    let name = identifier(input, "DBInstanceIdentifier")?;
    let named = text(input, "DBSnapshotIdentifier")?;
    let (region, snapshot) = describe::snapshot(world, caller, named)?;
    if region != caller.region {
        return Err(describe::not_found(named));
    }
    if !snapshot.is_available(caller.now) {
        let message = format!("Cannot restore from the snapshot {named}: it is not in the available state.");
        return Err(Fault::sender("InvalidDBSnapshotState", message));
    }
    let storage = number(input, "AllocatedStorage")?;
    if storage.is_some_and(|gib| gib < snapshot.of.storage) {
        return Err(Fault::sender(
            "InvalidRestoreFault",
            format!("The storage cannot be less than the {} GiB of the snapshot.", snapshot.of.storage),
        ));
    }
    if let Some(engine) = optional(input, "Engine").filter(|engine| *engine != snapshot.of.engine) {
        let message =
            format!("The snapshot is of {}, and cannot be restored as {engine}.", snapshot.of.engine);
        return Err(Fault::sender("InvalidRestoreFault", message));
    }
    let times = of(world, caller).times;
    let ready = times.restore.after(caller.now);
    make(
        world,
        caller,
        input,
        Made { name, like: *snapshot.of, databases: snapshot.databases, storage, ready },
    )
}

pub(super) fn to_point_in_time(world: &mut Aws, caller: &Caller, input: &Value) -> Answer {
    let name = identifier(input, "TargetDBInstanceIdentifier")?;
    let source = name_of(text(input, "SourceDBInstanceIdentifier")?);
    let latest = flag(input, "UseLatestRestorableTime") == Some(true);
    let rds = of(world, caller);
    let times = rds.times;
    let instance = rds.known(&source)?.clone();
    if matches!(instance.status, CREATING | super::instance::DELETING) {
        return Err(super::in_state(format!(
            "The instance {source} is {}: it cannot be restored from now.",
            instance.status
        )));
    }
    let Some(newest) = instance.latest_restorable(caller.now) else {
        let message = format!("Point-in-time restore is not enabled for {source}: it has no backups.");
        return Err(Fault::sender("PointInTimeRestoreNotEnabled", message));
    };
    let moment = match (optional(input, "RestoreTime"), latest) {
        (Some(_), true) => {
            let message = "RestoreTime cannot be specified when UseLatestRestorableTime is specified.";
            return Err(Fault::sender("InvalidParameterCombination", message));
        }
        (None, false) => {
            let message = "Either RestoreTime or UseLatestRestorableTime must be specified.";
            return Err(Fault::sender("InvalidParameterCombination", message));
        }
        (None, true) => newest,
        (Some(text), false) => {
            text.parse().map_err(|_| invalid(format!("Invalid value {text} for RestoreTime.")))?
        }
    };
    let oldest = instance.earliest_restorable(caller.now);
    if moment > newest || moment < oldest {
        let message = format!(
            "The specified instance cannot be restored to {moment}: it can be from {oldest} to {newest}."
        );
        return Err(Fault::sender("InvalidRestoreFault", message));
    }
    let storage = number(input, "AllocatedStorage")?;
    let now = to_read(world, place(caller), &source, caller.now).unwrap_or_default();
    let databases = now.at(moment);
    let span = of_size(times.restore_to_time, times.restore_to_time_per_gib, instance.storage);
    make(
        world,
        caller,
        input,
        Made { name, like: instance, databases, storage, ready: span.after(caller.now) },
    )
}

/// What is made of something.
pub(super) struct Made {
    pub(super) name: String,
    pub(super) like: Instance,
    pub(super) databases: Databases,
    pub(super) storage: Option<u32>,
    pub(super) ready: Timestamp,
}

/// # Errors
/// Those of [`super::Rds::room_for`]; `InvalidParameterValue`.
pub(super) fn make(world: &mut Aws, caller: &Caller, input: &Value, made: Made) -> Answer {
    let Made { name, like, databases, storage, ready } = made;
    let class = optional(input, "DBInstanceClass").map(str::to_owned);
    if let Some(class) = class.as_ref().filter(|class| !class.starts_with("db.")) {
        return Err(invalid(format!("Invalid DB Instance class: {class}")));
    }
    let storage = storage.unwrap_or(like.storage);
    let zone = optional(input, "AvailabilityZone").map(str::to_owned);
    if zone.is_some() && flag(input, "MultiAZ") == Some(true) {
        let message = "Requesting a specific availability zone is not valid for Multi-AZ instances.";
        return Err(Fault::sender("InvalidParameterCombination", message));
    }
    let zone = zone.unwrap_or_else(|| format!("{}a", caller.region));
    if world.is_down(&caller.region, Some(&zone), caller.now) {
        let message = "Cannot create a database instance because there are not enough resources in the zone.";
        return Err(Fault::sender("InsufficientDBInstanceCapacity", message));
    }
    let resource = format!("db-{}", world.random.of(start::RESOURCE, 26));
    let rds = of(world, caller);
    rds.room_for(&name, storage)?;
    let mut instance = Instance {
        name: name.clone(),
        class: class.unwrap_or_else(|| like.class.clone()),
        storage,
        multi_az: flag(input, "MultiAZ").unwrap_or(false),
        secondary: start::other_zone(&caller.region, &zone),
        zone,
        retention: number(input, "BackupRetentionPeriod")?.unwrap_or(like.retention),
        protected: flag(input, "DeletionProtection").unwrap_or(false),
        tags: tags_of(input),
        subnet_group: optional(input, "DBSubnetGroupName").map(str::to_owned),
        security_groups: list(input, "VpcSecurityGroupIds", "VpcSecurityGroupId")
            .into_iter()
            .map(str::to_owned)
            .collect(),
        parameter_group: optional(input, "DBParameterGroupName").map(str::to_owned),
        created: caller.now,
        backed_up_since: ready,
        resource,
        replica: None,
        databases,
        fails: None,
        status: CREATING,
        plan: VecDeque::new(),
        pending: Modification::default(),
        ..like
    };
    instance.port = number(input, "Port")?.and_then(|port| u16::try_from(port).ok()).unwrap_or(instance.port);
    if instance.retention > 0 {
        instance.then(ready, What::Nothing, BACKING_UP);
        instance.then(FIRST_BACKUP.after(ready), What::Nothing, AVAILABLE);
    } else {
        instance.then(ready, What::Nothing, AVAILABLE);
    }
    rds.instances.insert(name.clone(), instance);
    described(world, caller, &name)
}

/// A replica follows nobody any more, from now on, with these databases.
pub(super) fn stand_alone(instance: &mut Instance, databases: Databases, now: Timestamp) {
    instance.replica = None;
    instance.databases = databases;
    instance.backed_up_since = now;
}
