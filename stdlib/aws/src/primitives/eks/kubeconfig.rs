use base64::Engine;
use opsrun_core::{Cx, Effect, ErrorKind, Inverse, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::cluster::cluster;
use crate::client::Client;

/// Makes a kubeconfig for a cluster of EKS, and writes it to a file if one is named.
///
/// Whoever uses it signs in by `opsrun eks token`, which needs no other program. A file that is there is replaced only if it was
/// made so, too.
///
/// ```rhai
/// let config = eks::kubeconfig("workflow-prod", #{ file: "kubeconfig-prod" });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Kubeconfig {
    /// The cluster's name.
    #[arg(positional)]
    cluster: String,
    /// Write it here; needs the grant `file write PATH`.
    file: Option<String>,
    /// The name of its context; the cluster's name if left out.
    context: Option<String>,
    /// The cluster's region; the target's if left out.
    region: Option<String>,
}

impl Primitive for Kubeconfig {
    const PATH: &'static str = "eks::kubeconfig";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::Never("a kubeconfig says how to reach a cluster, and changes nothing there");
    type Out = String;

    async fn run(self, cx: &Cx) -> Result<String> {
        let client = Client::new(cx, self.region.as_deref())?;
        let cluster = cluster(&client, &self.cluster).await?;
        let context = self.context.unwrap_or_else(|| self.cluster.clone());
        let mut args = vec!["eks", "token", &self.cluster, "--region", client.region()];
        let target = cx.target().name.clone();
        if !target.is_empty() {
            args.extend(["--target", &target]);
        }
        let authority = base64::engine::general_purpose::STANDARD.encode(&cluster.certificate_authority);
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": context,
            "clusters": [{
                "name": cluster.arn,
                "cluster": { "server": cluster.endpoint, "certificate-authority-data": authority },
            }],
            "contexts": [{ "name": context, "context": { "cluster": cluster.arn, "user": cluster.arn } }],
            "users": [{
                "name": cluster.arn,
                "user": { "exec": {
                    "apiVersion": "client.authentication.k8s.io/v1",
                    "command": "opsrun",
                    "args": args,
                    "interactiveMode": "Never",
                } },
            }],
        });
        let text = format!("{config:#}\n");
        if let Some(file) = self.file {
            match cx.read_file(&file) {
                Ok(known) if known == text.as_bytes() => return Ok(text),
                Ok(known) if !String::from_utf8_lossy(&known).contains("\"eks\",\n") => {
                    return Err(opsrun_core::Error::new(
                        ErrorKind::Conflict,
                        format!("`{file}` is there, and was not made by `eks::kubeconfig`"),
                    )
                    .hint("name another file: kubectl and opsrun read several"));
                }
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            let _ = cx
                .undo(Inverse::none("a kubeconfig says how to reach a cluster, and changes nothing there"))
                .await?;
            cx.write_file(&file, text.clone().into_bytes()).await?;
        }
        Ok(text)
    }
}
