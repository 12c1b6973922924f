//! Names as ElastiCache takes them, in small letters as it keeps them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name of a replication group: letters, digits and single hyphens, at most 40.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub(crate) struct CacheName(String);

/// The name of a snapshot: letters, digits and single hyphens, at most 255.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub(crate) struct SnapshotName(String);

crate::rds::named!(CacheName, "ElastiCache", 40);
crate::rds::named!(SnapshotName, "ElastiCache", 255);

/// A cache, `NAME` or `cache/NAME`, or a snapshot, `snapshot/NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub(crate) enum Thing {
    Cache(CacheName),
    Snapshot(SnapshotName),
}

impl TryFrom<String> for Thing {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.split_once('/') {
            Some(("snapshot", name)) => SnapshotName::try_from(name.to_owned()).map(Thing::Snapshot),
            Some(("cache", name)) => CacheName::try_from(name.to_owned()).map(Thing::Cache),
            Some(_) => Err(format!("`{text}` is neither `cache/NAME` nor `snapshot/NAME`")),
            None => CacheName::try_from(text).map(Thing::Cache),
        }
    }
}

impl From<Thing> for String {
    fn from(thing: Thing) -> String {
        match thing {
            Thing::Cache(name) => format!("cache/{name}"),
            Thing::Snapshot(name) => format!("snapshot/{name}"),
        }
    }
}
