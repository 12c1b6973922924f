use std::collections::BTreeSet;

use opsrun_core::{Cx, Effect, Inverse, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::describe::group;
use super::suspend::{self, Processes, known};
use crate::client::Client;

/// Resumes processes of a group of machines that are suspended.
///
/// Undo suspends those again that this call has resumed.
///
/// ```rhai
/// autoscaling::resume("workers", ["Launch", "Terminate"]);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Resume {
    /// The group's name.
    #[arg(positional)]
    group: String,
    /// Which: `Launch`, `Terminate`, … as for `autoscaling::suspend`.
    #[arg(positional)]
    processes: BTreeSet<String>,
    /// The group's region; the target's if left out.
    region: Option<String>,
}

pub(super) const PATH: &str = "autoscaling::resume";

impl Primitive for Resume {
    const PATH: &'static str = PATH;
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(suspend::PATH);
    type Out = Processes;

    async fn run(self, cx: &Cx) -> Result<Processes> {
        known(&self.processes)?;
        let client = Client::new(cx, self.region.as_deref())?;
        let mut suspended: BTreeSet<String> =
            group(&client, &self.group).await?.suspended.into_iter().collect();
        let changes: Vec<String> = self.processes.intersection(&suspended).cloned().collect();
        if changes.is_empty() {
            let changed = cx.broken_off().is_some_and(|before| before.wrote);
            return Ok(Processes { changed, suspended });
        }
        let inverse = json!({ "group": self.group, "processes": changes, "region": client.region() });
        let _ = cx.undo(Inverse::call(suspend::PATH, inverse)).await?;
        let tried = format!("resuming {} of {}", changes.join(", "), self.group);
        let asked = client.autoscaling().resume_processes().auto_scaling_group_name(&self.group);
        let asked = asked.set_scaling_processes(Some(changes.clone())).send();
        client.call("autoscaling:ResumeProcesses", &tried, asked).await?;
        suspended.retain(|name| !changes.contains(name));
        Ok(Processes { changed: true, suspended })
    }
}
