//! Whole playbooks: each file in `playbooks/` is run on a simulated bar and compared with its `.out`.
//! A playbook's first lines say what it is run with: `// given: NAME=VALUE`, `// fault: RULE`, `// operations: N`, `// items: N`.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // a test

mod bar;

use std::path::Path;

use bar::{Folder, REGISTRY, expect, playbooks, rehearsal};
use opsrun_language::{Limits, Playbook, run};

fn settings<'s>(source: &'s str, name: &str) -> Vec<&'s str> {
    let mark = format!("// {name}: ");
    source.lines().filter_map(|line| line.strip_prefix(&mark)).collect()
}

/// What a person would see of a run: the events, the outcome, the report, and what is left in the estate.
fn transcript(folder: &Path, name: &str) -> String {
    let playbook = match Playbook::load(name, &Folder(folder.to_owned()), REGISTRY) {
        Ok(playbook) => playbook,
        Err(refusal) => return format!("refused\n{}", refusal.report()),
    };
    let source = playbook.source(name).unwrap();
    let given: Vec<_> = settings(source, "given")
        .into_iter()
        .map(|pair| pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap())
        .collect();
    let arguments = match playbook.arguments(&given) {
        Ok(arguments) => arguments,
        Err(error) => return format!("refused\nerror: {}\n", error.report()),
    };
    let mut limits = Limits::default();
    if let Some(operations) = settings(source, "operations").first() {
        limits.operations = operations.parse().unwrap();
    }
    if let Some(items) = settings(source, "items").first() {
        limits.items = items.parse().unwrap();
    }
    let faults: Vec<_> = settings(source, "fault").into_iter().map(str::to_owned).collect();
    let (executed, told, estate) = rehearsal(&faults);
    let playbook = playbook.limited(limits);
    let ended = run(&playbook, &arguments, &executed).unwrap();
    let mut text = told.lines().into_iter().map(|line| line + "\n").collect::<String>();
    text.push_str(&format!("{} (exit {})\n", ended.outcome.word(), ended.outcome.exit_code()));
    if let opsrun_runtime::Outcome::Done(value) = &ended.outcome
        && !value.is_null()
    {
        text.push_str(&format!("value: {value}\n"));
    }
    text.push_str(&ended.report(&playbook));
    for (name, value) in estate.snapshot() {
        text.push_str(&format!("estate: {name} = {value}\n"));
    }
    text
}

#[test]
fn every_playbook_ends_as_its_file_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/playbooks");
    let wrong: Vec<_> = playbooks(&folder)
        .into_iter()
        .filter_map(|name| {
            expect(&folder.join(&name).with_extension("out"), &transcript(&folder, &name)).err()
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn the_same_playbook_tells_the_same_every_time() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/playbooks");
    let first = transcript(&folder, "parallel.rhai");
    for _ in 0..5 {
        assert_eq!(transcript(&folder, "parallel.rhai"), first);
    }
}
