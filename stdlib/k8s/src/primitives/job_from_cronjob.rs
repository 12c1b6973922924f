use opsrun_core::{Cx, Effect, Error, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::client::Client;
use crate::inverse::RESTORE;
use crate::job;
use crate::object::{Object, ObjectRef};
use crate::types::JobResult;

/// Runs a CronJob now, to its end.
///
/// As `kubectl create job --from`: the Job belongs to the CronJob. It fails and is undone like `k8s::run_job`.
///
/// ```rhai
/// k8s::apply(#{ file: "cleanup.yaml" });
/// let job = k8s::job_from_cronjob("cronjob/cleanup", #{ within: 5.m });
/// assert(job.succeeded == 1);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct JobFromCronjob {
    /// The CronJob, such as `cronjob/backup`.
    #[arg(positional)]
    cronjob: ObjectRef,
    /// The Job's name; the CronJob's with a suffix if left out.
    name: Option<String>,
    /// How long it may take (10 minutes).
    within: Option<Span>,
    /// Its namespace; the target's if left out.
    namespace: Option<String>,
}

impl Primitive for JobFromCronjob {
    const PATH: &'static str = "k8s::job_from_cronjob";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(RESTORE);
    type Out = JobResult;

    async fn run(self, cx: &Cx) -> Result<JobResult> {
        let client = Client::new(cx)?;
        let at = client.address(&self.cronjob, self.namespace.as_deref()).await?;
        if at.resource.kind != "CronJob" {
            return Err(Error::invalid(format!("{} is no CronJob", at.short())));
        }
        let cronjob = client.get(&at).await?;
        let mut job = cronjob["spec"]["jobTemplate"].clone();
        job["apiVersion"] = "batch/v1".into();
        job["kind"] = "Job".into();
        if !job["metadata"].is_object() {
            job["metadata"] = json!({});
        }
        match &self.name {
            Some(name) => job["metadata"]["name"] = name.as_str().into(),
            None => job["metadata"]["generateName"] = format!("{}-", at.name).into(),
        }
        if !job["metadata"]["annotations"].is_object() {
            job["metadata"]["annotations"] = json!({});
        }
        job["metadata"]["annotations"]["cronjob.kubernetes.io/instantiate"] = "manual".into();
        job["metadata"]["ownerReferences"] = json!([{
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "name": at.name,
            "uid": cronjob.uid(),
            "controller": true,
        }]);
        let within = self.within.unwrap_or(job::WITHIN);
        job::run(&client, job, at.namespace.as_deref(), within).await
    }
}
