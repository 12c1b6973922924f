use std::collections::BTreeSet;

use opsrun_core::{Cx, Effect, Error, Inverse, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::describe::group;
use super::resume;
use crate::client::Client;

/// Suspends processes of a group of machines, so that it leaves them alone meanwhile.
///
/// What is suspended already stays so. Undo resumes those that this call has suspended.
///
/// ```rhai
/// autoscaling::suspend("workers", ["Launch", "Terminate"]);
/// defer(|| autoscaling::resume("workers", ["Launch", "Terminate"]));
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Suspend {
    /// The group's name.
    #[arg(positional)]
    group: String,
    /// Which: `Launch`, `Terminate`, `AddToLoadBalancer`, `AlarmNotification`, `AZRebalance`, `HealthCheck`, `InstanceRefresh`,
    /// `ReplaceUnhealthy`, `ScheduledActions`.
    #[arg(positional)]
    processes: BTreeSet<String>,
    /// The group's region; the target's if left out.
    region: Option<String>,
}

/// What became of a group's processes.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Processes {
    /// Whether anything had to be changed.
    pub(crate) changed: bool,
    /// Those that are suspended now.
    pub(crate) suspended: BTreeSet<String>,
}

pub(super) const PATH: &str = "autoscaling::suspend";

const KNOWN: &[&str] = &[
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

impl Primitive for Suspend {
    const PATH: &'static str = PATH;
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(resume::PATH);
    type Out = Processes;

    async fn run(self, cx: &Cx) -> Result<Processes> {
        known(&self.processes)?;
        let client = Client::new(cx, self.region.as_deref())?;
        let mut suspended: BTreeSet<String> =
            group(&client, &self.group).await?.suspended.into_iter().collect();
        let changes: Vec<String> = self.processes.difference(&suspended).cloned().collect();
        if changes.is_empty() {
            let changed = cx.broken_off().is_some_and(|before| before.wrote);
            return Ok(Processes { changed, suspended });
        }
        let inverse = json!({ "group": self.group, "processes": changes, "region": client.region() });
        let _ = cx.undo(Inverse::call(resume::PATH, inverse)).await?;
        let tried = format!("suspending {} of {}", changes.join(", "), self.group);
        let asked = client.autoscaling().suspend_processes().auto_scaling_group_name(&self.group);
        let asked = asked.set_scaling_processes(Some(changes.clone())).send();
        client.call("autoscaling:SuspendProcesses", &tried, asked).await?;
        suspended.extend(changes);
        Ok(Processes { changed: true, suspended })
    }
}

/// # Errors
/// `Invalid`, if there is none, or for what is no process: to AWS, none would be all of them.
pub(super) fn known(processes: &BTreeSet<String>) -> Result<()> {
    let error = match processes.iter().find(|name| !KNOWN.contains(&name.as_str())) {
        Some(name) => Error::invalid(format!("`{name}` is no process of an Auto Scaling group")),
        None if processes.is_empty() => Error::invalid("nothing says which processes"),
        None => return Ok(()),
    };
    Err(error.hint(format!("they are `{}`", KNOWN.join("`, `"))))
}
