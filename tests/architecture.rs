//! The dependency rules of `docs/architecture.md`, held against Cargo's own view of the workspace and its sources.
//! Development dependencies are free: a test may use whatever shows that the product works.
#![allow(clippy::disallowed_methods)] // reads the checkout, and asks cargo

mod workspace;

use std::collections::BTreeMap;

use workspace::{Crate, Source, Workspace};

/// What talks to a system for us, or carries its types.
const SDKS: &[&str] = &["kube", "k8s-openapi", "bollard", "aws-", "postgres-protocol", "tokio-postgres"];

/// Files of the product that reach the machine themselves, and why they may.
const REACH_THE_MACHINE: &[(&str, &str)] = &[
    ("engine/gate/", "it is the gate"),
    ("engine/cli/", "reads the command line's files, the environment and the signals, once, at the edge"),
    ("engine/repl/", "reads the terminal"),
];

/// What reaches the machine when it is named in a source.
const MACHINE: &[&str] = &[
    "std::fs::",
    "std::fs;",
    "tokio::fs",
    "std::process::Command",
    "tokio::process",
    "std::net::Tcp",
    "std::net::Udp",
    "std::os::unix::net",
    "tokio::net",
    "std::env::var",
    "SystemTime::now",
    "Instant::now",
];

#[test]
fn the_engine_knows_no_system() {
    let workspace = Workspace::read();
    let engine = workspace.crates().filter(|member| member.is_in("engine/") && !member.is_in("engine/cli"));
    forbid(engine, |member| {
        workspace.reaches(member, |name| workspace.is_in(name, "stdlib/") || is_sdk(name))
    });
}

#[test]
fn a_system_knows_no_rhai() {
    let workspace = Workspace::read();
    let systems = workspace.crates().filter(|member| member.is_in("stdlib/"));
    forbid(systems, |member| {
        workspace
            .reaches(member, |name| name == "opsrun-language" || name == "rhai" || name == "rhai_codegen")
    });
}

#[test]
fn rhai_is_used_by_the_language_alone() {
    let workspace = Workspace::read();
    let others = workspace.crates().filter(|member| !member.is_in("engine/language"));
    forbid(others, |member| {
        member.dependencies().filter(|name| *name == "rhai").map(str::to_owned).collect()
    });
}

#[test]
fn what_is_of_use_without_opsrun_knows_nothing_of_it() {
    let workspace = Workspace::read();
    let apart = ["gotemplate", "helm-render", "restic-repository"];
    let apart = workspace.crates().filter(|member| apart.contains(&member.name()));
    forbid(apart, |member| workspace.reaches(member, |name| name.starts_with("opsrun")));
}

#[test]
fn what_is_simulated_is_not_made_of_the_client_that_it_answers() {
    let workspace = Workspace::read();
    let simulated =
        ["opsrun-aws-simulator", "opsrun-db-simulator", "opsrun-k8s-simulator", "opsrun-k8s-schema"];
    let simulated = workspace.crates().filter(|member| simulated.contains(&member.name()));
    forbid(simulated, |member| workspace.reaches(member, is_sdk));
}

#[test]
fn nothing_depends_on_the_tests() {
    let workspace = Workspace::read();
    forbid(workspace.crates(), |member| {
        member.dependencies().filter(|name| *name == "opsrun-tests").map(str::to_owned).collect()
    });
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let workspace = Workspace::read();
    forbid(workspace.crates(), |member| {
        let inherits = member.manifest().contains("[lints]\nworkspace = true");
        if inherits { Vec::new() } else { vec!["no `[lints] workspace = true`".to_owned()] }
    });
}

#[test]
fn only_the_gate_and_named_files_reach_the_machine() {
    let product = Source::all().into_iter().filter(|source| !source.is_test());
    let others =
        product.filter(|source| !REACH_THE_MACHINE.iter().any(|(path, _)| source.path().starts_with(path)));
    forbid_lines(others, |line| {
        MACHINE.iter().any(|word| line.contains(word)) || line.contains("allow(clippy::disallowed")
    });
}

#[test]
fn every_file_that_may_reach_the_machine_exists() {
    let sources = Source::all();
    let stale: Vec<_> = REACH_THE_MACHINE
        .iter()
        .filter(|(path, _)| !sources.iter().any(|source| source.path().starts_with(path)))
        .collect();
    assert!(stale.is_empty(), "no file has the path of {stale:?}");
}

#[test]
fn no_test_is_ignored_and_nothing_is_left_to_do() {
    // In two halves, so that this file does not find itself.
    let unfinished =
        [["#[ign", "ore"], ["to", "do!("], ["unimpl", "emented!("]].map(|halves| halves.concat());
    forbid_lines(Source::all().into_iter(), |line| unfinished.iter().any(|word| line.contains(word)));
}

fn is_sdk(name: &str) -> bool {
    SDKS.iter().any(|sdk| name == *sdk || (sdk.ends_with('-') && name.starts_with(sdk)))
}

/// Fails with what `found` names, crate by crate; and where there is no crate, as then nothing was held.
fn forbid<'a>(crates: impl Iterator<Item = &'a Crate>, found: impl Fn(&Crate) -> Vec<String>) {
    let mut looked_at = 0;
    let mut faults = Vec::new();
    for member in crates {
        looked_at += 1;
        faults.extend(found(member).into_iter().map(|fault| format!("{}: {fault}", member.name())));
    }
    assert!(looked_at > 0, "no crate was looked at");
    assert!(faults.is_empty(), "not allowed:\n{}", faults.join("\n"));
}

fn forbid_lines(sources: impl Iterator<Item = Source>, is_forbidden: impl Fn(&str) -> bool) {
    let mut looked_at = 0;
    let mut faults = Vec::new();
    for source in sources {
        looked_at += 1;
        let lines = source.product_lines().filter(|(_, line)| is_forbidden(line));
        faults.extend(lines.map(|(number, line)| format!("{}:{number}: {}", source.path(), line.trim())));
    }
    assert!(looked_at > 0, "no source was looked at");
    assert!(faults.is_empty(), "not allowed:\n{}", faults.join("\n"));
}

/// Some tests have `opsrun` built. If what tests need besides added features to crates that it is made of, all of those would be built once more,
/// AWS's clients among them: most of an hour on a bare machine.
#[test]
fn tests_add_no_features_to_what_the_program_is_made_of() {
    let features = |edges: &str| -> BTreeMap<String, String> {
        let tree = std::process::Command::new(env!("CARGO"))
            .args([
                "tree",
                "--workspace",
                "--offline",
                "--prefix",
                "none",
                "--format",
                "{p}|{f}",
                "--edges",
                edges,
            ])
            .current_dir(opsrun_tests::repository(""))
            .output()
            .expect("cargo runs");
        assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
        let text = String::from_utf8_lossy(&tree.stdout).into_owned();
        let lines = text.lines().filter_map(|line| line.trim_end_matches(" (*)").split_once('|'));
        lines.map(|(package, features)| (package.to_owned(), features.trim().to_owned())).collect()
    };
    let (program, tests) = (features("normal,build"), features("normal,build,dev"));
    let added: Vec<_> =
        program.iter().filter(|(package, features)| tests.get(*package) != Some(features)).collect();
    assert!(added.is_empty(), "say in tests/Cargo.toml that these are needed, too: {added:#?}");
}
