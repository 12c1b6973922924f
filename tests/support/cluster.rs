//! A real Kubernetes cluster, started by `tests/servers/cluster`, that ends with the test program however that ends.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::servers::{self, Missing};
use crate::{Program, repository};

/// How much of a cluster a test needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// etcd and the API server: objects are stored and validated, nothing acts on them. Ready in 3 s; root is not needed.
    Api,
    /// With the controllers and the scheduler: Deployments make pods, which stay pending.
    ControlPlane,
    /// With a node that runs the images of `tests/servers/images`. Ready in 5 s; needs root.
    Node,
}

/// A running cluster. Dropping it ends it; a shared one ends when the kernel closes the test program's files.
#[derive(Debug)]
pub struct RealCluster {
    kubeconfig: PathBuf,
    kubectl: Program,
    owner: Child,
}

impl RealCluster {
    /// The cluster of this mode that the tests of one program share, each in a [`Namespace`] of its own.
    pub fn shared(mode: Mode) -> Result<&'static RealCluster, Missing> {
        static SHARED: [OnceLock<Result<RealCluster, Missing>>; 3] = [const { OnceLock::new() }; 3];
        SHARED[mode as usize].get_or_init(|| Self::start(mode, &[])).as_ref().map_err(Clone::clone)
    }

    /// A cluster for one test, its API server started with further flags.
    ///
    /// # Panics
    /// With the servers' own words, where everything is installed and it still does not come up.
    pub fn start(mode: Mode, api_server_flags: &[&str]) -> Result<RealCluster, Missing> {
        need(mode)?;
        let kubectl = servers::kubectl(None)?;
        let mut owner = Command::new(repository("tests/servers/cluster"))
            .arg(mode.name())
            .args(api_server_flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("bash runs the script");
        let mut line = String::new();
        let stdout = owner.stdout.as_mut().expect("it was piped");
        BufReader::new(stdout).read_line(&mut line).expect("the script prints text");
        let Some(kubeconfig) = line.trim_end().strip_prefix("KUBECONFIG=").map(PathBuf::from) else {
            let said = owner.wait_with_output().expect("the script ends");
            panic!("no cluster came up: {}", String::from_utf8_lossy(&said.stderr));
        };
        let kubectl = kubectl.env("KUBECONFIG", &kubeconfig);
        Ok(RealCluster { kubeconfig, kubectl, owner })
    }

    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The real kubectl, as cluster administrator.
    pub fn kubectl(&self) -> &Program {
        &self.kubectl
    }

    /// The real helm, as cluster administrator.
    pub fn helm(&self) -> Result<Program, Missing> {
        servers::helm(Some(&self.kubeconfig))
    }

    /// The last helm of version 3, as cluster administrator.
    pub fn helm3(&self) -> Result<Program, Missing> {
        servers::helm3(Some(&self.kubeconfig))
    }

    /// A new namespace for one test, deleted with the value.
    pub fn namespace(&self, name: &str) -> Namespace<'_> {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let name = format!("{name}-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.kubectl.run(["create", "namespace", &name]).ok();
        Namespace { name, cluster: self }
    }
}

impl Drop for RealCluster {
    fn drop(&mut self) {
        drop(self.owner.stdin.take());
        if let Err(error) = self.owner.wait() {
            panic!("the cluster's script could not be waited for: {error}");
        }
    }
}

/// A namespace that goes with its test.
#[derive(Debug)]
pub struct Namespace<'a> {
    name: String,
    cluster: &'a RealCluster,
}

impl Namespace<'_> {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The real kubectl in this namespace.
    pub fn kubectl(&self, arguments: &[&str]) -> crate::Outcome {
        self.cluster.kubectl.run([&["--namespace", &self.name], arguments].concat())
    }
}

impl Drop for Namespace<'_> {
    fn drop(&mut self) {
        let gone = self.cluster.kubectl.run(["delete", "namespace", &self.name, "--wait=false"]);
        if gone.code != Some(0) && !std::thread::panicking() {
            panic!("{gone}");
        }
    }
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Mode::Api => "api",
            Mode::ControlPlane => "control-plane",
            Mode::Node => "node",
        }
    }
}

fn need(mode: Mode) -> Result<(), Missing> {
    let mut programs = vec!["etcd", "openssl"];
    let mut binaries = vec!["kubectl", "kube-apiserver"];
    if mode != Mode::Api {
        binaries.extend(["kube-controller-manager", "kube-scheduler"]);
    }
    if mode == Mode::Node {
        binaries.extend(["kubelet", "kube-proxy"]);
        programs.extend([
            "containerd",
            "runc",
            "ip",
            "nsenter",
            "unshare",
            "iptables",
            "conntrack",
            "/bin/busybox",
        ]);
        programs.push("/usr/lib/cni/bridge");
    }
    binaries.into_iter().try_for_each(|name| servers::kubernetes(name).map(drop))?;
    programs.into_iter().try_for_each(|name| servers::on_path(name).map(drop))?;
    if mode == Mode::Node && !is_root() {
        return Err(Missing::new("root, to run a Kubernetes node"));
    }
    Ok(())
}

fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap_or_default();
    ids.split_whitespace().nth(1) == Some("0")
}
