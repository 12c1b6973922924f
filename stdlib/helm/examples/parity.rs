//! Renders the parity corpus and compares it with Helm's output, byte by byte:
//! `parity [--ci] [--filter TEXT] [--diff NAME] [--corpus SHARED]`. `--diff` writes both outputs of a chart to files.

#![allow(clippy::disallowed_methods, clippy::print_stdout)] // A tool for developers, beside the product.

#[path = "../render/tests/corpus/mod.rs"]
mod corpus;

use std::path::PathBuf;
use std::time::Instant;

use corpus::{Case, Corpus};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (mut ci, mut filter, mut diff) = (false, None, None);
    let mut shared = corpus::shared();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--ci" => ci = true,
            "--filter" => filter = args.next(),
            "--diff" => diff = args.next(),
            "--corpus" => shared = args.next().map(PathBuf::from).ok_or("--corpus needs a folder")?,
            other => return Err(format!("unknown argument {other}").into()),
        }
    }
    let corpus = Corpus::unpack(&shared, &std::env::temp_dir())?
        .ok_or_else(|| format!("there is no corpus in {}/helm-parity", shared.display()))?;
    let cases = if ci { corpus.charts_with_values()? } else { corpus.charts()? };
    if let Some(name) = diff {
        return show(cases.iter().find(|case| case.name == name).ok_or("no such case")?);
    }
    let wanted = |case: &&Case| filter.as_ref().is_none_or(|text| case.name.contains(text.as_str()));
    let cases: Vec<&Case> = cases.iter().filter(wanted).collect();
    let start = Instant::now();
    let mut identical = 0;
    for case in &cases {
        match std::panic::catch_unwind(|| case.difference()) {
            Ok(None) => identical += 1,
            Ok(Some(difference)) => println!("{}: {difference}", case.name),
            Err(_) => println!("{}: a panic", case.name),
        }
    }
    println!("{identical} of {} identical, {:.2} s", cases.len(), start.elapsed().as_secs_f64());
    Ok(())
}

fn show(case: &Case) -> Result<(), Box<dyn std::error::Error>> {
    let (want, got) = (case.golden()?, case.render());
    let folder = std::env::temp_dir();
    std::fs::write(folder.join("parity-want.yaml"), want)?;
    std::fs::write(folder.join("parity-got.yaml"), got.unwrap_or_else(|e| e))?;
    println!("{0}/parity-want.yaml {0}/parity-got.yaml", folder.display());
    Ok(())
}
