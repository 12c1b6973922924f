//! Whole playbooks: each file in `playbooks/` is run on a simulated bar and compared with its `.out`.
//! A playbook's first lines say what it is run with: `// given: NAME=VALUE`, `// fault: RULE`, and limits: `// operations: N`.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // a test

mod bar;

use std::path::Path;

use bar::{expect, playbooks, transcript};

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
