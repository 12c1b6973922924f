//! The `kubernetes:` part of an estate file: the cluster a rehearsal starts from, and what befalls it.
//! Read once when a cluster starts; it knows no API and no file.

use std::collections::BTreeMap;

use opsrun_core::Span;
use opsrun_k8s_schema::Quantity;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

use crate::images::ImageBehaviour;
use crate::names;
use crate::selector::Labels;

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
#[serde(default, deny_unknown_fields, remote = "Self")]
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

/// Something that happens by itself, at a time after the cluster's start: a node or all nodes of a zone are down, or pods
/// are killed.
///
/// A node that is down is not heard from then on, and nothing can be asked of it (logs, exec). After 40 s its conditions
/// are `Unknown`, it has the taints `node.kubernetes.io/unreachable`, and its pods are not ready, so that Services leave them.
/// After the time they tolerate that (300 s unless they say so) they are deleted and replaced elsewhere, but stay
/// `Terminating` until the node is back. In each zone such eviction begins with one node every 10 s; it does not begin at
/// all where it is likely that the network is to blame: if no node is ready, or of a zone three nodes or more, and 55 %,
/// are lost. A node that is back has been started anew: its containers have ended with 255.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    pub at: Span,
    /// A node that is down …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// … or all nodes of a zone …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// … for this long; for ever if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub down: Option<Span>,
    /// Pods that are killed: gone at once, without grace. Such as are going or have ended do not count …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<PodChoice>,
    /// … as many of them as this (all if it is left out), in the order of their names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kill: Option<usize>,
}

/// Which pods a fault strikes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PodChoice {
    pub namespace: String,
    /// As `kubectl -l` takes it: `app=web,tier in (a, b)`; empty means all.
    #[serde(default)]
    pub selector: String,
}

impl PodChoice {
    /// Whether a pod with these labels is meant.
    pub fn selects(&self, labels: &Value) -> bool {
        Labels::parse(&self.selector).is_ok_and(|selector| selector.matches(labels))
    }
}

impl<'de> Deserialize<'de> for EstateSection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let section = Self::deserialize(deserializer)?;
        section.check().map_err(de::Error::custom)?;
        Ok(section)
    }
}

impl Serialize for EstateSection {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

/// Words in a row for a message: `a`, `b`.
fn quoted<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = words.map(|word| format!("`{word}`")).collect();
    if quoted.is_empty() { "none".to_owned() } else { quoted.join(", ") }
}

impl Fault {
    fn check(&self, nodes: &[NodeSpec]) -> Result<(), String> {
        let struck =
            [("node", self.node.is_some()), ("zone", self.zone.is_some()), ("pods", self.pods.is_some())];
        let struck: Vec<&str> = struck.iter().filter(|(_, given)| *given).map(|(word, _)| *word).collect();
        match struck.as_slice() {
            [] => return Err(": strikes nothing; give one of `node`, `zone` and `pods`".to_owned()),
            [_] => {}
            more => {
                let given = quoted(more.iter().copied());
                return Err(format!(": strikes {given}; give one, and a fault of its own for each other"));
            }
        }
        if let Some(node) = self.node.as_deref().filter(|node| nodes.iter().all(|known| known.name != *node))
        {
            let known = quoted(nodes.iter().map(|node| node.name.as_str()));
            return Err(format!(".node: there is no node `{node}`; there are {known}"));
        }
        let mut zones: Vec<&str> =
            nodes.iter().filter_map(|node| node.labels.get(ZONE_LABEL)).map(String::as_str).collect();
        zones.sort_unstable();
        zones.dedup();
        if let Some(zone) = self.zone.as_deref().filter(|zone| !zones.contains(zone)) {
            let known = quoted(zones.into_iter());
            return Err(format!(".zone: no node is in a zone `{zone}`; there are {known}"));
        }
        match &self.pods {
            None if self.kill.is_some() => Err(".kill: kills pods; say which with `pods`".to_owned()),
            None => Ok(()),
            Some(_) if self.down.is_some() => {
                Err(".down: nodes are down, pods are killed; leave it out".to_owned())
            }
            Some(_) if self.kill == Some(0) => {
                Err(".kill: kills no pod; leave it out to kill all of them".to_owned())
            }
            Some(choice) => Labels::parse(&choice.selector)
                .map(drop)
                .map_err(|why| format!(".pods.selector: `{}`: {}", choice.selector, why.message)),
        }
    }
}

impl NodeSpec {
    fn check(&self) -> Result<(), String> {
        if let Some(why) = names::subdomain(&self.name).first() {
            return Err(format!(".name: `{}`: {why}", self.name));
        }
        for (field, given) in [("cpu", &self.cpu), ("memory", &self.memory)] {
            if given.parse::<Quantity>().is_err() {
                return Err(format!(
                    ".{field}: `{given}` is not an amount; write it like `2`, `500m` or `16Gi`"
                ));
            }
        }
        for (index, taint) in self.taints.iter().enumerate() {
            if !["NoSchedule", "PreferNoSchedule", "NoExecute"].contains(&taint.effect.as_str()) {
                let effects = "it is `NoSchedule`, `PreferNoSchedule` or `NoExecute`";
                return Err(format!(".taints[{index}].effect: `{}`: {effects}", taint.effect));
            }
        }
        Ok(())
    }
}

impl EstateSection {
    /// What is wrong besides words and types, with its field.
    fn check(&self) -> Result<(), String> {
        let nodes = self.nodes();
        for (index, node) in nodes.iter().enumerate() {
            let listed = matches!(self.nodes, Nodes::Listed(_));
            let place = if listed { format!("nodes[{index}]") } else { "nodes".to_owned() };
            node.check().map_err(|why| format!("{place}{why}"))?;
            if nodes[..index].iter().any(|other| other.name == node.name) {
                return Err(format!("{place}.name: there are two nodes `{}`", node.name));
            }
        }
        for (index, fault) in self.faults.iter().enumerate() {
            fault.check(&nodes).map_err(|why| format!("faults[{index}]{why}"))?;
        }
        Ok(())
    }

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
            (json!({"nodes": [{"name": "a"}, {"name": "a"}]}), "nodes[1].name: there are two nodes `a`"),
            (json!({"nodes": [{"name": "A_b"}]}), "nodes[0].name: `A_b`: a lowercase RFC 1123 subdomain"),
            (json!({"nodes": {"count": 1, "cpu": "many"}}), "nodes.cpu: `many` is not an amount"),
            (
                json!({"nodes": [{"taints": [{"key": "k", "effect": "Never"}]}]}),
                "nodes[0].taints[0].effect: `Never`: it is `NoSchedule`",
            ),
        ] {
            let error = serde_json::from_value::<EstateSection>(section).expect_err(words).to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_fault_strikes_one_thing_that_there_is() {
        let pods = json!({"namespace": "shop", "selector": "app=web"});
        for (fault, words) in [
            (json!({"at": "1m"}), "faults[0]: strikes nothing; give one of `node`, `zone` and `pods`"),
            (
                json!({"at": "1m", "node": "node-1", "pods": pods}),
                "faults[0]: strikes `node`, `pods`; give one",
            ),
            (
                json!({"at": "1m", "node": "node-9"}),
                "faults[0].node: there is no node `node-9`; there are `node-1`, `node-2`",
            ),
            (
                json!({"at": "1m", "zone": "c"}),
                "faults[0].zone: no node is in a zone `c`; there are `a`, `b`",
            ),
            (json!({"at": "1m", "node": "node-1", "kill": 1}), "faults[0].kill: kills pods; say which"),
            (
                json!({"at": "1m", "pods": pods, "down": "1m"}),
                "faults[0].down: nodes are down, pods are killed",
            ),
            (json!({"at": "1m", "pods": pods, "kill": 0}), "faults[0].kill: kills no pod"),
            (
                json!({"at": "1m", "pods": {"namespace": "shop", "selector": "app in web"}}),
                "faults[0].pods.selector: `app in web`: unable to parse requirement",
            ),
        ] {
            let section = json!({"nodes": {"count": 2, "zones": ["a", "b"]}, "faults": [fault]});
            let error = serde_json::from_value::<EstateSection>(section).expect_err(words).to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
