//! `opsrun plan PLAYBOOK`: what would change, without changing it; `-o FILE` keeps it for `run --plan FILE`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use opsrun_core::{Error, Result, Value};
use opsrun_language::Playbook;
use opsrun_runtime::{Launch, Plan, Planning, Unwatched, fresh_seed};
use serde_json::json;

use super::run::{RunOptions, named, plain_secrets};
use crate::output::{Form, complain_with, print};
use crate::program::Program;

#[derive(Debug, clap::Args)]
pub(crate) struct Planned {
    /// The playbook, a file that ends in `.rhai`.
    playbook: PathBuf,
    /// Writes the plan to this file, for `opsrun run --plan FILE`.
    #[arg(short = 'o', long = "out", value_name = "FILE")]
    out: Option<PathBuf>,
    /// Also asks the API server, by dry runs, what it would say to each write: admission that only it knows is then told.
    #[arg(long)]
    server: bool,
    #[command(flatten)]
    options: RunOptions,
}

impl Planned {
    pub(crate) fn carry_out(
        &self,
        program: &Program,
        playbook: Option<Arc<Playbook>>,
        given: &[(String, String)],
    ) -> Result<u8> {
        let (playbook, arguments, mut launch) = named(program, &self.playbook, playbook, given)?;
        if let Some(plain) = plain_secrets(program, &playbook, &arguments).next() {
            return Err(Error::invalid(format!("a plan cannot hold the secret `--{plain}` as it is"))
                .hint(format!("give a reference, such as `--{plain} env:NAME`")));
        }
        self.options.apply(&mut launch);
        let redactor = launch.redactor.clone();
        let plan = match make(launch, &playbook, &arguments, self.server)? {
            Ok(plan) => plan,
            Err(code) => return Ok(code),
        };
        if let Some(out) = &self.out {
            opsrun_gate::write_file(out, &plan.text())?;
        }
        match self.options.output {
            Form::Text => {
                print(&redactor.show(&plan.report()))?;
                if let Some(out) = &self.out {
                    print(&format!("written to {0}: opsrun run --plan {0}\n", out.display()))?;
                }
            }
            Form::Json => print(&format!("{}\n", json!({ "plan": plan })))?,
        }
        Ok(0)
    }
}

/// Plans a run of `playbook` on the target of `launch`. If it would fail, why is told, and there is an exit code instead of a plan.
///
/// # Errors
/// If there can be no such run.
pub(crate) fn make(
    launch: Launch,
    playbook: &Playbook,
    arguments: &BTreeMap<String, Value>,
    second_opinion: bool,
) -> Result<Result<Plan, u8>> {
    let redactor = launch.redactor.clone();
    let planning = Planning::start(launch, fresh_seed(), second_opinion)?;
    let identities = planning.identities()?;
    let (run, planner) = planning.run(Arc::new(Unwatched))?;
    let ended = opsrun_language::run(playbook, arguments, &run)?;
    if ended.outcome.error().is_none() {
        let subject = opsrun_language::subject(playbook, arguments);
        return Ok(Ok(planner.plan(&subject, &planning, identities)));
    }
    complain_with(&redactor.show(&format!(
        "there is no plan, as the run would fail; nothing was changed\n{}\n",
        ended.report(playbook).trim_end()
    )));
    Ok(Err(match ended.outcome.exit_code() {
        // What was undone was undone on the overlay.
        3 => 1,
        code => code,
    }))
}
