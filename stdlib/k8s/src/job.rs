//! A Job from its creation to its end.

use opsrun_core::{Cx, Error, ErrorKind, Result, Span};
use serde_json::Value;

use crate::client::{Client, Parameters, Query};
use crate::inverse::{Memory, Outcome};
use crate::object::{Address, Object};
use crate::primitives::MANAGER;
use crate::types::JobResult;
use crate::wait;

pub(crate) const WITHIN: Span = Span::from_secs(600);
const LOG_LINES: u32 = 100;
/// The letters of Kubernetes' own suffixes.
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// Creates the Job and waits for its end.
///
/// # Errors
/// `Conflict` if there is one of that name, `Failed` or `Timeout` with how its pods ended.
pub(crate) async fn run(
    client: &Client,
    mut job: Value,
    namespace: Option<&str>,
    within: Span,
) -> Result<JobResult> {
    if job.name().is_empty() {
        job["metadata"]["name"] = generated(client.cx(), job.text("/metadata/generateName")).into();
    }
    let at = client.address_of(&job, namespace).await?;
    let mut memory = Memory::of(client, vec![(at.clone(), None)]).await?;
    let created = client.create(&at, &job, MANAGER).await.map(|job| (true, job));
    memory.note(0, Outcome::of(&created));
    memory.settle().await?;
    created.map_err(|error| match error.code() {
        Some(409) => Error::new(ErrorKind::Conflict, format!("{at} exists already"))
            .hint("delete it first, or use `generateName` instead of `name`"),
        _ => error.into(),
    })?;
    wait::ready(client, std::slice::from_ref(&at), within).await?;
    let (succeeded, log) = match client.find(&at).await? {
        Some(finished) => (finished.number("/status/succeeded"), log(client, &at, &finished).await?),
        // With `ttlSecondsAfterFinished: 0` it goes as soon as it has ended, and its pods with it.
        None => (job.pointer("/spec/completions").and_then(Value::as_i64).unwrap_or(1), String::new()),
    };
    Ok(JobResult { succeeded, log, namespace: at.namespace.unwrap_or_default(), name: at.name })
}

fn generated(cx: &Cx, prefix: &str) -> String {
    let mut bits = cx.random();
    let mut name = prefix.to_owned();
    for _ in 0..5 {
        // The remainder is smaller than the number of letters.
        name.push(char::from(LETTERS[(bits % LETTERS.len() as u64) as usize]));
        bits /= LETTERS.len() as u64;
    }
    name
}

/// The end of what the pod wrote that came last. It may be gone already.
async fn log(client: &Client, at: &Address, job: &Value) -> Result<String> {
    let pods = client.kind_of("v1", "Pod").await?;
    let query = Query::labels(format!("batch.kubernetes.io/controller-uid={}", job.uid()));
    let mut found = client.list(&pods, at.namespace.as_deref(), &query).await?;
    found.sort_by(|a, b| {
        let key = |pod: &Value| (pod.text("/metadata/creationTimestamp").to_owned(), pod.name().to_owned());
        key(a).cmp(&key(b))
    });
    let Some(pod) = found.last() else { return Ok(String::new()) };
    let path = format!("{}/log", pods.path(at.namespace.as_deref(), Some(pod.name())));
    let container = pod.items("/spec/containers").first().map(|container| container.text("/name"));
    let parameters = Parameters::default()
        .with("container", container.unwrap_or_default())
        .with("tailLines", LOG_LINES.to_string());
    match client.text(&path, &parameters, "reading the log").await {
        Ok(text) => Ok(text),
        Err(error) if error.is_refusal() => Ok(String::new()),
        Err(error) => Err(error.into()),
    }
}
