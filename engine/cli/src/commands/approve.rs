//! `opsrun approve RUN NAME`: says yes or no to a run that waits.

use opsrun_core::{Error, ErrorKind, Result};
use opsrun_runtime::{Past, Waiting, Word, World, read_journal, say, user};

use super::runs;
use crate::output::print;
use crate::program::Program;

#[derive(Debug, clap::Args)]
pub(crate) struct Approve {
    /// The run's name, or the beginning of it: `opsrun runs list` lists them.
    run: String,
    /// What is approved; if it is left out, what the run waits for is listed.
    name: Option<String>,
    /// Why; the run is told.
    #[arg(long, default_value = "")]
    reason: String,
    /// Refuse it: the run fails.
    #[arg(long)]
    refuse: bool,
}

impl Approve {
    pub(crate) fn carry_out(&self, program: &Program) -> Result<u8> {
        let journal = runs::find(program, &self.run)?;
        let run = runs::name_of(&journal);
        let past = Past::read(&read_journal(&journal)?.records, program.registry());
        let waiting = if past.ended.is_some() { Vec::new() } else { past.waiting };
        let Some(name) = &self.name else {
            print(&match waiting.is_empty() {
                true => format!("the run `{run}` waits for no approval\n"),
                false => waiting.iter().map(line).collect(),
            })?;
            return Ok(0);
        };
        let Some(wanted) = waiting.iter().find(|waiting| waiting.name == *name) else {
            let error = Error::not_found(format!("the run `{run}` does not wait for the approval `{name}`"));
            let names: Vec<&str> = waiting.iter().map(|waiting| waiting.name.as_str()).collect();
            return Err(match names.is_empty() {
                true => error.hint("it waits for none"),
                false => error.hint(format!("it waits for `{}`", names.join("`, `"))),
            });
        };
        let by = user(program.variables());
        if wanted.by_other && by == wanted.runner && !self.refuse {
            return Err(Error::new(
                ErrorKind::Denied,
                format!("`{name}` has to be approved by somebody else than {by}, who runs it"),
            )
            .hint("who that is, is what USER or OPSRUN_USER says"));
        }
        let word =
            Word { by, at: World::live().clock().now(), reason: self.reason.clone(), refused: self.refuse };
        say(&journal, name, &word)?;
        let said = if self.refuse { "refused" } else { "approved" };
        print(&format!("`{name}` of the run `{run}` is {said}"))?;
        Ok(0)
    }
}

fn line(waiting: &Waiting) -> String {
    let Waiting { name, message, runner, by_other, since, expires } = waiting;
    let mut line = format!("{name}  since {since}");
    if let Some(expires) = expires {
        line.push_str(&format!(", until {expires}"));
    }
    if *by_other {
        line.push_str(&format!(", by somebody else than {runner}"));
    }
    if !message.is_empty() {
        line.push_str(&format!(": {message}"));
    }
    line.push('\n');
    line
}
