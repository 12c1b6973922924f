use std::fmt::Write as _;

use opsrun_core::{Cx, Effect, Primitive, Result, Span, Value};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::client::{Client, Parameters};
use crate::object::{Labels, Object, ObjectRef};
use crate::pods;

/// Reads what containers wrote.
///
/// Of a pod, of the pods of a workload, or of those that `labels` select. With more than one container every line begins with
/// `POD/CONTAINER: `. A container that has not started yet has written nothing.
///
/// ```rhai
/// k8s::apply(#{ file: "web.yaml" }, #{ wait: 2.m });
/// print(k8s::logs("deployment/web", #{ tail: 20 }));
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Logs {
    /// A pod or workload, such as `pod/api-0` or `deployment/api`; `pods` together with `labels`.
    #[arg(positional)]
    object: ObjectRef,
    /// Its namespace; the target's if left out.
    namespace: Option<String>,
    /// Only this container.
    container: Option<String>,
    /// Only so many lines of each container, from the end.
    tail: Option<u32>,
    /// Only what was written so long ago or later.
    since: Option<Span>,
    /// Of the container's former run.
    #[serde(default)]
    previous: bool,
    /// The pods that have these labels.
    labels: Option<Labels>,
}

impl Primitive for Logs {
    const PATH: &'static str = "k8s::logs";
    const EFFECT: Effect = Effect::Read;
    type Out = String;

    async fn run(self, cx: &Cx) -> Result<String> {
        let client = Client::new(cx)?;
        let namespace = self.namespace.as_deref();
        let pods = pods::of(&client, &self.object, self.labels.as_ref(), namespace).await?;
        let mut sources = Vec::new();
        for pod in &pods {
            for container in self.containers(pod)? {
                sources.push((pod, container));
            }
        }
        let alone = sources.len() == 1;
        let mut out = String::new();
        for (pod, container) in sources {
            let text = self.read(&client, pod, container, alone).await?;
            if alone {
                return Ok(text);
            }
            for line in text.lines() {
                let _ = writeln!(out, "{}/{container}: {line}", pod.name());
            }
        }
        Ok(out)
    }
}

impl Logs {
    fn containers<'p>(&self, pod: &'p Value) -> Result<Vec<&'p str>> {
        let names = |pointer| pod.items(pointer).iter().map(|container| container.text("/name"));
        let Some(wanted) = &self.container else { return Ok(names("/spec/containers").collect()) };
        Ok(vec![pods::check_container(pod, wanted)?])
    }

    async fn read(&self, client: &Client, pod: &Value, container: &str, alone: bool) -> Result<String> {
        let pods = client.kind_of("v1", "Pod").await?;
        let path = format!("{}/log", pods.path(Some(pod.text("/metadata/namespace")), Some(pod.name())));
        let number = |value: u64| value.to_string();
        let parameters = Parameters::default()
            .with("container", container)
            .with_if(self.previous, "previous", "true")
            .with_if(self.tail.is_some(), "tailLines", number(self.tail.unwrap_or_default().into()))
            .with_if(
                self.since.is_some(),
                "sinceSeconds",
                number(self.since.unwrap_or_default().duration().as_secs().max(1)),
            );
        let tried = format!("reading the log of pod/{}", pod.name());
        match client.text(&path, &parameters, &tried).await {
            Ok(text) => Ok(text),
            // 400 is what the server says of a container that does not run yet, or has no former run.
            Err(error) if error.code() == Some(400) && !alone => Ok(String::new()),
            Err(error) if error.code() == Some(400) && error.to_string().contains("is waiting to start") => {
                Ok(String::new())
            }
            Err(error) => Err(error.into()),
        }
    }
}
