//! How much memory a program takes, as GNU time tells it.

use std::path::Path;

use opsrun_tests::Program;

const TIME: &str = "/usr/bin/time";

/// The most memory that a run has at once.
pub(crate) fn memory(program: &Program, words: &[String]) -> String {
    if !Path::new(TIME).exists() {
        return format!("not measured ({TIME} is not there)");
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let told = folder.path().join("kilobytes");
    let mut timed = vec!["--format=%M".to_owned(), format!("--output={}", told.display())];
    timed.push(program.path().display().to_string());
    timed.extend(words.iter().cloned());
    program.with_path(TIME).run(timed).ok();
    let kilobytes = std::fs::read_to_string(told).expect("time has told it");
    format!("{:.0} MB", kilobytes.trim().parse::<f64>().expect("it is a number") / 1024.0)
}
