use serde_json::{Value, json};

use super::World;
use super::world::{cron_job, name_of};
use crate::controllers::object::{CRON_JOBS, JOBS, PODS, condition_is, int, list, text_at};

/// A world in which the image `task` runs for so long. It is 03:00:01.
fn world(seconds: i64) -> World {
    World::with(json!({"images": [{"match": "task", "run": {"for": format!("{seconds}s")}}]}))
}

fn names(world: &World) -> Vec<String> {
    world.list(&JOBS).iter().map(name_of).collect()
}

fn active(world: &World) -> Vec<String> {
    let cron = world.get(&CRON_JOBS, "tick");
    list(&cron, "/status/active").iter().map(|job| text_at(job, "/name").to_owned()).collect()
}

/// The events of the CronJob, without its successful starts.
fn incidents(world: &World) -> Vec<String> {
    let mut events = world.events("CronJob");
    events.retain(|event| !event.starts_with("SuccessfulCreate"));
    events
}

/// The minute of 03:01 on that day, since the epoch.
const FIRST: i64 = 29_455_381;

#[test]
fn a_job_starts_at_each_time_of_the_schedule_and_is_seen_to_end() {
    let mut world = world(20);
    let mut wanted = cron_job("* * * * *");
    wanted["spec"]["jobTemplate"]["metadata"] = json!({"labels": {"a": "b"}, "annotations": {"c": "d"}});
    let cron = world.create(&CRON_JOBS, wanted);
    world.pass(50);
    assert_eq!(names(&world), Vec::<String>::new());
    world.pass(20);
    assert_eq!(names(&world), [format!("tick-{FIRST}")]);
    assert_eq!(active(&world), [format!("tick-{FIRST}")]);
    let job = world.list(&JOBS)[0].clone();
    assert_eq!(job["metadata"]["labels"]["a"], "b");
    assert_eq!(
        job["metadata"]["annotations"],
        json!({"c": "d", "batch.kubernetes.io/cronjob-scheduled-timestamp": "2026-01-02T03:01:00Z"})
    );
    assert_eq!(
        job["metadata"]["ownerReferences"],
        json!([{
            "apiVersion": "batch/v1", "kind": "CronJob", "name": "tick", "uid": cron["metadata"]["uid"],
            "controller": true, "blockOwnerDeletion": true,
        }])
    );
    world.pass(30);
    let status = world.get(&CRON_JOBS, "tick")["status"].clone();
    let ended = world.list(&JOBS)[0]["status"]["completionTime"].clone();
    assert_eq!(status, json!({"lastScheduleTime": "2026-01-02T03:01:00Z", "lastSuccessfulTime": ended}));
    assert_eq!(
        world.events("CronJob"),
        [
            format!("SuccessfulCreate Created job tick-{FIRST}"),
            format!("SawCompletedJob Saw completed job: tick-{FIRST}, condition: Complete"),
        ]
    );
}

#[test]
fn allow_lets_jobs_run_beside_each_other() {
    let mut world = world(150);
    world.create(&CRON_JOBS, cron_job("* * * * *"));
    world.pass(180);
    assert_eq!(active(&world).len(), 3);
    assert_eq!(world.pods("/status/phase"), ["Running"; 3]);
}

#[test]
fn forbid_starts_none_while_one_runs_and_makes_up_for_it_afterwards() {
    let mut world = world(90);
    let mut wanted = cron_job("* * * * *");
    wanted["spec"]["concurrencyPolicy"] = "Forbid".into();
    world.create(&CRON_JOBS, wanted);
    world.pass(150);
    assert_eq!(names(&world), [format!("tick-{FIRST}")]);
    let why = "JobAlreadyActive Not starting job because prior execution is running and concurrency policy is Forbid";
    assert_eq!(incidents(&world), [why]);
    world.pass(10);
    // The first has ended in the third minute: the job of that minute is started late.
    assert_eq!(names(&world), [format!("tick-{FIRST}"), format!("tick-{}", FIRST + 1)]);
}

#[test]
fn replace_ends_the_one_that_runs() {
    let mut world = world(90);
    let mut wanted = cron_job("* * * * *");
    wanted["spec"]["concurrencyPolicy"] = "Replace".into();
    world.create(&CRON_JOBS, wanted);
    world.pass(130);
    assert_eq!(active(&world), [format!("tick-{}", FIRST + 1)]);
    assert_eq!(incidents(&world), [format!("SuccessfulDelete Deleted job tick-{FIRST}")]);
    world.pass(40);
    assert_eq!(names(&world), [format!("tick-{}", FIRST + 1)]);
    let pods = world.list(&PODS);
    assert!(pods.iter().all(|pod| text_at(pod, "/metadata/ownerReferences/0/name") == names(&world)[0]));
}

#[test]
fn as_many_finished_jobs_are_kept_as_the_limits_say() {
    let mut world = World::with(json!({"images": [
        {"match": "task", "run": {"for": "5s"}}, {"match": "bad", "run": {"for": "5s", "exit": 1}},
    ]}));
    let mut wanted = cron_job("* * * * *");
    wanted["spec"]["successfulJobsHistoryLimit"] = 2.into();
    wanted["spec"]["jobTemplate"]["spec"]["backoffLimit"] = 0.into();
    world.create(&CRON_JOBS, wanted);
    world.pass(5 * 60 + 30);
    let kept = names(&world);
    assert_eq!(kept, [format!("tick-{}", FIRST + 3), format!("tick-{}", FIRST + 4)]);
    assert!(incidents(&world).contains(&format!("SuccessfulDelete Deleted job tick-{FIRST}")));
    world.change(&CRON_JOBS, "tick", |cron| {
        cron["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["image"] = "bad".into();
    });
    world.pass(3 * 60);
    let failed: Vec<Value> =
        world.list(&JOBS).into_iter().filter(|job| condition_is(job, "Failed", "True")).collect();
    assert_eq!(failed.iter().map(name_of).collect::<Vec<_>>(), [format!("tick-{}", FIRST + 7)]);
    assert_eq!(names(&world).len(), 3);
}

#[test]
fn a_suspended_one_starts_nothing_and_when_resumed_the_last_it_missed() {
    let mut world = world(5);
    let mut wanted = cron_job("* * * * *");
    wanted["spec"]["suspend"] = true.into();
    world.create(&CRON_JOBS, wanted);
    world.pass(200);
    assert_eq!(names(&world), Vec::<String>::new());
    world.change(&CRON_JOBS, "tick", |cron| cron["spec"]["suspend"] = false.into());
    world.pass(1);
    assert_eq!(names(&world), [format!("tick-{}", FIRST + 2)]);
}

#[test]
fn a_start_that_is_too_late_is_missed() {
    let mut world = world(110);
    let mut wanted = cron_job("* * * * *");
    wanted["spec"]["concurrencyPolicy"] = "Forbid".into();
    wanted["spec"]["startingDeadlineSeconds"] = 15.into();
    world.create(&CRON_JOBS, wanted);
    world.pass(178);
    // It ended 50 s after the second minute: too late for that one's job.
    assert_eq!(names(&world), [format!("tick-{FIRST}")]);
    world.pass(10);
    assert_eq!(names(&world), [format!("tick-{FIRST}"), format!("tick-{}", FIRST + 2)]);
}

#[test]
fn more_than_a_hundred_missed_starts_are_reported() {
    let mut world = world(5);
    let mut wanted = cron_job("* * * * *");
    wanted["spec"]["suspend"] = true.into();
    world.create(&CRON_JOBS, wanted);
    world.pass(103 * 60);
    world.change(&CRON_JOBS, "tick", |cron| cron["spec"]["suspend"] = false.into());
    world.pass(2);
    assert_eq!(names(&world), [format!("tick-{}", FIRST + 102)]);
    let why = "TooManyMissedTimes too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check \
        clock skew";
    assert_eq!(incidents(&world), [why]);
}

#[test]
fn a_new_schedule_starts_nothing_for_times_gone_by() {
    let mut world = world(5);
    world.create(&CRON_JOBS, cron_job("0 12 * * *"));
    world.pass(600);
    world.change(&CRON_JOBS, "tick", |cron| cron["spec"]["schedule"] = "*/5 * * * *".into());
    world.pass(60);
    assert_eq!(names(&world), Vec::<String>::new());
    world.pass(240);
    assert_eq!(names(&world), [format!("tick-{}", FIRST + 14)]);
}

#[test]
fn a_time_zone_says_whose_clock_counts() {
    let mut world = world(5);
    let mut wanted = cron_job("0 9 * * *");
    wanted["spec"]["timeZone"] = "Asia/Kolkata".into();
    world.create(&CRON_JOBS, wanted);
    world.pass(3600);
    let jobs = world.list(&JOBS);
    let scheduled = "/metadata/annotations/batch.kubernetes.io~1cronjob-scheduled-timestamp";
    let times: Vec<&str> = jobs.iter().map(|job| text_at(job, scheduled)).collect();
    assert_eq!(times, ["2026-01-02T09:00:00+05:30"]);
}

#[test]
fn its_jobs_go_with_it() {
    let mut world = world(300);
    world.create(&CRON_JOBS, cron_job("* * * * *"));
    world.pass(70);
    world.delete(&CRON_JOBS, "tick");
    world.pass(40);
    assert_eq!(names(&world), Vec::<String>::new());
    assert_eq!(world.list(&PODS), Vec::<Value>::new());
}

#[test]
fn a_job_that_somebody_else_made_for_it_is_reported() {
    let mut world = world(5);
    let cron = world.create(&CRON_JOBS, cron_job("0 12 * * *"));
    let owner = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "name": "tick", "uid": cron["metadata"]["uid"], "controller": true,
    });
    let spec = cron["spec"]["jobTemplate"]["spec"].clone();
    world.create(&JOBS, json!({"metadata": {"name": "by-hand", "ownerReferences": [owner]}, "spec": spec}));
    world.pass(20);
    let why = "UnexpectedJob Saw a job that the controller did not create or forgot: by-hand";
    assert_eq!(incidents(&world), [why]);
    let cron = world.get(&CRON_JOBS, "tick");
    assert_eq!(cron["status"]["lastSuccessfulTime"], world.list(&JOBS)[0]["status"]["completionTime"]);
    assert_eq!(int(&world.list(&JOBS)[0], "/status/succeeded"), 1);
}

#[test]
fn what_a_schedule_cannot_mean_is_refused_with_its_field() {
    let mut world = World::new();
    for (schedule, zone, name, wanted) in [
        (
            "61 * * * *",
            "UTC",
            "tick",
            "spec.schedule: Invalid value: \"61 * * * *\": end of range (61) above maximum",
        ),
        (
            "* * * * *",
            "Mars/Base",
            "tick",
            "spec.timeZone: Invalid value: \"Mars/Base\": unknown time zone Mars/Base",
        ),
        ("* * * * *", "europe/berlin", "tick", "unknown time zone europe/berlin"),
        ("* * * * *", "UTC", &"t".repeat(53), "metadata.name: Invalid value: "),
    ] {
        let mut cron = cron_job(schedule);
        cron["metadata"]["name"] = name.into();
        cron["spec"]["timeZone"] = zone.into();
        let refused = world.try_create(&CRON_JOBS, cron).expect_err(wanted);
        assert!(refused.code == 422 && refused.message.contains(wanted), "{refused}");
    }
}
