use aws_sdk_eks::types::NodegroupScalingConfig;
use opsrun_core::{Cx, Effect, Error, Inverse, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::node_group::{EVERY, NodeGroup, node_group, settled};
use crate::client::Client;

/// Sets how many nodes a group has, or its bounds.
///
/// Bounds move with the number where they have to. Undo sets number and bounds to what they were.
///
/// ```rhai
/// eks::scale("workflow-prod", "workers", #{ desired: 8, wait: 15.m });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Scale {
    /// The cluster's name.
    #[arg(positional)]
    cluster: String,
    /// The group's name.
    #[arg(positional)]
    group: String,
    /// How many nodes.
    desired: Option<u32>,
    /// At least so many; the autoscaler stays above it.
    min: Option<u32>,
    /// At most so many.
    max: Option<u32>,
    /// Wait so long until all of them are in service.
    wait: Option<Span>,
    /// The cluster's region; the target's if left out.
    region: Option<String>,
}

/// What became of a group's size.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Scaled {
    /// How many nodes were wanted before.
    from: i32,
    to: i32,
    min: i32,
    max: i32,
    /// Whether anything had to be changed.
    changed: bool,
}

impl Primitive for Scale {
    const PATH: &'static str = "eks::scale";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By("eks::scale");
    type Out = Scaled;

    async fn run(self, cx: &Cx) -> Result<Scaled> {
        let client = Client::new(cx, self.region.as_deref())?;
        let before = node_group(&client, &self.cluster, &self.group).await?;
        let (desired, min, max) = self.wanted(&before)?;
        let changed = (desired, min, max) != (before.desired, before.min, before.max);
        // A run that broke off has written down what it was.
        let recorded = cx.broken_off().filter(|earlier| earlier.wrote).and_then(|earlier| {
            let Inverse::Call { args, .. } = earlier.inverses.first()? else { return None };
            i32::try_from(args.get("desired")?.as_i64()?).ok()
        });
        if changed {
            let inverse = json!({
                "cluster": self.cluster,
                "group": self.group,
                "desired": before.desired,
                "min": before.min,
                "max": before.max,
                "wait": self.wait.unwrap_or(Span::from_secs(15 * 60)),
                "region": client.region(),
            });
            let _ = cx.undo(Inverse::call(Self::PATH, inverse)).await?;
            self.change(&client, (desired, min, max)).await?;
        }
        if let Some(within) = self.wait {
            settled(&client, &self.cluster, &self.group, within).await?;
        }
        let from = recorded.unwrap_or(before.desired);
        Ok(Scaled { from, to: desired, min, max, changed: changed || recorded.is_some() })
    }
}

impl Scale {
    fn wanted(&self, before: &NodeGroup) -> Result<(i32, i32, i32)> {
        let number = |given: Option<u32>, name: &str| {
            given.map(|given| {
                i32::try_from(given).map_err(|_| Error::invalid(format!("`{name}` is too large")))
            })
        };
        let desired = number(self.desired, "desired").transpose()?;
        let min = number(self.min, "min").transpose()?;
        let max = number(self.max, "max").transpose()?;
        let wanted = desired
            .unwrap_or_else(|| before.desired.clamp(min.unwrap_or(before.min), max.unwrap_or(i32::MAX)));
        let (least, most) = (min.unwrap_or(before.min.min(wanted)), max.unwrap_or(before.max.max(wanted)));
        if !(least <= wanted && wanted <= most) {
            return Err(Error::invalid(format!("{wanted} nodes are not within {least} and {most}")));
        }
        Ok((wanted, least, most))
    }

    async fn change(&self, client: &Client, (desired, min, max): (i32, i32, i32)) -> Result<()> {
        let cx = client.cx();
        let scaling =
            NodegroupScalingConfig::builder().desired_size(desired).min_size(min).max_size(max).build();
        let tried = format!("scaling `{}` of `{}` to {desired} nodes", self.group, self.cluster);
        // While somebody else's change is being carried out, EKS takes no other.
        let within = self.wait.unwrap_or(Span::from_secs(300));
        let begun = cx.wait(within, EVERY, || async {
            let asked = client
                .eks()
                .update_nodegroup_config()
                .cluster_name(&self.cluster)
                .nodegroup_name(&self.group)
                .scaling_config(scaling.clone())
                .send();
            match client.call("eks:UpdateNodegroupConfig", &tried, asked).await {
                Ok(_) => Ok(Some(())),
                Err(error)
                    if error
                        .data_value()
                        .get("code")
                        .is_some_and(|code| code == "ResourceInUseException") =>
                {
                    cx.progress(format!("{}: waiting for another change of it", self.group));
                    Ok(None)
                }
                Err(error) => Err(error),
            }
        });
        begun.await?.ok_or_else(|| {
            let message = format!("{tried}: another change of it is still being carried out");
            Error::new(opsrun_core::ErrorKind::Conflict, message)
                .hint("give it longer with the option `wait`")
        })
    }
}
