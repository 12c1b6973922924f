//! Deployments, ReplicaSets, StatefulSets, DaemonSets, Jobs and CronJobs.

use serde_json::{Value, json};

use super::{
    at, count_or_percent, has, immutable, label_selector, non_negative, one_of, percent, selects, shown,
    validate_pod_template,
};
use crate::context::text;
use crate::names;
use crate::status::{Invalid, Reason};

const MISMATCH: &str = "`selector` does not match template `labels`";

/// Selector and template of a workload: the one is there and selects the other, whose pods restart.
fn selector_and_template(spec: &Value, kind: &str, wrong: &mut Vec<Invalid>) {
    let selector = &spec["selector"];
    if selector.is_object() {
        label_selector(selector, "spec.selector", wrong);
        let empty = |field: &str| match &selector[field] {
            Value::Object(map) => map.is_empty(),
            Value::Array(list) => list.is_empty(),
            _ => true,
        };
        if empty("matchLabels") && empty("matchExpressions") {
            let why = format!("empty selector is invalid for {kind}");
            wrong.push(Invalid::value("spec.selector", selector.clone(), why));
        }
    } else {
        wrong.push(Invalid::required("spec.selector", ""));
    }
    let labels = &spec["template"]["metadata"]["labels"];
    if !selects(selector, labels) {
        wrong.push(Invalid::value("spec.template.metadata.labels", labels.clone(), MISMATCH));
    }
    validate_pod_template(&spec["template"], "spec.template", wrong);
    let restart = text(&spec["template"]["spec"]["restartPolicy"]);
    if restart != "Always" && !restart.is_empty() {
        wrong.push(Invalid::not_supported("spec.template.spec.restartPolicy", restart, &["Always"]));
    }
    if has(&spec["template"]["spec"], "activeDeadlineSeconds") {
        let why = "activeDeadlineSeconds in ReplicaSet is not Supported";
        wrong.push(Invalid::forbidden("spec.template.spec.activeDeadlineSeconds", why));
    }
}

pub(crate) fn validate_deployment(object: &Value) -> Vec<Invalid> {
    let (spec, mut wrong) = (&object["spec"], Vec::new());
    non_negative(
        spec,
        &["replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"],
        "spec",
        &mut wrong,
    );
    selector_and_template(spec, "deployment", &mut wrong);
    let strategy = &spec["strategy"];
    match text(&strategy["type"]) {
        "Recreate" if has(strategy, "rollingUpdate") => {
            let why = "may not be specified when strategy `type` is 'Recreate'";
            wrong.push(Invalid::forbidden("spec.strategy.rollingUpdate", why));
        }
        "RollingUpdate" if !has(strategy, "rollingUpdate") => {
            let why = "this should be defaulted and never be nil";
            wrong.push(Invalid::required("spec.strategy.rollingUpdate", why));
        }
        "RollingUpdate" => rolling(&strategy["rollingUpdate"], "spec.strategy.rollingUpdate", &mut wrong),
        "Recreate" => {}
        other => {
            let value = [("Type", &json!(other)), ("RollingUpdate", &strategy["rollingUpdate"])];
            let why = "supported values: \"Recreate\", \"RollingUpdate\"";
            wrong.push(shown(Reason::NotSupported, "spec.strategy", &value, why));
        }
    }
    if let Some(deadline) = spec["progressDeadlineSeconds"].as_i64()
        && deadline <= spec["minReadySeconds"].as_i64().unwrap_or(0)
    {
        let why = "must be greater than minReadySeconds";
        wrong.push(Invalid::value("spec.progressDeadlineSeconds", deadline, why));
    }
    wrong
}

fn rolling(update: &Value, path: &str, wrong: &mut Vec<Invalid>) {
    count_or_percent(update, "maxUnavailable", path, wrong);
    count_or_percent(update, "maxSurge", path, wrong);
    let zero = |field: &str| match &update[field] {
        Value::String(text) => percent(text) == Some(0),
        other => other.as_i64() == Some(0),
    };
    if zero("maxUnavailable") && zero("maxSurge") {
        let why = "may not be 0 when `maxSurge` is 0";
        wrong.push(Invalid::value(at(path, "maxUnavailable"), update["maxUnavailable"].clone(), why));
    }
}

pub(crate) fn validate_deployment_update(old: &Value, new: &Value) -> Vec<Invalid> {
    let mut wrong = validate_deployment(new);
    immutable(&old["spec"], &new["spec"], &["selector"], "spec", &mut wrong);
    wrong
}

pub(crate) fn validate_replica_set(object: &Value) -> Vec<Invalid> {
    let (spec, mut wrong) = (&object["spec"], Vec::new());
    non_negative(spec, &["replicas", "minReadySeconds"], "spec", &mut wrong);
    selector_and_template(spec, "deployment", &mut wrong);
    wrong
}

pub(crate) fn validate_replica_set_update(old: &Value, new: &Value) -> Vec<Invalid> {
    let mut wrong = validate_replica_set(new);
    immutable(&old["spec"], &new["spec"], &["selector"], "spec", &mut wrong);
    wrong
}

pub(crate) fn validate_stateful_set(object: &Value) -> Vec<Invalid> {
    let (spec, mut wrong) = (&object["spec"], Vec::new());
    let service = text(&spec["serviceName"]);
    if !service.is_empty() {
        let faults = names::label(service);
        wrong.extend(faults.into_iter().map(|why| Invalid::value("spec.serviceName", service, why)));
    }
    match text(&spec["podManagementPolicy"]) {
        "OrderedReady" | "Parallel" => {}
        "" => wrong.push(Invalid::required("spec.podManagementPolicy", "")),
        other => wrong.push(Invalid::value(
            "spec.podManagementPolicy",
            other,
            "must be 'OrderedReady' or 'Parallel'",
        )),
    }
    let strategy = &spec["updateStrategy"];
    match text(&strategy["type"]) {
        "OnDelete" if has(strategy, "rollingUpdate") => {
            let why = "only allowed for updateStrategy 'RollingUpdate'";
            let shown = strategy["rollingUpdate"].clone();
            wrong.push(Invalid::value("spec.updateStrategy.rollingUpdate", shown, why));
        }
        "OnDelete" => {}
        "RollingUpdate" => {
            let path = "spec.updateStrategy.rollingUpdate";
            non_negative(&strategy["rollingUpdate"], &["partition"], path, &mut wrong);
            count_or_percent(&strategy["rollingUpdate"], "maxUnavailable", path, &mut wrong);
        }
        "" => wrong.push(Invalid::required("spec.updateStrategy", "")),
        other => {
            let value = [("Type", &json!(other)), ("RollingUpdate", &strategy["rollingUpdate"])];
            let why = "must be 'RollingUpdate' or 'OnDelete'";
            wrong.push(shown(Reason::Invalid, "spec.updateStrategy", &value, why));
        }
    }
    let retention = &spec["persistentVolumeClaimRetentionPolicy"];
    let path = "spec.persistentVolumeClaimRetentionPolicy";
    for field in ["whenDeleted", "whenScaled"] {
        one_of(retention, field, &["Retain", "Delete"], path, &mut wrong);
    }
    non_negative(spec, &["replicas", "minReadySeconds", "revisionHistoryLimit"], "spec", &mut wrong);
    selector_and_template(spec, "statefulset", &mut wrong);
    wrong
}

const STATEFUL_SET_CHANGES: &[&str] = &[
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];

pub(crate) fn validate_stateful_set_update(old: &Value, new: &Value) -> Vec<Invalid> {
    let mut wrong = validate_stateful_set(new);
    let mut same = new["spec"].clone();
    crate::kinds::keep(&old["spec"], &mut same, STATEFUL_SET_CHANGES);
    if same != old["spec"] {
        let why = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', \
            'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
        wrong.push(Invalid::forbidden("spec", why));
    }
    wrong
}

pub(crate) fn validate_daemon_set(object: &Value) -> Vec<Invalid> {
    let (spec, mut wrong) = (&object["spec"], Vec::new());
    selector_and_template(spec, "daemonset", &mut wrong);
    non_negative(spec, &["minReadySeconds", "revisionHistoryLimit"], "spec", &mut wrong);
    let strategy = &spec["updateStrategy"];
    match text(&strategy["type"]) {
        "OnDelete" => {}
        "RollingUpdate" => {
            let path = "spec.updateStrategy.rollingUpdate";
            let update = &strategy["rollingUpdate"];
            count_or_percent(update, "maxUnavailable", path, &mut wrong);
            count_or_percent(update, "maxSurge", path, &mut wrong);
            let zero = |field: &str| update[field] == 0 || update[field] == "0%";
            if zero("maxUnavailable") && zero("maxSurge") {
                let why = "cannot be 0 when maxSurge is 0";
                wrong.push(Invalid::value(at(path, "maxUnavailable"), update["maxUnavailable"].clone(), why));
            }
            if !zero("maxUnavailable") && !zero("maxSurge") && has(update, "maxSurge") {
                let why = "may not be set when maxUnavailable is non-zero";
                wrong.push(Invalid::value(at(path, "maxSurge"), update["maxSurge"].clone(), why));
            }
        }
        other => {
            let words = ["RollingUpdate", "OnDelete"];
            wrong.push(Invalid::not_supported("spec.updateStrategy.type", other, &words));
        }
    }
    wrong
}

pub(crate) fn validate_daemon_set_update(old: &Value, new: &Value) -> Vec<Invalid> {
    let mut wrong = validate_daemon_set(new);
    immutable(&old["spec"], &new["spec"], &["selector"], "spec", &mut wrong);
    wrong
}

const CONTROLLER_UID: &str = "batch.kubernetes.io/controller-uid";

pub(crate) fn validate_job(object: &Value) -> Vec<Invalid> {
    let (spec, mut wrong) = (&object["spec"], Vec::new());
    job_spec(spec, "spec", &mut wrong);
    let selector = &spec["selector"];
    if selector.is_object() {
        label_selector(selector, "spec.selector", &mut wrong);
        let labels = &spec["template"]["metadata"]["labels"];
        let generated = json!({"matchLabels": {CONTROLLER_UID: object["metadata"]["uid"]}});
        if spec["manualSelector"] != true && *selector != generated {
            wrong.push(Invalid::value("spec.selector", selector.clone(), "`selector` not auto-generated"));
        }
        if !selects(selector, labels) {
            wrong.push(Invalid::value("spec.template.metadata.labels", labels.clone(), MISMATCH));
        }
    } else {
        wrong.push(Invalid::required("spec.selector", ""));
    }
    wrong
}

/// The spec of a Job or of a CronJob's template.
fn job_spec(spec: &Value, path: &str, wrong: &mut Vec<Invalid>) {
    let counts = [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ];
    non_negative(spec, &counts, path, wrong);
    one_of(spec, "completionMode", &["NonIndexed", "Indexed"], path, wrong);
    if spec["completionMode"] == "Indexed" && !has(spec, "completions") {
        let why = "when completion mode is Indexed";
        wrong.push(Invalid::required(at(path, "completions"), why));
    }
    if has(spec, "backoffLimitPerIndex") && spec["completionMode"] != "Indexed" {
        let why = "requires indexed completion mode";
        wrong.push(Invalid::value(
            at(path, "backoffLimitPerIndex"),
            spec["backoffLimitPerIndex"].clone(),
            why,
        ));
    }
    one_of(spec, "podReplacementPolicy", &["TerminatingOrFailed", "Failed"], path, wrong);
    let template = at(path, "template");
    validate_pod_template(&spec["template"], &template, wrong);
    let restart = text(&spec["template"]["spec"]["restartPolicy"]);
    if restart == "Always" || restart.is_empty() {
        let why = "valid values: \"OnFailure\", \"Never\"";
        wrong.push(Invalid::required(at(&template, "spec.restartPolicy"), why));
    }
    if has(spec, "podFailurePolicy") && restart != "Never" {
        let why = "only \"Never\" is supported when podFailurePolicy is specified";
        wrong.push(Invalid::value(at(&template, "spec.restartPolicy"), restart, why));
    }
}

pub(crate) fn validate_job_update(old: &Value, new: &Value) -> Vec<Invalid> {
    let mut wrong = validate_job(new);
    let (before, after) = (&old["spec"], &new["spec"]);
    let fixed = [
        "selector",
        "completionMode",
        "podFailurePolicy",
        "backoffLimitPerIndex",
        "managedBy",
        "successPolicy",
    ];
    immutable(before, after, &fixed, "spec", &mut wrong);
    // Indexed jobs are elastic: completions may follow parallelism.
    let elastic = after["completionMode"] == "Indexed" && after["completions"] == after["parallelism"];
    if before["completions"] != after["completions"] && !elastic {
        wrong.push(Invalid::value("spec.completions", after["completions"].clone(), super::IMMUTABLE));
    }
    let mut template = after["template"].clone();
    if before["suspend"] == true && !has(&old["status"], "startTime") {
        // What schedulers may still set while a job is suspended and never ran.
        let fields = ["nodeSelector", "tolerations", "affinity", "schedulingGates"];
        crate::kinds::keep(&before["template"]["spec"], &mut template["spec"], &fields);
        let metadata = ["annotations", "labels"];
        crate::kinds::keep(&before["template"]["metadata"], &mut template["metadata"], &metadata);
    }
    if template != before["template"] {
        wrong.push(Invalid::value("spec.template", after["template"].clone(), super::IMMUTABLE));
    }
    wrong
}

pub(crate) fn validate_cron_job(object: &Value) -> Vec<Invalid> {
    let (spec, mut wrong) = (&object["spec"], Vec::new());
    let schedule = text(&spec["schedule"]);
    if schedule.is_empty() {
        wrong.push(Invalid::required("spec.schedule", ""));
    } else if schedule.contains("TZ") {
        let why = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
        wrong.push(Invalid::value("spec.schedule", schedule, why));
    } else if let Some(why) = schedule_fault(schedule) {
        wrong.push(Invalid::value("spec.schedule", schedule, why));
    }
    let path = "spec";
    non_negative(
        spec,
        &["startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"],
        path,
        &mut wrong,
    );
    one_of(spec, "concurrencyPolicy", &["Allow", "Forbid", "Replace"], path, &mut wrong);
    if let Some(zone) = spec["timeZone"].as_str() {
        if zone.is_empty() {
            let why = "timeZone must be nil or non-empty string";
            wrong.push(Invalid::value("spec.timeZone", zone, why));
        } else if zone.eq_ignore_ascii_case("local") {
            let why = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
            wrong.push(Invalid::value("spec.timeZone", zone, why));
        } else if jiff::tz::TimeZone::get("UTC").is_ok() && jiff::tz::TimeZone::get(zone).is_err() {
            wrong.push(Invalid::value("spec.timeZone", zone, format!("unknown time zone {zone}")));
        }
    }
    let template = &spec["jobTemplate"]["spec"];
    if has(template, "manualSelector") && template["manualSelector"] == true {
        let words: [&str; 2] = ["nil", "false"];
        let field = "spec.jobTemplate.spec.manualSelector";
        wrong.push(Invalid::not_supported(field, true, &words));
    }
    job_spec(template, "spec.jobTemplate.spec", &mut wrong);
    let name = text(&object["metadata"]["name"]);
    if name.len() > 52 {
        wrong.push(Invalid::value("metadata.name", name, "must be no more than 52 characters"));
    }
    wrong
}

const DESCRIPTORS: &[&str] =
    &["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];
const MONTHS: &[&str] = &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// What is wrong with a schedule, in the cron parser's words.
fn schedule_fault(schedule: &str) -> Option<String> {
    if schedule.starts_with('@') {
        let every = schedule.strip_prefix("@every ");
        if let Some(span) = every {
            let fault = opsrun_k8s_schema::duration::parse_go(span).err();
            return fault.map(|why| format!("failed to parse duration {schedule}: {why}"));
        }
        return (!DESCRIPTORS.contains(&schedule)).then(|| format!("unrecognized descriptor: {schedule}"));
    }
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    if fields.len() != 5 {
        return Some(format!("expected exactly 5 fields, found {}: [{}]", fields.len(), fields.join(" ")));
    }
    let bounds: [(i64, i64, &[&str]); 5] =
        [(0, 59, &[]), (0, 23, &[]), (1, 31, &[]), (1, 12, MONTHS), (0, 6, DAYS)];
    fields.iter().zip(bounds).find_map(|(field, bounds)| {
        field.split(',').filter(|range| !range.is_empty()).find_map(|range| range_fault(range, bounds))
    })
}

fn range_fault(range: &str, (least, most, names): (i64, i64, &[&str])) -> Option<String> {
    let number = |text: &str| -> Result<i64, String> {
        if let Some(at) = names.iter().position(|name| *name == text.to_lowercase()) {
            return i64::try_from(at).map(|at| at + i64::from(least == 1)).map_err(|why| why.to_string());
        }
        let fault = |why| format!("failed to parse int from {text}: strconv.Atoi: parsing {text:?}: {why}");
        let value: i64 = text.parse().map_err(|_| fault("invalid syntax"))?;
        if value < 0 { Err(format!("negative number ({value}) not allowed: {text}")) } else { Ok(value) }
    };
    let mut halves = range.split('/');
    let (span, step) = (halves.next().unwrap_or_default(), halves.next());
    if halves.next().is_some() {
        return Some(format!("too many slashes: {range}"));
    }
    let ends: Vec<&str> = span.split('-').collect();
    let (start, end) = match ends.as_slice() {
        ["*" | "?"] => (least, most),
        [one] => match number(one) {
            Ok(value) => (value, if step.is_some() { most } else { value }),
            Err(why) => return Some(why),
        },
        [first, last] => match (number(first), number(last)) {
            (Ok(first), Ok(last)) => (first, last),
            (Err(why), _) | (_, Err(why)) => return Some(why),
        },
        _ => return Some(format!("too many hyphens: {range}")),
    };
    match step.map(number) {
        Some(Err(why)) => return Some(why),
        Some(Ok(0)) => return Some(format!("step of range should be a positive number: {range}")),
        _ => {}
    }
    if start < least {
        Some(format!("beginning of range ({start}) below minimum ({least}): {range}"))
    } else if end > most {
        Some(format!("end of range ({end}) above maximum ({most}): {range}"))
    } else if start > end {
        Some(format!("beginning of range ({start}) beyond end of range ({end}): {range}"))
    } else {
        None
    }
}
