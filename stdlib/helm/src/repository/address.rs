//! Addresses: read, put together, and shown without what may be secret in them.

use http::Uri;
use http::uri::PathAndQuery;
use opsrun_core::{Error, Result};

/// An address of HTTP.
pub(super) fn parse(text: &str) -> Result<Uri> {
    // What comes before an `@` may be a password.
    let named = text.rsplit('@').next().unwrap_or_default();
    let uri: Uri =
        text.parse().map_err(|error| Error::invalid(format!("`{named}` is no address: {error}")))?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(host)) if !host.is_empty() && !text.contains('@') => Ok(uri),
        _ => Err(Error::invalid(format!("`{}` is no address of HTTP", shown(&uri)))),
    }
}

/// Scheme and host alone.
pub(super) fn base(uri: &Uri) -> Result<Uri> {
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::from_static("/"));
    Uri::from_parts(parts).map_err(|error| Error::invalid(format!("`{}` is no address: {error}", shown(uri))))
}

/// The host, with the port where it is not the scheme's own.
pub(crate) fn authority(uri: &Uri) -> String {
    let host = uri.host().unwrap_or_default();
    let usual = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    match uri.port_u16() {
        Some(port) if port != usual => format!("{host}:{port}"),
        _ => host.to_owned(),
    }
}

/// Whether a host, with or without a port, is this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let name = host.strip_prefix('[').map_or_else(
        || host.split(':').next().unwrap_or_default(),
        |rest| rest.split(']').next().unwrap_or_default(),
    );
    name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

/// Without the query: signed addresses of storages bear their signature there.
pub(super) fn shown(uri: &Uri) -> String {
    let (scheme, host) = (uri.scheme_str().unwrap_or("http"), uri.authority().map_or("", |it| it.as_str()));
    let host = host.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{}", uri.path())
}

/// Where `reference` leads from `base`.
pub(super) fn resolve(base: &Uri, reference: &str) -> Result<Uri> {
    if reference.contains("://") {
        return parse(reference);
    }
    let scheme = base.scheme_str().unwrap_or("https");
    if let Some(rest) = reference.strip_prefix("//") {
        return parse(&format!("{scheme}://{rest}"));
    }
    let (path, query) =
        reference.split_once('?').map_or((reference, None), |(path, query)| (path, Some(query)));
    let folder = match path.starts_with('/') {
        true => "",
        false => base.path().rsplit_once('/').map_or("", |(folder, _)| folder),
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let end = if path.ends_with('/') && !parts.is_empty() { "/" } else { "" };
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let host = base.authority().map_or("", |authority| authority.as_str());
    parse(&format!("{scheme}://{host}/{}{end}{query}", parts.join("/")))
}

/// The address of a file that a repository's index names: from the repository on, whose query stays, as in Helm.
pub(super) fn in_repository(repo: &str, reference: &str) -> Result<Uri> {
    let (repo, query) = repo.split_once('?').map_or((repo, None), |(repo, query)| (repo, Some(query)));
    let base = parse(&format!("{}/", repo.trim_end_matches('/')))?;
    let found = resolve(&base, reference)?;
    match query {
        Some(query) if !reference.contains("://") && found.query().is_none() => {
            parse(&format!("{found}?{query}"))
        }
        _ => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_leads_where_a_browser_would_go() {
        for (base, reference, expected) in [
            ("https://a.example/s/index.yaml", "web.tgz", "https://a.example/s/web.tgz"),
            ("https://a.example/s/index.yaml", "../b/web.tgz?x=1", "https://a.example/b/web.tgz?x=1"),
            ("https://a.example/s/", "/web.tgz", "https://a.example/web.tgz"),
            ("https://a.example", "web.tgz", "https://a.example/web.tgz"),
            ("https://a.example/s", "//b.example/web.tgz", "https://b.example/web.tgz"),
            ("https://a.example/s", "http://b.example/web.tgz", "http://b.example/web.tgz"),
            ("https://a.example/", "../../../web.tgz", "https://a.example/web.tgz"),
        ] {
            let found = resolve(&base.parse().expect(base), reference).expect(reference);
            assert_eq!(found.to_string(), expected, "{reference} from {base}");
        }
        let found = in_repository("https://a.example/s?token=1", "charts/web.tgz").expect("an address");
        assert_eq!(found.to_string(), "https://a.example/s/charts/web.tgz?token=1");
    }

    #[test]
    fn this_machine_is_known_by_its_names() {
        for (host, expected) in [
            ("localhost:5000", true),
            ("127.0.0.1:80", true),
            ("[::1]:5000", true),
            ("registry.example.com", false),
            ("localhost.example.com", false),
        ] {
            assert_eq!(is_loopback(host), expected, "{host}");
        }
    }
}
