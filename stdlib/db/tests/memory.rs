//! Large servers of Redis are kept and brought back with memory for a few keys. Alone in its process, as it measures that.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout)] // a test

#[path = "servers/stage.rs"]
#[allow(dead_code)]
mod stage;

use opsrun_tests::{Redis, skip};
use serde_json::json;

use stage::Stage;

const KEYS: usize = 100_000;
/// What a value has; together with their keys, all are some 200 MB.
const BYTES: usize = 2000;

/// What this process has had at most, in MiB.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() >> 10
}

#[test]
fn a_hundred_thousand_keys_go_through_in_bounded_memory() {
    let debug = "enable-debug-command local\nrdbcompression no";
    let (full, spare) = match (Redis::guarded(debug), Redis::guarded("")) {
        (Ok(full), Ok(spare)) => (full, spare),
        (Err(missing), _) | (_, Err(missing)) => return skip(missing),
    };
    let cli = Redis::cli().unwrap();
    let port = full.port().to_string();
    let populate = format!("DEBUG POPULATE {KEYS} key {BYTES}");
    let words: Vec<&str> = ["-p", &port, "-a", Redis::PASSWORD, "--no-auth-warning"]
        .into_iter()
        .chain(populate.split(' '))
        .collect();
    cli.run(words).ok();
    let of =
        |server: &Redis| json!({ "url": format!("redis://{}", server.host()), "password": "env:PASSWORD" });
    let mut section = of(&full);
    section["servers"] = json!({ "spare": of(&spare) });
    let stage = Stage::new("redis", section, Redis::PASSWORD).backed_up();
    let before = peak();
    let began = std::time::Instant::now();
    let told = |what: &str| {
        println!("{what}: {:.1?} since the beginning, {} MiB more at most", began.elapsed(), peak() - before);
    };
    let taken = stage.call("redis::snapshot", &json!({ "file": "cache.rdb" })).value();
    assert!(taken["bytes"].as_u64().unwrap() > (KEYS * BYTES) as u64, "{taken}");
    told("a snapshot into a file");
    let brought = stage.call("redis::restore", &json!({ "file": "cache.rdb", "server": "spare" })).value();
    assert_eq!(brought["databases"], json!({ "0": KEYS }));
    told("back from the file");
    let streamed = peak() - before;
    assert!(streamed < 40, "{streamed} MiB for {taken}");
    stage.call("backup::init", &json!({})).value();
    told("a repository");
    let made = stage.call("backup::create", &json!({ "source": "redis:default" })).value();
    assert_eq!(made["bytes"], taken["bytes"], "it has its true size");
    told("a backup");
    let good = stage.call("backup::verify", &json!({ "snapshot": made["snapshot"] })).value();
    assert_eq!(good["counts"], json!({ "keys of database 0": KEYS, "libraries of functions": 0 }));
    told("read whole");
    let arguments = json!({ "snapshot": "latest", "source": "redis:default", "to": "redis:spare", "options": { "clean": true } });
    let restored = stage.call("backup::restore", &arguments).value();
    assert_eq!(restored["done"]["databases"], json!({ "0": KEYS }));
    told("back from the backup");
    let counts = stage.call("redis::counts", &json!({ "server": "spare" })).value();
    assert_eq!(counts["databases"]["0"]["keys"], KEYS);
    // The repository's own share is there whatever is kept in it.
    assert!(peak() - before < 200, "{} MiB for {taken}", peak() - before);
}
