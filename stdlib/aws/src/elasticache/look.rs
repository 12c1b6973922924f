//! Asking for replication groups and snapshots, all pages of them.

use std::collections::BTreeMap;

use aws_sdk_elasticache::types::Tag;
use opsrun_core::{Error, Result};

use super::types::{Cache, SnapshotOfCache};
use crate::client::Client;

const DESCRIBE_GROUPS: &str = "elasticache:DescribeReplicationGroups";
const DESCRIBE_SNAPSHOTS: &str = "elasticache:DescribeSnapshots";

/// The cache of this name, if there is one, without its version, its network and its tags.
///
/// # Errors
/// Those of AWS.
pub(crate) async fn cache(client: &Client, name: &str) -> Result<Option<Cache>> {
    let asked = client.elasticache().describe_replication_groups().replication_group_id(name).send();
    let found = client.find(DESCRIBE_GROUPS, &format!("asking for the cache {name}"), asked).await?;
    Ok(found.and_then(|found| Some(Cache::of(found.replication_groups().first()?, client.region()))))
}

/// The same with all of it.
///
/// # Errors
/// Those of AWS.
pub(crate) async fn whole(client: &Client, name: &str) -> Result<Option<Cache>> {
    let Some(mut found) = cache(client, name).await? else { return Ok(None) };
    let node = found.shards.first().and_then(|shard| shard.nodes.first()).map(|node| node.name.clone());
    if let Some(node) = node {
        let asked = client.elasticache().describe_cache_clusters().cache_cluster_id(&node).send();
        let tried = format!("asking for the node {node}");
        let nodes = client.find("elasticache:DescribeCacheClusters", &tried, asked).await?;
        if let Some(node) = nodes.as_ref().and_then(|nodes| nodes.cache_clusters().first()) {
            found = found.with(node);
        }
    }
    // There are none as long as it is being made.
    let asked = client.elasticache().list_tags_for_resource().resource_name(&found.arn).send();
    let tried = format!("asking for the tags of the cache {name}");
    let tagged = client.find("elasticache:ListTagsForResource", &tried, asked).await?;
    let pair = |tag: &Tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned()));
    found.tags = tagged.map(|tagged| tagged.tag_list().iter().filter_map(pair).collect()).unwrap_or_default();
    Ok(Some(found))
}

/// # Errors
/// `NotFound`, which names those that there are; those of AWS.
pub(crate) async fn needed_cache(client: &Client, name: &str) -> Result<Cache> {
    if let Some(found) = whole(client, name).await? {
        return Ok(found);
    }
    let place = client.place();
    let error = Error::not_found(format!("there is no cache {name} in {}, {}", place.region, place.account));
    let names: Vec<String> = caches(client).await?.into_iter().map(|cache| cache.name).take(20).collect();
    Err(match names.as_slice() {
        [] => {
            error.hint("there is none at all: is the region right? Say another one with the option `region`")
        }
        names => error.hint(format!("there are `{}`", names.join("`, `"))),
    })
}

/// All caches of the region, by their names, as [`cache`] gives them.
///
/// # Errors
/// Those of AWS.
pub(crate) async fn caches(client: &Client) -> Result<Vec<Cache>> {
    let mut all = Vec::new();
    let mut marker = None;
    loop {
        let asked = client.elasticache().describe_replication_groups().set_marker(marker).send();
        let page = client.call(DESCRIBE_GROUPS, "asking for the caches", asked).await?;
        all.extend(page.replication_groups().iter().map(|group| Cache::of(group, client.region())));
        marker = page.marker().filter(|marker| !marker.is_empty()).map(str::to_owned);
        if marker.is_none() {
            break;
        }
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

/// The snapshot of this name, if there is one.
///
/// # Errors
/// Those of AWS.
pub(crate) async fn snapshot(client: &Client, name: &str) -> Result<Option<SnapshotOfCache>> {
    let asked = client.elasticache().describe_snapshots().snapshot_name(name).send();
    let found = client.find(DESCRIBE_SNAPSHOTS, &format!("asking for the snapshot {name}"), asked).await?;
    let now = client.cx().now();
    Ok(found.and_then(|found| Some(SnapshotOfCache::of(found.snapshots().first()?, client.region(), now))))
}

/// # Errors
/// `NotFound`; those of AWS.
pub(crate) async fn needed_snapshot(client: &Client, name: &str) -> Result<SnapshotOfCache> {
    let found = snapshot(client, name).await?;
    found.ok_or_else(|| {
        let place = client.place();
        Error::not_found(format!("there is no snapshot {name} in {}, {}", place.region, place.account))
            .hint("`elasticache::snapshots()` lists them")
    })
}

/// The snapshots of a cache, or of all, the newest first.
///
/// # Errors
/// Those of AWS.
pub(crate) async fn snapshots(client: &Client, cache: Option<&str>) -> Result<Vec<SnapshotOfCache>> {
    let now = client.cx().now();
    let mut all = Vec::new();
    let mut marker = None;
    loop {
        // Not by the cache: it may be deleted, and AWS then knows no snapshots of it.
        let asked = client.elasticache().describe_snapshots().set_marker(marker).send();
        let page = client.call(DESCRIBE_SNAPSHOTS, "asking for the snapshots", asked).await?;
        all.extend(page.snapshots().iter().map(|found| SnapshotOfCache::of(found, client.region(), now)));
        marker = page.marker().filter(|marker| !marker.is_empty()).map(str::to_owned);
        if marker.is_none() {
            break;
        }
    }
    all.retain(|snapshot| cache.is_none_or(|cache| cache == snapshot.cache));
    all.sort_by(|a, b| b.taken.cmp(&a.taken).then_with(|| a.name.cmp(&b.name)));
    Ok(all)
}

/// Tags as AWS takes them; `None` if there are none.
pub(crate) fn tags(tags: &BTreeMap<String, String>) -> Option<Vec<Tag>> {
    let tags: Vec<Tag> =
        tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
    (!tags.is_empty()).then_some(tags)
}
