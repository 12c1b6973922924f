//! Jobs: a selector made by the server, and defaults that depend on each other.

use serde_json::{Value, json};

use super::deployment::{containers_and_images, selector_cell};
use super::pod_spec::{default_template, fill, items};
use super::{Column, Kind, Resource, age, human_duration};
use crate::context::{Cx, text};
use crate::status::{Invalid, Result};

pub(super) struct Job;

const UID: &str = "batch.kubernetes.io/controller-uid";
const NAME: &str = "batch.kubernetes.io/job-name";

impl Kind for Job {
    fn resource(&self) -> Resource {
        Resource::namespaced("batch", "v1", "jobs", "Job").category("all").status()
    }

    fn warnings(&self, old: Option<&Value>, new: &Value) -> Vec<String> {
        super::rules::workload_warnings(old, new, "spec.template")
    }

    fn validate_create(&self, object: &Value) -> Vec<Invalid> {
        super::rules::validate_job(object)
    }

    fn validate_update(&self, old: &Value, new: &Value) -> Vec<Invalid> {
        super::rules::validate_job_update(old, new)
    }

    fn default(&self, object: &mut Value) {
        let spec = &mut object["spec"];
        let absent = |spec: &Value, field: &str| spec.get(field).is_none_or(Value::is_null);
        if absent(spec, "completions") && absent(spec, "parallelism") {
            spec["completions"] = 1.into();
        }
        fill(spec, "parallelism", 1);
        let limit = if absent(spec, "backoffLimitPerIndex") { 6 } else { i32::MAX };
        fill(spec, "backoffLimit", limit);
        fill(spec, "completionMode", "NonIndexed");
        fill(spec, "suspend", false);
        fill(spec, "manualSelector", false);
        let with_policy = !absent(spec, "podFailurePolicy");
        fill(spec, "podReplacementPolicy", if with_policy { "Failed" } else { "TerminatingOrFailed" });
        for rule in items(&mut spec["podFailurePolicy"], "rules") {
            for pattern in items(rule, "onPodConditions") {
                if text(&pattern["status"]).is_empty() {
                    pattern["status"] = "True".into();
                }
            }
        }
        if spec["podFailurePolicy"].is_null()
            && let Some(map) = spec.as_object_mut()
        {
            map.remove("podFailurePolicy");
        }
        // What the template has, the Job has, unless it has labels of its own.
        let labels = spec["template"]["metadata"]["labels"].clone();
        default_template(&mut spec["template"]);
        if labels.as_object().is_some_and(|labels| !labels.is_empty())
            && object["metadata"]["labels"].as_object().is_none_or(serde_json::Map::is_empty)
        {
            object["metadata"]["labels"] = labels;
        }
    }

    fn prepare_create(&self, _cx: &mut Cx<'_>, object: &mut Value) -> Result<()> {
        if object["spec"]["manualSelector"] == true {
            return Ok(());
        }
        let uid = object["metadata"]["uid"].clone();
        let name = object["metadata"]["name"].clone();
        let labels = [("controller-uid", &uid), (UID, &uid), ("job-name", &name), (NAME, &name)];
        for (key, value) in labels {
            let template = &mut object["spec"]["template"]["metadata"]["labels"];
            if template.get(key).is_none() {
                template[key] = value.clone();
            }
        }
        object["spec"]["selector"]["matchLabels"][UID] = uid.clone();
        self.default(object);
        Ok(())
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn orphans_by_default(&self) -> bool {
        true
    }

    fn field(&self, object: &Value, label: &str) -> Option<String> {
        (label == "status.successful")
            .then(|| object["status"]["succeeded"].as_i64().unwrap_or(0).to_string())
    }

    fn unsupported_field(&self, label: &str) -> String {
        format!("field label {label:?} not supported for batchv1.Job")
    }

    fn columns(&self) -> Vec<Column> {
        vec![
            Column::name(),
            Column::new("Status", "string", 0, "Status of the job."),
            Column::new(
                "Completions",
                "string",
                0,
                "Specifies the desired number of successfully finished pods the job should be run with.  Setting to null means \
                 that the success of any pod signals the success of all pods, and allows parallelism to have any positive value. \
                  Setting to 1 means that parallelism is limited to 1 and the success of that pod signals the success of the job. \
                 More info: https://kubernetes.io/docs/concepts/workloads/controllers/jobs-run-to-completion/",
            ),
            Column::new("Duration", "string", 0, "Time required to complete the job."),
            Column::age(),
            Column::new("Containers", "string", 1, "Names of each container in the template."),
            Column::new("Images", "string", 1, "Images referenced by each container in the template."),
            Column::new("Selector", "string", 1, "A label query over pods that should match the pod count."),
        ]
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        let (spec, status) = (&object["spec"], &object["status"]);
        let number = |value: &Value| value.as_i64().unwrap_or(0);
        let completions = match (spec["completions"].as_i64(), number(&spec["parallelism"])) {
            (Some(wanted), _) => format!("{}/{wanted}", number(&status["succeeded"])),
            (None, parallel) if parallel > 1 => format!("{}/1 of {parallel}", number(&status["succeeded"])),
            (None, _) => format!("{}/1", number(&status["succeeded"])),
        };
        let time = |field: &str| text(&status[field]).parse::<jiff::Timestamp>().ok();
        let duration = match (time("startTime"), time("completionTime")) {
            (None, _) => String::new(),
            (Some(start), end) => human_duration(end.unwrap_or(now).as_second() - start.as_second()),
        };
        let (containers, images) = containers_and_images(&spec["template"]["spec"]);
        vec![
            object["metadata"]["name"].clone(),
            job_status(object).into(),
            completions.into(),
            duration.into(),
            age(object, now),
            containers,
            images,
            selector_cell(&spec["selector"]),
        ]
    }
}

fn job_status(job: &Value) -> &'static str {
    let conditions = || job["status"]["conditions"].as_array().into_iter().flatten();
    let is = |kind: &str| conditions().any(|c| c["type"] == kind && c["status"] == "True");
    if is("Complete") {
        "Complete"
    } else if is("Failed") {
        "Failed"
    } else if crate::meta::is_deleting(job) {
        "Terminating"
    } else if is("Suspended") {
        "Suspended"
    } else if is("FailureTarget") {
        "FailureTarget"
    } else if is("SuccessCriteriaMet") {
        "SuccessCriteriaMet"
    } else {
        "Running"
    }
}

pub(super) struct CronJob;

impl Kind for CronJob {
    fn resource(&self) -> Resource {
        Resource::namespaced("batch", "v1", "cronjobs", "CronJob").short("cj").category("all").status()
    }

    fn warnings(&self, old: Option<&Value>, new: &Value) -> Vec<String> {
        super::rules::workload_warnings(old, new, "spec.jobTemplate.spec.template")
    }

    fn validate_create(&self, object: &Value) -> Vec<Invalid> {
        super::rules::validate_cron_job(object)
    }

    fn validate_update(&self, old: &Value, new: &Value) -> Vec<Invalid> {
        super::rules::validate_cron_job_update(old, new)
    }

    fn default(&self, object: &mut Value) {
        let spec = &mut object["spec"];
        fill(spec, "concurrencyPolicy", "Allow");
        fill(spec, "suspend", false);
        fill(spec, "successfulJobsHistoryLimit", 3);
        fill(spec, "failedJobsHistoryLimit", 1);
        fill(&mut spec["jobTemplate"], "metadata", json!({}));
        if spec["jobTemplate"]["spec"].is_object() {
            default_template(&mut spec["jobTemplate"]["spec"]["template"]);
        }
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn columns(&self) -> Vec<Column> {
        vec![
            Column::name(),
            Column::new(
                "Schedule",
                "string",
                0,
                "The schedule in Cron format, see https://en.wikipedia.org/wiki/Cron.",
            ),
            Column::new(
                "Timezone",
                "string",
                0,
                "The time zone name for the given schedule, see https://en.wikipedia.org/wiki/List_of_tz_database_time_zones. If not specified, this will default to the time zone of the kube-controller-manager process. The set of valid time zone names and the time zone offset is loaded from the system-wide time zone database by the API server during CronJob validation and the controller manager during execution. If no system-wide time zone database can be found a bundled version of the database is used instead. If the time zone name becomes invalid during the lifetime of a CronJob or due to a change in host configuration, the controller will stop creating new new Jobs and will create a system event with the reason UnknownTimeZone. More information can be found in https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#time-zones",
            ),
            Column::new(
                "Suspend",
                "boolean",
                0,
                "This flag tells the controller to suspend subsequent executions, it does not apply to already started executions.  Defaults to false.",
            ),
            Column::new("Active", "integer", 0, "A list of pointers to currently running jobs."),
            Column::new(
                "Last Schedule",
                "string",
                0,
                "Information when was the last time the job was successfully scheduled.",
            ),
            Column::age(),
            Column::new("Containers", "string", 1, "Names of each container in the template."),
            Column::new("Images", "string", 1, "Images referenced by each container in the template."),
            Column::new("Selector", "string", 1, "A label query over pods that should match the pod count."),
        ]
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        let (spec, status) = (&object["spec"], &object["status"]);
        let last = text(&status["lastScheduleTime"]).parse::<jiff::Timestamp>().ok();
        let last =
            last.map_or_else(|| "<none>".to_owned(), |at| human_duration(now.as_second() - at.as_second()));
        let suspended = if spec["suspend"] == true { "True" } else { "False" };
        let zone = spec["timeZone"].as_str().unwrap_or("<none>");
        let (containers, images) = containers_and_images(&spec["jobTemplate"]["spec"]["template"]["spec"]);
        vec![
            object["metadata"]["name"].clone(),
            spec["schedule"].clone(),
            zone.into(),
            suspended.into(),
            status["active"].as_array().map_or(0, Vec::len).into(),
            last.into(),
            age(object, now),
            containers,
            images,
            selector_cell(&spec["jobTemplate"]["spec"]["selector"]),
        ]
    }
}
