//! Real charts render as Helm renders them, byte for byte.

#![allow(clippy::disallowed_methods, clippy::print_stdout)] // Tests read charts from disk, or say that they have none.

mod corpus;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use corpus::{Case, Corpus};

/// All of them.
const CHARTS: usize = 167;
const CHARTS_WITH_VALUES: usize = 224;

#[test]
fn charts_render_as_helm_renders_them() {
    if let Some(corpus) = corpus() {
        let cases = corpus::cases(&corpus.root.join("charts"), &corpus.root.join("goldens"));
        compare(&cases.expect("the corpus lists its charts"), CHARTS);
    }
}

#[test]
fn charts_with_values_of_their_own_render_as_helm_renders_them() {
    if let Some(corpus) = corpus() {
        let cases = corpus::cases_with_values(&corpus.root.join("charts"), &corpus.root.join("goldens-ci"));
        compare(&cases.expect("the corpus lists its charts"), CHARTS_WITH_VALUES);
    }
}

#[test]
fn any_two_folders_make_cases_and_a_chart_that_cannot_be_rendered_differs() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("parity-folders");
    let _ = fs::remove_dir_all(&folder);
    let (charts, goldens) = (folder.join("charts"), folder.join("goldens"));
    let ci = folder.join("ci");
    let write = |path: PathBuf, text: &str| {
        fs::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
        fs::write(path, text).expect("it can be written");
    };
    let template = "a: {{ .Values.a }} {{ uuidv4 }}";
    let files = [("values.yaml", "a: 1"), ("templates/x.yaml", template), ("ci/two.yaml", "a: 2")];
    for chart in ["repo/v1.2/web.app", "repo/broken"] {
        let meta = "apiVersion: v2\nname: web\nversion: 1.0.0\n";
        write(charts.join(chart).join("Chart.yaml"), if chart.ends_with("app") { meta } else { "}" });
        files.iter().for_each(|(path, text)| write(charts.join(chart).join(path), text));
    }
    let packed = Command::new("tar")
        .arg("czf")
        .arg(charts.join("repo/packed-1.0.tgz"))
        .arg("-C")
        .arg(charts.join("repo/v1.2"))
        .arg("web.app")
        .status();
    assert!(packed.expect("tar runs").success());
    let golden =
        |a| format!("---\n# Source: web/templates/x.yaml\na: {a} 00000000-0000-4000-8000-000000000000\n");
    for name in ["repo/v1.2/web.app", "repo/packed-1.0", "repo/broken", "repo/absent"] {
        write(goldens.join(format!("{name}.yaml")), &golden(1));
    }
    for name in ["repo/v1.2/web.app/two.yaml", "repo/packed-1.0/two.yaml", "repo/v1.2/web.app/absent.yaml"] {
        write(ci.join(name), &golden(2));
    }
    let differing = |cases: io::Result<Vec<Case>>| -> Vec<(String, bool)> {
        let cases = cases.expect("the folders are there");
        cases.iter().map(|case| (case.name.clone(), case.difference().is_some())).collect()
    };
    let expected = |names: &[(&str, bool)]| -> Vec<(String, bool)> {
        names.iter().map(|(name, differs)| ((*name).to_owned(), *differs)).collect()
    };
    assert_eq!(
        differing(corpus::cases(&charts, &goldens)),
        expected(&[
            ("repo/absent", true),
            ("repo/broken", true),
            ("repo/packed-1.0", false),
            ("repo/v1.2/web.app", false)
        ])
    );
    assert_eq!(
        differing(corpus::cases_with_values(&charts, &ci)),
        expected(&[
            ("repo/packed-1.0/two.yaml", false),
            ("repo/v1.2/web.app/absent.yaml", true),
            ("repo/v1.2/web.app/two.yaml", false)
        ])
    );
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
