//! Groups of machines scaled, left alone and renewed.

use opsrun_core::{Error, Result, Value};
use serde_json::json;

use crate::stage::{Caller, Stage, Thing, fails_everywhere, on_moto};

fn section() -> Value {
    let mut groups =
        json!({ "legacy": { "min": 1, "max": 8, "desired": 4, "launch": "60s", "type": "m6i.large" } });
    for number in 0..60 {
        groups[format!("many-{number:02}")] = json!({ "min": 0, "max": 1, "desired": 0 });
    }
    json!({ "accounts": { "111122223333": { "regions": { "us-west-2": {
        "vcpus": 28,
        "clusters": { "prod": { "node-groups": { "workers": { "min": 1, "max": 9, "desired": 3, "scaling-group": "eks-workers" } } } },
        "scaling-groups": groups,
    } } } } })
}

fn scaled(desired: u32) -> Value {
    json!({ "group": "legacy", "desired": desired, "wait": "10m" })
}

fn processes(names: &[&str]) -> Value {
    json!({ "group": "legacy", "processes": names })
}

/// What somebody does who looks at a machine before it is replaced.
fn hold(call: Caller<'_>) -> Result<Value> {
    call("autoscaling::suspend", processes(&["Terminate", "AZRebalance"]))?;
    call("autoscaling::set_desired", scaled(6))?;
    call("autoscaling::resume", processes(&["AZRebalance"]))
}

#[test]
fn a_group_is_scaled_and_left_alone_once_and_taken_back() {
    let stage = Stage::new(&section());
    stage.undoes(&|call| {
        let first = call("autoscaling::set_desired", scaled(6))?;
        assert_eq!(first, json!({ "from": 4, "to": 6, "changed": true }));
        assert_eq!(call("autoscaling::set_desired", scaled(6))?["changed"], false);
        let group = call("autoscaling::describe", json!({ "group": "legacy" }))?;
        assert_eq!((&group["in_service"], &group["others"]), (&json!(6), &json!(0)));
        let launched = call("autoscaling::activities", json!({ "group": "legacy", "most": 2 }))?;
        assert_eq!(launched.as_array().unwrap().len(), 2);
        assert!(launched[0]["description"].as_str().unwrap().starts_with("Launching a new EC2 instance: i-"));
        for (path, changed) in [
            ("autoscaling::suspend", true),
            ("autoscaling::suspend", false),
            ("autoscaling::resume", true),
            ("autoscaling::resume", false),
            ("autoscaling::suspend", true),
        ] {
            assert_eq!(call(path, processes(&["Terminate", "AZRebalance"]))?["changed"], changed, "{path}");
        }
        Ok(Value::Null)
    });
    let all = stage.call("autoscaling::groups", &json!({})).value();
    // Two pages, with those of clusters.
    let names: Vec<&str> = all.as_array().unwrap().iter().map(|of| of["name"].as_str().unwrap()).collect();
    assert_eq!((names.len(), names[0], names[61]), (62, "eks-workers", "many-59"));
    fails_everywhere(&section(), &hold);
}

#[test]
fn what_a_group_cannot_do_is_told_with_the_way_out() {
    let stage = Stage::new(&section());
    for (path, arguments, expected) in [
        (
            "autoscaling::set_desired",
            scaled(9),
            "9 machines are not within 1 and 8, the bounds of legacy in us-west-2",
        ),
        (
            "autoscaling::describe",
            json!({ "group": "none" }),
            "there is no Auto Scaling group none in us-west-2",
        ),
        ("autoscaling::suspend", processes(&["Lunch"]), "`Lunch` is no process of an Auto Scaling group"),
        ("autoscaling::suspend", processes(&[]), "nothing says which processes"),
    ] {
        let error = stage.call(path, &arguments).error();
        assert!(error.contains(expected), "{error}");
    }
    let held = stage.run(&|call| {
        call("autoscaling::suspend", processes(&["Launch"]))?;
        call("autoscaling::set_desired", scaled(6))
    });
    let error = held.error();
    assert!(error.contains("4 of 6 machines are in service, and Launch is suspended"), "{error}");
    assert!(error.contains("autoscaling::resume(\"legacy\", [\"Launch\"])"), "{error}");
    // The quota: 3 of 4 and 4 of 2 run, and 28 may.
    let done = stage.run(&|call| {
        call("autoscaling::set_desired", json!({ "group": "eks-workers", "desired": 6 }))?;
        call("autoscaling::wait", json!({ "group": "eks-workers", "within": "5m" }))
    });
    let error = done.error();
    assert!(error.contains("your current vCPU limit of 28"), "{error}");
}

#[test]
fn all_machines_of_a_group_are_replaced_some_at_a_time() {
    let stage = Stage::new(&section());
    let refresh = json!({ "group": "legacy", "min_healthy": 50 });
    let done = stage.run(&|call| {
        let mut begun = refresh.clone();
        begun["wait"] = json!("0s");
        let first = call("autoscaling::start_instance_refresh", begun)?;
        assert_eq!((&first["changed"], &first["status"]), (&json!(true), &json!("InProgress")));
        let same = call("autoscaling::start_instance_refresh", refresh.clone())?;
        assert_eq!((&same["changed"], &same["id"]), (&json!(false), &first["id"]));
        Ok(same)
    });
    let told = done.value();
    assert_eq!((&told["status"], &told["progress"]), (&json!("Successful"), &json!(100)));
    let mut hasty = refresh.clone();
    hasty["wait"] = json!("1m");
    let error = stage.call("autoscaling::start_instance_refresh", &hasty).error();
    assert!(error.contains("% of the machines of legacy are replaced after 1m"), "{error}");
    fails_everywhere(&section(), &|call| call("autoscaling::start_instance_refresh", refresh.clone()));
}

/// moto has no processes that do anything, no refreshes, and no activities.
#[test]
fn moto_and_the_simulated_auto_scaling_answer_alike() {
    let body = |call: Caller<'_>| -> Result<Value> {
        let mut told = Vec::new();
        for desired in [5, 5, 2] {
            told.push(call(
                "autoscaling::set_desired",
                json!({ "group": "web", "desired": desired, "wait": "10m" }),
            )?);
        }
        for path in ["suspend", "suspend", "resume", "resume"] {
            let launch = json!({ "group": "web", "processes": ["Launch"] });
            told.push(call(&format!("autoscaling::{path}"), launch)?);
        }
        let group = call("autoscaling::describe", json!({ "group": "web" }))?;
        told.push(json!([
            group["min"],
            group["max"],
            group["desired"],
            group["in_service"],
            group["suspended"]
        ]));
        told.push(call("autoscaling::groups", json!({}))?.as_array().unwrap().len().into());
        told.push(json!(call("autoscaling::describe", json!({ "group": "none" })).unwrap_err().kind()));
        Ok(told.into())
    };
    let section = json!({ "accounts": { "111122223333": { "regions": { "us-west-2": {
        "scaling-groups": { "web": { "min": 1, "max": 6, "desired": 2 } },
    } } } } });
    let simulated = Stage::new(&section).run(&body).value();
    let made = [
        Thing::Form(
            "autoscaling",
            "Action=CreateLaunchConfiguration&LaunchConfigurationName=web&ImageId=ami-12345678&InstanceType=m6i.large",
        ),
        Thing::Form(
            "autoscaling",
            "Action=CreateAutoScalingGroup&AutoScalingGroupName=web&LaunchConfigurationName=web&MinSize=1&MaxSize=6&DesiredCapacity=2&AvailabilityZones.member.1=us-west-2a",
        ),
    ];
    let Some(moto) = on_moto(&made, &body) else { return };
    assert_eq!(simulated, moto.value());
    let back = on_moto(&made, &|call| {
        call("autoscaling::set_desired", json!({ "group": "web", "desired": 4 }))?;
        call("autoscaling::suspend", json!({ "group": "web", "processes": ["Launch", "Terminate"] }))?;
        Err(Error::failed("and now back"))
    });
    let Some(done) = back else { return };
    assert_eq!(done.exit_code(), 3, "{}", done.report());
}
