//! Snapshots are made, copied, shared and deleted.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::describe::{self, name_of, not_found};
use super::instance::{AVAILABLE, BACKING_UP, What};
use super::section::of_size;
use super::snapshot::Snapshot;
use super::wire::{flag, identifier, invalid, list, optional, tags_of};
use super::{Rds, of, place, to_read};
use crate::fault::{Answer, Fault};
use crate::protocol::text;
use crate::world::{Aws, Caller};

pub(super) fn create(world: &mut Aws, caller: &Caller, input: &Value) -> Answer {
    let name = identifier(input, "DBSnapshotIdentifier")?;
    let instance = name_of(text(input, "DBInstanceIdentifier")?);
    of(world, caller).room_for_snapshot(&name)?;
    of(world, caller).available(&instance, "create a snapshot")?;
    let databases = to_read(world, place(caller), &instance, caller.now).unwrap_or_default();
    let rds = of(world, caller);
    let snapshot = rds.taken(&name, &instance, &databases, caller)?;
    let ready = snapshot.ready;
    let snapshot = Snapshot { tags: tags_of(input), ..snapshot };
    let described = snapshot.described(place(caller), caller.now);
    rds.snapshots.insert(name, snapshot);
    let instance = rds.known(&instance)?;
    instance.status = BACKING_UP;
    instance.then(ready, What::Nothing, AVAILABLE);
    Ok(json!({ "DBSnapshot": described }))
}

impl Rds {
    /// # Errors
    /// `DBSnapshotAlreadyExists`, `SnapshotQuotaExceeded`.
    pub(super) fn room_for_snapshot(&self, name: &str) -> Answer<()> {
        if self.snapshots.contains_key(name) {
            return Err(Fault::sender(
                "DBSnapshotAlreadyExists",
                format!(
                    "Cannot create the snapshot because a snapshot with the identifier {name} already exists."
                ),
            ));
        }
        let made = self.snapshots.values().filter(|snapshot| !snapshot.automated).count();
        if made >= self.quotas.snapshots {
            let message = format!("Cannot create more than {} manual snapshots", self.quotas.snapshots);
            return Err(Fault::sender("SnapshotQuotaExceeded", message));
        }
        Ok(())
    }

    /// A snapshot that is begun now.
    ///
    /// # Errors
    /// `DBInstanceNotFound`.
    pub(super) fn taken(
        &mut self,
        name: &str,
        instance: &str,
        databases: &opsrun_db_simulator::rows::Databases,
        caller: &Caller,
    ) -> Answer<Snapshot> {
        let (times, fails_at) = (self.times, self.failing.get(name).copied());
        let of = Box::new(self.known(instance)?.clone());
        let span = of_size(times.snapshot, times.snapshot_per_gib, of.storage);
        Ok(Snapshot {
            name: name.to_owned(),
            of,
            automated: false,
            started: caller.now,
            ready: span.after(caller.now),
            fails_at,
            tags: std::collections::BTreeMap::new(),
            shared_with: BTreeSet::new(),
            copy_of: None,
            databases: databases.at(caller.now),
            taken: caller.now,
        })
    }
}

pub(super) fn delete(world: &mut Aws, caller: &Caller, input: &Value) -> Answer {
    let name = name_of(text(input, "DBSnapshotIdentifier")?);
    let rds = of(world, caller);
    let snapshot = rds.snapshots.get(&name).ok_or_else(|| not_found(&name))?;
    if snapshot.automated {
        return Err(in_state(format!("Cannot delete the automated snapshot {name}.")));
    }
    // A copy that is under way is ended.
    if snapshot.progress(caller.now).1 == "creating" && snapshot.copy_of.is_none() {
        return Err(in_state(format!(
            "Cannot delete the snapshot {name} because it is not currently in the available state."
        )));
    }
    let mut described = snapshot.described(place(caller), caller.now);
    described["Status"] = json!("deleted");
    rds.snapshots.remove(&name);
    Ok(json!({ "DBSnapshot": described }))
}

fn in_state(message: String) -> Fault {
    Fault::sender("InvalidDBSnapshotState", message)
}

pub(super) fn copy(world: &mut Aws, caller: &Caller, input: &Value) -> Answer {
    let source = text(input, "SourceDBSnapshotIdentifier")?;
    let name = identifier(input, "TargetDBSnapshotIdentifier")?;
    let (region, original) = describe::snapshot(world, caller, source)?;
    if world.is_down(&region, None, caller.now) {
        return Err(not_found(source));
    }
    if !original.is_available(caller.now) {
        return Err(in_state(format!("The snapshot {source} is not in the available state.")));
    }
    let elsewhere = region != caller.region;
    if elsewhere && original.of.encrypted {
        // The key of one region opens nothing in another.
        if optional(input, "KmsKeyId").is_none() {
            return Err(Fault::sender(
                "KMSKeyNotAccessibleFault",
                "A snapshot that is encrypted is copied to another region with a key of that region.",
            ));
        }
        let signed = optional(input, "PreSignedUrl").unwrap_or_default();
        if !signed.contains("Action=CopyDBSnapshot") || !signed.contains(&format!("rds.{region}.")) {
            return Err(invalid(
                "PreSignedUrl is required to copy an encrypted snapshot from another region.",
            ));
        }
    }
    let rds = of(world, caller);
    rds.room_for_snapshot(&name)?;
    let mut tags =
        if flag(input, "CopyTags") == Some(true) { original.tags.clone() } else { Default::default() };
    tags.extend(tags_of(input));
    let (times, fails_at) = (rds.times, rds.failing.get(&name).copied());
    let arn = match source.starts_with("arn:") {
        true => source.to_owned(),
        false => place(caller).arn("rds", "snapshot", &original.name),
    };
    let copy = Snapshot {
        name: name.clone(),
        automated: false,
        started: caller.now,
        ready: of_size(times.copy, times.copy_per_gib, original.of.storage).after(caller.now),
        fails_at,
        tags,
        shared_with: BTreeSet::new(),
        copy_of: Some((arn, region)),
        ..original
    };
    let described = copy.described(place(caller), caller.now);
    rds.snapshots.insert(name, copy);
    Ok(json!({ "DBSnapshot": described }))
}

pub(super) fn share(world: &mut Aws, caller: &Caller, input: &Value) -> Answer {
    let name = name_of(text(input, "DBSnapshotIdentifier")?);
    if text(input, "AttributeName")? != "restore" {
        return Err(invalid("AttributeName must be restore."));
    }
    let (added, removed) =
        (list(input, "ValuesToAdd", "AttributeValue"), list(input, "ValuesToRemove", "AttributeValue"));
    if let Some(wrong) = added
        .iter()
        .find(|account| **account != "all" && (account.len() != 12 || account.parse::<u64>().is_err()))
    {
        return Err(invalid(format!("Invalid value for AttributeValue: {wrong}")));
    }
    let snapshot = of(world, caller).snapshots.get_mut(&name).ok_or_else(|| not_found(&name))?;
    if snapshot.automated {
        return Err(in_state(format!("The automated snapshot {name} cannot be shared: copy it first.")));
    }
    if !snapshot.is_available(caller.now) {
        return Err(in_state(format!("The snapshot {name} is not in the available state.")));
    }
    if snapshot.of.encrypted && added.contains(&"all") {
        return Err(in_state(format!("The encrypted snapshot {name} cannot be public.")));
    }
    snapshot.shared_with.retain(|account| !removed.contains(&account.as_str()));
    snapshot.shared_with.extend(added.into_iter().map(str::to_owned));
    Ok(describe::shares(snapshot))
}
