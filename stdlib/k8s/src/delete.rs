//! Deletes objects, one after the other, with a record of how they were.

use std::collections::BTreeMap;

use opsrun_core::{Inverse, Result};
use serde_json::{Value, json};

use crate::apply::Undoing;
use crate::client::Client;
use crate::inverse::{Memory, Outcome};
use crate::object::{Address, Object};

/// How to delete.
#[derive(Debug, Clone, Copy)]
pub struct Delete {
    /// What becomes of the objects that these own.
    pub cascade: Cascade,
    /// Seconds that pods get to end; their own if `None`.
    pub grace: Option<u64>,
    pub undo: Undoing,
}

/// What becomes of objects whose owner is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cascade {
    Background,
    Foreground,
    Orphan,
}

/// Deletes the objects, which were just read. One that is replaced meanwhile is a `Conflict`; one that went is no error.
///
/// # Errors
/// The first failure; nothing further is begun.
pub async fn all(client: &Client, found: &[(Address, Value)], how: &Delete) -> Result<()> {
    if found.is_empty() {
        return Ok(());
    }
    let mut memory = None;
    // Where an object's own way back stands in the record.
    let mut places = BTreeMap::new();
    if how.undo == Undoing::Objects {
        let mut objects = Vec::new();
        for (index, (at, object)) in found.iter().enumerate() {
            match no_way_back(at) {
                Some(why) => {
                    let _ = client.cx().undo(Inverse::none(why)).await?;
                }
                None => {
                    places.insert(index, objects.len());
                    objects.push((at.clone(), Some(object.clone())));
                }
            }
        }
        if !objects.is_empty() {
            memory = Some(Memory::of(client, objects).await?);
        }
    }
    let mut failure = None;
    for (index, (at, object)) in found.iter().enumerate() {
        let result = client.delete(at, &how.options(object)).await;
        if let (Some(memory), Some(place)) = (&mut memory, places.get(&index)) {
            memory.note(*place, Outcome::of_delete(&result));
        }
        if let Err(error) = result {
            failure = Some(error);
            break;
        }
    }
    if let Some(memory) = memory {
        memory.settle().await?;
    }
    failure.map_or(Ok(()), |error| Err(error.into()))
}

/// Records how the objects are, for whoever changes or deletes them in a way of its own: undo puts them back so.
///
/// # Errors
/// As [`opsrun_core::Cx::undo`].
pub async fn remember(client: &Client, found: &[(Address, Value)]) -> Result<()> {
    let objects = found.iter().map(|(at, object)| (at.clone(), Some(object.clone()))).collect();
    Memory::of(client, objects).await.map(drop)
}

impl Delete {
    fn options(&self, object: &Value) -> Value {
        let policy = match self.cascade {
            Cascade::Background => "Background",
            Cascade::Foreground => "Foreground",
            Cascade::Orphan => "Orphan",
        };
        let mut options = json!({
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "propagationPolicy": policy,
            "preconditions": { "uid": object.uid() },
        });
        if let Some(grace) = self.grace {
            options["gracePeriodSeconds"] = grace.into();
        }
        options
    }
}

fn no_way_back(at: &Address) -> Option<String> {
    let lost = match (at.resource.group.as_str(), at.resource.kind.as_str()) {
        ("", "Namespace") => "everything in a Namespace goes with it",
        ("apiextensions.k8s.io", "CustomResourceDefinition") => "all objects of its kind go with it",
        ("", "PersistentVolumeClaim" | "PersistentVolume") => "the data of a volume may go with it",
        _ => return None,
    };
    Some(format!("{at} cannot be brought back: {lost}"))
}
