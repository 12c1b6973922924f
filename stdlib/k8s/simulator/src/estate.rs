//! The `kubernetes:` part of an estate file: the cluster a rehearsal starts from.
//! Read once when a cluster starts; it knows no API and no file.

use serde::{Deserialize, Serialize};

/// What a simulated cluster consists of.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EstateSection {
    pub nodes: Vec<NodeSpec>,
}

impl Default for EstateSection {
    /// One roomy node.
    fn default() -> Self {
        Self { nodes: vec![NodeSpec::default()] }
    }
}

/// A node and what it has to give.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodeSpec {
    pub name: String,
    pub cpu: String,
    pub memory: String,
    pub pods: u32,
}

impl Default for NodeSpec {
    fn default() -> Self {
        Self { name: "node-1".to_owned(), cpu: "4".to_owned(), memory: "16Gi".to_owned(), pods: 110 }
    }
}
