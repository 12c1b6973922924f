//! A request in the gate's words: `http POST hooks.slack.com/services/x`.

use http::Method;
use http::request::Parts;
use opsrun_core::{Access, Effect};

/// The resource is the host, with the port where it is not the scheme's own; the name is the path.
pub(crate) fn of(request: &Parts) -> Access {
    let uri = &request.uri;
    let host = uri.host().unwrap_or_default();
    let usual = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    let resource = match uri.port_u16() {
        Some(port) if port != usual => format!("{host}:{port}"),
        _ => host.to_owned(),
    };
    let path = uri.path().trim_start_matches('/');
    Access {
        system: "http".into(),
        verb: request.method.to_string(),
        resource,
        name: (!path.is_empty()).then(|| path.to_owned()),
        namespace: None,
        effect: if is_read(&request.method) { Effect::Read } else { Effect::Write },
    }
}

/// Safe methods, as RFC 9110 calls them.
fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE)
}
