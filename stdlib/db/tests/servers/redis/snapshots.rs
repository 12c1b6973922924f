//! Snapshots of a whole server.

use opsrun_core::ErrorKind;
use opsrun_tests::{Redis, skip};
use serde_json::json;

use crate::ground::{on_redis, real_redis};
use crate::stage::Stage;

/// A snapshot, as Redis' own program sees it.
#[track_caller]
fn is_taken(stage: &Stage) {
    let taken = stage.call("redis::snapshot", &json!({ "file": "backup/cache.rdb" })).value();
    let file = stage.folder().join("backup/cache.rdb");
    assert_eq!(std::fs::metadata(&file).unwrap().len(), taken["bytes"].as_u64().unwrap());
    let checked = std::process::Command::new("redis-check-rdb").arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.status.success() && said.contains("RDB looks OK"), "{said}");
}

#[test]
fn a_snapshot_is_a_file_of_redis_that_is_whole() {
    // One tells its length, the other what it ends with.
    for diskless in ["no", "yes"] {
        let server = match Redis::guarded(&format!("repl-diskless-sync {diskless}")) {
            Ok(server) => server,
            Err(missing) => return skip(missing),
        };
        let section = json!({ "url": format!("redis://{}", server.host()), "password": "env:PASSWORD" });
        let stage = Stage::new("redis", section, Redis::PASSWORD);
        is_taken(&stage);
        for n in 0..50 {
            stage
                .call(
                    "redis::set",
                    &json!({ "key": format!("k{n}"), "value": format!("{n}v").repeat(10_000) }),
                )
                .value();
        }
        is_taken(&stage);
    }
}

#[test]
fn whoever_may_not_replicate_is_told_what_else_there_is() {
    let Some((stage, server)) = real_redis() else { return };
    let reader = stage.with("url", json!(format!("redis://reader@{}", server.host())));
    let done = reader.call("redis::snapshot", &json!({ "file": "cache.rdb" }));
    assert_eq!(done.error().kind(), ErrorKind::Forbidden);
    assert!(done.error().report().contains("`redis::save`"), "{}", done.report());
    assert!(!reader.folder().join("cache.rdb").exists());
}

#[test]
fn a_server_writes_a_snapshot_of_its_own() {
    on_redis(8, |stage| {
        let saved = stage.call("redis::save", &json!({ "within": "1m" })).value();
        assert!(saved["at"].as_str().unwrap().ends_with('Z'), "{saved}");
    });
}
