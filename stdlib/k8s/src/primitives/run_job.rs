use opsrun_core::{Cx, Effect, Error, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::client::Client;
use crate::inverse::RESTORE;
use crate::job;
use crate::manifests::Manifests;
use crate::object::Object;
use crate::types::JobResult;

/// Runs a Job to its end.
///
/// The manifest is a Job with a `name`, or with a `generateName` that gets a suffix. A Job that fails is a `failed` that says
/// how its pod ended, with its last log lines. Undo deletes the Job; what it did stays done.
///
/// ```rhai
/// let job = k8s::run_job(#{ file: "migrate.yaml" }, #{ within: 5.m });
/// assert(job.succeeded == 1);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct RunJob {
    /// The Job: YAML text, an object, or `#{ file: "path" }`.
    #[arg(positional)]
    manifest: Manifests,
    /// How long it may take (10 minutes).
    within: Option<Span>,
    /// The namespace, if the manifest names none.
    namespace: Option<String>,
}

impl Primitive for RunJob {
    const PATH: &'static str = "k8s::run_job";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(RESTORE);
    type Out = JobResult;

    async fn run(self, cx: &Cx) -> Result<JobResult> {
        let mut objects = Vec::new();
        self.manifest.collect(cx, &mut objects)?;
        let [job] = <[_; 1]>::try_from(objects).map_err(|objects| {
            Error::invalid(format!("`k8s::run_job` takes one manifest, not {}", objects.len()))
        })?;
        if (job.text("/apiVersion"), job.text("/kind")) != ("batch/v1", "Job") {
            return Err(Error::invalid(format!("`k8s::run_job` takes a Job, not a {}", job.text("/kind"))));
        }
        let client = Client::new(cx)?;
        job::run(&client, job, self.namespace.as_deref(), self.within.unwrap_or(job::WITHIN)).await
    }
}
