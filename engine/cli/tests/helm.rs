//! `opsrun helm` tells people what it tells playbooks, of a served estate, and writes nothing there.
#![allow(clippy::disallowed_methods)] // runs the program, and writes its files

use opsrun_tests::{Program, ServedEstate};
use serde_json::Value;

const FILES: [(&str, &str); 6] = [
    ("opsrun.toml", "[targets.shop]\ngrants = [\"k8s\", \"file read chart/*\"]\n"),
    ("estate.yaml", "k8s: {}\n"),
    (
        "deploy.rhai",
        "helm::upgrade(\"web\", \"chart\", #{ set: [param(\"set\", #{ default: \"mode=fast\" })] });\n",
    ),
    ("chart/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.2.3\nappVersion: \"7\"\n"),
    ("chart/values.yaml", "mode: slow\n"),
    (
        "chart/templates/all.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: web }\ndata: { mode: {{ .Values.mode | quote }} }\n",
    ),
];

#[test]
fn a_release_is_told_and_compared_without_a_playbook() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    std::fs::create_dir_all(folder.path().join("chart/templates")).expect("a folder can be made");
    for (name, text) in FILES {
        std::fs::write(folder.path().join(name), text).expect("a file can be written");
    }
    std::fs::write(folder.path().join("chart/templates/NOTES.txt"), "It is {{ .Values.mode }}.\n")
        .expect("a file can be written");
    let program = Program::new(env!("CARGO_BIN_EXE_opsrun")).within(folder.path());
    let estate = ServedEstate::served_by(program.clone(), &folder.path().join("estate.yaml"), 1);
    let program = program.env("KUBECONFIG", estate.kubeconfig()).trusting(".");
    let helm = |words: &[&str]| program.run([&["helm"], words].concat());

    let missing = helm(&["history", "web"]).with_code(2).stderr;
    assert!(missing.contains("the release `web` does not exist in default"), "{missing}");
    let diff = helm(&["diff", "web", "chart"]).ok();
    assert!(
        diff.starts_with("created configmap/web in default\n") && diff.contains("+  mode: slow\n"),
        "{diff}"
    );

    program.run(["deploy.rhai"]).ok();
    program.run(["deploy.rhai", "--set", "mode=faster"]).ok();
    let runs = program.run(["runs", "list"]).ok();
    let history = helm(&["history", "web"]).ok();
    let lines: Vec<_> = history.lines().collect();
    assert!(lines.len() == 2 && lines[0].starts_with("1 ") && lines[1].starts_with("2 "), "{history}");
    assert!(lines[0].contains(" superseded ") && lines[1].contains(" deployed "), "{history}");
    assert!(lines[1].ends_with("web-1.2.3  Upgrade complete"), "{history}");

    let status = helm(&["status", "web", "--all"]).ok();
    for part in
        ["web in default\n2 ", "\nnotes:\nIt is faster.\n", "\nvalues:\nmode: faster\n", "\nmanifest:\n---\n"]
    {
        assert!(status.contains(part), "{part} is not in\n{status}");
    }
    let first = helm(&["status", "web", "--revision", "1", "--output", "json"]).ok();
    let first: Value = serde_json::from_str(&first).expect("it is JSON");
    assert_eq!((&first["values"]["mode"], &first["status"]), (&"fast".into(), &"superseded".into()));

    assert_eq!(helm(&["diff", "web", "chart", "--reuse-values"]).ok(), "nothing would change\n");
    let diff = helm(&["diff", "web", "chart", "--set-string", "mode=07"]).ok();
    assert!(diff.contains("-  mode: faster\n") && diff.contains("+  mode: \"07\"\n"), "{diff}");
    let diff = helm(&["diff", "web", "chart", "--reset-values", "--output", "json"]).ok();
    let diff: Value = serde_json::from_str(&diff).expect("it is JSON");
    assert_eq!((&diff["changed"], &diff["objects"][0]["change"]), (&true.into(), &"changed".into()));

    assert_eq!(helm(&["history", "web"]).ok(), history);
    assert_eq!(program.run(["runs", "list"]).ok(), runs, "looking is no run");
}

#[test]
fn a_link_that_leads_out_of_a_chart_shows_nothing_of_what_is_there() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    std::fs::create_dir_all(folder.path().join("chart/templates")).expect("a folder can be made");
    let files = [
        ("opsrun.toml", "[targets.shop]\ngrants = [\"file read chart/*\"]\n"),
        ("secret.txt", "hunter2\n"),
        ("play.rhai", "log(helm::template(\"chart\"));\n"),
        ("chart/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
        ("chart/templates/all.yaml", "text: {{ .Files.Get \"link.txt\" | quote }}\n"),
    ];
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("a file can be written");
    }
    std::os::unix::fs::symlink("../secret.txt", folder.path().join("chart/link.txt"))
        .expect("a link can be made");
    let program = Program::new(env!("CARGO_BIN_EXE_opsrun")).within(folder.path());
    for words in [&["rehearse", "play.rhai"][..], &["helm", "template", "web", "chart"]] {
        let refused = program.run(words).with_code(2).to_string();
        assert!(refused.contains("chart/link.txt") && !refused.contains("hunter2"), "{refused}");
    }
}
