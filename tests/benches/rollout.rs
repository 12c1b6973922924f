//! How soon a finished rollout is noticed: from the moment that a watch of our own sees the Deployment complete to the return
//! of `opsrun`, `kubectl rollout status` and `helm upgrade --wait`, on a real node. A goal that is missed is no failure.
//! Run with `cargo bench -p opsrun-tests --bench rollout`; it needs root, as a node does.
#![allow(clippy::disallowed_methods, clippy::print_stdout)] // a benchmark times real programs, and speaks to who runs it

mod bare;
mod timing;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use bare::{Bare, Server};
use bytes::{Buf, Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::Method;
use opsrun_tests::{Missing, Mode, Opsrun, Program, RealCluster, skip};
use serde_json::Value;
use timing::{Samples, Took, load, timed};

const ROUNDS: usize = 7;
const PATIENCE: Duration = Duration::from_secs(120);

const STATUS: &str = r#"
let namespace = param("namespace", #{ help: "where it is" });
let deployment = param("deployment", #{ help: "what is rolled out" });
k8s::rollout_status(`deployment/${deployment}`, #{ namespace: namespace });
"#;

const UPGRADE: &str = r#"
let namespace = param("namespace", #{ help: "where it is" });
let image = param("image", #{ help: "what it is to run" });
helm::upgrade("upgraded-by-opsrun", "chart", #{ namespace: namespace, set: [`image=${image}`], wait: 2.m });
"#;

const CHART: &str = "apiVersion: v2\nname: web\nversion: 1.0.0\n";

const DEPLOYMENT: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
spec:
  replicas: 2
  selector: { matchLabels: { app: {{ .Release.Name }} } }
  template:
    metadata: { labels: { app: {{ .Release.Name }} } }
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: web
          image: {{ .Values.image }}
          readinessProbe: { httpGet: { path: /health, port: 8080 }, periodSeconds: 1 }
"#;

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    Opsrun::path(); // building it takes longer than a cluster should stand
    let cluster = match RealCluster::start(Mode::Node, &[]) {
        Ok(cluster) => cluster,
        Err(missing) => return skip(missing),
    };
    let namespace = cluster.namespace("rollout");
    let mut bench = match Bench::new(&cluster, namespace.name(), folder.path()) {
        Ok(bench) => bench,
        Err(missing) => return skip(missing),
    };
    let mut tools = [
        Tool::new("opsrun, k8s::rollout_status", "seen-by-opsrun", Bench::status_of_opsrun),
        Tool::new("kubectl rollout status", "seen-by-kubectl", Bench::status_of_kubectl),
        Tool::new("opsrun, helm::upgrade", "upgraded-by-opsrun", Bench::upgrade_by_opsrun),
        Tool::new("helm upgrade --wait", "upgraded-by-helm", Bench::upgrade_by_helm),
    ];
    for tool in &tools {
        bench.install(tool.deployment);
    }
    println!("load {}", load());
    println!("from a rollout's end to the command's return, {ROUNDS} rounds, each of all in turn");
    for round in 0..ROUNDS {
        for tool in &mut tools {
            tool.lags.add(bench.lag(tool, round));
        }
    }
    for Tool { name, lags, .. } in &tools {
        println!("  {name:<27}  {lags}");
    }
    let [ours, kubectl, ours_by_helm, helm] = tools.map(|tool| tool.lags.median());
    println!(
        "  goal: 30 ms; ratios of the medians: opsrun/kubectl {:.2}, opsrun/helm {:.2}",
        ours / kubectl,
        ours_by_helm / helm
    );
    println!("load {}", load());
}

/// A command that ends when a rollout has.
struct Tool {
    name: &'static str,
    deployment: &'static str,
    /// Rolls out an image, and returns when the command has; says what the command took.
    run: fn(&Bench, &str, &str) -> Took,
    lags: Samples,
}

impl Tool {
    fn new(name: &'static str, deployment: &'static str, run: fn(&Bench, &str, &str) -> Took) -> Self {
        Tool { name, deployment, run, lags: Samples::default() }
    }
}

struct Bench {
    namespace: String,
    kubectl: Program,
    helm: Program,
    opsrun: Program,
    rollouts: Rollouts,
}

impl Bench {
    fn new(cluster: &RealCluster, namespace: &str, folder: &Path) -> Result<Self, Missing> {
        let helm = cluster.helm()?.within(folder);
        let write = |path: &str, text: &str| {
            std::fs::write(folder.join(path), text).expect("it can be written to");
        };
        std::fs::create_dir_all(folder.join("chart/templates")).expect("it can be made");
        write("chart/Chart.yaml", CHART);
        write("chart/templates/deployment.yaml", DEPLOYMENT);
        write("status.rhai", STATUS);
        write("upgrade.rhai", UPGRADE);
        let opsrun = Opsrun::program().env("KUBECONFIG", cluster.kubeconfig()).within(folder);
        Ok(Bench {
            namespace: namespace.to_owned(),
            kubectl: cluster.kubectl().clone(),
            helm,
            opsrun,
            rollouts: Rollouts::watch(Server::of(cluster.kubectl()), namespace),
        })
    }

    /// Installs the Deployment, with what will roll it out: only helm's own way makes a release of it.
    fn install(&mut self, deployment: &str) {
        self.upgrade_by_helm(deployment, "opsrun.test/web:1");
        self.rollouts.next(deployment);
    }

    /// Rolls out the image of this round. Less than nothing is possible: the command may hear of it before the watch does.
    fn lag(&mut self, tool: &Tool, round: usize) -> Took {
        let image = format!("opsrun.test/web:{}", 2 - round % 2);
        let Took { cpu, .. } = (tool.run)(self, tool.deployment, &image);
        let returned = Instant::now();
        let complete = self.rollouts.next(tool.deployment);
        let late = returned.saturating_duration_since(complete).as_secs_f64();
        let early = complete.saturating_duration_since(returned).as_secs_f64();
        Took { wall: late - early, cpu }
    }

    fn status_of_opsrun(&self, deployment: &str, image: &str) -> Took {
        self.set_image(deployment, image);
        let arguments =
            ["status.rhai", "--allow", "k8s", "--namespace", &self.namespace, "--deployment", deployment];
        timed(|| self.opsrun.run(arguments).ok()).0
    }

    fn status_of_kubectl(&self, deployment: &str, image: &str) -> Took {
        self.set_image(deployment, image);
        let deployment = format!("deployment/{deployment}");
        timed(|| self.kubectl.run(["--namespace", &self.namespace, "rollout", "status", &deployment]).ok()).0
    }

    fn upgrade_by_opsrun(&self, _: &str, image: &str) -> Took {
        let arguments = ["upgrade.rhai", "--allow", "k8s", "--namespace", &self.namespace, "--image", image];
        timed(|| self.opsrun.run(arguments).ok()).0
    }

    fn upgrade_by_helm(&self, release: &str, image: &str) -> Took {
        let image = format!("image={image}");
        let arguments = ["upgrade", "--install", release, "chart", "--set", &image, "--wait"];
        timed(|| self.helm.run([&["--namespace", self.namespace.as_str()], &arguments[..]].concat()).ok()).0
    }

    fn set_image(&self, deployment: &str, image: &str) {
        let deployment = format!("deployment/{deployment}");
        let container = format!("web={image}");
        self.kubectl.run(["--namespace", &self.namespace, "set", "image", &deployment, &container]).ok();
    }
}

/// The rollouts of a namespace, as a watch of our own sees them end.
struct Rollouts {
    ends: Receiver<End>,
    /// The generation of each Deployment that is known to be complete.
    complete: BTreeMap<String, i64>,
    /// Those that nobody has asked for yet.
    seen: Vec<End>,
}

/// A Deployment was seen to be complete.
struct End {
    deployment: String,
    generation: i64,
    at: Instant,
}

impl Rollouts {
    fn watch(server: Server, namespace: &str) -> Self {
        let (sender, ends) = channel();
        let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments?watch=true");
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(follow(&server, &path, &sender));
        });
        Rollouts { ends, complete: BTreeMap::new(), seen: Vec::new() }
    }

    /// When the next rollout of this Deployment was first seen to be complete.
    fn next(&mut self, deployment: &str) -> Instant {
        let done = self.complete.get(deployment).copied().unwrap_or(0);
        loop {
            self.seen.retain(|end| end.generation > self.complete.get(&end.deployment).copied().unwrap_or(0));
            if let Some(end) =
                self.seen.iter().find(|end| end.deployment == deployment && end.generation > done)
            {
                self.complete.insert(end.deployment.clone(), end.generation);
                return end.at;
            }
            let end = self.ends.recv_timeout(PATIENCE);
            self.seen.push(end.unwrap_or_else(|_| panic!("the watch saw no rollout of {deployment} end")));
        }
    }
}

/// Sends each state of a Deployment that is complete, until nobody listens or the watch ends, which who waits is told.
async fn follow(server: &Server, path: &str, ends: &Sender<End>) {
    let client = Bare::connect(server).await;
    let answer = client.send(Method::GET, path, "application/json", Bytes::new()).await;
    assert!(answer.status().is_success(), "the watch was answered with {}", answer.status());
    let (mut body, mut pending) = (answer.into_body(), BytesMut::new());
    while let Some(Ok(frame)) = body.frame().await {
        let at = Instant::now();
        let frame = frame.into_data().unwrap_or_default();
        pending.extend_from_slice(&frame);
        while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let event: Value = serde_json::from_slice(&pending.split_to(end)).expect("an event is JSON");
            pending.advance(1);
            if let Some((deployment, generation)) = complete(&event["object"])
                && ends.send(End { deployment, generation, at }).is_err()
            {
                return;
            }
        }
    }
}

/// Name and generation of a Deployment that runs what its spec says, and nothing else.
fn complete(deployment: &Value) -> Option<(String, i64)> {
    let number = |pointer: &str| deployment.pointer(pointer).and_then(Value::as_i64);
    let (generation, wanted) = (number("/metadata/generation")?, number("/spec/replicas")?);
    let status = ["replicas", "updatedReplicas", "availableReplicas"];
    let is_complete = number("/status/observedGeneration")? >= generation
        && status.iter().all(|field| number(&format!("/status/{field}")) == Some(wanted));
    is_complete.then(|| (deployment["metadata"]["name"].as_str().unwrap_or_default().to_owned(), generation))
}
