//! CronJobs: a Job at each time of a schedule, and no more finished ones kept than the history limits say.
//! What a Job does is the job controller's; here it is only seen to run, end or go.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Controller;
use super::events::Recorder;
use super::job::{Finish, finish};
use super::object::{
    CRON_JOBS, JOBS, controlled_by, controller_key, created, flag, is_controlled_by, is_going, key_of, list,
    name, namespace, stamp, text_at, time, uid,
};
use super::owned::is_namespace_going;
use crate::cluster::Cluster;
use crate::context::{Cx, text};
use crate::cron::{self, Schedule};
use crate::kinds::Subresource;
use crate::status::{Result, Status};
use crate::store::{Change, GroupResource, ObjectKey};
use crate::write::{DeleteOptions, Propagation};

/// The cronjob controller.
#[derive(Clone, Default)]
pub(crate) struct CronJobs {
    /// The schedules as they were last looked at: one that has just been changed starts nothing for times gone by.
    seen: BTreeMap<ObjectKey, (String, Value, Value)>,
}

const RECORDER: Recorder<'static> = Recorder { component: "cronjob-controller", host: "" };
/// A job starts so long after its time, lest a clock that is slow make it too early.
const MARGIN: SignedDuration = SignedDuration::from_millis(100);
/// More missed times than this are reported.
const MANY_MISSED: i64 = 100;
const SCHEDULED: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";

impl Controller for CronJobs {
    fn name(&self) -> &'static str {
        "cronjob-controller"
    }

    fn watches(&self) -> &'static [GroupResource] {
        const { &[CRON_JOBS, JOBS] }
    }

    fn keys(&self, _cluster: &Cluster, change: &Change) -> Vec<ObjectKey> {
        if change.key.resource == CRON_JOBS {
            return vec![change.key.clone()];
        }
        let before = change.old.as_deref().and_then(owner);
        let mut keys: Vec<ObjectKey> = owner(change.object()).into_iter().chain(before).collect();
        keys.dedup();
        keys
    }

    fn reconcile(&mut self, cx: &mut Cx<'_>, key: &ObjectKey) -> Result<()> {
        let Some(cron) = cx.at(key) else {
            self.seen.remove(key);
            return Ok(());
        };
        let jobs: Vec<Arc<Value>> = cx
            .list(&JOBS, Some(&key.namespace))
            .into_iter()
            .filter(|job| owner(job).as_ref() == Some(key))
            .collect();
        let is_new_schedule = self.is_new_schedule(key, &cron);
        let mut look = Look { key, status: cron["status"].clone(), cron: &cron };
        look.clean_up(cx, &jobs);
        look.follow(cx, &jobs);
        let started = if is_going(&cron) || flag(&cron, "/spec/suspend") {
            Ok(())
        } else {
            look.start_what_is_due(cx, is_new_schedule)
        };
        look.write(cx)?;
        started
    }
}

impl CronJobs {
    fn is_new_schedule(&mut self, key: &ObjectKey, cron: &Value) -> bool {
        let schedule =
            (uid(cron).to_owned(), cron["spec"]["schedule"].clone(), cron["spec"]["timeZone"].clone());
        let before = self.seen.insert(key.clone(), schedule.clone());
        before.is_some_and(|before| before.0 == schedule.0 && before != schedule)
    }
}

fn owner(job: &Value) -> Option<ObjectKey> {
    controller_key(job, "CronJob", &CRON_JOBS)
}

/// One look at a CronJob; `status` is what it will have.
struct Look<'a> {
    key: &'a ObjectKey,
    cron: &'a Value,
    status: Value,
}

impl Look<'_> {
    /// Deletes the oldest finished jobs beyond the limits.
    fn clean_up(&mut self, cx: &mut Cx<'_>, jobs: &[Arc<Value>]) {
        for (limit, kind) in
            [("successfulJobsHistoryLimit", Finish::Complete), ("failedJobsHistoryLimit", Finish::Failed)]
        {
            let Some(limit) = self.cron["spec"][limit].as_u64() else { continue };
            let mut finished: Vec<&Arc<Value>> =
                jobs.iter().filter(|job| finish(job) == Some(kind)).collect();
            finished.sort_by_key(|job| {
                let started = time(&job["status"]["startTime"]);
                (started.is_none(), started, name(job).to_owned())
            });
            let surplus = finished.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
            for job in finished.into_iter().take(surplus) {
                // A refusal is reported by an event and tried again at the next look.
                let _reported = self.delete(cx, job);
            }
        }
    }

    /// Takes over what has become of the jobs.
    fn follow(&mut self, cx: &mut Cx<'_>, jobs: &[Arc<Value>]) {
        for job in jobs {
            let Some(finish) = finish(job) else {
                if !self.is_active(uid(job)) {
                    let message =
                        format!("Saw a job that the controller did not create or forgot: {}", name(job));
                    RECORDER.warning(cx, self.cron, "UnexpectedJob", &message);
                }
                continue;
            };
            if self.is_active(uid(job)) {
                self.forget(uid(job));
                let message = format!("Saw completed job: {}, condition: {}", name(job), finish.word());
                RECORDER.normal(cx, self.cron, "SawCompletedJob", &message);
            }
            let ended = time(&job["status"]["completionTime"]);
            if finish == Finish::Complete && ended > time(&self.status["lastSuccessfulTime"]) {
                self.status["lastSuccessfulTime"] = job["status"]["completionTime"].clone();
            }
        }
        let missing: Vec<Value> = self
            .active()
            .iter()
            .filter(|reference| !jobs.iter().any(|job| uid(job) == text(&reference["uid"])))
            .cloned()
            .collect();
        for reference in missing {
            if cx.get(&JOBS, &self.key.namespace, text(&reference["name"])).is_none() {
                let message = format!("Active job went missing: {}", text(&reference["name"]));
                RECORDER.normal(cx, self.cron, "MissingJob", &message);
                self.forget(text(&reference["uid"]));
            }
        }
    }

    /// Starts a job if it is time, and comes back when it is time again.
    fn start_what_is_due(&mut self, cx: &mut Cx<'_>, is_new_schedule: bool) -> Result<()> {
        let zone_name = text_at(self.cron, "/spec/timeZone");
        let zone = match cron::zone(zone_name) {
            Ok(zone) => zone,
            Err(why) => {
                let message = format!("invalid timeZone: {zone_name:?}: {why}");
                RECORDER.warning(cx, self.cron, "UnknownTimeZone", &message);
                return Ok(());
            }
        };
        let written = text_at(self.cron, "/spec/schedule");
        let schedule = match Schedule::parse_in(written, zone.clone()) {
            Ok(schedule) => schedule,
            Err(why) => {
                let message = format!("unparseable schedule: {written:?} : {why}");
                RECORDER.warning(cx, self.cron, "UnparseableSchedule", &message);
                return Ok(());
            }
        };
        let due = match self.missed(&schedule, cx.now(), true) {
            Ok(missed) => missed.latest.filter(|_| !is_new_schedule).map(|at| (at, missed.count)),
            Err(why) => {
                RECORDER.warning(
                    cx,
                    self.cron,
                    "InvalidSchedule",
                    &format!("invalid schedule: {written} : {why}"),
                );
                return Ok(());
            }
        };
        if let Some((at, missed)) = due {
            if missed > MANY_MISSED {
                let message = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew";
                RECORDER.warning(cx, self.cron, "TooManyMissedTimes", message);
            }
            self.start(cx, at, &zone)?;
        }
        if let Some(next) = self.next(&schedule, cx.now()) {
            cx.requeue(self.key, (next + MARGIN).duration_since(cx.now()));
        }
        Ok(())
    }

    /// Starts the job of the time `at`, unless deadline or concurrency forbid it.
    fn start(&mut self, cx: &mut Cx<'_>, at: Timestamp, zone: &TimeZone) -> Result<()> {
        let deadline = self.cron["spec"]["startingDeadlineSeconds"].as_i64();
        if deadline.is_some_and(|seconds| at + SignedDuration::from_secs(seconds) < cx.now()) {
            let when = at.to_zoned(TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S UTC");
            let message = format!("Missed scheduled time to start a job: {when}");
            RECORDER.warning(cx, self.cron, "MissSchedule", &message);
            return Ok(());
        }
        let job_name = format!("{}-{}", name(self.cron), at.as_second() / 60);
        let started = self.active().iter().any(|reference| text(&reference["name"]) == job_name);
        if started || time(&self.status["lastScheduleTime"]) == Some(at) {
            return Ok(());
        }
        match text_at(self.cron, "/spec/concurrencyPolicy") {
            "Forbid" if !self.active().is_empty() => {
                let message =
                    "Not starting job because prior execution is running and concurrency policy is Forbid";
                RECORDER.normal(cx, self.cron, "JobAlreadyActive", message);
                return Ok(());
            }
            "Replace" => self.replace(cx)?,
            _ => {}
        }
        let job = match cx.create(&JOBS, self.job(&job_name, at, zone)) {
            Ok(job) => {
                RECORDER.normal(cx, self.cron, "SuccessfulCreate", &format!("Created job {job_name}"));
                job
            }
            Err(Status { code: 409, .. }) => {
                let existing = cx.get(&JOBS, &self.key.namespace, &job_name);
                match existing.filter(|job| is_controlled_by(job, self.cron)) {
                    Some(job) => job,
                    None => return Ok(()),
                }
            }
            Err(status) => {
                if !is_namespace_going(&status) {
                    RECORDER.warning(cx, self.cron, "FailedCreate", &format!("Error creating job: {status}"));
                }
                return Err(status);
            }
        };
        let mut active = self.active().to_vec();
        active.push(json!({
            "kind": "Job", "apiVersion": "batch/v1", "name": job_name, "namespace": namespace(&job),
            "uid": uid(&job), "resourceVersion": job["metadata"]["resourceVersion"],
        }));
        self.status["active"] = active.into();
        self.status["lastScheduleTime"] = stamp(at);
        Ok(())
    }

    /// Deletes the jobs that still run.
    fn replace(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        for reference in self.active().to_vec() {
            let Some(job) = cx.get(&JOBS, &self.key.namespace, text(&reference["name"])) else {
                let missing = Status::not_found("batch", "jobs", text(&reference["name"]));
                RECORDER.warning(cx, self.cron, "FailedGet", &format!("Get job: {missing}"));
                return Err(missing);
            };
            self.delete(cx, &job)?;
        }
        Ok(())
    }

    fn delete(&mut self, cx: &mut Cx<'_>, job: &Value) -> Result<()> {
        let options =
            DeleteOptions { propagation: Some(Propagation::Background), ..DeleteOptions::default() };
        if let Err(status) = cx.delete(&key_of(&JOBS, job), &options) {
            RECORDER.warning(cx, self.cron, "FailedDelete", &format!("Deleted job: {status}"));
            return Err(status);
        }
        self.forget(uid(job));
        RECORDER.normal(cx, self.cron, "SuccessfulDelete", &format!("Deleted job {}", name(job)));
        Ok(())
    }

    fn job(&self, job_name: &str, at: Timestamp, zone: &TimeZone) -> Value {
        let template = &self.cron["spec"]["jobTemplate"];
        let mut metadata = json!({
            "name": job_name, "namespace": self.key.namespace, "ownerReferences": [controlled_by(self.cron)],
            "annotations": template["metadata"]["annotations"],
        });
        if let Some(labels) = template["metadata"].get("labels") {
            metadata["labels"] = labels.clone();
        }
        let zoned = at.to_zoned(zone.clone());
        let offset = if zoned.offset().is_zero() { "Z" } else { "%:z" };
        metadata["annotations"][SCHEDULED] = zoned.strftime(&format!("%FT%T{offset}")).to_string().into();
        json!({"metadata": metadata, "spec": template["spec"]})
    }

    /// The times between the last one that was acted on and now.
    fn missed(
        &self,
        schedule: &Schedule,
        now: Timestamp,
        within_deadline: bool,
    ) -> std::result::Result<Missed, &'static str> {
        let mut since = time(&self.status["lastScheduleTime"]).unwrap_or_else(|| created(self.cron));
        if let Some(seconds) =
            self.cron["spec"]["startingDeadlineSeconds"].as_i64().filter(|_| within_deadline)
        {
            since = since.max(now - SignedDuration::from_secs(seconds));
        }
        let never = "time difference between two schedules is less than 1 second";
        let first = schedule.next(since).ok_or(never)?;
        if now < first {
            return Ok(Missed { since, latest: None, count: 0 });
        }
        let second = schedule.next(first).ok_or(never)?;
        if now < second {
            return Ok(Missed { since, latest: Some(first), count: 0 });
        }
        // As the real one, it reckons by the first distance, so as not to count through years of minutes.
        let apart = second.duration_since(first).as_secs().max(1);
        let count = now.duration_since(first).as_secs() / apart + 1;
        let near = first + SignedDuration::from_secs((count - 2) * apart);
        let all = std::iter::successors(schedule.next(near), |at| schedule.next(*at));
        Ok(Missed { since, latest: all.take_while(|at| *at <= now).last(), count })
    }

    /// When to look again.
    fn next(&self, schedule: &Schedule, now: Timestamp) -> Option<Timestamp> {
        let after = match self.missed(schedule, now, false) {
            Ok(Missed { latest: Some(latest), .. }) => latest,
            Ok(Missed { since, count: 0, .. }) => since,
            Ok(_) | Err(_) => now,
        };
        schedule.next(after)
    }

    fn active(&self) -> &[Value] {
        list(&self.status, "/active")
    }

    fn is_active(&self, uid: &str) -> bool {
        self.active().iter().any(|reference| text(&reference["uid"]) == uid)
    }

    fn forget(&mut self, uid: &str) {
        let Some(status) = self.status.as_object_mut() else { return };
        let Some(active) = status.get_mut("active").and_then(Value::as_array_mut) else { return };
        active.retain(|reference| text(&reference["uid"]) != uid);
        if active.is_empty() {
            status.remove("active");
        }
    }

    fn write(self, cx: &mut Cx<'_>) -> Result<()> {
        if self.cron["status"] == self.status {
            return Ok(());
        }
        cx.modify(self.key, Some(Subresource::Status), |cron| cron["status"] = self.status).map(drop)
    }
}

/// Times that have gone by without a job.
struct Missed {
    /// From when on they are counted.
    since: Timestamp,
    latest: Option<Timestamp>,
    /// How many, roughly, if more than one.
    count: i64,
}
