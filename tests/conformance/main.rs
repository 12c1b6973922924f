//! kubectl and helm against a real cluster and against the simulated one: both must answer as the sessions say.
//! A session is a file of commands and what a real cluster answered; `OPSRUN_RECORD=1` writes the answers anew.
#![allow(clippy::disallowed_methods)] // reads the sessions, and is told by the environment to write them

mod session;

use std::path::{Path, PathBuf};

use opsrun_tests::{Missing, Mode, Program, RealCluster, ServedEstate, helm, kubectl, repository, skip};
use session::Session;

#[test]
fn a_real_cluster_answers_as_the_sessions_say() {
    let cluster = match RealCluster::shared(Mode::Node) {
        Ok(cluster) => cluster,
        Err(missing) => return skip(missing),
    };
    match Shells::of(cluster.kubeconfig()) {
        Ok(shells) => play(&shells, std::env::var_os("OPSRUN_RECORD").is_some()),
        Err(missing) => skip(missing),
    }
}

#[test]
fn the_simulated_cluster_answers_as_the_sessions_say() {
    if let Err(missing) = kubectl(None).and_then(|_| helm(None)) {
        return skip(missing);
    }
    let estate = ServedEstate::up(&repository("tests/conformance/estate.yaml"), 1);
    match Shells::of(estate.kubeconfig()) {
        Ok(shells) => play(&shells, false),
        Err(missing) => skip(missing),
    }
}

/// Makes shells in which kubectl and helm are found, and work on one cluster.
struct Shells {
    path: String,
    kubeconfig: PathBuf,
}

impl Shells {
    fn of(kubeconfig: &Path) -> Result<Self, Missing> {
        let folder =
            |program: Program| program.path().parent().expect("it is in a folder").display().to_string();
        let path = format!("{}:{}:/usr/bin:/bin", folder(kubectl(None)?), folder(helm(None)?));
        Ok(Shells { path, kubeconfig: kubeconfig.to_owned() })
    }

    /// A shell with a kubeconfig of its own, as a session sets its namespace there.
    fn shell(&self) -> Program {
        let shell = Program::new("/bin/bash").within(repository("tests/conformance/sessions"));
        let own = shell.home().join("kubeconfig");
        std::fs::copy(&self.kubeconfig, &own).expect("a kubeconfig can be copied");
        shell
            .env("PATH", &self.path)
            .env("KUBECONFIG", own)
            .env("PLATFORM", repository("playbooks/workflow-platform"))
    }
}

/// Plays every session, all at the same time, and fails with what was answered otherwise.
fn play(shells: &Shells, record: bool) {
    let paths = sessions();
    let differences: String = std::thread::scope(|scope| {
        let playing: Vec<_> =
            paths.iter().map(|path| scope.spawn(move || play_one(path, &shells.shell(), record))).collect();
        playing
            .into_iter()
            .filter_map(|session| session.join().expect("a session plays to its end"))
            .collect()
    });
    assert!(differences.is_empty(), "- expected, + answered\n{differences}");
}

fn play_one(path: &Path, shell: &Program, record: bool) -> Option<String> {
    let session = Session::read(path);
    let played = session.play(shell);
    if record {
        played.write(path);
        return None;
    }
    session.difference(&played).map(|difference| format!("{}\n{difference}\n", path.display()))
}

fn sessions() -> Vec<PathBuf> {
    let folder = std::fs::read_dir(repository("tests/conformance/sessions")).expect("the sessions are there");
    let paths = folder.map(|entry| entry.expect("an entry").path());
    let mut sessions: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|e| e == "session")).collect();
    assert!(!sessions.is_empty(), "no session was found");
    sessions.sort();
    sessions
}
