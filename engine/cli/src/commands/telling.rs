//! `opsrun runs diff`, `report` and `export`: what the journals tell, put together for people and programs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use jiff::Timestamp;
use opsrun_core::{Error, Inverse, Result, Value};
use opsrun_runtime::{Change, Chronicle, Reading, StepTold, changes, read_journal};
use serde_json::json;
use similar::TextDiff;

use super::run::took;
use super::runs::{name_of, unsealed};
use crate::output::{Form, print};

fn read(journal: &Path) -> Result<Chronicle> {
    let Reading { records, damaged, .. } = read_journal(journal)?;
    let told = Chronicle::of(&records, &damaged);
    // A journal whose first line is damaged does not say whose it is.
    Ok(if told.run.is_empty() { Chronicle { run: name_of(journal), ..told } } else { told })
}

/// Everything, as JSON.
pub(super) fn export(journal: &Path) -> Result<()> {
    let failed = |error| Error::failed(format!("the run cannot be written as JSON: {error}"));
    let told = unsealed(serde_json::to_value(read(journal)?).map_err(failed)?);
    print(&format!("{told:#}\n"))
}

/// In what the second run differs from the first.
pub(super) fn diff(first: &Path, second: &Path, output: Form) -> Result<()> {
    let difference = Difference::of(&read(first)?, &read(second)?);
    match output {
        Form::Text => print(&difference.text()),
        Form::Json => print(&difference.json().to_string()),
    }
}

struct Difference {
    heads: [Value; 2],
    params: Vec<Change>,
    files: String,
    steps: Vec<Change>,
    writes: String,
    results: Vec<Change>,
    outcome: Vec<Change>,
}

impl Difference {
    fn of(first: &Chronicle, second: &Chronicle) -> Self {
        let by_name = |value: &Value| -> BTreeMap<String, Value> {
            value.as_object().map(|map| map.clone().into_iter().collect()).unwrap_or_default()
        };
        let between = |of: &dyn Fn(&Chronicle) -> BTreeMap<String, Value>| changes(&of(first), &of(second));
        let lines = |run: &Chronicle| {
            run.writes().map(|write| format!("{}: {}\n", write.access, write.became())).collect::<String>()
        };
        Difference {
            heads: [head(first), head(second)],
            params: between(&|run| by_name(&run.params)),
            files: texts(&first.files, &second.files),
            steps: between(&|run| steps(run, |step| how(step).into())),
            writes: unified(&lines(first), &lines(second), "writes"),
            results: between(&|run| steps(run, |step| step.value.clone())),
            outcome: between(&|run| {
                let what = json!({ "outcome": outcome(run), "playbook": run.playbook, "target": run.target, "error": message(run.error.as_ref()) });
                by_name(&what)
            }),
        }
    }

    fn json(&self) -> Value {
        let list = |changes: &[Change]| -> Vec<Value> {
            let change = |it: &Change| json!({ "name": it.name, "path": it.path, "before": it.before, "after": it.after });
            changes.iter().map(change).collect()
        };
        json!({
            "runs": self.heads,
            "params": list(&self.params),
            "playbook": self.files,
            "steps": list(&self.steps),
            "writes": self.writes,
            "results": list(&self.results),
            "outcome": list(&self.outcome),
        })
    }

    fn text(&self) -> String {
        let line = |head: &Value| {
            let text = |key: &str| head[key].as_str().unwrap_or_default();
            let took = match text("took") {
                "" => String::new(),
                took => format!(" after {took}"),
            };
            format!("{}  {}  {}{took}", text("run"), text("playbook"), text("outcome"))
        };
        let mut text = format!("- {}\n+ {}\n", line(&self.heads[0]), line(&self.heads[1]));
        let list = |changes: &[Change]| changes.iter().map(|change| told(change) + "\n").collect::<String>();
        // What only one of the runs has is a step that differs; its result says nothing more.
        let results: Vec<Change> = self
            .results
            .iter()
            .filter(|change| change.before.is_some() && change.after.is_some())
            .cloned()
            .collect();
        for (name, what) in [
            ("outcome", list(&self.outcome)),
            ("parameters", list(&self.params)),
            ("playbook", self.files.clone()),
            ("steps", list(&self.steps)),
            ("writes", self.writes.clone()),
            ("results", list(&results)),
        ] {
            if !what.is_empty() {
                let _ = write!(text, "\n{name}:\n{}", indented(&what));
            }
        }
        if text.lines().count() == 2 {
            text.push_str("\nthey do not differ\n");
        }
        text
    }
}

/// `version: "1.0" -> "1.1"`
fn told(change: &Change) -> String {
    let brief = |value: &Option<Value>| match value {
        None => "(none)".to_owned(),
        Some(value) => {
            let text = value.to_string();
            match text.char_indices().nth(200) {
                None => text,
                Some((end, _)) => format!("{}…", &text[..end]),
            }
        }
    };
    let dot = if change.path.is_empty() || change.path.starts_with('[') { "" } else { "." };
    let (before, after) = (brief(&change.before), brief(&change.after));
    format!("{}{dot}{}: {before} -> {after}", change.name, change.path)
}

fn head(run: &Chronicle) -> Value {
    json!({
        "run": run.run,
        "playbook": run.playbook,
        "target": run.target,
        "outcome": outcome(run),
        "began": run.began,
        "took": run.ended.map(|ended| took(run.began, ended)),
    })
}

fn outcome(run: &Chronicle) -> &str {
    run.outcome.as_deref().unwrap_or("broken off")
}

fn message(error: Option<&Value>) -> Option<&str> {
    error.and_then(|error| error["message"].as_str())
}

/// Something of each step, by its name; where a name comes again, it is counted.
fn steps(run: &Chronicle, what: impl Fn(&StepTold) -> Value) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for step in &run.steps {
        let again = (2..).map(|number| format!("{} [{number}]", step.step));
        let name = std::iter::once(step.step.clone()).chain(again).find(|name| !all.contains_key(name));
        all.insert(name.unwrap_or_default(), what(step));
    }
    all
}

fn how(step: &StepTold) -> String {
    match (&step.error, step.ended) {
        (Some(error), _) => format!("failed: {}", message(Some(error)).unwrap_or_default()),
        (None, Some(_)) => "done".to_owned(),
        (None, None) => "broken off".to_owned(),
    }
}

/// The difference of texts by path.
fn texts(first: &BTreeMap<String, String>, second: &BTreeMap<String, String>) -> String {
    let paths: BTreeSet<&String> = first.keys().chain(second.keys()).collect();
    let text = |files: &BTreeMap<String, String>, path: &String| files.get(path).cloned().unwrap_or_default();
    paths.into_iter().map(|path| unified(&text(first, path), &text(second, path), path)).collect()
}

fn unified(first: &str, second: &str, name: &str) -> String {
    if first == second {
        return String::new();
    }
    TextDiff::from_lines(first, second).unified_diff().context_radius(2).header(name, name).to_string()
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}").trim_end().to_owned() + "\n").collect()
}

/// The whole run, in Markdown.
pub(super) fn report(journal: &Path) -> Result<()> {
    let run = read(journal)?;
    let mut text = format!("# {}\n\n", run.run);
    head_table(&mut text, &run);
    if let Some(error) = &run.error {
        let _ = write!(
            text,
            "\n## What went wrong\n\n```\n{}\n```\n",
            Error::from_value(error).report().trim_end()
        );
    }
    let rows = run.steps.iter().map(|step| {
        let took = step.ended.map(|ended| took(step.began, ended).to_string()).unwrap_or_default();
        [step.step.clone(), clock(step.began), took, how(step)]
    });
    table(&mut text, "Steps", ["step", "began", "took", "outcome"], rows.collect());
    let writes = run.calls.iter().flat_map(|call| call.writes.iter().map(move |write| (call, write)));
    let mut writes: Vec<_> = writes.collect();
    writes.sort_by_key(|(_, write)| write.write);
    let rows = writes.iter().map(|(call, write)| {
        let by = match call.undoes {
            Some(undone) => format!("{} (takes back call {undone})", call.primitive),
            None => call.primitive.clone(),
        };
        [clock(write.began), call.step.clone(), by, write.access.to_string(), write.became()]
    });
    table(&mut text, "Writes", ["at", "step", "by", "what", "answer"], rows.collect());
    undo(&mut text, &run);
    let rows = run.remarks.iter().map(|remark| [clock(remark.at), remark.text.clone()]);
    table(&mut text, "Remarks", ["at", "what"], rows.collect());
    print(&text)
}

fn head_table(text: &mut String, run: &Chronicle) {
    let params = run.params.as_object().into_iter().flatten();
    let params: Vec<_> = params.map(|(name, value)| format!("`{name}` = `{value}`")).collect();
    let took = run.ended.map(|ended| format!(", after {}", took(run.began, ended))).unwrap_or_default();
    let ended = run.ended.map_or_else(|| "it has not".to_owned(), |ended| format!("{}{took}", day(ended)));
    let rows = [
        ("playbook", format!("`{}`", run.playbook)),
        ("target", if run.target.is_empty() { "none".to_owned() } else { format!("`{}`", run.target) }),
        ("by", if run.who.is_empty() { "unknown".to_owned() } else { run.who.clone() }),
        ("with", format!("opsrun {}", run.version)),
        ("parameters", if params.is_empty() { "none".to_owned() } else { params.join(", ") }),
        ("began", day(run.began)),
        ("ended", ended),
        ("outcome", format!("**{}**", outcome(run))),
    ];
    text.push_str("| | |\n|---|---|\n");
    for (name, value) in rows {
        let _ = writeln!(text, "| {name} | {} |", cell(&value));
    }
}

/// How it was taken back, or what would take it back.
fn undo(text: &mut String, run: &Chronicle) {
    for undone in &run.undone {
        let ended = undone.ended.map_or("it broke off".to_owned(), |ended| format!("until {}", clock(ended)));
        let _ = write!(
            text,
            "\n## Taken back\n\nBecause: {}. From {}, {ended}.\n",
            undone.because,
            clock(undone.began)
        );
        let errors: Vec<_> = undone.errors.iter().map(Error::from_value).collect();
        for error in &errors {
            let _ = write!(text, "\n```\n{}\n```\n", error.report().trim_end());
        }
    }
    let wrote = run.calls.iter().filter(|call| call.undoes.is_none() && !call.writes.is_empty());
    let rows = wrote.flat_map(|call| {
        call.inverses.iter().map(|inverse| {
            let how = match inverse {
                Inverse::Call { path, .. } => format!("by `{path}`"),
                Inverse::None { why } => format!("not at all: {why}"),
            };
            [call.call.to_string(), call.step.clone(), call.primitive.clone(), how]
        })
    });
    let rows: Vec<_> = rows.collect();
    if run.undone.is_empty() {
        table(text, "What takes it back", ["call", "step", "what", "how"], rows);
    }
}

fn table<const N: usize>(text: &mut String, title: &str, heads: [&str; N], rows: Vec<[String; N]>) {
    if rows.is_empty() {
        return;
    }
    let _ = write!(text, "\n## {title}\n\n| {} |\n|{}\n", heads.join(" | "), "---|".repeat(N));
    for row in rows {
        let _ = writeln!(text, "| {} |", row.map(|value| cell(&value)).join(" | "));
    }
}

/// What stands in a table's cell stays in it.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M:%S").to_string()
}
