//! What a request bears to say who asks: a token, a password, or what an exec plugin answers, kept until it expires.
//! It assumes the rules of kubeconfig's `user` entries (client.authentication.k8s.io) and knows no cluster.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use opsrun_core::{Cx, Program, Result, Span};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;

use crate::error::Error;

/// Credentials and what was got with them; shared by all calls of a run.
#[derive(Debug)]
pub(crate) struct Credentials {
    identity: Identity,
    source: Source,
    got: Mutex<Option<Got>>,
}

/// Whom to act as, beside who we are.
#[derive(Debug, Default)]
pub(crate) struct Identity {
    pub user: Option<String>,
    pub groups: Vec<String>,
}

pub(crate) enum Source {
    None,
    Token(String),
    /// Read again every minute: Kubernetes rotates it.
    File(PathBuf),
    Basic {
        username: String,
        password: String,
    },
    Exec(Exec),
}

/// A program that prints an `ExecCredential`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Exec {
    command: String,
    #[serde(default)]
    args: Option<Vec<String>>,
    #[serde(default)]
    env: Option<Vec<ExecVariable>>,
    #[serde(rename = "apiVersion", default)]
    api_version: Option<String>,
    #[serde(rename = "installHint", default)]
    install_hint: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct ExecVariable {
    name: String,
    value: String,
}

/// What a source gave, and until when it is good.
#[derive(Clone, Default)]
pub(crate) struct Got {
    token: Option<String>,
    /// Certificate chain and key (PEM).
    pub certificate: Option<(Vec<u8>, Vec<u8>)>,
    until: Option<Timestamp>,
}

const TOKEN_FILE_LIFE: Span = Span::from_secs(60);

impl Credentials {
    pub(crate) fn new(identity: Identity, source: Source) -> Self {
        Credentials { identity, source, got: Mutex::new(None) }
    }

    /// Adds to a request's headers what says who asks.
    pub(crate) async fn sign(&self, cx: &Cx, headers: &mut HeaderMap) -> Result<Got> {
        let got = self.current(cx).await?;
        let authorization = match (&self.source, &got.token) {
            (Source::Basic { username, password }, _) => {
                let pair = base64::engine::general_purpose::STANDARD.encode(format!("{username}:{password}"));
                Some(format!("Basic {pair}"))
            }
            (_, Some(token)) => Some(format!("Bearer {token}")),
            (_, None) => None,
        };
        if let Some(authorization) = authorization {
            let mut value = header_value(&authorization)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        if let Some(user) = &self.identity.user {
            headers.insert(HeaderName::from_static("impersonate-user"), header_value(user)?);
        }
        for group in &self.identity.groups {
            headers.append(HeaderName::from_static("impersonate-group"), header_value(group)?);
        }
        Ok(got)
    }

    /// Whether asking the source again may give other credentials; then forgets those it has.
    pub(crate) async fn renew(&self) -> bool {
        let renewable = matches!(self.source, Source::File(_) | Source::Exec(_));
        if renewable {
            *self.got.lock().await = None;
        }
        renewable
    }

    async fn current(&self, cx: &Cx) -> Result<Got> {
        let mut got = self.got.lock().await;
        if let Some(known) = got.as_ref().filter(|known| known.until.is_none_or(|until| cx.now() < until)) {
            return Ok(known.clone());
        }
        let fresh = match &self.source {
            Source::None | Source::Basic { .. } => Got::default(),
            Source::Token(token) => Got { token: Some(token.clone()), ..Got::default() },
            Source::File(path) => {
                let token = String::from_utf8_lossy(&cx.read_configuration(path)?).trim().to_owned();
                cx.hide("k8s-token", &token);
                Got { token: Some(token), certificate: None, until: Some(TOKEN_FILE_LIFE.after(cx.now())) }
            }
            Source::Exec(exec) => exec.ask(cx).await?,
        };
        *got = Some(fresh.clone());
        Ok(fresh)
    }
}

impl Exec {
    /// A relative command with a slash counts from the kubeconfig's folder.
    pub(crate) fn in_folder(mut self, folder: &Path) -> Self {
        if self.command.contains('/') {
            self.command = folder.join(&self.command).display().to_string();
        }
        self
    }

    async fn ask(&self, cx: &Cx) -> Result<Got> {
        let version = self.api_version.as_deref().unwrap_or("client.authentication.k8s.io/v1");
        let info =
            json!({ "kind": "ExecCredential", "apiVersion": version, "spec": { "interactive": false } });
        let mut env: Vec<(String, String)> = self
            .env
            .iter()
            .flatten()
            .map(|variable| (variable.name.clone(), variable.value.clone()))
            .collect();
        env.push(("KUBERNETES_EXEC_INFO".to_owned(), info.to_string()));
        let program = Program {
            name: self.command.clone(),
            args: self.args.clone().unwrap_or_default(),
            env,
            stdin: Vec::new(),
        };
        let output = cx.run_program(program).await.map_err(|error| {
            let error =
                error.context(format!("the kubeconfig's exec plugin `{}` cannot be run", self.command));
            match &self.install_hint {
                Some(hint) => error.hint(hint.trim()),
                None => error,
            }
        })?;
        if output.code != Some(0) {
            let code = output.code.map_or("a signal".to_owned(), |code| format!("code {code}"));
            let mut error = opsrun_core::Error::new(
                opsrun_core::ErrorKind::Forbidden,
                format!("the kubeconfig's exec plugin `{}` ended with {code}", self.command),
            );
            for line in String::from_utf8_lossy(&output.stderr).lines().take(10) {
                error = error.detail(line);
            }
            return Err(error.hint("log in again with the tool that it belongs to"));
        }
        self.read_answer(cx, &output.stdout)
    }

    fn read_answer(&self, cx: &Cx, stdout: &[u8]) -> Result<Got> {
        let credential: ExecCredential = serde_json::from_slice(stdout).map_err(|error| {
            Error::Config(format!("the exec plugin `{}` printed no ExecCredential: {error}", self.command))
        })?;
        let status = credential.status.ok_or_else(|| {
            Error::Config(format!("the exec plugin `{}` printed no credentials", self.command))
        })?;
        if let Some(token) = &status.token {
            cx.hide("k8s-token", token);
        }
        let certificate = status.client_certificate_data.zip(status.client_key_data);
        Ok(Got {
            token: status.token,
            certificate: certificate.map(|(chain, key)| (chain.into_bytes(), key.into_bytes())),
            until: status.expiration_timestamp,
        })
    }
}

#[derive(Deserialize)]
struct ExecCredential {
    status: Option<ExecStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecStatus {
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
    expiration_timestamp: Option<Timestamp>,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Source::None => "None",
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

fn header_value(text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text)
        .map_err(|_| Error::Config("a credential has characters that no header can bear".to_owned()).into())
}
