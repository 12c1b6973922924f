//! Jobs and CronJobs.

use serde_json::{Value, json};

use super::workload::MISMATCH;
use super::{
    IMMUTABLE, at, has, immutable, items, label_selector, non_negative, one_of, selects,
    validate_pod_template,
};
use crate::context::text;
use crate::cron::{self, Schedule};
use crate::names;
use crate::status::{Invalid, Reason};

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
    if has(spec, "maxFailedIndexes") && !has(spec, "backoffLimitPerIndex") {
        let why = "when maxFailedIndexes is specified";
        wrong.push(Invalid::required(at(path, "backoffLimitPerIndex"), why));
    }
    managed_by(spec, path, wrong);
    one_of(spec, "completionMode", &["NonIndexed", "Indexed"], path, wrong);
    match spec["completionMode"] == "Indexed" {
        true => indexed(spec, path, wrong),
        false => {
            for field in ["backoffLimitPerIndex", "maxFailedIndexes", "successPolicy"] {
                if has(spec, field) {
                    let why = "requires indexed completion mode";
                    wrong.push(Invalid::value(at(path, field), spec[field].clone(), why));
                }
            }
        }
    }
    if has(spec, "podFailurePolicy") {
        failure_policy(spec, &at(path, "podFailurePolicy"), wrong);
    }
    // The real one names the spec rather than the field.
    let words: &[&str] =
        if has(spec, "podFailurePolicy") { &["Failed"] } else { &["Failed", "TerminatingOrFailed"] };
    let replacement = text(&spec["podReplacementPolicy"]);
    if !replacement.is_empty() && !words.contains(&replacement) {
        wrong.push(Invalid::not_supported(at(path, "podReplacementPolicy"), replacement, words));
    }
    let template = at(path, "template");
    validate_pod_template(&spec["template"], &template, wrong);
    restart_policy(spec, &at(&template, "spec.restartPolicy"), wrong);
}

fn restart_policy(spec: &Value, path: &str, wrong: &mut Vec<Invalid>) {
    let words = ["OnFailure", "Never"];
    match text(&spec["template"]["spec"]["restartPolicy"]) {
        "" | "Always" => wrong.push(Invalid::required(path, "valid values: \"OnFailure\", \"Never\"")),
        "OnFailure" if has(spec, "podFailurePolicy") => {
            let why = "only \"Never\" is supported when podFailurePolicy is specified";
            wrong.push(Invalid::value(path, "OnFailure", why));
        }
        given if !words.contains(&given) => wrong.push(Invalid::not_supported(path, given, &words)),
        _ => {}
    }
}

fn managed_by(spec: &Value, path: &str, wrong: &mut Vec<Invalid>) {
    let Some(given) = spec["managedBy"].as_str() else { return };
    let path = at(path, "managedBy");
    match given.split_once('/') {
        Some((domain, rest)) if !domain.is_empty() && !rest.is_empty() => {
            wrong.extend(
                names::subdomain(domain).into_iter().map(|why| Invalid::value(path.as_str(), domain, why)),
            );
        }
        _ => {
            let why = "must be a domain-prefixed path (such as \"acme.io/foo\")";
            wrong.push(Invalid::value(path.as_str(), given, why));
        }
    }
    if given.len() > 63 {
        wrong.push(Invalid::too_long(path, 63));
    }
}

fn indexed(spec: &Value, path: &str, wrong: &mut Vec<Invalid>) {
    const MOST: i64 = 100_000;
    let number = |field: &str| spec[field].as_i64();
    if !has(spec, "completions") {
        wrong.push(Invalid::required(at(path, "completions"), "when completion mode is Indexed"));
    }
    if let Some(parallelism) = number("parallelism").filter(|number| *number > MOST) {
        let why = "must be less than or equal to 100000 when completion mode is Indexed";
        wrong.push(Invalid::value(at(path, "parallelism"), parallelism, why));
    }
    if let Some(failed) = number("maxFailedIndexes") {
        if number("completions").is_some_and(|completions| failed > completions) {
            let why = "must be less than or equal to completions";
            wrong.push(Invalid::value(at(path, "maxFailedIndexes"), failed, why));
        }
        if failed > MOST {
            let why = "must be less than or equal to 100000";
            wrong.push(Invalid::value(at(path, "maxFailedIndexes"), failed, why));
        }
    }
    if number("completions").is_some_and(|completions| completions > MOST)
        && has(spec, "backoffLimitPerIndex")
    {
        if !has(spec, "maxFailedIndexes") {
            let why = "must be specified when completions is above 100000";
            wrong.push(Invalid::required(at(path, "maxFailedIndexes"), why));
        }
        for field in ["parallelism", "maxFailedIndexes"] {
            if let Some(given) = number(field).filter(|given| *given > 10_000) {
                let why = "must be less than or equal to 10000 when completions are above 100000 and used with backoff \
                    limit per index";
                wrong.push(Invalid::value(at(path, field), given, why));
            }
        }
    }
    if has(spec, "successPolicy") {
        success_policy(spec, &at(path, "successPolicy"), wrong);
    }
}

fn too_many(path: String, count: usize, most: usize, wrong: &mut Vec<Invalid>) {
    if count > most {
        let detail = format!("must have at most {most} items");
        wrong.push(Invalid { reason: Reason::TooMany, field: path, value: Some(count.into()), detail });
    }
}

fn failure_policy(spec: &Value, path: &str, wrong: &mut Vec<Invalid>) {
    let policy = &spec["podFailurePolicy"];
    let rules = items(policy, "rules", path);
    too_many(at(path, "rules"), rules.len(), 20, wrong);
    for (path, rule) in rules {
        let action = at(&path, "action");
        let words = ["Count", "FailIndex", "FailJob", "Ignore"];
        match text(&rule["action"]) {
            "" => wrong.push(Invalid::required(
                action,
                "valid values: [\"Count\" \"FailIndex\" \"FailJob\" \"Ignore\"]",
            )),
            "FailIndex" if !has(spec, "backoffLimitPerIndex") => {
                wrong.push(Invalid::value(
                    action,
                    "FailIndex",
                    "requires the backoffLimitPerIndex to be set",
                ));
            }
            given if !words.contains(&given) => wrong.push(Invalid::not_supported(action, given, &words)),
            _ => {}
        }
        let conditions = items(rule, "onPodConditions", &path);
        let both = match (has(rule, "onExitCodes"), !conditions.is_empty()) {
            (true, true) => Some("specifying both OnExitCodes and OnPodConditions is not supported"),
            (false, false) => Some("specifying one of OnExitCodes and OnPodConditions is required"),
            _ => None,
        };
        if has(rule, "onExitCodes") {
            exit_codes(spec, &rule["onExitCodes"], &at(&path, "onExitCodes"), wrong);
        }
        too_many(at(&path, "onPodConditions"), conditions.len(), 20, wrong);
        for (path, pattern) in conditions {
            let kind = text(&pattern["type"]);
            let faults = names::qualified(kind).into_iter();
            wrong.extend(faults.map(|why| Invalid::value(at(&path, "type"), kind, why)));
            one_of(pattern, "status", &["False", "True", "Unknown"], &path, wrong);
        }
        if let Some(why) = both {
            wrong.push(Invalid { reason: Reason::Invalid, field: path, value: None, detail: why.to_owned() });
        }
    }
}

fn exit_codes(spec: &Value, rule: &Value, path: &str, wrong: &mut Vec<Invalid>) {
    match text(&rule["operator"]) {
        "" => wrong.push(Invalid::required(at(path, "operator"), "valid values: [\"In\" \"NotIn\"]")),
        _ => one_of(rule, "operator", &["In", "NotIn"], path, wrong),
    }
    let template = &spec["template"]["spec"];
    let known = ["containers", "initContainers"]
        .iter()
        .flat_map(|list| template[*list].as_array().into_iter().flatten())
        .any(|container| container["name"] == rule["containerName"]);
    if has(rule, "containerName") && !known {
        let why = "must be one of the container or initContainer names in the pod template";
        wrong.push(Invalid::value(at(path, "containerName"), rule["containerName"].clone(), why));
    }
    let values: Vec<i64> =
        items(rule, "values", path).iter().filter_map(|(_, value)| value.as_i64()).collect();
    let shown = || if has(rule, "values") { rule["values"].clone() } else { Value::Null };
    let list = at(path, "values");
    if values.is_empty() {
        wrong.push(Invalid::value(list.as_str(), shown(), "at least one value is required"));
    }
    too_many(list.clone(), values.len(), 255, wrong);
    for (index, value) in values.iter().enumerate() {
        let path = format!("{list}[{index}]");
        if *value == 0 && rule["operator"] == "In" {
            wrong.push(Invalid::value(path.as_str(), 0, "must not be 0 for the In operator"));
        }
        if values[..index].contains(value) {
            wrong.push(Invalid::duplicate(path, *value));
        }
    }
    if !values.is_sorted() {
        wrong.push(Invalid::value(list, shown(), "must be ordered"));
    }
}

fn success_policy(spec: &Value, path: &str, wrong: &mut Vec<Invalid>) {
    let rules = items(&spec["successPolicy"], "rules", path);
    if rules.is_empty() {
        let why = "at least one rules must be specified when the successPolicy is specified";
        wrong.push(Invalid::required(at(path, "rules"), why));
    }
    too_many(at(path, "rules"), rules.len(), 20, wrong);
    let completions = spec["completions"].as_i64().unwrap_or(0);
    for (path, rule) in rules {
        let indexes = rule["succeededIndexes"].as_str();
        if indexes.is_none() && !has(rule, "succeededCount") {
            let why = "at least one of succeededCount or succeededIndexes must be specified";
            wrong.push(Invalid::required(path.as_str(), why));
        }
        let mut total = 0;
        if let Some(given) = indexes {
            match count_indexes(given, completions) {
                Ok(count) => total = count,
                Err(why) => {
                    let why = format!("error parsing succeededIndexes: {why}");
                    wrong.push(Invalid::value(at(&path, "succeededIndexes"), given, why));
                }
            }
        }
        non_negative(rule, &["succeededCount"], &path, wrong);
        let Some(count) = rule["succeededCount"].as_i64() else { continue };
        let field = at(&path, "succeededCount");
        if count > completions {
            let why =
                format!("must be less than or equal to {completions} (the number of specified completions)");
            wrong.push(Invalid::value(field.as_str(), count, why));
        }
        if indexes.is_some() && count > total {
            let why = format!(
                "must be less than or equal to {total} (the number of indexes in the specified succeededIndexes field)"
            );
            wrong.push(Invalid::value(field, count, why));
        }
    }
}

/// How many indexes `0,2-4` names; each below `completions`, in order.
fn count_indexes(text: &str, completions: i64) -> Result<i64, String> {
    if text.is_empty() {
        return Ok(0);
    }
    let index = |text: &str| -> Result<i64, String> {
        text.parse().map_err(|_| format!("cannot convert string to integer for index: {text:?}"))
    };
    let (mut total, mut last) = (0, None);
    for interval in text.split(',') {
        let ends: Vec<&str> = interval.split('-').collect();
        let (first, end) = match ends.as_slice() {
            [one] => (index(one)?, index(one)?),
            [first, end] => (index(first)?, index(end)?),
            _ => {
                return Err(format!(
                    "the fragment {interval:?} violates the requirement that an index interval can have at most two parts separated by '-'"
                ));
            }
        };
        if first >= completions || end >= completions {
            let beyond = if first >= completions { ends[0] } else { ends[ends.len() - 1] };
            return Err(format!("too large index: {beyond:?}"));
        }
        if ends.len() == 2 && first >= end {
            return Err(format!("non-increasing order, previous: {first}, current: {end}"));
        }
        if let Some(last) = last.filter(|last| *last >= first) {
            return Err(format!("non-increasing order, previous: {last}, current: {first}"));
        }
        total += end - first + 1;
        last = Some(end);
    }
    Ok(total)
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
        wrong.push(Invalid::value("spec.completions", after["completions"].clone(), IMMUTABLE));
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
        wrong.push(Invalid::value("spec.template", after["template"].clone(), IMMUTABLE));
    }
    wrong
}

pub(crate) fn validate_cron_job(object: &Value) -> Vec<Invalid> {
    let mut wrong = cron_job_spec(None, &object["spec"]);
    let name = text(&object["metadata"]["name"]);
    // A job's name has eleven characters more: a hyphen and the minutes.
    if name.len() > 52 {
        wrong.push(Invalid::value("metadata.name", name, "must be no more than 52 characters"));
    }
    wrong
}

pub(crate) fn validate_cron_job_update(old: &Value, new: &Value) -> Vec<Invalid> {
    cron_job_spec(Some(&old["spec"]), &new["spec"])
}

fn cron_job_spec(old: Option<&Value>, spec: &Value) -> Vec<Invalid> {
    let mut wrong = Vec::new();
    match text(&spec["schedule"]) {
        "" => wrong.push(Invalid::required("spec.schedule", "")),
        schedule => {
            let fault = Schedule::parse(schedule).err();
            wrong.extend(fault.map(|why| Invalid::value("spec.schedule", schedule, why)));
            if schedule.contains("TZ") {
                let why = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
                wrong.push(Invalid::value("spec.schedule", schedule, why));
            }
        }
    }
    let counts = ["startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"];
    non_negative(spec, &counts, "spec", &mut wrong);
    one_of(spec, "concurrencyPolicy", &["Allow", "Forbid", "Replace"], "spec", &mut wrong);
    if old.is_none_or(|old| old.get("timeZone") != spec.get("timeZone")) {
        wrong.extend(
            time_zone_fault(spec).map(|why| Invalid::value("spec.timeZone", spec["timeZone"].clone(), why)),
        );
    }
    let template = &spec["jobTemplate"]["spec"];
    job_spec(template, "spec.jobTemplate.spec", &mut wrong);
    if has(template, "selector") {
        let field = "spec.jobTemplate.spec.selector";
        wrong.push(Invalid::value(field, template["selector"].clone(), "`selector` will be auto-generated"));
    }
    if template["manualSelector"] == true {
        let field = "spec.jobTemplate.spec.manualSelector";
        wrong.push(Invalid::not_supported(field, true, &["nil", "false"]));
    }
    wrong
}

fn time_zone_fault(spec: &Value) -> Option<String> {
    let zone = spec["timeZone"].as_str()?;
    if zone.is_empty() {
        return Some("timeZone must be nil or non-empty string".to_owned());
    }
    if zone.eq_ignore_ascii_case("local") {
        let why = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
        return Some(why.to_owned());
    }
    cron::zone(zone).err()
}
