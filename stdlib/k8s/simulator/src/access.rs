//! Who may do what: users from headers, and the RBAC rules stored in the cluster.
//! Without impersonation the caller is the cluster's administrator.

use std::sync::Arc;

use serde_json::Value;

use crate::cluster::Cluster;
use crate::context::{Author, User, text};
use crate::kinds::Subresource;
use crate::request::Request;
use crate::rest::{Call, Verb};
use crate::status::{Result, Status};
use crate::store::GroupResource;

const RBAC: &str = "rbac.authorization.k8s.io";

/// What someone wants to do, as a review or the server itself asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    Resource {
        verb: String,
        group: String,
        resource: String,
        subresource: String,
        namespace: String,
        name: String,
    },
    Path {
        verb: String,
        path: String,
    },
}

/// Who sends the request, and as which field manager.
pub(crate) fn author(request: &Request) -> Author {
    let agent = request.header("user-agent").unwrap_or_default();
    let manager = agent.split('/').next().unwrap_or_default();
    let manager: String = manager.chars().filter(|c| !c.is_control()).take(128).collect();
    let manager = if manager.is_empty() { "unknown".to_owned() } else { manager };
    let user = match request.header("impersonate-user") {
        None => administrator(),
        Some(name) => {
            let groups = request.headers.get_all("impersonate-group").iter();
            let mut groups: Vec<String> =
                groups.filter_map(|group| group.to_str().ok()).map(str::to_owned).collect();
            if groups.is_empty() && !name.starts_with("system:") {
                groups.push("system:authenticated".to_owned());
            }
            groups.extend(service_account_groups(name));
            let uid = request.header("impersonate-uid").unwrap_or_default().to_owned();
            User { name: name.to_owned(), uid, groups }
        }
    };
    Author { manager, user }
}

fn administrator() -> User {
    let groups = ["system:masters", "system:authenticated"];
    User {
        name: "kubernetes-admin".to_owned(),
        uid: String::new(),
        groups: groups.map(str::to_owned).to_vec(),
    }
}

fn service_account_groups(name: &str) -> Vec<String> {
    let Some(account) = name.strip_prefix("system:serviceaccount:") else { return Vec::new() };
    let namespace = account.split(':').next().unwrap_or_default();
    vec![
        "system:serviceaccounts".to_owned(),
        format!("system:serviceaccounts:{namespace}"),
        "system:authenticated".to_owned(),
    ]
}

/// Refuses what the caller may not do, in the authorizer's words.
pub(crate) fn check(cluster: &Cluster, call: &Call<'_>, verb: Verb) -> Result<()> {
    let resource = &call.served.resource;
    let subresource = call.sub.map(Subresource::name).unwrap_or_default();
    let attempt = Attempt::Resource {
        verb: verb.name(&call.request.method).to_owned(),
        group: resource.group.clone(),
        resource: resource.plural.clone(),
        subresource: subresource.to_owned(),
        namespace: namespace_of(call),
        name: call.name().to_owned(),
    };
    if allows(cluster, &call.author.user, &attempt) {
        return Ok(());
    }
    let what = if subresource.is_empty() {
        resource.plural.clone()
    } else {
        format!("{}/{subresource}", resource.plural)
    };
    let scope = match namespace_of(call) {
        namespace if namespace.is_empty() => "at the cluster scope".to_owned(),
        namespace => format!("in the namespace \"{namespace}\""),
    };
    let why = format!(
        "User \"{}\" cannot {} resource \"{what}\" in API group \"{}\" {scope}",
        call.author.user.name,
        verb.name(&call.request.method),
        resource.group
    );
    Err(Status::forbidden(&resource.group, &resource.plural, call.name(), &why))
}

/// Refuses a path that is no resource.
pub(crate) fn check_path(cluster: &Cluster, request: &Request, author: &Author) -> Result<()> {
    let verb = request.method.as_str().to_lowercase();
    let attempt = Attempt::Path { verb: verb.clone(), path: request.path.clone() };
    if allows(cluster, &author.user, &attempt) {
        return Ok(());
    }
    let message = format!("forbidden: User \"{}\" cannot {verb} path \"{}\"", author.user.name, request.path);
    Err(Status::new(403, "Forbidden", message).with_details(serde_json::json!({})))
}

fn namespace_of(call: &Call<'_>) -> String {
    // A namespace is asked for within itself.
    let of_namespace = call.served.resource.group.is_empty() && call.served.resource.plural == "namespaces";
    if of_namespace { call.name().to_owned() } else { call.place().to_owned() }
}

/// Whether RBAC grants it.
pub(crate) fn allows(cluster: &Cluster, user: &User, attempt: &Attempt) -> bool {
    user.groups.iter().any(|group| group == "system:masters")
        || rules(cluster, user, attempt.namespace()).iter().any(|rule| attempt.is_granted_by(rule))
}

/// All rules that hold for a user, cluster-wide and in a namespace (unless it is empty).
pub(crate) fn rules(cluster: &Cluster, user: &User, namespace: &str) -> Vec<Value> {
    let cluster_bindings = GroupResource::new(RBAC, "clusterrolebindings");
    let mut bindings: Vec<Arc<Value>> = cluster.store.list(&cluster_bindings, None).cloned().collect();
    if !namespace.is_empty() {
        bindings
            .extend(cluster.store.list(&GroupResource::new(RBAC, "rolebindings"), Some(namespace)).cloned());
    }
    let mut rules = Vec::new();
    for binding in bindings.iter().filter(|binding| names_user(binding, user)) {
        let (kind, name) = (text(&binding["roleRef"]["kind"]), text(&binding["roleRef"]["name"]));
        let role = match kind {
            "ClusterRole" => cluster.store.get(&GroupResource::new(RBAC, "clusterroles"), "", name),
            _ => {
                let namespace = text(&binding["metadata"]["namespace"]);
                cluster.store.get(&GroupResource::new(RBAC, "roles"), namespace, name)
            }
        };
        rules.extend(role.and_then(|role| role["rules"].as_array()).into_iter().flatten().cloned());
    }
    rules
}

fn names_user(binding: &Value, user: &User) -> bool {
    let namespace = text(&binding["metadata"]["namespace"]);
    binding["subjects"].as_array().into_iter().flatten().any(|subject| {
        let name = text(&subject["name"]);
        match text(&subject["kind"]) {
            "User" => name == user.name,
            "Group" => user.groups.iter().any(|group| group == name),
            "ServiceAccount" => {
                let own = subject["namespace"].as_str().unwrap_or(namespace);
                user.name == format!("system:serviceaccount:{own}:{name}")
            }
            _ => false,
        }
    })
}

impl Attempt {
    fn namespace(&self) -> &str {
        match self {
            Self::Resource { namespace, .. } => namespace,
            Self::Path { .. } => "",
        }
    }

    fn is_granted_by(&self, rule: &Value) -> bool {
        let lists = |field: &str, wanted: &str| {
            rule[field]
                .as_array()
                .into_iter()
                .flatten()
                .any(|value| matches!(text(value), "*") || text(value) == wanted)
        };
        match self {
            Self::Path { verb, path } => {
                let urls = rule["nonResourceURLs"].as_array().into_iter().flatten().map(text);
                lists("verbs", verb)
                    && urls.into_iter().any(|url| {
                        url == path || url.strip_suffix('*').is_some_and(|prefix| path.starts_with(prefix))
                    })
            }
            Self::Resource { verb, group, resource, subresource, name, .. } => {
                let full = if subresource.is_empty() {
                    resource.clone()
                } else {
                    format!("{resource}/{subresource}")
                };
                let by_sub = !subresource.is_empty() && lists("resources", &format!("*/{subresource}"));
                let names = rule["resourceNames"].as_array().filter(|names| !names.is_empty());
                lists("verbs", verb)
                    && lists("apiGroups", group)
                    && (lists("resources", &full) || by_sub)
                    && names.is_none_or(|names| names.iter().any(|n| text(n) == name))
            }
        }
    }
}
