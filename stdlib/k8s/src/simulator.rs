//! The simulated cluster as an estate knows it: connections, time, state, and how kubectl finds it.

use std::collections::BTreeMap;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use opsrun_core::{BoxFuture, Clock, Error, Result, Simulator, Surroundings, Value, Variable, VariableValue};
use opsrun_k8s_simulator as simulated;
use serde_json::json;
use tokio::io::DuplexStream;
use tokio::task::JoinHandle;

use crate::object::Object;

const SERVER: &str = "http://kubernetes.simulated";
const BUFFER: usize = 64 * 1024;

/// Starts the cluster of an estate file's section.
pub(crate) fn start(section: Option<&Value>, surroundings: &Surroundings) -> Result<Arc<dyn Simulator>> {
    let estate = match section {
        Some(section) => serde_json::from_value(section.clone())
            .map_err(|error| Error::invalid(format!("the simulated cluster: {error}")))?,
        None => simulated::EstateSection::default(),
    };
    let time = Arc::new(RunTime(surroundings.clock.clone()));
    let options =
        simulated::ClusterOptions { seed: surroundings.seed, now: surroundings.clock.now(), estate };
    let cluster = simulated::Simulator::new(simulated::Cluster::new(options), time);
    let life = {
        let cluster = cluster.clone();
        tokio::spawn(async move { cluster.drive().await })
    };
    Ok(Arc::new(Cluster { cluster, life }))
}

struct Cluster {
    cluster: simulated::Simulator,
    life: JoinHandle<()>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.life.abort();
    }
}

impl Simulator for Cluster {
    fn connect(&self, system: &str, _authority: &str) -> Option<DuplexStream> {
        if system != crate::SYSTEM {
            return None;
        }
        let (near, far) = tokio::io::duplex(BUFFER);
        let server = hyper::server::conn::http1::Builder::new();
        let connection = server.serve_connection(TokioIo::new(far), self.cluster.clone()).with_upgrades();
        tokio::spawn(async move {
            // A client hangs up when it has what it wanted.
            let _ = connection.await;
        });
        Some(near)
    }

    fn section(&self) -> Value {
        json!({ "server": SERVER })
    }

    fn snapshot(&self) -> BTreeMap<String, Value> {
        let all = self.cluster.snapshot().into_iter();
        all.filter_map(|(name, object)| Some((name, state(object)?))).collect()
    }

    fn environment(&self, address: &str) -> Vec<Variable> {
        let content = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: simulated\nclusters:\n- name: simulated\n  cluster:\n    \
             server: http://{address}\nusers:\n- name: simulated\n  user: {{}}\ncontexts:\n- name: simulated\n  \
             context:\n    cluster: simulated\n    user: simulated\n    namespace: default\n"
        );
        vec![Variable { name: "KUBECONFIG", value: VariableValue::File { name: "kubeconfig.yaml", content } }]
    }
}

/// What a user would call state: neither what controllers derive from it, nor what the server counts.
fn state(mut object: Value) -> Option<Value> {
    let derived = object.controller().is_some();
    if derived || matches!(object.text("/kind"), "Event" | "Lease" | "Endpoints" | "EndpointSlice" | "Node") {
        return None;
    }
    object = crate::inverse::without_state(&object);
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    Some(object)
}

/// The run's clock, as the cluster wants it.
struct RunTime(Arc<dyn Clock>);

impl simulated::Time for RunTime {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn sleep_until(&self, until: Timestamp) -> BoxFuture<'static, ()> {
        self.0.sleep_until(until)
    }
}
