//! The checker: each file in `check/` is checked and compared with its `.txt`. Nothing of it is run.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // a test

mod bar;

use std::path::Path;

use bar::{Folder, REGISTRY, expect, playbooks};
use opsrun_language::{check, functions};

#[test]
fn every_playbook_is_told_what_is_wrong_with_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check");
    let wrong: Vec<_> = playbooks(&folder)
        .into_iter()
        .filter_map(|name| {
            let report = check(&name, &Folder(folder.clone()), REGISTRY);
            expect(&folder.join(&name).with_extension("txt"), &report.render()).err()
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn what_runs_well_has_no_errors() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/playbooks");
    for name in
        playbooks(&folder).iter().filter(|name| !name.starts_with("bad-") && !name.starts_with("wrong-"))
    {
        let report = check(name, &Folder(folder.clone()), REGISTRY);
        assert!(!report.has_errors(), "{}", report.render());
    }
}

#[test]
fn the_examples_of_the_library_are_right() {
    for function in functions() {
        let example = function.doc.split("```rhai\n").nth(1).and_then(|rest| rest.split("\n```").next());
        let example = example.unwrap_or_else(|| panic!("`{}` has no example", function.name)).to_owned();
        let sources = std::collections::BTreeMap::from([("example.rhai".to_owned(), example)]);
        let report = check("example.rhai", &sources, REGISTRY);
        assert!(report.diagnostics.is_empty(), "{}: {}", function.name, report.render());
    }
}
