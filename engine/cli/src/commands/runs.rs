//! `opsrun runs`: what the journals say about past runs.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use opsrun_core::{Error, ErrorKind, Inverse, Redactor, Result, Value};
use opsrun_runtime::{
    Entry, FileJournal, Past, Reading, Record, Scope, Sealer, Settling, World, WriteOutcome, read_journal,
};

use super::telling;
use crate::output::{Form, complain_with, print};
use crate::program::Program;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Runs {
    /// Lists runs, latest last.
    List {
        #[arg(long, value_enum, default_value = "text")]
        output: Form,
    },
    /// Says what became of a call that nobody knows of, so that the run can go on.
    Settle {
        /// The run's name, or the beginning of it.
        run: String,
        /// The call's number, as `opsrun resume` tells it.
        call: u64,
        #[arg(value_enum)]
        became: Became,
        /// What the playbook gets of it, as JSON.
        #[arg(long)]
        value: Option<String>,
        /// Why you know.
        #[arg(long)]
        reason: String,
    },
    /// Says that a step of a run that broke off is done, or is to be done again.
    Mark {
        /// The run's name, or the beginning of it.
        run: String,
        /// The step, with those around it: `deploy / migrate`.
        step: String,
        #[arg(value_enum)]
        became: Became,
        /// What the playbook gets of it, as JSON.
        #[arg(long)]
        value: Option<String>,
        /// Why.
        #[arg(long)]
        reason: String,
    },
    /// Ends a run that broke off, and leaves what it did.
    Abandon {
        /// The run's name, or the beginning of it.
        run: String,
        /// Why.
        #[arg(long)]
        reason: String,
    },
    /// Shows what one run did, in order.
    Show {
        /// The run's name, or the beginning of it.
        run: String,
        #[arg(long, value_enum, default_value = "text")]
        output: Form,
    },
    /// Says in what two runs differ: parameters, playbook, steps, writes, results, outcome.
    Diff {
        /// A run's name, or the beginning of it.
        run: String,
        /// The other run's.
        other: String,
        #[arg(long, value_enum, default_value = "text")]
        output: Form,
    },
    /// Tells of a run in Markdown: who did what, when, with what result.
    Report {
        /// The run's name, or the beginning of it.
        run: String,
    },
    /// Prints all that is known of a run as one JSON document.
    Export {
        /// The run's name, or the beginning of it.
        run: String,
    },
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Became {
    Done,
    NotDone,
}

impl Runs {
    pub(crate) fn carry_out(&self, program: &Program) -> Result<u8> {
        match self {
            Runs::List { output } => list(&journals(program)?, *output),
            Runs::Show { run, output } => show(&find(program, run)?, *output),
            Runs::Diff { run, other, output } => {
                telling::diff(&find(program, run)?, &find(program, other)?, *output)
            }
            Runs::Report { run } => telling::report(&find(program, run)?),
            Runs::Export { run } => telling::export(&find(program, run)?),
            Runs::Settle { run, call, became, value, reason } => {
                let what = match became {
                    Became::Done => Settling::CallDone { call: *call, value: read_value(value.as_deref())? },
                    Became::NotDone => Settling::CallNotDone { call: *call },
                };
                settle(program, run, what, reason)
            }
            Runs::Mark { run, step, became, value, reason } => {
                let scope = step_of(program, run, step)?;
                let what = match became {
                    Became::Done => Settling::StepDone { scope, value: read_value(value.as_deref())? },
                    Became::NotDone => Settling::StepNotDone { scope },
                };
                settle(program, run, what, reason)
            }
            Runs::Abandon { run, reason } => abandon(program, run, reason),
        }?;
        Ok(0)
    }
}

fn journals(program: &Program) -> Result<Vec<PathBuf>> {
    let files = opsrun_gate::list_folder(&program.launch()?.journal_folder()?)?;
    Ok(files
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .collect())
}

/// The run whose journal this is.
pub(crate) fn name_of(journal: &Path) -> String {
    journal.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The journal of the run whose name begins so.
///
/// # Errors
/// `NotFound`; `Invalid` if there are several.
pub(crate) fn find(program: &Program, run: &str) -> Result<PathBuf> {
    let matching: Vec<_> =
        journals(program)?.into_iter().filter(|path| name_of(path).starts_with(run)).collect();
    match matching.as_slice() {
        [path] => Ok(path.clone()),
        [] => Err(Error::not_found(format!("there is no run `{run}`")).hint("`opsrun runs list` lists them")),
        several => {
            let names: Vec<_> = several.iter().map(|path| name_of(path)).collect();
            Err(Error::invalid(format!("`{run}` can be each of `{}`", names.join("`, `"))))
        }
    }
}

fn read_value(text: Option<&str>) -> Result<Value> {
    let Some(text) = text else { return Ok(Value::Null) };
    serde_json::from_str(text).map_err(|error| {
        Error::invalid(format!("`{text}` is no JSON: {error}"))
            .hint("`--value` takes what the playbook gets of it, as JSON")
    })
}

fn step_of(program: &Program, run: &str, step: &str) -> Result<Scope> {
    let past = Past::read(&read_journal(&find(program, run)?)?.records, program.registry());
    let found: Vec<_> = past.steps().filter(|(scope, _)| scope.to_string() == step).collect();
    match found.as_slice() {
        [(scope, _)] => Ok((*scope).clone()),
        [] => {
            let names: Vec<_> = past.steps().map(|(scope, _)| scope.to_string()).collect();
            Err(Error::not_found(format!("the run has not begun a step `{step}`"))
                .hint(format!("its steps are `{}`", names.join("`, `"))))
        }
        _ => Err(Error::invalid(format!("several branches of the run have a step `{step}`"))),
    }
}

/// Writes down what somebody says of a run that broke off.
fn settle(program: &Program, run: &str, what: Settling, reason: &str) -> Result<()> {
    let reason = reason.to_owned();
    append(program, run, Entry::Settled { what, reason })?;
    print(&format!("written down; `opsrun resume {run}` goes on\n"))
}

fn abandon(program: &Program, run: &str, reason: &str) -> Result<()> {
    let error = Some(Error::failed(format!("abandoned: {reason}")).to_value());
    append(program, run, Entry::RunEnded { outcome: "abandoned".to_owned(), error })?;
    print("written down: what the run did stays as it is\n")
}

fn append(program: &Program, run: &str, entry: Entry) -> Result<()> {
    let path = find(program, run)?;
    let launch = program.launch()?;
    let (journal, reading) = FileJournal::resume(&path, launch.redactor.clone(), launch.sealer())?;
    let past = Past::read(&reading.records, program.registry());
    if let Some(outcome) = past.ended {
        return Err(Error::new(
            ErrorKind::Denied,
            format!("the run `{}` has ended: {outcome}", name_of(&path)),
        ));
    }
    if let Entry::Settled { what: Settling::CallDone { call, .. } | Settling::CallNotDone { call }, .. } =
        &entry
        && !past.unsettled(program.registry()).iter().any(|unsettled| unsettled.call == *call)
    {
        return Err(Error::invalid(format!("what became of call {call} is known, or does not matter"))
            .hint("`opsrun resume` says which call somebody has to look at"));
    }
    journal.append_now(&Record { at: World::live().clock().now(), entry })
}

/// A run, in a line.
struct Summary {
    run: String,
    at: Option<Timestamp>,
    state: String,
    playbook: String,
    target: String,
}

impl Summary {
    fn of(path: &Path) -> Result<Self> {
        let reading = read_journal(path)?;
        let state = state(path, &reading)?;
        let (at, playbook, target) = match reading.records.into_iter().next() {
            Some(Record { at, entry: Entry::RunBegun { playbook, target, .. } }) => {
                (Some(at), playbook, target)
            }
            _ => (None, String::new(), String::new()),
        };
        Ok(Summary { run: name_of(path), at, state, playbook, target })
    }
}

fn list(journals: &[PathBuf], output: Form) -> Result<()> {
    let mut runs = journals.iter().map(|path| Summary::of(path)).collect::<Result<Vec<_>>>()?;
    // A name has the second in which its run began only.
    runs.sort_by_key(|run| run.at);
    let mut text = String::new();
    for Summary { run, at, state, playbook, target } in runs {
        match output {
            Form::Text => text.push_str(format!("{run}  {state:<12} {playbook}  {target}").trim_end()),
            Form::Json => {
                let line = serde_json::json!({ "run": run, "at": at, "outcome": state, "playbook": playbook, "target": target });
                text.push_str(&line.to_string());
            }
        }
        text.push('\n');
    }
    print(&text)
}

/// In one word, where a run stands.
fn state(path: &Path, reading: &Reading) -> Result<String> {
    if !reading.damaged.is_empty() {
        return Ok("damaged".to_owned());
    }
    let ended = reading.records.iter().rev().find_map(|record| match &record.entry {
        Entry::RunEnded { outcome, .. } => Some(Some(outcome.clone())),
        Entry::RunResumed { .. } => Some(None),
        _ => None,
    });
    Ok(match ended.flatten() {
        Some(outcome) => outcome,
        None if opsrun_gate::reopen_file(path)?.is_none() => "running".to_owned(),
        None => "broken off".to_owned(),
    })
}

fn show(path: &Path, output: Form) -> Result<()> {
    // Markers are shown as what they stand for; values are not in a journal.
    let redactor = Redactor::default();
    let mut text = String::new();
    let reading = read_journal(path)?;
    for (line, why) in &reading.damaged {
        complain_with(&format!("line {line} of `{}` is damaged: {why}\n", path.display()));
    }
    for record in reading.records {
        match output {
            Form::Text => text.push_str(&redactor.show(&line(&record))),
            Form::Json => {
                let mut line =
                    serde_json::to_value(&record).map_err(|error| Error::failed(error.to_string()))?;
                redactor.show_value(&mut line);
                text.push_str(&line.to_string());
                text.push('\n');
            }
        }
    }
    print(&text)
}

fn line(record: &Record) -> String {
    let failed = |error: &Option<Value>| match error.as_ref().and_then(|error| error["message"].as_str()) {
        Some(message) => format!(": {message}"),
        None => String::new(),
    };
    let what = match &record.entry {
        Entry::RunBegun { run, playbook, target, params, .. } => {
            format!("run {run} of {playbook} on `{target}` with {}", unsealed(params.clone()))
        }
        Entry::RunResumed { version, files, .. } => {
            let changed = if files.is_some() { ", with another playbook" } else { "" };
            format!("goes on with opsrun {version}{changed}")
        }
        Entry::SecretNamed { secret, .. } => format!("names the secret {secret}"),
        Entry::StepBegun { scope, .. } => format!("> {scope}"),
        Entry::StepEnded { scope, error, .. } => format!("< {scope}{}", failed(error)),
        Entry::Settled { what, reason } => format!("{what}, somebody says: {reason}"),
        Entry::StepUndone { scope } => format!("took back step {scope}"),
        Entry::CallBegun { call, path, arguments, undoes, .. } => {
            let undoing = undoes.map(|(call, _)| format!(" takes back call {call}")).unwrap_or_default();
            format!("  call {call} {path} {arguments}{undoing}")
        }
        Entry::Inverse { call, inverse: Some(Inverse::Call { path, args, .. }), .. } => {
            format!("    call {call} is taken back by {path} {}", unsealed(args.clone()))
        }
        Entry::Inverse { call, inverse: Some(Inverse::None { why }), .. } => {
            format!("    call {call} cannot be taken back: {why}")
        }
        Entry::Inverse { call, inverse: None, .. } => format!("    call {call} has nothing to be taken back"),
        Entry::WriteIntent { write, access, .. } => format!("    write {write}: {access}"),
        Entry::WriteOutcome { write, outcome } => match outcome {
            WriteOutcome::Status(status) => format!("    write {write}: answered {status}"),
            WriteOutcome::NotSent(why) => format!("    write {write}: not sent: {why}"),
            WriteOutcome::Lost(why) => format!("    write {write}: UNKNOWN: {why}"),
        },
        Entry::CallEnded { call, error, .. } => format!("  call {call} ended{}", failed(error)),
        Entry::ApprovalAsked { name, message, .. } if message.is_empty() => {
            format!("  waits for the approval `{name}`")
        }
        Entry::ApprovalAsked { name, message, .. } => format!("  waits for the approval `{name}`: {message}"),
        Entry::ApprovalGiven { name, word, .. } => {
            let said = if word.refused { "refused" } else { "approved" };
            let reason = if word.reason.is_empty() { String::new() } else { format!(": {}", word.reason) };
            format!("  `{name}` is {said} by {}{reason}", word.by)
        }
        Entry::FreezeOverridden { target, closed, reason, by } => {
            format!("{by} writes on `{target}` although {closed}: {reason}")
        }
        Entry::UndoBegun { because, to: None } => format!("taking back: {because}"),
        Entry::UndoBegun { because, to: Some(step) } => {
            format!("taking back what came after step {step}: {because}")
        }
        Entry::UndoEnded { errors } => format!("took back, with {} errors", errors.len()),
        Entry::RunEnded { outcome, error } => format!("{outcome}{}", failed(error)),
    };
    format!("{}  {what}\n", record.at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"))
}

/// Without the letters of what is sealed.
pub(super) fn unsealed(mut value: Value) -> Value {
    match &mut value {
        Value::String(text) if Sealer::is_sealed(text) => "‹sealed›".into(),
        Value::Array(items) => items.drain(..).map(unsealed).collect(),
        Value::Object(map) => {
            Value::Object(std::mem::take(map).into_iter().map(|(key, item)| (key, unsealed(item))).collect())
        }
        _ => value,
    }
}
