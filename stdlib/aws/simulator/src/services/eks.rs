//! EKS: clusters, and managed groups of nodes that take a while to come and go.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use http::{Method, Request};
use jiff::{SignedDuration, Timestamp};
use opsrun_core::Span;
use serde_json::{Value, json};

use crate::estate::{ClusterSection, NodeGroupSection};
use crate::fault::{Answer, Fault};
use crate::protocol::{self, Call, Protocol};
use crate::services::autoscaling;
use crate::world::{Aws, Caller, Random};

/// A group's change of bounds is through after this; its nodes come and go in their own time.
const CONFIGURED_AFTER: Span = Span::from_secs(20);
/// A node's replacement in an update: the new one is launched, the old one drained.
pub(crate) const DRAINED_AFTER: Span = Span::from_secs(60);
/// Of a type of machine that is not in the table.
const USUAL_VCPUS: u32 = 4;
const KUBERNETES: &str = "1.34";
const ZONES: &[char] = &['a', 'b', 'c'];

#[derive(Debug, Clone, Default)]
pub(crate) struct Clusters(pub(crate) BTreeMap<String, Cluster>);

#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    arn: String,
    version: String,
    created: Timestamp,
    pub(crate) groups: BTreeMap<String, Group>,
}

#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) arn: String,
    pub(crate) min: u32,
    pub(crate) max: u32,
    pub(crate) desired: u32,
    pub(crate) instance_type: String,
    pub(crate) version: String,
    pub(crate) launch: Span,
    pub(crate) created: Timestamp,
    /// The Auto Scaling group that holds its nodes.
    pub(crate) scaling_group: String,
    pub(crate) nodes: Vec<Node>,
    pub(crate) activities: Vec<Activity>,
    /// Processes of the Auto Scaling group that are suspended.
    pub(crate) suspended: BTreeSet<String>,
    pub(crate) refreshes: Vec<Refresh>,
    updates: Vec<Update>,
}

/// A replacement of all machines of a group.
#[derive(Debug, Clone)]
pub(crate) struct Refresh {
    pub(crate) id: String,
    pub(crate) begun: Timestamp,
    pub(crate) done: Timestamp,
    /// The machines are the new ones.
    pub(crate) settled: bool,
}

/// A machine of a group.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) zone: String,
    pub(crate) in_service: Timestamp,
}

/// What an Auto Scaling group did, or could not do.
#[derive(Debug, Clone)]
pub(crate) struct Activity {
    pub(crate) id: String,
    pub(crate) at: Timestamp,
    pub(crate) failed: Option<String>,
    pub(crate) description: String,
}

#[derive(Debug, Clone)]
struct Update {
    id: String,
    kind: &'static str,
    created: Timestamp,
    done: Timestamp,
    parameters: Vec<(&'static str, String)>,
}

impl Clusters {
    pub(crate) fn start(
        sections: &BTreeMap<String, ClusterSection>,
        (account, region): (&str, &str),
        random: &mut Random,
        now: Timestamp,
    ) -> Result<Self, String> {
        let mut clusters = BTreeMap::new();
        for (name, section) in sections {
            let version = section.version.clone().unwrap_or_else(|| KUBERNETES.to_owned());
            let mut groups = BTreeMap::new();
            for (group, section) in &section.node_groups {
                let arn =
                    format!("arn:aws:eks:{region}:{account}:nodegroup/{name}/{group}/{}", random.uuid());
                let scaling_group = section.scaling_group.clone();
                let scaling_group = scaling_group.unwrap_or_else(|| format!("eks-{group}-{}", random.uuid()));
                let made = Group::start(section, (arn, scaling_group), region, random, now);
                let made = made.map_err(|why| format!("`{name}`: `{group}`: {why}"))?;
                groups.insert(group.clone(), Group { version: version.clone(), ..made });
            }
            let arn = format!("arn:aws:eks:{region}:{account}:cluster/{name}");
            clusters.insert(name.clone(), Cluster { arn, version, created: now, groups });
        }
        Ok(Clusters(clusters))
    }

    pub(crate) fn snapshot(&self, region: &str, things: &mut BTreeMap<String, Value>) {
        for (name, cluster) in &self.0 {
            things.insert(format!("eks cluster {region}/{name}"), json!({ "version": cluster.version }));
            for (group, content) in &cluster.groups {
                let state = json!({
                    "min": content.min,
                    "max": content.max,
                    "desired": content.desired,
                    "nodes": content.nodes.len(),
                    "type": content.instance_type,
                    "version": content.version,
                    "suspended": content.suspended,
                });
                things.insert(format!("eks nodegroup {region}/{name}/{group}"), state);
            }
        }
    }

    /// Virtual processors that run.
    pub(crate) fn running(&self) -> u32 {
        let groups = self.0.values().flat_map(|cluster| cluster.groups.values());
        groups.map(Group::running).sum()
    }
}

impl Group {
    /// One whose machines have been there before the estate began. `names`: its ARN, and its Auto Scaling group's name.
    pub(crate) fn start(
        section: &NodeGroupSection,
        names: (String, String),
        region: &str,
        random: &mut Random,
        now: Timestamp,
    ) -> Result<Self, String> {
        let NodeGroupSection { min, max, desired, .. } = *section;
        if !(min <= desired && desired <= max) {
            return Err(format!("{desired} nodes are not within {min} and {max}"));
        }
        let (arn, scaling_group) = names;
        let mut made = Group {
            arn,
            min,
            max,
            desired,
            instance_type: section.instance_type.clone(),
            version: String::new(),
            launch: section.launch,
            created: now,
            scaling_group,
            nodes: Vec::new(),
            activities: Vec::new(),
            suspended: BTreeSet::new(),
            refreshes: Vec::new(),
            updates: Vec::new(),
        };
        made.launch_nodes(desired, region, random, now);
        made.nodes.iter_mut().for_each(|node| node.in_service = now);
        Ok(made)
    }

    /// Virtual processors of its machines.
    pub(crate) fn running(&self) -> u32 {
        u32::try_from(self.nodes.len()).unwrap_or(u32::MAX) * self.vcpus()
    }

    fn vcpus(&self) -> u32 {
        vcpus(&self.instance_type).unwrap_or(USUAL_VCPUS)
    }

    fn launch_nodes(&mut self, count: u32, region: &str, random: &mut Random, now: Timestamp) {
        for _ in 0..count {
            let zone = ZONES[self.nodes.len() % ZONES.len()];
            let id = format!("i-{}", random.of("0123456789abcdef", 17));
            let description = format!("Launching a new EC2 instance: {id}");
            self.activities.push(Activity { id: random.uuid(), at: now, failed: None, description });
            self.nodes.push(Node { id, zone: format!("{region}{zone}"), in_service: self.launch.after(now) });
        }
    }

    /// Launches and ends nodes until there are as many as wanted, or the quota is used up. `free`: virtual processors.
    pub(crate) fn settle(
        &mut self,
        free: u32,
        limit: u32,
        region: &str,
        random: &mut Random,
        now: Timestamp,
    ) {
        let have = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        if have > self.desired {
            if !self.suspended.contains("Terminate") {
                self.nodes.truncate(self.desired as usize);
            }
            return;
        }
        if self.suspended.contains("Launch") {
            return;
        }
        let wanted = self.desired - have;
        let possible = wanted.min(free / self.vcpus().max(1));
        self.launch_nodes(possible, region, random, now);
        if possible < wanted {
            let message = format!(
                "You have requested more vCPU capacity than your current vCPU limit of {limit} allows for the instance bucket that \
                 the specified instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request to request an \
                 adjustment to this limit. Launching EC2 instance failed."
            );
            let description = "Launching a new EC2 instance.  Status Reason: ".to_owned() + &message;
            self.activities.push(Activity { id: random.uuid(), at: now, failed: Some(message), description });
        }
    }

    fn status(&self, now: Timestamp) -> &'static str {
        if self.updates.iter().any(|update| update.done > now) { "UPDATING" } else { "ACTIVE" }
    }
}

/// Virtual processors of the types that the platform uses.
fn vcpus(instance_type: &str) -> Option<u32> {
    let (family, size) = instance_type.split_once('.')?;
    if !matches!(family, "c5" | "c6i" | "c7i" | "m5" | "m6i" | "m7i" | "r5" | "r6i" | "t3" | "t3a") {
        return None;
    }
    match size {
        "medium" | "large" => Some(2),
        "xlarge" => Some(4),
        "2xlarge" => Some(8),
        "4xlarge" => Some(16),
        _ => None,
    }
}

/// The operation that method and path say.
pub(crate) fn read(request: &Request<Bytes>) -> Option<Call> {
    let path = protocol::path(request);
    let parts: Vec<&str> = path.iter().map(String::as_str).collect();
    let body = || serde_json::from_slice(request.body()).unwrap_or_else(|_| json!({}));
    let (operation, mut input) = match (request.method(), parts.as_slice()) {
        (&Method::GET, ["clusters"]) => ("ListClusters", json!({})),
        (&Method::GET, ["clusters", name]) => ("DescribeCluster", json!({ "name": name })),
        (&Method::GET, ["clusters", name, "node-groups"]) => {
            ("ListNodegroups", json!({ "clusterName": name }))
        }
        (&Method::GET, ["clusters", name, "node-groups", group]) => {
            ("DescribeNodegroup", json!({ "clusterName": name, "nodegroupName": group }))
        }
        (&Method::POST, ["clusters", name, "node-groups", group, "update-config"]) => {
            ("UpdateNodegroupConfig", merged(body(), json!({ "clusterName": name, "nodegroupName": group })))
        }
        (&Method::POST, ["clusters", name, "node-groups", group, "update-version"]) => {
            ("UpdateNodegroupVersion", merged(body(), json!({ "clusterName": name, "nodegroupName": group })))
        }
        (&Method::GET, ["clusters", name, "updates"]) => ("ListUpdates", json!({ "name": name })),
        (&Method::GET, ["clusters", name, "updates", id]) => {
            ("DescribeUpdate", json!({ "name": name, "updateId": id }))
        }
        _ => return None,
    };
    if let Some(members) = input.as_object_mut() {
        members.extend(protocol::query_members(request));
    }
    Some(Call { protocol: Protocol::RestJson, operation: operation.to_owned(), input })
}

fn merged(mut one: Value, other: Value) -> Value {
    if let (Value::Object(members), Value::Object(others)) = (&mut one, other) {
        members.extend(others);
    }
    one
}

pub(crate) fn call(world: &mut Aws, caller: &Caller, call: &Call) -> Answer {
    let input = &call.input;
    let member = |name: &str| input.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut random = world.random.clone();
    let region = world.region_of(caller);
    let (running, limit) = (autoscaling::running(region), region.quotas.vcpus);
    let free = limit.saturating_sub(running);
    let answer = match call.operation.as_str() {
        "ListClusters" => Ok(json!({ "clusters": region.eks.0.keys().collect::<Vec<_>>() })),
        "DescribeCluster" => {
            let name = member("name");
            let cluster = cluster(&mut region.eks, name)?;
            Ok(json!({ "cluster": described(name, cluster, caller) }))
        }
        "ListNodegroups" => {
            let cluster = cluster(&mut region.eks, member("clusterName"))?;
            Ok(json!({ "nodegroups": cluster.groups.keys().collect::<Vec<_>>() }))
        }
        "DescribeNodegroup" => {
            let (name, group_name) = (member("clusterName"), member("nodegroupName"));
            let group = group(&mut region.eks, name, group_name)?;
            Ok(json!({ "nodegroup": described_group(name, group_name, group, caller.now) }))
        }
        "UpdateNodegroupConfig" => {
            let group = group(&mut region.eks, member("clusterName"), member("nodegroupName"))?;
            configure(group, input, (free, limit), caller, &mut random)
        }
        "UpdateNodegroupVersion" => {
            let (name, group_name) = (member("clusterName"), member("nodegroupName"));
            let of_cluster = cluster(&mut region.eks, name)?.version.clone();
            let group = group(&mut region.eks, name, group_name)?;
            let version = input.get("version").and_then(Value::as_str).map_or(of_cluster, str::to_owned);
            update_version(group, version, caller, &mut random)
        }
        "ListUpdates" => {
            let name = member("name");
            let ids: Vec<String> = match member("nodegroupName") {
                "" => {
                    cluster(&mut region.eks, name)?;
                    Vec::new()
                }
                group_name => {
                    let group = group(&mut region.eks, name, group_name)?;
                    group.updates.iter().map(|update| update.id.clone()).collect()
                }
            };
            Ok(json!({ "updateIds": ids }))
        }
        "DescribeUpdate" => {
            let group = group(&mut region.eks, member("name"), member("nodegroupName"))?;
            let wanted = member("updateId");
            let update = group.updates.iter().find(|update| update.id == wanted);
            let update = update.ok_or_else(|| {
                Fault::not_found("ResourceNotFoundException", format!("No update found for ID: {wanted}."))
            })?;
            Ok(json!({ "update": described_update(update, caller.now) }))
        }
        operation => Err(Fault::not_simulated("eks", operation)),
    };
    world.random = random;
    answer
}

fn cluster<'c>(clusters: &'c mut Clusters, name: &str) -> Answer<&'c mut Cluster> {
    clusters.0.get_mut(name).ok_or_else(|| {
        Fault::not_found("ResourceNotFoundException", format!("No cluster found for name: {name}."))
    })
}

fn group<'c>(clusters: &'c mut Clusters, name: &str, group: &str) -> Answer<&'c mut Group> {
    cluster(clusters, name)?.groups.get_mut(group).ok_or_else(|| {
        Fault::not_found("ResourceNotFoundException", format!("No node group found for name: {group}."))
    })
}

fn configure(
    group: &mut Group,
    input: &Value,
    (free, limit): (u32, u32),
    caller: &Caller,
    random: &mut Random,
) -> Answer {
    in_use(group, caller.now)?;
    let number = |name: &str, before: u32| {
        let given = input.pointer(&format!("/scalingConfig/{name}")).and_then(Value::as_u64);
        given.map_or(before, |given| u32::try_from(given).unwrap_or(u32::MAX))
    };
    let (min, max, desired) =
        (number("minSize", group.min), number("maxSize", group.max), number("desiredSize", group.desired));
    let invalid = |message: String| Err(Fault::sender("InvalidParameterException", message));
    if min > desired {
        return invalid(format!("Minimum capacity {min} can't be greater than desired size {desired}"));
    }
    if desired > max {
        return invalid(format!("desired capacity {desired} can't be greater than max size {max}"));
    }
    let parameters = vec![
        ("MinSize", min.to_string()),
        ("MaxSize", max.to_string()),
        ("DesiredSize", desired.to_string()),
    ];
    (group.min, group.max, group.desired) = (min, max, desired);
    group.settle(free, limit, &caller.region, random, caller.now);
    Ok(begin(group, "ConfigUpdate", CONFIGURED_AFTER, parameters, caller.now, random))
}

fn update_version(group: &mut Group, version: String, caller: &Caller, random: &mut Random) -> Answer {
    in_use(group, caller.now)?;
    // One node after another, as the default of one unavailable node has it.
    let each = group.launch.duration() + DRAINED_AFTER.duration();
    let whole = Span::from(each * u32::try_from(group.nodes.len()).unwrap_or(1));
    let parameters = vec![("Version", version.clone())];
    group.version = version;
    Ok(begin(group, "VersionUpdate", whole, parameters, caller.now, random))
}

fn in_use(group: &Group, now: Timestamp) -> Answer<()> {
    match group.status(now) {
        "ACTIVE" => Ok(()),
        status => {
            let message =
                format!("Nodegroup cannot be updated as it is currently not in Active State: {status}");
            Err(Fault::sender("ResourceInUseException", message).with(http::StatusCode::CONFLICT))
        }
    }
}

fn begin(
    group: &mut Group,
    kind: &'static str,
    takes: Span,
    parameters: Vec<(&'static str, String)>,
    now: Timestamp,
    random: &mut Random,
) -> Value {
    let update = Update { id: random.uuid(), kind, created: now, done: takes.after(now), parameters };
    let answer = json!({ "update": described_update(&update, now) });
    group.updates.push(update);
    answer
}

fn seconds(at: Timestamp) -> f64 {
    SignedDuration::from_millis(at.as_millisecond()).as_secs_f64()
}

fn described(name: &str, cluster: &Cluster, caller: &Caller) -> Value {
    json!({
        "name": name,
        "arn": cluster.arn,
        "createdAt": seconds(cluster.created),
        "version": cluster.version,
        "endpoint": format!("https://{}.gr7.{}.eks.amazonaws.com", name.to_uppercase(), caller.region),
        "status": "ACTIVE",
        "certificateAuthority": { "data": "ZXN0YXRl" },
        "platformVersion": "eks.1",
        "tags": {},
    })
}

fn described_group(cluster: &str, name: &str, group: &Group, now: Timestamp) -> Value {
    let failed = group.activities.last().and_then(|activity| activity.failed.as_ref());
    let short = u32::try_from(group.nodes.len()).unwrap_or(u32::MAX) < group.desired;
    let issues: Vec<Value> = failed
        .filter(|_| short)
        .map(|message| {
            json!({ "code": "AsgInstanceLaunchFailures", "message": message, "resourceIds": [group.scaling_group] })
        })
        .into_iter()
        .collect();
    json!({
        "nodegroupName": name,
        "nodegroupArn": group.arn,
        "clusterName": cluster,
        "version": group.version,
        "createdAt": seconds(group.created),
        "status": group.status(now),
        "capacityType": "ON_DEMAND",
        "scalingConfig": { "minSize": group.min, "maxSize": group.max, "desiredSize": group.desired },
        "instanceTypes": [group.instance_type],
        "resources": { "autoScalingGroups": [{ "name": group.scaling_group }] },
        "health": { "issues": issues },
        "tags": {},
    })
}

fn described_update(update: &Update, now: Timestamp) -> Value {
    let parameters: Vec<Value> =
        update.parameters.iter().map(|(kind, value)| json!({ "type": kind, "value": value })).collect();
    json!({
        "id": update.id,
        "status": if update.done <= now { "Successful" } else { "InProgress" },
        "type": update.kind,
        "params": parameters,
        "createdAt": seconds(update.created),
        "errors": [],
    })
}
