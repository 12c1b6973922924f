use aws_sdk_eks::types::UpdateStatus;
use opsrun_core::{Cx, Effect, Error, ErrorKind, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use super::node_group::{EVERY, NodeGroup, node_group};
use crate::client::Client;

/// Replaces the nodes of a group by those of another version of Kubernetes, one after another.
///
/// Pods are moved off each node before it goes, as far as their disruption budgets let them.
///
/// ```rhai
/// eks::update("workflow-prod", "workers", #{ version: "1.35", wait: 2.h });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Update {
    /// The cluster's name.
    #[arg(positional)]
    cluster: String,
    /// The group's name.
    #[arg(positional)]
    group: String,
    /// The version of Kubernetes; the cluster's if left out.
    version: Option<String>,
    /// Replace nodes also if pods cannot be moved off them.
    #[serde(default)]
    force: bool,
    /// Wait so long until all nodes are replaced.
    wait: Option<Span>,
    /// The cluster's region; the target's if left out.
    region: Option<String>,
}

impl Primitive for Update {
    const PATH: &'static str = "eks::update";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::Never("EKS takes no older version for a group of nodes than it has");
    type Out = NodeGroup;

    async fn run(self, cx: &Cx) -> Result<NodeGroup> {
        let client = Client::new(cx, self.region.as_deref())?;
        let before = node_group(&client, &self.cluster, &self.group).await?;
        if self.version.as_ref() == Some(&before.version) && before.status == "ACTIVE" {
            return Ok(before);
        }
        let tried = format!("updating the nodes of `{}` of `{}`", self.group, self.cluster);
        let asked = client
            .eks()
            .update_nodegroup_version()
            .cluster_name(&self.cluster)
            .nodegroup_name(&self.group)
            .set_version(self.version.clone())
            .force(self.force)
            .send();
        let begun = client.call("eks:UpdateNodegroupVersion", &tried, asked).await?;
        let Some(within) = self.wait else { return node_group(&client, &self.cluster, &self.group).await };
        let id = begun.update().and_then(|update| update.id()).unwrap_or_default().to_owned();
        let done = cx.wait(within, EVERY, || async {
            let asked = client
                .eks()
                .describe_update()
                .name(&self.cluster)
                .nodegroup_name(&self.group)
                .update_id(&id)
                .send();
            let answer =
                client.call("eks:DescribeUpdate", &format!("asking how far {tried} is"), asked).await?;
            let update = answer.update();
            match update.and_then(|update| update.status()) {
                Some(UpdateStatus::Successful) => Ok(Some(())),
                Some(status @ (UpdateStatus::Failed | UpdateStatus::Cancelled)) => {
                    let errors = update.map(|update| update.errors()).unwrap_or_default();
                    let error = Error::failed(format!("{tried}: {}", status.as_str().to_lowercase()));
                    Err(errors.iter().filter_map(|error| error.error_message()).fold(error, Error::detail))
                }
                _ => {
                    cx.progress(format!("{}: its nodes are being replaced", self.group));
                    Ok(None)
                }
            }
        });
        done.await?.ok_or_else(|| {
            Error::new(ErrorKind::Timeout, format!("{tried} takes longer than {within}; it goes on at AWS"))
        })?;
        node_group(&client, &self.cluster, &self.group).await
    }
}
