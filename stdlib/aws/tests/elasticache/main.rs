//! Caches of ElastiCache: snapshots, restores, failovers and deletions, all of it taken back.
#![allow(clippy::unwrap_used)] // a test

#[path = "../stage/mod.rs"]
mod stage;

mod keys;

use opsrun_core::{Result, Value};
use serde_json::json;

use crate::stage::{Caller, Stage, Thing, fails_everywhere, on_moto};

fn section() -> Value {
    json!({ "accounts": { "111122223333": { "regions": { "us-west-2": { "elasticache": {
        "groups": {
            "workflow-cache": {
                "node-type": "cache.r7g.large", "version": "7.1", "replicas": 1, "data": 6, "subnet-group": "private",
                "security-groups": ["sg-1"], "keys": { "flag:new-ui": "on", "limit": 100 }, "writes": "5s",
                "tags": { "team": "workflow" },
            },
            "workflow-three": { "replicas": 2, "keys": 30 },
            "workflow-alone": { "replicas": 0 },
        },
        "snapshots": {
            "nightly": { "of": "workflow-cache", "age": "20h" },
            "by-aws": { "of": "workflow-cache", "age": "10h", "automated": true },
        },
        "failing-snapshots": ["doomed"],
    } } } } } })
}

fn snapshot(name: &str) -> Value {
    json!({ "cache": "workflow-cache", "name": name, "wait": "30m", "tags": { "release": "1.4.0" } })
}

#[test]
fn a_snapshot_is_made_waited_for_found_again_and_taken_back() {
    let stage = Stage::new(&section());
    let done = stage.undoes(&|call| {
        let first = call("elasticache::snapshot", snapshot("Before-140"))?;
        let again = call("elasticache::snapshot", snapshot("before-140"))?;
        assert_eq!((&first["changed"], &again["changed"]), (&json!(true), &json!(false)));
        let made = &first["snapshot"];
        // It took two minutes and six times 20 s.
        assert_eq!(
            (&made["status"], &made["age"], &made["kind"]),
            (&json!("available"), &json!("4m"), &json!("manual"))
        );
        assert_eq!(made["sizes"], json!(["6144 MB"]));
        let all = call("elasticache::snapshots", json!({ "cache": "workflow-cache" }))?;
        let names: Vec<_> = all.as_array().unwrap().iter().map(|of| of["name"].clone()).collect();
        assert_eq!(names, ["before-140", "by-aws", "nightly"]);
        Ok(first)
    });
    assert!(
        done.report().contains("aws elasticache:CreateSnapshot snapshot/before-140 in us-west-2"),
        "{}",
        done.report()
    );
    fails_everywhere(&section(), &|call| {
        let made = call("elasticache::snapshot", snapshot("before"))?;
        // Who goes on looks later, when it is older.
        Ok(json!([made["changed"], made["snapshot"]["status"]]))
    });
    let done = stage.undoes(&|call| {
        let mut kept = snapshot("kept");
        kept["keep"] = json!(true);
        call("elasticache::snapshot", kept)
    });
    assert!(!done.report().contains("DeleteSnapshot"), "{}", done.report());
    let doomed = stage.call("elasticache::snapshot", &snapshot("doomed")).error();
    assert!(doomed.contains("the snapshot doomed of workflow-cache is failed"), "{doomed}");
    let other =
        stage.call("elasticache::snapshot", &json!({ "cache": "workflow-three", "name": "nightly" })).error();
    assert!(other.contains("it is of workflow-cache, not of workflow-three"), "{other}");
    let automated = stage.call("elasticache::delete_snapshot", &json!({ "snapshot": "by-aws" })).error();
    assert!(automated.contains("is automated"), "{automated}");
    let name = stage.call("elasticache::snapshot", &snapshot("before-1.4.0")).error();
    assert!(
        name.contains("is no name for ElastiCache") && name.contains("`before-1-4-0` would be one"),
        "{name}"
    );
    let gone = stage.run(&|call| {
        let deleted = json!({ "snapshot": "nightly" });
        call("elasticache::delete_snapshot", deleted.clone())?;
        let again = call("elasticache::delete_snapshot", deleted)?;
        call("elasticache::wait", json!({ "of": "snapshot/nightly", "status": "deleted" }))?;
        Ok(again)
    });
    assert_eq!(gone.value(), json!({ "changed": false }));
}

fn restored() -> Value {
    json!({ "snapshot": "nightly", "cache": "workflow-restored", "tags": { "for": "a look" } })
}

#[test]
fn a_cache_is_restored_as_the_one_was_and_taken_back() {
    let stage = Stage::new(&section());
    stage.undoes(&|call| {
        let former = call("elasticache::describe", json!({ "cache": "workflow-cache" }))?;
        let made = call("elasticache::restore", restored())?;
        assert_eq!(made["changed"], true);
        assert_eq!(call("elasticache::restore", restored())?["changed"], false);
        let cache = &made["cache"];
        for same in [
            "status",
            "node_type",
            "engine",
            "version",
            "automatic_failover",
            "subnet_group",
            "security_groups",
        ] {
            assert_eq!(cache[same], former[same], "{same}");
        }
        assert_eq!(cache["tags"], json!({ "for": "a look", "opsrun:made-from": "snapshot:nightly" }));
        let shard = &cache["shards"][0];
        assert_eq!(shard["primary"], "workflow-restored-001");
        assert_eq!(shard["nodes"].as_array().unwrap().len(), 2);
        assert_ne!(cache["address"], former["address"]);
        let keys =
            |name: &str| stage.state()[format!("aws elasticache group us-west-2/{name}")]["keys"].clone();
        assert_eq!(keys("workflow-restored"), keys("workflow-cache"));
        assert_eq!(keys("workflow-restored")["count"], 2);
        Ok(made)
    });
    fails_everywhere(&section(), &|call| call("elasticache::restore", restored()));
    for (arguments, expected) in [
        (
            json!({ "snapshot": "nightly", "cache": "workflow-three" }),
            "there is a cache workflow-three already",
        ),
        (json!({ "snapshot": "none", "cache": "new" }), "the snapshot none is gone"),
        (
            json!({ "snapshot": "nightly", "cache": "new", "replicas": 0, "automatic_failover": true }),
            "new has no replica that could take over",
        ),
    ] {
        let error = stage.call("elasticache::restore", &arguments).error();
        assert!(error.contains(expected), "{error}");
    }
    let missing = stage.call("elasticache::describe", &json!({ "cache": "none" })).error();
    assert!(missing.contains("there are `workflow-alone`, `workflow-cache`, `workflow-three`"), "{missing}");
}

#[test]
fn a_cache_fails_over_and_back() {
    let over = json!({ "cache": "workflow-cache" });
    let stage = Stage::new(&section());
    let done = stage.run(&|call| {
        let first = call("elasticache::failover", over.clone())?;
        let there =
            call("elasticache::failover", json!({ "cache": "workflow-cache", "to": "workflow-cache-002" }))?;
        let on =
            call("elasticache::failover", json!({ "cache": "workflow-three", "to": "workflow-three-003" }))?;
        Ok(json!([first, there["changed"], on["to"]]))
    });
    let expected = json!({ "changed": true, "from": "workflow-cache-001", "to": "workflow-cache-002" });
    assert_eq!(done.value(), json!([expected, false, "workflow-three-003"]));
    stage.undoes(&|call| call("elasticache::failover", over.clone()));
    stage.undoes(&|call| call("elasticache::failover", json!({ "cache": "workflow-three" })));
    fails_everywhere(&section(), &|call| call("elasticache::failover", over.clone()));
    for (arguments, expected) in [
        (json!({ "cache": "workflow-alone" }), "workflow-alone has no replica, and cannot fail over"),
        (
            json!({ "cache": "workflow-three", "to": "workflow-three-009" }),
            "workflow-three has no node workflow-three-009",
        ),
        (json!({ "cache": "workflow-three", "shard": "0002" }), "workflow-three has no shard 0002"),
    ] {
        let error = stage.call("elasticache::failover", &arguments).error();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_cache_is_deleted_with_a_last_snapshot_and_comes_back_from_it() {
    let last = json!({ "cache": "workflow-cache", "final_snapshot": "last" });
    let stage = Stage::new(&section());
    let done = stage.undoes(&|call| {
        assert_eq!(call("elasticache::delete", last.clone())?["changed"], true);
        call("elasticache::delete", last.clone())
    });
    assert!(
        done.report().contains("CreateReplicationGroup replicationgroup/workflow-cache"),
        "{}",
        done.report()
    );
    fails_everywhere(&section(), &|call| call("elasticache::delete", last.clone()));
    let unsaid = stage.call("elasticache::delete", &json!({ "cache": "workflow-alone" })).error();
    assert!(unsaid.contains("either `#{ final_snapshot: \"NAME\" }`, or"), "{unsaid}");
    let lost = stage.run(&|call| {
        call("elasticache::delete", json!({ "cache": "workflow-alone", "skip_final_snapshot": true }))?;
        Err(opsrun_core::Error::failed("and now back"))
    });
    assert!(
        lost.report().contains("workflow-alone was deleted without a final snapshot"),
        "{}",
        lost.report()
    );
    let names = stage.call("elasticache::list", &json!({})).value();
    assert_eq!(names.as_array().unwrap().len(), 2, "{names}");
}

#[test]
fn a_cache_is_modified_and_back() {
    let more = json!({ "cache": "workflow-cache", "replicas": 3, "node_type": "cache.r7g.xlarge" });
    let stage = Stage::new(&section());
    stage.undoes(&|call| {
        let modified = call("elasticache::modify", more.clone())?;
        let cache = &modified["cache"];
        assert_eq!((&modified["changed"], &cache["node_type"]), (&json!(true), &json!("cache.r7g.xlarge")));
        assert_eq!(cache["shards"][0]["nodes"].as_array().unwrap().len(), 4);
        assert_eq!(call("elasticache::modify", more.clone())?["changed"], false);
        call("elasticache::modify", json!({ "cache": "workflow-three", "replicas": 1 }))
    });
    fails_everywhere(&section(), &|call| call("elasticache::modify", more.clone()));
    let unsaid = stage.call("elasticache::modify", &json!({ "cache": "workflow-cache" })).error();
    assert!(unsaid.contains("nothing says what is to be changed"), "{unsaid}");
    let none =
        stage.call("elasticache::modify", &json!({ "cache": "workflow-cache", "replicas": 0 })).error();
    assert!(none.contains("The replica count cannot become 0: it is 1"), "{none}");
}

const MADE: &str = "Action=CreateReplicationGroup&ReplicationGroupId=prod&ReplicationGroupDescription=keys&CacheNodeType=cache.t4g.small&\
    Engine=redis&ReplicasPerNodeGroup=1&AutomaticFailoverEnabled=true&Tags.Tag.1.Key=team&Tags.Tag.1.Value=workflow";

fn pick(of: &Value, names: &[&str]) -> Value {
    names.iter().map(|name| ((*name).to_owned(), of[*name].clone())).collect()
}

/// What moto has of it: no failover, no final snapshot, and what is deleted stays `deleting` there.
fn body(call: Caller<'_>) -> Result<Value> {
    let mut told = Vec::new();
    let of_cache = ["name", "status", "description", "node_type", "engine", "automatic_failover", "tags"];
    let found = call("elasticache::describe", json!({ "cache": "prod" }))?;
    told.push(pick(&found, &of_cache));
    let nodes = found["shards"][0]["nodes"].as_array().unwrap().iter();
    told.push(nodes.map(|node| pick(node, &["name", "role"])).collect());
    let snapshot = json!({ "cache": "prod", "name": "before" });
    let made = call("elasticache::snapshot", snapshot.clone())?;
    told.push(json!([
        made["changed"],
        pick(&made["snapshot"], &["name", "cache", "status", "node_type", "engine", "kind"])
    ]));
    told.push(call("elasticache::snapshot", snapshot)?["changed"].clone());
    let restored =
        json!({ "snapshot": "before", "cache": "restored", "replicas": 0, "automatic_failover": false });
    let made = call("elasticache::restore", restored.clone())?;
    told.push(json!([made["changed"], pick(&made["cache"], &of_cache)]));
    told.push(call("elasticache::restore", restored)?["changed"].clone());
    call("elasticache::wait", json!({ "of": "restored" }))?;
    told.push(call("elasticache::list", json!({}))?);
    for _ in 0..2 {
        told.push(call("elasticache::delete_snapshot", json!({ "snapshot": "before" }))?);
    }
    told.push(call("elasticache::snapshots", json!({}))?);
    for (path, arguments) in [
        ("elasticache::describe", json!({ "cache": "none" })),
        ("elasticache::restore", json!({ "snapshot": "none", "cache": "new" })),
        ("elasticache::snapshot", json!({ "cache": "none", "name": "new" })),
    ] {
        told.push(json!(call(path, arguments).unwrap_err().kind()));
    }
    Ok(told.into())
}

#[test]
fn moto_and_the_simulated_elasticache_answer_alike() {
    let section = json!({ "accounts": { "111122223333": { "regions": { "us-west-2": { "elasticache": { "groups": {
        "prod": { "node-type": "cache.t4g.small", "description": "keys", "tags": { "team": "workflow" } },
    } } } } } } });
    let simulated = Stage::new(&section).run(&body).value();
    let Some(moto) = on_moto(&[Thing::Form("elasticache", MADE)], &body) else { return };
    assert_eq!(simulated, moto.value());
}
