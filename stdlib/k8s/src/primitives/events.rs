use opsrun_core::{Cx, Effect, Primitive, Result, Span, Value};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::client::{Client, Query};
use crate::diagnosis::time_of;
use crate::object::{Object, ObjectRef};
use crate::types::Event;

/// Reads what happened, oldest first.
///
/// Of one object, or of the whole namespace.
///
/// ```rhai
/// k8s::apply(#{ file: "web.yaml" }, #{ wait: 2.m });
/// let events = k8s::events("deployment/web");
/// assert(events.some(|event| event.reason == "ScalingReplicaSet"));
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Events {
    /// Kind and name, such as `pod/api-0`; all of the namespace if left out.
    #[arg(positional)]
    object: Option<ObjectRef>,
    /// The namespace; the target's if left out.
    namespace: Option<String>,
    /// Warnings only.
    #[serde(default)]
    warnings: bool,
    /// Only what was seen so long ago or later.
    since: Option<Span>,
}

impl Primitive for Events {
    const PATH: &'static str = "k8s::events";
    const EFFECT: Effect = Effect::Read;
    type Out = Vec<Event>;

    async fn run(self, cx: &Cx) -> Result<Vec<Event>> {
        let client = Client::new(cx)?;
        let mut namespace = self.namespace.clone().unwrap_or_else(|| client.namespace().to_owned());
        let mut fields = Vec::new();
        if let Some(object) = &self.object {
            let at = client.address(object, self.namespace.as_deref()).await?;
            fields.push(format!("involvedObject.kind={}", at.resource.kind));
            fields.push(format!("involvedObject.name={}", at.name));
            // Those of objects without a namespace are kept in `default`.
            namespace = at.namespace.unwrap_or_else(|| "default".to_owned());
        }
        if self.warnings {
            fields.push("type=Warning".to_owned());
        }
        let from = self.since.and_then(|since| cx.now().checked_sub(since.duration()).ok());
        let query = Query { labels: String::new(), fields: fields.join(",") };
        let kind = client.kind_of("v1", "Event").await?;
        let mut found = client.list(&kind, Some(&namespace), &query).await?;
        found.sort_by(|a, b| (time_of(a), a.name()).cmp(&(time_of(b), b.name())));
        let recent = |event: &&Value| match (from, time_of(event).parse::<jiff::Timestamp>()) {
            (Some(from), Ok(time)) => time >= from,
            _ => true,
        };
        Ok(found.iter().filter(recent).map(read).collect())
    }
}

fn read(event: &Value) -> Event {
    let object = &event["involvedObject"];
    Event {
        time: time_of(event).to_owned(),
        r#type: event.text("/type").to_owned(),
        reason: event.text("/reason").to_owned(),
        object: format!("{}/{}", object.text("/kind").to_lowercase(), object.text("/name")),
        message: event.text("/message").trim().to_owned(),
        count: event.number("/count").max(event.number("/series/count")).max(1),
    }
}
