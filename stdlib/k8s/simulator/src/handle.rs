//! A request's way in: who sends it, what its path names, and the headers every answer carries.
//! Resource paths go to `rest`, the others are answered here or in `discovery`.

use bytes::Bytes;
use http::{HeaderValue, Method, Response};
use serde_json::json;

use crate::access;
use crate::cluster::Cluster;
use crate::context::random_uid;
use crate::discovery;
use crate::openapi;
use crate::reply::{self, Reply};
use crate::request::{Request, Route};
use crate::status::{Result, Status};

/// Larger bodies are refused.
const BODY_LIMIT: usize = 3 * 1024 * 1024;

impl Cluster {
    /// Answers a request. Watches and loops hear of what it wrote before this returns.
    pub fn handle(&mut self, request: http::Request<Bytes>) -> Reply {
        let request = Request::from(request);
        let mut reply = match self.route(&request) {
            Ok(reply) => reply,
            Err(status) => Reply::Response(reply::refusal(&request, &status)),
        };
        self.deliver();
        let audit = random_uid(&mut self.rng);
        let headers = match &mut reply {
            Reply::Response(response) | Reply::Later { response, .. } => response.headers_mut(),
            Reply::Stream { head, .. } => head.headers_mut(),
            Reply::Session { .. } => return reply,
        };
        for (name, value) in [
            ("audit-id", audit.as_str()),
            ("x-kubernetes-pf-flowschema-uid", "c0ffee00-0000-4000-8000-000000000001"),
            ("x-kubernetes-pf-prioritylevel-uid", "c0ffee00-0000-4000-8000-000000000002"),
        ] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        reply
    }

    fn route(&mut self, request: &Request) -> Result<Reply> {
        let author = access::author(request);
        if request.body.len() > BODY_LIMIT {
            let message = format!("Request entity too large: limit is {BODY_LIMIT}");
            return Err(Status::new(413, "RequestEntityTooLarge", message));
        }
        if let Route::Resource(target) = Route::of(&request.path) {
            if !self.registry.version_is_served(&target.group, &target.version) {
                // The server of custom resources knows only versions that are served.
                let own =
                    self.registry.iter().any(|s| s.resource.group == target.group && !s.resource.custom);
                return match own {
                    true => Err(Status::no_such_resource()),
                    false => Ok(Reply::Response(page_not_found())),
                };
            }
            if matches!(request.method, Method::HEAD | Method::OPTIONS) {
                return Err(Status::method_not_allowed());
            }
            return self.resource(request, &target, &author);
        }
        access::check_path(self, request, &author)?;
        Ok(Reply::Response(self.path(request)?))
    }

    fn path(&self, request: &Request) -> Result<Response<Bytes>> {
        let path = request.path.trim_end_matches('/');
        if let Some(response) = discovery::answer(self, request, path)? {
            return Ok(response);
        }
        if let Some(response) = openapi::answer(self, request, path) {
            return Ok(response);
        }
        let (root, check) = path
            .strip_prefix('/')
            .and_then(|p| p.split_once('/'))
            .unwrap_or((path.trim_start_matches('/'), ""));
        if matches!(root, "healthz" | "livez" | "readyz") {
            return Ok(health(request, root, check));
        }
        Ok(match path {
            "/version" => reply::object(crate::media::Media::JSON, 200, &version()),
            "" => reply::object(crate::media::Media::JSON, 200, &self.paths()),
            _ => page_not_found(),
        })
    }

    /// The index of `/`.
    fn paths(&self) -> serde_json::Value {
        let mut paths: Vec<String> =
            ["/api", "/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"]
                .map(str::to_owned)
                .to_vec();
        for served in self.registry.iter() {
            let resource = &served.resource;
            if resource.group.is_empty() {
                paths.push(format!("/api/{}", resource.version));
            } else {
                paths.push(format!("/apis/{}", resource.group));
                paths.push(format!("/apis/{}/{}", resource.group, resource.version));
            }
        }
        paths.sort();
        paths.dedup();
        json!({"paths": paths})
    }
}

fn version() -> serde_json::Value {
    json!({
        "major": "1", "minor": "34",
        "emulationMajor": "1", "emulationMinor": "34",
        "minCompatibilityMajor": "1", "minCompatibilityMinor": "33",
        "gitVersion": "v1.34.4", "gitCommit": "0000000000000000000000000000000000000000", "gitTreeState": "clean",
        "buildDate": "2026-02-10T00:00:00Z", "goVersion": "go1.24.13", "compiler": "gc", "platform": "linux/amd64",
    })
}

/// What the three health endpoints check, one path each.
const CHECKS: [&str; 4] = ["ping", "log", "etcd", "informer-sync"];

fn health(request: &Request, root: &str, check: &str) -> Response<Bytes> {
    const PLAIN: &str = "text/plain; charset=utf-8";
    if !check.is_empty() {
        return if CHECKS.contains(&check) { reply::text(200, PLAIN, "ok") } else { page_not_found() };
    }
    if !request.query.flag("verbose") {
        return reply::text(200, PLAIN, "ok");
    }
    let excluded: Vec<&str> = request.query.all("exclude").collect();
    let mut lines: Vec<String> = CHECKS
        .iter()
        .map(|check| match excluded.contains(check) {
            true => format!("[+]{check} excluded: ok"),
            false => format!("[+]{check} ok"),
        })
        .collect();
    lines.push(format!("{root} check passed\n"));
    reply::text(200, PLAIN, lines.join("\n"))
}

pub(crate) fn page_not_found() -> Response<Bytes> {
    reply::text(404, "text/plain; charset=utf-8", "404 page not found\n")
}
