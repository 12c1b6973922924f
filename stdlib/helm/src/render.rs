//! Renders a chart for a release: with the cluster's capabilities, and its objects for `lookup`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use helm_render::{Capabilities, Chart, Hook, KubeVersion, Lookup, RenderOptions, Rendered, Values};
use opsrun_core::Result;
use opsrun_k8s::Client;
use opsrun_k8s::client::Query;
use serde_json::{Value, json};

use crate::error::Error;
use crate::release::{HookRecord, HookRun};

/// A `lookup` may depend on what an earlier one found; a chart whose lookups never end is broken.
const ROUNDS: usize = 20;

/// What the cluster can do.
pub(crate) async fn capabilities(client: &Client) -> Result<Capabilities> {
    let version = client.version().await?;
    let discovery = client.discovery().await?;
    let mut api_versions: Vec<String> = Vec::new();
    for resource in discovery.resources() {
        let version = resource.api_version();
        if !api_versions.contains(&version) {
            api_versions.push(version);
        }
    }
    for resource in discovery.resources() {
        api_versions.push(format!("{}/{}", resource.api_version(), resource.kind));
    }
    let mut capabilities = Capabilities { api_versions, ..Capabilities::default() };
    if let Some(version) = KubeVersion::parse(&version) {
        capabilities.kube_version = version;
    }
    Ok(capabilities)
}

/// Renders with the cluster's objects. Rendering does not wait, so what a `lookup` misses is fetched, and all is rendered
/// anew until nothing is missing.
pub(crate) async fn with_lookups(
    client: &Client,
    chart: &Chart,
    values: &Values,
    mut options: RenderOptions,
) -> Result<Rendered> {
    let found = Arc::new(Found::default());
    options.lookup = Some(found.clone());
    for _ in 0..ROUNDS {
        let rendered = helm_render::render(chart, values, &options);
        let missing = found.missing();
        if missing.is_empty() {
            return rendered.map_err(|error| failure(chart, &error));
        }
        for key in missing {
            let answer = fetch(client, &key).await?;
            found.put(key, answer);
        }
    }
    let why = format!("its lookups did not come to an end in {ROUNDS} rounds");
    Err(Error::Render { chart: chart.name().to_owned(), why }.into())
}

/// The version that a primitive's option `kube_version` names.
///
/// # Errors
/// `Invalid` if it is none.
pub(crate) fn kube_version(path: &str, version: &str) -> Result<KubeVersion> {
    KubeVersion::parse(version).ok_or_else(|| {
        opsrun_core::Error::invalid(format!("`{path}`: option `kube_version`: `{version}` is no version"))
    })
}

/// Helm's words, and the line of the chart that they are about.
pub(crate) fn failure(chart: &Chart, error: &helm_render::RenderError) -> opsrun_core::Error {
    let failure = Error::Render { chart: chart.name().to_owned(), why: error.to_string() };
    let frame = error.snippet().map(ToString::to_string).unwrap_or_default();
    frame.lines().fold(failure.into(), opsrun_core::Error::detail)
}

/// The hooks as a release records them.
pub(crate) fn records(hooks: &[Hook]) -> Vec<HookRecord> {
    hooks
        .iter()
        .map(|hook| HookRecord {
            name: hook.name.clone(),
            kind: hook.kind.clone(),
            path: hook.source.clone(),
            manifest: hook.content.clone(),
            events: hook.events.iter().map(|event| event.as_str().to_owned()).collect(),
            last_run: HookRun::default(),
            weight: hook.weight,
            delete_policies: hook.delete_policies.iter().map(|policy| policy.as_str().to_owned()).collect(),
            output_log_policies: hook
                .output_log_policies
                .iter()
                .map(|policy| policy.as_str().to_owned())
                .collect(),
        })
        .collect()
}

/// API version, kind, namespace and name.
type Key = (String, String, String, String);

/// What lookups asked for; `None` where it has not been fetched yet.
#[derive(Default)]
struct Found(Mutex<BTreeMap<Key, Option<Option<Value>>>>);

impl Found {
    fn missing(&self) -> Vec<Key> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter(|(_, answer)| answer.is_none()).map(|(key, _)| key.clone()).collect()
    }

    fn put(&self, key: Key, answer: Option<Value>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Some(answer));
    }
}

impl Lookup for Found {
    fn lookup(
        &self,
        version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>, String> {
        let key = (version.to_owned(), kind.to_owned(), namespace.to_owned(), name.to_owned());
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(all.entry(key).or_default().clone().flatten())
    }
}

async fn fetch(client: &Client, (version, kind, namespace, name): &Key) -> Result<Option<Value>> {
    let resource = match client.kind_of(version, kind).await {
        Ok(resource) => resource,
        // Charts ask for kinds that need not be there.
        Err(opsrun_k8s::error::Error::UnknownKind { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let namespace = Some(namespace.as_str()).filter(|namespace| !namespace.is_empty());
    if !name.is_empty() {
        return Ok(client.find(&client.place(resource, namespace, name)).await?);
    }
    let items = client.list(&resource, namespace, &Query::default()).await?;
    let kind = format!("{}List", resource.kind);
    Ok(Some(json!({ "apiVersion": resource.api_version(), "kind": kind, "metadata": {}, "items": items })))
}
