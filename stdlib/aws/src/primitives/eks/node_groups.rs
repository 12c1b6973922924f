use opsrun_core::{Cx, Effect, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::client::Client;

/// Lists the names of a cluster's groups of nodes.
///
/// ```rhai
/// for name in eks::node_groups("workflow-prod") {
///     log(`${name}: ${eks::node_group("workflow-prod", name).desired} nodes`);
/// }
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct ListNodeGroups {
    /// The cluster's name.
    #[arg(positional)]
    cluster: String,
    /// Its region; the target's if left out.
    region: Option<String>,
}

impl Primitive for ListNodeGroups {
    const PATH: &'static str = "eks::node_groups";
    const EFFECT: Effect = Effect::Read;
    type Out = Vec<String>;

    async fn run(self, cx: &Cx) -> Result<Vec<String>> {
        let client = Client::new(cx, self.region.as_deref())?;
        group_names(&client, &self.cluster).await
    }
}

/// # Errors
/// `NotFound` if there is no such cluster; those of asking.
pub(crate) async fn group_names(client: &Client, cluster: &str) -> Result<Vec<String>> {
    let tried = format!("listing the groups of nodes of `{cluster}`");
    let mut names = Vec::new();
    let mut next = None;
    loop {
        let asked = client.eks().list_nodegroups().cluster_name(cluster).set_next_token(next).send();
        let page = client.call("eks:ListNodegroups", &tried, asked).await?;
        names.extend(page.nodegroups().iter().cloned());
        next = page.next_token;
        if next.is_none() {
            return Ok(names);
        }
    }
}
