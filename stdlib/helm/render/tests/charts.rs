//! Real charts render as Helm renders them, byte for byte.

#![allow(clippy::disallowed_methods, clippy::print_stdout)] // Tests read charts from disk, or say that they have none.

mod corpus;

use std::path::Path;

use corpus::{Case, Corpus};

/// All of them.
const CHARTS: usize = 167;
const CHARTS_WITH_VALUES: usize = 224;

#[test]
fn charts_render_as_helm_renders_them() {
    if let Some(corpus) = corpus() {
        compare(&corpus.charts().expect("the corpus lists its charts"), CHARTS);
    }
}

#[test]
fn charts_with_values_of_their_own_render_as_helm_renders_them() {
    if let Some(corpus) = corpus() {
        compare(&corpus.charts_with_values().expect("the corpus lists its charts"), CHARTS_WITH_VALUES);
    }
}

fn compare(cases: &[Case], floor: usize) {
    let mut differences = Vec::new();
    for case in cases {
        if let Some(difference) = case.difference() {
            differences.push(format!("{}: {difference}", case.name));
        }
    }
    let identical = cases.len() - differences.len();
    println!("{identical} of {} identical", cases.len());
    assert!(identical >= floor, "{identical} identical, fewer than {floor}:\n{}", differences.join("\n"));
}

fn corpus() -> Option<Corpus> {
    let shared = corpus::shared();
    let below = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let corpus = Corpus::unpack(&shared, below).expect("the corpus unpacks");
    if corpus.is_none() {
        println!("skipped: needs {}/helm-parity", shared.display());
    }
    corpus
}
