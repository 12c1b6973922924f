//! Alarms: made, changed, deleted, kept quiet, all of it taken back; and their states as time goes by.

use opsrun_core::{Result, Value};
use serde_json::json;

use crate::stage::{Caller, Stage, fails_everywhere};

pub(crate) fn section() -> Value {
    json!({ "accounts": { "111122223333": { "regions": { "us-west-2": { "cloudwatch": {
        "metrics": [
            {
                "namespace": "Workflow", "name": "QueueLength", "dimensions": { "queue": "mail" },
                "values": [5, 5, 500, 500, 500, 5], "every": "2m",
            },
            { "namespace": "Workflow", "name": "Workers", "constant": 3 },
        ],
        "alarms": {
            "workflow-queue": {
                "namespace": "Workflow", "metric": "QueueLength", "dimensions": { "queue": "mail" },
                "threshold": 100, "periods": 2, "description": "mail is late", "tags": { "team": "mail" },
                "actions": ["arn:aws:sns:us-west-2:111122223333:on-call"],
            },
            "workflow-silent": { "namespace": "Workflow", "metric": "Nothing", "threshold": 1 },
        },
    } } } } } })
}

fn new_alarm() -> Value {
    json!({
        "name": "workflow-few", "namespace": "Workflow", "metric": "Workers", "statistic": "Minimum",
        "comparison": "<", "threshold": 2, "periods": 3, "datapoints": 2, "missing": "breaching",
        "tags": { "team": "mail" },
    })
}

/// What changes alarms, each of it once more.
fn changes(call: Caller<'_>) -> Result<Value> {
    let mut told = Vec::new();
    for _ in 0..2 {
        told.push(call("cloudwatch::set_alarm", new_alarm())?["changed"].clone());
    }
    for _ in 0..2 {
        let larger =
            json!({ "name": "workflow-queue", "threshold": 1000, "statistic": "p99", "description": "" });
        told.push(call("cloudwatch::set_alarm", larger)?["changed"].clone());
    }
    for _ in 0..2 {
        let names = json!({ "alarms": ["workflow-silent", "workflow-queue"] });
        told.push(call("cloudwatch::disable_alarm_actions", names)?["changed"].clone());
    }
    for _ in 0..2 {
        let name = json!({ "alarms": "workflow-silent" });
        told.push(call("cloudwatch::enable_alarm_actions", name)?["changed"].clone());
    }
    for _ in 0..2 {
        told.push(call("cloudwatch::delete_alarm", json!({ "name": "workflow-queue" }))?["changed"].clone());
    }
    Ok(told.into())
}

#[test]
fn what_is_done_with_alarms_is_done_once_and_taken_back() {
    let stage = Stage::new(&section());
    let told = stage.run(&changes).value();
    let both = ["workflow-queue", "workflow-silent"];
    let expected = json!([true, false, true, false, both, [], ["workflow-silent"], [], true, false]);
    assert_eq!(told, expected);
    let stage = Stage::new(&section());
    let done = stage.undoes(&changes);
    assert!(done.report().contains("undone"), "{}", done.report());
}

#[test]
fn however_a_write_to_an_alarm_fails_it_ends_whole_or_as_if_nothing_had_been() {
    fails_everywhere(&section(), &changes);
}

#[test]
fn an_alarm_follows_what_it_looks_at() {
    let stage = Stage::new(&section());
    let done = stage.run(&|call| {
        let before = call("cloudwatch::alarm", json!({ "name": "workflow-queue" }))?;
        let on = call(
            "cloudwatch::wait",
            json!({ "alarm": "workflow-queue", "state": "ALARM", "within": "20m" }),
        )?;
        let loud = call("cloudwatch::alarms", json!({ "prefix": "workflow-", "state": "ALARM" }))?;
        let off = call("cloudwatch::wait", json!({ "alarm": "workflow-queue", "within": "20m" }))?;
        let none = call("cloudwatch::alarm", json!({ "name": "workflow-silent" }))?;
        Ok(json!([before["state"], on, loud.as_array().unwrap().len(), off, none["state"]]))
    });
    let told = done.value();
    assert_eq!((&told[0], &told[2], &told[4]), (&json!("OK"), &json!(1), &json!("INSUFFICIENT_DATA")));
    let (on, off) = (&told[1], &told[3]);
    assert_eq!(
        on["reason"],
        "Threshold Crossed: 2 datapoints [500, 500] of 2 were beyond the threshold (100.0): GreaterThanThreshold."
    );
    // The queue is long from the fifth minute on for six; two minutes of it have to be over, or of less.
    let minutes = |alarm: &Value| {
        let at: jiff::Timestamp = alarm["since"].as_str().unwrap().parse().unwrap();
        at.duration_since(stage.world().clock().now()).as_mins()
    };
    assert_eq!(minutes(off) - minutes(on), 5, "{on:#}\n{off:#}");
    assert_eq!(on["period"], "1m");
    let late = stage
        .call("cloudwatch::wait", &json!({ "alarm": "workflow-queue", "state": "ALARM", "within": "3m" }));
    let late = late.error();
    assert!(late.contains("the alarm workflow-queue is OK and not ALARM after 3m"), "{late}");
    assert!(late.contains("Threshold Crossed: 1 datapoints [5, 500] of 2"), "{late}");
}

#[test]
fn what_cannot_be_with_an_alarm_is_said() {
    let stage = Stage::new(&section());
    for (path, arguments, expected) in [
        ("cloudwatch::alarm", json!({ "name": "none" }), "there is no alarm none in us-west-2"),
        (
            "cloudwatch::disable_alarm_actions",
            json!({ "alarms": ["workflow-queue", "none"] }),
            "there is no alarm none",
        ),
        ("cloudwatch::set_alarm", json!({ "name": "new", "namespace": "A" }), "a new one needs `metric`"),
        (
            "cloudwatch::set_alarm",
            json!({ "name": "workflow-queue", "datapoints": 3 }),
            "workflow-queue cannot look at 3 of 2 periods",
        ),
        (
            "cloudwatch::set_alarm",
            json!({ "name": "workflow-queue", "comparison": "==" }),
            "`==` is no comparison",
        ),
    ] {
        let error = stage.call(path, &arguments).error();
        assert!(error.contains(expected), "{path}: {error}");
    }
    // An error of CloudWatch's own protocol has its code.
    let done = stage.run_with(&["aws cloudwatch:PutMetricAlarm: 403"], &|call| {
        call("cloudwatch::set_alarm", new_alarm())
    });
    let error = done.error();
    assert!(error.contains("setting the alarm workflow-few was refused by AWS: AccessDenied"), "{error}");
    assert!(error.contains("the policy needs `cloudwatch:PutMetricAlarm`"), "{error}");
    assert!(
        done.report().contains("aws cloudwatch:PutMetricAlarm alarm/workflow-few in us-west-2"),
        "{}",
        done.report()
    );
    let mut down = section();
    down["outages"] = json!([{ "region": "us-west-2" }]);
    let error = Stage::new(&down).call("cloudwatch::alarms", &json!({})).error();
    assert!(error.contains("refused by AWS: ServiceUnavailable: us-west-2 is down"), "{error}");
}
