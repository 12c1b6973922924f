//! What was spent, what will be, and what all of it costs a month.

use opsrun_core::Value;
use serde_json::json;

use crate::stage::{Caller, Stage, Thing, on_moto};

fn section() -> Value {
    json!({ "accounts": { "111122223333": {
        "costs": {
            "Amazon Relational Database Service": { "daily": 9.6, "tags": { "environment": "prod" } },
            "Amazon Elastic Compute Cloud - Compute": { "daily": 12.6, "tags": { "environment": "staging" } },
            "AWS Cost Explorer": 0.05,
        },
        "regions": { "us-west-2": {
            "clusters": {
                "prod": { "node-groups": { "workers": { "min": 3, "max": 20, "desired": 20 } } },
                "other": { "node-groups": { "few": { "min": 1, "max": 2, "desired": 2, "type": "m6i.large" } } },
            },
            "rds": { "instances": { "prod": { "class": "db.r6g.large", "storage": 100, "multi-az": true } } },
        } },
    } } })
}

#[test]
fn what_was_spent_is_told_by_time_service_and_tag() {
    let stage = Stage::new(&section());
    let now = stage.world().clock().now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let (first, last) = (now.first_of_month().yesterday().unwrap().first_of_month(), now.first_of_month());
    let count = (last - first).get_days();
    let days = f64::from(count);
    let whole = |daily: f64| (daily * days * 100.0).round() / 100.0;
    let month = json!({ "from": first.to_string(), "to": last.to_string() });
    let with = |more: Value| {
        let mut all = month.clone();
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let done = stage.run(&|call| {
        let all = call("cost::spent", month.clone())?;
        let by = call("cost::spent", with(json!({ "by": "service" })))?;
        let tag = call("cost::spent", with(json!({ "tag": "environment" })))?;
        let prod = call("cost::spent", with(json!({ "tags": { "environment": "prod" } })))?;
        // Several pages of days.
        let long = json!({ "from": first.saturating_sub(jiff::Span::new().days(60)).to_string(), "to": last.to_string(), "each": "day" });
        let long = call("cost::spent", long)?;
        let next = now.last_of_month().tomorrow().unwrap();
        let expected = call("cost::forecast", json!({ "to": next.to_string() }))?;
        let left = f64::from((next - now).get_days());
        assert_eq!(expected["total"], (22.25 * left * 100.0).round() / 100.0);
        Ok(json!([all, by, tag, prod, long["parts"].as_array().unwrap().len()]))
    });
    let told = done.value();
    assert_eq!((&told[0]["total"], &told[0]["unit"]), (&json!(whole(22.25)), &json!("USD")));
    assert_eq!(told[1]["by"]["Amazon Relational Database Service"], whole(9.6));
    assert_eq!(told[2]["by"], json!({ "": whole(0.05), "prod": whole(9.6), "staging": whole(12.6) }));
    assert_eq!((&told[3]["total"], &told[3]["parts"][0]["estimated"]), (&json!(whole(9.6)), &json!(false)));
    assert_eq!(told[4], json!(count + 60));
    for (path, arguments, expected) in [
        ("cost::spent", json!({ "from": "yesterday" }), "`from`: `yesterday` is no day"),
        ("cost::spent", json!({ "from": "2036-01-01" }), "no day is from 2036-01-01"),
        ("cost::spent", json!({ "from": "2020-01-01" }), "beyond 14 months"),
        ("cost::spent", with(json!({ "by": "service", "tag": "x" })), "either `by` something or by a `tag`"),
        ("cost::forecast", json!({ "to": "2020-01-01" }), "2020-01-01 is not after today"),
    ] {
        let error = stage.call(path, &arguments).error();
        assert!(error.contains(expected), "{error}");
    }
    let nothing = Stage::new(&json!({})).call("cost::forecast", &json!({ "to": "2036-01-01" })).error();
    assert!(
        nothing.contains("DataUnavailableException") && nothing.contains("ce:GetCostForecast in us-east-1"),
        "{nothing}"
    );
}

#[test]
fn a_month_is_estimated_by_a_table_of_prices_and_what_is_there() {
    let stage = Stage::new(&section());
    let platform = json!({ "base": 708, "nodes_in_base": 3, "node": 63 });
    let estimate = |arguments: Value| stage.call("cost::estimate", &arguments);
    for (nodes, total) in [(0, 708.0), (3, 708.0), (4, 771.0), (20, 1779.0)] {
        assert_eq!(estimate(json!({ "prices": platform, "nodes": nodes })).value()["total"], total);
    }
    let there = estimate(json!({ "prices": platform, "clusters": ["prod"] })).value();
    assert_eq!(there["total"], 1779.0);
    assert_eq!(
        there["lines"][1],
        json!({ "what": "nodes m6i.xlarge", "count": 17.0, "each": 63.0, "amount": 1071.0 })
    );
    let whole = json!({
        "base": 100,
        "node": { "m6i.xlarge": 140.16, "m6i.large": 70.08 },
        "databases": { "db.r6g.large": 164.25 },
        "storage": 0.115,
    });
    let told = estimate(json!({ "prices": whole })).value();
    // 20 and 2 nodes, a database with its standby, and what both keep.
    assert_eq!(told["total"], 3394.86);
    assert_eq!(told["lines"].as_array().unwrap().len(), 5);
    for (arguments, expected) in [
        (
            json!({ "prices": { "node": { "m6i.large": 1 } } }),
            "what a node m6i.xlarge costs is not in the table",
        ),
        (
            json!({ "prices": { "databases": {} } }),
            "what a database of the class db.r6g.large costs is not in the table",
        ),
        (json!({ "prices": { "nodes": 1 } }), "unknown field `nodes`"),
    ] {
        let error = estimate(arguments).error();
        assert!(error.contains(expected), "{error}");
    }
}

/// moto tells what it was told to tell, and knows no forecast.
#[test]
fn what_moto_tells_is_read_as_what_the_simulated_cost_explorer_tells() {
    let money = |amount: &str| json!({ "UnblendedCost": { "Amount": amount, "Unit": "USD" } });
    let told = json!({ "results": [{ "ResultsByTime": [{
        "TimePeriod": { "Start": "2026-01-01", "End": "2026-02-01" },
        "Total": {},
        "Groups": [
            { "Keys": ["AWS Cost Explorer"], "Metrics": money("1.5500000000") },
            { "Keys": ["Amazon Relational Database Service"], "Metrics": money("297.6000000000") },
        ],
        "Estimated": false,
    }] }] });
    let body = |call: Caller<'_>| {
        call("cost::spent", json!({ "from": "2026-01-01", "to": "2026-02-01", "by": "service" }))
    };
    let section = json!({ "accounts": { "111122223333": { "costs": {
        "Amazon Relational Database Service": 9.6,
        "AWS Cost Explorer": 0.05,
    } } } });
    let simulated = Stage::new(&section).run(&body).value();
    let made = Thing::Rest("ce", "/moto-api/static/ce/cost-and-usage-results", told.to_string());
    let Some(moto) = on_moto(&[made], &body) else { return };
    assert_eq!(simulated, moto.value());
}
