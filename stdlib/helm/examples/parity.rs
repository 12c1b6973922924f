//! Renders charts and compares them with what Helm rendered, byte by byte:
//! `parity CHARTS_DIR GOLDENS_DIR [--ci] [--filter TEXT] [--diff NAME]`.
//!
//! The golden `REPO/NAME.yaml` belongs to the chart `REPO/NAME`, a folder or an archive; with `--ci` the golden
//! `REPO/NAME/FILE` to that chart with the values of its `ci/FILE`. Prints a line for each chart that differs and then
//! how many are identical; fails unless all are, and there is one. `--diff` writes both outputs of a chart to files.

#![allow(clippy::disallowed_methods, clippy::print_stdout)] // A tool for developers, beside the product.

#[path = "../render/tests/corpus/mod.rs"]
mod corpus;

use std::path::PathBuf;
use std::process::ExitCode;

use corpus::Case;

const USAGE: &str = "usage: parity CHARTS_DIR GOLDENS_DIR [--ci] [--filter TEXT] [--diff NAME]";

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (mut ci, mut filter, mut diff, mut folders) = (false, String::new(), None, Vec::new());
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--ci" => ci = true,
            "--filter" => filter = args.next().ok_or(USAGE)?,
            "--diff" => diff = Some(args.next().ok_or(USAGE)?),
            flag if flag.starts_with("--") => return Err(USAGE.into()),
            folder => folders.push(PathBuf::from(folder)),
        }
    }
    let [charts, goldens] = folders.as_slice() else {
        return Err(USAGE.into());
    };
    let list = if ci { corpus::cases_with_values } else { corpus::cases };
    let mut cases = list(charts, goldens).map_err(|e| format!("cannot list {}: {e}", goldens.display()))?;
    if let Some(name) = diff {
        show(cases.iter().find(|case| case.name == name).ok_or("no such case")?)?;
        return Ok(ExitCode::SUCCESS);
    }
    cases.retain(|case| case.name.contains(&filter));
    let mut identical = 0;
    for case in &cases {
        match case.difference() {
            None => identical += 1,
            Some(difference) => println!("{}: {}", case.name, difference.replace('\n', "\\n")),
        }
    }
    println!("{identical} of {} identical", cases.len());
    let is_proven = identical == cases.len() && !cases.is_empty();
    Ok(if is_proven { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn show(case: &Case) -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::temp_dir();
    std::fs::write(folder.join("parity-want.yaml"), case.golden()?)?;
    std::fs::write(folder.join("parity-got.yaml"), case.render().unwrap_or_else(|message| message))?;
    println!("{0}/parity-want.yaml {0}/parity-got.yaml", folder.display());
    Ok(())
}
