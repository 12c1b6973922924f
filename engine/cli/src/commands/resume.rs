//! `opsrun resume RUN` and `opsrun undo RUN`: a run that broke off goes on, or back.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use opsrun_core::{Error, ErrorKind, Redactor, Result, Value};
use opsrun_language::Playbook;
use opsrun_runtime::{Course, FileJournal, Past, PastReader};
use similar::TextDiff;

use super::run::{LiveOptions, RunOptions, carry_out, consent, watcher};
use super::runs;
use crate::program::Program;

#[derive(Debug, clap::Args)]
pub(crate) struct Resume {
    /// The run's name, or the beginning of it: `opsrun runs list` lists them.
    run: String,
    /// Go on although the playbook was changed since the run began.
    #[arg(long)]
    changed: bool,
    #[command(flatten)]
    again: Again,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Undo {
    /// The run's name, or the beginning of it: `opsrun runs list` lists them.
    run: String,
    /// Take back only what was done after this step had ended, so that the run can go on from there.
    #[arg(long, value_name = "STEP")]
    to: Option<String>,
    #[command(flatten)]
    again: Again,
}

/// What both ways have in common.
#[derive(Debug, clap::Args)]
struct Again {
    /// Do it although lines of the journal are damaged: what they said is not known.
    #[arg(long)]
    damaged: bool,
    /// Do not ask on a protected target.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    options: RunOptions,
    #[command(flatten)]
    live: LiveOptions,
}

/// A run as its journal tells it.
struct Told {
    /// No other process goes on with the run meanwhile.
    journal: FileJournal,
    redactor: Arc<Redactor>,
    name: String,
    past: Past,
}

impl Resume {
    pub(crate) fn carry_out(&self, program: &Program) -> Result<u8> {
        let told = self.again.read(program, &self.run, Course::Onward)?;
        let path = Path::new(&told.past.playbook);
        let playbook = program.load_checked(path).map_err(|findings| {
            Error::invalid(format!("the playbook of the run `{}` cannot be loaded", told.name))
                .detail(findings)
        })?;
        let diff = difference(&told.past.files, &playbook);
        if !diff.is_empty() && !self.changed {
            let error = Error::new(
                ErrorKind::Denied,
                format!("`{}` was changed since the run `{}` began", told.past.playbook, told.name),
            );
            return Err(error.detail(diff).hint(format!(
                "`opsrun resume {0} --changed` goes on with it as it is now; `opsrun undo {0}` needs no playbook",
                told.name
            )));
        }
        self.again.carry_out(program, told, &playbook, Course::Onward)
    }
}

impl Undo {
    pub(crate) fn carry_out(&self, program: &Program) -> Result<u8> {
        let mut told = self.again.read(program, &self.run, Course::Back)?;
        // As it was when it ran: what is on the disk now may be another one.
        let playbook = Playbook::load(&told.past.playbook, &told.past.files, program.registry())
            .map_err(|refusal| refusal.error().context("the journal's playbook cannot be loaded"))?;
        if let Some(step) = &self.to {
            told.past = told.past.back_to(step)?;
        }
        self.again.carry_out(program, told, &playbook, Course::Back)
    }
}

impl Again {
    fn read(&self, program: &Program, run: &str, course: Course) -> Result<Told> {
        let path = runs::find(program, run)?;
        let (name, redactor) = (runs::name_of(&path), Arc::new(Redactor::default()));
        let sealer = program.launch()?.sealer();
        let mut reader = PastReader::new(program.registry());
        let (journal, damaged) =
            FileJournal::go_on(&path, redactor.clone(), sealer, &mut |record| reader.take(&record))?;
        if let Some((line, why)) = damaged.first().filter(|_| !self.damaged) {
            let what = format!("line {line} of the journal `{}` is damaged: {why}", path.display());
            return Err(Error::new(ErrorKind::Denied, what).hint(
                "what it said is not known: look at what the run did there; `--damaged` does it all the same",
            ));
        }
        let past = reader.past();
        past.may_go(course, &name, program.registry())?;
        Ok(Told { journal, redactor, name, past })
    }

    fn carry_out(&self, program: &Program, told: Told, playbook: &Playbook, course: Course) -> Result<u8> {
        let Told { journal, redactor, name, past } = told;
        let mut launch = program.launch_from(Path::new(&past.playbook)).or_else(|_| program.launch())?;
        launch.redactor = redactor;
        let target = Some(past.target.clone()).filter(|name| !name.is_empty());
        self.options.apply(&mut launch);
        self.live.apply(&mut launch);
        launch.target = self.options.target.clone().or(target);
        let what = match course {
            Course::Onward => format!("go on with {name}"),
            Course::Back => format!("take back {name}"),
        };
        consent(&launch, self.yes, &what)?;
        let arguments: BTreeMap<String, Value> = serde_json::from_value(past.params.clone())
            .map_err(|error| Error::failed(format!("the journal's parameters cannot be read: {error}")))?;
        let show =
            self.options.output.show(opsrun_runtime::World::live().clock().now(), launch.redactor.clone());
        let live = launch.again(journal, past, watcher(&show), course)?;
        carry_out(&live, playbook, &arguments, &*show)
    }
}

/// What of the playbook's texts is otherwise than it was, as a diff.
pub(super) fn difference(before: &BTreeMap<String, String>, now: &Arc<Playbook>) -> String {
    let now: BTreeMap<&str, &str> = now.files().collect();
    let mut paths: Vec<&str> = before.keys().map(String::as_str).chain(now.keys().copied()).collect();
    paths.sort_unstable();
    paths.dedup();
    let mut text = String::new();
    for path in paths {
        let (old, new) =
            (before.get(path).map_or("", String::as_str), now.get(path).copied().unwrap_or_default());
        if old != new {
            let diff = TextDiff::from_lines(old, new);
            let diff =
                diff.unified_diff().context_radius(2).header(&format!("{path} as it ran"), path).to_string();
            text.push_str(&diff);
        }
    }
    text
}
