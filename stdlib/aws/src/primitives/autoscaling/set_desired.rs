use opsrun_core::{Cx, Effect, Error, Inverse, Primitive, Result, Span, Undo, Value};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::describe::group;
use super::wait::{WITHIN, settled};
use crate::client::Client;

/// Sets how many machines a group has, within its bounds.
///
/// A group that holds the nodes of a cluster is scaled by `eks::scale`, which knows of it. Undo sets the former number.
///
/// ```rhai
/// let scaled = autoscaling::set_desired("workers", 4, #{ wait: 10.m });
/// log(`from ${scaled.from} to ${scaled.to} machines`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct SetDesired {
    /// The group's name.
    #[arg(positional)]
    group: String,
    /// How many machines.
    #[arg(positional)]
    desired: u32,
    /// Wait so long until all of them are in service.
    wait: Option<Span>,
    /// The group's region; the target's if left out.
    region: Option<String>,
}

/// What became of a group's size.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Scaled {
    /// How many were wanted before.
    from: i32,
    to: i32,
    /// Whether anything had to be changed.
    changed: bool,
}

impl Primitive for SetDesired {
    const PATH: &'static str = "autoscaling::set_desired";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By("autoscaling::set_desired");
    type Out = Scaled;

    async fn run(self, cx: &Cx) -> Result<Scaled> {
        let client = Client::new(cx, self.region.as_deref())?;
        let before = group(&client, &self.group).await?;
        let desired = i32::try_from(self.desired).map_err(|_| Error::invalid("`desired` is too large"))?;
        if desired < before.min || desired > before.max {
            let place = client.place();
            let message = format!(
                "{desired} machines are not within {} and {}, the bounds of {} in {}, {}",
                before.min, before.max, self.group, place.region, place.account
            );
            return Err(Error::invalid(message));
        }
        // What this very call had done before the run broke off, it had recorded.
        let ours = cx.broken_off().filter(|before| before.wrote);
        let from = ours.and_then(|before| former(&before.inverses)).unwrap_or(before.desired);
        let mut changed = ours.is_some();
        if desired != before.desired {
            let inverse = json!({
                "group": self.group,
                "desired": before.desired,
                "wait": self.wait.unwrap_or(WITHIN),
                "region": client.region(),
            });
            let _ = cx.undo(Inverse::call(Self::PATH, inverse)).await?;
            let tried = format!("scaling {} to {desired} machines", self.group);
            let asked = client.autoscaling().set_desired_capacity().auto_scaling_group_name(&self.group);
            let asked = asked.desired_capacity(desired).send();
            client.call("autoscaling:SetDesiredCapacity", &tried, asked).await?;
            changed = true;
        }
        if let Some(within) = self.wait {
            settled(&client, &self.group, within).await?;
        }
        Ok(Scaled { from, to: desired, changed })
    }
}

/// The number that an inverse goes back to.
fn former(inverses: &[Inverse]) -> Option<i32> {
    inverses.iter().find_map(|inverse| {
        let Inverse::Call { args, .. } = inverse else { return None };
        args.get("desired").and_then(Value::as_i64).and_then(|desired| i32::try_from(desired).ok())
    })
}
