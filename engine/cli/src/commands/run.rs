//! `opsrun PLAYBOOK`: on real targets.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use opsrun_core::{AccessPattern, Error, ErrorKind, Result, Span, Value};
use opsrun_language::Playbook;
use opsrun_runtime::{Launch, LiveRun, Plan};
use serde_json::json;

use crate::output::{Form, Show, complain_with};
use crate::program::Program;

#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// The playbook, a file that ends in `.rhai`; with `--plan`, the plan's.
    #[arg(required_unless_present = "plan")]
    playbook: Option<PathBuf>,
    #[command(flatten)]
    options: RunOptions,
    #[command(flatten)]
    live: LiveOptions,
    /// Runs what this file of `opsrun plan -o FILE` says, and writes nothing else.
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Does not ask. On a protected target only for the plan with this hash: `--plan FILE --yes=HASH`.
    #[arg(long, value_name = "HASH", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    yes: Option<String>,
}

/// Of runs that do something real.
#[derive(Debug, clap::Args)]
pub(crate) struct LiveOptions {
    #[command(flatten)]
    pub(crate) audit: AuditOption,
    /// Write outside of the target's windows and during its freezes; the reason goes into the journal and the audit log.
    #[arg(long, value_name = "REASON")]
    override_freeze: Option<String>,
}

/// Of everything that reaches something real.
#[derive(Debug, clap::Args)]
pub(crate) struct AuditOption {
    /// Append everything that is asked for, and what came of it, to this file, as JSON lines.
    #[arg(long, value_name = "FILE")]
    pub(crate) audit: Option<PathBuf>,
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
    /// A file whose grants count instead of those of `opsrun.toml`, which then needs not be trusted.
    #[arg(long, value_name = "FILE")]
    pub(crate) grants: Option<PathBuf>,
    /// The run has to be done within this time, `30m`; else it fails, and is taken back.
    #[arg(long, value_name = "SPAN")]
    deadline: Option<Span>,
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) output: Form,
}

impl RunOptions {
    /// Has the launch use them.
    pub(crate) fn apply(&self, launch: &mut Launch) {
        launch.target.clone_from(&self.target);
        launch.allow.clone_from(&self.allow);
        launch.grants.clone_from(&self.grants);
        launch.deadline = self.deadline;
    }
}

impl LiveOptions {
    /// Has the launch use them, and whoever sits there be asked for approvals.
    pub(crate) fn apply(&self, launch: &mut Launch) {
        launch.audit.clone_from(&self.audit.audit);
        launch.override_freeze.clone_from(&self.override_freeze);
        launch.asker = crate::output::asker();
    }
}

impl Run {
    pub(crate) fn carry_out(
        &self,
        program: &Program,
        playbook: Option<Arc<Playbook>>,
        given: &[(String, String)],
    ) -> Result<u8> {
        let plan = self.plan.as_deref().map(Plan::read).transpose()?;
        let path = match (&self.playbook, &plan) {
            (Some(path), _) => path.clone(),
            (None, Some(plan)) => PathBuf::from(&plan.playbook),
            (None, None) => PathBuf::new(),
        };
        let playbook = match (playbook, &plan) {
            (None, Some(_)) => program.load_checked(&path).map_err(|findings| {
                Error::invalid(format!("the plan's playbook `{}` cannot be loaded", path.display()))
                    .detail(findings)
            })?,
            (playbook, _) => needed(playbook, &path)?,
        };
        let mut launch = program.launch_from(&path)?;
        self.options.apply(&mut launch);
        self.live.apply(&mut launch);
        let arguments = match &plan {
            None => playbook.arguments(given)?,
            Some(plan) => planned(plan, &playbook, given)?,
        };
        warn_of_plain_secrets(program, &playbook, &arguments);
        if let Some(plan) = &plan {
            launch.target =
                launch.target.or_else(|| Some(plan.target.clone()).filter(|name| !name.is_empty()));
            plan.holds(&launch)?;
        }
        launch.plan = match self.agreed(&launch, plan, &playbook, &arguments)? {
            Ok(plan) => plan.map(Arc::new),
            Err(code) => return Ok(code),
        };
        let show =
            self.options.output.show(opsrun_runtime::World::live().clock().now(), launch.redactor.clone());
        let live = launch.live(&path, watcher(&show))?;
        carry_out(&live, &playbook, &arguments, &*show)
    }

    /// On a protected target somebody has to have seen what will be done, and to mean it: what they saw is what the run may do.
    /// There is an exit code instead if it would fail.
    fn agreed(
        &self,
        launch: &Launch,
        plan: Option<Plan>,
        playbook: &Playbook,
        arguments: &BTreeMap<String, Value>,
    ) -> Result<Result<Option<Plan>, u8>> {
        let name = launch.target_name()?;
        if !is_protected(launch, &name) {
            return Ok(Ok(plan));
        }
        let Some(hash) = &self.yes else {
            let what = format!("run {}", playbook.path());
            somebody_is_there(
                &name,
                "`opsrun plan -o FILE`, and then `opsrun run --plan FILE --yes=HASH`, needs nobody",
            )?;
            let plan = match plan {
                Some(plan) => plan,
                None => match super::plan::make(launch.clone(), playbook, arguments, false)? {
                    Ok(plan) => plan,
                    Err(code) => return Ok(Err(code)),
                },
            };
            complain_with(&launch.redactor.show(&plan.report()));
            ask(&name, &what)?;
            return Ok(Ok(Some(plan)));
        };
        let refused =
            |why: String| Error::new(ErrorKind::Denied, format!("the target `{name}` is protected: {why}"));
        match plan {
            None => Err(refused("`--yes` alone is not enough there".into()).hint(
                "make a plan with `opsrun plan -o FILE`, look at it, and run it with `--plan FILE --yes=HASH`",
            )),
            Some(plan) if hash.len() >= plan.short().len() && plan.hash.starts_with(hash.as_str()) => Ok(Ok(Some(plan))),
            Some(plan) if hash.is_empty() => Err(refused("`--yes` needs the hash of the plan there".into())
                .hint(format!("`--yes={}` is this plan's", plan.short()))),
            Some(plan) => Err(refused(format!("`{hash}` is not the hash of this plan"))
                .hint(format!("it is `{}`", plan.short()))),
        }
    }
}

/// Carries `playbook` out on real targets, shows how it ends, and gives the exit code.
///
/// # Errors
/// If it could not begin.
pub(crate) fn carry_out(
    live: &LiveRun,
    playbook: &Playbook,
    arguments: &BTreeMap<String, Value>,
    show: &dyn Show,
) -> Result<u8> {
    stop_on_signals(&live.run)?;
    let start = live.run.now();
    let ended = opsrun_language::run(playbook, arguments, &live.run)?;
    show.ended(&ended.outcome, &ended.report(playbook), took(start, live.run.now()));
    show.remark(
        &format!("journal: opsrun runs show {}", live.run.name()),
        json!({ "run": live.run.name(), "journal": live.journal }),
    );
    Ok(ended.outcome.exit_code())
}

/// Has Ctrl-C and SIGTERM stop the run.
///
/// # Errors
/// `Failed` if signals cannot be caught.
pub(crate) fn stop_on_signals(run: &Arc<opsrun_runtime::Run>) -> Result<()> {
    let run = run.clone();
    opsrun_gate::interrupts(move || run.stop())
        .map_err(|error| Error::failed(format!("signals cannot be caught: {error}")))
}

/// What a command line names and gives: the playbook, its arguments, and the launch for its project.
///
/// # Errors
/// `Invalid` for what is no playbook, for its arguments, or for its project.
pub(crate) fn named(
    program: &Program,
    path: &Path,
    playbook: Option<Arc<Playbook>>,
    given: &[(String, String)],
) -> Result<(Arc<Playbook>, BTreeMap<String, Value>, Launch)> {
    let playbook = needed(playbook, path)?;
    let arguments = playbook.arguments(given)?;
    Ok((playbook, arguments, program.launch_from(path)?))
}

/// The arguments of a plan, which must fit the playbook that is there now, and what is given again.
fn planned(plan: &Plan, playbook: &Playbook, given: &[(String, String)]) -> Result<BTreeMap<String, Value>> {
    if plan.playbook != playbook.path() {
        return Err(Error::invalid(format!(
            "the plan is for `{}`, not for `{}`",
            plan.playbook,
            playbook.path()
        )));
    }
    plan.is_of(playbook.files())?;
    let arguments: BTreeMap<String, Value> = serde_json::from_value(plan.params.clone())
        .map_err(|error| Error::invalid(format!("the plan's parameters cannot be read: {error}")))?;
    let again = if given.is_empty() { arguments.clone() } else { playbook.arguments(given)? };
    match again.iter().find(|(name, value)| arguments.get(*name) != Some(value)) {
        None => Ok(arguments),
        Some((name, _)) => Err(Error::invalid(format!("`--{name}` is not what the plan was made with"))
            .hint("leave the parameters out: the plan has them; or make a new plan")),
    }
}

fn is_protected(launch: &Launch, target: &str) -> bool {
    launch.project.table.targets.get(target).is_some_and(|target| target.protected)
}

/// The secret parameters that were given as they are, and not by a reference.
pub(crate) fn plain_secrets<'p>(
    program: &'p Program,
    playbook: &'p Playbook,
    arguments: &'p BTreeMap<String, Value>,
) -> impl Iterator<Item = &'p str> {
    let secret = playbook.parameters().iter().filter(|parameter| parameter.secret);
    secret.filter_map(|parameter| {
        let given = arguments.get(&parameter.name)?;
        (!parameter.is_named(given, program.registry())).then_some(parameter.name.as_str())
    })
}

/// Says which secrets were given in a way that others see; hides them from here on.
pub(crate) fn warn_of_plain_secrets(
    program: &Program,
    playbook: &Playbook,
    arguments: &BTreeMap<String, Value>,
) {
    for name in plain_secrets(program, playbook, arguments) {
        let given = arguments.get(name).and_then(Value::as_str).unwrap_or_default();
        program.redactor().hide(&format!("param:{name}"), given);
        complain_with(&format!(
            "warning: `--{name}` was given as it is: the list of processes and the shell's history show it; give a reference \
             such as `--{name} env:NAME`\n"
        ));
    }
}

/// On a protected target, somebody has to mean it.
///
/// # Errors
/// `Denied` if nobody does.
pub(crate) fn consent(launch: &Launch, yes: bool, what: &str) -> Result<()> {
    let name = launch.target_name()?;
    if yes || !is_protected(launch, &name) {
        return Ok(());
    }
    somebody_is_there(&name, "`--yes` does it without asking")?;
    ask(&name, what)
}

fn somebody_is_there(target: &str, otherwise: &str) -> Result<()> {
    if std::io::stdin().is_terminal() {
        return Ok(());
    }
    let why = format!("the target `{target}` is protected, and nobody is there to be asked");
    Err(Error::new(ErrorKind::Denied, why).hint(format!("{otherwise}; `opsrun rehearse` touches nothing")))
}

fn ask(target: &str, what: &str) -> Result<()> {
    complain_with(&format!("The target `{target}` is protected. Type its name to {what}: "));
    let mut answer = String::new();
    std::io::stdin()
        .read_line(&mut answer)
        .map_err(|error| Error::failed(format!("the answer cannot be read: {error}")))?;
    if answer.trim() == target {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Denied,
        format!("the target `{target}` is protected, and its name was not typed"),
    ))
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
