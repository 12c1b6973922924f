//! What `doctor` says about a target's cluster.

use http::Method;
use opsrun_core::{Cx, Error, Finding};
use serde_json::{Value, json};

use crate::client::{Client, Parameters, body};
use crate::object::Object;

/// The first version whose discovery says everything at once.
const OLDEST: u64 = 27;

/// What playbooks mostly do in a namespace: verb, API group, resource.
const USUAL: [(&str, &str, &str); 8] = [
    ("list", "", "pods"),
    ("get", "", "pods/log"),
    ("list", "", "events"),
    ("get", "apps", "deployments"),
    ("patch", "apps", "deployments"),
    ("create", "batch", "jobs"),
    ("patch", "", "configmaps"),
    ("create", "", "secrets"),
];

/// Which cluster, whether it answers, which version, as whom, whether the namespace exists, and what may be done in it.
pub(crate) async fn cluster(cx: &Cx) -> Vec<Finding> {
    let mut findings = Vec::new();
    let client = match Client::new(cx) {
        Ok(client) => client,
        Err(error) => return vec![finding("configuration", Err(error))],
    };
    findings.push(finding("cluster", Ok(format!("{} at {}", client.described(), client.server()))));
    let version = version(&client).await;
    let answers = version.is_ok();
    findings.push(finding("version", version));
    if !answers {
        return findings;
    }
    findings.push(finding("user", whoami(&client).await));
    findings.push(finding("namespace", namespace(&client).await));
    findings.push(finding("permissions", permissions(&client).await));
    findings
}

async fn version(client: &Client) -> Result<String, Error> {
    let version = client.version().await?;
    match minor(&version) {
        Some(minor) if minor < OLDEST => Err(Error::failed(format!(
            "{version} is too old: 1.{OLDEST} or later is needed"
        ))
        .hint("upgrade the cluster; what opsrun asks for the kinds that it serves, it does not know yet")),
        _ => Ok(version),
    }
}

/// Of `v1.34.4`: 34. Who names it otherwise knows why.
fn minor(version: &str) -> Option<u64> {
    version.strip_prefix("v1.")?.split('.').next()?.parse().ok()
}

async fn whoami(client: &Client) -> Result<String, Error> {
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let review = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview" });
    let none = Parameters::default();
    let (_, answer) =
        client.send(Method::POST, path, &none, Some(body(&review)), "asking who we are").await?;
    Ok(answer.text("/status/userInfo/username").to_owned())
}

async fn namespace(client: &Client) -> Result<String, Error> {
    let kind = client.kind_of("v1", "Namespace").await?;
    let at = client.place(kind, None, client.namespace());
    match client.find(&at).await? {
        Some(_) => Ok(format!("`{}` exists", at.name)),
        None => Err(Error::not_found(format!("`{}` does not exist", at.name))
            .hint("create it, or name another in the target's `k8s` section")),
    }
}

/// What a playbook needs only its author knows: what is not allowed is told, and wrong only where nothing is.
async fn permissions(client: &Client) -> Result<String, Error> {
    let path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
    let review = json!({ "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview",
                         "spec": { "namespace": client.namespace() } });
    let none = Parameters::default();
    let (_, answer) =
        client.send(Method::POST, path, &none, Some(body(&review)), "asking what is allowed").await?;
    let rules = answer.items("/status/resourceRules");
    let denied: Vec<String> = USUAL
        .iter()
        .filter(|usual| !rules.iter().any(|rule| allows(rule, usual)))
        .map(|(verb, _, resource)| format!("{verb} {resource}"))
        .collect();
    let namespace = client.namespace();
    match denied.len() {
        0 => Ok(format!("`{namespace}` can be read and written")),
        count if count == USUAL.len() => Err(Error::failed(format!(
            "nothing may be done in `{namespace}`: not even {}",
            denied.join(", ")
        ))
        .hint(format!("the user of {} needs a Role and a RoleBinding there", client.described()))),
        _ => Ok(format!("in `{namespace}` it may not {}", denied.join(", "))),
    }
}

fn allows(rule: &Value, (verb, group, resource): &(&str, &str, &str)) -> bool {
    let has = |key: &str, wanted: &str| {
        let mut words = rule.items(key).iter().filter_map(Value::as_str);
        words.any(|word| word == "*" || word == wanted)
    };
    // A rule for some names only says nothing about the rest.
    has("/verbs", verb)
        && has("/apiGroups", group)
        && has("/resources", resource)
        && rule.items("/resourceNames").is_empty()
}

fn finding(what: &str, found: Result<String, Error>) -> Finding {
    Finding { what: format!("kubernetes: {what}"), found: found.map_err(|error| error.report()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_allows_what_it_names_and_everything_with_a_star() {
        let rule = |verbs: &[&str], groups: &[&str], resources: &[&str], names: &[&str]| json!({ "verbs": verbs, "apiGroups": groups, "resources": resources, "resourceNames": names });
        let wanted = ("patch", "apps", "deployments");
        for (rule, expected) in [
            (rule(&["*"], &["*"], &["*"], &[]), true),
            (rule(&["get", "patch"], &["apps"], &["deployments"], &[]), true),
            (rule(&["get"], &["apps"], &["deployments"], &[]), false),
            (rule(&["patch"], &[""], &["deployments"], &[]), false),
            (rule(&["patch"], &["apps"], &["deployments/scale"], &[]), false),
            (rule(&["patch"], &["apps"], &["deployments"], &["web"]), false),
        ] {
            assert_eq!(allows(&rule, &wanted), expected, "{rule}");
        }
    }

    #[test]
    fn a_version_is_read_from_what_servers_call_themselves() {
        for (version, expected) in [
            ("v1.34.4", Some(34)),
            ("v1.26.15-gke.100", Some(26)),
            ("v1.30.0+k3s1", Some(30)),
            ("v0.0.0-master", None),
        ] {
            assert_eq!(minor(version), expected, "{version}");
        }
    }
}
