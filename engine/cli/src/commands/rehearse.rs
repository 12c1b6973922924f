//! `opsrun rehearse PLAYBOOK`: on a simulated estate, with faults if wanted, in virtual time.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use opsrun_core::{Error, Result};
use opsrun_gate::FaultRule;
use opsrun_language::Playbook;
use opsrun_runtime::{EstateFile, FailAt, Rehearsal, Unwatched, changes, without_kept};
use serde_json::json;

use super::failing::Failing;
use super::run::{RunOptions, named, stop_on_signals, took, warn_of_plain_secrets, watcher};
use crate::program::Program;

#[derive(Debug, clap::Args)]
pub(crate) struct Rehearse {
    /// The playbook, a file that ends in `.rhai`.
    pub(super) playbook: PathBuf,
    /// The estate file; the project's, if none is named.
    #[arg(long, value_name = "FILE")]
    pub(super) estate: Option<PathBuf>,
    /// Decides every random name and the order of everything: the same seed, the same rehearsal.
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// A fault to rehearse with: `k8s patch deployments: 403`. It happens once unless it says how often.
    #[arg(long, value_name = "RULE")]
    fault: Vec<FaultRule>,
    /// Rehearse once for each write and each way in which it can fail, and tell where the playbook neither copes nor is
    /// taken back, nor can go on after it was killed.
    #[arg(long, conflicts_with_all = ["fault", "fail_at"])]
    fail_everywhere: bool,
    /// Only each Nth of these rehearsals: for a quick look.
    #[arg(long, value_name = "N", requires = "fail_everywhere")]
    pub(super) sample: Option<std::num::NonZeroUsize>,
    /// Show one of these rehearsals: `12:lost-answer`.
    #[arg(long, value_name = "WRITE:HOW", conflicts_with = "fault")]
    fail_at: Option<FailAt>,
    #[command(flatten)]
    pub(super) options: RunOptions,
}

impl Rehearse {
    pub(crate) fn carry_out(
        &self,
        program: &Program,
        playbook: Option<Arc<Playbook>>,
        given: &[(String, String)],
    ) -> Result<u8> {
        let (playbook, arguments, mut launch) = named(program, &self.playbook, playbook, given)?;
        warn_of_plain_secrets(program, &playbook, &arguments);
        self.options.apply(&mut launch);
        let file = launch.estate_file(self.estate.as_deref())?;
        if self.fail_everywhere || self.fail_at.is_some() {
            let failing =
                Failing { rehearse: self, program, playbook: &playbook, arguments, given, launch, file };
            return match self.fail_at {
                Some(at) => failing.at(at),
                None => failing.everywhere(),
            };
        }
        let redactor = launch.redactor.clone();
        let rehearsal = Rehearsal::start(launch, &file, self.seed)?;
        set_up(program, &rehearsal, &file)?;
        let start = rehearsal.world().clock().now();
        let show = self.options.output.show(start, redactor);
        let run = rehearsal.run(watcher(&show), self.fault.clone())?;
        show.remark(
            &format!("rehearsing {} on {} (seed {})", self.playbook.display(), shown(&file), self.seed),
            json!({ "playbook": self.playbook, "estate": file.path, "seed": self.seed }),
        );
        stop_on_signals(&run)?;
        let before = rehearsal.estate().snapshot();
        let ended = opsrun_language::run(&playbook, &arguments, &run)?;
        show.ended(&ended.outcome, &ended.report(&playbook), took(start, run.now()));
        let changes = changes(&before, &rehearsal.estate().snapshot());
        // What a run that succeeded has done is all meant; what an undone one leaves is not, unless it was declared.
        let kept = if ended.outcome.error().is_some() { run.kept() } else { BTreeMap::new() };
        let (mut changes, kept) = without_kept(changes, &kept);
        // Before they are cut to the length of a line.
        changes.iter_mut().for_each(|change| change.hide(run.redactor()));
        show.changed(&changes);
        for (why, count) in kept {
            show.remark(
                &format!("kept on purpose ({count} changes): {why}"),
                json!({ "kept": why, "changes": count }),
            );
        }
        for fault in run.gate().unused_faults() {
            show.remark(
                &format!("! the fault `{fault}` did not happen: nothing matched it"),
                json!({ "unused_fault": fault }),
            );
        }
        Ok(ended.outcome.exit_code())
    }
}

/// Runs the estate's setup, if it has one.
///
/// # Errors
/// The setup's own, told as such.
pub(crate) fn set_up(program: &Program, rehearsal: &Rehearsal, file: &EstateFile) -> Result<()> {
    let Some(setup) = &file.setup else { return Ok(()) };
    let path = file.path.parent().map_or_else(|| setup.clone(), |folder| folder.join(setup));
    let playbook = program
        .load(&path)
        .map_err(|refusal| refusal.error().context("the estate's setup cannot be loaded"))?;
    let given: Vec<_> = file
        .params
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        .collect();
    let arguments = playbook.arguments(&given)?;
    let run = rehearsal.setup(Arc::new(Unwatched))?;
    let ended = opsrun_language::run(&playbook, &arguments, &run)?;
    match ended.outcome.error() {
        None => Ok(()),
        Some(_) => {
            let error = Error::failed(format!("the estate's setup `{}` failed", path.display()));
            Err(error.detail(ended.report(&playbook)))
        }
    }
}

pub(super) fn shown(file: &EstateFile) -> String {
    match file.path.as_os_str().is_empty() {
        true => "an empty estate".to_owned(),
        false => file.path.display().to_string(),
    }
}
