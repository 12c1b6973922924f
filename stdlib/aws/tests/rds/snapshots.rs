//! Snapshots: made, waited for, found again, taken back, and what goes wrong with them.

use opsrun_core::Value;
use serde_json::json;

use crate::stage::{Stage, fails_everywhere};

pub(crate) fn section() -> Value {
    json!({ "accounts": { "111122223333": { "regions": { "us-west-2": { "rds": {
        "instances": {
            "workflow-prod": {
                "class": "db.r6g.large", "storage": 100, "multi-az": true, "database": "workflow",
                "tables": { "orders": { "rows": 1000, "writes": "1s" } },
            },
            "workflow-staging": { "storage": 20 },
        },
        "snapshots": { "nightly": { "of": "workflow-prod", "age": "20h" } },
    } } } } } })
}

fn snapshot(name: &str) -> Value {
    json!({ "instance": "workflow-prod", "name": name, "wait": "30m", "tags": { "release": "1.4.0" } })
}

#[test]
fn a_snapshot_is_made_waited_for_and_found_again() {
    let stage = Stage::new(&section());
    let done = stage.run(&|call| {
        let first = call("rds::snapshot", snapshot("Before-140"))?;
        let again = call("rds::snapshot", snapshot("before-140"))?;
        let all = call("rds::snapshots", json!({ "instance": "workflow-prod" }))?;
        Ok(json!([first, again, all]))
    });
    let value = done.value();
    let made = &value[0]["snapshot"];
    assert_eq!(value[0]["changed"], true);
    for (field, expected) in [
        ("name", json!("before-140")),
        ("arn", json!("arn:aws:rds:us-west-2:111122223333:snapshot:before-140")),
        ("instance", json!("workflow-prod")),
        ("status", json!("available")),
        ("progress", json!(100)),
        // It took a minute and 100 times 2 s.
        ("age", json!("4m30s")),
        ("tags", json!({ "release": "1.4.0" })),
        ("kind", json!("manual")),
    ] {
        assert_eq!(made[field], expected, "{field} of {made:#}");
    }
    assert_eq!(value[1]["changed"], false);
    let names: Vec<_> = value[2].as_array().unwrap().iter().map(|of| of["name"].clone()).collect();
    assert_eq!(names, ["before-140", "nightly"]);
    let progress: Vec<_> = done.told().iter().filter(|line| line.contains("creating, ")).collect();
    assert!(progress.len() > 10 && progress[5].contains('%'), "{}", done.report());
    let writes = done.told().iter().filter(|line| line.contains("CreateDBSnapshot")).count();
    assert_eq!(writes, 1, "{}", done.report());
}

#[test]
fn a_snapshot_is_taken_back_whole_or_half_made_and_only_once() {
    let stage = Stage::new(&section());
    stage.undoes(&|call| {
        call("rds::snapshot", snapshot("before-140"))?;
        call("rds::snapshot", snapshot("before-140"))
    });
    // It is not ready when it is taken back, and AWS deletes none that is not.
    let half = json!({ "instance": "workflow-prod", "name": "half", "wait": "0s" });
    let done = stage.undoes(&|call| call("rds::snapshot", half.clone()));
    assert!(
        done.report().contains("rds:DeleteDBSnapshot snapshot/half in us-west-2: 200"),
        "{}",
        done.report()
    );
    // What was there before is not this run's.
    stage.undoes(&|call| {
        let there = call("rds::snapshot", json!({ "instance": "workflow-prod", "name": "nightly" }))?;
        assert_eq!(there["changed"], false);
        Ok(there)
    });
    let gone =
        |call: crate::stage::Caller<'_>| call("rds::delete_snapshot", json!({ "snapshot": "nightly" }));
    let done = stage.run(&|call| Ok(json!([gone(call)?["changed"], gone(call)?["changed"]])));
    assert_eq!(done.value(), json!([true, false]));
}

#[test]
fn however_a_write_of_a_snapshot_fails_it_is_made_once_or_not_at_all() {
    fails_everywhere(&section(), &|call| {
        call("rds::snapshot", snapshot("before-140"))?;
        let staging = call("rds::snapshot", json!({ "instance": "workflow-staging", "name": "staging" }))?;
        // Who goes on looks later, when it is older.
        Ok(json!([staging["changed"], staging["snapshot"]["status"]]))
    });
}

#[test]
fn databases_and_snapshots_are_waited_for_until_they_are_as_wanted() {
    let stage = Stage::new(&section());
    let done = stage.run(&|call| {
        call("rds::snapshot", json!({ "instance": "workflow-prod", "name": "one", "wait": "0s" }))?;
        let busy = call("rds::describe", json!({ "instance": "workflow-prod" }))?;
        assert_eq!(busy["status"], "backing-up");
        let too_short = json!({ "of": "snapshot/one", "within": "1m" });
        let late = call("rds::wait", too_short).unwrap_err();
        assert!(late.report().contains("is not ready after 1m: it is creating, 2"), "{}", late.report());
        call("rds::wait", json!({ "of": "snapshot/one", "status": "available" }))?;
        call("rds::wait", json!({ "of": "workflow-prod" }))?;
        // The database is busy with the first one.
        call("rds::snapshot", json!({ "instance": "workflow-prod", "name": "two", "wait": "0s" }))?;
        call("rds::snapshot", json!({ "instance": "workflow-prod", "name": "three", "wait": "20m" }))?;
        call("rds::wait", json!({ "of": "snapshot/none", "status": "deleted" }))?;
        let all = call("rds::list", json!({}))?;
        Ok(all.as_array().unwrap().iter().map(|of| of["name"].clone()).collect())
    });
    assert_eq!(done.value(), json!(["workflow-prod", "workflow-staging"]));
    let wrong = stage.call("rds::wait", &json!({ "of": "workflow-prod", "status": "avaliable" })).error();
    assert!(wrong.contains("nothing of RDS is ever `avaliable`"), "{wrong}");
    let stays = stage.call("rds::wait", &json!({ "of": "snapshot/nightly", "status": "failed" })).error();
    assert!(stays.contains("is available, and does not become failed by itself"), "{stays}");
}

#[test]
fn what_goes_wrong_with_a_snapshot_is_one_clear_error() {
    let mut section = section();
    let rds = &mut section["accounts"]["111122223333"]["regions"]["us-west-2"]["rds"];
    rds["failing-snapshots"] = json!({ "bad": 40 });
    rds["quotas"] = json!({ "snapshots": 2 });
    let stage = Stage::new(&section);
    let error = |arguments: &Value| stage.call("rds::snapshot", arguments).error();
    for (arguments, expected) in [
        (snapshot("before-1.4.0"), "`before-1-4-0` would be one"),
        (
            json!({ "instance": "workflow-prd", "name": "a" }),
            "there is no database workflow-prd in us-west-2, the estate's account\n  hint: there are `workflow-prod`, `workflow-staging`",
        ),
        (
            json!({ "instance": "workflow-prod", "name": "a", "region": "eu-west-1" }),
            "there is no database workflow-prod in eu-west-1",
        ),
        (
            json!({ "instance": "workflow-staging", "name": "nightly" }),
            "there is a snapshot nightly already, and it is of workflow-prod, not of workflow-staging",
        ),
    ] {
        let error = error(&arguments);
        assert!(error.contains(expected), "{error}");
    }
    // It is taken back, so it is not in the way.
    let before = stage.state();
    let failed = stage.call("rds::snapshot", &snapshot("bad"));
    assert!(
        failed.error().contains("the snapshot bad of workflow-prod is failed at 40 %"),
        "{}",
        failed.report()
    );
    assert_eq!(failed.exit_code(), 3, "{}", failed.report());
    stage.pass("10m");
    assert_eq!(stage.state(), before);
    stage.call("rds::snapshot", &snapshot("good")).value();
    let full = error(&snapshot("one-too-many"));
    for part in [
        "making the snapshot one-too-many of workflow-prod was refused by AWS: SnapshotQuotaExceeded: Cannot create more than 2 manual snapshots",
        "rds:CreateDBSnapshot in us-west-2, the estate's account",
        "hint: a quota of the estate's account in us-west-2 is used up",
    ] {
        assert!(full.contains(part), "{part}: {full}");
    }
}

#[test]
fn throttling_that_passes_is_not_seen_and_throttling_that_stays_is_said() {
    let stage = Stage::new(&section());
    let script = |call: crate::stage::Caller<'_>| call("rds::snapshot", snapshot("before-140"));
    let passes = stage.run_with(&["aws rds:CreateDBSnapshot: 429 3 times"], &script);
    assert_eq!(passes.value()["changed"], true);
    stage.call("rds::delete_snapshot", &json!({ "snapshot": "before-140" })).value();
    for (fault, expected) in [
        (
            "aws rds:CreateDBSnapshot: 429 always",
            "making the snapshot before-140 of workflow-prod was refused by AWS: ThrottlingException",
        ),
        ("aws rds:CreateDBSnapshot: 403", "hint: the policy needs `rds:CreateDBSnapshot`"),
        ("aws rds:DescribeDBInstances: refused always", "rds:DescribeDBInstances in us-west-2"),
    ] {
        let before = stage.state();
        let done = stage.run_with(&[fault], &script);
        assert!(done.error().contains(expected), "{fault}: {}", done.report());
        assert_eq!(stage.state(), before, "{fault}");
    }
}
