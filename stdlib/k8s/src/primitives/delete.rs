use opsrun_core::{Cx, Effect, Error, Primitive, Result, Span, Undo, Value};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::apply::Undoing;
use crate::client::{Client, Query};
use crate::delete;
use crate::inverse::RESTORE;
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
        let how = delete::Delete {
            cascade: self.cascade.into(),
            grace: self.grace.map(|grace| grace.duration().as_secs()),
            undo: Undoing::Objects,
        };
        delete::all(&client, &found, &how).await?;
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
}

impl From<Cascade> for delete::Cascade {
    fn from(cascade: Cascade) -> Self {
        match cascade {
            Cascade::Background => delete::Cascade::Background,
            Cascade::Foreground => delete::Cascade::Foreground,
            Cascade::Orphan => delete::Cascade::Orphan,
        }
    }
}
