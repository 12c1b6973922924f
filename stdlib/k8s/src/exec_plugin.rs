//! Exec plugins of a kubeconfig: programs that print credentials (client.authentication.k8s.io, v1 and v1beta1).
//! What a plugin prints may be a secret: errors show what it says on its standard error, and never what it answered.

use std::path::Path;

use jiff::Timestamp;
use opsrun_core::{Cx, Error as RunError, ErrorKind, Program, Result, Span};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::credentials::Got;
use crate::error::Error;

/// A program that prints an `ExecCredential`.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExecPlugin {
    #[serde(default)]
    command: String,
    #[serde(default)]
    args: Option<Vec<String>>,
    #[serde(default)]
    env: Option<Vec<Variable>>,
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    install_hint: Option<String>,
    #[serde(default)]
    provide_cluster_info: bool,
    #[serde(default)]
    interactive_mode: Option<String>,
    /// Whose it is: ``user `robot` of `kubeconfig` ``.
    #[serde(skip)]
    who: String,
    /// `spec.cluster`, for a plugin that asks for it.
    #[serde(skip)]
    cluster: Option<Value>,
}

#[derive(Clone, Deserialize)]
struct Variable {
    name: String,
    value: String,
}

const VERSIONS: [&str; 2] = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];
/// Nobody is there to log in while a playbook runs, so a plugin that waits for that waits in vain.
const ANSWERS_WITHIN: Span = Span::from_secs(60);
const LINES: usize = 10;

impl ExecPlugin {
    /// The plugin as it is run for a user; `folder` is the kubeconfig's, from which a command with a slash counts.
    ///
    /// # Errors
    /// `Config` for what cannot be run without a terminal, or by these versions.
    pub(crate) fn of_user(mut self, who: &str, folder: &Path, cluster: Value) -> Result<Self, Error> {
        let wrong = |what: String| Err(Error::Config(format!("{who}: {what}")));
        if self.command.is_empty() {
            return wrong("its exec plugin has no `command`".to_owned());
        }
        if !VERSIONS.contains(&self.api_version.as_str()) {
            let found = match self.api_version.as_str() {
                "" => "has no `apiVersion`".to_owned(),
                other => format!("has the `apiVersion` `{other}`"),
            };
            let known = VERSIONS.join("` or `");
            return wrong(format!("the exec plugin `{}` {found}: it can be `{known}`", self.command));
        }
        match self.interactive_mode.as_deref() {
            None | Some("Never" | "IfAvailable") => {}
            Some("Always") => {
                return wrong(format!(
                    "the exec plugin `{}` wants a terminal (`interactiveMode: Always`), and gets none here",
                    self.command
                ));
            }
            Some(other) => {
                return wrong(format!(
                    "the exec plugin `{}` has the `interactiveMode` `{other}`: it can be `Never`, `IfAvailable` or `Always`",
                    self.command
                ));
            }
        }
        if self.command.contains('/') {
            self.command = folder.join(&self.command).display().to_string();
        }
        who.clone_into(&mut self.who);
        self.cluster = self.provide_cluster_info.then_some(cluster);
        Ok(self)
    }

    pub(crate) fn command(&self) -> &str {
        &self.command
    }

    /// Runs the plugin and takes what it answers.
    ///
    /// # Errors
    /// `Denied` without a grant for the program, `NotFound`, `Timeout`; `Forbidden` with what the plugin says, if it failed.
    pub(crate) async fn ask(&self, cx: &Cx) -> Result<Got> {
        let asked = cx.until(ANSWERS_WITHIN.after(cx.now()), cx.run_program(self.program(), b""));
        let output = asked
            .await
            .map_err(|error| {
                let kind = error.kind();
                let error = error.context(format!("{} cannot be run", self.named()));
                match &self.install_hint {
                    Some(hint) if kind == ErrorKind::NotFound => error.hint(hint.trim()),
                    _ => error,
                }
            })?
            .ok_or_else(|| {
                let message = format!("{} has not answered within {ANSWERS_WITHIN}", self.named());
                RunError::new(ErrorKind::Timeout, message).hint(
                    "does it wait for somebody to log in? log in with the tool that it belongs to, before",
                )
            })?;
        let answer = serde_json::from_slice::<ExecCredential>(&output.stdout);
        // Also of an answer that is not taken nothing may be shown.
        if let Ok(ExecCredential { status: Some(status), .. }) = &answer {
            for secret in [&status.token, &status.client_key_data].into_iter().flatten() {
                cx.hide("k8s-token", secret);
            }
        }
        if output.code != Some(0) {
            return Err(self.failure(output.code, &output.stdout, &output.stderr, answer.is_ok()));
        }
        let answer = answer.map_err(|error| {
            let place = format!("line {}, column {}", error.line(), error.column());
            let error = Error::Config(format!("{} printed no ExecCredential ({place})", self.named()));
            said(error.into(), &output.stderr)
        })?;
        self.take(answer)
    }

    fn program(&self) -> Program {
        let mut info = json!({
            "kind": "ExecCredential",
            "apiVersion": self.api_version,
            "spec": { "interactive": false },
        });
        if let Some(cluster) = &self.cluster {
            info["spec"]["cluster"] = cluster.clone();
        }
        let own = self.env.iter().flatten().map(|variable| (variable.name.clone(), variable.value.clone()));
        Program {
            name: self.command.clone(),
            args: self.args.clone().unwrap_or_default(),
            env: own.chain([("KUBERNETES_EXEC_INFO".to_owned(), info.to_string())]).collect(),
            writes: false,
        }
    }

    fn failure(&self, code: Option<i32>, stdout: &[u8], stderr: &[u8], has_answered: bool) -> RunError {
        let code = code.map_or("a signal".to_owned(), |code| format!("code {code}"));
        let message = format!("{} ended with {code}", self.named());
        let error = RunError::new(ErrorKind::Forbidden, message);
        // Some say on the wrong stream what is wrong; credentials they would not print with an error.
        let wrong_stream = stderr.trim_ascii().is_empty() && !has_answered;
        said(error, if wrong_stream { stdout } else { stderr })
            .hint("log in again with the tool that it belongs to")
    }

    fn take(&self, answer: ExecCredential) -> Result<Got> {
        let wrong = |what: &str| Err(Error::Config(format!("{} {what}", self.named())).into());
        if answer.kind != "ExecCredential" {
            return wrong("printed something else than an ExecCredential");
        }
        if answer.api_version != self.api_version {
            return wrong(&format!(
                "answered in version `{}`, while the kubeconfig says `{}`",
                answer.api_version, self.api_version
            ));
        }
        let Some(status) = answer.status else { return wrong("printed no credentials (`status`)") };
        let certificate = match (status.client_certificate_data, status.client_key_data) {
            (Some(chain), Some(key)) => Some((chain.into_bytes(), key.into_bytes())),
            (None, None) => None,
            _ => return wrong("printed a client certificate or a key, and not both"),
        };
        let token = status.token.filter(|token| !token.is_empty());
        if token.is_none() && certificate.is_none() {
            return wrong("printed neither a token nor a client certificate");
        }
        Ok(Got { token, certificate, until: status.expiration_timestamp, ..Got::default() })
    }

    fn named(&self) -> String {
        format!("the exec plugin `{}` of {}", self.command, self.who)
    }
}

/// Adds the last lines that a plugin printed.
fn said(error: RunError, bytes: &[u8]) -> RunError {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let from = lines.len().saturating_sub(LINES);
    lines[from..].iter().fold(error, |error, line| error.detail(*line))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecCredential {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
    expiration_timestamp: Option<Timestamp>,
}
