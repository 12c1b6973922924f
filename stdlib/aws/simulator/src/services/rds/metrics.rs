//! What CloudWatch is told of databases.

use jiff::Timestamp;

use super::{Place, Rds, instance};
use crate::world::Aws;

/// Rows are small.
const BYTES_OF_A_ROW: f64 = 1024.0;

/// What is told of each instance; of replicas, their lag as well.
const METRICS: &[&str] = &["DatabaseConnections", "FreeStorageSpace", "ReplicaLag"];

/// The instances of which something is told, with what it is.
pub(crate) fn measured(rds: &Rds) -> Vec<(&'static str, &str)> {
    let instances = rds.instances.iter().flat_map(|(name, instance)| {
        let is_told = |metric: &&&str| **metric != "ReplicaLag" || instance.replica.is_some();
        METRICS.iter().filter(is_told).map(move |metric| (*metric, name.as_str()))
    });
    instances.collect()
}

/// What a metric of an instance was at a moment, going by how it is now; `None` if nobody measured it.
pub(crate) fn metric(
    world: &Aws,
    at: (&str, &str),
    name: &str,
    metric: &str,
    when: Timestamp,
) -> Option<f64> {
    let place = Place { account: at.0, region: at.1 };
    let instance = instance(world, place, name)?;
    let has_failed = instance.fails.is_some_and(|fails| fails <= when);
    if has_failed || when < instance.created || world.is_down(place.region, Some(&instance.zone), when) {
        return None;
    }
    match metric {
        "DatabaseConnections" => {
            let rds = &world.accounts.get(place.account)?.regions.get(place.region)?.rds;
            let writers = rds.writers.iter().filter(|writer| writer.instance == name && instance.is_up());
            Some(writers.map(|_| 1.0).sum())
        }
        "FreeStorageSpace" => {
            let rows: usize = instance.tables().map(|(_, table)| table.len()).sum();
            let rows = u32::try_from(rows).map_or(f64::MAX, f64::from);
            Some((f64::from(instance.storage) * f64::from(1 << 30) - rows * BYTES_OF_A_ROW).max(0.0))
        }
        "ReplicaLag" => {
            let replica = instance.replica.as_ref()?;
            let lag = replica.lag.duration().as_secs_f64();
            // Nothing arrives any more of a source that is down: what has arrived gets older.
            let since = world.down_since(&replica.region, None, when);
            let down = since.map_or(0.0, |since| when.duration_since(since).as_secs_f64());
            Some(lag + down)
        }
        _ => None,
    }
}
