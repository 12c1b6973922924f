//! Databases restored, put in each other's place, failed over, modified and deleted, and all of it taken back.

use opsrun_core::{Result, Value};
use serde_json::json;

use crate::snapshots::section;
use crate::stage::{Caller, Stage, fails_everywhere};

/// Restores a database and puts it in the place of another, as a rollback does.
fn rollback(call: Caller<'_>) -> Result<Value> {
    call("rds::restore", json!({ "snapshot": "nightly", "instance": "workflow-restored" }))?;
    call("rds::rename", json!({ "instance": "workflow-prod", "to": "workflow-broken" }))?;
    call("rds::rename", json!({ "instance": "workflow-restored", "to": "workflow-prod" }))
}

#[test]
fn a_database_is_restored_and_put_in_the_place_of_another() {
    let stage = Stage::new(&section());
    let done = stage.run(&|call| {
        let former = call("rds::describe", json!({ "instance": "workflow-prod" }))?;
        let restored =
            call("rds::restore", json!({ "snapshot": "nightly", "instance": "workflow-restored" }))?;
        let again = call("rds::restore", json!({ "snapshot": "nightly", "instance": "workflow-restored" }))?;
        assert_eq!((&restored["changed"], &again["changed"]), (&json!(true), &json!(false)));
        assert_eq!(restored["database"]["class"], "db.r6g.large");
        assert_eq!(restored["database"]["tags"], json!({ "opsrun:made-from": "snapshot:nightly" }));
        call("rds::rename", json!({ "instance": "workflow-prod", "to": "workflow-broken" }))?;
        let renamed = json!({ "instance": "workflow-restored", "to": "workflow-prod" });
        let now = call("rds::rename", renamed.clone())?;
        assert_eq!(call("rds::rename", renamed)?["changed"], false);
        assert_eq!(now["database"]["address"], former["address"]);
        Ok(now["database"]["status"].clone())
    });
    assert_eq!(done.value(), "available");
    let stage = Stage::new(&section());
    stage.undoes(&rollback);
}

#[test]
fn however_a_write_of_a_rollback_fails_it_ends_whole_or_as_if_nothing_had_been() {
    fails_everywhere(&section(), &rollback);
}

#[test]
fn a_database_is_restored_to_a_moment_that_has_just_been() {
    let stage = Stage::new(&section());
    let start = stage.world().clock().now();
    stage.pass("7m");
    let moment = start + jiff::SignedDuration::from_secs(400);
    let of = |arguments: Value| {
        let mut all = json!({ "source": "workflow-prod", "instance": "workflow-then" });
        all.as_object_mut().unwrap().extend(arguments.as_object().unwrap().clone());
        all
    };
    let then = of(json!({ "time": moment.to_string() }));
    let done = stage.undoes(&|call| {
        let made = call("rds::restore_to_time", then.clone())?;
        assert_eq!(made["changed"], true);
        assert_eq!(call("rds::restore_to_time", then.clone())?["changed"], false);
        Ok(made)
    });
    // What was written then is stored three minutes later.
    assert!(done.report().contains("stored until"), "{}", done.report());
    for (arguments, expected) in [
        (of(json!({})), "nothing says which moment"),
        (of(json!({ "latest": true, "time": "2026-03-02T03:00:00Z" })), "it is either `time` or `latest`"),
        (of(json!({ "time": "2036-03-02T03:00:00Z" })), "has not come yet"),
        (of(json!({ "time": "yesterday" })), "`yesterday` is no moment"),
        (of(json!({ "time": "2020-03-02T03:00:00Z" })), "was refused by AWS: InvalidRestoreFault"),
    ] {
        let error = stage.call("rds::restore_to_time", &arguments).error();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_database_is_deleted_with_a_last_snapshot_and_comes_back_from_it() {
    let last = json!({ "instance": "workflow-prod", "final_snapshot": "last" });
    let stage = Stage::new(&section());
    let script = |call: Caller<'_>| {
        assert_eq!(call("rds::delete", last.clone())?["changed"], true);
        call("rds::delete", last.clone())
    };
    let done = stage.undoes(&script);
    assert!(done.report().contains("RestoreDBInstanceFromDBSnapshot db/workflow-prod"), "{}", done.report());
    fails_everywhere(&section(), &|call| call("rds::delete", last.clone()));
    let mut section = section();
    let rds = &mut section["accounts"]["111122223333"]["regions"]["us-west-2"]["rds"];
    rds["instances"]["workflow-prod"]["protected"] = json!(true);
    rds["instances"]["replica"] = json!({ "replica-of": "workflow-prod", "storage": 100 });
    let stage = Stage::new(&section);
    for (arguments, expected) in [
        (json!({ "instance": "workflow-staging" }), "either `#{ final_snapshot: \"NAME\" }`, or"),
        (last.clone(), "workflow-prod has the replicas `replica`"),
        (json!({ "instance": "replica", "final_snapshot": "last" }), "AWS makes no final snapshot of one"),
    ] {
        let error = stage.call("rds::delete", &arguments).error();
        assert!(error.contains(expected), "{error}");
    }
    // A replica needs no snapshot: it is made anew.
    stage.undoes(&|call| call("rds::delete", json!({ "instance": "replica", "skip_final_snapshot": true })));
    stage.call("rds::delete", &json!({ "instance": "replica", "skip_final_snapshot": true })).value();
    let protected = stage.call("rds::delete", &last).error();
    assert!(protected.contains("is protected from being deleted"), "{protected}");
    let unprotected = json!({ "instance": "workflow-prod", "final_snapshot": "last", "unprotect": true });
    stage.undoes(&|call| call("rds::delete", unprotected.clone()));
    let lost = json!({ "instance": "workflow-staging", "skip_final_snapshot": true });
    let done = stage.run(&|call| {
        call("rds::delete", lost.clone())?;
        Err(opsrun_core::Error::failed("and now back"))
    });
    assert!(
        done.report().contains("workflow-staging was deleted without a final snapshot"),
        "{}",
        done.report()
    );
}

#[test]
fn a_database_fails_over_and_back() {
    let over = json!({ "instance": "workflow-prod" });
    let stage = Stage::new(&section());
    let done = stage.run(&|call| {
        let first = call("rds::failover", over.clone())?;
        let there = call("rds::failover", json!({ "instance": "workflow-prod", "to": "us-west-2b" }))?;
        Ok(json!([first, there["changed"]]))
    });
    let expected = json!([{ "changed": true, "from": "us-west-2a", "to": "us-west-2b" }, false]);
    assert_eq!(done.value(), expected);
    stage.undoes(&|call| call("rds::failover", over.clone()));
    fails_everywhere(&section(), &|call| call("rds::failover", over.clone()));
    let single = stage.call("rds::failover", &json!({ "instance": "workflow-staging" })).error();
    assert!(single.contains("workflow-staging has no standby that it could fail over to"), "{single}");
}

#[test]
fn a_database_is_modified_now_or_in_its_window_and_back() {
    let now = json!({
        "instance": "workflow-prod", "class": "db.r6g.xlarge", "storage": 200, "backup_retention": 14,
        "deletion_protection": true, "apply_immediately": true,
    });
    let stage = Stage::new(&section());
    let done = stage.undoes(&|call| {
        let modified = call("rds::modify", now.clone())?;
        let database = &modified["database"];
        assert_eq!((&database["class"], &database["storage"]), (&json!("db.r6g.xlarge"), &json!(200)));
        assert_eq!(call("rds::modify", now.clone())?["changed"], false);
        Ok(modified)
    });
    assert!(done.report().contains("ModifyDBInstance"), "{}", done.report());
    let window = json!({ "instance": "workflow-prod", "class": "db.r6g.2xlarge" });
    stage.undoes(&|call| {
        let modified = call("rds::modify", window.clone())?;
        assert_eq!(modified["database"]["pending"], json!({ "class": "db.r6g.2xlarge" }));
        assert_eq!(modified["database"]["class"], "db.r6g.large");
        Ok(modified)
    });
    fails_everywhere(&section(), &|call| {
        call(
            "rds::modify",
            json!({ "instance": "workflow-staging", "class": "db.m6g.large", "apply_immediately": true }),
        )
    });
    let less = stage.call("rds::modify", &json!({ "instance": "workflow-prod", "storage": 20 })).error();
    assert!(less.contains("storage only grows: it cannot have 20"), "{less}");
}
