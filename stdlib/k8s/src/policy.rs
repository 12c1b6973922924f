//! RBAC for what a run asked an API server for: the rules that allow it and no more, and the rule that a refusal asks for.
//! It knows which verbs can be scoped by name, and what every authenticated user may do anyway.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use http::{Method, Uri};
use kube::core::Status;
use opsrun_core::{Error, Grantee, Need, Policy, Result};
use serde::Deserialize;

use crate::access::ResourcePath;
use crate::config::Section;

const GROUP: &str = "rbac.authorization.k8s.io";

/// What `system:discovery`, `system:public-info-viewer` and `system:basic-user` allow to everybody who is known.
const PUBLIC_PATHS: &[&str] = &["/api", "/apis", "/healthz", "/livez", "/openapi", "/readyz", "/version"];
const PUBLIC_REVIEWS: &[&str] =
    &["selfsubjectaccessreviews", "selfsubjectreviews", "selfsubjectrulesreviews"];

/// Where a rule holds: in a namespace, or in the whole cluster.
type Scope = Option<String>;

/// Roles and bindings for these needs.
///
/// # Errors
/// `Invalid` for a subject that cannot be one.
pub(crate) fn rbac(needs: &[Need], grantee: &Grantee<'_>) -> Result<Policy> {
    let section: Section =
        Option::deserialize(grantee.target.section(crate::SYSTEM)).ok().flatten().unwrap_or_default();
    let subject = Subject::read(grantee.subject, section.namespace.as_deref().unwrap_or("default"))?;
    let mut scopes: BTreeMap<Scope, Wanted> = BTreeMap::new();
    let known = Known::of(needs);
    for need in needs {
        if let Some((method, uri)) = &need.request {
            want(need, method, uri, &known, &mut scopes);
        }
    }
    let mut text = String::new();
    if !grantee.target.name.is_empty() && !scopes.is_empty() {
        let _ = writeln!(text, "# For the target `{}`.", grantee.target.name);
    }
    if let (Subject::Account { namespace, name }, false) = (&subject, scopes.is_empty()) {
        let _ = writeln!(text, "# The account: kubectl create serviceaccount {name} --namespace {namespace}");
    }
    if scopes.values().any(Wanted::writes_roles) {
        text.push_str(
            "# It writes roles or bindings: the API server lets it give only what it may do itself, or needs `escalate` \
             and `bind`.\n",
        );
    }
    for (scope, wanted) in &scopes {
        let _ = write!(text, "{}", documents(scope.as_deref(), wanted, grantee.name, &subject));
    }
    Ok(Policy { form: "rbac", text })
}

/// The rule that a 403 asks for; `None` if it is not about permissions.
pub(crate) fn missing_rule(status: &Status) -> Option<String> {
    let (_, words) = status.message.split_once(" cannot ")?;
    if let Some((verb, rest)) = words.split_once(" path \"") {
        let path = rest.split('"').next()?;
        return Some(format!("{{ nonResourceURLs: [{path:?}], verbs: [{verb}] }} in a ClusterRole"));
    }
    let (verb, rest) = words.split_once(" resource \"")?;
    let (resource, rest) = rest.split_once("\" in API group \"")?;
    let (group, rest) = rest.split_once('"')?;
    let place = match rest.split_once("in the namespace \"").and_then(|(_, rest)| rest.split('"').next()) {
        Some(namespace) => format!("a Role of `{namespace}`"),
        None => "a ClusterRole".to_owned(),
    };
    // Where the server looked at a name, the refusal bears it.
    let name = status.details.as_ref().map(|details| details.name.clone()).filter(|name| !name.is_empty());
    let name = name.filter(|_| !matches!(verb, "list" | "watch" | "deletecollection"));
    let rule = Rule {
        group: group.to_owned(),
        resources: BTreeSet::from([resource.to_owned()]),
        names: name.into_iter().collect(),
        verbs: BTreeSet::from([verb.to_owned()]),
    };
    Some(format!("{rule} in {place}"))
}

/// Whom it is allowed.
enum Subject {
    Account { namespace: String, name: String },
    User(String),
    Group(String),
}

impl Subject {
    fn read(text: Option<&str>, namespace: &str) -> Result<Self> {
        let Some(text) = text else {
            return Ok(Subject::Account { namespace: namespace.to_owned(), name: "opsrun".to_owned() });
        };
        let subject = match text.split_once(':') {
            Some(("serviceaccount", account)) => match account.split_once('/') {
                Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
                    Some(Subject::Account { namespace: namespace.to_owned(), name: name.to_owned() })
                }
                _ => None,
            },
            Some(("user", name)) if !name.is_empty() => Some(Subject::User(name.to_owned())),
            Some(("group", name)) if !name.is_empty() => Some(Subject::Group(name.to_owned())),
            _ => None,
        };
        subject.ok_or_else(|| {
            Error::invalid(format!("`{text}` is not a subject of RBAC"))
                .hint("write it like `serviceaccount:NAMESPACE/NAME`, `user:NAME` or `group:NAME`")
        })
    }

    fn yaml(&self) -> String {
        match self {
            Subject::Account { namespace, name } => {
                format!("{{ kind: ServiceAccount, name: {}, namespace: {namespace} }}", scalar(name))
            }
            Subject::User(name) => format!("{{ kind: User, name: {}, apiGroup: {GROUP} }}", scalar(name)),
            Subject::Group(name) => format!("{{ kind: Group, name: {}, apiGroup: {GROUP} }}", scalar(name)),
        }
    }
}

/// The names that are known to be the same in every run, by group, resource and namespace.
struct Known(BTreeSet<(String, String, Scope, String)>);

impl Known {
    fn of(needs: &[Need]) -> Self {
        let fixed = needs.iter().filter(|need| need.pattern.is_none());
        let paths = fixed.filter_map(|need| ResourcePath::parse(need.request.as_ref()?.1.path()));
        Known(paths.filter_map(|path| Some(Self::key(&path, path.name?))).collect())
    }

    fn key(path: &ResourcePath<'_>, name: &str) -> (String, String, Scope, String) {
        let namespace = path.namespace.map(str::to_owned);
        (path.group.to_owned(), path.resource.to_owned(), namespace, name.to_owned())
    }

    /// The name that a list or watch selects, if others will not come instead.
    fn selected(&self, path: &ResourcePath<'_>, uri: &Uri) -> Option<String> {
        let query = uri.query().unwrap_or_default();
        let (_, selector) =
            form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "fieldSelector")?;
        let name = selector.split(',').find_map(|field| field.strip_prefix("metadata.name="))?;
        self.0.contains(&Self::key(path, name)).then(|| name.to_owned())
    }
}

/// What is wanted in one scope.
#[derive(Default)]
struct Wanted {
    /// Verbs, by group and resource, and then by name; without a name they hold for all.
    resources: BTreeMap<(String, String), BTreeMap<Option<String>, BTreeSet<String>>>,
    /// Verbs, by path.
    paths: BTreeMap<String, BTreeSet<String>>,
}

impl Wanted {
    fn writes_roles(&self) -> bool {
        let mut written = self.resources.iter().filter(|((group, _), _)| group == GROUP);
        written.any(|(_, names)| {
            names.values().flatten().any(|verb| matches!(verb.as_str(), "create" | "patch" | "update"))
        })
    }
}

fn want(need: &Need, method: &Method, uri: &Uri, known: &Known, scopes: &mut BTreeMap<Scope, Wanted>) {
    let Some(path) = ResourcePath::parse(uri.path()) else {
        let is_public = |public: &&&str| {
            uri.path().strip_prefix(**public).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if PUBLIC_PATHS.iter().find(is_public).is_none() {
            let verbs = scopes.entry(None).or_default().paths.entry(uri.path().to_owned()).or_default();
            verbs.insert(method.as_str().to_ascii_lowercase());
        }
        return;
    };
    if PUBLIC_REVIEWS.contains(&path.resource) {
        return;
    }
    let verb = need.access.verb.as_str();
    let mut verbs = vec![verb];
    if path.is_way_in() && method == Method::GET {
        // Until Kubernetes 1.34 a websocket needs `get`, since 1.35 `create`, too.
        verbs.push("get");
    }
    if matches!(verb, "patch" | "update") && need.status == Some(201) {
        // It made the object, which the server asks about by its name, too.
        verbs.push("create");
    }
    let name = match verb {
        "list" | "watch" => known.selected(&path, uri),
        _ if need.pattern.is_some() => None,
        _ => path.name.map(str::to_owned),
    };
    let resource = match path.subresource {
        Some(subresource) => format!("{}/{subresource}", path.resource),
        None => path.resource.to_owned(),
    };
    // The object of a namespace's own path is no object of a namespace.
    let scope = path.namespace.map(str::to_owned);
    let names =
        scopes.entry(scope).or_default().resources.entry((path.group.to_owned(), resource)).or_default();
    names.entry(name).or_default().extend(verbs.into_iter().map(str::to_owned));
}

/// One rule, over resources of one group.
struct Rule {
    group: String,
    resources: BTreeSet<String>,
    /// None: all.
    names: BTreeSet<String>,
    verbs: BTreeSet<String>,
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{{ apiGroups: [{:?}], resources: [{}]", self.group, list(&self.resources))?;
        if !self.names.is_empty() {
            write!(f, ", resourceNames: [{}]", list(&self.names))?;
        }
        write!(f, ", verbs: [{}] }}", list(&self.verbs))
    }
}

/// What is wanted as few rules: names with the same verbs together, resources with the same names and verbs together.
fn rules(wanted: &Wanted) -> Vec<Rule> {
    type Alike = (String, BTreeSet<String>, BTreeSet<String>);
    let mut alike: BTreeMap<Alike, BTreeSet<String>> = BTreeMap::new();
    for ((group, resource), names) in &wanted.resources {
        let nothing = BTreeSet::new();
        let of_all = names.get(&None).unwrap_or(&nothing);
        let mut by_verbs: BTreeMap<BTreeSet<String>, BTreeSet<String>> = BTreeMap::new();
        for (name, verbs) in names {
            let Some(name) = name else { continue };
            let verbs: BTreeSet<String> = verbs - of_all;
            if !verbs.is_empty() {
                by_verbs.entry(verbs).or_default().insert(name.clone());
            }
        }
        if !of_all.is_empty() {
            alike
                .entry((group.clone(), BTreeSet::new(), of_all.clone()))
                .or_default()
                .insert(resource.clone());
        }
        for (verbs, names) in by_verbs {
            alike.entry((group.clone(), names, verbs)).or_default().insert(resource.clone());
        }
    }
    let rules = alike.into_iter();
    rules.map(|((group, names, verbs), resources)| Rule { group, resources, names, verbs }).collect()
}

/// The role of a scope, and its binding.
fn documents(scope: Option<&str>, wanted: &Wanted, name: &str, subject: &Subject) -> String {
    let kind = if scope.is_some() { "Role" } else { "ClusterRole" };
    let metadata = match scope {
        Some(namespace) => format!("{{ name: {name}, namespace: {namespace} }}"),
        None => format!("{{ name: {name} }}"),
    };
    let mut text = format!("---\napiVersion: {GROUP}/v1\nkind: {kind}\nmetadata: {metadata}\nrules:\n");
    for rule in rules(wanted) {
        let _ = writeln!(text, "- {rule}");
    }
    for (path, verbs) in &wanted.paths {
        let _ = writeln!(text, "- {{ nonResourceURLs: [{}], verbs: [{}] }}", scalar(path), list(verbs));
    }
    let _ = write!(
        text,
        "---\napiVersion: {GROUP}/v1\nkind: {kind}Binding\nmetadata: {metadata}\n\
         roleRef: {{ apiGroup: {GROUP}, kind: {kind}, name: {name} }}\nsubjects:\n- {}\n",
        subject.yaml()
    );
    text
}

fn list(words: &BTreeSet<String>) -> String {
    words.iter().map(|word| scalar(word)).collect::<Vec<_>>().join(", ")
}

/// A word of YAML: bare where it can only be read as text.
fn scalar(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-./".contains(&byte);
    let begins = word.starts_with(|c: char| c.is_ascii_alphabetic());
    let means_more = matches!(
        word.to_ascii_lowercase().as_str(),
        "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n"
    );
    if begins && word.bytes().all(plain) && !means_more { word.to_owned() } else { format!("{word:?}") }
}

#[cfg(test)]
mod tests {
    use opsrun_core::Target;

    use super::*;

    fn need(method: &str, uri: &str) -> Need {
        let request = http::Request::builder().method(method).uri(uri).body(()).expect("a request");
        let (parts, ()) = request.into_parts();
        let access = crate::access::of(&parts);
        Need { access, request: Some((parts.method, parts.uri)), status: Some(200), pattern: None }
    }

    fn made_up(method: &str, uri: &str) -> Need {
        Need { pattern: Some("x-*".into()), ..need(method, uri) }
    }

    fn text_of(needs: &[Need], subject: Option<&str>) -> Result<String> {
        let target = Target::default();
        rbac(needs, &Grantee { name: "opsrun-deploy", target: &target, subject }).map(|policy| policy.text)
    }

    fn rules_of(needs: &[Need]) -> Vec<String> {
        let text = text_of(needs, None).expect("the subject is the usual one");
        text.lines()
            .filter(|line| line.starts_with("- { api") || line.starts_with("- { non"))
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn roles_hold_where_the_objects_are_and_are_bound_to_the_subject() {
        let needs = [need("GET", "/api/v1/namespaces/p/pods"), need("GET", "/api/v1/nodes")];
        let text = text_of(&needs, Some("user:ann@shop.test")).expect("a subject");
        assert_eq!(
            text,
            r#"---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: { name: opsrun-deploy }
rules:
- { apiGroups: [""], resources: [nodes], verbs: [list] }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: opsrun-deploy }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: opsrun-deploy }
subjects:
- { kind: User, name: "ann@shop.test", apiGroup: rbac.authorization.k8s.io }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: { name: opsrun-deploy, namespace: p }
rules:
- { apiGroups: [""], resources: [pods], verbs: [list] }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: { name: opsrun-deploy, namespace: p }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: Role, name: opsrun-deploy }
subjects:
- { kind: User, name: "ann@shop.test", apiGroup: rbac.authorization.k8s.io }
"#
        );
        for wrong in ["ann", "user:", "serviceaccount:opsrun", "robot:x"] {
            let error = text_of(&needs, Some(wrong)).expect_err(wrong).report();
            assert!(
                error.contains(&format!("`{wrong}` is not a subject")) && error.contains("user:NAME"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_rule_is_scoped_by_name_where_the_server_asks_by_name() {
        let one = |method: &str, uri: &str| rules_of(&[need(method, uri)]).pop().unwrap_or_default();
        let apps = "/apis/apps/v1/namespaces/p/deployments";
        for (method, uri, expected) in [
            (
                "GET",
                format!("{apps}/api"),
                r#"- { apiGroups: ["apps"], resources: [deployments], resourceNames: [api], verbs: [get] }"#,
            ),
            (
                "POST",
                apps.to_owned(),
                r#"- { apiGroups: ["apps"], resources: [deployments], verbs: [create] }"#,
            ),
            (
                "GET",
                format!("{apps}?watch=1"),
                r#"- { apiGroups: ["apps"], resources: [deployments], verbs: [watch] }"#,
            ),
            (
                "DELETE",
                apps.to_owned(),
                r#"- { apiGroups: ["apps"], resources: [deployments], verbs: [deletecollection] }"#,
            ),
            (
                "PATCH",
                format!("{apps}/api/scale"),
                r#"- { apiGroups: ["apps"], resources: [deployments/scale], resourceNames: [api], verbs: [patch] }"#,
            ),
            (
                "GET",
                "/api/v1/namespaces/p/pods/a/exec?command=id".to_owned(),
                r#"- { apiGroups: [""], resources: [pods/exec], resourceNames: [a], verbs: [create, get] }"#,
            ),
            ("GET", "/metrics".to_owned(), r#"- { nonResourceURLs: ["/metrics"], verbs: [get] }"#),
            ("GET", "/version".to_owned(), ""),
            ("GET", "/apis/apps/v1".to_owned(), ""),
            ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews".to_owned(), ""),
        ] {
            assert_eq!(one(method, &uri), expected, "{method} {uri}");
        }
    }

    #[test]
    fn an_apply_that_made_something_needs_to_create_it() {
        let applied = need("PATCH", "/api/v1/namespaces/p/configmaps/a?fieldManager=opsrun");
        let made = Need { status: Some(201), ..applied.clone() };
        let rule = |verbs: &str| {
            vec![format!(
                r#"- {{ apiGroups: [""], resources: [configmaps], resourceNames: [a], verbs: [{verbs}] }}"#
            )]
        };
        assert_eq!(rules_of(std::slice::from_ref(&applied)), rule("patch"));
        assert_eq!(rules_of(&[applied, made]), rule("create, patch"));
    }

    #[test]
    fn names_that_are_made_up_scope_nothing_and_cover_the_others() {
        let jobs = "/apis/batch/v1/namespaces/p/jobs";
        assert_eq!(
            rules_of(&[
                made_up("GET", &format!("{jobs}/x-1")),
                need("GET", &format!("{jobs}/fixed")),
                need("DELETE", &format!("{jobs}/fixed")),
            ]),
            [
                r#"- { apiGroups: ["batch"], resources: [jobs], verbs: [get] }"#,
                r#"- { apiGroups: ["batch"], resources: [jobs], resourceNames: [fixed], verbs: [delete] }"#,
            ]
        );
    }

    #[test]
    fn a_list_of_one_object_is_scoped_if_its_name_is_known_to_stay() {
        let deployments = "/apis/apps/v1/namespaces/p/deployments";
        let watch = need("GET", &format!("{deployments}?watch=1&fieldSelector=metadata.name%3Dapi"));
        assert_eq!(
            rules_of(std::slice::from_ref(&watch)),
            [r#"- { apiGroups: ["apps"], resources: [deployments], verbs: [watch] }"#]
        );
        assert_eq!(
            rules_of(&[watch, need("GET", &format!("{deployments}/api"))]),
            [
                r#"- { apiGroups: ["apps"], resources: [deployments], resourceNames: [api], verbs: [get, watch] }"#
            ]
        );
    }

    #[test]
    fn a_refusal_names_the_rule_that_is_missing_unless_it_is_about_something_else() {
        let status = |message: &str, name: &str| -> Status {
            let status = serde_json::json!({ "message": message, "details": { "name": name } });
            serde_json::from_value(status).expect("a Status")
        };
        for (message, name, expected) in [
            (
                r#"deployments.apps "api" is forbidden: User "robot" cannot patch resource "deployments" in API group "apps" in the namespace "prod""#,
                "api",
                Some(
                    r#"{ apiGroups: ["apps"], resources: [deployments], resourceNames: [api], verbs: [patch] } in a Role of `prod`"#,
                ),
            ),
            (
                r#"nodes is forbidden: User "robot" cannot list resource "nodes" in API group "" at the cluster scope"#,
                "",
                Some(r#"{ apiGroups: [""], resources: [nodes], verbs: [list] } in a ClusterRole"#),
            ),
            (
                r#"forbidden: User "robot" cannot get path "/metrics""#,
                "",
                Some(r#"{ nonResourceURLs: ["/metrics"], verbs: [get] } in a ClusterRole"#),
            ),
            (
                r#"pods "a" is forbidden: exceeded quota: few, requested: pods=1, used: pods=2, limited: pods=2"#,
                "a",
                None,
            ),
        ] {
            assert_eq!(missing_rule(&status(message, name)).as_deref(), expected, "{message}");
        }
    }
}
