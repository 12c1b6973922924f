//! Metrics: stated, put, and measured of what else is in the estate.

use opsrun_core::{Result, Value};
use serde_json::json;

use crate::alarms::section;
use crate::stage::{Caller, Stage, fails_everywhere};

fn mail(more: &Value) -> Value {
    let mut all =
        json!({ "namespace": "Workflow", "metric": "QueueLength", "dimensions": { "queue": "mail" } });
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    all
}

#[test]
fn a_metric_has_its_values_all_pages_of_them() {
    let stage = Stage::new(&section());
    stage.pass("10m");
    let done = stage.run(&|call| {
        let maximum = call(
            "cloudwatch::metric",
            mail(&json!({ "statistic": "Maximum", "period": "5m", "last": "10m" })),
        )?;
        let long = call("cloudwatch::metric", mail(&json!({ "last": "5d" })))?;
        let low =
            call("cloudwatch::metric", mail(&json!({ "statistic": "p10", "period": "10m", "last": "10m" })))?;
        let none = call("cloudwatch::metric", json!({ "namespace": "Workflow", "metric": "QueueLength" }))?;
        Ok(json!([maximum, long["points"].as_array().unwrap().len(), low["points"], none]))
    });
    let told = done.value();
    let values: Vec<_> =
        told[0]["points"].as_array().unwrap().iter().map(|point| point["value"].clone()).collect();
    assert_eq!(values, [500.0, 500.0, 5.0], "{}", told[0]);
    assert_eq!((&told[0]["latest"], &told[0]["age"]), (&json!(5.0), &json!("0s")));
    assert_eq!(told[1], 5 * 24 * 60 + 1);
    assert_eq!(told[2][0]["value"], 5.0);
    assert_eq!(told[3], json!({ "points": [], "latest": null, "age": null }));
    let asked = done.told().iter().filter(|line| line.contains("GetMetricData")).count();
    assert_eq!(asked, 0, "reading is no write");
    for (more, expected) in [
        (json!({ "period": "90s" }), "1m30s is no period of CloudWatch"),
        (json!({ "from": "yesterday" }), "`yesterday` is no moment"),
        (json!({ "from": "2026-03-02T03:00:00Z", "last": "1h" }), "it is either `from` or `last`"),
        (json!({ "to": "2026-03-02T03:00:00Z", "from": "2026-03-02T03:00:00Z" }), "is not before"),
        (json!({ "statistic": "Middle" }), "The value Middle for parameter Stat is not supported"),
    ] {
        let error = stage.call("cloudwatch::metric", &mail(&more)).error();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_bound_is_waited_for() {
    let stage = Stage::new(&section());
    let done = stage.run(&|call| {
        let over = call("cloudwatch::wait_metric", mail(&json!({ "bound": ">= 100", "within": "20m" })))?;
        let under = call("cloudwatch::wait_metric", mail(&json!({ "bound": "<100", "within": "20m" })))?;
        Ok(json!([over["latest"], under["latest"]]))
    });
    assert_eq!(done.value(), json!([500.0, 5.0]));
    assert!(done.report().contains("Workflow QueueLength of queue=mail is 5"), "{}", done.report());
    for (arguments, expected) in [
        (mail(&json!({ "bound": "> 1000", "within": "2m" })), "is 5, and not > 1000 after 2m"),
        (
            mail(&json!({ "bound": "= 0", "within": "2m", "dimensions": {} })),
            "nothing was measured in the last 5m",
        ),
        (mail(&json!({ "bound": "about 3" })), "`about 3` is no bound: write it like `< 30`"),
    ] {
        let error = stage.call("cloudwatch::wait_metric", &arguments).error();
        assert!(error.contains(expected), "{error}");
    }
}

fn put(call: Caller<'_>) -> Result<Value> {
    let put = json!({ "namespace": "Workflow", "metric": "Deployments", "value": 2, "dimensions": { "env": "prod" }, "unit": "Count" });
    call("cloudwatch::put_metric", put)
}

fn deployments(call: Caller<'_>) -> Result<Value> {
    let asked = json!({ "namespace": "Workflow", "metric": "Deployments", "dimensions": { "env": "prod" }, "statistic": "Sum", "last": "10m" });
    Ok(call("cloudwatch::metric", asked)?["latest"].clone())
}

#[test]
fn a_value_is_put_and_stays() {
    let stage = Stage::new(&section());
    let done = stage.run(&|call| {
        put(call)?;
        put(call)?;
        deployments(call)
    });
    assert_eq!(done.value(), 4.0);
    let done = stage.run(&|call| {
        put(call)?;
        Err(opsrun_core::Error::failed("and now back"))
    });
    assert!(done.report().contains("it can be neither changed nor deleted"), "{}", done.report());
    fails_everywhere(&section(), &put);
    let own =
        stage.call("cloudwatch::put_metric", &json!({ "namespace": "AWS/RDS", "metric": "M", "value": 1 }));
    assert!(own.error().contains("AWS/ for parameter Namespace is invalid"), "{}", own.report());
}

/// A replica whose source goes down after ten minutes, and a group of nodes.
fn replicated() -> Value {
    json!({
        "outages": [{ "region": "us-west-2", "from": "10m" }],
        "accounts": { "111122223333": { "regions": {
            "us-west-2": { "rds": { "instances": { "prod": { "tables": { "orders": { "rows": 1024, "writes": "10s" } } } } } },
            "us-east-1": {
                "rds": { "instances": { "standby": { "replica-of": "us-west-2/prod", "lag": "20s", "storage": 100 } } },
                "clusters": { "east": { "node-groups": { "workers": { "min": 1, "max": 5, "desired": 2, "scaling-group": "east-workers" } } } },
            },
        } } },
    })
}

#[test]
fn what_is_in_the_estate_is_measured() {
    let of = |namespace: &str, metric: &str, dimension: &str, value: &str, region: &str| {
        json!({
            "namespace": namespace, "metric": metric, "dimensions": { dimension: value }, "region": region, "last": "5m",
        })
    };
    let lag = of("AWS/RDS", "ReplicaLag", "DBInstanceIdentifier", "standby", "us-east-1");
    let stage = Stage::new(&replicated());
    stage.pass("5m");
    let latest = |asked: &Value| stage.call("cloudwatch::metric", asked).value()["latest"].clone();
    assert_eq!(latest(&lag), 20.0);
    assert_eq!(
        latest(&of("AWS/RDS", "DatabaseConnections", "DBInstanceIdentifier", "prod", "us-west-2")),
        1.0
    );
    let free = of("AWS/RDS", "FreeStorageSpace", "DBInstanceIdentifier", "standby", "us-east-1");
    assert_eq!(latest(&free), f64::from(1 << 30) * 100.0);
    assert_eq!(
        latest(&of("AWS/RDS", "ReplicaLag", "DBInstanceIdentifier", "prod", "us-west-2")),
        Value::Null
    );
    let nodes =
        of("AWS/AutoScaling", "GroupInServiceInstances", "AutoScalingGroupName", "east-workers", "us-east-1");
    assert_eq!(latest(&nodes), 2.0);
    // Nothing arrives any more, so what has arrived gets older.
    stage.pass("10m");
    let behind = latest(&lag).as_f64().unwrap();
    assert!((300.0..400.0).contains(&behind), "{behind}");
    stage.call("rds::promote", &json!({ "replica": "standby", "region": "us-east-1" })).value();
    assert_eq!(latest(&lag), Value::Null);
}
