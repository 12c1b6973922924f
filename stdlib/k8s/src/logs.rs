//! What containers wrote: of one pod, or of several with a name before each line.

use std::fmt::Write as _;

use opsrun_core::{Result, Span};
use serde_json::Value;

use crate::client::{Client, Parameters};
use crate::object::{Labels, Object, ObjectRef};
use crate::pods;

/// Which part of the logs.
#[derive(Debug, Clone, Default)]
pub struct Excerpt {
    /// Only this container.
    pub container: Option<String>,
    /// Only so many lines of each container, from the end.
    pub tail: Option<u32>,
    /// Only what was written so long ago or later.
    pub since: Option<Span>,
    /// Of the container's former run.
    pub previous: bool,
}

/// The logs of a pod, of the pods of a workload, or of those with these labels. With more than one container every line
/// begins with `POD/CONTAINER: `. A container that has not started yet has written nothing.
///
/// # Errors
/// `NotFound` if there are no pods; `Invalid` if none has such a container.
pub async fn of(
    client: &Client,
    object: &ObjectRef,
    labels: Option<&Labels>,
    namespace: Option<&str>,
    excerpt: &Excerpt,
) -> Result<String> {
    let pods = pods::of(client, object, labels, namespace).await?;
    let mut sources = Vec::new();
    for pod in &pods {
        for container in containers(pod, excerpt)? {
            sources.push((pod, container));
        }
    }
    let alone = sources.len() == 1;
    let mut out = String::new();
    for (pod, container) in sources {
        let text = read(client, pod, container, excerpt, alone).await?;
        if alone {
            return Ok(text);
        }
        for line in text.lines() {
            let _ = writeln!(out, "{}/{container}: {line}", pod.name());
        }
    }
    Ok(out)
}

fn containers<'p>(pod: &'p Value, excerpt: &Excerpt) -> Result<Vec<&'p str>> {
    let names = |pointer| pod.items(pointer).iter().map(|container| container.text("/name"));
    let Some(wanted) = &excerpt.container else { return Ok(names("/spec/containers").collect()) };
    Ok(vec![pods::check_container(pod, wanted)?])
}

async fn read(
    client: &Client,
    pod: &Value,
    container: &str,
    excerpt: &Excerpt,
    alone: bool,
) -> Result<String> {
    let pods = client.kind_of("v1", "Pod").await?;
    let path = format!("{}/log", pods.path(Some(pod.text("/metadata/namespace")), Some(pod.name())));
    let number = |value: u64| value.to_string();
    let since = excerpt.since.unwrap_or_default().duration().as_secs().max(1);
    let parameters = Parameters::default()
        .with("container", container)
        .with_if(excerpt.previous, "previous", "true")
        .with_if(excerpt.tail.is_some(), "tailLines", number(excerpt.tail.unwrap_or_default().into()))
        .with_if(excerpt.since.is_some(), "sinceSeconds", number(since));
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
