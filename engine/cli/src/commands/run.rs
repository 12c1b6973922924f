//! `opsrun PLAYBOOK`: on real targets.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use opsrun_core::{AccessPattern, Error, ErrorKind, Result, Span};
use opsrun_language::Playbook;
use opsrun_runtime::Launch;
use serde_json::json;

use crate::output::{Form, Show, complain_with};
use crate::program::Program;

#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// The playbook, a file that ends in `.rhai`.
    playbook: PathBuf,
    #[command(flatten)]
    options: RunOptions,
    /// Do not ask on a protected target.
    #[arg(long)]
    yes: bool,
}

/// What `run` and `rehearse` have in common.
#[derive(Debug, clap::Args)]
pub(crate) struct RunOptions {
    /// The target of `opsrun.toml` to run on.
    #[arg(long)]
    pub(crate) target: Option<String>,
    /// Grants the playbook an access for this run: `k8s read * in prod`, `http POST hooks.slack.com`.
    #[arg(long, value_name = "ACCESS")]
    pub(crate) allow: Vec<AccessPattern>,
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) output: Form,
}

impl Run {
    pub(crate) fn carry_out(
        &self,
        program: &Program,
        playbook: Option<Arc<Playbook>>,
        given: &[(String, String)],
    ) -> Result<u8> {
        let playbook = needed(playbook, &self.playbook)?;
        let arguments = playbook.arguments(given)?;
        let mut launch = program.launch_from(&self.playbook)?;
        launch.target.clone_from(&self.options.target);
        launch.allow.clone_from(&self.options.allow);
        consent(&launch, self.yes, &format!("run {}", self.playbook.display()))?;
        let show =
            self.options.output.show(opsrun_runtime::World::live().clock().now(), launch.redactor.clone());
        let live = launch.live(&self.playbook, watcher(&show))?;
        let stopped = live.run.clone();
        opsrun_gate::interrupts(move || stopped.stop())
            .map_err(|error| Error::failed(format!("signals cannot be caught: {error}")))?;
        let start = live.run.now();
        let ended = opsrun_language::run(&playbook, &arguments, &live.run)?;
        show.ended(&ended.outcome, &ended.report(&playbook), took(start, live.run.now()));
        show.remark(
            &format!("journal: opsrun runs show {}", live.run.name()),
            json!({ "run": live.run.name(), "journal": live.journal }),
        );
        Ok(ended.outcome.exit_code())
    }
}

/// On a protected target, somebody has to mean it.
///
/// # Errors
/// `Denied` if nobody does.
pub(crate) fn consent(launch: &Launch, yes: bool, what: &str) -> Result<()> {
    let name = launch.target_name()?;
    let protected = launch.project.table.targets.get(&name).is_some_and(|target| target.protected);
    if !protected || yes {
        return Ok(());
    }
    let refused = |why: &str| {
        Err(Error::new(ErrorKind::Denied, format!("the target `{name}` is protected, and {why}")))
    };
    if !std::io::stdin().is_terminal() {
        return refused("nobody is there to be asked")
            .map_err(|error| error.hint("`--yes` runs without asking; `opsrun rehearse` touches nothing"));
    }
    complain_with(&format!("The target `{name}` is protected. Type its name to {what}: "));
    let mut answer = String::new();
    std::io::stdin()
        .read_line(&mut answer)
        .map_err(|error| Error::failed(format!("the answer cannot be read: {error}")))?;
    if answer.trim() == name { Ok(()) } else { refused("its name was not typed") }
}

/// The playbook that was found on the command line.
pub(crate) fn needed(playbook: Option<Arc<Playbook>>, path: &std::path::Path) -> Result<Arc<Playbook>> {
    playbook.ok_or_else(|| {
        Error::invalid(format!("`{}` is no playbook", path.display()))
            .hint("a playbook is a file that ends in `.rhai`")
    })
}

pub(crate) fn watcher(show: &Arc<dyn Show>) -> Arc<dyn opsrun_runtime::Watcher> {
    show.clone()
}

pub(crate) fn took(start: jiff::Timestamp, end: jiff::Timestamp) -> Span {
    std::time::Duration::try_from(end.duration_since(start)).unwrap_or_default().into()
}
