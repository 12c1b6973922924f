//! What `doctor` says about a target's cluster.

use http::Method;
use opsrun_core::{Cx, Error, Finding};
use serde_json::json;

use crate::client::{Client, Parameters, body};
use crate::object::Object;

/// Which cluster, whether it answers, which version, as whom, and whether the namespace exists.
pub(crate) async fn cluster(cx: &Cx) -> Vec<Finding> {
    let mut findings = Vec::new();
    let client = match Client::new(cx) {
        Ok(client) => client,
        Err(error) => return vec![finding("kubernetes: configuration", Err(error))],
    };
    findings
        .push(finding("kubernetes: cluster", Ok(format!("{} at {}", client.described(), client.server()))));
    let version = client.version().await;
    let answers = version.is_ok();
    findings.push(finding("kubernetes: version", version.map_err(Into::into)));
    if !answers {
        return findings;
    }
    findings.push(finding("kubernetes: user", whoami(&client).await));
    findings.push(finding("kubernetes: namespace", namespace(&client).await));
    findings
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

fn finding(what: &str, found: Result<String, Error>) -> Finding {
    Finding { what: what.to_owned(), found: found.map_err(|error| error.report()) }
}
