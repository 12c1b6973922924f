//! Volumes of pods and their mounts.

use serde_json::Value;

use super::{at, has, items};
use crate::context::text;
use crate::names;
use crate::status::Invalid;

/// In the order in which the server looks: of several sources all but the first are refused.
const SOURCES: &[&str] = &[
    "emptyDir",
    "hostPath",
    "gitRepo",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "secret",
    "nfs",
    "iscsi",
    "glusterfs",
    "flocker",
    "persistentVolumeClaim",
    "rbd",
    "cinder",
    "cephfs",
    "quobyte",
    "downwardAPI",
    "fc",
    "configMap",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "storageos",
    "scaleIO",
    "projected",
    "csi",
    "ephemeral",
    "image",
];

/// Checks the volumes and answers the names of those that can be mounted.
pub(super) fn validate_volumes(spec: &Value, path: &str, wrong: &mut Vec<Invalid>) -> Vec<String> {
    let mut known: Vec<String> = Vec::new();
    for (path, volume) in items(spec, "volumes", path) {
        let name = text(&volume["name"]);
        let before = wrong.len();
        validate_source(volume, &path, wrong);
        if name.is_empty() {
            wrong.push(Invalid::required(at(&path, "name"), ""));
        } else {
            wrong.extend(
                names::label(name).into_iter().map(|why| Invalid::value(at(&path, "name"), name, why)),
            );
        }
        if known.iter().any(|other| other == name) {
            wrong.push(Invalid::duplicate(at(&path, "name"), name));
        }
        if wrong.len() == before {
            known.push(name.to_owned());
        }
    }
    known
}

fn validate_source(volume: &Value, path: &str, wrong: &mut Vec<Invalid>) {
    let given: Vec<&&str> = SOURCES.iter().filter(|source| has(volume, source)).collect();
    if given.is_empty() {
        wrong.push(Invalid::required(path, "must specify a volume type"));
    }
    for source in given.iter().skip(1) {
        wrong.push(Invalid::forbidden(at(path, source), "may not specify more than 1 volume type"));
    }
    let needed: &[(&str, &str)] = &[
        ("secret", "secretName"),
        ("configMap", "name"),
        ("persistentVolumeClaim", "claimName"),
        ("hostPath", "path"),
        ("nfs", "server"),
        ("nfs", "path"),
        ("csi", "driver"),
    ];
    for (source, field) in needed {
        if given.first() == Some(&source) && text(&volume[*source][*field]).is_empty() {
            wrong.push(Invalid::required(at(path, &format!("{source}.{field}")), ""));
        }
    }
    for source in ["secret", "configMap", "projected", "downwardAPI"] {
        if let Some(mode) = volume[source]["defaultMode"].as_i64().filter(|mode| !(0..=0o777).contains(mode))
        {
            let why = "must be a number between 0 and 0777 (octal), both inclusive";
            wrong.push(Invalid::value(at(path, &format!("{source}.defaultMode")), mode, why));
        }
    }
}

pub(super) fn validate_mounts(container: &Value, path: &str, volumes: &[String], wrong: &mut Vec<Invalid>) {
    let mut taken: Vec<&str> = Vec::new();
    for (path, mount) in items(container, "volumeMounts", path) {
        let (name, target) = (text(&mount["name"]), text(&mount["mountPath"]));
        if name.is_empty() {
            wrong.push(Invalid::required(at(&path, "name"), ""));
        } else if !volumes.iter().any(|known| known == name) {
            wrong.push(Invalid::not_found(at(&path, "name"), name));
        }
        if target.is_empty() {
            wrong.push(Invalid::required(at(&path, "mountPath"), ""));
        } else if taken.contains(&target) {
            wrong.push(Invalid::value(at(&path, "mountPath"), target, "must be unique"));
        }
        taken.push(target);
        let sub = text(&mount["subPath"]);
        if sub.starts_with('/') {
            wrong.push(Invalid::value(at(&path, "subPath"), sub, "must be a relative path"));
        }
        if sub.split('/').any(|part| part == "..") {
            wrong.push(Invalid::value(at(&path, "subPath"), sub, "must not contain '..'"));
        }
    }
}
