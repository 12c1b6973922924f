//! `opsrun doctor`: what is reachable, what is missing, and how to get it.

use std::sync::{Arc, Mutex, PoisonError};

use opsrun_core::{Finding, Result, Value};
use opsrun_runtime::{Launch, Project, TrustStore, Unwatched};
use serde_json::json;

use super::run::AuditOption;
use crate::output::{Form, print};
use crate::program::Program;

#[derive(Debug, clap::Args)]
pub(crate) struct Doctor {
    /// The target to look at; all of the project, if none is named.
    #[arg(long)]
    target: Option<String>,
    #[command(flatten)]
    audit: AuditOption,
    #[arg(long, value_enum, default_value = "text")]
    output: Form,
}

/// What was found of a target; of opsrun itself, if it has no name.
struct Section {
    target: String,
    findings: Vec<Finding>,
}

impl Doctor {
    pub(crate) fn carry_out(&self, program: &Program) -> Result<u8> {
        let launch = match program.launch() {
            Ok(launch) => Launch { audit: self.audit.audit.clone(), ..launch },
            Err(error) => return self.tell(&[own(Err(error.report()), Vec::new())], str::to_owned),
        };
        let project = project(&launch);
        let usable = project.is_ok();
        let mut sections =
            vec![own(project, std::iter::once(journals(&launch)).chain(trust(&launch)).collect())];
        // A project that cannot be used has no targets.
        let targets = if usable { self.targets(&launch.project) } else { Vec::new() };
        for name in targets {
            sections.push(Section { findings: examine(&launch, &name)?, target: name });
        }
        self.tell(&sections, |text| launch.redactor.apply(text).into_owned())
    }

    fn targets(&self, project: &Project) -> Vec<String> {
        match &self.target {
            Some(name) => vec![name.clone()],
            None if project.table.targets.is_empty() => vec![String::new()],
            None => project.table.targets.keys().cloned().collect(),
        }
    }

    fn tell(&self, sections: &[Section], redacted: impl Fn(&str) -> String) -> Result<u8> {
        let wrong =
            sections.iter().flat_map(|section| &section.findings).filter(|f| f.found.is_err()).count();
        let code = u8::from(wrong > 0);
        let told = match self.output {
            Form::Text => text(sections, wrong),
            Form::Json => lines(sections, wrong, code),
        };
        print(&redacted(&told))?;
        Ok(code)
    }
}

fn text(sections: &[Section], wrong: usize) -> String {
    let mut text = String::new();
    for section in sections {
        if !section.target.is_empty() {
            text.push_str(&format!("target `{}`\n", section.target));
        }
        for Finding { what, found } in &section.findings {
            match found {
                Ok(found) => text.push_str(&format!("  ✓ {what}: {found}\n")),
                Err(why) => text.push_str(&format!("  ✗ {what}: {}\n", why.replace('\n', "\n    "))),
            }
        }
    }
    text.push_str(&match wrong {
        0 => "everything is there\n".to_owned(),
        1 => "one thing is missing\n".to_owned(),
        n => format!("{n} things are missing\n"),
    });
    text
}

fn lines(sections: &[Section], wrong: usize, code: u8) -> String {
    let mut lines = String::new();
    for section in sections {
        for Finding { what, found } in &section.findings {
            let mut line =
                json!({ "event": "finding", "target": section.target, "what": what, "ok": found.is_ok() });
            match found {
                Ok(found) => line["found"] = found.as_str().into(),
                Err(why) => line["wrong"] = why.as_str().into(),
            }
            lines.push_str(&format!("{line}\n"));
        }
    }
    let ended = json!({ "event": "ended", "wrong": wrong, "exit_code": code });
    lines.push_str(&format!("{ended}\n"));
    lines
}

/// What opsrun itself needs.
fn own(project: Result<String, String>, others: Vec<Finding>) -> Section {
    let project = Finding { what: "project".into(), found: project };
    Section { target: String::new(), findings: std::iter::once(project).chain(others).collect() }
}

fn project(launch: &Launch) -> Result<String, String> {
    let project = &launch.project;
    let checked = project.targets(launch.registry).and_then(|_| project.grants(launch.registry));
    checked.map_err(|error| error.report())?;
    Ok(match &project.file {
        Some(file) => file.display().to_string(),
        None => {
            "none: no `opsrun.toml` here or above; nothing is granted, and there are no targets".to_owned()
        }
    })
}

fn journals(launch: &Launch) -> Finding {
    let folder = launch
        .journal_folder()
        .and_then(|folder| opsrun_gate::create_folder(&folder).map(|()| folder.display().to_string()));
    Finding { what: "journals".into(), found: folder.map_err(|error| error.report()) }
}

/// Whether what the project grants counts, if it grants something.
fn trust(launch: &Launch) -> Option<Finding> {
    let project = &launch.project;
    if project.file.is_none() || project.shown_grants().is_empty() {
        return None;
    }
    let trusted = TrustStore::of(&launch.variables).check(project);
    let found = trusted.map(|()| "what the project grants counts on this machine".to_owned());
    Some(Finding { what: "trust".into(), found: found.map_err(|error| error.report()) })
}

fn examine(launch: &Launch, target: &str) -> Result<Vec<Finding>> {
    let mut launch = launch.clone();
    launch.target = (!target.is_empty()).then(|| target.to_owned());
    // It asks for what a playbook may not even be granted to ask, and writes nothing.
    launch.allow.extend(launch.registry.patterns("read"));
    let run = launch.looking(Arc::new(Unwatched))?;
    let findings = Mutex::new(Vec::new());
    let outcome = run.execute("doctor".into(), |branch| {
        for system in run.registry().systems() {
            let found = branch.block_on(system.examine(branch.reading("doctor")))?;
            findings.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
        }
        Ok(Value::Null)
    })?;
    if let Some(error) = outcome.error() {
        return Err(error.clone());
    }
    Ok(findings.into_inner().unwrap_or_else(PoisonError::into_inner))
}
