use opsrun_core::{Cx, Effect, Error, Inverse, Primitive, Result, Span, Undo, Value};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::client::{Client, Query};
use crate::inverse::{Memory, Outcome, RESTORE};
use crate::object::{Address, Labels, Object, ObjectRef};
use crate::types::Deleted;
use crate::wait;

/// Deletes objects, and waits until they are gone.
///
/// One object by its name, or all of a kind that `labels` select. What does not exist is no error. Undo creates the objects
/// again as they were; it cannot bring back what was in a Namespace, a CustomResourceDefinition or a volume.
///
/// ```rhai
/// k8s::apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: old}}");
/// assert(k8s::delete("configmap/old").deleted == ["configmap/old"]);
/// assert(k8s::delete("configmap/old").deleted == []);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Delete {
    /// Kind and name, such as `deployment/api`; a kind alone together with `labels`.
    #[arg(positional)]
    object: ObjectRef,
    /// Its namespace; the target's if left out.
    namespace: Option<String>,
    /// All objects of the kind that have these labels.
    labels: Option<Labels>,
    /// How long to wait until they are gone (2 minutes); `0.s` does not wait.
    wait: Option<Span>,
    /// What becomes of what they own: `background`, `foreground` (goes first) or `orphan` (stays).
    #[serde(default)]
    cascade: Cascade,
    /// How long pods get to end, instead of what they say themselves.
    grace: Option<Span>,
}

#[derive(Deserialize, JsonSchema, Default, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Cascade {
    #[default]
    Background,
    Foreground,
    Orphan,
}

const GONE_WITHIN: Span = Span::from_secs(120);

impl Primitive for Delete {
    const PATH: &'static str = "k8s::delete";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(RESTORE);
    type Out = Deleted;

    async fn run(self, cx: &Cx) -> Result<Deleted> {
        let client = Client::new(cx)?;
        let found = self.find(&client).await?;
        if found.is_empty() {
            return Ok(Deleted { deleted: Vec::new() });
        }
        let mut memory = match found.iter().find_map(|(at, _)| no_way_back(at)) {
            Some(why) => {
                let _ = cx.undo(Inverse::none(why)).await?;
                None
            }
            None => {
                let objects = found.iter().map(|(at, object)| (at.clone(), Some(object.clone()))).collect();
                Some(Memory::of(&client, objects).await?)
            }
        };
        let mut failure = None;
        for (index, (at, object)) in found.iter().enumerate() {
            let result = client.delete(at, &self.options(object)).await;
            if let Some(memory) = &mut memory {
                memory.note(index, Outcome::of_delete(&result));
            }
            if let Err(error) = result {
                failure = Some(error);
                break;
            }
        }
        if let Some(memory) = memory {
            memory.settle().await?;
        }
        if let Some(error) = failure {
            return Err(error.into());
        }
        let places: Vec<Address> = found.into_iter().map(|(at, _)| at).collect();
        let within = self.wait.unwrap_or(GONE_WITHIN);
        if within > Span::default() {
            wait::gone(&client, &places, within).await?;
        }
        Ok(Deleted { deleted: places.iter().map(Address::short).collect() })
    }
}

impl Delete {
    async fn find(&self, client: &Client) -> Result<Vec<(Address, Value)>> {
        let Some(labels) = &self.labels else {
            let at = client.address(&self.object, self.namespace.as_deref()).await?;
            return Ok(client.find(&at).await?.map(|object| (at, object)).into_iter().collect());
        };
        if self.object.name.is_some() {
            return Err(Error::invalid("`k8s::delete` takes a name or `labels`, not both"));
        }
        if labels.as_str().is_empty() {
            return Err(Error::invalid("`k8s::delete`: option `labels`: it selects everything"));
        }
        let resource = client.kind_named_by(&self.object).await?;
        let namespace = self.namespace.as_deref().unwrap_or(client.namespace());
        let found = client.list(&resource, Some(namespace), &Query::labels(labels.as_str())).await?;
        let place = |object: Value| {
            let own = object.text("/metadata/namespace").to_owned();
            (client.place(resource.clone(), Some(&own), object.name()), object)
        };
        Ok(found.into_iter().map(place).collect())
    }

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
            options["gracePeriodSeconds"] = grace.duration().as_secs().into();
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
