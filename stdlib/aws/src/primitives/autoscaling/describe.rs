use aws_sdk_autoscaling::types::{AutoScalingGroup, LifecycleState};
use opsrun_core::{Cx, Effect, Error, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::Client;

pub(super) const DESCRIBE: &str = "autoscaling:DescribeAutoScalingGroups";

/// Tells of a group of machines: its bounds, and how many of its machines are in service.
///
/// ```rhai
/// let group = autoscaling::describe("workers");
/// log(`${group.in_service} of ${group.desired} machines are in service`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Describe {
    /// The group's name.
    #[arg(positional)]
    group: String,
    /// The group's region; the target's if left out.
    region: Option<String>,
}

/// A group of machines.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct ScalingGroup {
    pub(crate) name: String,
    pub(crate) min: i32,
    pub(crate) max: i32,
    pub(crate) desired: i32,
    /// Machines that run and are healthy.
    pub(crate) in_service: i32,
    /// Machines that are coming, going, or not well.
    pub(crate) others: i32,
    pub(crate) zones: Vec<String>,
    /// Processes that are suspended: `Launch`, `Terminate`, …
    pub(crate) suspended: Vec<String>,
}

impl Primitive for Describe {
    const PATH: &'static str = "autoscaling::describe";
    const EFFECT: Effect = Effect::Read;
    type Out = ScalingGroup;

    async fn run(self, cx: &Cx) -> Result<ScalingGroup> {
        group(&Client::new(cx, self.region.as_deref())?, &self.group).await
    }
}

impl ScalingGroup {
    pub(super) fn of(group: &AutoScalingGroup) -> Self {
        let number = |number: Option<i32>| number.unwrap_or_default();
        let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        let well = |machine: &&aws_sdk_autoscaling::types::Instance| {
            machine.lifecycle_state() == Some(&LifecycleState::InService)
                && machine.health_status() == Some("Healthy")
        };
        let machines = group.instances();
        let in_service = machines.iter().filter(well).count();
        let suspended = group.suspended_processes().iter();
        let mut suspended: Vec<String> =
            suspended.filter_map(|of| of.process_name().map(str::to_owned)).collect();
        suspended.sort();
        ScalingGroup {
            name: group.auto_scaling_group_name().unwrap_or_default().to_owned(),
            min: number(group.min_size()),
            max: number(group.max_size()),
            desired: number(group.desired_capacity()),
            in_service: count(in_service),
            others: count(machines.len() - in_service),
            zones: group.availability_zones().to_vec(),
            suspended,
        }
    }

    pub(super) fn is_settled(&self) -> bool {
        self.in_service == self.desired && self.others == 0
    }
}

/// # Errors
/// `NotFound`; those of AWS.
pub(super) async fn group(client: &Client, name: &str) -> Result<ScalingGroup> {
    let tried = format!("asking for the Auto Scaling group {name}");
    let asked = client.autoscaling().describe_auto_scaling_groups().auto_scaling_group_names(name).send();
    let found = client.call(DESCRIBE, &tried, asked).await?;
    found.auto_scaling_groups().first().map(ScalingGroup::of).ok_or_else(|| {
        let place = client.place();
        let message = format!("there is no Auto Scaling group {name} in {}, {}", place.region, place.account);
        Error::not_found(message).hint("`autoscaling::groups()` lists those that there are")
    })
}
