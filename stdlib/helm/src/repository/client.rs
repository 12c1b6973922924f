//! Requests to repositories and registries through the gate: signed in where that is wanted, redirected only so often and never to
//! where credentials would leak, and no larger or longer than is sensible.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, USER_AGENT, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use opsrun_core::{Cx, Endpoint, Error, ErrorKind, Result, Span, Tls, body};
use serde_json::Value;

use super::address::{self, authority, is_loopback};
use super::credentials::{self, Credentials};
use super::error::RepositoryError;
use super::index::Index;
use crate::SYSTEM;
use crate::chart_ref::OciRef;
use crate::section::Section;

/// One request with its whole answer, which may be a large archive.
const WITHIN: Span = Span::from_secs(300);
/// As many as Go's client follows.
const REDIRECTS: usize = 10;
/// An answer that only tells something: a token, an error, a page of tags.
pub(super) const SHORT: u64 = 4 << 20;

/// Everything that one call asks of repositories and registries.
pub(crate) struct Client<'c> {
    cx: &'c Cx,
    section: Section,
    /// What to say to a registry about a path: the `Authorization` that was last wanted there.
    logins: Mutex<BTreeMap<String, String>>,
    /// Those that were read, by address: charts of one repository are looked up in the same.
    indexes: Mutex<BTreeMap<String, Arc<Index>>>,
}

/// What to ask.
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) accept: &'static str,
    pub(super) content_type: &'static str,
    pub(super) content: Bytes,
    /// How large the answer may be.
    pub(super) limit: u64,
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) content: Bytes,
    /// What was asked, for errors.
    pub(super) tried: String,
}

impl Ask {
    pub(super) fn get(uri: Uri, accept: &'static str, limit: u64) -> Self {
        Ask { method: Method::GET, uri, accept, content_type: "", content: Bytes::new(), limit }
    }
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Why the server would not.
    pub(super) fn refused(&self, cx: &Cx) -> RepositoryError {
        let errors: Value = serde_json::from_slice(&self.content).unwrap_or_default();
        let listed = errors["errors"].as_array().into_iter().flatten().map(|error| {
            let (code, message) = (error["code"].as_str(), error["message"].as_str());
            format!("{}: {}", code.unwrap_or_default(), message.unwrap_or_default())
        });
        let mut said: Vec<String> = listed.take(5).map(|text| brief(cx, &text)).collect();
        let is_text = self.header("content-type").is_some_and(|kind| kind.starts_with("text/plain"));
        if said.is_empty() && is_text {
            said.extend(
                Some(brief(cx, &String::from_utf8_lossy(&self.content))).filter(|text| !text.is_empty()),
            );
        }
        RepositoryError::Status { tried: self.tried.clone(), status: self.status, said }
    }
}

/// The beginning of what a server said.
fn brief(cx: &Cx, text: &str) -> String {
    cx.shown(text.trim()).chars().take(300).collect()
}

impl<'c> Client<'c> {
    /// # Errors
    /// `Invalid` for a target's section that cannot be used.
    pub(crate) fn new(cx: &'c Cx) -> Result<Self> {
        Ok(Client { cx, section: Section::of(cx)?, logins: Mutex::default(), indexes: Mutex::default() })
    }

    pub(crate) fn cx(&self) -> &'c Cx {
        self.cx
    }

    pub(super) fn known_index(&self, at: &str) -> Option<Arc<Index>> {
        locked(&self.indexes).get(at).cloned()
    }

    pub(super) fn keep_index(&self, at: &str, index: &Arc<Index>) {
        locked(&self.indexes).insert(at.to_owned(), index.clone());
    }

    /// Where a registry answers: without TLS on this machine, or where the target says so.
    pub(super) fn registry(&self, at: &OciRef, rest: &str) -> Result<Uri> {
        // What it is called has no server; Docker's own client knows that, too.
        let host = if at.host == "docker.io" { "registry-1.docker.io" } else { &at.host };
        let plain = self.section.host(host).plain_http.unwrap_or_else(|| is_loopback(host));
        let scheme = if plain { "http" } else { "https" };
        address::parse(&format!("{scheme}://{host}/v2/{}/{rest}", at.path))
    }

    /// Asks a repository.
    pub(super) async fn ask_repository(&self, ask: &Ask) -> Result<Answer> {
        let mut at = ask.uri.clone();
        for _ in 0..=REDIRECTS {
            let host = authority(&at);
            let known = credentials::of_target(self.cx, &self.section, &host).await?;
            if known.is_some() {
                self.in_private(&host, &at)?;
            }
            let login = known.as_ref().map(Credentials::basic);
            let answer = self.once(ask, &at, login.as_deref()).await?;
            match self.redirect(&answer, &at)? {
                Some(next) => at = next,
                None if matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                    return Err(unwelcome(answer, host, known.is_some()).into());
                }
                None => return Ok(answer),
            }
        }
        Err(self.endless(ask, &at).into())
    }

    /// Asks a registry about a path, and signs in where it wants that.
    pub(super) async fn ask_registry(&self, about: &OciRef, ask: &Ask) -> Result<Answer> {
        let home = authority(&ask.uri);
        let path = format!("{home}/{}", about.path);
        let mut at = ask.uri.clone();
        let mut signed_in = false;
        let mut redirects = 0;
        loop {
            let is_home = authority(&at) == home;
            let login = locked(&self.logins).get(&path).cloned().filter(|_| is_home);
            let answer = self.once(ask, &at, login.as_deref()).await?;
            if answer.status == StatusCode::UNAUTHORIZED && is_home && !signed_in {
                let login = self.sign_in(&home, &at, &answer).await?;
                locked(&self.logins).insert(path.clone(), login);
                signed_in = true;
                continue;
            }
            if ask.method.is_safe()
                && let Some(next) = self.redirect(&answer, &at)?
            {
                redirects += 1;
                if redirects > REDIRECTS {
                    return Err(self.endless(ask, &next).into());
                }
                at = next;
                continue;
            }
            if matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
                let known = credentials::of_registry(self.cx, &self.section, &home).await?;
                return Err(unwelcome(answer, home, known.is_some()).into());
            }
            return Ok(answer);
        }
    }

    /// The `Authorization` that a registry's challenge asks for.
    async fn sign_in(&self, home: &str, at: &Uri, answer: &Answer) -> Result<String> {
        let known = credentials::of_registry(self.cx, &self.section, home).await?;
        let refused = |tried: &str, status: StatusCode| {
            let (tried, host) = (tried.to_owned(), home.to_owned());
            match known {
                Some(_) => RepositoryError::Credentials { tried, host, status },
                None => RepositoryError::NoCredentials { tried, host, status },
            }
        };
        let challenge = answer.headers.get_all(WWW_AUTHENTICATE).iter();
        let challenge = challenge.filter_map(|value| Challenge::parse(value.to_str().ok()?)).next();
        let Some(Challenge { realm, service, scope }) = challenge else {
            // Nothing or `Basic`: both mean a user and a password.
            let known = known.as_ref().ok_or_else(|| refused(&answer.tried, answer.status))?;
            self.in_private(home, at)?;
            return Ok(known.basic());
        };
        let asked = [("service", service), ("scope", scope)];
        let asked = asked.into_iter().filter_map(|(key, value)| Some((key, value?)));
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(asked).finish();
        let joint = if realm.contains('?') { '&' } else { '?' };
        let place = address::parse(&format!("{realm}{joint}{query}"))?;
        if known.is_some() {
            self.in_private(home, &place)?;
        }
        let ask = Ask::get(place, "application/json", SHORT);
        let login = known.as_ref().map(Credentials::basic);
        let answer = self
            .once(&ask, &ask.uri, login.as_deref())
            .await
            .map_err(|error| error.context(format!("`{home}` wants a token that this server gives")))?;
        match answer.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(refused(&answer.tried, answer.status).into());
            }
            status if !status.is_success() => return Err(answer.refused(self.cx).into()),
            _ => {}
        }
        let body: Value = serde_json::from_slice(&answer.content).unwrap_or_default();
        let token = body["token"].as_str().or_else(|| body["access_token"].as_str());
        let token = token.filter(|token| !token.is_empty()).ok_or_else(|| RepositoryError::Unusable {
            what: format!("the answer to {}", answer.tried),
            why: "there is no token in it".to_owned(),
        })?;
        self.cx.hide(&format!("token for {home}"), token);
        Ok(format!("Bearer {token}"))
    }

    /// Where the answer leads, if elsewhere.
    fn redirect(&self, answer: &Answer, at: &Uri) -> Result<Option<Uri>, Error> {
        if !matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
            return Ok(None);
        }
        let Some(to) = answer.headers.get(LOCATION).and_then(|to| to.to_str().ok()) else { return Ok(None) };
        let next = address::resolve(at, to)?;
        if at.scheme_str() == Some("https") && next.scheme_str() != Some("https") {
            let (from, to) = (answer.tried.clone(), address::shown(&next));
            return Err(RepositoryError::Downgrade { from, to }.into());
        }
        Ok(Some(next))
    }

    fn endless(&self, ask: &Ask, last: &Uri) -> RepositoryError {
        let from = format!("{} {}", ask.method, address::shown(&ask.uri));
        RepositoryError::Redirects { from, last: address::shown(last), limit: REDIRECTS }
    }

    /// Refuses to show credentials of `host` to whoever listens on the way.
    fn in_private(&self, host: &str, at: &Uri) -> Result<(), RepositoryError> {
        let to = authority(at);
        let allowed = at.scheme_str() == Some("https")
            || is_loopback(&to)
            || self.section.host(host).plain_http == Some(true);
        match allowed {
            true => Ok(()),
            false => Err(RepositoryError::InTheClear { host: host.to_owned(), to: address::shown(at) }),
        }
    }

    /// With what to do, where that can be told.
    fn explained(&self, error: Error, at: &Uri) -> Error {
        let host = authority(at);
        if error.message().contains("UnknownIssuer") {
            return error.hint(format!(
                "name the authority that signed its certificate: `helm = {{ registries = {{ \"{host}\" = {{ certificate-authority = \
                 \"ca.pem\" }} }} }}` in the target"
            ));
        }
        if self.section.estate && error.kind() == ErrorKind::Unreachable {
            return error.hint(format!(
                "the estate file says what is where: `helm: {{ \"https://{host}\": [charts/web], \"oci://{host}/charts\": [] }}`"
            ));
        }
        error
    }

    /// One request and its whole answer.
    async fn once(&self, ask: &Ask, at: &Uri, login: Option<&str>) -> Result<Answer> {
        let tried = format!("{} {}", ask.method, address::shown(at));
        let exchange = self.exchange(ask, at, login, &tried);
        match self.cx.until(WITHIN.after(self.cx.now()), exchange).await? {
            Some(answer) => Ok(answer),
            None => {
                Err(RepositoryError::Timeout { what: format!("the answer to {tried}"), within: WITHIN }
                    .into())
            }
        }
    }

    async fn exchange(&self, ask: &Ask, at: &Uri, login: Option<&str>, tried: &str) -> Result<Answer> {
        let endpoint = Arc::new(endpoint(self.cx, &self.section, at)?);
        let mut request = Request::new(body(Full::new(ask.content.clone())));
        *request.method_mut() = ask.method.clone();
        if let Some(path) = at.path_and_query() {
            *request.uri_mut() = path.clone().into();
        }
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, HeaderValue::from_static("opsrun"));
        if !ask.accept.is_empty() {
            headers.insert(ACCEPT, HeaderValue::from_static(ask.accept));
        }
        if !ask.content_type.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(ask.content_type));
        }
        if let Some(login) = login {
            let mut value = HeaderValue::from_str(login).map_err(|_| {
                Error::invalid(format!("the credentials of `{}` cannot be a header", authority(at)))
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let answer = self.cx.send(SYSTEM, &endpoint, request).await;
        let answer = answer.map_err(|error| self.explained(error, at))?;
        let (parts, incoming) = answer.into_parts();
        let too_large =
            || RepositoryError::TooLarge { what: format!("the answer to {tried}"), limit: ask.limit };
        let announced =
            parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if announced.is_some_and(|length: u64| length > ask.limit) && ask.method != Method::HEAD {
            return Err(too_large().into());
        }
        let limit = usize::try_from(ask.limit).unwrap_or(usize::MAX);
        let content = match Limited::new(incoming, limit).collect().await {
            Ok(read) => read.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => return Err(too_large().into()),
            // It may be whole the next time.
            Err(error) => {
                let message = format!("the answer to {tried} broke off: {error}");
                return Err(Error::new(ErrorKind::Unreachable, message));
            }
        };
        Ok(Answer { status: parts.status, headers: parts.headers, content, tried: tried.to_owned() })
    }
}

/// How to connect to where `at` is.
pub(crate) fn endpoint(cx: &Cx, section: &Section, at: &Uri) -> Result<Endpoint> {
    let mut endpoint = Endpoint::from(address::base(at)?);
    let host = section.host(&authority(at));
    if let Some(file) =
        host.certificate_authority.filter(|_| !section.estate && at.scheme_str() == Some("https"))
    {
        let roots = cx.read_configuration(&file).map_err(|error| {
            error.context(format!("the authorities that `{}` is trusted by", authority(at)))
        })?;
        endpoint.tls = Tls { roots: Some(roots), ..Tls::default() };
    }
    Ok(endpoint)
}

fn unwelcome(answer: Answer, host: String, known: bool) -> RepositoryError {
    let Answer { tried, status, .. } = answer;
    match known {
        true => RepositoryError::Credentials { tried, host, status },
        false => RepositoryError::NoCredentials { tried, host, status },
    }
}

/// What a registry wants of a token: `Bearer realm="…",service="…",scope="…"`.
#[derive(Debug, PartialEq, Eq)]
struct Challenge {
    realm: String,
    service: Option<String>,
    scope: Option<String>,
}

impl Challenge {
    fn parse(text: &str) -> Option<Self> {
        let (scheme, mut rest) = text.trim().split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let mut found = BTreeMap::new();
        while let Some((key, after)) = rest.split_once('=') {
            // A scope has commas in it.
            let (value, behind) = match after.trim_start().strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                None => after.split_once(',').unwrap_or((after, "")),
            };
            found.insert(key.trim_matches([' ', ',']).to_ascii_lowercase(), value.trim().to_owned());
            rest = behind;
        }
        Some(Challenge {
            realm: found.remove("realm")?,
            service: found.remove("service"),
            scope: found.remove("scope"),
        })
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_read_with_commas_in_its_scope() {
        let text = r#"Bearer realm="https://auth.example.com/token",service="registry",scope="repository:charts/web:pull,push""#;
        let found = Challenge::parse(text).expect("it is one");
        assert_eq!(found.realm, "https://auth.example.com/token");
        assert_eq!(found.scope.as_deref(), Some("repository:charts/web:pull,push"));
        assert_eq!(found.service.as_deref(), Some("registry"));
        assert_eq!(Challenge::parse(r#"Basic realm="x""#), None);
        assert_eq!(Challenge::parse("Bearer service=x"), None);
    }
}
