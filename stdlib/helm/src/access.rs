//! A request to a repository or a registry in the gate's words: `helm pull charts.example.com/index.yaml`,
//! `helm push registry.example.com/charts/web/1.2.3`.

use http::request::Parts;
use opsrun_core::{Access, Effect};

use crate::SYSTEM;
use crate::repository::authority;

pub(crate) const PULL: &str = "pull";
pub(crate) const PUSH: &str = "push";

/// The resource is host and path; of a registry the path of the chart, and the name is the tag where one is asked for.
pub(crate) fn of(request: &Parts) -> Access {
    let path = request.uri.path();
    let (path, tag) = of_registry(path).unwrap_or((path.trim_start_matches('/'), None));
    let is_read = request.method.is_safe();
    Access {
        system: SYSTEM.into(),
        verb: if is_read { PULL } else { PUSH }.into(),
        resource: format!("{}/{path}", authority(&request.uri)),
        name: tag.map(Into::into),
        namespace: None,
        effect: if is_read { Effect::Read } else { Effect::Write },
    }
}

/// The chart's path in a path of the distribution specification, and the tag.
fn of_registry(path: &str) -> Option<(&str, Option<&str>)> {
    let rest = path.strip_prefix("/v2/")?;
    for part in ["/manifests/", "/blobs/", "/tags/"] {
        if let Some((name, reference)) = rest.rsplit_once(part) {
            let is_tag = part == "/manifests/" && !reference.contains(':');
            return Some((name, is_tag.then_some(reference)));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use http::{Method, Request};

    use super::*;

    #[test]
    fn a_request_is_a_pull_or_a_push_of_host_and_path() {
        for (method, uri, expected) in [
            (
                Method::GET,
                "https://charts.example.com/stable/index.yaml?x=1",
                "helm pull charts.example.com/stable/index.yaml",
            ),
            (
                Method::GET,
                "https://r.example.com/v2/charts/web/manifests/1.2.3",
                "helm pull r.example.com/charts/web/1.2.3",
            ),
            (
                Method::GET,
                "http://r.example.com:5000/v2/charts/web/tags/list",
                "helm pull r.example.com:5000/charts/web",
            ),
            (
                Method::HEAD,
                "https://r.example.com/v2/charts/web/blobs/sha256:00",
                "helm pull r.example.com/charts/web",
            ),
            (
                Method::POST,
                "https://r.example.com/v2/charts/web/blobs/uploads/",
                "helm push r.example.com/charts/web",
            ),
            (
                Method::PUT,
                "https://r.example.com/v2/charts/web/blobs/uploads/u?digest=x",
                "helm push r.example.com/charts/web",
            ),
            (
                Method::PUT,
                "https://r.example.com/v2/charts/web/manifests/1.2.3",
                "helm push r.example.com/charts/web/1.2.3",
            ),
            (
                Method::DELETE,
                "https://r.example.com/v2/charts/web/manifests/sha256:00",
                "helm push r.example.com/charts/web",
            ),
            (Method::GET, "https://auth.example.com/token?scope=x", "helm pull auth.example.com/token"),
        ] {
            let (parts, ()) = Request::builder().method(method).uri(uri).body(()).expect(uri).into_parts();
            assert_eq!(of(&parts).to_string(), expected);
        }
    }
}
