//! Reviews: questions about access and identity, sent as objects that are never stored.
//! The answers are `access`'s.

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use super::Call;
use super::create::manager;
use super::options::WriteOptions;
use crate::access::{Attempt, allows, rules};
use crate::cluster::Cluster;
use crate::context::{User, rfc3339, text};
use crate::media::Media;
use crate::reply;
use crate::shape::{self, Owner};
use crate::status::{Invalid, Result, Status};

pub(super) fn review(cluster: &mut Cluster, call: &Call<'_>) -> Result<Response<Bytes>> {
    let options = WriteOptions::of(&call.request.query, "CreateOptions", false)?;
    let decoded = shape::decode(&call.served, call.request, options.validation)?;
    let mut object = decoded.object;
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    let kind = call.served.resource.kind.as_str();
    if kind != "SelfSubjectRulesReview" {
        let author = manager(call.author, &options);
        let owner = Owner { manager: &author.manager, sub: None, now: cluster.now };
        shape::own(&cluster.registry, &call.served, None, &mut object, owner);
    }
    object["status"] = match kind {
        "SelfSubjectReview" => {
            object["metadata"]["creationTimestamp"] = rfc3339(cluster.now).into();
            json!({"userInfo": user_info(&call.author.user)})
        }
        "SelfSubjectRulesReview" => {
            let namespace = text(&object["spec"]["namespace"]).to_owned();
            let status = rules_status(cluster, &call.author.user, &namespace);
            object["spec"] = json!({});
            status
        }
        "TokenReview" => json!({"user": {}, "error": "[invalid bearer token]"}),
        _ => access(cluster, call, &object)?,
    };
    let mut response = reply::object(Media::of(call.request)?, 201, &object);
    reply::warn(response.headers_mut(), &decoded.warnings);
    Ok(response)
}

fn access(cluster: &Cluster, call: &Call<'_>, object: &Value) -> Result<Value> {
    let spec = &object["spec"];
    let (resource, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    if resource.is_object() == path.is_object() {
        let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        let wrong = if resource.is_object() {
            Invalid::value(
                "spec.nonResourceAttributes",
                path.clone(),
                "cannot be specified in combination with resourceAttributes",
            )
        } else {
            Invalid::value("spec.resourceAttributes", Value::Null, why)
        };
        return Err(Status::invalid(&call.served.resource.group, "", "", &[wrong]));
    }
    let field = |of: &Value, name: &str| text(&of[name]).to_owned();
    let attempt = if path.is_object() {
        Attempt::Path { verb: field(path, "verb"), path: field(path, "path") }
    } else {
        Attempt::Resource {
            verb: field(resource, "verb"),
            group: field(resource, "group"),
            resource: field(resource, "resource"),
            subresource: field(resource, "subresource"),
            namespace: field(resource, "namespace"),
            name: field(resource, "name"),
        }
    };
    let user = match call.served.resource.kind.as_str() {
        "SelfSubjectAccessReview" => call.author.user.clone(),
        _ => {
            let groups =
                spec["groups"].as_array().into_iter().flatten().map(|group| text(group).to_owned()).collect();
            let user = User { name: field(spec, "user"), uid: field(spec, "uid"), groups };
            if user.name.is_empty() && user.groups.is_empty() {
                let wrong =
                    Invalid::value("spec.user", "", "at least one of user or group must be specified");
                return Err(Status::invalid(&call.served.resource.group, "", "", &[wrong]));
            }
            user
        }
    };
    Ok(json!({"allowed": allows(cluster, &user, &attempt)}))
}

fn rules_status(cluster: &Cluster, user: &User, namespace: &str) -> Value {
    let mut granted = rules(cluster, user, namespace);
    if user.groups.iter().any(|group| group == "system:masters") {
        granted.push(json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}));
        granted.push(json!({"verbs": ["*"], "nonResourceURLs": ["*"]}));
    }
    let (paths, resources): (Vec<Value>, Vec<Value>) =
        granted.into_iter().partition(|rule| rule.get("nonResourceURLs").is_some());
    json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": false})
}

fn user_info(user: &User) -> Value {
    let mut info = json!({"username": user.name, "groups": user.groups});
    if !user.uid.is_empty() {
        info["uid"] = user.uid.clone().into();
    }
    info
}
