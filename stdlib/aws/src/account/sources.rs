//! Where credentials come from, as AWS's own programs find them: keys, profiles, roles, SSO, programs, and what a machine or a
//! pod is given.

use std::sync::Arc;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_runtime::env_config::section::{EnvConfigSections, Profile};
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use jiff::Timestamp;
use opsrun_core::{BoxFuture, Cx, Endpoint, Error, ErrorKind, Program, Result, Span};
use serde::Deserialize;
use sha1::{Digest, Sha1};

use super::{Account, variable};
use crate::access::Asked;
use crate::client::{Tag, configuration, plain};
use crate::error::{self, Place};
use crate::section::Section;

/// A profile may name another one as the source of its keys; more than so many in a row is a mistake.
const MOST_ROLES: usize = 8;

/// Where a machine of EC2 asks for its role's keys.
const INSTANCE: &str = "http://169.254.169.254";
/// Elsewhere nobody answers there.
const INSTANCE_WITHIN: Span = Span::from_secs(2);
/// Where a task of ECS asks.
const CONTAINER: &str = "http://169.254.170.2";

pub(super) enum Source {
    Known(Credentials),
    /// An access key, and the reference of its secret.
    Keys(String, String),
    Role(Role, Box<Source>),
    WebIdentity {
        role: String,
        session: String,
        token_file: String,
    },
    Sso(Sso),
    Program(String),
    Container {
        uri: String,
        token: Option<String>,
        token_file: Option<String>,
    },
    Instance,
}

/// A role that somebody takes on.
pub(super) struct Role {
    arn: String,
    external_id: Option<String>,
    session: String,
}

/// What `aws sso login` has left for us.
pub(super) struct Sso {
    profile: String,
    /// What names the file of the cache: the session, or else the start URL.
    cached_as: String,
    region: String,
    account: String,
    role: String,
}

impl Source {
    /// The first that is there, and how errors call it.
    pub(super) fn choose(
        cx: &Cx,
        section: &Section,
        sections: &EnvConfigSections,
        profile: Option<&Profile>,
    ) -> Result<(Self, String)> {
        let (source, described) = match (&section.keys, &section.profile) {
            (Some(keys), _) => (
                Source::Keys(keys.access_key.clone(), keys.secret_key.clone()),
                format!("the access key {}", keys.access_key),
            ),
            (None, Some(name)) => (of_profile(cx, sections, name, 0)?, format!("the profile `{name}`")),
            (None, None) => by_itself(cx, sections, profile)?,
        };
        Ok(match &section.role {
            None => (source, described),
            Some(role) => {
                let described = format!("{described}, as {role}");
                let role = Role {
                    arn: role.clone(),
                    external_id: section.external_id.clone(),
                    session: section.session_name.clone().unwrap_or_else(|| session_name(cx)),
                };
                (Source::Role(role, Box::new(source)), described)
            }
        })
    }

    pub(super) fn credentials<'a>(
        &'a self,
        cx: &'a Cx,
        account: &'a Arc<Account>,
    ) -> BoxFuture<'a, Result<Credentials>> {
        Box::pin(async move {
            match self {
                Source::Known(known) => Ok(known.clone()),
                Source::Keys(access_key, reference) => {
                    let secret = cx.configured_secret(reference).await?;
                    Ok(Credentials::new(access_key, secret.to_string(), None, None, "target"))
                }
                Source::Role(role, base) => {
                    let base = base.credentials(cx, account).await?;
                    role.take_on(cx, account, base).await
                }
                Source::WebIdentity { role, session, token_file } => {
                    web_identity(cx, account, role, session, token_file).await
                }
                Source::Sso(sso) => sso.credentials(cx, account).await,
                Source::Program(line) => of_program(cx, line).await,
                Source::Container { uri, token, token_file } => {
                    container(cx, uri, token.as_deref(), token_file.as_deref()).await
                }
                Source::Instance => instance(cx).await,
            }
        })
    }
}

fn session_name(cx: &Cx) -> String {
    let who = variable(cx, "OPSRUN_USER").or_else(|| variable(cx, "USER"));
    let who: String = who.unwrap_or_default().chars().filter(char::is_ascii_alphanumeric).take(32).collect();
    if who.is_empty() { "opsrun".to_owned() } else { format!("opsrun-{who}") }
}

/// In the order of AWS's SDKs.
fn by_itself(cx: &Cx, sections: &EnvConfigSections, profile: Option<&Profile>) -> Result<(Source, String)> {
    if let (Some(key), Some(secret)) =
        (variable(cx, "AWS_ACCESS_KEY_ID"), variable(cx, "AWS_SECRET_ACCESS_KEY"))
    {
        let token = variable(cx, "AWS_SESSION_TOKEN");
        let described = format!("AWS_ACCESS_KEY_ID ({key})");
        return Ok((Source::Known(Credentials::new(key, secret, token, None, "environment")), described));
    }
    if let Some(profile) = profile.filter(|profile| gives_credentials(profile)) {
        let described = format!("the profile `{}`", profile.name());
        return Ok((of_profile(cx, sections, profile.name(), 0)?, described));
    }
    if let (Some(role), Some(token_file)) =
        (variable(cx, "AWS_ROLE_ARN"), variable(cx, "AWS_WEB_IDENTITY_TOKEN_FILE"))
    {
        let session = variable(cx, "AWS_ROLE_SESSION_NAME").unwrap_or_else(|| session_name(cx));
        let described = format!("the pod's identity, as {role}");
        return Ok((Source::WebIdentity { role, session, token_file }, described));
    }
    let full = variable(cx, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    let relative = variable(cx, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    if let Some(uri) = full.or_else(|| Some(format!("{CONTAINER}{}", relative?))) {
        let token = variable(cx, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
        let token_file = variable(cx, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
        return Ok((Source::Container { uri, token, token_file }, "the container's role".to_owned()));
    }
    Ok((Source::Instance, "this machine's role".to_owned()))
}

const GIVING: &[&str] = &[
    "aws_access_key_id",
    "role_arn",
    "sso_session",
    "sso_start_url",
    "credential_process",
    "web_identity_token_file",
];

fn gives_credentials(profile: &Profile) -> bool {
    GIVING.iter().any(|key| profile.get(key).is_some())
}

fn of_profile(cx: &Cx, sections: &EnvConfigSections, name: &str, depth: usize) -> Result<Source> {
    let bad = |what: &str| Error::invalid(format!("the profile `{name}` {what}"));
    if depth == MOST_ROLES {
        return Err(bad("takes its keys from itself, by way of `source_profile`"));
    }
    let profile = sections.get_profile(name).ok_or_else(|| bad("is named, and not there"))?;
    let get = |key: &str| profile.get(key).map(str::to_owned);
    let keys = || {
        let (key, secret) = (get("aws_access_key_id")?, get("aws_secret_access_key")?);
        Some(Source::Known(Credentials::new(key, secret, get("aws_session_token"), None, "profile")))
    };
    if let Some(arn) = get("role_arn") {
        let session = get("role_session_name").unwrap_or_else(|| session_name(cx));
        if let Some(token_file) = get("web_identity_token_file") {
            return Ok(Source::WebIdentity { role: arn, session, token_file });
        }
        if get("mfa_serial").is_some() {
            return Err(bad("needs a code of a device for its role (`mfa_serial`)")
                .hint("take the role on with `aws sts assume-role`, and set the keys that it gives in the environment"));
        }
        let base = match (get("source_profile"), get("credential_source").as_deref()) {
            // It may name itself, to say that its own keys are meant.
            (Some(source), _) if source == name => keys().ok_or_else(|| bad("has no keys of its own"))?,
            (Some(source), _) => of_profile(cx, sections, &source, depth + 1)?,
            (None, Some("Ec2InstanceMetadata")) => Source::Instance,
            (None, Some("Environment" | "EcsContainer")) => by_itself(cx, sections, None)?.0,
            (None, Some(other)) => {
                return Err(bad(&format!("has a `credential_source` `{other}`, which is none")));
            }
            (None, None) => {
                return Err(bad("has a role, and neither `source_profile` nor `credential_source`"));
            }
        };
        return Ok(Source::Role(Role { arn, external_id: get("external_id"), session }, Box::new(base)));
    }
    if let Some(keys) = keys() {
        return Ok(keys);
    }
    let session = get("sso_session");
    let of_session = |key: &str| sections.sso_session(session.as_deref()?)?.get(key).map(str::to_owned);
    if session.is_some() || get("sso_start_url").is_some() {
        let need = |key: &str| {
            let found = of_session(key).or_else(|| get(key));
            found.ok_or_else(|| bad(&format!("signs in by SSO, and has no `{key}`")))
        };
        return Ok(Source::Sso(Sso {
            profile: name.to_owned(),
            region: need("sso_region")?,
            account: need("sso_account_id")?,
            role: need("sso_role_name")?,
            cached_as: match &session {
                Some(session) => session.clone(),
                None => need("sso_start_url")?,
            },
        }));
    }
    get("credential_process").map(Source::Program).ok_or_else(|| {
        bad("says nothing about how to sign in").hint(format!("`aws configure --profile {name}` sets keys"))
    })
}

/// AWS's clients give credentials, too, in their own types.
fn of_service(key: &str, secret: &str, token: &str, ends: Option<SystemTime>) -> Credentials {
    Credentials::new(key, secret, Some(token.to_owned()), ends, "sts")
}

impl Role {
    async fn take_on(&self, cx: &Cx, account: &Arc<Account>, base: Credentials) -> Result<Credentials> {
        let region = account.region()?;
        let sts = sts(cx, account, region, Some(base));
        let asked = sts
            .assume_role()
            .role_arn(&self.arn)
            .role_session_name(&self.session)
            .set_external_id(self.external_id.clone());
        let place = Place { account: account.described().to_owned(), region: region.to_owned() };
        let tried = format!("taking on the role {}", self.arn);
        let given = asked.send().await;
        let given = given.map_err(|error| error::failed(&place, "sts:AssumeRole", &tried, &error))?;
        let given =
            given.credentials().ok_or_else(|| Error::failed(format!("{tried} gave no credentials")))?;
        let ends = SystemTime::try_from(*given.expiration()).ok();
        Ok(of_service(given.access_key_id(), given.secret_access_key(), given.session_token(), ends))
    }
}

pub(super) fn sts(
    cx: &Cx,
    account: &Arc<Account>,
    region: &str,
    by: Option<Credentials>,
) -> aws_sdk_sts::Client {
    let by = by.unwrap_or_else(|| Credentials::new("", "", None, None, "nobody"));
    let config = configuration(cx, account, region, SharedCredentialsProvider::new(by));
    let mut config = aws_sdk_sts::config::Builder::from(&config).interceptor(Tag::new(region));
    config.set_endpoint_url(account.endpoint("sts"));
    aws_sdk_sts::Client::from_conf(config.build())
}

async fn web_identity(
    cx: &Cx,
    account: &Arc<Account>,
    role: &str,
    session: &str,
    token_file: &str,
) -> Result<Credentials> {
    let token = cx.read_configuration(token_file)?;
    let token = String::from_utf8_lossy(&token).trim().to_owned();
    cx.hide("aws-web-identity-token", &token);
    let region = account.region()?;
    let asked = sts(cx, account, region, None)
        .assume_role_with_web_identity()
        .role_arn(role)
        .role_session_name(session)
        .web_identity_token(token);
    let place = Place { account: account.described().to_owned(), region: region.to_owned() };
    let tried = format!("taking on the role {role}");
    let given = asked.send().await;
    let given =
        given.map_err(|error| error::failed(&place, "sts:AssumeRoleWithWebIdentity", &tried, &error))?;
    let given = given.credentials().ok_or_else(|| Error::failed(format!("{tried} gave no credentials")))?;
    let ends = SystemTime::try_from(*given.expiration()).ok();
    Ok(of_service(given.access_key_id(), given.secret_access_key(), given.session_token(), ends))
}

/// A file of `~/.aws/sso/cache`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cached {
    access_token: String,
    expires_at: Timestamp,
}

impl Sso {
    async fn credentials(&self, cx: &Cx, account: &Arc<Account>) -> Result<Credentials> {
        let sign_in = format!("sign in again: `aws sso login --profile {}`", self.profile);
        let signed_out = |what: &str| Error::new(ErrorKind::Forbidden, what.to_owned()).hint(sign_in.clone());
        let name: String =
            Sha1::digest(self.cached_as.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        let home = cx.variable("HOME").unwrap_or_default();
        let file = format!("{home}/.aws/sso/cache/{name}.json");
        let cached = cx.read_configuration(&file);
        let cached = cached.map_err(|error| signed_out("nobody has signed in by SSO").because(error))?;
        let cached: Cached = serde_json::from_slice(&cached)
            .map_err(|error| signed_out(&format!("`{file}` is no token of SSO: {error}")))?;
        cx.hide("aws-sso-token", &cached.access_token);
        if cached.expires_at <= cx.now() {
            return Err(signed_out(&format!("the session of SSO ended at {}", cached.expires_at)));
        }
        let nobody = SharedCredentialsProvider::new(Credentials::new("", "", None, None, "nobody"));
        let config = configuration(cx, account, &self.region, nobody);
        let mut config = aws_sdk_sso::config::Builder::from(&config).interceptor(Tag::new(&self.region));
        config.set_endpoint_url(account.endpoint("sso"));
        let asked = aws_sdk_sso::Client::from_conf(config.build())
            .get_role_credentials()
            .role_name(&self.role)
            .account_id(&self.account)
            .access_token(&cached.access_token);
        let place = Place { account: format!("account {}", self.account), region: self.region.clone() };
        let tried = format!("taking on `{}` by SSO", self.role);
        let given = asked.send().await;
        let given = given.map_err(|error| error::failed(&place, "sso:GetRoleCredentials", &tried, &error))?;
        let given = given.role_credentials();
        let keys = given.and_then(|given| {
            let ends = Timestamp::from_millisecond(given.expiration()).ok().map(SystemTime::from);
            Some(of_service(given.access_key_id()?, given.secret_access_key()?, given.session_token()?, ends))
        });
        keys.ok_or_else(|| Error::failed(format!("{tried} gave no credentials")))
    }
}

/// What programs and servers of credentials print.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Given {
    access_key_id: String,
    secret_access_key: String,
    #[serde(alias = "SessionToken")]
    token: Option<String>,
    expiration: Option<Timestamp>,
}

impl Given {
    fn read(bytes: &[u8], by: &str) -> Result<Credentials> {
        let given: Given = serde_json::from_slice(bytes)
            .map_err(|error| Error::failed(format!("what {by} gave are no credentials: {error}")))?;
        let ends = given.expiration.map(SystemTime::from);
        Ok(Credentials::new(given.access_key_id, given.secret_access_key, given.token, ends, "given"))
    }
}

async fn of_program(cx: &Cx, line: &str) -> Result<Credentials> {
    let mut words = words(line).into_iter();
    let name = words.next().ok_or_else(|| Error::invalid("`credential_process` is empty"))?;
    let program = Program { name: name.clone(), args: words.collect(), ..Program::default() };
    let output = cx.run_program(program, b"").await?;
    if output.code != Some(0) {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::new(
            ErrorKind::Forbidden,
            format!("`{name}`, which gives the credentials, failed"),
        )
        .detail(said));
    }
    Given::read(&output.stdout, &format!("`{name}`"))
}

/// The words of a command line, with quotes as AWS's programs take them.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut begun) = (Vec::new(), String::new(), None, false);
    for c in line.chars() {
        match (quoted, c) {
            (Some(quote), c) if c == quote => quoted = None,
            (Some(_), c) => word.push(c),
            (None, '"' | '\'') => (quoted, begun) = (Some(c), true),
            (None, c) if c.is_whitespace() => {
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            (None, c) => {
                word.push(c);
                begun = true;
            }
        }
    }
    if begun {
        words.push(word);
    }
    words
}

/// Asks one of the servers that AWS puts beside programs.
async fn ask(cx: &Cx, operation: &str, request: Request<Bytes>) -> Result<Bytes> {
    use http_body_util::BodyExt;
    let asked = Asked {
        service: "sts",
        operation: operation.to_owned(),
        region: None,
        resource: "credentials".to_owned(),
        name: None,
    };
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = Some(http::uri::PathAndQuery::from_static("/"));
    let at = http::Uri::from_parts(parts).map_err(|error| Error::invalid(error.to_string()))?;
    let shown = request.uri().to_string();
    let endpoint = Arc::new(Endpoint::from(at));
    let response = cx.send(crate::SYSTEM, &endpoint, plain(asked, request)).await?;
    let status = response.status();
    let body = response.into_body().collect().await;
    let body =
        body.map_err(|error| Error::failed(format!("the answer of {shown} broke off: {error}")))?.to_bytes();
    if status == StatusCode::OK {
        return Ok(body);
    }
    let said = String::from_utf8_lossy(&body).trim().to_owned();
    Err(Error::new(ErrorKind::Forbidden, format!("{shown} answered {status}")).detail(said))
}

async fn container(cx: &Cx, uri: &str, token: Option<&str>, token_file: Option<&str>) -> Result<Credentials> {
    let token = match token_file {
        Some(file) => Some(String::from_utf8_lossy(&cx.read_configuration(file)?).trim().to_owned()),
        None => token.map(str::to_owned),
    };
    let mut request = Request::get(uri);
    if let Some(token) = &token {
        cx.hide("aws-container-token", token);
        request = request.header(http::header::AUTHORIZATION, token);
    }
    let request = request.body(Bytes::new()).map_err(|error| Error::invalid(format!("`{uri}`: {error}")))?;
    if !may_be_told(request.uri()) {
        let message = format!("`{uri}` is not asked for credentials: anybody on the way could read them");
        return Err(Error::invalid(message).hint(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI is an address of this machine, of ECS or EKS, or one with `https`",
        ));
    }
    Given::read(&ask(cx, "GetContainerCredentials", request).await?, "the container's server of credentials")
}

/// As AWS's SDKs have it: what is not encrypted goes to this machine, or to where ECS and EKS answer.
fn may_be_told(uri: &http::Uri) -> bool {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    uri.scheme_str() == Some("https")
        || host == "localhost"
        || ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"].contains(&host)
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

async fn instance(cx: &Cx) -> Result<Credentials> {
    let missing = || {
        Error::new(ErrorKind::Forbidden, "nothing gives credentials for AWS")
            .hint("name a profile in the target, `aws = { profile = \"workflow-prod\" }`, set AWS_PROFILE, or sign in with `aws sso login`")
    };
    if variable(cx, "AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Err(missing());
    }
    let bad = |error: http::Error| Error::failed(error.to_string());
    let at = variable(cx, "AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or_else(|| INSTANCE.to_owned());
    let at = at.trim_end_matches('/');
    let until = INSTANCE_WITHIN.after(cx.now());
    let token = Request::builder()
        .method(Method::PUT)
        .uri(format!("{at}/latest/api/token"))
        .header("x-aws-ec2-metadata-token-ttl-seconds", "21600")
        .body(Bytes::new())
        .map_err(bad)?;
    let token = match cx.until(until, ask(cx, "GetInstanceToken", token)).await {
        Ok(Some(token)) => token,
        Ok(None) => return Err(missing()),
        Err(error) if matches!(error.kind(), ErrorKind::Denied | ErrorKind::Interrupted) => {
            return Err(error);
        }
        // Elsewhere than at EC2 nobody answers there, or somebody who knows nothing of it.
        Err(error) => return Err(missing().because(error)),
    };
    let get = |path: &str| {
        Request::get(format!("{at}/latest/meta-data/iam/security-credentials/{path}"))
            .header("x-aws-ec2-metadata-token", token.as_ref())
            .body(Bytes::new())
            .map_err(bad)
    };
    cx.hide("aws-instance-token", &String::from_utf8_lossy(&token));
    let role = ask(cx, "GetInstanceRole", get("")?).await;
    let role = role.map_err(|error| {
        Error::new(ErrorKind::Forbidden, "this machine of EC2 has no role that gives credentials")
            .because(error)
            .hint("give it an instance profile, or name a profile in the target: `aws = { profile = \"workflow-prod\" }`")
    })?;
    let role = String::from_utf8_lossy(&role).trim().to_owned();
    Given::read(&ask(cx, "GetInstanceCredentials", get(&role)?).await?, "the machine's server of credentials")
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn a_program_s_line_is_taken_apart_as_a_shell_would() {
        assert_eq!(words(r#"/opt/my tool"#), ["/opt/my", "tool"]);
        assert_eq!(
            words(r#""/opt/my tool" --account  'a b' "" x"y z""#),
            ["/opt/my tool", "--account", "a b", "", "xy z"]
        );
        assert!(words("  ").is_empty());
    }
}
