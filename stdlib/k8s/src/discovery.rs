//! Which kinds a cluster serves, custom ones included, and by which names people call them.
//! Read from the server's aggregated discovery (Kubernetes 1.27 and later); it has no list of its own.

use std::fmt::Write as _;
use std::sync::Arc;

use kube::client::{APIGroupDiscoveryList, APIResourceDiscovery};

use crate::error::Error;

/// The kinds that a cluster serves, in its own order of preference.
#[derive(Debug, Default)]
pub struct Discovery {
    resources: Vec<Arc<Resource>>,
}

/// One kind in one version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Resource {
    /// Empty for the core group.
    pub group: String,
    pub version: String,
    pub kind: String,
    /// `deployments`
    pub plural: String,
    /// `deployment`
    pub singular: String,
    pub short_names: Vec<String>,
    pub namespaced: bool,
    /// `get`, `list`, `watch`, …
    pub verbs: Vec<String>,
    /// `status`, `scale`, …
    pub subresources: Vec<String>,
}

impl Discovery {
    pub(crate) fn new(core: APIGroupDiscoveryList, groups: APIGroupDiscoveryList) -> Self {
        let mut resources = Vec::new();
        for group in core.items.into_iter().chain(groups.items) {
            let name = group.metadata.and_then(|metadata| metadata.name).unwrap_or_default();
            for version in group.versions {
                let number = version.version.unwrap_or_default();
                resources.extend(
                    version
                        .resources
                        .into_iter()
                        .filter_map(|resource| Resource::new(&name, &number, resource))
                        .map(Arc::new),
                );
            }
        }
        Discovery { resources }
    }

    pub fn resources(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources.iter()
    }

    /// By what a manifest says: `apps/v1`, `Deployment`.
    pub fn of_kind(&self, api_version: &str, kind: &str) -> Option<&Arc<Resource>> {
        self.resources.iter().find(|resource| resource.kind == kind && resource.api_version() == api_version)
    }

    /// By what people say: `deploy`, `deployments`, `Deployment`, `deployments.apps`, `deployments.v1.apps`.
    /// Of several versions or groups the one that the server lists first is meant.
    ///
    /// # Errors
    /// `UnknownKind`, with the nearest name.
    pub fn named(&self, name: &str) -> Result<&Arc<Resource>, Error> {
        let wanted = name.to_ascii_lowercase();
        let (word, group) = match wanted.split_once('.') {
            Some((word, group)) => (word, Some(group)),
            None => (wanted.as_str(), None),
        };
        self.resources
            .iter()
            .find(|resource| resource.is_called(word) && group.is_none_or(|group| resource.is_in(group)))
            .ok_or_else(|| Error::UnknownKind { kind: name.to_owned(), nearest: self.nearest(word) })
    }

    fn nearest(&self, word: &str) -> Option<String> {
        self.resources
            .iter()
            .flat_map(|resource| [&resource.plural, &resource.singular])
            .filter(|known| !known.is_empty())
            .map(|known| (strsim::damerau_levenshtein(known, word), known))
            .min()
            .filter(|(distance, _)| *distance <= 2)
            .map(|(_, known)| known.clone())
    }
}

impl Resource {
    fn new(group: &str, version: &str, found: APIResourceDiscovery) -> Option<Self> {
        let plural = found.resource?;
        let response = found.response_kind.unwrap_or_default();
        let kind = response.kind.filter(|kind| !kind.is_empty())?;
        Some(Resource {
            group: group.to_owned(),
            version: version.to_owned(),
            singular: found
                .singular_resource
                .filter(|singular| !singular.is_empty())
                .unwrap_or_else(|| kind.to_ascii_lowercase()),
            kind,
            plural,
            short_names: found.short_names,
            namespaced: found.scope.as_deref() == Some("Namespaced"),
            verbs: found.verbs,
            subresources: found.subresources.into_iter().filter_map(|sub| sub.subresource).collect(),
        })
    }

    /// `v1`, `apps/v1`
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The path of an object, or of the collection if there is no `name`; `namespace` counts for namespaced kinds only.
    pub fn path(&self, namespace: Option<&str>, name: Option<&str>) -> String {
        let mut path = if self.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}/{}", self.group, self.version)
        };
        if let Some(namespace) = namespace.filter(|_| self.namespaced) {
            let _ = write!(path, "/namespaces/{}", segment(namespace));
        }
        let _ = write!(path, "/{}", self.plural);
        if let Some(name) = name {
            let _ = write!(path, "/{}", segment(name));
        }
        path
    }

    fn is_called(&self, word: &str) -> bool {
        self.plural == word
            || self.singular == word
            || self.kind.eq_ignore_ascii_case(word)
            || self.short_names.iter().any(|name| name == word)
    }

    fn is_in(&self, group: &str) -> bool {
        self.group == group || group.strip_prefix(&format!("{}.", self.version)) == Some(self.group.as_str())
    }
}

/// A name as a path segment. RBAC allows `:` in names; nothing else needs escaping that a server would accept.
fn segment(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn discovery() -> Discovery {
        let resource = |plural: &str, singular: &str, kind: &str, short: &[&str]| {
            json!({ "resource": plural, "singularResource": singular, "responseKind": { "kind": kind },
                    "scope": "Namespaced", "shortNames": short })
        };
        let group = |name: &str, version: &str, resources: &[serde_json::Value]| json!({ "metadata": { "name": name }, "versions": [{ "version": version, "resources": resources }] });
        let list = |groups: &[serde_json::Value]| {
            serde_json::from_value(json!({ "items": groups })).expect("a discovery document")
        };
        Discovery::new(
            list(&[group("", "v1", &[resource("pods", "pod", "Pod", &["po"])])]),
            list(&[
                group("apps", "v1", &[resource("deployments", "deployment", "Deployment", &["deploy"])]),
                group(
                    "cert-manager.io",
                    "v1",
                    &[resource("certificates", "certificate", "Certificate", &["cert"])],
                ),
                group("metrics.k8s.io", "v1beta1", &[resource("pods", "", "PodMetrics", &[])]),
            ]),
        )
    }

    #[test]
    fn a_kind_is_found_by_every_name_that_people_use() {
        let discovery = discovery();
        for (name, path) in [
            ("pod", "/api/v1/namespaces/n/pods/x"),
            ("po", "/api/v1/namespaces/n/pods/x"),
            ("Pods", "/api/v1/namespaces/n/pods/x"),
            ("pods.metrics.k8s.io", "/apis/metrics.k8s.io/v1beta1/namespaces/n/pods/x"),
            ("deploy", "/apis/apps/v1/namespaces/n/deployments/x"),
            ("deployments.apps", "/apis/apps/v1/namespaces/n/deployments/x"),
            ("deployments.v1.apps", "/apis/apps/v1/namespaces/n/deployments/x"),
            ("cert", "/apis/cert-manager.io/v1/namespaces/n/certificates/x"),
            ("certificates.cert-manager.io", "/apis/cert-manager.io/v1/namespaces/n/certificates/x"),
        ] {
            let resource = discovery.named(name).expect(name);
            assert_eq!(resource.path(Some("n"), Some("x")), path, "{name}");
        }
    }

    #[test]
    fn an_unknown_kind_is_answered_with_the_nearest_one() {
        let error = discovery().named("deploymint").expect_err("no such kind");
        assert_eq!(
            opsrun_core::Error::from(error).report(),
            "the cluster has no kind `deploymint`\n  hint: did you mean `deployment`?"
        );
        assert!(discovery().named("deployments.batch").is_err());
    }

    #[test]
    fn a_name_cannot_leave_its_path_segment() {
        let pods = discovery().named("pod").expect("pods").clone();
        assert_eq!(pods.path(Some("n"), Some("../secrets?x")), "/api/v1/namespaces/n/pods/..%2Fsecrets%3Fx");
    }
}
