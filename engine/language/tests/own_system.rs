//! The example of opsrun as a library works as it says, and the page about it quotes it.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // a test

#[path = "../examples/own_system.rs"]
mod example;

use std::path::Path;

use opsrun_core::Value;
use serde_json::json;

fn rehearse(faults: &[&str]) -> (String, Value) {
    let faults = faults.iter().map(|rule| rule.parse().unwrap()).collect();
    let (outcome, estate) = example::rehearse(faults).unwrap();
    (outcome.word().to_owned(), serde_json::to_value(estate).unwrap())
}

#[test]
fn the_playbook_does_what_it_says() {
    let after = json!({ "flags new-checkout": true, "flags old-checkout": false });
    assert_eq!(rehearse(&[]), ("done".to_owned(), after));
    example::main().unwrap();
}

#[test]
fn a_failure_takes_back_what_was_done() {
    let before = json!({ "flags new-checkout": false, "flags old-checkout": true });
    assert_eq!(rehearse(&["flags PUT old-checkout: 503"]), ("undone".to_owned(), before.clone()));
    assert_eq!(rehearse(&["flags PUT old-checkout: lost-answer"]), ("undone".to_owned(), before.clone()));
    // Nothing was done yet: nothing is to be taken back.
    assert_eq!(rehearse(&["flags GET: 503"]), ("failed".to_owned(), before));
}

#[test]
fn the_page_quotes_the_example() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("../../docs/adding-a-system.md")).unwrap();
    let example = include_str!("../examples/own_system.rs");
    let mut quotes = 0;
    for block in page.split("```rust\n").skip(1) {
        let (quote, _) = block.split_once("```").unwrap();
        assert!(example.contains(quote), "the example does not have:\n{quote}");
        quotes += 1;
    }
    assert!(quotes > 0, "the page quotes nothing");
}
