use opsrun_core::{Cx, Effect, Primitive, Result, Value};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::client::Client;
use crate::object::ObjectRef;

/// Reads an object of any kind.
///
/// An object that does not exist is a `not-found`, unless `optional` is set: then it is `()`.
///
/// ```rhai
/// let namespace = k8s::get("namespace/default");
/// assert(namespace.status.phase == "Active");
/// assert(k8s::get("configmap/none", #{ optional: true }) == ());
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Get {
    /// Kind and name, such as `deployment/api` or `certificates.cert-manager.io/web`.
    #[arg(positional)]
    object: ObjectRef,
    /// Its namespace; the target's if left out.
    namespace: Option<String>,
    /// Give `()` for an object that does not exist.
    #[serde(default)]
    optional: bool,
}

impl Primitive for Get {
    const PATH: &'static str = "k8s::get";
    const EFFECT: Effect = Effect::Read;
    type Out = Value;

    async fn run(self, cx: &Cx) -> Result<Value> {
        let client = Client::new(cx)?;
        let at = client.address(&self.object, self.namespace.as_deref()).await?;
        if self.optional {
            return Ok(client.find(&at).await?.unwrap_or_default());
        }
        Ok(client.get(&at).await?)
    }
}
