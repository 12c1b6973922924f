use aws_sdk_autoscaling::types::LifecycleState;
use opsrun_core::{Cx, Effect, Error, Primitive, Result, Span};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::Client;

/// How often a group is asked how far it is.
pub(super) const EVERY: Span = Span::from_secs(10);

/// Tells of a group of nodes: its bounds, and how many of its nodes are in service.
///
/// ```rhai
/// let group = eks::node_group("workflow-prod", "workers");
/// log(`${group.in_service} of ${group.desired} nodes are in service`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct GetNodeGroup {
    /// The cluster's name.
    #[arg(positional)]
    cluster: String,
    /// The group's name.
    #[arg(positional)]
    group: String,
    /// The cluster's region; the target's if left out.
    region: Option<String>,
}

/// A managed group of nodes.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct NodeGroup {
    pub(crate) cluster: String,
    pub(crate) name: String,
    pub(crate) min: i32,
    pub(crate) max: i32,
    pub(crate) desired: i32,
    /// Nodes that run and are healthy.
    pub(crate) in_service: usize,
    /// `ACTIVE`, `UPDATING`, `DEGRADED`, …
    pub(crate) status: String,
    /// Of Kubernetes: `1.34`.
    pub(crate) version: String,
    pub(crate) instance_types: Vec<String>,
    /// The Auto Scaling groups that hold its nodes.
    pub(crate) scaling_groups: Vec<String>,
    /// What is wrong with it, as EKS says.
    pub(crate) issues: Vec<String>,
}

impl Primitive for GetNodeGroup {
    const PATH: &'static str = "eks::node_group";
    const EFFECT: Effect = Effect::Read;
    type Out = NodeGroup;

    async fn run(self, cx: &Cx) -> Result<NodeGroup> {
        node_group(&Client::new(cx, self.region.as_deref())?, &self.cluster, &self.group).await
    }
}

/// # Errors
/// `NotFound`; those of asking.
pub(crate) async fn node_group(client: &Client, cluster: &str, name: &str) -> Result<NodeGroup> {
    let tried = format!("looking at the group of nodes `{name}` of `{cluster}`");
    let asked = client.eks().describe_nodegroup().cluster_name(cluster).nodegroup_name(name).send();
    let answer = client.call("eks:DescribeNodegroup", &tried, asked).await?;
    let group = answer.nodegroup().ok_or_else(|| Error::failed(format!("{tried}: nothing came back")))?;
    let scaling = group.scaling_config();
    let number = |number: Option<i32>| number.unwrap_or_default();
    let scaling_groups =
        group.resources().map(|resources| resources.auto_scaling_groups()).unwrap_or_default();
    let scaling_groups: Vec<String> =
        scaling_groups.iter().filter_map(|group| group.name().map(str::to_owned)).collect();
    let issues = group.health().map(|health| health.issues()).unwrap_or_default().iter();
    let issues = issues.map(|issue| {
        let code = issue.code().map(|code| code.as_str()).unwrap_or_default();
        format!("{code}: {}", issue.message().unwrap_or_default())
    });
    Ok(NodeGroup {
        cluster: cluster.to_owned(),
        name: name.to_owned(),
        min: number(scaling.and_then(|scaling| scaling.min_size())),
        max: number(scaling.and_then(|scaling| scaling.max_size())),
        desired: number(scaling.and_then(|scaling| scaling.desired_size())),
        in_service: in_service(client, &scaling_groups).await?,
        status: group.status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
        version: group.version().unwrap_or_default().to_owned(),
        instance_types: group.instance_types().to_vec(),
        issues: issues.collect(),
        scaling_groups,
    })
}

async fn in_service(client: &Client, groups: &[String]) -> Result<usize> {
    if groups.is_empty() {
        return Ok(0);
    }
    let asked = client
        .autoscaling()
        .describe_auto_scaling_groups()
        .set_auto_scaling_group_names(Some(groups.to_vec()))
        .send();
    let tried = format!("looking at the Auto Scaling groups {}", groups.join(", "));
    let answer = client.call("autoscaling:DescribeAutoScalingGroups", &tried, asked).await?;
    let nodes = answer.auto_scaling_groups().iter().flat_map(|group| group.instances());
    Ok(nodes
        .filter(|node| {
            node.lifecycle_state() == Some(&LifecycleState::InService)
                && node.health_status() == Some("Healthy")
        })
        .count())
}

/// Waits until a group is settled and as many nodes as wanted are in service.
///
/// # Errors
/// `Timeout`, with what Auto Scaling says it could not do; `Failed` as soon as a quota is known to be in the way.
pub(super) async fn settled(client: &Client, cluster: &str, name: &str, within: Span) -> Result<NodeGroup> {
    let cx = client.cx();
    let began = cx.now();
    let waited = cx.wait(within, EVERY, || async {
        let group = node_group(client, cluster, name).await?;
        let wanted = usize::try_from(group.desired).unwrap_or_default();
        cx.progress(format!("{name}: {} of {wanted} nodes are in service ({})", group.in_service, group.status));
        if group.status == "ACTIVE" && group.in_service == wanted {
            return Ok(Some(group));
        }
        if group.in_service >= wanted {
            return Ok(None);
        }
        match obstacle(client, &group, began).await? {
            // It would stand there until the time is over.
            Some(why) if why.contains("limit") => {
                let place = client.place();
                let message = format!(
                    "{name}: {} of {wanted} nodes are in service, and no more can be launched, in {}, {}",
                    group.in_service, place.region, place.account
                );
                Err(Error::failed(message).detail(why).hint(
                    "the account's quota of virtual processors is used up: raise it in Service Quotas (ec2, L-1216C47A), or want fewer nodes",
                ))
            }
            _ => Ok(None),
        }
    });
    if let Some(group) = waited.await? {
        return Ok(group);
    }
    let group = node_group(client, cluster, name).await?;
    let message = format!(
        "{name}: {} of {} nodes are in service, and its status is {}",
        group.in_service, group.desired, group.status
    );
    let mut error = Error::new(opsrun_core::ErrorKind::Timeout, message);
    for issue in &group.issues {
        error = error.detail(issue.clone());
    }
    if let Some(why) = obstacle(client, &group, began).await? {
        error = error.detail(why);
    }
    Err(error)
}

/// What the group's last activity failed for.
async fn obstacle(client: &Client, group: &NodeGroup, since: jiff::Timestamp) -> Result<Option<String>> {
    for name in &group.scaling_groups {
        let asked = client
            .autoscaling()
            .describe_scaling_activities()
            .auto_scaling_group_name(name)
            .max_records(20)
            .send();
        let tried = format!("asking what {name} did");
        let answer = client.call("autoscaling:DescribeScalingActivities", &tried, asked).await?;
        // Those of before have been seen to, or are somebody else's.
        let recent = answer
            .activities()
            .iter()
            .find(|activity| activity.start_time().is_none_or(|at| at.secs() + 60 >= since.as_second()));
        if let Some(activity) = recent
            && activity.status_code().is_some_and(|code| code.as_str() == "Failed")
        {
            return Ok(activity.status_message().map(str::to_owned));
        }
    }
    Ok(None)
}
