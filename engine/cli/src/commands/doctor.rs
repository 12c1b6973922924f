//! `opsrun doctor`: what is reachable, what is missing, and how to get it.

use std::sync::{Arc, Mutex, PoisonError};

use opsrun_core::{Finding, Result, Value};
use opsrun_runtime::Unwatched;

use crate::output::print;
use crate::program::Program;

#[derive(Debug, clap::Args)]
pub(crate) struct Doctor {
    /// The target to look at; all of the project, if none is named.
    #[arg(long)]
    target: Option<String>,
}

impl Doctor {
    pub(crate) fn carry_out(&self, program: &Program) -> Result<u8> {
        let mut findings = vec![(String::new(), own(program))];
        let project = &program.launch()?.project;
        let names: Vec<String> = match &self.target {
            Some(name) => vec![name.clone()],
            None if project.table.targets.is_empty() => vec![String::new()],
            None => project.table.targets.keys().cloned().collect(),
        };
        for name in names {
            findings.push((name.clone(), examine(program, &name)?));
        }
        let mut text = String::new();
        let mut wrong = 0;
        for (target, findings) in findings {
            if !target.is_empty() {
                text.push_str(&format!("target `{target}`\n"));
            }
            for finding in findings {
                match finding.found {
                    Ok(found) => text.push_str(&format!("  ✓ {}: {found}\n", finding.what)),
                    Err(why) => {
                        wrong += 1;
                        text.push_str(&format!("  ✗ {}: {}\n", finding.what, why.replace('\n', "\n    ")));
                    }
                }
            }
        }
        text.push_str(&match wrong {
            0 => "everything is there\n".to_owned(),
            1 => "one thing is missing\n".to_owned(),
            n => format!("{n} things are missing\n"),
        });
        print(&text)?;
        Ok(u8::from(wrong > 0))
    }
}

/// What opsrun itself needs.
fn own(program: &Program) -> Vec<Finding> {
    let project = match program.launch() {
        Err(error) => Err(error.report()),
        Ok(launch) => match &launch.project.file {
            Some(file) => Ok(file.display().to_string()),
            None => Ok("none: no `opsrun.toml` here or above; nothing is granted, and there are no targets"
                .to_owned()),
        },
    };
    let journal = program
        .launch()
        .and_then(|launch| launch.journal_folder())
        .and_then(|folder| opsrun_gate::create_folder(&folder).map(|()| folder.display().to_string()))
        .map_err(|error| error.report());
    vec![
        Finding { what: "project".into(), found: project },
        Finding { what: "journals".into(), found: journal },
    ]
}

fn examine(program: &Program, target: &str) -> Result<Vec<Finding>> {
    let mut launch = program.launch()?;
    launch.target = (!target.is_empty()).then(|| target.to_owned());
    // It asks for what a playbook may not even be granted to ask, and writes nothing.
    launch.allow.extend(
        launch.registry.systems().iter().filter_map(|system| format!("{} read", system.name()).parse().ok()),
    );
    let run = launch.looking(Arc::new(Unwatched))?;
    let findings = Mutex::new(Vec::new());
    run.execute("doctor".into(), |branch| {
        for system in run.registry().systems() {
            let found = branch.block_on(system.examine(branch.reading("doctor")))?;
            findings.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
        }
        Ok(Value::Null)
    })?;
    Ok(findings.into_inner().unwrap_or_else(PoisonError::into_inner))
}
