//! Auto Scaling: the groups that hold the nodes of EKS's groups, and those that belong to no cluster.

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use jiff::Timestamp;
use opsrun_core::Span;
use serde_json::{Value, json};

use crate::estate::NodeGroupSection;
use crate::fault::{Answer, Fault};
use crate::protocol::{Call, text};
use crate::services::eks::{DRAINED_AFTER, Group, Refresh};
use crate::world::{Aws, Caller, Random, Region};
use crate::xml::items;

/// So many groups, and so many activities, are told at once by itself.
const PAGE: usize = 50;
const ACTIVITIES: usize = 100;
/// So many percent stay in service during a refresh, by itself.
const MIN_HEALTHY: u32 = 90;
const PROCESSES: &[&str] = &[
    "AZRebalance",
    "AddToLoadBalancer",
    "AlarmNotification",
    "HealthCheck",
    "InstanceRefresh",
    "Launch",
    "ReplaceUnhealthy",
    "ScheduledActions",
    "Terminate",
];

/// Groups of no cluster, by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Groups(BTreeMap<String, Group>);

impl Groups {
    pub(crate) fn start(
        sections: &BTreeMap<String, NodeGroupSection>,
        (account, region): (&str, &str),
        random: &mut Random,
        now: Timestamp,
    ) -> Result<Self, String> {
        let mut groups = BTreeMap::new();
        for (name, section) in sections {
            let names = (arn(name, account, region), name.clone());
            let made = Group::start(section, names, region, random, now);
            groups.insert(name.clone(), made.map_err(|why| format!("`{name}`: {why}"))?);
        }
        Ok(Groups(groups))
    }

    pub(crate) fn snapshot(&self, region: &str, things: &mut BTreeMap<String, Value>) {
        for (name, group) in &self.0 {
            let state = json!({
                "min": group.min,
                "max": group.max,
                "desired": group.desired,
                "nodes": group.nodes.len(),
                "type": group.instance_type,
                "suspended": group.suspended,
            });
            things.insert(format!("autoscaling group {region}/{name}"), state);
        }
    }
}

/// Virtual processors that run in a region.
pub(crate) fn running(region: &Region) -> u32 {
    region.eks.running() + region.groups.0.values().map(Group::running).sum::<u32>()
}

/// All groups, of clusters and others, in the order of their names.
fn all(region: &mut Region) -> BTreeMap<String, &mut Group> {
    let of_clusters = region.eks.0.values_mut().flat_map(|cluster| cluster.groups.values_mut());
    let groups = of_clusters.chain(region.groups.0.values_mut());
    groups.map(|group| (group.scaling_group.clone(), group)).collect()
}

pub(crate) fn call(world: &mut Aws, caller: &Caller, call: &Call) -> Answer {
    let mut random = world.random.clone();
    let region = world.region_of(caller);
    let (running, limit) = (running(region), region.quotas.vcpus);
    let free = limit.saturating_sub(running);
    let mut groups = all(region);
    for group in groups.values_mut() {
        refreshed(group, &mut random, caller.now);
    }
    let answer = answer(groups, caller, call, (free, limit), &mut random);
    world.random = random;
    answer
}

fn answer(
    mut groups: BTreeMap<String, &mut Group>,
    caller: &Caller,
    call: &Call,
    (free, limit): (u32, u32),
    random: &mut Random,
) -> Answer {
    let input = &call.input;
    let now = caller.now;
    if call.operation == "DescribeAutoScalingGroups" {
        return Ok(listed(&groups, input, caller));
    }
    let operation = call.operation.as_str();
    if !OPERATIONS.contains(&operation) {
        return Err(Fault::not_simulated("autoscaling", operation));
    }
    let name = text(input, "AutoScalingGroupName")?;
    let group = groups.remove(name).ok_or_else(|| {
        let message = format!("AutoScalingGroup name not found - no such group: {name}");
        Fault::sender("ValidationError", message).with(StatusCode::BAD_REQUEST)
    })?;
    match operation {
        "DescribeScalingActivities" => Ok(activities(group, input)),
        "SetDesiredCapacity" | "UpdateAutoScalingGroup" => {
            let (min, max) = (number(input, "MinSize", group.min)?, number(input, "MaxSize", group.max)?);
            let desired = number(input, "DesiredCapacity", group.desired)?;
            if desired < min || desired > max {
                let message = format!(
                    "New SetDesiredCapacity value {desired} is not between min value {min} and max value {max}."
                );
                return Err(Fault::sender("ValidationError", message));
            }
            (group.min, group.max, group.desired) = (min, max, desired);
            group.settle(free, limit, &caller.region, random, now);
            Ok(Value::Null)
        }
        "SuspendProcesses" => {
            group.suspended.extend(processes(input)?);
            Ok(Value::Null)
        }
        "ResumeProcesses" => {
            let resumed = processes(input)?;
            group.suspended.retain(|name| !resumed.contains(name));
            // What it could not do meanwhile, it does now.
            group.settle(free, limit, &caller.region, random, now);
            Ok(Value::Null)
        }
        "StartInstanceRefresh" => begin(group, input, random, now),
        _ => Ok(refreshes(group, input, now)),
    }
}

const OPERATIONS: &[&str] = &[
    "DescribeInstanceRefreshes",
    "DescribeScalingActivities",
    "ResumeProcesses",
    "SetDesiredCapacity",
    "StartInstanceRefresh",
    "SuspendProcesses",
    "UpdateAutoScalingGroup",
];

fn number(input: &Value, name: &str, before: u32) -> Answer<u32> {
    match input.get(name).and_then(Value::as_str) {
        None => Ok(before),
        Some(text) => text
            .parse()
            .map_err(|_| Fault::sender("ValidationError", format!("{name} is not a number: {text}"))),
    }
}

/// A page of `all`, and what the next one begins with.
fn paged<T>(all: Vec<T>, input: &Value, usual: usize) -> (Vec<T>, Option<String>) {
    let given =
        |name: &str| input.get(name).and_then(Value::as_str).and_then(|text| text.parse::<usize>().ok());
    let (from, size) = (given("NextToken").unwrap_or(0), given("MaxRecords").unwrap_or(usual).max(1));
    let next = (all.len() > from + size).then(|| (from + size).to_string());
    (all.into_iter().skip(from).take(size).collect(), next)
}

fn listed(groups: &BTreeMap<String, &mut Group>, input: &Value, caller: &Caller) -> Value {
    let wanted = items(input.pointer("/AutoScalingGroupNames/member"));
    let is_wanted =
        |name: &&String| wanted.is_empty() || wanted.iter().any(|of| of.as_str() == Some(name.as_str()));
    let found: Vec<&String> = groups.keys().filter(is_wanted).collect();
    let (page, next) = paged(found, input, PAGE);
    let page: Vec<Value> =
        page.into_iter().filter_map(|name| Some(described(groups.get(name)?, caller))).collect();
    json!({ "AutoScalingGroups": { "member": page }, "NextToken": next })
}

fn activities(group: &Group, input: &Value) -> Value {
    let (page, next) = paged(group.activities.iter().rev().collect(), input, ACTIVITIES);
    let page: Vec<Value> = page
        .into_iter()
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
    json!({ "Activities": { "member": page }, "NextToken": next })
}

/// None is all of them.
fn processes(input: &Value) -> Answer<BTreeSet<String>> {
    let named = items(input.pointer("/ScalingProcesses/member"));
    let named: BTreeSet<String> = named.into_iter().filter_map(Value::as_str).map(str::to_owned).collect();
    match named.iter().find(|name| !PROCESSES.contains(&name.as_str())) {
        Some(name) => Err(Fault::sender("ValidationError", format!("{name} is not a valid scaling process"))),
        None if named.is_empty() => Ok(PROCESSES.iter().map(|name| (*name).to_owned()).collect()),
        None => Ok(named),
    }
}

fn begin(group: &mut Group, input: &Value, random: &mut Random, now: Timestamp) -> Answer {
    if group.refreshes.iter().any(|refresh| refresh.done > now) {
        let message =
            "An Instance Refresh is already in progress and blocks the execution of this Instance Refresh.";
        return Err(Fault::sender("InstanceRefreshInProgress", message));
    }
    let healthy = input.pointer("/Preferences/MinHealthyPercentage").and_then(Value::as_str);
    let healthy = healthy.map_or(Ok(MIN_HEALTHY), str::parse).unwrap_or(MIN_HEALTHY).min(100);
    let count = u32::try_from(group.nodes.len()).unwrap_or(u32::MAX);
    let at_once = (count * (100 - healthy) / 100).max(1);
    let each = group.launch.duration() + DRAINED_AFTER.duration();
    let whole = Span::from(each * count.div_ceil(at_once));
    let id = random.uuid();
    group.refreshes.push(Refresh { id: id.clone(), begun: now, done: whole.after(now), settled: false });
    Ok(json!({ "InstanceRefreshId": id }))
}

/// Gives a group its new machines once a refresh is through.
fn refreshed(group: &mut Group, random: &mut Random, now: Timestamp) {
    let through = group.refreshes.iter_mut().filter(|refresh| !refresh.settled && refresh.done <= now);
    for refresh in through {
        refresh.settled = true;
        for node in &mut group.nodes {
            node.id = format!("i-{}", random.of("0123456789abcdef", 17));
        }
    }
}

fn refreshes(group: &Group, input: &Value, now: Timestamp) -> Value {
    let wanted = items(input.pointer("/InstanceRefreshIds/member"));
    let is_wanted =
        |of: &&Refresh| wanted.is_empty() || wanted.iter().any(|id| id.as_str() == Some(of.id.as_str()));
    let all: Vec<Value> = group
        .refreshes
        .iter()
        .rev()
        .filter(is_wanted)
        .map(|refresh| {
            let whole = refresh.done.duration_since(refresh.begun).as_secs().max(1);
            let past = now.duration_since(refresh.begun).as_secs().clamp(0, whole);
            let through = refresh.done <= now;
            json!({
                "InstanceRefreshId": refresh.id,
                "AutoScalingGroupName": group.scaling_group,
                "Status": if through { "Successful" } else { "InProgress" },
                "StartTime": refresh.begun.to_string(),
                "EndTime": through.then(|| refresh.done.to_string()),
                "PercentageComplete": past * 100 / whole,
            })
        })
        .collect();
    json!({ "InstanceRefreshes": { "member": all } })
}

/// What CloudWatch is told of groups.
const METRICS: &[&str] = &["GroupDesiredCapacity", "GroupInServiceInstances"];

fn each(region: &Region) -> impl Iterator<Item = &Group> {
    let of_clusters = region.eks.0.values().flat_map(|cluster| cluster.groups.values());
    of_clusters.chain(region.groups.0.values())
}

/// The groups of which something is told, with what it is.
pub(crate) fn measured(region: &Region) -> Vec<(&'static str, &str)> {
    let groups = each(region);
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
    let region = world.accounts.get(at.0)?.regions.get(at.1)?;
    let group =
        each(region).find(|group| group.scaling_group == name).filter(|group| group.created <= when)?;
    match metric {
        "GroupDesiredCapacity" => Some(f64::from(group.desired)),
        "GroupInServiceInstances" => {
            Some(group.nodes.iter().filter(|node| node.in_service <= when).map(|_| 1.0).sum())
        }
        _ => None,
    }
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
    let suspended: Vec<Value> = group
        .suspended
        .iter()
        .map(|name| json!({ "ProcessName": name, "SuspensionReason": "User suspended" }))
        .collect();
    json!({
        "AutoScalingGroupName": group.scaling_group,
        "AutoScalingGroupARN": arn(&group.scaling_group, &caller.account, &caller.region),
        "MinSize": group.min,
        "MaxSize": group.max,
        "DesiredCapacity": group.desired,
        "DefaultCooldown": 300,
        "AvailabilityZones": { "member": zones },
        "HealthCheckType": "EC2",
        "CreatedTime": group.created.to_string(),
        "Instances": { "member": instances },
        "SuspendedProcesses": { "member": suspended },
    })
}

fn arn(name: &str, account: &str, region: &str) -> String {
    format!("arn:aws:autoscaling:{region}:{account}:autoScalingGroup:00000000:autoScalingGroupName/{name}")
}
