//! Playbooks that would go on for ever, or eat all memory: each file in `hostile/` is stopped as its `.out` says, with its line.
//! None of them may end the process: the journal, and what is still to be taken back, would be lost with it.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // a test

mod bar;

use std::collections::BTreeMap;
use std::path::Path;

use bar::{REGISTRY, expect, playbooks, rehearsal, transcript};
use opsrun_language::{Playbook, check, run};

#[test]
fn every_hostile_playbook_is_stopped_as_its_file_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile");
    let wrong: Vec<_> = playbooks(&folder)
        .into_iter()
        .filter_map(|name| {
            expect(&folder.join(&name).with_extension("out"), &transcript(&folder, &name)).err()
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// How loading, checking and running a text ends, in one word and the first line of the error.
fn fate(source: String) -> String {
    let sources = BTreeMap::from([("absurd.rhai".to_owned(), source)]);
    let checked = check("absurd.rhai", &sources, REGISTRY);
    let playbook = match Playbook::load("absurd.rhai", &sources, REGISTRY) {
        Ok(playbook) => playbook,
        Err(refusal) => {
            assert!(
                checked.has_errors(),
                "the checker finds nothing, and it cannot be loaded: {}",
                refusal.report()
            );
            return format!("refused, {}", refusal.report().lines().next().unwrap_or_default());
        }
    };
    let (executed, ..) = rehearsal(&[]);
    let ended = run(&playbook, &BTreeMap::new(), &executed).unwrap();
    match ended.failure {
        Some(_) => format!("failed, {}", ended.report(&playbook).lines().next().unwrap_or_default()),
        None => "done".to_owned(),
    }
}

#[test]
fn texts_of_absurd_shape_are_refused_or_run() {
    let deep = 20_000;
    let shapes: &[(&str, String)] = &[
        ("parentheses", format!("let x = {}1{};", "(".repeat(deep), ")".repeat(deep))),
        ("arrays", format!("let x = {}1{};", "[".repeat(deep), "]".repeat(deep))),
        ("maps", format!("let x = {}1{};", "#{a:".repeat(deep), "}".repeat(deep))),
        ("blocks", format!("{}1{}", "{".repeat(deep), "}".repeat(deep))),
        ("conditions", format!("{}{}", "if true {".repeat(deep), "}".repeat(deep))),
        ("alternatives", format!("if false {{}}{}", " else if false {}".repeat(deep))),
        ("negations", format!("let x = {}true;", "!".repeat(deep))),
        ("signs", format!("let x = {}1;", "- ".repeat(deep))),
        ("sums", format!("let x = 1{};", " + 1".repeat(deep))),
        ("properties", format!("let x = #{{}}; x{};", ".a".repeat(deep))),
        ("indexes", format!("let x = []; x{};", "[0]".repeat(deep))),
        ("calls", format!("let x = {}1{};", "to_json(".repeat(deep), ")".repeat(deep))),
        ("methods", format!("let x = 1{};", ".to_string()".repeat(deep))),
        ("closures", format!("let x = {}1;", "|| ".repeat(deep))),
        ("interpolations", format!("let x = {}1{};", "`${".repeat(deep), "}`".repeat(deep))),
        ("comments", format!("{}{}", "/*".repeat(deep), "*/".repeat(deep))),
        ("loops", format!("{}{}", "loop {".repeat(deep), "}".repeat(deep))),
        ("tries", format!("{}{}", "try {".repeat(deep), "} catch {}".repeat(deep))),
        ("switches", format!("{}1{}", "switch 1 { _ => ".repeat(deep), "}".repeat(deep))),
        (
            "choices",
            format!("switch 1 {{ {} }}", (0..deep).map(|n| format!("{n} => (),")).collect::<String>()),
        ),
        ("alternatives of nothing", format!("let x = (){};", " ?? ()".repeat(deep))),
        ("functions", (0..deep).map(|n| format!("fn f{n}() {{}}\n")).collect()),
        ("variables", (0..2000).map(|n| format!("let v{n} = {n};\n")).collect()),
        ("unknown names", (0..2000).map(|n| format!("unknown{n};\n")).collect()),
        ("unknown functions", (0..500).map(|n| format!("unknown{n}();\n")).collect()),
        ("a long array", format!("let x = [{}];", "1,".repeat(500_000))),
        ("a long text", format!("let x = \"{}\";", "x".repeat(3 << 20))),
        ("a long name", format!("let {} = 1;", "x".repeat(100_000))),
        ("no text", "\0\u{feff}\u{202e}".to_owned()),
    ];
    let fates: String =
        shapes.iter().map(|(name, source)| format!("{name}: {}\n", fate(source.clone()))).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile");
    expect(&folder.join("shapes.txt"), &fates).unwrap();
}
