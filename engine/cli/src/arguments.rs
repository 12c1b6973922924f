//! The command line. A playbook's parameters become options of `run` and `rehearse`, so the playbook is looked for first.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Command, CommandFactory, FromArgMatches, Parser, Subcommand};
use opsrun_language::{Parameter, Playbook};

use crate::commands::approve::Approve;
use crate::commands::check::Check;
use crate::commands::doc::Doc;
use crate::commands::doctor::Doctor;
use crate::commands::eks::Eks;
use crate::commands::estate::Estate;
use crate::commands::grants::Grants;
use crate::commands::helm::Helm;
use crate::commands::lease::Lease;
use crate::commands::plan::Planned;
use crate::commands::rehearse::Rehearse;
use crate::commands::repl::Repl;
use crate::commands::resume::{Resume, Undo};
use crate::commands::run::Run;
use crate::commands::runs::Runs;
use crate::commands::trust::Trust;

/// Runs operations playbooks: rehearsed on a simulated estate first, undone when they fail.
///
/// `opsrun PLAYBOOK` is `opsrun run PLAYBOOK`.
#[derive(Debug, Parser)]
#[command(name = "opsrun", version, max_term_width = 110)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Commands,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Commands {
    /// Runs a playbook on its target.
    Run(Run),
    /// Shows what a playbook would change on its target, without changing it.
    Plan(Planned),
    /// Runs a playbook on a simulated estate: nothing real is touched.
    Rehearse(Rehearse),
    /// Rehearses a playbook and prints what it has to be allowed, and no more.
    Grants(Grants),
    /// Lets the grants of a project's `opsrun.toml` count on this machine, for the file as it is now.
    Trust(Trust),
    /// Finds mistakes in playbooks without running them.
    Check(Check),
    /// Goes on with a run that broke off: what is done is not done again.
    Resume(Resume),
    /// Takes back what a run did, latest first.
    Undo(Undo),
    /// Lists and shows past runs, and says what became of what nobody knows.
    #[command(subcommand)]
    Runs(Runs),
    /// Approves of what a run waits for, or refuses it.
    Approve(Approve),
    /// Lists leases, and takes one from whoever holds it.
    #[command(subcommand)]
    Lease(Lease),
    /// Shows what playbooks can call.
    Doc(Doc),
    /// Serves the simulated estate.
    #[command(subcommand)]
    Estate(Estate),
    /// Signs in to clusters of EKS.
    #[command(subcommand)]
    Eks(Eks),
    /// Works on Helm charts.
    #[command(subcommand)]
    Helm(Helm),
    /// Says what is reachable, what is missing, and how to get it.
    Doctor(Doctor),
    /// Works interactively on a target or on an estate.
    Repl(Repl),
}

/// The commands that take a playbook and its parameters.
const PLAYED: [&str; 4] = ["run", "plan", "rehearse", "grants"];

/// Reads the arguments; `parameters` gives those of the playbook that is named, if one is.
///
/// # Errors
/// What clap says, help and version included.
pub(crate) fn read(
    mut words: Vec<OsString>,
    playbook: Option<&Playbook>,
) -> Result<(Arguments, Vec<(String, String)>), clap::Error> {
    if words.get(1).is_some_and(is_playbook) {
        words.insert(1, "run".into());
    }
    let mut command = Arguments::command();
    if let Some(playbook) = playbook {
        for name in PLAYED {
            let own = command.find_subcommand(name).into_iter().flat_map(Command::get_opts);
            let own: Vec<_> = own.filter_map(Arg::get_long).map(str::to_owned).collect();
            if let Some(taken) = playbook.parameters().iter().find(|parameter| own.contains(&parameter.name))
            {
                return Err(command.error(ErrorKind::ArgumentConflict, name_taken(playbook, taken, &own)));
            }
            command = command.mut_subcommand(name, |command| with_parameters(command, playbook));
        }
    }
    let matches = command.try_get_matches_from(words)?;
    let given = playbook.map(|playbook| given(&matches, playbook.parameters())).unwrap_or_default();
    Ok((Arguments::from_arg_matches(&matches)?, given))
}

/// The playbook that the command line names: the first word that ends in `.rhai`.
pub(crate) fn playbook(words: &[OsString]) -> Option<PathBuf> {
    let command = words.get(1)?;
    let named = PLAYED.iter().any(|name| command == name) || is_playbook(command);
    named.then(|| words.iter().skip(1).find(|word| is_playbook(word)).map(PathBuf::from)).flatten()
}

fn is_playbook(word: &OsString) -> bool {
    Path::new(word).extension().is_some_and(|extension| extension == "rhai")
}

fn with_parameters(mut command: Command, playbook: &Playbook) -> Command {
    let description = playbook.description();
    if !description.is_empty() {
        command =
            command.about(description.lines().next().unwrap_or_default().to_owned()).long_about(description);
    }
    for parameter in playbook.parameters() {
        let id = id(parameter);
        let argument = Arg::new(id)
            .long(parameter.name.clone())
            .value_name(parameter.kind.name().to_uppercase())
            .help(help(parameter))
            .help_heading("Parameters of the playbook")
            .allow_hyphen_values(true);
        command = command.arg(argument);
    }
    command
}

fn name_taken(playbook: &Playbook, parameter: &Parameter, own: &[String]) -> String {
    format!(
        "the parameter `{}` of {} has the name of an option of opsrun's own: rename it; taken are `--{}`",
        parameter.name,
        playbook.path(),
        own.join("`, `--")
    )
}

fn help(parameter: &Parameter) -> String {
    let mut notes = Vec::new();
    if parameter.required {
        notes.push("required".to_owned());
    }
    if parameter.secret {
        notes.push("a secret: give a reference such as env:NAME".to_owned());
    }
    if let Some(default) = &parameter.default {
        notes.push(format!("default: {}", plain(default)));
    }
    if !parameter.choices.is_empty() {
        notes.push(format!("one of: {}", parameter.choices.iter().map(plain).collect::<Vec<_>>().join(", ")));
    }
    match notes.is_empty() {
        true => parameter.help.clone(),
        false => format!("{} [{}]", parameter.help, notes.join("; ")).trim_start().to_owned(),
    }
}

fn plain(value: &opsrun_core::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn id(parameter: &Parameter) -> String {
    format!("parameter {}", parameter.name)
}

fn given(matches: &ArgMatches, parameters: &[Parameter]) -> Vec<(String, String)> {
    let Some((_, matches)) = matches.subcommand() else { return Vec::new() };
    let value = |parameter: &Parameter| matches.try_get_one::<String>(&id(parameter)).ok().flatten().cloned();
    parameters
        .iter()
        .filter_map(|parameter| value(parameter).map(|value| (parameter.name.clone(), value)))
        .collect()
}
