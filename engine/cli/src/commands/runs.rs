//! `opsrun runs`: what the journals say about past runs.

use std::path::{Path, PathBuf};

use opsrun_core::{Error, Inverse, Result, Value};
use opsrun_runtime::{Entry, Record, WriteOutcome, read_journal};

use crate::output::{Form, print};
use crate::program::Program;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Runs {
    /// Lists runs, latest last.
    List {
        #[arg(long, value_enum, default_value = "text")]
        output: Form,
    },
    /// Shows what one run did, in order.
    Show {
        /// The run's name, or the beginning of it.
        run: String,
        #[arg(long, value_enum, default_value = "text")]
        output: Form,
    },
}

impl Runs {
    pub(crate) fn carry_out(&self, program: &Program) -> Result<u8> {
        let folder = program.launch()?.journal_folder()?;
        let journals = opsrun_gate::list_folder(&folder)?;
        let journals: Vec<PathBuf> = journals
            .into_iter()
            .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
            .collect();
        match self {
            Runs::List { output } => list(&journals, *output),
            Runs::Show { run, output } => show(&find(&journals, run)?, *output),
        }?;
        Ok(0)
    }
}

fn find(journals: &[PathBuf], run: &str) -> Result<PathBuf> {
    let name = |path: &PathBuf| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let matching: Vec<_> = journals.iter().filter(|path| name(path).starts_with(run)).collect();
    match matching.as_slice() {
        [path] => Ok((*path).clone()),
        [] => Err(Error::not_found(format!("there is no run `{run}`")).hint("`opsrun runs list` lists them")),
        several => {
            let names: Vec<_> = several.iter().map(|path| name(path)).collect();
            Err(Error::invalid(format!("`{run}` can be each of `{}`", names.join("`, `"))))
        }
    }
}

fn list(journals: &[PathBuf], output: Form) -> Result<()> {
    let mut text = String::new();
    for path in journals {
        let records = read_journal(path)?;
        let Some(Record { at, entry: Entry::RunBegun { run, playbook, target, .. } }) = records.first()
        else {
            continue;
        };
        let outcome = records.iter().rev().find_map(|record| match &record.entry {
            Entry::RunEnded { outcome, .. } => Some(outcome.as_str()),
            _ => None,
        });
        let outcome = outcome.unwrap_or("not ended");
        match output {
            Form::Text => text.push_str(&format!("{run}  {outcome:<12} {playbook}  {target}\n")),
            Form::Json => {
                let line = serde_json::json!({ "run": run, "at": at, "outcome": outcome, "playbook": playbook, "target": target });
                text.push_str(&format!("{line}\n"));
            }
        }
    }
    print(&text)
}

fn show(path: &Path, output: Form) -> Result<()> {
    let mut text = String::new();
    for record in read_journal(path)? {
        match output {
            Form::Text => text.push_str(&line(&record)),
            Form::Json => {
                let line =
                    serde_json::to_string(&record).map_err(|error| Error::failed(error.to_string()))?;
                text.push_str(&line);
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
            format!("run {run} of {playbook} on `{target}` with {params}")
        }
        Entry::StepBegun { step, .. } => format!("> {}", step.join(" / ")),
        Entry::StepEnded { step, error, .. } => format!("< {}{}", step.join(" / "), failed(error)),
        Entry::CallBegun { call, path, arguments, undoes, .. } => {
            let undoing = undoes.map(|(call, _)| format!(" takes back call {call}")).unwrap_or_default();
            format!("  call {call} {path} {arguments}{undoing}")
        }
        Entry::Inverse { call, inverse: Some(Inverse::Call { path, args }), .. } => {
            format!("    call {call} is taken back by {path} {args}")
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
        Entry::UndoBegun { because } => format!("taking back: {because}"),
        Entry::UndoEnded { errors } => format!("took back, with {} errors", errors.len()),
        Entry::RunEnded { outcome, error } => format!("{outcome}{}", failed(error)),
    };
    format!("{}  {what}\n", record.at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"))
}
