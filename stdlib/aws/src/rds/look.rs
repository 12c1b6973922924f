//! Asking for instances and snapshots, all pages of them.

use std::collections::BTreeMap;

use aws_sdk_rds::types::Tag;
use opsrun_core::{Error, Result};

use super::name::SnapshotRef;
use super::types::{Database, SnapshotOfDatabase};
use crate::client::Client;

const DESCRIBE_INSTANCES: &str = "rds:DescribeDBInstances";
const DESCRIBE_SNAPSHOTS: &str = "rds:DescribeDBSnapshots";

/// The instance of this name, if there is one.
///
/// # Errors
/// Those of AWS.
pub(crate) async fn instance(client: &Client, name: &str) -> Result<Option<Database>> {
    let asked = client.rds().describe_db_instances().db_instance_identifier(name).send();
    let tried = format!("asking for the database {name}");
    let found = client.find(DESCRIBE_INSTANCES, &tried, asked).await?;
    Ok(found.and_then(|found| Some(Database::of(found.db_instances().first()?, client.region()))))
}

/// # Errors
/// `NotFound`, which names those that there are; those of AWS.
pub(crate) async fn needed_instance(client: &Client, name: &str) -> Result<Database> {
    if let Some(found) = instance(client, name).await? {
        return Ok(found);
    }
    let place = client.place();
    let error =
        Error::not_found(format!("there is no database {name} in {}, {}", place.region, place.account));
    let names: Vec<String> =
        instances(client).await?.into_iter().map(|instance| instance.name).take(20).collect();
    Err(match names.as_slice() {
        [] => {
            error.hint("there is none at all: is the region right? Say another one with the option `region`")
        }
        names => error.hint(format!("there are `{}`", names.join("`, `"))),
    })
}

/// All instances of the region, by their names.
///
/// # Errors
/// Those of AWS.
pub(crate) async fn instances(client: &Client) -> Result<Vec<Database>> {
    let mut all = Vec::new();
    let mut marker = None;
    loop {
        let asked = client.rds().describe_db_instances().set_marker(marker).send();
        let page = client.call(DESCRIBE_INSTANCES, "asking for the databases", asked).await?;
        all.extend(page.db_instances().iter().map(|instance| Database::of(instance, client.region())));
        marker = page.marker().filter(|marker| !marker.is_empty()).map(str::to_owned);
        if marker.is_none() {
            break;
        }
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

/// The snapshot of this name or ARN, if there is one.
///
/// # Errors
/// Those of AWS.
pub(crate) async fn snapshot(client: &Client, named: &SnapshotRef) -> Result<Option<SnapshotOfDatabase>> {
    let shared = matches!(named, SnapshotRef::Arn { .. });
    let asked = client.rds().describe_db_snapshots().db_snapshot_identifier(named.as_str());
    let asked = asked.set_include_shared(shared.then_some(true)).send();
    let tried = format!("asking for the snapshot {named}");
    let found = client.find(DESCRIBE_SNAPSHOTS, &tried, asked).await?;
    let now = client.cx().now();
    Ok(found
        .and_then(|found| Some(SnapshotOfDatabase::of(found.db_snapshots().first()?, client.region(), now))))
}

/// # Errors
/// `NotFound`; those of AWS.
pub(crate) async fn needed_snapshot(client: &Client, named: &SnapshotRef) -> Result<SnapshotOfDatabase> {
    let found = snapshot(client, named).await?;
    found.ok_or_else(|| {
        let place = client.place();
        Error::not_found(format!("there is no snapshot {named} in {}, {}", place.region, place.account)).hint(
            "`rds::snapshots()` lists those that there are; another region is said with the option `region`",
        )
    })
}

/// The snapshots of an instance, or of all of them, the newest first.
///
/// # Errors
/// Those of AWS.
pub(crate) async fn snapshots(
    client: &Client,
    instance: Option<&str>,
    kind: Option<&str>,
) -> Result<Vec<SnapshotOfDatabase>> {
    let mut all = Vec::new();
    let mut marker = None;
    let now = client.cx().now();
    loop {
        let asked = client.rds().describe_db_snapshots().set_marker(marker);
        let asked = asked.set_db_instance_identifier(instance.map(str::to_owned));
        let asked = asked.set_snapshot_type(kind.map(str::to_owned)).send();
        let page = client.call(DESCRIBE_SNAPSHOTS, "asking for the snapshots", asked).await?;
        let found = page.db_snapshots().iter();
        all.extend(found.map(|snapshot| SnapshotOfDatabase::of(snapshot, client.region(), now)));
        marker = page.marker().filter(|marker| !marker.is_empty()).map(str::to_owned);
        if marker.is_none() {
            break;
        }
    }
    all.sort_by(|a, b| b.taken.cmp(&a.taken).then_with(|| a.name.cmp(&b.name)));
    Ok(all)
}

/// Tags as AWS takes them; `None` if there are none.
pub(crate) fn tags(tags: &BTreeMap<String, String>) -> Option<Vec<Tag>> {
    let tags: Vec<Tag> =
        tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
    (!tags.is_empty()).then_some(tags)
}
