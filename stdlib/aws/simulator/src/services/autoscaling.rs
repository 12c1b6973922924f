//! Auto Scaling: the groups that hold the nodes of EKS's groups.

use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::fault::{Answer, Fault};
use crate::protocol::{Call, text};
use crate::services::eks::{Clusters, Group};
use crate::world::{Aws, Caller};
use crate::xml::items;

pub(crate) fn call(world: &mut Aws, caller: &Caller, call: &Call) -> Answer {
    let input = &call.input;
    let mut random = world.random.clone();
    let region = world.region_of(caller);
    let (running, limit) = (region.eks.running(), region.quotas.vcpus);
    let answer = match call.operation.as_str() {
        "DescribeAutoScalingGroups" => {
            let wanted = items(input.pointer("/AutoScalingGroupNames/member"));
            let clusters = region.eks.0.values();
            let groups = clusters.flat_map(|cluster| cluster.groups.values()).filter(|group| {
                wanted.is_empty() || wanted.iter().any(|name| name.as_str() == Some(&group.scaling_group))
            });
            let groups: Vec<Value> = groups.map(|group| described(group, caller)).collect();
            Ok(json!({ "AutoScalingGroups": { "member": groups } }))
        }
        "DescribeScalingActivities" => {
            let group = named(region.eks.group_of(text(input, "AutoScalingGroupName")?), input)?;
            let activities: Vec<Value> = group
                .activities
                .iter()
                .rev()
                .map(|activity| {
                    json!({
                        "ActivityId": activity.id,
                        "AutoScalingGroupName": group.scaling_group,
                        "Description": activity.description,
                        "Cause": "a user request",
                        "StartTime": activity.at.to_string(),
                        "StatusCode": if activity.failed.is_some() { "Failed" } else { "Successful" },
                        "StatusMessage": activity.failed,
                    })
                })
                .collect();
            Ok(json!({ "Activities": { "member": activities } }))
        }
        "SetDesiredCapacity" | "UpdateAutoScalingGroup" => {
            let group = named(region.eks.group_of(text(input, "AutoScalingGroupName")?), input)?;
            let number = |name: &str, before: u32| -> Answer<u32> {
                match input.get(name).and_then(Value::as_str) {
                    None => Ok(before),
                    Some(text) => text.parse().map_err(|_| {
                        Fault::sender("ValidationError", format!("{name} is not a number: {text}"))
                    }),
                }
            };
            let (min, max) = (number("MinSize", group.min)?, number("MaxSize", group.max)?);
            let desired = number("DesiredCapacity", group.desired)?;
            if desired < min || desired > max {
                let message = format!(
                    "New SetDesiredCapacity value {desired} is not between min value {min} and max value {max}."
                );
                return Err(Fault::sender("ValidationError", message));
            }
            (group.min, group.max, group.desired) = (min, max, desired);
            group.settle(limit.saturating_sub(running), limit, &caller.region, &mut random, caller.now);
            Ok(Value::Null)
        }
        operation => Err(Fault::not_simulated("autoscaling", operation)),
    };
    world.random = random;
    answer
}

/// What CloudWatch is told of groups.
const METRICS: &[&str] = &["GroupDesiredCapacity", "GroupInServiceInstances"];

/// The groups of which something is told, with what it is.
pub(crate) fn measured(eks: &Clusters) -> Vec<(&'static str, &str)> {
    let groups = eks.0.values().flat_map(|cluster| cluster.groups.values());
    groups.flat_map(|group| METRICS.iter().map(|metric| (*metric, group.scaling_group.as_str()))).collect()
}

/// What a metric of a group was at a moment, going by how it is now; `None` if nobody measured it.
pub(crate) fn metric(
    world: &Aws,
    at: (&str, &str),
    name: &str,
    metric: &str,
    when: Timestamp,
) -> Option<f64> {
    let eks = &world.accounts.get(at.0)?.regions.get(at.1)?.eks;
    let mut groups = eks.0.values().flat_map(|cluster| cluster.groups.values());
    let group = groups.find(|group| group.scaling_group == name).filter(|group| group.created <= when)?;
    match metric {
        "GroupDesiredCapacity" => Some(f64::from(group.desired)),
        "GroupInServiceInstances" => {
            Some(group.nodes.iter().filter(|node| node.in_service <= when).map(|_| 1.0).sum())
        }
        _ => None,
    }
}

fn named<'g>(group: Option<&'g mut Group>, input: &Value) -> Answer<&'g mut Group> {
    group.ok_or_else(|| {
        let name = input.get("AutoScalingGroupName").and_then(Value::as_str).unwrap_or_default();
        let message = format!("AutoScalingGroup name not found - no such group: {name}");
        Fault::sender("ValidationError", message).with(StatusCode::BAD_REQUEST)
    })
}

fn described(group: &Group, caller: &Caller) -> Value {
    let instances: Vec<Value> = group
        .nodes
        .iter()
        .map(|node| {
            json!({
                "InstanceId": node.id,
                "InstanceType": group.instance_type,
                "AvailabilityZone": node.zone,
                "LifecycleState": if node.in_service <= caller.now { "InService" } else { "Pending" },
                "HealthStatus": "Healthy",
                "ProtectedFromScaleIn": false,
            })
        })
        .collect();
    let zones = ["a", "b", "c"].map(|zone| format!("{}{zone}", caller.region));
    json!({
        "AutoScalingGroupName": group.scaling_group,
        "AutoScalingGroupARN": arn(group, caller),
        "MinSize": group.min,
        "MaxSize": group.max,
        "DesiredCapacity": group.desired,
        "DefaultCooldown": 300,
        "AvailabilityZones": { "member": zones },
        "HealthCheckType": "EC2",
        "CreatedTime": Timestamp::to_string(&group.created),
        "Instances": { "member": instances },
    })
}

fn arn(group: &Group, caller: &Caller) -> String {
    let Caller { region, account, .. } = caller;
    let name = &group.scaling_group;
    format!("arn:aws:autoscaling:{region}:{account}:autoScalingGroup:00000000:autoScalingGroupName/{name}")
}
