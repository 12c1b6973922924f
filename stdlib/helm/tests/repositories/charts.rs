//! Charts for tests, and what the real Helm makes of them.

use std::collections::BTreeMap;

use opsrun_tests::{Missing, Outcome, Program};

use crate::server::{Reply, Server};
use crate::stage::Stage;

/// A chart in the folder `NAME-VERSION`, with a file that is to be left out.
pub(crate) fn write(stage: &Stage, name: &str, version: &str) -> String {
    write_with(stage, name, version, "")
}

pub(crate) fn write_with(stage: &Stage, name: &str, version: &str, more: &str) -> String {
    let folder = format!("{name}-{version}");
    let about = format!(
        "apiVersion: v2\nname: {name}\nversion: {version}\ndescription: \"{name} for tests\"\nappVersion: \"1\"\n{more}"
    );
    stage.write(&format!("{folder}/Chart.yaml"), about);
    stage.write(&format!("{folder}/values.yaml"), "mode: fast\n");
    stage.write(&format!("{folder}/.helmignore"), "private.txt\n*.bak\n");
    stage.write(&format!("{folder}/private.txt"), "nobody's business\n");
    stage.write(&format!("{folder}/README.md"), "A chart for tests.\n");
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\ndata:\n  \
               chart: {{ .Chart.Name }}-{{ .Chart.Version }}\n  mode: {{ .Values.mode }}\n";
    stage.write(&format!("{folder}/templates/map.yaml"), map);
    folder
}

/// The real Helm, in a stage's folder.
pub(crate) fn helm(stage: &Stage) -> Result<Helm, Missing> {
    Ok(Helm(opsrun_tests::helm(None)?.within(stage.folder())))
}

pub(crate) struct Helm(Program);

impl Helm {
    #[track_caller]
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        self.run(arguments).ok()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        self.0.run(arguments)
    }

    /// A repository with these charts in the folder `repo`: archives and index are Helm's.
    pub(crate) fn repository(
        &self,
        stage: &Stage,
        charts: &[(&str, &str)],
        index: &[&str],
    ) -> BTreeMap<String, Vec<u8>> {
        for (name, version) in charts {
            let folder = write(stage, name, version);
            self.ok(&["package", &folder, "--destination", "repo"]);
        }
        self.ok(&[&["repo", "index", "repo"], index].concat());
        let files = std::fs::read_dir(stage.folder().join("repo")).unwrap().map(|entry| {
            let path = entry.unwrap().path();
            (format!("/{}", path.file_name().unwrap().display()), std::fs::read(path).unwrap())
        });
        files.collect()
    }
}

/// Serves files by their paths.
pub(crate) fn serve(files: BTreeMap<String, Vec<u8>>) -> Server {
    Server::start(move |asked, _| {
        files.get(&asked.path).map_or(Reply::status(404), |file| Reply::ok(file.clone()))
    })
}

/// The paths of the files in an archive, sorted.
pub(crate) fn listed(archive: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(archive));
    let entries = archive.entries().unwrap();
    let mut paths: Vec<_> =
        entries.map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect();
    paths.sort();
    paths
}
