//! Copies and replicas in other regions, other accounts, and regions that are down; and who may not do it.

use opsrun_core::{Result, Value};
use serde_json::json;

use crate::stage::{Caller, Stage, fails_everywhere};

const EAST: &str = "us-east-1";

/// Two regions and two accounts; the databases are encrypted.
fn section() -> Value {
    json!({ "accounts": {
        "111122223333": { "regions": {
            "us-west-2": { "rds": {
                "instances": { "prod": { "encrypted": true, "tables": { "orders": { "rows": 10, "writes": "10s" } } } },
                "snapshots": { "nightly": { "of": "prod", "age": "20h" } },
            } },
            "us-east-1": { "rds": { "instances": { "standby": { "replica-of": "us-west-2/prod" } } } },
        } },
        "444455556666": { "roles": ["ops"] },
    } })
}

fn provide(call: Caller<'_>) -> Result<Value> {
    let copy = json!({ "snapshot": "nightly", "from_region": "us-west-2", "region": EAST });
    call("rds::copy_snapshot", copy)?;
    call("rds::restore", json!({ "snapshot": "nightly", "instance": "restored", "region": EAST }))?;
    call("rds::share_snapshot", json!({ "snapshot": "nightly", "accounts": ["444455556666"] }))?;
    let replica =
        json!({ "source": "prod", "instance": "second", "source_region": "us-west-2", "region": EAST });
    call("rds::create_replica", replica)
}

#[test]
fn snapshots_and_replicas_are_made_in_another_region_and_taken_back() {
    let stage = Stage::new(&section());
    let done = stage.undoes(&|call| {
        let replica = provide(call)?;
        assert_eq!(replica["database"]["replica_of"], "arn:aws:rds:us-west-2:111122223333:db:prod");
        let copies = call("rds::snapshots", json!({ "region": EAST }))?;
        assert_eq!(copies[0]["copy_of"], "arn:aws:rds:us-west-2:111122223333:snapshot:nightly");
        // Again nothing is to be done.
        let before = stage.state();
        assert_eq!(provide(call)?["changed"], false);
        assert_eq!(stage.state(), before);
        Ok(replica)
    });
    assert_eq!(done.exit_code(), 3);
    fails_everywhere(&section(), &provide);
    let same = stage.call("rds::copy_snapshot", &json!({ "snapshot": "nightly" })).error();
    assert!(same.contains("nightly would be copied to itself"), "{same}");
    let wrong = json!({ "snapshot": "nightly", "accounts": ["all"] });
    let wrong = stage.call("rds::share_snapshot", &wrong).error();
    assert!(wrong.contains("`all` is no number of an account"), "{wrong}");
}

#[test]
fn a_replica_is_promoted_with_its_source_s_region_down() {
    let mut section = section();
    section["outages"] = json!([{ "region": "us-west-2", "from": "10m" }]);
    let stage = Stage::new(&section);
    stage.pass("20m");
    let done = stage.run(&|call| {
        let down = call("rds::describe", json!({ "instance": "prod" })).unwrap_err();
        for part in
            ["asking for the database prod", "ServiceUnavailable", "rds:DescribeDBInstances in us-west-2"]
        {
            assert!(down.report().contains(part), "{}", down.report());
        }
        let promote = json!({ "replica": "standby", "backup_retention": 7, "region": EAST });
        let promoted = call("rds::promote", promote.clone())?;
        assert_eq!(call("rds::promote", promote)?["changed"], false);
        Ok(promoted)
    });
    let promoted = done.value();
    assert_eq!(promoted["changed"], true);
    assert_eq!(promoted["database"]["replica_of"], Value::Null);
    assert_eq!(promoted["database"]["backup_retention"], 7);
}

#[test]
fn who_may_not_is_told_why_and_where() {
    let stage = Stage::new(&section());
    let before = stage.state();
    for (fault, parts) in [
        (
            "aws rds:DescribeDBInstances: 403",
            ["AccessDenied", "hint: the policy needs `rds:DescribeDBInstances`"],
        ),
        (
            "aws rds:DescribeDBInstances: 429 always",
            ["ThrottlingException", "rds:DescribeDBInstances in us-west-2"],
        ),
        (
            "aws rds:DescribeDBInstances: refused always",
            ["asking for the database prod", "us-west-2, the estate's account"],
        ),
    ] {
        let done = stage.run_with(&[fault], &|call| call("rds::describe", json!({ "instance": "prod" })));
        let error = done.error();
        assert!(parts.iter().all(|part| error.contains(part)), "{fault}: {error}");
    }
    assert_eq!(stage.state(), before);
}
