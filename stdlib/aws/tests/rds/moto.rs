//! The same on moto, which nobody of us wrote: what primitives give there and on the simulated RDS is compared.
//!
//! moto has no times, and so no states that pass; it knows no failover, no lag, no quotas of RDS, and restores no rows. What differs
//! besides: its snapshots say no progress, and it makes automated ones as soon as there is a database.

use opsrun_core::{Result, Value};
use serde_json::json;

use crate::stage::{Caller, Stage, Thing, on_moto};

const MADE: &str = "Action=CreateDBInstance&DBInstanceIdentifier=prod&DBInstanceClass=db.t4g.medium&Engine=postgres&\
    EngineVersion=15.7&AllocatedStorage=20&MasterUsername=postgres&MasterUserPassword=long-enough&BackupRetentionPeriod=7";

fn kind(result: Result<Value>) -> Value {
    json!(result.unwrap_err().kind())
}

fn pick(of: &Value, names: &[&str]) -> Value {
    names.iter().map(|name| ((*name).to_owned(), of[*name].clone())).collect()
}

fn body(call: Caller<'_>) -> Result<Value> {
    let mut told = Vec::new();
    let snapshot = json!({ "instance": "prod", "name": "before", "tags": { "release": "1.4.0" } });
    let made = call("rds::snapshot", snapshot.clone())?;
    let of_snapshot = ["name", "instance", "status", "storage", "engine", "version", "kind", "tags"];
    told.push(json!([made["changed"], pick(&made["snapshot"], &of_snapshot)]));
    told.push(call("rds::snapshot", snapshot)?["changed"].clone());
    call("rds::copy_snapshot", json!({ "snapshot": "before", "to": "copy" }))?;
    let shared = json!({ "snapshot": "before", "accounts": ["444455556666"] });
    told.push(call("rds::share_snapshot", shared.clone())?);
    told.push(call("rds::share_snapshot", shared)?);
    let restored = call("rds::restore", json!({ "snapshot": "before", "instance": "restored" }))?;
    let of_instance = ["name", "status", "class", "engine", "version", "storage", "multi_az", "tags"];
    told.push(json!([restored["changed"], pick(&restored["database"], &of_instance)]));
    told.push(
        call("rds::restore", json!({ "snapshot": "before", "instance": "restored" }))?["changed"].clone(),
    );
    let bigger =
        json!({ "instance": "restored", "class": "db.m6g.large", "storage": 40, "apply_immediately": true });
    let modified = call("rds::modify", bigger.clone())?;
    told.push(json!([modified["changed"], pick(&modified["database"], &of_instance)]));
    told.push(call("rds::modify", bigger)?["changed"].clone());
    call("rds::rename", json!({ "instance": "prod", "to": "broken" }))?;
    let renamed = call("rds::rename", json!({ "instance": "restored", "to": "prod" }))?;
    told.push(json!([renamed["changed"], renamed["database"]["name"]]));
    let names = |list: Value| list.as_array().unwrap().iter().map(|of| of["name"].clone()).collect::<Value>();
    told.push(names(call("rds::list", json!({}))?));
    told.push(call("rds::delete", json!({ "instance": "broken", "final_snapshot": "last" }))?);
    told.push(call("rds::delete", json!({ "instance": "broken", "final_snapshot": "last" }))?);
    for name in ["copy", "copy"] {
        told.push(call("rds::delete_snapshot", json!({ "snapshot": name }))?);
    }
    let mut left: Vec<String> = names(call("rds::snapshots", json!({ "kind": "manual" }))?)
        .as_array()
        .unwrap()
        .iter()
        .map(Value::to_string)
        .collect();
    left.sort();
    told.push(json!(left));
    told.push(kind(call("rds::describe", json!({ "instance": "none" }))));
    told.push(kind(call("rds::restore", json!({ "snapshot": "none", "instance": "new" }))));
    Ok(told.into())
}

#[test]
fn moto_and_the_simulated_rds_answer_alike() {
    let section = json!({ "accounts": { "111122223333": { "regions": { "us-west-2": { "rds": {
        "instances": { "prod": { "class": "db.t4g.medium", "storage": 20, "version": "15.7" } },
    } } } } } });
    let simulated = Stage::new(&section).run(&body).value();
    let Some(moto) = on_moto(&[Thing::Form("rds", MADE)], &body) else { return };
    assert_eq!(simulated, moto.value());
}

/// What a run made on moto is taken back there, too.
#[test]
fn what_is_done_on_moto_is_taken_back() {
    let done = on_moto(&[Thing::Form("rds", MADE)], &|call| {
        call("rds::snapshot", json!({ "instance": "prod", "name": "before" }))?;
        call("rds::restore", json!({ "snapshot": "before", "instance": "restored" }))?;
        call("rds::rename", json!({ "instance": "prod", "to": "broken" }))?;
        Err(opsrun_core::Error::failed("and now back"))
    });
    let Some(done) = done else { return };
    assert_eq!(done.exit_code(), 3, "{}", done.report());
}
