//! Instances are rebooted, modified, renamed, and deleted.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::describe::{self, name_of};
use super::instance::{AVAILABLE, DELETING, MODIFYING, Modification, REBOOTING, RENAMING, What};
use super::restores;
use super::snapshot::Snapshot;
use super::wire::{flag, identifier, invalid, number, optional};
use super::{Place, in_state, of, place, to_read};
use crate::fault::{Answer, Fault};
use crate::protocol::text;
use crate::world::{Aws, Caller};

pub(super) fn reboot(world: &mut Aws, caller: &Caller, input: &Value) -> Answer {
    let name = name_of(text(input, "DBInstanceIdentifier")?);
    let fails_over = flag(input, "ForceFailover") == Some(true);
    let drawn = world.random.next();
    let rds = of(world, caller);
    let times = rds.times;
    let instance = rds.available(&name, "reboot the instance")?;
    if fails_over && !instance.multi_az {
        return Err(Fault::sender(
            "InvalidParameterCombination",
            format!("Cannot specify ForceFailover: the instance {name} is not configured for Multi-AZ."),
        ));
    }
    instance.status = REBOOTING;
    if fails_over {
        let least = times.failover.duration();
        let ends = opsrun_core::Span::from(least + least * u32::try_from(drawn % 1000).unwrap_or(0) / 1000);
        instance.then(ends.after(caller.now), What::FailedOver, AVAILABLE);
    } else {
        instance.then(times.reboot.after(caller.now), What::Nothing, AVAILABLE);
    }
    described(world, caller, &name)
}

/// The answer of most operations on an instance.
pub(super) fn described(world: &mut Aws, caller: &Caller, name: &str) -> Answer {
    let replicas = describe::replicas(world, place(caller), name);
    let instance = of(world, caller).known(name)?;
    Ok(json!({ "DBInstance": instance.described(place(caller), &replicas, caller.now) }))
}

pub(super) fn modify(world: &mut Aws, caller: &Caller, input: &Value) -> Answer {
    let name = name_of(text(input, "DBInstanceIdentifier")?);
    let renamed = optional(input, "NewDBInstanceIdentifier")
        .map(|_| identifier(input, "NewDBInstanceIdentifier"))
        .transpose()?
        .filter(|new| *new != name);
    let modification = Modification {
        class: optional(input, "DBInstanceClass").map(str::to_owned),
        storage: number(input, "AllocatedStorage")?,
        multi_az: flag(input, "MultiAZ"),
        retention: number(input, "BackupRetentionPeriod")?,
        version: optional(input, "EngineVersion").map(str::to_owned),
    };
    let at_once = flag(input, "ApplyImmediately") == Some(true);
    let rds = of(world, caller);
    let times = rds.times;
    if let Some(new) = &renamed
        && rds.instances.contains_key(new)
    {
        return Err(Fault::sender("DBInstanceAlreadyExists", "DB instance already exists"));
    }
    let quota = rds.quotas.storage;
    let others: u32 = rds.instances.values().filter(|of| of.name != name).map(|of| of.storage).sum();
    let instance = rds.available(&name, "modify the instance")?;
    if let Some(class) = modification.class.as_ref().filter(|class| !class.starts_with("db.")) {
        return Err(invalid(format!("Invalid DB Instance class: {class}")));
    }
    if let Some(gib) = modification.storage {
        if gib < instance.storage {
            return Err(Fault::sender(
                "InvalidParameterCombination",
                format!(
                    "Requested storage size ({gib}) cannot be less than the current storage size ({}).",
                    instance.storage
                ),
            ));
        }
        if others + gib > quota {
            let message = format!("Cannot allocate more than {quota} GiB of storage");
            return Err(Fault::sender("StorageQuotaExceeded", message));
        }
    }
    if let Some(retention) = modification.retention.filter(|days| *days > 35) {
        return Err(invalid(format!(
            "Invalid backup retention period: {retention}. Must be between 0 and 35"
        )));
    }
    // These need no window and no time.
    if let Some(protected) = flag(input, "DeletionProtection") {
        instance.protected = protected;
    }
    instance.pending = std::mem::take(&mut instance.pending).without_what(&modification);
    let asked = modification.without_what_is(instance);
    let now = caller.now;
    if at_once {
        let asked = std::mem::take(&mut instance.pending).with(asked);
        let ends = times.modify.after(now);
        if asked != Modification::default() {
            instance.status = MODIFYING;
            instance.then(ends, What::Modified(Box::new(asked)), AVAILABLE);
        }
        if let Some(new) = renamed {
            let from = instance.plan.back().map_or(now, |step| step.at);
            let half = opsrun_core::Span::from(times.rename.duration() / 2);
            match instance.plan.back_mut() {
                Some(step) => step.status = RENAMING,
                None => instance.status = RENAMING,
            }
            let there = half.after(from);
            instance.then(there, What::Renamed(new), REBOOTING);
            instance.then(half.after(there), What::Nothing, AVAILABLE);
        }
    } else if renamed.is_some() {
        return Err(Fault::sender(
            "InvalidParameterCombination",
            "An instance is renamed in the simulation with ApplyImmediately only.",
        ));
    } else {
        let (waits, now_already) = asked.split();
        instance.pending = std::mem::take(&mut instance.pending).with(waits);
        instance.retention = now_already.retention.unwrap_or(instance.retention);
    }
    described(world, caller, &name)
}

impl Modification {
    /// What of it is not so already.
    fn without_what_is(self, instance: &super::Instance) -> Self {
        Modification {
            class: self.class.filter(|class| *class != instance.class),
            storage: self.storage.filter(|gib| *gib != instance.storage),
            multi_az: self.multi_az.filter(|is| *is != instance.multi_az),
            retention: self.retention.filter(|days| *days != instance.retention),
            version: self.version.filter(|version| *version != instance.version),
        }
    }

    /// What is asked for anew does not wait any more.
    fn without_what(self, asked: &Modification) -> Self {
        Modification {
            class: self.class.filter(|_| asked.class.is_none()),
            storage: self.storage.filter(|_| asked.storage.is_none()),
            multi_az: self.multi_az.filter(|_| asked.multi_az.is_none()),
            retention: self.retention.filter(|_| asked.retention.is_none()),
            version: self.version.filter(|_| asked.version.is_none()),
        }
    }

    fn with(self, later: Modification) -> Self {
        Modification {
            class: later.class.or(self.class),
            storage: later.storage.or(self.storage),
            multi_az: later.multi_az.or(self.multi_az),
            retention: later.retention.or(self.retention),
            version: later.version.or(self.version),
        }
    }

    /// What waits for the maintenance window, and what does not.
    fn split(self) -> (Modification, Modification) {
        let at_once = Modification { retention: self.retention, ..Modification::default() };
        (Modification { retention: None, ..self }, at_once)
    }
}

pub(super) fn delete(world: &mut Aws, caller: &Caller, input: &Value) -> Answer {
    let name = name_of(text(input, "DBInstanceIdentifier")?);
    let skips = flag(input, "SkipFinalSnapshot") == Some(true);
    let last = optional(input, "FinalDBSnapshotIdentifier")
        .map(|_| identifier(input, "FinalDBSnapshotIdentifier"))
        .transpose()?;
    let combination = |message: String| Err(Fault::sender("InvalidParameterCombination", message));
    let instance = of(world, caller).known(&name)?.clone();
    match (&last, skips) {
        _ if instance.protected => {
            return combination(
                "Cannot delete protected DB Instance, please disable deletion protection and try again."
                    .to_owned(),
            );
        }
        _ if instance.status == DELETING => {
            return Err(in_state(format!("Instance {name} is already being deleted.")));
        }
        _ if instance.status != AVAILABLE => {
            return Err(in_state(format!(
                "Instance {name} is currently {}: it cannot be deleted now.",
                instance.status
            )));
        }
        (None, false) => {
            return combination(
                "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.".to_owned(),
            );
        }
        (Some(_), true) => {
            return combination(
                "FinalDBSnapshotIdentifier cannot be specified when SkipFinalSnapshot is specified."
                    .to_owned(),
            );
        }
        (Some(_), false) if instance.replica.is_some() => {
            return combination(
                "FinalDBSnapshotIdentifier cannot be specified when deleting a read replica.".to_owned(),
            );
        }
        _ => {}
    }
    let mut ends = of(world, caller).times.delete.after(caller.now);
    if let Some(last) = last {
        of(world, caller).room_for_snapshot(&last)?;
        let databases = to_read(world, place(caller), &name, caller.now).unwrap_or_default();
        let rds = of(world, caller);
        let snapshot = rds.taken(&last, &name, &databases, caller)?;
        ends = ends.max(snapshot.ready);
        rds.snapshots
            .insert(last, Snapshot { tags: instance.tags.clone(), shared_with: BTreeSet::new(), ..snapshot });
    }
    orphan(world, caller, &name);
    let gone = of(world, caller).known(&name)?;
    gone.status = DELETING;
    gone.plan.clear();
    gone.then(ends, What::Removed, DELETING);
    described(world, caller, &name)
}

/// Replicas of what is deleted become databases of their own.
fn orphan(world: &mut Aws, caller: &Caller, name: &str) {
    let regions: Vec<String> = match world.accounts.get(&caller.account) {
        Some(account) => account.regions.keys().cloned().collect(),
        None => return,
    };
    for region in regions {
        let at = Place { account: &caller.account, region: &region };
        let there = Caller { region: region.clone(), ..caller.clone() };
        let is_one = |instance: &super::Instance| {
            instance.replica.as_ref().is_some_and(|of| of.source == name && of.region == caller.region)
        };
        let names: Vec<String> =
            of(world, &there).instances.values().filter(|of| is_one(of)).map(|of| of.name.clone()).collect();
        for replica in names {
            let databases = to_read(world, at, &replica, caller.now).unwrap_or_default();
            if let Ok(instance) = of(world, &there).known(&replica) {
                restores::stand_alone(instance, databases, caller.now);
            }
        }
    }
}
