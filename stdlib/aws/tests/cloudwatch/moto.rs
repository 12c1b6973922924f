//! The same on moto, which nobody of us wrote.
//!
//! It speaks CloudWatch's other protocols, so somebody translates. moto never looks at what an alarm is on: a new one is `OK`, and stays so. Its periods begin when those that are asked for begin.

use opsrun_core::{Result, Value};
use serde_json::json;

use crate::stage::{Caller, Done, Script, Stage, on_moto_by};
use crate::translator;

fn pick(of: &Value, names: &[&str]) -> Value {
    names.iter().map(|name| ((*name).to_owned(), of[*name].clone())).collect()
}

const TOLD: &[&str] = &[
    "name",
    "arn",
    "kind",
    "description",
    "namespace",
    "metric",
    "dimensions",
    "statistic",
    "period",
    "periods",
    "datapoints",
    "threshold",
    "comparison",
    "missing",
    "actions_enabled",
    "actions",
];

fn body(call: Caller<'_>) -> Result<Value> {
    let mut told = Vec::new();
    let alarm = json!({
        "name": "queue-long", "namespace": "Workflow", "metric": "QueueLength", "dimensions": { "queue": "mail" },
        "statistic": "Maximum", "period": "1m", "periods": 3, "datapoints": 2, "threshold": 100.5, "comparison": ">=",
        "description": "mail is late", "actions": ["arn:aws:sns:us-west-2:111122223333:on-call"], "tags": { "team": "mail" },
    });
    let fewer = json!({
        "name": "queue-few", "namespace": "Workflow", "metric": "Workers", "statistic": "p10", "threshold": 2,
        "comparison": "<", "missing": "breaching",
    });
    for alarm in
        [&alarm, &alarm, &fewer, &json!({ "name": "queue-long", "threshold": 7, "missing": "ignore" })]
    {
        let set = call("cloudwatch::set_alarm", alarm.clone())?;
        told.push(json!([set["changed"], pick(&set["alarm"], TOLD)]));
    }
    for path in ["cloudwatch::disable_alarm_actions", "cloudwatch::enable_alarm_actions"] {
        for _ in 0..2 {
            told.push(call(path, json!({ "alarms": ["queue-long", "queue-few"] }))?);
        }
    }
    let all = call("cloudwatch::alarms", json!({ "prefix": "queue-" }))?;
    told.extend(all.as_array().unwrap().iter().map(|alarm| pick(alarm, TOLD)));
    for value in [3, 5, 1] {
        let put = json!({ "namespace": "Workflow", "metric": "QueueLength", "value": value, "dimensions": { "queue": "mail" } });
        call("cloudwatch::put_metric", put)?;
    }
    for statistic in ["Sum", "Maximum", "SampleCount"] {
        let asked = json!({
            "namespace": "Workflow", "metric": "QueueLength", "dimensions": { "queue": "mail" }, "statistic": statistic,
            "period": "1h", "last": "1h",
        });
        let series = call("cloudwatch::metric", asked)?;
        let points = series["points"].as_array().unwrap().iter();
        let values: Vec<f64> = points.filter_map(|point| point["value"].as_f64()).collect();
        told.push(match statistic {
            "Maximum" => values.iter().copied().fold(0.0, f64::max).into(),
            _ => values.iter().sum::<f64>().into(),
        });
    }
    let bound = json!({ "namespace": "Workflow", "metric": "QueueLength", "dimensions": { "queue": "mail" }, "bound": ">= 1" });
    call("cloudwatch::wait_metric", bound)?;
    let none = json!({ "namespace": "Workflow", "metric": "None" });
    told.push(call("cloudwatch::metric", none)?["latest"].clone());
    for _ in 0..2 {
        told.push(call("cloudwatch::delete_alarm", json!({ "name": "queue-few" }))?);
    }
    told.push(json!(call("cloudwatch::alarm", json!({ "name": "queue-few" })).unwrap_err().kind()));
    Ok(told.into())
}

fn on_moto(script: Script<'_>) -> Option<Done> {
    let section = |endpoint: &str| json!({ "region": "us-west-2", "endpoints": { "cloudwatch": translator::before(endpoint) } });
    on_moto_by(&[], &section, script)
}

#[test]
fn moto_and_the_simulated_cloudwatch_answer_alike() {
    // moto's account has this number.
    let section = json!({ "accounts": { "123456789012": {} } });
    let simulated = Stage::new(&section).run(&body).value();
    let Some(moto) = on_moto(&body) else { return };
    assert_eq!(simulated, moto.value());
}

#[test]
fn what_is_done_on_moto_is_taken_back() {
    let done = on_moto(&|call| {
        let made = json!({ "name": "a", "namespace": "Workflow", "metric": "Workers", "threshold": 2 });
        call("cloudwatch::set_alarm", made)?;
        call("cloudwatch::set_alarm", json!({ "name": "a", "threshold": 3 }))?;
        call("cloudwatch::disable_alarm_actions", json!({ "alarms": "a" }))?;
        call("cloudwatch::delete_alarm", json!({ "name": "a" }))?;
        Err(opsrun_core::Error::failed("and now back"))
    });
    let Some(done) = done else { return };
    assert_eq!(done.exit_code(), 3, "{}", done.report());
}
