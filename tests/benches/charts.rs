//! What rendering charts costs beside the real Helm: whole processes in turn, and all charts of the parity corpus in one
//! process beside a loop of Helm's. Run with `cargo bench -p opsrun-tests --bench charts`; where the corpus
//! (`OPSRUN_SHARED`) is not there, only the charts that are made here are measured.
#![allow(clippy::disallowed_methods, clippy::print_stdout)] // a benchmark times real programs, and speaks to who runs it

mod memory;
mod timing;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use memory::memory;
use opsrun_tests::{Opsrun, Program};
use timing::{Samples, load, shown, timed};

const RUNS: usize = 11;

fn main() {
    println!("load {}", load());
    let helm = match opsrun_tests::helm(None) {
        Ok(helm) => helm,
        Err(missing) => return println!("skipped: needs {missing}"),
    };
    let bench = Bench { opsrun: Opsrun::program(), helm };
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    if let Some(corpus) = unpacked(folder.path()) {
        let stack = "prometheus-community+helm-charts/charts/kube-prometheus-stack";
        bench.beside_helm(&corpus.join("charts").join(stack), "8x in wall and cpu, under half of the memory");
        let small = "kubernetes-sigs+metrics-server/charts/metrics-server";
        bench.beside_helm(&corpus.join("charts").join(small), "4x");
        bench.all_in_one_process(&corpus);
    }
    let below = folder.path();
    bench.grows("dependencies", &with_dependencies(below, 50), &with_dependencies(below, 200));
    bench.grows("calls of tpl", &with_templates(below, 1_250), &with_templates(below, 5_000));
    println!("load {}", load());
}

struct Bench {
    opsrun: Program,
    helm: Program,
}

impl Bench {
    /// Renders one chart by both in turn.
    fn beside_helm(&self, chart: &Path, goal: &str) -> (Samples, Samples) {
        let (mut ours, mut theirs) = (Samples::default(), Samples::default());
        for _ in 0..RUNS {
            theirs.add(timed(|| self.helm.run(template(chart)).ok()).0);
            ours.add(timed(|| self.opsrun.run([vec!["helm".into()], template(chart)].concat()).ok()).0);
        }
        println!("{}, {RUNS} each in turn", chart.file_name().unwrap_or_default().display());
        println!("  helm    {theirs}, memory {}", memory(&self.helm, &template(chart)));
        let words = [vec!["helm".into()], template(chart)].concat();
        println!("  opsrun  {ours}, memory {}", memory(&self.opsrun, &words));
        let (wall, cpu) = (theirs.median() / ours.median(), theirs.cpu() / ours.cpu());
        println!("  faster  {wall:.1}x in wall time, {cpu:.1}x in cpu time (goal: {goal})");
        (ours, theirs)
    }

    /// Four times as much is to take four times as long.
    fn grows(&self, what: &str, few: &Path, many: &Path) {
        let (few, _) = self.beside_helm(few, "linear");
        let (many, _) = self.beside_helm(many, "linear");
        println!("  four times the {what} take opsrun {:.1} times as long", many.cpu() / few.cpu());
    }

    fn all_in_one_process(&self, corpus: &Path) {
        let list = std::fs::read_to_string(corpus.join("charts.txt")).expect("the corpus has a list");
        let charts: Vec<PathBuf> = list
            .lines()
            .filter(|line| !line.is_empty())
            .map(|line| corpus.join("charts").join(line))
            .collect();
        let (theirs, _) = timed(|| {
            for chart in &charts {
                self.helm.run(template(chart)).ok();
            }
        });
        let script: String = charts.iter().fold(String::new(), |mut script, chart| {
            let _ =
                writeln!(script, "helm::template(`{}`, #{{ release: \"release-name\" }});", chart.display());
            script
        });
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        std::fs::write(folder.path().join("all.rhai"), script).expect("a file can be written");
        let read = format!("file read {}/*", corpus.display());
        let (ours, _) = timed(|| {
            let opsrun = self.opsrun.clone().within(folder.path());
            opsrun.run(["all.rhai", "--allow", &read]).ok()
        });
        println!("{} charts: one process of opsrun beside a loop of helm", charts.len());
        println!("  helm    {}, cpu {}", shown(theirs.wall), shown(theirs.cpu));
        println!("  opsrun  {}, cpu {}", shown(ours.wall), shown(ours.cpu));
        println!("  faster  {:.1}x (goal: 10x)", theirs.wall / ours.wall);
    }
}

fn template(chart: &Path) -> Vec<String> {
    vec!["template".to_owned(), "release-name".to_owned(), chart.display().to_string()]
}

/// The parity corpus, unpacked below a folder.
fn unpacked(below: &Path) -> Option<PathBuf> {
    let shared = std::env::var_os("OPSRUN_SHARED")
        .map_or_else(|| opsrun_tests::repository("../shared"), PathBuf::from);
    let archive = shared.join("helm-parity/charts.tar.xz");
    if !archive.exists() {
        println!("not measured: the charts of the parity corpus ({} is not there)", archive.display());
        return None;
    }
    Program::new("tar").run(["xf".as_ref(), archive.as_os_str(), "-C".as_ref(), below.as_os_str()]).ok();
    std::fs::copy(shared.join("helm-parity/charts.txt"), below.join("charts.txt"))
        .expect("the list is there");
    Some(below.to_owned())
}

/// A chart with so many charts that it depends on, each with a helper that the others' templates include.
fn with_dependencies(below: &Path, count: usize) -> PathBuf {
    let folder = below.join(format!("{count}-dependencies"));
    let write = |path: String, text: &str| {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a folder can be made");
        std::fs::write(path, text).expect("a file can be written");
    };
    let mut metadata = "apiVersion: v2\nname: many\nversion: 1.0.0\ndependencies:\n".to_owned();
    for number in 0..count {
        let _ = writeln!(metadata, "  - {{ name: part-{number}, version: 1.0.0 }}");
        let chart = format!("charts/part-{number}");
        write(
            format!("{chart}/Chart.yaml"),
            &format!("apiVersion: v2\nname: part-{number}\nversion: 1.0.0\n"),
        );
        write(format!("{chart}/values.yaml"), "replicas: 2\nlabels: { tier: back }\n");
        let helper = format!(
            "{{{{- define \"part-{number}.name\" -}}}}{{{{ .Release.Name }}}}-part-{number}{{{{- end -}}}}"
        );
        write(format!("{chart}/templates/_helpers.tpl"), &helper);
        let text = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{{{ include \"part-{number}.name\" . }}}}\n  labels: {{{{ toYaml .Values.labels | nindent 4 }}}}\ndata: {{ replicas: {{{{ .Values.replicas | quote }}}} }}\n"
        );
        write(format!("{chart}/templates/map.yaml"), &text);
    }
    write("Chart.yaml".to_owned(), &metadata);
    folder
}

/// A chart that calls `tpl` so many times, on a text that includes a helper through three others.
fn with_templates(below: &Path, count: usize) -> PathBuf {
    let folder = below.join(format!("{count}-calls-of-tpl"));
    let write = |path: &str, text: &str| {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a folder can be made");
        std::fs::write(path, text).expect("a file can be written");
    };
    write("Chart.yaml", "apiVersion: v2\nname: tpl\nversion: 1.0.0\n");
    write("values.yaml", "text: '{{ include \"outer\" . }}-{{ .Release.Name }}'\n");
    write(
        "templates/_helpers.tpl",
        "{{- define \"inner\" -}}{{ .Chart.Name }}{{- end -}}\n{{- define \"middle\" -}}{{ include \"inner\" . }}{{- end -}}\n{{- define \"outer\" -}}{{ include \"middle\" . }}{{- end -}}\n",
    );
    let text = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: tpl }}\ndata:\n{{{{- range $i, $_ := until {count} }}}}\n  key-{{{{ $i }}}}: {{{{ tpl (printf \"%s-%d\" $.Values.text $i) $ }}}}\n{{{{- end }}}}\n"
    );
    write("templates/map.yaml", &text);
    folder
}
