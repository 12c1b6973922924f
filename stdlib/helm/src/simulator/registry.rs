//! A registry in memory, as far as the distribution specification has it that charts need: also what a plan lays over a real one.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Method, Response, StatusCode, Uri};
use http_body_util::Full;
use serde_json::json;

use crate::repository::{MANIFEST, digest_of};

/// What a registry holds, by path.
#[derive(Debug, Clone, Default)]
pub(super) struct Registry(BTreeMap<String, Repository>);

#[derive(Debug, Clone, Default)]
struct Repository {
    blobs: BTreeMap<String, Bytes>,
    manifests: BTreeMap<String, Bytes>,
    tags: BTreeMap<String, String>,
    uploads: usize,
}

impl Registry {
    pub(super) fn add(
        &mut self,
        path: &str,
        tag: &str,
        manifest: Bytes,
        blobs: impl IntoIterator<Item = Bytes>,
    ) {
        let repository = self.0.entry(path.to_owned()).or_default();
        repository.blobs.extend(blobs.into_iter().map(|blob| (digest_of(&blob), blob)));
        let digest = digest_of(&manifest);
        repository.manifests.insert(digest.clone(), manifest);
        repository.tags.insert(tag.to_owned(), digest);
    }

    /// Each tag, as `PATH:TAG`, with what it leads to.
    pub(super) fn tags(&self) -> impl Iterator<Item = (String, &str)> {
        self.0.iter().flat_map(|(path, repository)| {
            repository.tags.iter().map(move |(tag, digest)| (format!("{path}:{tag}"), digest.as_str()))
        })
    }

    /// Answers what is asked below `/v2/`; `None` if that is nothing of a chart.
    pub(super) fn answer(
        &mut self,
        method: &Method,
        uri: &Uri,
        content: Bytes,
    ) -> Option<Response<Full<Bytes>>> {
        let rest = uri.path().strip_prefix("/v2/")?;
        for part in ["/manifests/", "/blobs/uploads/", "/blobs/", "/tags/list"] {
            let Some((path, reference)) = rest.split_once(part) else { continue };
            let unknown =
                || error(StatusCode::NOT_FOUND, "NAME_UNKNOWN", "repository name not known to registry");
            let repository = match method.is_safe() {
                true => match self.0.get_mut(path) {
                    None => return Some(unknown()),
                    Some(known) => known,
                },
                false => self.0.entry(path.to_owned()).or_default(),
            };
            return Some(match part {
                "/manifests/" => repository.manifest(method, reference, content),
                "/blobs/uploads/" => repository.upload(path, method, uri.query(), content),
                "/blobs/" => match repository.blobs.get(reference) {
                    Some(blob) => found("application/octet-stream", reference, blob),
                    None => error(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", "blob unknown to registry"),
                },
                _ => {
                    let tags: Vec<&String> = repository.tags.keys().collect();
                    json_answer(StatusCode::OK, &json!({ "name": path, "tags": tags }))
                }
            });
        }
        None
    }
}

impl Repository {
    fn manifest(&mut self, method: &Method, reference: &str, content: Bytes) -> Response<Full<Bytes>> {
        let unknown = || error(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", "manifest unknown");
        let digest = self.tags.get(reference).map_or(reference, String::as_str).to_owned();
        match *method {
            Method::GET | Method::HEAD => match self.manifests.get(&digest) {
                Some(manifest) => found(MANIFEST, &digest, manifest),
                None => unknown(),
            },
            Method::PUT => {
                let digest = digest_of(&content);
                self.manifests.insert(digest.clone(), content);
                self.tags.insert(reference.to_owned(), digest.clone());
                with_digest(empty(StatusCode::CREATED), &digest)
            }
            Method::DELETE => {
                self.tags.retain(|_, to| *to != digest);
                match self.manifests.remove(&digest) {
                    Some(_) => empty(StatusCode::ACCEPTED),
                    None => unknown(),
                }
            }
            _ => error(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", "the operation is unsupported"),
        }
    }

    fn upload(
        &mut self,
        path: &str,
        method: &Method,
        query: Option<&str>,
        content: Bytes,
    ) -> Response<Full<Bytes>> {
        if method == Method::POST {
            self.uploads += 1;
            let mut answer = empty(StatusCode::ACCEPTED);
            if let Ok(to) = format!("/v2/{path}/blobs/uploads/{}", self.uploads).parse() {
                answer.headers_mut().insert(http::header::LOCATION, to);
            }
            return answer;
        }
        let digest = digest_of(&content);
        let expected =
            form_urlencoded::parse(query.unwrap_or_default().as_bytes()).find(|(key, _)| key == "digest");
        if expected.is_none_or(|(_, expected)| expected != digest) {
            return error(
                StatusCode::BAD_REQUEST,
                "DIGEST_INVALID",
                "provided digest did not match uploaded content",
            );
        }
        self.blobs.insert(digest.clone(), content);
        with_digest(empty(StatusCode::CREATED), &digest)
    }
}

fn found(kind: &'static str, digest: &str, content: &Bytes) -> Response<Full<Bytes>> {
    let mut answer = with_digest(Response::new(Full::new(content.clone())), digest);
    answer.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
    answer
}

fn with_digest(mut answer: Response<Full<Bytes>>, digest: &str) -> Response<Full<Bytes>> {
    if let Ok(digest) = digest.parse() {
        answer.headers_mut().insert("docker-content-digest", digest);
    }
    answer
}

pub(super) fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer
}

fn json_answer(status: StatusCode, content: &serde_json::Value) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from(content.to_string())));
    *answer.status_mut() = status;
    let kind = http::HeaderValue::from_static("application/json");
    answer.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    answer
}

pub(crate) fn errors(code: &str, message: &str) -> serde_json::Value {
    json!({ "errors": [{ "code": code, "message": message }] })
}

fn error(status: StatusCode, code: &str, message: &str) -> Response<Full<Bytes>> {
    json_answer(status, &errors(code, message))
}
