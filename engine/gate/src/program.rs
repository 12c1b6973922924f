//! Programs on this machine, each by grant (`program run NAME`), with an environment that is given, not inherited.

use std::process::Stdio;

use opsrun_core::{Access, Call, Effect, Error, ErrorKind, Program, ProgramOutput, Result};
use tokio::io::AsyncWriteExt;

use crate::audit::Reply;
use crate::gate::Gate;

/// The environment that every program gets.
#[derive(Debug, Clone, Default)]
pub struct Programs {
    env: Vec<(String, String)>,
}

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
            effect: Effect::Read,
        }
    }

    /// Runs a program to its end; it is killed when the future is dropped.
    ///
    /// # Errors
    /// `Denied` without a grant, `NotFound` if there is no such program.
    pub async fn run(&self, gate: &Gate, call: &Call, program: Program) -> Result<ProgramOutput> {
        let admitted = gate.admit(call, &Self::access(&program), None)?;
        let ended = self.carry_out(program).await;
        let reply = match &ended {
            Ok(output) => Reply::Exit(output.code),
            Err(error) => Reply::Failed(error.report()),
        };
        gate.reply(admitted, &reply, None)?;
        ended
    }

    /// The same on an estate, which has no programs.
    ///
    /// # Errors
    /// `Denied` without a grant, else `NotFound`.
    pub fn run_on_estate(&self, gate: &Gate, call: &Call, program: &Program) -> Result<ProgramOutput> {
        let admitted = gate.admit(call, &Self::access(program), None)?;
        let error = Error::not_found(format!("the estate has no program `{}`", program.name));
        gate.reply(admitted, &Reply::Failed(error.report()), None)?;
        Err(error)
    }

    async fn carry_out(&self, program: Program) -> Result<ProgramOutput> {
        let failed = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                Error::not_found(format!("there is no program `{}`", program.name))
            }
            _ => Error::new(ErrorKind::Failed, format!("`{}` cannot be run: {error}", program.name)),
        };
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
            .map_err(failed)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that does not read its input has not failed.
            let _ = stdin.write_all(&program.stdin).await;
        }
        let output = child.wait_with_output().await.map_err(failed)?;
        Ok(ProgramOutput { code: output.status.code(), stdout: output.stdout, stderr: output.stderr })
    }
}
