//! `opsrun repl`: the same primitives, one line at a time, on a target or on an estate.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use opsrun_core::{Error, Result};
use opsrun_repl::{Editor, Pipe, Terminal};
use opsrun_runtime::{Rehearsal, Run, World};

use super::rehearse::set_up;
use super::run::{stop_on_signals, watcher};
use crate::output::{Form, complain};
use crate::program::{Disk, Program};

#[derive(Debug, clap::Args)]
pub(crate) struct Repl {
    /// The target of `opsrun.toml` to work on.
    #[arg(long)]
    target: Option<String>,
    /// Work on the project's estate instead.
    #[arg(long)]
    rehearse: bool,
    /// Work on this estate instead.
    #[arg(long, value_name = "FILE")]
    estate: Option<PathBuf>,
    /// Decides names and identifiers of an estate.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A file whose grants count instead of those of `opsrun.toml`, which then needs not be trusted.
    #[arg(long, value_name = "FILE")]
    grants: Option<PathBuf>,
    /// Append everything that is asked for, and what came of it, to this file, as JSON lines.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rehearse", "estate"])]
    audit: Option<PathBuf>,
}

impl Repl {
    pub(crate) fn carry_out(&self, program: &Program) -> Result<u8> {
        let mut launch = program.launch()?;
        launch.target.clone_from(&self.target);
        launch.grants.clone_from(&self.grants);
        launch.audit.clone_from(&self.audit);
        // Looking is what an incident begins with: it needs no grant.
        launch.allow.extend(launch.registry.patterns("read"));
        let folder = launch.project.root.display().to_string();
        let folder_of_runs = launch.journal_folder()?;
        // Beside the journals, which a rehearsal has none of.
        let history = match folder_of_runs.parent() {
            Some(state) => opsrun_gate::create_folder(state).map(|()| state.join("history"))?,
            None => folder_of_runs.with_file_name("history"),
        };
        let redactor = launch.redactor.clone();
        if self.rehearse || self.estate.is_some() {
            let file = launch.estate_file(self.estate.as_deref())?;
            let rehearsal = Rehearsal::start(launch, &file, self.seed)?;
            set_up(program, &rehearsal, &file)?;
            let show = Form::Text.show(rehearsal.world().clock().now(), redactor);
            let run = rehearsal.run(watcher(&show), Vec::new())?;
            return converse(program, &run, Conversation { folder, history, on_estate: true });
        }
        let show = Form::Text.show(World::live().clock().now(), redactor);
        let live = launch.live(Path::new("repl"), watcher(&show))?;
        converse(program, &live.run, Conversation { folder, history, on_estate: false })
    }
}

struct Conversation {
    /// Where libraries are imported from.
    folder: String,
    history: PathBuf,
    on_estate: bool,
}

fn converse(program: &Program, run: &Arc<Run>, about: Conversation) -> Result<u8> {
    let Conversation { folder, history, on_estate } = about;
    stop_on_signals(run)?;
    let width = program.variable("COLUMNS").and_then(|columns| columns.parse().ok()).unwrap_or(100);
    let broken = |error: std::io::Error| Error::failed(format!("the terminal cannot be used: {error}"));
    let outcome = run.execute("repl".into(), |branch| {
        let mut out = std::io::stdout();
        let mut repl = opsrun_repl::Repl::new(branch, &folder, Box::new(Disk), &mut out, width);
        if on_estate {
            repl = repl.on_estate();
        }
        let mut terminal;
        let mut pipe;
        let editor: &mut dyn Editor = if std::io::stdin().is_terminal() {
            terminal = Terminal::new(Some(&history)).map_err(broken)?;
            repl.greet()?;
            &mut terminal
        } else {
            pipe = Pipe(std::io::stdin().lock());
            &mut pipe
        };
        repl.run(editor)
    })?;
    if let Some(error) = outcome.error() {
        complain(&program.redactor(), error);
    }
    Ok(outcome.exit_code())
}
