use opsrun_core::{Cx, Effect, Error, Primitive, Result, Settle, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::client::Client;
use crate::object::{Object, ObjectRef};
use crate::pods;
use crate::session;
use crate::types::Executed;

/// Runs a command in a container.
///
/// In a pod, or in a ready pod of a workload. The command is an array, or a text that `sh -c` gets. It ending with another code
/// than 0 is a `failed` with the last lines of its output, unless `check` is off. Whatever the command does cannot be undone.
///
/// ```rhai
/// k8s::apply(#{ file: "web.yaml" }, #{ wait: 2.m });
/// let done = k8s::exec("deployment/web", ["echo", "hello"]);
/// assert(done.stdout == "hello\n");
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Exec {
    /// A pod or workload, such as `pod/api-0` or `deployment/api`.
    #[arg(positional)]
    object: ObjectRef,
    /// An array of program and arguments, or a text for `sh -c`.
    #[arg(positional)]
    command: Command,
    /// Its namespace; the target's if left out.
    namespace: Option<String>,
    /// The container; the pod's default one if left out.
    container: Option<String>,
    /// What the command reads.
    stdin: Option<String>,
    /// Fail if the command ends with another code than 0.
    #[serde(default = "yes")]
    check: bool,
    /// How long the command may take (5 minutes).
    within: Option<Span>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Command {
    Shell(String),
    Program(Vec<String>),
}

fn yes() -> bool {
    true
}

const WITHIN: Span = Span::from_secs(300);

impl Primitive for Exec {
    const PATH: &'static str = "k8s::exec";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::Never("nobody knows what the command did");
    const SETTLE: Settle = Settle::Look("whether the command ran in the container, and what it did there");
    type Out = Executed;

    async fn run(self, cx: &Cx) -> Result<Executed> {
        let command = match self.command {
            Command::Shell(text) => vec!["sh".to_owned(), "-c".to_owned(), text],
            Command::Program(words) if words.is_empty() => {
                return Err(Error::invalid("`k8s::exec`: argument `command`: it is empty"));
            }
            Command::Program(words) => words,
        };
        let client = Client::new(cx)?;
        let namespace = self.namespace.as_deref();
        let pods = pods::of(&client, &self.object, None, namespace).await?;
        let pod = pods::best(pods).ok_or_else(|| Error::not_found(format!("{} has no pods", self.object)))?;
        let default = pod["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"].as_str();
        let first = pod.items("/spec/containers").first().map(|container| container.text("/name"));
        let container = self.container.as_deref().or(default).or(first).unwrap_or_default();
        pods::check_container(&pod, container)?;
        let within = self.within.unwrap_or(WITHIN);
        let stdin = self.stdin.map(String::into_bytes);
        let session = session::exec(&client, &pod, container, &command, stdin);
        let done = cx.until(within.after(cx.now()), session).await?;
        let shown = command.join(" ");
        let done = done.ok_or_else(|| {
            let message = format!("`{shown}` in pod/{} has not ended within {within}", pod.name());
            Error::new(opsrun_core::ErrorKind::Timeout, message).detail("it may still be running there")
        })?;
        if self.check && done.code != 0 {
            let what = format!("`{shown}` in pod/{} ended with code {}", pod.name(), done.code);
            let said = if done.stderr.trim().is_empty() { &done.stdout } else { &done.stderr };
            let lines: Vec<&str> = said.lines().collect();
            let from = lines.len().saturating_sub(10);
            return Err(lines[from..].iter().fold(Error::failed(what), |error, line| error.detail(*line)));
        }
        Ok(done)
    }
}
