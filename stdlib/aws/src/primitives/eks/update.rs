use aws_sdk_eks::types::{Update as Known, UpdateParamType, UpdateStatus, UpdateType};
use opsrun_core::{Cx, Effect, Error, ErrorKind, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use super::cluster::cluster;
use super::node_group::{EVERY, NodeGroup, node_group};
use crate::client::Client;

/// Replaces the nodes of a group by those of another version of Kubernetes, one after another.
///
/// Pods are moved off each node before it goes, as far as their disruption budgets let them. If the group has the version already, or is
/// just getting it, nothing is begun.
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
        let wanted = match &self.version {
            Some(version) => version.clone(),
            None => cluster(&client, &self.cluster).await?.version,
        };
        let under_way = match before.status.as_str() {
            "UPDATING" => self.under_way(&client, &wanted).await?,
            _ => None,
        };
        let id = match under_way {
            Some(id) => id,
            None if before.version == wanted => return Ok(before),
            None => self.begin(&client, &wanted).await?,
        };
        let Some(within) = self.wait else {
            // It may take a few seconds until AWS tells of it.
            let shown = cx.wait(Span::from_secs(60), EVERY, async || {
                let group = node_group(&client, &self.cluster, &self.group).await?;
                Ok((group.status != "ACTIVE" || group.version == wanted).then_some(group))
            });
            return shown.await?.ok_or_else(|| {
                Error::new(
                    ErrorKind::Timeout,
                    format!("{}: nothing is seen of it after a minute", self.tried()),
                )
            });
        };
        self.finish(&client, &id, &wanted, within).await?;
        node_group(&client, &self.cluster, &self.group).await
    }
}

impl Update {
    fn tried(&self) -> String {
        format!("updating the nodes of `{}` of `{}`", self.group, self.cluster)
    }

    /// The update to this version that is just being carried out: this call may have begun it before its run broke off.
    async fn under_way(&self, client: &Client, wanted: &str) -> Result<Option<String>> {
        let tried = format!("listing the updates of `{}` of `{}`", self.group, self.cluster);
        let mut next = None;
        loop {
            let asked = client.eks().list_updates().name(&self.cluster).nodegroup_name(&self.group);
            let page = asked.set_next_token(next).send();
            let page = client.call("eks:ListUpdates", &tried, page).await?;
            for id in page.update_ids() {
                let Some(update) = self.look(client, id).await? else { continue };
                let to_it = update.params().iter().any(|parameter| {
                    parameter.r#type() == Some(&UpdateParamType::Version) && parameter.value() == Some(wanted)
                });
                if to_it
                    && update.r#type() == Some(&UpdateType::VersionUpdate)
                    && update.status() == Some(&UpdateStatus::InProgress)
                {
                    return Ok(Some(id.clone()));
                }
            }
            next = page.next_token;
            if next.is_none() {
                return Ok(None);
            }
        }
    }

    async fn look(&self, client: &Client, id: &str) -> Result<Option<Known>> {
        let asked = client.eks().describe_update().name(&self.cluster).nodegroup_name(&self.group);
        let tried = format!("asking how far {} is", self.tried());
        // Which one has just begun may not be known everywhere yet.
        let answer = client.find("eks:DescribeUpdate", &tried, asked.update_id(id).send()).await?;
        Ok(answer.and_then(|answer| answer.update))
    }

    /// Gives the update's identifier. While another change of the group is carried out, EKS takes none.
    async fn begin(&self, client: &Client, wanted: &str) -> Result<String> {
        let (cx, tried) = (client.cx(), self.tried());
        let within = self.wait.unwrap_or(Span::from_secs(300));
        let begun = cx.wait(within, EVERY, || async {
            let asked = client.eks().update_nodegroup_version();
            let asked = asked.cluster_name(&self.cluster).nodegroup_name(&self.group);
            let asked = asked.version(wanted).force(self.force).send();
            match client.call("eks:UpdateNodegroupVersion", &tried, asked).await {
                Ok(begun) => Ok(Some(begun)),
                Err(error) if error.data_value()["code"] == "ResourceInUseException" => {
                    cx.progress(format!("{}: waiting for another change of it", self.group));
                    Ok(None)
                }
                Err(error) => Err(error),
            }
        });
        let begun = begun.await?.ok_or_else(|| {
            let message = format!("{tried}: another change of it is still being carried out");
            Error::new(ErrorKind::Conflict, message).hint("give it longer with the option `wait`")
        })?;
        let id = begun.update().and_then(Known::id).map(str::to_owned);
        id.ok_or_else(|| Error::failed(format!("{tried}: AWS does not say which update it has begun")))
    }

    async fn finish(&self, client: &Client, id: &str, wanted: &str, within: Span) -> Result<()> {
        let (cx, tried) = (client.cx(), self.tried());
        let done = cx.wait(within, EVERY, || async {
            let update = self.look(client, id).await?;
            match update.as_ref().and_then(Known::status) {
                Some(UpdateStatus::Successful) => Ok(Some(())),
                Some(status @ (UpdateStatus::Failed | UpdateStatus::Cancelled)) => {
                    let errors = update.as_ref().map(Known::errors).unwrap_or_default();
                    let place = client.place();
                    let error = Error::failed(format!(
                        "{tried} to {wanted} is {}, in {}, {}",
                        status.as_str().to_lowercase(),
                        place.region,
                        place.account
                    ));
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
        })
    }
}
