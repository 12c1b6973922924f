//! What a request bears to say who asks: a token, a password, or what an exec plugin answers, kept until it expires.
//! It assumes the rules of kubeconfig's `user` entries and knows no cluster.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use opsrun_core::{Cx, Result, Span};
use tokio::sync::Mutex;

use crate::error::{Error, Unaccepted};
use crate::exec_plugin::ExecPlugin;

/// Credentials and what was got with them; shared by all calls of a run.
#[derive(Debug)]
pub(crate) struct Credentials {
    /// Whose they are, for errors: ``user `robot` of `kubeconfig` ``.
    who: String,
    identity: Identity,
    source: Source,
    got: Mutex<Option<Got>>,
}

/// Whom to act as, beside who we are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    pub user: Option<String>,
    pub uid: Option<String>,
    pub groups: Vec<String>,
    pub extra: BTreeMap<String, Vec<String>>,
}

pub(crate) enum Source {
    None,
    /// The client certificate of the connection says it all.
    Certificate,
    Token(String),
    /// Read again every minute: Kubernetes rotates it.
    File(PathBuf),
    Basic {
        username: String,
        password: String,
    },
    Exec(ExecPlugin),
}

/// What a source gave, and until when it is good.
#[derive(Clone, Default)]
pub(crate) struct Got {
    pub token: Option<String>,
    /// Certificate chain and key (PEM).
    pub certificate: Option<(Vec<u8>, Vec<u8>)>,
    pub until: Option<Timestamp>,
    /// How often the source had been asked before.
    pub round: u64,
}

const TOKEN_FILE_LIFE: Span = Span::from_secs(60);

impl Credentials {
    pub(crate) fn new(who: String, identity: Identity, source: Source) -> Self {
        Credentials { who, identity, source, got: Mutex::new(None) }
    }

    /// Adds to a request's headers what says who asks.
    pub(crate) async fn sign(&self, cx: &Cx, headers: &mut HeaderMap) -> Result<Got> {
        let got = self.current(cx).await?;
        let authorization = match (&self.source, &got.token) {
            (Source::Basic { username, password }, _) => {
                Some(format!("Basic {}", STANDARD.encode(format!("{username}:{password}"))))
            }
            (_, Some(token)) => Some(format!("Bearer {token}")),
            (_, None) => None,
        };
        if let Some(authorization) = authorization {
            let mut value = self.header_value("a credential", &authorization)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        self.impersonate(headers)?;
        Ok(got)
    }

    fn impersonate(&self, headers: &mut HeaderMap) -> Result<()> {
        let Identity { user, uid, groups, extra } = &self.identity;
        let one = |header: &'static str, value: &String| (HeaderName::from_static(header), value.clone());
        let mut wanted: Vec<(HeaderName, String)> = Vec::new();
        wanted.extend(user.iter().map(|user| one("impersonate-user", user)));
        wanted.extend(uid.iter().map(|uid| one("impersonate-uid", uid)));
        wanted.extend(groups.iter().map(|group| one("impersonate-group", group)));
        for (key, values) in extra {
            let name = format!("impersonate-extra-{}", percent_encoded(key)).parse().map_err(|_| {
                Error::Config(format!("{}: `as-user-extra`: `{key}` cannot be a key", self.who))
            })?;
            wanted.extend(values.iter().map(|value| (HeaderName::clone(&name), value.clone())));
        }
        for (name, value) in wanted {
            let value = self.header_value("`as`, or what belongs to it,", &value)?;
            headers.append(name, value);
        }
        Ok(())
    }

    /// Whether asking the source again may give others than `refused`, which the server did not accept; then forgets those.
    pub(crate) async fn renew(&self, refused: &Got) -> bool {
        if !matches!(self.source, Source::File(_) | Source::Exec(_)) {
            return false;
        }
        let mut got = self.got.lock().await;
        if let Some(known) = got.as_mut().filter(|known| known.round == refused.round) {
            // Another request may have asked again already: then what it got is tried.
            known.until = Some(Timestamp::MIN);
        }
        true
    }

    /// That the server does not accept `refused`, told with what can be done about it; `said` is what the server says.
    pub(crate) fn unaccepted(&self, refused: &Got, said: &str, now: Timestamp) -> Unaccepted {
        let mut facts = Vec::new();
        if let Some(expired) = refused.token.as_deref().and_then(expiry).filter(|expiry| *expiry <= now) {
            facts.push(format!("the token expired at {expired}"));
        }
        if !said.ends_with("Unauthorized") {
            facts.push(format!("the server says: {said}"));
        }
        let hint = match &self.source {
            Source::None => {
                "nothing says who asks: give the user a token, a client certificate or an exec plugin".to_owned()
            }
            Source::Certificate => "get a new client certificate; `openssl x509 -noout -enddate` shows until when \
                                    one is good"
                .to_owned(),
            Source::Token(_) => {
                "put a new token there: log in again with the tool that wrote it, or ask for one with `kubectl \
                 create token`"
                    .to_owned()
            }
            Source::File(path) => {
                format!("the token stands in `{}`, which was read again: write a new one there", path.display())
            }
            Source::Basic { .. } => "correct `username` and `password` there".to_owned(),
            Source::Exec(plugin) => format!(
                "they come from the exec plugin `{}`, which was asked again: log in again with the tool that it \
                 belongs to",
                plugin.command()
            ),
        };
        Unaccepted { who: self.who.clone(), facts, hint }
    }

    async fn current(&self, cx: &Cx) -> Result<Got> {
        let mut got = self.got.lock().await;
        if let Some(known) = got.as_ref().filter(|known| known.until.is_none_or(|until| cx.now() < until)) {
            return Ok(known.clone());
        }
        let round = got.as_ref().map_or(0, |known| known.round + 1);
        let fresh = match &self.source {
            Source::None | Source::Certificate | Source::Basic { .. } => Got::default(),
            Source::Token(token) => Got { token: Some(token.clone()), ..Got::default() },
            Source::File(path) => self.read(cx, path)?,
            Source::Exec(plugin) => plugin.ask(cx).await?,
        };
        let fresh = Got { round, ..fresh };
        *got = Some(fresh.clone());
        Ok(fresh)
    }

    fn read(&self, cx: &Cx, path: &PathBuf) -> Result<Got> {
        let content = cx
            .read_configuration(path)
            .map_err(|error| error.context(format!("the token of {} cannot be read", self.who)))?;
        let token = String::from_utf8_lossy(&content).trim().to_owned();
        if token.is_empty() {
            let empty = format!("the token of {} cannot be read: `{}` is empty", self.who, path.display());
            return Err(Error::Config(empty).into());
        }
        cx.hide("k8s-token", &token);
        Ok(Got { token: Some(token), until: Some(TOKEN_FILE_LIFE.after(cx.now())), ..Got::default() })
    }

    fn header_value(&self, what: &str, text: &str) -> Result<HeaderValue> {
        HeaderValue::from_str(text).map_err(|_| {
            Error::Config(format!("{}: {what} has characters that no header can bear", self.who)).into()
        })
    }
}

/// When a token expires, if it is a JSON web token that says so. Nothing is checked: it only helps to tell why it was refused.
fn expiry(token: &str) -> Option<Timestamp> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?.trim_end_matches('=')).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
    Timestamp::from_second(claims["exp"].as_i64()?).ok()
}

/// Kubernetes decodes the keys of extra fields, as a header's name has fewer characters than a key.
fn percent_encoded(key: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!#$&'*+^`|".contains(&byte);
    key.bytes()
        .map(|byte| if plain(byte) { char::from(byte).into() } else { format!("%{byte:02X}") })
        .collect()
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Source::None => "None",
            Source::Certificate => "Certificate",
            Source::Token(_) => "Token",
            Source::File(_) => "File",
            Source::Basic { .. } => "Basic",
            Source::Exec(_) => "Exec",
        })
    }
}

impl std::fmt::Debug for Got {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Got(until {:?})", self.until)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::config::Config;
    use crate::surroundings::Surroundings;

    fn done<T>(work: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(work)
    }

    fn bearer(config: &Config, here: &Arc<Surroundings>) -> Result<String> {
        let mut headers = HeaderMap::new();
        done(config.credentials.sign(&here.cx(), &mut headers))?;
        Ok(headers[AUTHORIZATION].to_str().expect("a text").trim_start_matches("Bearer ").to_owned())
    }

    fn kubeconfig(user: &serde_json::Value) -> Arc<Surroundings> {
        let config = json!({
            "current-context": "shop",
            "contexts": [{ "name": "shop", "context": { "cluster": "shop", "user": "robot" } }],
            "clusters": [{ "name": "shop", "cluster": { "server": "https://shop.test", "certificate-authority-data": "UEVN",
                "extensions": [{ "name": "client.authentication.k8s.io/exec", "extension": { "audience": "shop" } }] } }],
            "users": [{ "name": "robot", "user": user }],
        });
        let here = Surroundings::default().with_variable("KUBECONFIG", "/etc/kube/config");
        Arc::new(here.with_file("/etc/kube/config", &config.to_string()))
    }

    #[test]
    fn a_token_file_is_read_again_every_minute() {
        let here = kubeconfig(&json!({ "tokenFile": "token", "token": "never used" }));
        here.write("/etc/kube/token", "first\n");
        let config = Config::load(&here.cx()).expect("a configuration");
        assert_eq!(bearer(&config, &here).expect("a token"), "first");
        here.write("/etc/kube/token", "second");
        here.pass(Span::from_secs(59));
        assert_eq!(bearer(&config, &here).expect("a token"), "first");
        here.pass(Span::from_secs(1));
        assert_eq!(bearer(&config, &here).expect("a token"), "second");
        here.write("/etc/kube/token", "\n");
        here.pass(Span::from_secs(60));
        assert_eq!(
            bearer(&config, &here).expect_err("no token").report(),
            "the token of user `robot` of `/etc/kube/config` cannot be read: `/etc/kube/token` is empty"
        );
    }

    fn plugin(more: &serde_json::Value) -> Arc<Surroundings> {
        let mut exec = json!({ "apiVersion": "client.authentication.k8s.io/v1", "command": "./login", "args": ["--quiet"],
                               "env": [{ "name": "REALM", "value": "shop" }] });
        exec.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
        kubeconfig(&json!({ "exec": exec }))
    }

    fn credential(status: &serde_json::Value) -> String {
        json!({ "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status })
            .to_string()
    }

    #[test]
    fn a_plugin_is_asked_again_when_what_it_gave_expires() {
        let here = plugin(&json!({}));
        here.answer(&credential(&json!({ "token": "t1", "expirationTimestamp": "2026-03-02T03:10:00Z" })), 0);
        let config = Config::load(&here.cx()).expect("a configuration");
        for (seconds, answer, expected) in
            [(0, "t2", "t1"), (599, "t2", "t1"), (1, "t2", "t2"), (9999, "t3", "t2")]
        {
            here.pass(Span::from_secs(seconds));
            assert_eq!(bearer(&config, &here).expect("a token"), expected);
            // Without a time it is good until the server refuses it.
            here.answer(&credential(&json!({ "token": answer })), 0);
        }
        let ran = here.ran.lock().expect("no test panicked").clone();
        assert_eq!(ran.len(), 2);
        assert_eq!(
            (ran[0].name.as_str(), ran[0].args.as_slice()),
            ("/etc/kube/./login", &["--quiet".to_owned()][..])
        );
        assert_eq!(ran[0].env[0], ("REALM".to_owned(), "shop".to_owned()));
        assert_eq!(
            ran[0].env[1],
            (
                "KUBERNETES_EXEC_INFO".to_owned(),
                json!({ "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "spec": { "interactive": false } }).to_string()
            )
        );
    }

    #[test]
    fn a_plugin_that_asks_for_it_is_told_the_cluster() {
        let here = plugin(&json!({ "provideClusterInfo": true, "interactiveMode": "IfAvailable" }));
        here.answer(&credential(&json!({ "token": "t1" })), 0);
        bearer(&Config::load(&here.cx()).expect("a configuration"), &here).expect("a token");
        let info = here.ran.lock().expect("no test panicked")[0].env[1].1.clone();
        let info: serde_json::Value = serde_json::from_str(&info).expect("JSON");
        let expected = json!({ "server": "https://shop.test", "certificate-authority-data": "UEVN", "config": { "audience": "shop" } });
        assert_eq!(info["spec"]["cluster"], expected);
    }

    #[test]
    fn what_is_wrong_with_a_plugin_is_told_before_it_is_run() {
        let who = "user `robot` of `/etc/kube/config`";
        for (wrong, expected) in [
            (json!({ "command": "" }), "its exec plugin has no `command`"),
            (
                json!({ "apiVersion": "client.authentication.k8s.io/v1alpha1" }),
                "the exec plugin `./login` has the `apiVersion` `client.authentication.k8s.io/v1alpha1`: it can be \
                 `client.authentication.k8s.io/v1` or `client.authentication.k8s.io/v1beta1`",
            ),
            (
                json!({ "interactiveMode": "Always" }),
                "the exec plugin `./login` wants a terminal (`interactiveMode: Always`), and gets none here",
            ),
            (
                json!({ "interactiveMode": "Maybe" }),
                "the exec plugin `./login` has the `interactiveMode` `Maybe`: it can be `Never`, `IfAvailable` or `Always`",
            ),
        ] {
            let refused = Config::load(&plugin(&wrong).cx()).expect_err("it cannot be used");
            assert_eq!(refused.report(), format!("{who}: {expected}"));
        }
    }

    #[test]
    fn what_a_plugin_answers_has_to_be_credentials_and_is_never_shown() {
        let named = "the exec plugin `/etc/kube/./login` of user `robot` of `/etc/kube/config`";
        let secret = "s3cr3t-of-the-robot";
        for (answer, code, expected) in [
            (
                credential(&json!({ "token": secret })),
                3,
                "ended with code 3\n    the plugin's own words\n  hint: log in again with the tool that it belongs to",
            ),
            (
                format!("token: {secret}"),
                0,
                "printed no ExecCredential (line 1, column 2)\n    the plugin's own words",
            ),
            (
                credential(&json!({ "token": { "value": secret } })),
                0,
                "printed no ExecCredential (line 1, column 90)\n    the plugin's own words",
            ),
            (credential(&serde_json::Value::Null), 0, "printed no credentials (`status`)"),
            (credential(&json!({})), 0, "printed neither a token nor a client certificate"),
            (
                credential(&json!({ "clientKeyData": secret })),
                0,
                "printed a client certificate or a key, and not both",
            ),
            (json!({ "token": secret }).to_string(), 0, "printed something else than an ExecCredential"),
            (
                credential(&json!({ "token": secret })).replace("/v1", "/v1beta1"),
                0,
                "answered in version `client.authentication.k8s.io/v1beta1`, while the kubeconfig says \
                 `client.authentication.k8s.io/v1`",
            ),
        ] {
            let here = plugin(&json!({}));
            here.answer(&answer, code);
            let config = Config::load(&here.cx()).expect("a configuration");
            let report = bearer(&config, &here).expect_err(&answer).report();
            assert_eq!(report, format!("{named} {expected}"));
            assert!(!report.contains(secret), "{report}");
        }
    }

    #[test]
    fn who_acts_as_somebody_says_so_in_headers() {
        let here =
            kubeconfig(&json!({ "token": "t", "as": "ann", "as-uid": "7", "as-groups": ["dev", "ops"],
                                       "as-user-extra": { "acme.com/team": ["shop"] } }));
        let config = Config::load(&here.cx()).expect("a configuration");
        let mut headers = HeaderMap::new();
        done(config.credentials.sign(&here.cx(), &mut headers)).expect("credentials");
        let all =
            |name: &str| headers.get_all(name).iter().map(|v| v.to_str().expect("text")).collect::<Vec<_>>();
        assert_eq!(all("impersonate-user"), ["ann"]);
        assert_eq!(all("impersonate-uid"), ["7"]);
        assert_eq!(all("impersonate-group"), ["dev", "ops"]);
        assert_eq!(all("impersonate-extra-acme.com%2fteam"), ["shop"]);
    }

    #[test]
    fn a_token_tells_when_it_expires_if_it_says_so() {
        let token = |claims: &str| format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
        let expected = Timestamp::from_second(1_700_000_000).ok();
        assert_eq!(expiry(&token(r#"{"exp":1700000000}"#)), expected);
        for other in [token("{}"), token("[]"), "opaque".to_owned(), "a.b.c".to_owned(), String::new()] {
            assert_eq!(expiry(&other), None, "{other}");
        }
    }

    #[test]
    fn a_key_of_an_extra_field_can_be_a_headers_name() {
        assert_eq!(percent_encoded("acme.com/project"), "acme.com%2Fproject");
    }
}
