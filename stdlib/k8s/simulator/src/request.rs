//! A request taken apart: which resource, which object, what is asked, by whom.
//! It knows the shape of paths and parameters, not what is served.

use bytes::Bytes;
use http::{HeaderMap, Method};

/// A request to the server, its body complete.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    /// The path, decoded segment by segment where needed.
    pub path: String,
    pub query: Query,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl From<http::Request<Bytes>> for Request {
    fn from(request: http::Request<Bytes>) -> Self {
        let (parts, body) = request.into_parts();
        Self {
            method: parts.method,
            path: parts.uri.path().to_owned(),
            query: Query::parse(parts.uri.query().unwrap_or_default()),
            headers: parts.headers,
            body,
        }
    }
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Query parameters, in order, decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Go's rules: a parameter with a bare `;` or a bad escape is dropped.
    pub fn parse(text: &str) -> Self {
        let pairs =
            text.split('&').filter(|part| !part.is_empty() && !part.contains(';')).filter_map(|part| {
                let (key, value) = part.split_once('=').unwrap_or((part, ""));
                Some((unescape(key, true)?, unescape(value, true)?))
            });
        Self(pairs.collect())
    }

    /// The first value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The value, unless it is empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// A boolean as `runtime.Convert_Slice_string_To_bool` reads it: anything given but `0` and `false` is true.
    pub fn flag(&self, name: &str) -> bool {
        match self.get(name) {
            None => false,
            Some(value) => !matches!(value.to_ascii_lowercase().as_str(), "0" | "false"),
        }
    }
}

/// Percent-decoding; `plus` turns `+` into a space. `None` on a bad escape or text that is not UTF-8.
pub fn unescape(text: &str, plus: bool) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let high = (bytes.next()? as char).to_digit(16)?;
                let low = (bytes.next()? as char).to_digit(16)?;
                out.push(u8::try_from(high * 16 + low).ok()?);
            }
            b'+' if plus => out.push(b' '),
            other => out.push(other),
        }
    }
    String::from_utf8(out).ok()
}

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// `/api/v1/…` and `/apis/GROUP/VERSION/…`
    Resource(Target),
    /// Anything else.
    Other,
}

/// A resource path taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Empty for core.
    pub group: String,
    pub version: String,
    pub namespace: Option<String>,
    pub resource: String,
    pub name: Option<String>,
    pub subresource: Option<String>,
    /// The old `/watch/` prefix.
    pub watch: bool,
}

impl Route {
    pub fn of(path: &str) -> Self {
        Self::resource(path).map_or(Self::Other, Self::Resource)
    }

    fn resource(path: &str) -> Option<Target> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut parts = path
            .strip_prefix('/')?
            .split('/')
            .map(|part| unescape(part, false))
            .collect::<Option<Vec<_>>>()?
            .into_iter();
        let group = match parts.next()?.as_str() {
            "api" => String::new(),
            "apis" => parts.next()?,
            _ => return None,
        };
        let version = parts.next()?;
        let mut rest: Vec<String> = parts.collect();
        let watch = rest.first().is_some_and(|part| part == "watch");
        if watch {
            rest.remove(0);
        }
        let mut rest = rest.into_iter();
        let mut resource = rest.next()?;
        let mut namespace = None;
        let mut after: Vec<String> = rest.collect();
        // `namespaces/x/status` and `/finalize` are of the namespace itself.
        let of_namespace = after.len() == 2 && matches!(after[1].as_str(), "status" | "finalize");
        if resource == "namespaces" && after.len() >= 2 && !of_namespace {
            namespace = Some(after.remove(0));
            resource = after.remove(0);
        }
        let mut after = after.into_iter();
        let name = after.next();
        let subresource: Vec<String> = after.collect();
        let subresource = (!subresource.is_empty()).then(|| subresource.join("/"));
        Some(Target { group, version, namespace, resource, name, subresource, watch })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(path: &str) -> Target {
        match Route::of(path) {
            Route::Resource(target) => target,
            Route::Other => panic!("{path} is no resource path"),
        }
    }

    #[test]
    fn paths_name_resources() {
        let pods = target("/api/v1/namespaces/a/pods/p/log");
        assert_eq!((pods.namespace.as_deref(), pods.resource.as_str()), (Some("a"), "pods"));
        assert_eq!((pods.name.as_deref(), pods.subresource.as_deref()), (Some("p"), Some("log")));
        let namespace = target("/api/v1/namespaces/a/status");
        assert_eq!((namespace.resource.as_str(), namespace.name.as_deref()), ("namespaces", Some("a")));
        assert_eq!(target("/apis/apps/v1/deployments/").name, None);
        assert_eq!(Route::of("/version"), Route::Other);
        assert_eq!(Route::of("/apis/apps/v1"), Route::Other);
    }

    #[test]
    fn a_parameter_with_a_bare_semicolon_is_dropped() {
        let query = Query::parse("command=a;b&command=c%3Bd&tty=1&x");
        assert_eq!(query.all("command").collect::<Vec<_>>(), ["c;d"]);
        assert!(query.flag("tty") && query.flag("x") && !query.flag("y"));
    }
}
