//! What the server knows of each kind: where it is served, its defaults, rules and columns.
//! A kind is one type in one file and one line in `KINDS`; requests, storage and watches know none of them.

mod autoscaler;
mod claim;
mod config;
mod daemon_set;
mod deployment;
mod event;
mod job;
mod limits;
mod namespace;
mod network;
mod node;
mod pod;
mod pod_spec;
mod pod_table;
pub(crate) mod quota;
mod rbac;
mod replica_set;
mod resource;
mod rules;
mod service;
mod stateful_set;

use jiff::Timestamp;
use opsrun_k8s_schema::CustomSchema;
use serde_json::Value;

pub(crate) use self::resource::api_version;
pub use self::resource::{Resource, Subresource, Verbs};
use crate::context::Cx;
use crate::status::{Invalid, Result};

/// One kind in one served version. Every answer has a default, so a kind states only what is its own.
///
/// Order on create: `default` → `prepare_create` → `admit_create` → `validate_create`; on update the same with the old
/// object beside. Objects are in the served version in `default`, and in the hub version from then on.
pub trait Kind: Send + Sync {
    fn resource(&self) -> Resource;

    /// Fills in what was left out: a function of the object alone. Also run on what a patch results in.
    fn default(&self, _object: &mut Value) {}

    /// The served version's object as the stored one (same fields unless the kind has two shapes).
    fn stored_shape(&self, _object: &mut Value) {}

    /// The stored object in the served version's shape; `apiVersion` is set by the caller.
    fn served_shape(&self, _object: &mut Value) {}

    /// What becomes of a decoded object before anything else looks at it: fields that are only ever written.
    fn fold(&self, _object: &mut Value) {}

    /// What the registry does before it creates: allocations, generated selectors. `status` is gone by now if the
    /// kind has the subresource; put the initial one.
    fn prepare_create(&self, _cx: &mut Cx<'_>, _object: &mut Value) -> Result<()> {
        Ok(())
    }

    /// What the registry does before it replaces (`new` has the old status already).
    fn prepare_update(&self, _cx: &mut Cx<'_>, _old: &Value, _new: &mut Value) -> Result<()> {
        Ok(())
    }

    /// What a write to `/status` may change: `new` is the old object with what was sent laid over; undo the rest here.
    /// The default keeps spec and labels.
    fn prepare_status(&self, old: &Value, new: &mut Value) {
        keep(old, new, &["spec"]);
        keep(&old["metadata"], &mut new["metadata"], &["labels", "deletionTimestamp", "ownerReferences"]);
    }

    /// What a write to another subresource that shows the object (`finalize`, `ephemeralcontainers`, `resize`, `approval`)
    /// may change: undo the rest.
    fn prepare_subresource(&self, _sub: Subresource, _old: &Value, _new: &mut Value) -> Vec<Invalid> {
        Vec::new()
    }

    /// Built-in admission (service accounts, priority, quota, limit ranges): may change or refuse.
    fn admit_create(&self, _cx: &mut Cx<'_>, _object: &mut Value) -> Result<()> {
        Ok(())
    }

    fn admit_update(&self, _cx: &mut Cx<'_>, _old: &Value, _new: &mut Value) -> Result<()> {
        Ok(())
    }

    fn admit_delete(&self, _cx: &mut Cx<'_>, _object: &Value) -> Result<()> {
        Ok(())
    }

    /// Everything wrong with a new object, besides its metadata, in the server's order.
    fn validate_create(&self, _object: &Value) -> Vec<Invalid> {
        Vec::new()
    }

    fn validate_update(&self, _old: &Value, new: &Value) -> Vec<Invalid> {
        self.validate_create(new)
    }

    fn validate_status(&self, _old: &Value, _new: &Value) -> Vec<Invalid> {
        Vec::new()
    }

    /// The schema of a custom resource's version.
    fn custom_schema(&self) -> Option<&CustomSchema> {
        None
    }

    /// How names of the kind are checked.
    fn name_rule(&self) -> NameRule {
        NameRule::Subdomain
    }

    /// Whether the server counts `metadata.generation`.
    fn has_generation(&self) -> bool {
        false
    }

    /// Whether an update counts as a new generation.
    fn is_new_generation(&self, old: &Value, new: &Value) -> bool {
        old.get("spec") != new.get("spec")
    }

    /// `DELETE` answers the object even when it is gone at once.
    fn deletion_answers_object(&self) -> bool {
        false
    }

    /// `DELETE` without a policy leaves dependents (batch/v1 Jobs).
    fn orphans_by_default(&self) -> bool {
        false
    }

    /// The seconds an object keeps after `DELETE`: `requested` is from the options; 0 removes it at once. `None`: the kind
    /// knows no graceful deletion.
    fn grace_period(&self, _object: &Value, _requested: Option<i64>) -> Option<i64> {
        None
    }

    /// Marks an object that stays for now as being deleted.
    fn mark_deleting(&self, object: &mut Value, at: &str) {
        if !crate::meta::is_deleting(object) {
            if let Some(generation) = object["metadata"]["generation"].as_i64() {
                object["metadata"]["generation"] = (generation + 1).into();
            }
            object["metadata"]["deletionTimestamp"] = at.into();
        }
        object["metadata"]["deletionGracePeriodSeconds"] = 0.into();
    }

    /// Whether something keeps a deleted object: finalizers (a namespace has more in its spec).
    fn holds_deletion(&self, object: &Value) -> bool {
        crate::meta::finalizers(object).next().is_some()
    }

    /// `PUT` on an absent name creates (Leases).
    fn creates_on_update(&self) -> bool {
        false
    }

    /// `PUT` must carry a resourceVersion (custom resources).
    fn needs_version_on_update(&self) -> bool {
        false
    }

    /// The value of a field label in selectors, besides `metadata.name` and `metadata.namespace`; `None`: not supported.
    fn field(&self, _object: &Value, _label: &str) -> Option<String> {
        None
    }

    /// The text for a field label that is not supported: pods and some others have words of their own.
    fn unsupported_field(&self, label: &str) -> String {
        let known = if self.resource().namespaced {
            "\"metadata.name\", \"metadata.namespace\""
        } else {
            "\"metadata.name\""
        };
        format!("\"{label}\" is not a known field selector: only {known}")
    }

    /// Warnings for who writes or reads (deprecations, oddities); without the `299 - ` frame.
    fn warnings(&self, _old: Option<&Value>, _new: &Value) -> Vec<String> {
        Vec::new()
    }

    /// A warning on every request to this version.
    fn deprecation(&self) -> Option<&str> {
        None
    }

    /// The columns of a Table; `cells` gives one value for each.
    fn columns(&self) -> Vec<Column> {
        vec![Column::name(), Column::age()]
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        vec![object["metadata"]["name"].clone(), age(object, now)]
    }

    /// Where replicas live: for kinds with the scale subresource.
    fn scale(&self) -> ScalePaths {
        ScalePaths::default()
    }
}

/// Field paths of the scale subresource, in dots: `.spec.replicas`.
#[derive(Clone, Debug)]
pub struct ScalePaths {
    pub spec_replicas: String,
    pub status_replicas: String,
    /// A field with a label selector (object or text); `None`: the Scale has no selector.
    pub selector: Option<String>,
}

impl Default for ScalePaths {
    fn default() -> Self {
        Self {
            spec_replicas: ".spec.replicas".to_owned(),
            status_replicas: ".status.replicas".to_owned(),
            selector: Some(".spec.selector".to_owned()),
        }
    }
}

/// How the server checks names of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRule {
    /// RFC 1123 subdomain.
    Subdomain,
    /// RFC 1123 label.
    Label,
    /// RFC 1035 label (Services).
    Label1035,
    /// A path segment: anything but `.`, `..`, `/` and `%` (RBAC).
    PathSegment,
}

/// A column of a Table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    /// `string`, `integer`, `date`, …
    pub kind: String,
    pub format: String,
    pub description: String,
    /// 0 is shown always, more with `-o wide`.
    pub priority: i32,
}

impl Column {
    pub fn new(name: &str, kind: &str, priority: i32, description: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: kind.to_owned(),
            format: String::new(),
            description: description.to_owned(),
            priority,
        }
    }

    pub fn name() -> Self {
        let description = "Name must be unique within a namespace. Is required when creating resources, although some \
            resources may allow a client to request the generation of an appropriate name automatically. Name is \
            primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: \
            https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names";
        Self { format: "name".to_owned(), ..Self::new("Name", "string", 0, description) }
    }

    pub fn age() -> Self {
        Self::new("Age", "string", 0, CREATED)
    }
}

pub(crate) const CREATED: &str = "CreationTimestamp is a timestamp representing the server time when this object was created. It is \
    not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is \
    represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: \
    https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";

/// The age cell of an object: `5s`, `2m3s`, `<unknown>` without a creationTimestamp.
pub fn age(object: &Value, now: Timestamp) -> Value {
    let created = object["metadata"]["creationTimestamp"].as_str().and_then(|t| t.parse::<Timestamp>().ok());
    match created {
        Some(created) => human_duration(now.as_second() - created.as_second()).into(),
        None => "<unknown>".into(),
    }
}

/// Seconds as `kubectl` shows ages (`duration.HumanDuration`).
pub fn human_duration(seconds: i64) -> String {
    let pair = |big: i64, big_unit: &str, small: i64, small_unit: &str| {
        if small == 0 { format!("{big}{big_unit}") } else { format!("{big}{big_unit}{small}{small_unit}") }
    };
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match seconds {
        s if s < -1 => "<invalid>".to_owned(),
        s if s < 0 => "0s".to_owned(),
        s if s < 120 => format!("{s}s"),
        s if minutes < 10 => pair(minutes, "m", s % 60, "s"),
        _ if minutes < 180 => format!("{minutes}m"),
        _ if hours < 8 => pair(hours, "h", minutes % 60, "m"),
        _ if hours < 48 => format!("{hours}h"),
        _ if hours < 24 * 8 => pair(hours / 24, "d", hours % 24, "h"),
        _ if hours < 24 * 365 * 2 => format!("{}d", hours / 24),
        _ if hours < 24 * 365 * 8 => pair(hours / 24 / 365, "y", (hours / 24) % 365, "d"),
        _ => format!("{}y", hours / 24 / 365),
    }
}

/// Puts `old`'s values of these fields back into `new`, absent ones included.
pub fn keep(old: &Value, new: &mut Value, fields: &[&str]) {
    let Some(map) = new.as_object_mut() else { return };
    for field in fields {
        match old.get(field) {
            Some(value) => map.insert((*field).to_owned(), value.clone()),
            None => map.remove(*field),
        };
    }
}

/// A kind with no rules of its own.
struct Plain(fn() -> Resource);

impl Kind for Plain {
    fn resource(&self) -> Resource {
        (self.0)()
    }
}

/// Every built-in kind, in the order of discovery. A kind with rules takes its `Plain` line's place.
pub const KINDS: &[&dyn Kind] = &[
    &Plain(|| Resource::namespaced("", "v1", "bindings", "Binding").only_create()),
    &Plain(|| Resource::cluster("", "v1", "componentstatuses", "ComponentStatus").short("cs").only_read()),
    &config::ConfigMap,
    &network::Endpoints,
    &event::Event,
    &limits::LimitRange,
    &namespace::Namespace,
    &node::Node,
    &claim::Claim,
    &claim::Volume,
    &pod::Pod,
    &replica_set::PodTemplate,
    &replica_set::ReplicationController,
    &quota::ResourceQuota,
    &config::Secret,
    &config::ServiceAccount,
    &service::Service,
    &Plain(|| {
        Resource::cluster("apiregistration.k8s.io", "v1", "apiservices", "APIService")
            .category("api-extensions")
            .status()
    }),
    &Plain(|| Resource::namespaced("apps", "v1", "controllerrevisions", "ControllerRevision")),
    &daemon_set::DaemonSet,
    &deployment::Deployment,
    &replica_set::ReplicaSet,
    &stateful_set::StatefulSet,
    &event::EventsEvent,
    &Plain(|| {
        Resource::cluster("authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview")
            .only_create()
    }),
    &Plain(|| Resource::cluster("authentication.k8s.io", "v1", "tokenreviews", "TokenReview").only_create()),
    &Plain(|| {
        Resource::namespaced(
            "authorization.k8s.io",
            "v1",
            "localsubjectaccessreviews",
            "LocalSubjectAccessReview",
        )
        .only_create()
    }),
    &Plain(|| {
        Resource::cluster("authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview")
            .only_create()
    }),
    &Plain(|| {
        Resource::cluster("authorization.k8s.io", "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview")
            .only_create()
    }),
    &Plain(|| {
        Resource::cluster("authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview")
            .only_create()
    }),
    &autoscaler::Autoscaler,
    &autoscaler::AutoscalerV1,
    &job::CronJob,
    &job::Job,
    &Plain(|| {
        Resource::cluster(
            "certificates.k8s.io",
            "v1",
            "certificatesigningrequests",
            "CertificateSigningRequest",
        )
        .short("csr")
        .with(Subresource::Approval)
        .status()
    }),
    &network::IngressClass,
    &network::Ingress,
    &Plain(|| Resource::cluster("networking.k8s.io", "v1", "ipaddresses", "IPAddress").short("ip")),
    &network::NetworkPolicy,
    &Plain(|| Resource::cluster("networking.k8s.io", "v1", "servicecidrs", "ServiceCIDR").status()),
    &network::Budget,
    &rbac::ClusterRoleBinding,
    &rbac::ClusterRole,
    &rbac::RoleBinding,
    &rbac::Role,
    &Plain(|| Resource::cluster("storage.k8s.io", "v1", "csidrivers", "CSIDriver")),
    &Plain(|| Resource::cluster("storage.k8s.io", "v1", "csinodes", "CSINode")),
    &Plain(|| Resource::namespaced("storage.k8s.io", "v1", "csistoragecapacities", "CSIStorageCapacity")),
    &Plain(|| Resource::cluster("storage.k8s.io", "v1", "storageclasses", "StorageClass").short("sc")),
    &Plain(|| Resource::cluster("storage.k8s.io", "v1", "volumeattachments", "VolumeAttachment").status()),
    &Plain(|| {
        Resource::cluster("storage.k8s.io", "v1", "volumeattributesclasses", "VolumeAttributesClass")
            .short("vac")
    }),
    &Plain(|| {
        Resource::cluster(
            "admissionregistration.k8s.io",
            "v1",
            "mutatingwebhookconfigurations",
            "MutatingWebhookConfiguration",
        )
        .category("api-extensions")
    }),
    &Plain(|| {
        Resource::cluster(
            "admissionregistration.k8s.io",
            "v1",
            "validatingadmissionpolicies",
            "ValidatingAdmissionPolicy",
        )
        .category("api-extensions")
        .status()
    }),
    &Plain(|| {
        Resource::cluster(
            "admissionregistration.k8s.io",
            "v1",
            "validatingadmissionpolicybindings",
            "ValidatingAdmissionPolicyBinding",
        )
        .category("api-extensions")
    }),
    &Plain(|| {
        Resource::cluster(
            "admissionregistration.k8s.io",
            "v1",
            "validatingwebhookconfigurations",
            "ValidatingWebhookConfiguration",
        )
        .category("api-extensions")
    }),
    &crate::custom::Definition,
    &config::PriorityClass,
    &config::Lease,
    &Plain(|| Resource::cluster("node.k8s.io", "v1", "runtimeclasses", "RuntimeClass")),
    &network::EndpointSlice,
    &Plain(|| Resource::cluster("resource.k8s.io", "v1", "deviceclasses", "DeviceClass")),
    &Plain(|| Resource::namespaced("resource.k8s.io", "v1", "resourceclaims", "ResourceClaim").status()),
    &Plain(|| {
        Resource::namespaced("resource.k8s.io", "v1", "resourceclaimtemplates", "ResourceClaimTemplate")
    }),
    &Plain(|| Resource::cluster("resource.k8s.io", "v1", "resourceslices", "ResourceSlice")),
    &Plain(|| Resource::cluster("flowcontrol.apiserver.k8s.io", "v1", "flowschemas", "FlowSchema").status()),
    &Plain(|| {
        Resource::cluster(
            "flowcontrol.apiserver.k8s.io",
            "v1",
            "prioritylevelconfigurations",
            "PriorityLevelConfiguration",
        )
        .status()
    }),
];
