//! Read replicas are made and promoted.

use serde_json::Value;

use super::describe::name_of;
use super::instance::{AVAILABLE, BACKING_UP, MODIFYING, REBOOTING, Replica, What};
use super::instances::described;
use super::restores::{self, Made};
use super::section::{InstanceSection, of_size};
use super::wire::{identifier, number, optional};
use super::{Place, in_state, instance, of, place, settle, to_read};
use crate::fault::{Answer, Fault};
use crate::protocol::text;
use crate::world::{Aws, Caller};

pub(super) fn create(world: &mut Aws, caller: &Caller, input: &Value) -> Answer {
    let name = identifier(input, "DBInstanceIdentifier")?;
    let named = text(input, "SourceDBInstanceIdentifier")?;
    // In another region it is named by its ARN.
    let region = match named.strip_prefix("arn:aws:rds:") {
        Some(rest) => rest.split(':').next().unwrap_or_default().to_owned(),
        None => caller.region.clone(),
    };
    let source = name_of(named);
    settle(world, &caller.account, &region, caller.now);
    let there = Place { account: &caller.account, region: &region };
    let missing = || Fault::not_found("DBInstanceNotFound", format!("DBInstance {named} not found."));
    if world.is_down(&region, None, caller.now) {
        return Err(missing());
    }
    let like = instance(world, there, &source).ok_or_else(missing)?.clone();
    if like.status != AVAILABLE {
        return Err(in_state(format!("The source instance {source} is {}, and not available.", like.status)));
    }
    if like.retention == 0 && like.replica.is_none() {
        return Err(in_state(format!(
            "Automated backups are not enabled for {source}: a replica needs them."
        )));
    }
    let times = of(world, caller).times;
    let span = of_size(times.replica, times.replica_per_gib, like.storage);
    let storage = number(input, "AllocatedStorage")?;
    let made = Made {
        name: name.clone(),
        like,
        databases: Default::default(),
        storage,
        ready: span.after(caller.now),
    };
    restores::make(world, caller, input, made)?;
    let replica = of(world, caller).known(&name)?;
    replica.replica = Some(Replica { region, source, lag: InstanceSection::default().lag });
    replica.retention = 0;
    described(world, caller, &name)
}

pub(super) fn promote(world: &mut Aws, caller: &Caller, input: &Value) -> Answer {
    let name = name_of(text(input, "DBInstanceIdentifier")?);
    let rds = of(world, caller);
    let times = rds.times;
    let instance = rds.available(&name, "promote the replica")?;
    if instance.replica.is_none() {
        return Err(in_state(format!("DB Instance is not a read replica: {name}")));
    }
    let databases = to_read(world, place(caller), &name, caller.now).unwrap_or_default();
    let instance = of(world, caller).known(&name)?;
    restores::stand_alone(instance, databases, caller.now);
    instance.retention = match optional(input, "BackupRetentionPeriod") {
        Some(_) => number(input, "BackupRetentionPeriod")?.unwrap_or(1),
        None => 1,
    };
    let part = opsrun_core::Span::from(times.promote.duration() / 4);
    let (reboots, backs_up) = (part.after(caller.now), part.after(part.after(caller.now)));
    instance.status = MODIFYING;
    instance.then(reboots, What::Nothing, REBOOTING);
    instance.then(backs_up, What::Nothing, BACKING_UP);
    instance.then(times.promote.after(caller.now), What::Nothing, AVAILABLE);
    described(world, caller, &name)
}
