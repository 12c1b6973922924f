//! The commands, one file each.

pub(crate) mod approve;
mod call;
pub(crate) mod check;
pub(crate) mod doc;
pub(crate) mod doctor;
pub(crate) mod eks;
pub(crate) mod estate;
mod failing;
pub(crate) mod grants;
pub(crate) mod helm;
pub(crate) mod lease;
pub(crate) mod plan;
pub(crate) mod rehearse;
pub(crate) mod repl;
pub(crate) mod resume;
pub(crate) mod run;
pub(crate) mod runs;
mod telling;
pub(crate) mod trust;

use std::ffi::OsString;

use opsrun_core::ErrorKind;

use crate::arguments::{self, Commands};
use crate::output::{complain, complain_with};
use crate::program::Program;

const FAILED: u8 = 1;
const REFUSED: u8 = 2;

/// Carries out a command line and gives the exit code.
pub(crate) fn carry_out(program: &Program, words: Vec<OsString>) -> u8 {
    let playbook = match arguments::playbook(&words).map(|path| program.load_checked(&path)) {
        None => None,
        Some(Ok(playbook)) => Some(playbook),
        Some(Err(findings)) => {
            complain_with(&findings);
            return REFUSED;
        }
    };
    let (arguments, given) = match arguments::read(words, playbook.as_deref()) {
        Ok(read) => read,
        Err(error) => {
            // Help and version come this way, too. Nobody is left to be told if this cannot be printed.
            let _ = error.print();
            return if error.use_stderr() { REFUSED } else { 0 };
        }
    };
    let done = match &arguments.command {
        Commands::Run(run) => run.carry_out(program, playbook, &given),
        Commands::Plan(plan) => plan.carry_out(program, playbook, &given),
        Commands::Rehearse(rehearse) => rehearse.carry_out(program, playbook, &given),
        Commands::Grants(grants) => grants.carry_out(program, playbook, &given),
        Commands::Approve(approve) => approve.carry_out(program),
        Commands::Lease(lease) => lease.carry_out(program),
        Commands::Trust(trust) => trust.carry_out(program),
        Commands::Check(check) => check.carry_out(program),
        Commands::Resume(resume) => resume.carry_out(program),
        Commands::Undo(undo) => undo.carry_out(program),
        Commands::Runs(runs) => runs.carry_out(program),
        Commands::Doc(doc) => doc.carry_out(program),
        Commands::Estate(estate) => estate.carry_out(program),
        Commands::Eks(eks) => eks.carry_out(program),
        Commands::Helm(helm) => helm.carry_out(program),
        Commands::Doctor(doctor) => doctor.carry_out(program),
        Commands::Repl(repl) => repl.carry_out(program),
    };
    done.unwrap_or_else(|error| {
        complain(&program.redactor(), &error);
        match error.kind() {
            ErrorKind::Invalid | ErrorKind::Denied | ErrorKind::NotFound => REFUSED,
            _ => FAILED,
        }
    })
}
