//! The `kubernetes:` part of an estate file: the cluster a rehearsal starts from, and what befalls it.
//! Read once when a cluster starts; it knows no API and no file.

use std::collections::BTreeMap;

use opsrun_core::Span;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::images::ImageBehaviour;

/// What a simulated cluster consists of. Everything may be left out.
///
/// ```yaml
/// version: "1.34"
/// nodes: { count: 3, cpu: "4", memory: 16Gi, zones: [us-west-2a, us-west-2b, us-west-2c] }
/// images:                                   # the first that matches; others start in 1 s and answer 200
///   - match: "*/app:1.2.*"
///     start: 3s
///     http: { "/health": 200, "/": { status: 200, body: "hello" } }
///     usage: { cpu: 60%, memory: 300Mi }
///   - match: "*/app:1.3.0"
///     crash: { after: 10s, exit: 1, log: ["cannot reach the database"] }
///   - match: "*/migrate:*"
///     run: { for: 20s, exit: 0, log: ["migrated 3 tables"] }
/// objects: []                               # manifests that exist from the start
/// faults:
///   - { at: 5m, node: node-1, down: 10m }
///   - { at: 20m, zone: us-west-2a, down: 1h }
///   - { at: 30m, pods: { namespace: shop, selector: app=web }, kill: 1 }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EstateSection {
    /// What `/version` says.
    pub version: String,
    pub nodes: Nodes,
    /// The class that claims without one get; their volumes are provisioned at once. `null`: there is no provisioner.
    pub storage_class: Option<String>,
    /// Whether there is a metrics API, which autoscalers need.
    pub metrics: bool,
    pub images: Vec<ImageBehaviour>,
    /// Manifests that are created, in order, when the cluster starts.
    pub objects: Vec<Value>,
    pub faults: Vec<Fault>,
}

impl Default for EstateSection {
    /// One roomy node, a default storage class, metrics.
    fn default() -> Self {
        Self {
            version: "1.34".to_owned(),
            nodes: Nodes::default(),
            storage_class: Some("standard".to_owned()),
            metrics: true,
            images: Vec::new(),
            objects: Vec::new(),
            faults: Vec::new(),
        }
    }
}

/// Nodes one by one, or so many alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "nodes are a list of nodes, or `{ count, cpu, memory, pods, zones }`")]
pub enum Nodes {
    Listed(Vec<NodeSpec>),
    Alike(AlikeNodes),
}

impl Default for Nodes {
    fn default() -> Self {
        Self::Listed(vec![NodeSpec::default()])
    }
}

/// So many nodes, `node-1` to `node-N`, spread over zones in turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlikeNodes {
    pub count: u32,
    #[serde(default = "cpu")]
    pub cpu: String,
    #[serde(default = "memory")]
    pub memory: String,
    #[serde(default = "pods")]
    pub pods: u32,
    #[serde(default)]
    pub zones: Vec<String>,
}

/// A node and what it has to give.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodeSpec {
    pub name: String,
    pub cpu: String,
    pub memory: String,
    pub pods: u32,
    pub labels: BTreeMap<String, String>,
    pub taints: Vec<Taint>,
}

impl Default for NodeSpec {
    fn default() -> Self {
        Self {
            name: "node-1".to_owned(),
            cpu: cpu(),
            memory: memory(),
            pods: pods(),
            labels: BTreeMap::new(),
            taints: Vec::new(),
        }
    }
}

/// What keeps pods off a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taint {
    pub key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
}

/// Something that happens by itself, at a time after the cluster's start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    pub at: Span,
    /// A node that is cut off …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// … or all nodes of a zone …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// … for this long; for ever if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub down: Option<Span>,
    /// Pods that are removed without grace …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<PodChoice>,
    /// … as many of them as this (all if it is left out), the oldest names first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kill: Option<usize>,
}

/// Which pods a fault strikes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PodChoice {
    pub namespace: String,
    /// `key=value`, several with commas between them; empty means all.
    #[serde(default)]
    pub selector: String,
}

impl PodChoice {
    /// Whether a pod with these labels is meant.
    pub fn selects(&self, labels: &Value) -> bool {
        self.selector.split(',').filter(|term| !term.trim().is_empty()).all(|term| {
            match term.split_once('=') {
                Some((key, value)) => labels[key.trim()].as_str() == Some(value.trim()),
                None => labels.get(term.trim()).is_some(),
            }
        })
    }
}

impl EstateSection {
    /// The nodes one by one.
    pub fn nodes(&self) -> Vec<NodeSpec> {
        let alike = match &self.nodes {
            Nodes::Listed(nodes) => return nodes.clone(),
            Nodes::Alike(alike) => alike,
        };
        let node = |index: u32| {
            let mut labels = BTreeMap::new();
            if !alike.zones.is_empty() {
                let zone = &alike.zones[index as usize % alike.zones.len()];
                labels.insert(ZONE_LABEL.to_owned(), zone.clone());
            }
            NodeSpec {
                name: format!("node-{}", index + 1),
                cpu: alike.cpu.clone(),
                memory: alike.memory.clone(),
                pods: alike.pods,
                labels,
                taints: Vec::new(),
            }
        };
        (0..alike.count).map(node).collect()
    }

    /// How an image behaves: the first behaviour that matches, or the default one.
    pub fn behaviour(&self, image: &str) -> ImageBehaviour {
        self.images.iter().find(|behaviour| behaviour.matches(image)).cloned().unwrap_or_default()
    }
}

/// The well-known label that says which zone a node is in.
pub const ZONE_LABEL: &str = "topology.kubernetes.io/zone";

fn cpu() -> String {
    "4".to_owned()
}

fn memory() -> String {
    "16Gi".to_owned()
}

fn pods() -> u32 {
    110
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn everything_may_be_left_out() {
        let estate: EstateSection = serde_json::from_value(json!({})).expect("empty");
        assert_eq!(estate, EstateSection::default());
        assert_eq!(estate.nodes().len(), 1);
    }

    #[test]
    fn nodes_alike_are_spread_over_zones() {
        let estate: EstateSection =
            serde_json::from_value(json!({"nodes": {"count": 3, "zones": ["a", "b"]}})).expect("alike");
        let zones: Vec<String> =
            estate.nodes().into_iter().map(|node| node.labels[ZONE_LABEL].clone()).collect();
        assert_eq!(zones, ["a", "b", "a"]);
    }

    #[test]
    fn mistakes_are_named() {
        for (section, words) in [
            (json!({"nodse": []}), "unknown field `nodse`"),
            (json!({"images": [{"match": "x", "pul": "1s"}]}), "unknown field `pul`"),
            (json!({"images": [{"pull": "1s"}]}), "missing field `match`"),
            (json!({"images": [{"match": "x", "pull": "5"}]}), "write it like `30s`"),
            (json!({"nodes": 3}), "nodes are a list of nodes"),
            (json!({"images": [{"match": "x", "usage": {"cpu": "60"}}]}), "`60` is not an amount"),
        ] {
            let error = serde_json::from_value::<EstateSection>(section).expect_err(words).to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
