//! What primitives give back to a playbook.

use schemars::JsonSchema;
use serde::Serialize;

use crate::apply::{Applied, Change};
use crate::object::Address;

/// What became of the objects of an apply, in the order given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ApplyResult {
    pub objects: Vec<ChangedObject>,
    pub created: usize,
    pub changed: usize,
    pub unchanged: usize,
}

/// An object and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ChangedObject {
    /// `deployment/api`
    pub object: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    pub change: Change,
}

/// What an apply would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DiffResult {
    /// Whether anything would change.
    pub changed: bool,
    pub objects: Vec<ObjectDiff>,
}

impl DiffResult {
    pub fn of(objects: Vec<ObjectDiff>) -> Self {
        DiffResult { changed: objects.iter().any(|diff| diff.object.change != Change::Unchanged), objects }
    }
}

/// What an apply would change in one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ObjectDiff {
    #[serde(flatten)]
    pub object: ChangedObject,
    /// A unified diff of its YAML; empty if nothing would change.
    pub diff: String,
}

/// Replicas before and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Scaled {
    pub from: i64,
    pub to: i64,
}

/// What was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Deleted {
    /// `deployment/api`
    pub deleted: Vec<String>,
}

/// A workload that is as its spec says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Rollout {
    pub replicas: i64,
    /// The Deployment's revision, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
}

/// A finished Job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct JobResult {
    pub name: String,
    pub namespace: String,
    pub succeeded: i64,
    /// The end of what its last pod wrote.
    pub log: String,
}

/// How a command in a container ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Executed {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Something that happened to an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Event {
    /// When it was last seen (RFC 3339).
    pub time: String,
    /// `Normal` or `Warning`.
    pub r#type: String,
    pub reason: String,
    /// `pod/api-5d9c7-x2x4k`
    pub object: String,
    pub message: String,
    pub count: i64,
}

/// What a restore put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Restored {
    /// `deployment/api`
    pub restored: Vec<String>,
}

impl ChangedObject {
    pub(crate) fn new(at: &Address, change: Change) -> Self {
        ChangedObject { object: at.short(), namespace: at.namespace.clone(), change }
    }
}

impl ApplyResult {
    pub(crate) fn of(applied: &[Applied]) -> Self {
        let count = |change| applied.iter().filter(|applied| applied.change == change).count();
        ApplyResult {
            objects: applied.iter().map(|applied| ChangedObject::new(&applied.at, applied.change)).collect(),
            created: count(Change::Created),
            changed: count(Change::Changed),
            unchanged: count(Change::Unchanged),
        }
    }
}
