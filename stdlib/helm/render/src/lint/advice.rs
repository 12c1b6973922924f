//! Rules of our own about what a chart renders to: versions of the API that the target does not serve, images without a
//! fixed tag, containers without limits. Each names the template's line that wrote the place.

use std::collections::BTreeMap;

use gotemplate::{Mark, line_at};
use serde_json::Value as Json;

use super::deprecated::{DEPRECATIONS, Deprecation, MORE_DEPRECATIONS};
use super::{LintMessage, Origin, RenderedFiles, Severity};
use crate::capabilities::KubeVersion;
use crate::yaml;

/// What there is to say of the rendered files of a chart of this name.
pub(super) fn about(
    chart: &str,
    files: &RenderedFiles,
    marks: &BTreeMap<String, Vec<Mark>>,
    target: Option<&KubeVersion>,
) -> Vec<LintMessage> {
    let minor = target.and_then(|version| version.minor.parse().ok());
    let mut messages = Vec::new();
    for (path, data) in files {
        let Ok(text) = std::str::from_utf8(data) else { continue };
        let marks = marks.get(path).map(Vec::as_slice).unwrap_or_default();
        for document in crate::manifest::documents(text) {
            let Ok(object) = yaml::to_json(document) else { continue };
            let start = document.as_ptr().addr() - text.as_ptr().addr();
            let mut advise = |needle: Needle<'_>, message: String| {
                let offset = start + needle.find(document).unwrap_or(0);
                let place = line_at(marks, data, offset);
                let (file, line) = place.map_or((path.as_str(), None), |(file, line)| (file, Some(line)));
                let file = file.strip_prefix(chart).and_then(|rest| rest.strip_prefix('/')).unwrap_or(file);
                messages.push(LintMessage {
                    severity: Severity::Warning,
                    path: file.to_owned(),
                    line,
                    text: message,
                    origin: Origin::Advice,
                });
            };
            check(&object, minor, &mut advise);
        }
    }
    messages
}

/// What to look for in a document's text to find the line that a message is about.
#[derive(Clone, Copy)]
struct Needle<'a> {
    key: &'static str,
    value: &'a str,
}

impl Needle<'_> {
    /// The offset of the first line that sets the key to the value.
    fn find(self, document: &str) -> Option<usize> {
        let mut offset = 0;
        for line in document.split_inclusive('\n') {
            let entry = line.trim_start().trim_start_matches("- ").trim_start();
            let value = entry.strip_prefix(self.key).and_then(|rest| rest.strip_prefix(':'));
            if value.is_some_and(|value| value.trim().trim_matches(['"', '\'']) == self.value) {
                return Some(offset);
            }
            offset += line.len();
        }
        None
    }
}

fn check(object: &Json, minor: Option<u64>, advise: &mut dyn FnMut(Needle<'_>, String)) {
    let text = |key: &str| object.get(key).and_then(Json::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    if kind.ends_with("List")
        && let Some(items) = object.get("items").and_then(Json::as_array)
    {
        items.iter().for_each(|item| check(item, minor, advise));
        return;
    }
    if let Some(minor) = minor {
        let all = DEPRECATIONS.iter().chain(MORE_DEPRECATIONS);
        let found = all.clone().find(|d| d.api_version == api_version && d.kind == kind && d.since <= minor);
        if let Some(deprecation) = found {
            advise(Needle { key: "apiVersion", value: api_version }, outdated(deprecation, minor));
        }
    }
    let pod = match kind {
        "Pod" => "/spec",
        "CronJob" => "/spec/jobTemplate/spec/template/spec",
        "Deployment" | "DaemonSet" | "StatefulSet" | "ReplicaSet" | "ReplicationController" | "Job" => {
            "/spec/template/spec"
        }
        _ => return,
    };
    for list in ["initContainers", "containers"] {
        let containers = object.pointer(&format!("{pod}/{list}")).and_then(Json::as_array);
        containers.into_iter().flatten().for_each(|container| check_container(container, advise));
    }
}

fn outdated(deprecation: &Deprecation, minor: u64) -> String {
    let Deprecation { api_version, kind, since, removed, replacement } = deprecation;
    let mut text = match removed {
        Some(removed) if *removed <= minor => {
            format!(
                "Kubernetes 1.{minor} does not serve {api_version} {kind}, which was removed in 1.{removed}"
            )
        }
        Some(removed) => {
            format!(
                "{api_version} {kind} is deprecated since Kubernetes 1.{since} and removed in 1.{removed}"
            )
        }
        None => format!("{api_version} {kind} is deprecated since Kubernetes 1.{since}"),
    };
    if !replacement.is_empty() {
        text.push_str(&format!("; use {replacement}"));
    }
    text
}

fn check_container(container: &Json, advise: &mut dyn FnMut(Needle<'_>, String)) {
    let name = container.get("name").and_then(Json::as_str).unwrap_or_default();
    if let Some(image) = container.get("image").and_then(Json::as_str) {
        let needle = Needle { key: "image", value: image };
        // A port of the registry is no tag.
        let last = image.rsplit('/').next().unwrap_or(image);
        match last.split_once(':') {
            _ if image.contains('@') => {}
            None => advise(
                needle,
                format!("the image {image} of the container {name} has no tag: it is the latest"),
            ),
            Some((_, "latest" | "")) => {
                advise(needle, format!("the image {image} of the container {name} is whatever is latest"));
            }
            Some(_) => {}
        }
    }
    let limits = container.pointer("/resources/limits").and_then(Json::as_object);
    if limits.is_none_or(serde_json::Map::is_empty) {
        let needle = Needle { key: "name", value: name };
        advise(needle, format!("the container {name} has no limits of its resources"));
    }
}
