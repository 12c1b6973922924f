//! What the program answers to bad input and to faults: every file in `sessions/` is played and must answer as it says.
#![allow(clippy::disallowed_methods)] // runs the program, and reads and writes the sessions

mod server;
mod session;

use std::path::PathBuf;

use session::Session;

#[test]
fn every_session_is_answered_as_its_file_says() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/sessions");
    let entries = std::fs::read_dir(folder).expect("the sessions are there");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a folder can be read").path()).collect();
    // `SESSION=webhook` plays that one alone.
    if let Some(wanted) = std::env::var_os("SESSION") {
        paths.retain(|path| path.file_stem() == Some(&wanted));
    }
    paths.sort();
    assert!(!paths.is_empty());
    let wrong: Vec<_> = std::thread::scope(|scope| {
        let playing: Vec<_> = paths.iter().map(|path| scope.spawn(|| Session::begin(path).play())).collect();
        playing
            .into_iter()
            .filter_map(|session| session.join().expect("a session can be played").err())
            .collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
