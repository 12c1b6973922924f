//! What a chart is told of the cluster and of Helm: `.Capabilities`.

use crate::semver::Version;

/// Versions that charts ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    pub kube_version: KubeVersion,
    /// `v1`, `apps/v1`, and from a cluster also `apps/v1/Deployment`.
    pub api_versions: Vec<String>,
    /// The version of Helm that is claimed, as charts check it.
    pub helm_version: String,
}

/// The Kubernetes version of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubeVersion {
    /// In full: `v1.33.4-gke.1245000`.
    pub(crate) version: String,
    /// Without what vendors add: `v1.33.4`.
    pub(crate) normalized: String,
    pub(crate) major: String,
    pub(crate) minor: String,
}

impl Default for Capabilities {
    /// What Helm 4.1.4 assumes where it does not talk to a cluster.
    fn default() -> Self {
        Capabilities {
            kube_version: KubeVersion {
                version: "v1.35.0".to_owned(),
                normalized: "v1.35.0".to_owned(),
                major: "1".to_owned(),
                minor: "35".to_owned(),
            },
            api_versions: API_VERSIONS.iter().map(|version| (*version).to_owned()).collect(),
            helm_version: "v4.1.4".to_owned(),
        }
    }
}

impl KubeVersion {
    /// Reads `1.31`, `v1.33.4-gke.1245000` and the like; `None` if there are no major and minor numbers.
    pub fn parse(text: &str) -> Option<Self> {
        let trimmed = text.trim().trim_start_matches('v');
        let end = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
        let numbers = trimmed[..end].trim_end_matches('.');
        let parts: Vec<&str> = numbers.split('.').collect();
        if parts.len() < 2
            || parts.iter().any(|part| part.is_empty() || (part.len() > 1 && part.starts_with('0')))
        {
            return None;
        }
        let version = Version::parse(&parts[..parts.len().min(3)].join(".")).ok()?;
        Some(KubeVersion {
            version: if text.starts_with('v') { text.to_owned() } else { format!("v{text}") },
            normalized: format!("v{version}"),
            major: version.major.to_string(),
            minor: version.minor.to_string(),
        })
    }

    /// In full, with a `v`.
    pub fn version(&self) -> &str {
        &self.version
    }
}

/// The group versions that client-go 0.35.1 knows, in its order.
const API_VERSIONS: &[&str] = &[
    "v1",
    "admissionregistration.k8s.io/v1",
    "admissionregistration.k8s.io/v1alpha1",
    "admissionregistration.k8s.io/v1beta1",
    "internal.apiserver.k8s.io/v1alpha1",
    "apps/v1",
    "apps/v1beta1",
    "apps/v1beta2",
    "authentication.k8s.io/v1",
    "authentication.k8s.io/v1alpha1",
    "authentication.k8s.io/v1beta1",
    "authorization.k8s.io/v1",
    "authorization.k8s.io/v1beta1",
    "autoscaling/v1",
    "autoscaling/v2",
    "autoscaling/v2beta1",
    "autoscaling/v2beta2",
    "batch/v1",
    "batch/v1beta1",
    "certificates.k8s.io/v1",
    "certificates.k8s.io/v1beta1",
    "certificates.k8s.io/v1alpha1",
    "coordination.k8s.io/v1alpha2",
    "coordination.k8s.io/v1beta1",
    "coordination.k8s.io/v1",
    "discovery.k8s.io/v1",
    "discovery.k8s.io/v1beta1",
    "events.k8s.io/v1",
    "events.k8s.io/v1beta1",
    "extensions/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1",
    "flowcontrol.apiserver.k8s.io/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1beta2",
    "flowcontrol.apiserver.k8s.io/v1beta3",
    "networking.k8s.io/v1",
    "networking.k8s.io/v1beta1",
    "node.k8s.io/v1",
    "node.k8s.io/v1alpha1",
    "node.k8s.io/v1beta1",
    "policy/v1",
    "policy/v1beta1",
    "rbac.authorization.k8s.io/v1",
    "rbac.authorization.k8s.io/v1beta1",
    "rbac.authorization.k8s.io/v1alpha1",
    "resource.k8s.io/v1",
    "resource.k8s.io/v1beta2",
    "resource.k8s.io/v1beta1",
    "resource.k8s.io/v1alpha3",
    "scheduling.k8s.io/v1alpha1",
    "scheduling.k8s.io/v1beta1",
    "scheduling.k8s.io/v1",
    "storage.k8s.io/v1beta1",
    "storage.k8s.io/v1",
    "storage.k8s.io/v1alpha1",
    "storagemigration.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1",
];
