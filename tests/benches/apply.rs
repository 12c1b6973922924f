//! Applying 1,000 ConfigMaps and 200 Services to a real API server: `opsrun`, beside `kubectl apply --server-side` of the
//! same file and a bare client that has 16 of the same patches in flight. A goal that is missed is said, and is no failure.
//! Run with `cargo bench -p opsrun-tests --bench apply`.
#![allow(clippy::disallowed_methods, clippy::print_stdout)] // a benchmark times real programs, and speaks to who runs it

mod bare;
mod timing;

use std::path::Path;

use bare::{Bare, Server};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body_util::BodyExt;
use hyper::{Method, StatusCode};
use opsrun_tests::{Mode, Opsrun, Program, RealCluster, skip};
use serde_json::{Value, json};
use timing::{Samples, Took, load, timed};

const CONFIG_MAPS: usize = 1000;
const SERVICES: usize = 200;
const ROUNDS: usize = 5;
const IN_FLIGHT: usize = 16;

const PLAYBOOK: &str = r#"
let namespace = param("namespace", #{ help: "where to" });
let result = k8s::apply(#{ file: "all.yaml" }, #{ namespace: namespace });
log(`${result.created} created, ${result.changed} changed, ${result.unchanged} unchanged`);
"#;

/// Everything that applies, and what each took.
struct Bench {
    kubectl: Program,
    opsrun: Program,
    server: Server,
    objects: Vec<Value>,
}

fn main() {
    Opsrun::path(); // building it takes longer than a cluster should stand
    // Each round has services of its own in three namespaces, for each of which the server finds an address.
    let cluster = match RealCluster::start(Mode::Api, &["--service-cluster-ip-range=10.96.0.0/12"]) {
        Ok(cluster) => cluster,
        Err(missing) => return skip(missing),
    };
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let bench = Bench::new(&cluster, folder.path());
    println!("load {}", load());
    println!("{CONFIG_MAPS} ConfigMaps and {SERVICES} Services, {ROUNDS} rounds, each of all in turn");
    let mut first = [Samples::default(), Samples::default(), Samples::default()];
    let mut unchanged = [Samples::default(), Samples::default(), Samples::default()];
    for round in 0..ROUNDS {
        let namespaces = ["opsrun", "kubectl", "bare"].map(|name| format!("{name}-{round}"));
        for name in &namespaces {
            bench.kubectl.run(["create", "namespace", name]).ok();
        }
        for (samples, status) in [(&mut first, StatusCode::CREATED), (&mut unchanged, StatusCode::OK)] {
            // Who comes first changes, as a server with more objects in it is a slower one.
            for turn in 0..samples.len() {
                let tool = (round + turn) % samples.len();
                samples[tool].add(match tool {
                    0 => bench.opsrun(&namespaces[0], status),
                    1 => bench.kubectl(&namespaces[1]),
                    _ => bench.bare(&namespaces[2], status),
                });
            }
        }
    }
    show("first", &first);
    show("unchanged", &unchanged);
    println!("load {}", load());
}

impl Bench {
    fn new(cluster: &RealCluster, folder: &Path) -> Self {
        let objects = objects();
        let documents: String = objects.iter().map(|object| format!("---\n{}", yaml(object, 0))).collect();
        std::fs::write(folder.join("all.yaml"), documents).expect("it can be written to");
        std::fs::write(folder.join("apply.rhai"), PLAYBOOK).expect("it can be written to");
        let opsrun = Opsrun::program().env("KUBECONFIG", cluster.kubeconfig()).within(folder);
        let kubectl = cluster.kubectl().clone().within(folder);
        Bench { server: Server::of(&kubectl), kubectl, opsrun, objects }
    }

    fn opsrun(&self, namespace: &str, status: StatusCode) -> Took {
        let (took, outcome) =
            timed(|| self.opsrun.run(["apply.rhai", "--allow", "k8s", "--namespace", namespace]));
        let counts = match status {
            StatusCode::CREATED => format!("{} created, 0 changed, 0 unchanged", self.objects.len()),
            _ => format!("0 created, 0 changed, {} unchanged", self.objects.len()),
        };
        assert!(outcome.to_string().contains(&counts), "{}", outcome.with_code(0));
        took
    }

    fn kubectl(&self, namespace: &str) -> Took {
        let arguments = ["apply", "--server-side", "--namespace", namespace, "-f", "all.yaml"];
        let (took, printed) = timed(|| self.kubectl.run(arguments).ok());
        assert_eq!(printed.lines().count(), self.objects.len(), "{printed}");
        took
    }

    fn bare(&self, namespace: &str, status: StatusCode) -> Took {
        let patches: Vec<(String, Bytes)> =
            self.objects.iter().map(|object| patch(object, namespace)).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        timed(|| runtime.block_on(send_all(&self.server, patches, status))).0
    }
}

async fn send_all(server: &Server, patches: Vec<(String, Bytes)>, status: StatusCode) {
    let client = &Bare::connect(server).await;
    let writes = stream::iter(patches).map(|(path, body)| async move {
        let answer = client.send(Method::PATCH, &path, "application/apply-patch+yaml", body).await;
        assert_eq!(answer.status(), status, "{path}");
        answer.into_body().collect().await.expect("the whole answer");
    });
    writes.buffer_unordered(IN_FLIGHT).collect::<()>().await;
}

fn patch(object: &Value, namespace: &str) -> (String, Bytes) {
    let plural = if object["kind"] == "Service" { "services" } else { "configmaps" };
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let mut object = object.clone();
    object["metadata"]["namespace"] = namespace.into();
    let path = format!("/api/v1/namespaces/{namespace}/{plural}/{name}?fieldManager=bare&force=false");
    (path, object.to_string().into())
}

fn objects() -> Vec<Value> {
    let config_maps = (0..CONFIG_MAPS).map(|number| {
        let data: serde_json::Map<String, Value> = (0..8)
            .map(|key| {
                (
                    format!("key-{key}"),
                    format!("value {key} of configuration {number:04}, {:x>22}", "").into(),
                )
            })
            .collect();
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(&format!("config-{number:04}")),
                "data": data })
    });
    let services = (0..SERVICES).map(|number| {
        json!({ "apiVersion": "v1", "kind": "Service", "metadata": metadata(&format!("service-{number:04}")),
                "spec": {
                    "selector": { "app": format!("app-{number:04}") },
                    "ports": [{ "name": "http", "port": 80, "targetPort": 8080 },
                              { "name": "metrics", "port": 9090, "targetPort": 9090 }] } })
    });
    config_maps.chain(services).collect()
}

fn metadata(name: &str) -> Value {
    json!({ "name": name, "labels": { "app.kubernetes.io/part-of": "bench" } })
}

/// As people write manifests: one field a line, text without quotes.
fn yaml(value: &Value, depth: usize) -> String {
    let margin = "  ".repeat(depth);
    let field = |(key, value): (&String, &Value)| match value {
        Value::Object(_) => format!("{margin}{key}:\n{}", yaml(value, depth + 1)),
        Value::Array(items) => {
            let item = |item| format!("{margin}- {}", yaml(item, depth + 1).trim_start());
            format!("{margin}{key}:\n{}", items.iter().map(item).collect::<String>())
        }
        Value::String(text) => format!("{margin}{key}: {text}\n"),
        other => format!("{margin}{key}: {other}\n"),
    };
    value.as_object().into_iter().flatten().map(field).collect()
}

fn show(what: &str, [opsrun, kubectl, bare]: &[Samples; 3]) {
    println!("{what}");
    println!("  opsrun                       {opsrun}");
    println!("  kubectl apply --server-side  {kubectl}");
    println!("  bare client, {IN_FLIGHT} in flight    {bare}");
    let ratio = |ours: f64, theirs: f64| format!("{:.2}", ours / theirs);
    println!(
        "  ratios of the medians        kubectl/opsrun {} (goal: 3), opsrun/bare {} (goal: at most 1.3)",
        ratio(kubectl.median(), opsrun.median()),
        ratio(opsrun.median(), bare.median())
    );
    println!(
        "  ratios of cpu                kubectl/opsrun {}, opsrun/bare {}",
        ratio(kubectl.cpu(), opsrun.cpu()),
        ratio(opsrun.cpu(), bare.cpu())
    );
}
