//! The first document of a YAML text as a tree of nodes, aliases pointing to their anchors.
//! Built without recursion, so that deep nesting cannot exhaust the stack.

use std::collections::BTreeMap;

use super::event::{EventKind, Events, Properties};
use super::scan::SyntaxError;

/// All nodes of a document; the root is the last one to be finished.
pub(super) struct Document {
    nodes: Vec<Node>,
    root: Option<NodeId>,
}

pub(super) type NodeId = usize;

pub(super) struct Node {
    pub(super) content: Content,
    /// In full, empty for none.
    pub(super) tag: String,
    /// Counted from 0.
    pub(super) line: usize,
}

pub(super) enum Content {
    Scalar {
        value: String,
        plain: bool,
    },
    Sequence(Vec<NodeId>),
    /// Keys and values in turn.
    Mapping(Vec<NodeId>),
    Alias {
        name: String,
        target: NodeId,
    },
}

impl Document {
    pub(super) fn parse(text: &str) -> Result<Document, SyntaxError> {
        let mut events = Events::new(text);
        let mut document = Document { nodes: Vec::new(), root: None };
        let mut anchors = BTreeMap::new();
        let mut open: Vec<NodeId> = Vec::new();
        loop {
            let event = events.next()?;
            let id = document.nodes.len();
            let (content, node, opens) = match event.kind {
                EventKind::DocumentStart => continue,
                EventKind::DocumentEnd | EventKind::StreamEnd => return Ok(document),
                EventKind::Scalar { node, value, plain } => {
                    // What counts is whether the type was left open; a lone `!` leaves it so, even for a quoted scalar.
                    let plain = if node.tag.is_empty() { plain } else { node.tag == "!" };
                    (Content::Scalar { value, plain }, node, false)
                }
                EventKind::SequenceStart(node) => (Content::Sequence(Vec::new()), node, true),
                EventKind::MappingStart(node) => (Content::Mapping(Vec::new()), node, true),
                EventKind::Alias(name) => {
                    let Some(&target) = anchors.get(&name) else {
                        let problem = format!("unknown anchor '{name}' referenced");
                        return Err(SyntaxError { line: None, problem });
                    };
                    (Content::Alias { name, target }, Properties::default(), false)
                }
                EventKind::SequenceEnd | EventKind::MappingEnd => {
                    open.pop();
                    continue;
                }
            };
            if let Some(anchor) = node.anchor {
                anchors.insert(anchor, id);
            }
            document.nodes.push(Node { content, tag: node.tag, line: event.line });
            match open.last() {
                None => document.root = Some(id),
                Some(&parent) => match &mut document.nodes[parent].content {
                    Content::Sequence(children) | Content::Mapping(children) => children.push(id),
                    Content::Scalar { .. } | Content::Alias { .. } => {
                        unreachable!("only collections are left open")
                    }
                },
            }
            if opens {
                open.push(id);
            }
        }
    }

    pub(super) fn root(&self) -> Option<NodeId> {
        self.root
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }

    /// The node itself, or what an alias stands for.
    pub(super) fn resolved(&self, id: NodeId) -> &Node {
        match &self.nodes[id].content {
            Content::Alias { target, .. } => &self.nodes[*target],
            _ => &self.nodes[id],
        }
    }
}
