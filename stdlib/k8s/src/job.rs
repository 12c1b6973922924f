//! A Job from its creation to its end.

use jiff::Timestamp;
use opsrun_core::{BrokenOff, Cx, Error, ErrorKind, Result, Span};
use serde_json::Value;

use crate::client::{Client, Parameters, Query};
use crate::inverse::{Memory, Outcome, recorded};
use crate::object::{Address, Object};
use crate::primitives::MANAGER;
use crate::types::JobResult;
use crate::wait;

pub(crate) const WITHIN: Span = Span::from_secs(600);
const LOG_LINES: u32 = 100;
/// The letters of Kubernetes' own suffixes.
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// Creates the Job and waits for its end. If the run broke off here, it waits for the Job that it had created.
///
/// # Errors
/// `Conflict` if there is one of that name, or if a Job that had been created is gone; `Failed` or `Timeout` with how its
/// pods ended.
pub(crate) async fn run(
    client: &Client,
    mut job: Value,
    namespace: Option<&str>,
    within: Span,
) -> Result<JobResult> {
    let cx = client.cx();
    let before = cx.broken_off().and_then(|before| Some((before, begun(before)?)));
    if job.name().is_empty() {
        let generated = || generated(cx, job.text("/metadata/generateName"));
        job["metadata"]["name"] = before.as_ref().map_or_else(generated, |(_, name)| name.clone()).into();
    }
    let at = client.address_of(&job, namespace).await?;
    match before.filter(|(before, name)| before.wrote && *name == at.name).map(|(before, _)| before) {
        Some(before) if client.find(&at).await?.is_some_and(|job| is_since(&job, before.at)) => {
            cx.info(format!("{at} had been created before the run broke off"));
        }
        Some(before) if may_have_gone(&job, before.at, cx.now()) => {
            let error = Error::new(
                ErrorKind::Conflict,
                format!("nobody knows whether {at} has run: it is gone when it ends"),
            );
            return Err(error.hint(
                "look what it does; `opsrun runs mark` says that the step is done, `opsrun undo` takes the run back",
            ));
        }
        _ => create(client, &at, &job).await?,
    }
    wait::ready(client, std::slice::from_ref(&at), within).await?;
    let (succeeded, log) = match client.find(&at).await? {
        Some(finished) => (finished.number("/status/succeeded"), log(client, &at, &finished).await?),
        // With `ttlSecondsAfterFinished: 0` it goes as soon as it has ended, and its pods with it.
        None => (job.pointer("/spec/completions").and_then(Value::as_i64).unwrap_or(1), String::new()),
    };
    Ok(JobResult { succeeded, log, namespace: at.namespace.unwrap_or_default(), name: at.name })
}

/// The name of the Job that a call was to create when it broke off.
fn begun(before: &BrokenOff) -> Option<String> {
    recorded(before).into_iter().find(|former| former.kind == "Job").map(|former| former.name)
}

/// Whether a Job that was created at `began` may have ended and gone by itself since.
fn may_have_gone(job: &Value, began: Timestamp, now: Timestamp) -> bool {
    let stays = job.pointer("/spec/ttlSecondsAfterFinished").and_then(Value::as_i64);
    stays.is_some_and(|seconds| now.duration_since(began).as_secs() >= seconds)
}

/// Whether it was created at `time` or later; creation is told in whole seconds.
fn is_since(job: &Value, time: Timestamp) -> bool {
    let created = job.text("/metadata/creationTimestamp").parse::<Timestamp>();
    created.is_ok_and(|created| created.as_second() >= time.as_second())
}

async fn create(client: &Client, at: &Address, job: &Value) -> Result<()> {
    let mut memory = Memory::of(client, vec![(at.clone(), None)]).await?;
    let created = client.create(at, job, MANAGER).await.map(|job| (true, job));
    memory.note(0, Outcome::of(&created));
    memory.settle().await?;
    created.map_err(|error| match error.code() {
        Some(409) => Error::new(ErrorKind::Conflict, format!("{at} exists already"))
            .hint("delete it first, or use `generateName` instead of `name`"),
        _ => error.into(),
    })?;
    Ok(())
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
