//! Programs on this machine, each by grant (`program run NAME`), with an environment that is given, not inherited. On an estate,
//! those that a simulator has.

use std::process::Stdio;
use std::sync::Arc;

use futures::FutureExt;
use http::StatusCode;
use opsrun_core::{Access, Call, Effect, Error, ErrorKind, Program, ProgramEnd, Result, Running};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::audit::Reply;
use crate::fault::Action;
use crate::gate::{Gate, Outcome, Recorder};

/// The environment that every program gets.
#[derive(Debug, Clone, Default)]
pub struct Programs {
    env: Vec<(String, String)>,
}

/// What is kept of a program's standard error, in bytes.
const STDERR: usize = 64 << 10;

impl Programs {
    /// `env`: whole, as the programs see it (`PATH`, `HOME` …).
    pub fn new(env: Vec<(String, String)>) -> Self {
        Programs { env }
    }

    /// What running this program asks for.
    pub fn access(program: &Program) -> Access {
        Access {
            system: "program".into(),
            verb: "run".into(),
            resource: program.name.clone(),
            name: None,
            namespace: None,
            effect: if program.writes { Effect::Write } else { Effect::Read },
        }
    }

    /// Starts a program; it is killed when what this gives is dropped. `gate` gives the run's gate and its recorder, which are
    /// told when it has ended.
    ///
    /// # Errors
    /// `Denied` without a grant, `NotFound` if there is no such program.
    pub async fn start<R>(
        &self,
        run: Arc<R>,
        gate: fn(&R) -> &Gate,
        call: &Arc<Call>,
        program: Program,
    ) -> Result<Running>
    where
        R: Recorder + Send + Sync + 'static,
    {
        let access = Self::access(&program);
        let admitted = gate(&run).admit(call, &access, None)?;
        let ticket = match run.intent(call, &access).await {
            Ok(ticket) => ticket,
            Err(error) => {
                gate(&run).reply(admitted, &Reply::NotSent(error.report()), None)?;
                return Err(error);
            }
        };
        let fault = gate(&run).fault(&access);
        let rule = fault.as_ref().map(|(_, rule)| rule.clone());
        let action = fault.map(|(action, _)| action);
        if let Some(Action::Delay(span)) = action {
            gate(&run).sleep(span).await;
        }
        let injected = Error::failed(format!("`{}` failed (injected fault)", program.name));
        let started = match action {
            Some(Action::Status(_) | Action::Refuse | Action::Lose) => Err(injected.clone()),
            _ => match gate(&run).simulated_program(&program) {
                Some(simulated) => simulated,
                None => self.spawn(&program),
            },
        };
        let running = match started {
            Ok(running) => running,
            Err(error) => {
                gate(&run).reply(admitted, &Reply::Failed(error.report()), rule.as_deref())?;
                let outcome = match action {
                    Some(Action::Lose) => Outcome::Lost(error.report()),
                    _ => Outcome::NotSent(error.report()),
                };
                run.outcome(ticket, outcome).await?;
                return Err(error);
            }
        };
        let Running { input, output, ended } = running;
        let ended = async move {
            let ended = match (ended.await, action) {
                (Ok(_), Some(Action::LoseAnswer)) => Err(injected),
                (ended, _) => ended,
            };
            let (reply, outcome) = match &ended {
                Ok(end) => (Reply::Exit(end.code), outcome(&program, end)),
                Err(error) => (Reply::Failed(error.report()), Outcome::Lost(error.report())),
            };
            let audited = gate(&run).reply(admitted, &reply, rule.as_deref());
            run.outcome(ticket, outcome).await?;
            audited.and(ended)
        };
        Ok(Running { input, output, ended: ended.boxed() })
    }

    fn spawn(&self, program: &Program) -> Result<Running> {
        #[allow(clippy::disallowed_methods)] // this is the gate
        let mut child = tokio::process::Command::new(&program.name)
            .args(&program.args)
            .env_clear()
            .envs(self.env.iter().cloned())
            .envs(program.env.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(program, &error))?;
        let no_pipe = || Error::failed(format!("`{}` was started without pipes", program.name));
        let input = child.stdin.take().ok_or_else(no_pipe)?;
        let output = child.stdout.take().ok_or_else(no_pipe)?;
        let stderr = child.stderr.take().ok_or_else(no_pipe)?;
        // Read by a task of its own: a program that waits until somebody reads it does not go on.
        let said = tokio::spawn(tail(stderr));
        let program = program.clone();
        let ended = async move {
            let status = child.wait().await.map_err(|error| failed(&program, &error))?;
            let stderr = said.await.unwrap_or_default();
            Ok(ProgramEnd { code: status.code(), stderr })
        };
        Ok(Running { input: Box::pin(input), output: Box::pin(output), ended: ended.boxed() })
    }
}

/// One that failed may have done a part.
fn outcome(program: &Program, end: &ProgramEnd) -> Outcome {
    match end.code {
        Some(0) => Outcome::Answered(StatusCode::OK),
        Some(_) => Outcome::Answered(StatusCode::INTERNAL_SERVER_ERROR),
        None => Outcome::Lost(format!("`{}` was ended by a signal", program.name)),
    }
}

fn failed(program: &Program, error: &std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::NotFound => Error::not_found(format!("there is no program `{}`", program.name)),
        _ => Error::new(ErrorKind::Failed, format!("`{}` cannot be run: {error}", program.name)),
    }
}

/// What comes last.
async fn tail(mut from: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut piece = vec![0; 8 << 10];
    // What can be read no more has been said.
    while let Ok(read @ 1..) = from.read(&mut piece).await {
        kept.extend_from_slice(&piece[..read]);
        let surplus = kept.len().saturating_sub(STDERR);
        kept.drain(..surplus);
    }
    kept
}
