//! What a request to a Kubernetes API server asks for, in the words of its RBAC rules, read off method and path.
//! It assumes the path conventions of the Kubernetes API and knows no kind in particular.

use http::Method;
use http::request::Parts;
use opsrun_core::{Access, Effect};

/// Those of RBAC, and HTTP's for what is no resource.
pub(crate) const VERBS: &[&str] = &[
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "post",
    "put",
    "head",
    "options",
];

/// Goes with a request that creates: its path does not say what.
#[derive(Debug, Clone)]
pub(crate) struct Created(pub String);

/// `GET /apis/apps/v1/namespaces/prod/deployments/api` is `get deployments/api in prod`.
pub(crate) fn of(request: &Parts) -> Access {
    let query = Query::of(request.uri.query().unwrap_or_default());
    let Some(path) = ResourcePath::parse(request.uri.path()) else {
        return non_resource(&request.method, request.uri.path());
    };
    let verb = verb(&request.method, &path, &query);
    let effect = if matches!(verb, "get" | "list" | "watch") || query.dry_run || path.is_review() {
        Effect::Read
    } else {
        Effect::Write
    };
    let resource = match path.subresource {
        Some(subresource) => format!("{}/{subresource}", path.resource),
        None => path.resource.to_owned(),
    };
    Access {
        system: crate::SYSTEM.to_owned(),
        verb: verb.to_owned(),
        resource,
        name: path
            .name
            .map(str::to_owned)
            .or_else(|| request.extensions.get().map(|Created(name)| name.clone())),
        namespace: path.namespace.map(str::to_owned),
        effect,
    }
}

/// The parts of `/apis/GROUP/VERSION/namespaces/NAMESPACE/RESOURCE/NAME/SUBRESOURCE`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ResourcePath<'p> {
    /// Empty for the core group.
    pub group: &'p str,
    pub namespace: Option<&'p str>,
    pub resource: &'p str,
    pub name: Option<&'p str>,
    pub subresource: Option<&'p str>,
}

impl<'p> ResourcePath<'p> {
    pub(crate) fn parse(path: &'p str) -> Option<Self> {
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let (group, rest) = match segments.as_slice() {
            ["api", _, rest @ ..] if !rest.is_empty() => ("", rest),
            ["apis", group, _, rest @ ..] if !rest.is_empty() => (*group, rest),
            _ => return None,
        };
        let path = |namespace, resource, rest: &[&'p str]| ResourcePath {
            group,
            namespace,
            resource,
            name: rest.first().copied(),
            subresource: rest.get(1).copied(),
        };
        Some(match rest {
            ["namespaces", name, "status" | "finalize"] => path(None, "namespaces", &[name, rest[2]]),
            ["namespaces", namespace, resource, rest @ ..] => path(Some(namespace), resource, rest),
            [resource, rest @ ..] => path(None, resource, rest),
            [] => return None,
        })
    }

    /// Asks what somebody may do, or who somebody is: nothing is stored.
    fn is_review(&self) -> bool {
        matches!(
            self.resource,
            "selfsubjectaccessreviews"
                | "selfsubjectrulesreviews"
                | "selfsubjectreviews"
                | "subjectaccessreviews"
                | "localsubjectaccessreviews"
                | "tokenreviews"
        )
    }

    /// A way into the container: whatever its method, something may be done there.
    pub(crate) fn is_way_in(&self) -> bool {
        matches!(self.subresource, Some("exec" | "attach" | "portforward" | "proxy"))
    }
}

struct Query {
    watch: bool,
    dry_run: bool,
}

impl Query {
    fn of(query: &str) -> Self {
        let mut found = Query { watch: false, dry_run: false };
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            match key.as_ref() {
                "watch" => found.watch = matches!(value.as_ref(), "true" | "1" | ""),
                "dryRun" => found.dry_run = value == "All",
                _ => {}
            }
        }
        found
    }
}

fn verb(method: &Method, path: &ResourcePath<'_>, query: &Query) -> &'static str {
    if path.is_way_in() {
        return "create";
    }
    match (method.as_str(), path.name) {
        ("GET" | "HEAD", Some(_)) => "get",
        ("GET" | "HEAD", None) if query.watch => "watch",
        ("GET" | "HEAD", None) => "list",
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        ("DELETE", Some(_)) => "delete",
        ("DELETE", None) => "deletecollection",
        // The server knows no other method; should it learn one, a grant for `*` is what it needs.
        _ => "unknown",
    }
}

fn non_resource(method: &Method, path: &str) -> Access {
    let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    Access {
        system: crate::SYSTEM.to_owned(),
        verb: method.as_str().to_ascii_lowercase(),
        resource: path.to_owned(),
        name: None,
        namespace: None,
        effect: if reads { Effect::Read } else { Effect::Write },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_told_in_rbac_words() {
        for (request, expected, effect) in [
            ("GET /version", "k8s get /version", Effect::Read),
            ("GET /apis/apps/v1", "k8s get /apis/apps/v1", Effect::Read),
            ("GET /api/v1/pods", "k8s list pods", Effect::Read),
            ("GET /api/v1/pods?watch=1", "k8s watch pods", Effect::Read),
            ("GET /api/v1/namespaces", "k8s list namespaces", Effect::Read),
            ("GET /api/v1/namespaces/prod", "k8s get namespaces/prod", Effect::Read),
            ("DELETE /api/v1/namespaces/prod", "k8s delete namespaces/prod", Effect::Write),
            ("PUT /api/v1/namespaces/prod/finalize", "k8s update namespaces/finalize/prod", Effect::Write),
            ("GET /api/v1/namespaces/prod/pods/", "k8s list pods in prod", Effect::Read),
            (
                "PATCH /apis/apps/v1/namespaces/prod/deployments/api?fieldManager=opsrun",
                "k8s patch deployments/api in prod",
                Effect::Write,
            ),
            (
                "PATCH /apis/apps/v1/namespaces/prod/deployments/api?dryRun=All",
                "k8s patch deployments/api in prod",
                Effect::Read,
            ),
            (
                "PATCH /apis/apps/v1/namespaces/prod/deployments/api/scale",
                "k8s patch deployments/scale/api in prod",
                Effect::Write,
            ),
            ("GET /api/v1/namespaces/p/pods/x/log?tailLines=5", "k8s get pods/log/x in p", Effect::Read),
            ("GET /api/v1/namespaces/p/pods/x/exec?command=id", "k8s create pods/exec/x in p", Effect::Write),
            ("DELETE /api/v1/namespaces/p/pods", "k8s deletecollection pods in p", Effect::Write),
            (
                "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                "k8s create selfsubjectaccessreviews",
                Effect::Read,
            ),
            (
                "POST /apis/cert-manager.io/v1/namespaces/p/certificates",
                "k8s create certificates in p",
                Effect::Write,
            ),
        ] {
            let (method, uri) = request.split_once(' ').expect("two words");
            let (parts, ()) =
                http::Request::builder().method(method).uri(uri).body(()).expect("a request").into_parts();
            let access = of(&parts);
            assert_eq!((access.to_string().as_str(), access.effect), (expected, effect), "{request}");
        }
    }
}
