//! What a group of machines does by itself, and may be told not to do.

use std::collections::BTreeSet;

use opsrun_core::{Cx, Error, Inverse, Primitive, Result};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::describe::group;
use super::resume::Resume;
use super::suspend::Suspend;
use crate::client::Client;

/// What became of a group's processes.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Processes {
    /// Whether anything had to be changed.
    pub(crate) changed: bool,
    /// Those that are suspended now.
    pub(crate) suspended: BTreeSet<String>,
}

/// What is done to processes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Off,
    On,
}

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

/// Turns those off that are on, or the other way round. What takes it back is about these alone.
///
/// # Errors
/// `Invalid` for what is no process; those of AWS.
pub(super) async fn turn(
    cx: &Cx,
    turn: Turn,
    name: &str,
    processes: &BTreeSet<String>,
    region: Option<&str>,
) -> Result<Processes> {
    known(processes)?;
    let client = Client::new(cx, region)?;
    let mut suspended: BTreeSet<String> = group(&client, name).await?.suspended.into_iter().collect();
    let is_due = |process: &&String| suspended.contains(*process) == (turn == Turn::On);
    let changes: Vec<String> = processes.iter().filter(is_due).cloned().collect();
    if changes.is_empty() {
        let changed = cx.broken_off().is_some_and(|before| before.wrote);
        return Ok(Processes { changed, suspended });
    }
    let back = if turn == Turn::Off { Resume::PATH } else { Suspend::PATH };
    let inverse = json!({ "group": name, "processes": changes, "region": client.region() });
    let _ = cx.undo(Inverse::call(back, inverse)).await?;
    let (autoscaling, listed) = (client.autoscaling(), changes.join(", "));
    match turn {
        Turn::Off => {
            let asked = autoscaling.suspend_processes().auto_scaling_group_name(name);
            let asked = asked.set_scaling_processes(Some(changes.clone())).send();
            let tried = format!("suspending {listed} of {name}");
            client.call("autoscaling:SuspendProcesses", &tried, asked).await?;
            suspended.extend(changes);
        }
        Turn::On => {
            let asked = autoscaling.resume_processes().auto_scaling_group_name(name);
            let asked = asked.set_scaling_processes(Some(changes.clone())).send();
            let tried = format!("resuming {listed} of {name}");
            client.call("autoscaling:ResumeProcesses", &tried, asked).await?;
            suspended.retain(|process| !changes.contains(process));
        }
    }
    Ok(Processes { changed: true, suspended })
}

/// # Errors
/// `Invalid`, if there is none, or for what is no process: to AWS, none would be all of them.
fn known(processes: &BTreeSet<String>) -> Result<()> {
    let error = match processes.iter().find(|name| !KNOWN.contains(&name.as_str())) {
        Some(name) => Error::invalid(format!("`{name}` is no process of an Auto Scaling group")),
        None if processes.is_empty() => Error::invalid("nothing says which processes"),
        None => return Ok(()),
    };
    Err(error.hint(format!("they are `{}`", KNOWN.join("`, `"))))
}
