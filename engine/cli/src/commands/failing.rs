//! `opsrun rehearse --fail-everywhere` and `--fail-at`: rehearsals in which writes fail.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use opsrun_core::{Error, Result, Value};
use opsrun_language::Playbook;
use opsrun_runtime::{EstateFile, FailAt, Launch, Outcome, Rehearsal, Run, Trial, World};
use serde_json::json;

use super::rehearse::{Rehearse, set_up, shown};
use super::run::{took, watcher};
use crate::output::{Form, complain_with, failures, print};
use crate::program::Program;

/// What these rehearsals have in common.
pub(super) struct Failing<'r> {
    pub rehearse: &'r Rehearse,
    pub program: &'r Program,
    pub playbook: &'r Arc<Playbook>,
    pub arguments: BTreeMap<String, Value>,
    /// The same as it was typed.
    pub given: &'r [(String, String)],
    pub launch: Launch,
    pub file: EstateFile,
}

const HELD: u8 = 0;
const WRONG: u8 = 1;

impl Failing<'_> {
    /// Every write, every failure.
    pub(super) fn everywhere(&self) -> Result<u8> {
        let clock = World::live().clock();
        let began = clock.now();
        let start = || self.start();
        let play = |run: &Arc<Run>| Ok(opsrun_language::run(self.playbook, &self.arguments, run)?.outcome);
        let trial = Trial::begin(&start, &play)?;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let each = self.rehearse.sample.map_or(1, usize::from);
        let failures: Vec<FailAt> = trial.all().into_iter().step_by(each).collect();
        let cases = trial.cases(&failures, threads);
        let report = failures::Report {
            subject: self.subject(),
            writes: trial.writes(),
            cases: &cases,
            again: &|at| self.again(at),
        };
        print(&self.launch.redactor.apply(&match self.rehearse.options.output {
            Form::Text => report.text(),
            Form::Json => report.json(),
        }))?;
        complain_with(&format!("{} rehearsals in {}\n", cases.len() + 1, took(began, clock.now())));
        Ok(if cases.iter().all(opsrun_runtime::Case::held) { HELD } else { WRONG })
    }

    /// One of them, with all that happens.
    pub(super) fn at(&self, at: FailAt) -> Result<u8> {
        let start = || self.start();
        let show = self.rehearse.options.output.show(self.file.start, self.launch.redactor.clone());
        // The undisturbed run is not shown, nor what a process that was killed thinks of its end.
        let shown = AtomicBool::new(false);
        let play = |run: &Arc<Run>| {
            let from = run.now();
            let ended = opsrun_language::run(self.playbook, &self.arguments, run)?;
            if shown.load(Ordering::Relaxed) {
                show.ended(&ended.outcome, &ended.report(self.playbook), took(from, run.now()));
            }
            Ok::<Outcome, Error>(ended.outcome)
        };
        let trial = Trial::begin(&start, &play)?;
        let Some(write) = trial.writes().iter().find(|write| write.number == at.write) else {
            let error = Error::invalid(format!("there is no write {}", at.write));
            return Err(error.hint(format!("an undisturbed rehearsal has {} writes", trial.writes().len())));
        };
        shown.store(true, Ordering::Relaxed);
        show.remark(
            &format!("failing {}: write {} (`{}`), {}", self.subject(), at.write, write.access, at.failure),
            json!({ "playbook": self.rehearse.playbook, "write": write.access, "failure": at.failure.word() }),
        );
        let case = trial.case(at, watcher(&show));
        let verdict = match case.held() {
            true => format!("\nthis is well: {}", case.ended),
            false => format!("\nthis is WRONG: {}\n{}", case.ended, case.wrong.join("\n")),
        };
        show.remark(&verdict, json!({ "held": case.held(), "ended": case.ended, "wrong": case.wrong }));
        Ok(if case.held() { HELD } else { WRONG })
    }

    fn start(&self) -> Result<Rehearsal> {
        let rehearsal = Rehearsal::start(self.launch.clone(), &self.file, self.rehearse.seed)?;
        set_up(self.program, &rehearsal, &self.file)?;
        Ok(rehearsal)
    }

    fn subject(&self) -> String {
        let Rehearse { playbook, seed, .. } = self.rehearse;
        format!("{} on {} (seed {seed})", playbook.display(), shown(&self.file))
    }

    /// The command that shows one of them.
    fn again(&self, at: FailAt) -> String {
        let Rehearse { playbook, estate, seed, options, .. } = self.rehearse;
        let mut words = vec!["opsrun".to_owned(), "rehearse".to_owned(), playbook.display().to_string()];
        let mut option = |name: &str, value: String| words.extend([format!("--{name}"), value]);
        self.given.iter().for_each(|(name, value)| option(name, value.clone()));
        estate.iter().for_each(|estate| option("estate", estate.display().to_string()));
        if *seed != 1 {
            option("seed", seed.to_string());
        }
        options.target.iter().for_each(|target| option("target", target.clone()));
        options.allow.iter().for_each(|access| option("allow", access.to_string()));
        option("fail-at", at.to_string());
        words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}
