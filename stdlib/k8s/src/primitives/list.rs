use opsrun_core::{Cx, Effect, Error, Primitive, Result, Value};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::client::{Client, Query};
use crate::object::{Labels, ObjectRef};

/// Lists objects of a kind, in the order of their names.
///
/// ```rhai
/// k8s::apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {app: web}}}");
/// let found = k8s::list("configmaps", #{ labels: #{ app: "web" } });
/// assert(found.map(|map| map.metadata.name) == ["a"]);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct List {
    /// The kind, such as `pods`, `deploy` or `certificates.cert-manager.io`.
    #[arg(positional)]
    kind: ObjectRef,
    /// The namespace; the target's if left out.
    namespace: Option<String>,
    /// All namespaces.
    #[serde(default)]
    all_namespaces: bool,
    /// Only those with these labels: `app=web,tier!=cache`, or a map.
    #[serde(default)]
    labels: Labels,
    /// Only those with these fields: `status.phase=Running`.
    #[serde(default)]
    fields: String,
}

impl Primitive for List {
    const PATH: &'static str = "k8s::list";
    const EFFECT: Effect = Effect::Read;
    type Out = Vec<Value>;

    async fn run(self, cx: &Cx) -> Result<Vec<Value>> {
        if let Some(name) = &self.kind.name {
            let error = Error::invalid(format!("`k8s::list` takes a kind, not the object `{}`", self.kind));
            return Err(error.hint(format!("read one object with `k8s::get(\"{}/{name}\")`", self.kind.kind)));
        }
        let client = Client::new(cx)?;
        let resource = client.kind_named_by(&self.kind).await?;
        let query = Query { labels: self.labels.as_str().to_owned(), fields: self.fields };
        let namespace = self.namespace.as_deref().unwrap_or(client.namespace());
        let namespace = (!self.all_namespaces).then_some(namespace);
        Ok(client.list(&resource, namespace, &query).await?)
    }
}
