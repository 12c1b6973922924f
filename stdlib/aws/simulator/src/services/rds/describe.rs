//! What there is: instances, snapshots, with whom snapshots are shared.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::snapshot::Snapshot;
use super::wire::{self, Filters, flag, optional};
use super::{Place, of, place};
use crate::fault::{Answer, Fault};
use crate::world::{Aws, Caller};

pub(super) fn instances(world: &mut Aws, caller: &Caller, input: &Value) -> Answer {
    let filters = Filters::of(input, &["db-instance-id", "dbi-resource-id", "engine"])?;
    let wanted = optional(input, "DBInstanceIdentifier").map(name_of);
    if let Some(wanted) = &wanted {
        of(world, caller).known(wanted)?;
    }
    let place = place(caller);
    let mut found = Vec::new();
    for (name, instance) in &of(world, caller).instances {
        let passes = filters.pass(|filter| match filter {
            "db-instance-id" => name.clone(),
            "engine" => instance.engine.clone(),
            _ => instance.resource.clone(),
        });
        if passes && wanted.as_ref().is_none_or(|wanted| wanted == name) {
            found.push(instance.clone());
        }
    }
    let described = found.into_iter().map(|instance| {
        let replicas = replicas(world, place, &instance.name);
        (instance.name.clone(), instance.described(place, &replicas, caller.now))
    });
    let (page, marker) = wire::page(input, described.collect())?;
    Ok(json!({ "DBInstances": { "DBInstance": page }, "Marker": marker }))
}

/// The name of what is named by name or ARN, in small letters.
pub(super) fn name_of(named: &str) -> String {
    let name = if named.starts_with("arn:") { named.rsplit(':').next().unwrap_or(named) } else { named };
    // Those that AWS makes itself are called `rds:NAME`.
    let automated = named.contains(":snapshot:rds:");
    let prefix = if automated { "rds:" } else { "" };
    format!("{prefix}{}", name.to_ascii_lowercase())
}

/// The replicas of an instance: by name in its region, by ARN in others.
pub(super) fn replicas(world: &Aws, of: Place<'_>, name: &str) -> Vec<String> {
    let Some(account) = world.accounts.get(of.account) else { return Vec::new() };
    let regions = account.regions.iter().flat_map(|(region, content)| {
        let is_one = move |instance: &&super::Instance| {
            instance
                .replica
                .as_ref()
                .is_some_and(|replica| replica.source == name && replica.region == of.region)
        };
        content.rds.instances.values().filter(is_one).map(move |instance| (region, &instance.name))
    });
    let named = regions.map(|(region, name)| match region == of.region {
        true => name.clone(),
        false => Place { region, ..of }.arn("rds", "db", name),
    });
    named.collect()
}

pub(super) fn snapshots(world: &mut Aws, caller: &Caller, input: &Value) -> Answer {
    let filters = Filters::of(
        input,
        &["db-instance-id", "db-snapshot-id", "dbi-resource-id", "engine", "snapshot-type"],
    )?;
    let kind = optional(input, "SnapshotType");
    let wanted = optional(input, "DBSnapshotIdentifier");
    let instance = optional(input, "DBInstanceIdentifier").map(name_of);
    let shared = matches!(kind, Some("shared" | "public")) || flag(input, "IncludeShared") == Some(true);
    let mut found = Vec::new();
    for (owner, snapshot) in
        visible(world, caller, shared || wanted.is_some_and(|name| name.starts_with("arn:")))
    {
        let at = Place { account: &owner, region: &caller.region };
        let passes = filters.pass(|filter| match filter {
            "db-instance-id" => snapshot.of.name.clone(),
            "db-snapshot-id" => snapshot.name.clone(),
            "engine" => snapshot.of.engine.clone(),
            "snapshot-type" => if snapshot.automated { "automated" } else { "manual" }.to_owned(),
            _ => snapshot.of.resource.clone(),
        });
        let of_kind = match kind {
            Some("manual") => !snapshot.automated && owner == caller.account,
            Some("automated") => snapshot.automated && owner == caller.account,
            Some("shared" | "public") => owner != caller.account,
            _ => true,
        };
        let is_wanted = wanted.is_none_or(|wanted| match wanted.starts_with("arn:") {
            true => at.arn("rds", "snapshot", &snapshot.name) == wanted,
            false => snapshot.name == wanted.to_ascii_lowercase() && owner == caller.account,
        });
        let of_instance = instance.as_ref().is_none_or(|instance| *instance == snapshot.of.name);
        if passes && of_kind && is_wanted && of_instance {
            found.push((format!("{}/{owner}", snapshot.name), snapshot.described(at, caller.now)));
        }
    }
    if let (Some(wanted), true) = (wanted, found.is_empty()) {
        return Err(not_found(wanted));
    }
    let (page, marker) = wire::page(input, found)?;
    Ok(json!({ "DBSnapshots": { "DBSnapshot": page }, "Marker": marker }))
}

pub(super) fn not_found(name: &str) -> Fault {
    Fault::not_found("DBSnapshotNotFound", format!("DBSnapshot {name} not found."))
}

/// The snapshots of the caller, and of others that are shared with it; with their owners, by their names.
fn visible(world: &Aws, caller: &Caller, shared: bool) -> Vec<(String, Snapshot)> {
    let mut all = Vec::new();
    for (owner, account) in &world.accounts {
        let Some(region) = account.regions.get(&caller.region) else { continue };
        let theirs = region.rds.snapshots.values().filter(|snapshot| {
            *owner == caller.account || (shared && is_shared(snapshot, &caller.account, caller.now))
        });
        all.extend(theirs.map(|snapshot| (owner.clone(), snapshot.clone())));
    }
    all.sort_by(|a, b| (&a.1.name, &a.0).cmp(&(&b.1.name, &b.0)));
    all
}

fn is_shared(snapshot: &Snapshot, with: &str, now: Timestamp) -> bool {
    snapshot.is_available(now)
        && (snapshot.shared_with.contains("all") || snapshot.shared_with.contains(with))
}

/// A snapshot by its name, or by the ARN of one of the caller's or that is shared with it, in any region.
///
/// # Errors
/// `DBSnapshotNotFound`.
pub(super) fn snapshot(world: &Aws, caller: &Caller, named: &str) -> Answer<(String, Snapshot)> {
    let (region, account) = match named.strip_prefix("arn:aws:rds:") {
        None => (caller.region.as_str(), caller.account.as_str()),
        Some(rest) => {
            let mut parts = rest.split(':');
            (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
        }
    };
    let owner = world.accounts.get(account).and_then(|account| account.regions.get(region));
    let snapshot = owner.and_then(|owner| owner.rds.snapshots.get(&name_of(named)));
    let snapshot = snapshot
        .filter(|snapshot| account == caller.account || is_shared(snapshot, &caller.account, caller.now));
    match snapshot {
        Some(snapshot) => Ok((region.to_owned(), snapshot.clone())),
        None => Err(not_found(named)),
    }
}

pub(super) fn attributes(world: &mut Aws, caller: &Caller, input: &Value) -> Answer {
    let name = name_of(crate::protocol::text(input, "DBSnapshotIdentifier")?);
    let snapshot = of(world, caller).snapshots.get(&name).ok_or_else(|| not_found(&name))?;
    Ok(shares(snapshot))
}

pub(super) fn shares(snapshot: &Snapshot) -> Value {
    json!({ "DBSnapshotAttributesResult": {
        "DBSnapshotIdentifier": snapshot.name,
        "DBSnapshotAttributes": { "DBSnapshotAttribute": [{
            "AttributeName": "restore",
            "AttributeValues": { "AttributeValue": snapshot.shared_with },
        }] },
    } })
}
