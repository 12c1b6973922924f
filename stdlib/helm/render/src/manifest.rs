//! What a render yields: manifests and hooks, cut out of the rendered files and sorted as Helm installs them.

use serde_json::Value as Json;

use crate::metadata::{as_text, field, mismatch};
use crate::yaml;

/// One document that Helm installs as part of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The template that it comes from: `CHART/templates/FILE`.
    pub source: String,
    pub api_version: String,
    pub kind: String,
    /// Empty if the document does not say.
    pub name: String,
    /// The document's text, without white space around it.
    pub content: String,
}

/// One document that Helm applies at an event of the release, and that is no part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    pub name: String,
    pub kind: String,
    pub api_version: String,
    /// The template that it comes from: `CHART/templates/FILE`.
    pub source: String,
    pub content: String,
    pub events: Vec<HookEvent>,
    /// Hooks of one event run in the order of their weights.
    pub weight: i64,
    /// Empty means the default, [`HookPolicy::BeforeCreation`].
    pub delete_policies: Vec<HookPolicy>,
    pub output_log_policies: Vec<HookPolicy>,
}

/// When a hook runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HookEvent {
    PreInstall,
    PostInstall,
    PreDelete,
    PostDelete,
    PreUpgrade,
    PostUpgrade,
    PreRollback,
    PostRollback,
    Test,
}

/// When a hook's object is deleted, or its log shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookPolicy {
    Succeeded,
    Failed,
    /// Before the hook is created anew (of deletion only).
    BeforeCreation,
    /// A word that Helm stores and does not act upon.
    Other(String),
}

impl HookEvent {
    /// As it stands in the annotation `helm.sh/hook`.
    pub fn as_str(self) -> &'static str {
        match self {
            HookEvent::PreInstall => "pre-install",
            HookEvent::PostInstall => "post-install",
            HookEvent::PreDelete => "pre-delete",
            HookEvent::PostDelete => "post-delete",
            HookEvent::PreUpgrade => "pre-upgrade",
            HookEvent::PostUpgrade => "post-upgrade",
            HookEvent::PreRollback => "pre-rollback",
            HookEvent::PostRollback => "post-rollback",
            HookEvent::Test => "test",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "pre-install" => HookEvent::PreInstall,
            "post-install" => HookEvent::PostInstall,
            "pre-delete" => HookEvent::PreDelete,
            "post-delete" => HookEvent::PostDelete,
            "pre-upgrade" => HookEvent::PreUpgrade,
            "post-upgrade" => HookEvent::PostUpgrade,
            "pre-rollback" => HookEvent::PreRollback,
            "post-rollback" => HookEvent::PostRollback,
            "test" | "test-success" => HookEvent::Test,
            _ => return None,
        })
    }
}

impl HookPolicy {
    /// As it stands in the annotation.
    pub fn as_str(&self) -> &str {
        match self {
            HookPolicy::Succeeded => "hook-succeeded",
            HookPolicy::Failed => "hook-failed",
            HookPolicy::BeforeCreation => "before-hook-creation",
            HookPolicy::Other(text) => text,
        }
    }

    fn parse(text: &str) -> Self {
        match text {
            "hook-succeeded" => HookPolicy::Succeeded,
            "hook-failed" => HookPolicy::Failed,
            "before-hook-creation" => HookPolicy::BeforeCreation,
            other => HookPolicy::Other(other.to_owned()),
        }
    }
}

/// The kinds in the order in which Helm installs them; others follow, by name.
pub const INSTALL_ORDER: &[&str] = &[
    "PriorityClass",
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

/// Cuts rendered files into documents and sorts these. The files come in the order of their paths. The error is Helm's
/// text.
pub(crate) fn sort(files: &[(String, Vec<u8>)]) -> Result<(Vec<Hook>, Vec<Manifest>), String> {
    let (mut hooks, mut manifests) = (Vec::new(), Vec::new());
    for (path, content) in files {
        let failed = |message: String| format!("YAML parse error on {path}: {message}");
        let content = std::str::from_utf8(content)
            .map_err(|e| failed(yaml::to_json(content).map_or_else(|e| e.to_string(), |_| e.to_string())))?;
        for document in documents(content) {
            let head = Head::parse(document).map_err(failed)?;
            match head.annotation("helm.sh/hook") {
                None => manifests.push(Manifest {
                    source: path.clone(),
                    api_version: head.api_version,
                    kind: head.kind,
                    name: head.name,
                    content: document.to_owned(),
                }),
                Some(events) => hooks.extend(hook(path, document, events, &head)),
            }
        }
    }
    hooks.sort_by(|a, b| kind_order(&a.kind).cmp(&kind_order(&b.kind)));
    manifests.sort_by(|a, b| kind_order(&a.kind).cmp(&kind_order(&b.kind)));
    Ok((hooks, manifests))
}

/// A hook; none if one of its events is unknown.
fn hook(path: &str, document: &str, events: &str, head: &Head) -> Option<Hook> {
    let words =
        |text: &str| -> Vec<String> { text.split(',').map(|word| word.trim().to_lowercase()).collect() };
    let policies = |annotation: &str| match head.annotation(annotation) {
        None => Vec::new(),
        Some(text) => words(text).iter().map(|word| HookPolicy::parse(word)).collect(),
    };
    Some(Hook {
        name: head.name.clone(),
        kind: head.kind.clone(),
        api_version: head.api_version.clone(),
        source: path.to_owned(),
        content: document.to_owned(),
        events: words(events).iter().map(|word| HookEvent::parse(word)).collect::<Option<_>>()?,
        weight: head.annotation("helm.sh/hook-weight").and_then(|w| w.parse().ok()).unwrap_or(0),
        delete_policies: policies("helm.sh/hook-delete-policy"),
        output_log_policies: policies("helm.sh/hook-output-log-policy"),
    })
}

fn kind_order(kind: &str) -> (usize, &str) {
    match INSTALL_ORDER.iter().position(|known| *known == kind) {
        Some(place) => (place, ""),
        None => (INSTALL_ORDER.len(), kind),
    }
}

/// Cuts a stream of documents as Helm does: at `---` at the start of a line, whatever follows it. The space around a
/// separator goes with it, so that of two in a row the second one is text.
pub(crate) fn documents(stream: &str) -> Vec<&str> {
    const SPACE: [char; 5] = ['\t', '\n', '\x0C', '\r', ' '];
    let stream = stream.trim();
    let mut rest = stream.strip_prefix("---").map_or(stream, |rest| rest.trim_start_matches(SPACE));
    let mut documents = Vec::new();
    while let Some((document, after)) = rest.split_once("\n---") {
        documents.push(document.trim_end_matches(SPACE));
        rest = after.trim_start_matches(SPACE);
    }
    documents.push(rest);
    documents.into_iter().filter(|document| !document.is_empty()).map(str::trim).collect()
}

/// What Helm reads of every document.
#[derive(Default)]
struct Head {
    api_version: String,
    kind: String,
    name: String,
    annotations: Vec<(String, String)>,
}

impl Head {
    fn parse(document: &str) -> Result<Self, String> {
        let json = yaml::to_json(document).map_err(|e| e.to_string())?;
        let mut head = Head::default();
        let fields = match &json {
            Json::Null => return Ok(head),
            Json::Object(fields) => fields,
            other => {
                return Err(mismatch(other, "", "")
                    .replace("struct field  of type ", "value of type util.SimpleHead"));
            }
        };
        let text = |value: Option<&Json>, name: &str| match value {
            None | Some(Json::Null) => Ok(String::new()),
            Some(value) => as_text(value).ok_or_else(|| mismatch(value, name, "string")),
        };
        head.api_version = text(field(fields, "apiVersion"), "SimpleHead.apiVersion")?;
        head.kind = text(field(fields, "kind"), "SimpleHead.kind")?;
        match field(fields, "metadata") {
            None | Some(Json::Null) => {}
            Some(Json::Object(metadata)) => {
                head.name = text(field(metadata, "name"), ".metadata.name")?;
                match field(metadata, "annotations") {
                    None | Some(Json::Null) => {}
                    Some(Json::Object(annotations)) => {
                        for (key, value) in annotations {
                            let value = text(Some(value), ".metadata.annotations")?;
                            head.annotations.push((key.clone(), value));
                        }
                    }
                    Some(other) => {
                        return Err(mismatch(other, ".metadata.annotations", "map[string]string"));
                    }
                }
            }
            Some(other) => {
                let wanted = r#"struct { Name string "json:\"name\""; Annotations map[string]string "json:\"annotations\"" }"#;
                return Err(mismatch(other, "SimpleHead.metadata", wanted));
            }
        }
        Ok(head)
    }

    fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }
}
