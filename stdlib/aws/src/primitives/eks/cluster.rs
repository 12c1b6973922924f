use opsrun_core::{Cx, Effect, Error, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::Client;

/// Tells of a cluster of EKS.
///
/// ```rhai
/// let cluster = eks::cluster("workflow-prod");
/// assert(cluster.status == "ACTIVE");
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct GetCluster {
    /// The cluster's name.
    #[arg(positional)]
    cluster: String,
    /// Its region; the target's if left out.
    region: Option<String>,
}

/// A cluster of EKS.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Cluster {
    pub(crate) name: String,
    pub(crate) arn: String,
    /// Of Kubernetes: `1.34`.
    pub(crate) version: String,
    /// `ACTIVE`, `UPDATING`, …
    pub(crate) status: String,
    /// Where its API server answers.
    pub(crate) endpoint: String,
    /// PEM of the authority that signed the API server's certificate.
    pub(crate) certificate_authority: String,
    pub(crate) region: String,
}

impl Primitive for GetCluster {
    const PATH: &'static str = "eks::cluster";
    const EFFECT: Effect = Effect::Read;
    type Out = Cluster;

    async fn run(self, cx: &Cx) -> Result<Cluster> {
        cluster(&Client::new(cx, self.region.as_deref())?, &self.cluster).await
    }
}

/// # Errors
/// `NotFound`; those of asking.
pub(crate) async fn cluster(client: &Client, name: &str) -> Result<Cluster> {
    use base64::Engine;
    let tried = format!("looking at the cluster `{name}`");
    let asked = client.eks().describe_cluster().name(name).send();
    let answer = client.call("eks:DescribeCluster", &tried, asked).await?;
    let cluster = answer.cluster().ok_or_else(|| Error::failed(format!("{tried}: nothing came back")))?;
    let authority =
        cluster.certificate_authority().and_then(|authority| authority.data()).unwrap_or_default();
    let authority = base64::engine::general_purpose::STANDARD.decode(authority);
    let authority =
        authority.map_err(|error| Error::failed(format!("{tried}: its authority is no base64: {error}")))?;
    Ok(Cluster {
        name: name.to_owned(),
        arn: cluster.arn().unwrap_or_default().to_owned(),
        version: cluster.version().unwrap_or_default().to_owned(),
        status: cluster.status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
        endpoint: cluster.endpoint().unwrap_or_default().to_owned(),
        certificate_authority: String::from_utf8_lossy(&authority).into_owned(),
        region: client.region().to_owned(),
    })
}
