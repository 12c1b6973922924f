use serde_json::{Value, json};

use super::World;
use super::world::template;
use crate::controllers::object::{JOBS, PODS, annotation, condition, int, is_going, list, text_at};

fn job(image: &str, more: &Value) -> Value {
    let mut template = template(image, &json!({}));
    template["spec"]["restartPolicy"] = "Never".into();
    let mut spec = json!({"template": template});
    for (key, value) in more.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    json!({"metadata": {"name": "work"}, "spec": spec})
}

/// `good` runs for 10 s, `bad` fails after 5 s, `long` runs for an hour and has to be killed.
fn world() -> World {
    World::with(json!({"images": [
        {"match": "good", "run": {"for": "10s"}},
        {"match": "bad", "run": {"for": "5s", "exit": 3}},
        {"match": "long", "run": {"for": "1h"}, "stop": null},
    ]}))
}

fn status(world: &World) -> Value {
    world.get(&JOBS, "work")["status"].clone()
}

fn ended(world: &World) -> Vec<String> {
    let status = status(world);
    let conditions = list(&status, "/conditions").iter();
    conditions.map(|c| format!("{} {}", text_at(c, "/type"), text_at(c, "/reason"))).collect()
}

/// A shell that ends well or badly by its index.
fn by_index(script: &str, more: &Value) -> Value {
    let mut wanted = job("sh", more);
    wanted["spec"]["completionMode"] = "Indexed".into();
    wanted["spec"]["template"]["spec"]["containers"][0]["command"] = json!(["sh", "-c", script]);
    wanted
}

const ODD_FAILS: &str = "test $JOB_COMPLETION_INDEX = 0 || test $JOB_COMPLETION_INDEX = 2";

#[test]
fn retries_wait_longer_each_time_until_the_limit() {
    let mut world = world();
    world.create(&JOBS, job("bad", &json!({"backoffLimit": 2})));
    world.pass(10);
    assert_eq!(int(&status(&world), "/failed"), 1);
    world.pass(10);
    assert_eq!(world.list(&PODS).len(), 2, "10 s after the first failure");
    world.pass(20);
    assert_eq!((int(&status(&world), "/failed"), world.list(&PODS).len()), (2, 2));
    world.pass(20);
    assert_eq!(int(&status(&world), "/failed"), 3);
    assert_eq!(ended(&world), ["FailureTarget BackoffLimitExceeded", "Failed BackoffLimitExceeded"]);
}

#[test]
fn each_index_completes_once() {
    let mut world = world();
    let more = json!({"completions": 5, "parallelism": 2, "completionMode": "Indexed"});
    world.create(&JOBS, job("good", &more));
    world.pass(15);
    assert_eq!((int(&status(&world), "/active"), text_at(&status(&world), "/completedIndexes")), (2, "0,1"));
    world.pass(30);
    assert_eq!(text_at(&status(&world), "/completedIndexes"), "0-4");
    assert_eq!(ended(&world), ["SuccessCriteriaMet CompletionsReached", "Complete CompletionsReached"]);
}

#[test]
fn an_index_fails_by_itself_when_its_own_limit_is_reached() {
    let mut world = world();
    let more = json!({"completions": 4, "parallelism": 4, "backoffLimitPerIndex": 1});
    world.create(&JOBS, by_index(ODD_FAILS, &more));
    world.pass(5);
    assert_eq!(text_at(&status(&world), "/completedIndexes"), "0,2");
    assert_eq!(status(&world)["failedIndexes"], "");
    world.pass(10);
    let again: Vec<Value> = world
        .list(&PODS)
        .into_iter()
        .filter(|pod| annotation(pod, "batch.kubernetes.io/job-index-failure-count") == Some("1"))
        .collect();
    assert_eq!(again.len(), 2);
    world.pass(10);
    assert_eq!(status(&world)["failedIndexes"], "1,3");
    assert_eq!((int(&status(&world), "/failed"), int(&status(&world), "/succeeded")), (4, 2));
    assert_eq!(ended(&world), ["FailureTarget FailedIndexes", "Failed FailedIndexes"]);
}

#[test]
fn too_many_failed_indexes_end_the_job() {
    let mut world = world();
    let more = json!({"completions": 4, "parallelism": 2, "backoffLimitPerIndex": 0, "maxFailedIndexes": 0});
    world.create(&JOBS, by_index(ODD_FAILS, &more));
    world.pass(30);
    assert_eq!(ended(&world), ["FailureTarget MaxFailedIndexesExceeded", "Failed MaxFailedIndexesExceeded"]);
}

#[test]
fn a_rule_fails_one_index_at_once() {
    let mut world = world();
    let rule = json!({"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [1]}});
    let more = json!({
        "completions": 2, "parallelism": 2, "backoffLimitPerIndex": 5, "podFailurePolicy": {"rules": [rule]},
    });
    world.create(&JOBS, by_index(ODD_FAILS, &more));
    world.pass(30);
    assert_eq!(status(&world)["failedIndexes"], "1");
    assert_eq!(int(&status(&world), "/failed"), 1);
}

#[test]
fn enough_success_ends_the_job_before_all_indexes_are_done() {
    let mut world = world();
    let script = "test $JOB_COMPLETION_INDEX = 0 || sleep 3600";
    let more = json!({
        "completions": 3, "parallelism": 3, "successPolicy": {"rules": [{"succeededIndexes": "0"}]},
    });
    world.create(&JOBS, by_index(script, &more));
    world.pass(50);
    assert_eq!(ended(&world), ["SuccessCriteriaMet SuccessPolicy", "Complete SuccessPolicy"]);
    assert_eq!((int(&status(&world), "/succeeded"), int(&status(&world), "/failed")), (1, 0));
    let job = world.get(&JOBS, "work");
    assert_eq!(condition(&job, "Complete").expect("the end")["message"], "Matched rules at index 0");
}

#[test]
fn an_ignored_failure_does_not_count() {
    let mut world = world();
    let rule = json!({"action": "Ignore", "onExitCodes": {"operator": "In", "values": [3]}});
    let more = json!({"backoffLimit": 0, "podFailurePolicy": {"rules": [rule]}});
    world.create(&JOBS, job("bad", &more));
    world.pass(60);
    assert_eq!((int(&status(&world), "/failed"), ended(&world)), (0, Vec::new()));
    assert!(world.list(&PODS).len() > 2);
}

#[test]
fn a_deleted_pod_counts_as_failed_and_is_replaced_at_once_or_when_it_has_ended() {
    for (policy, at_once) in [("TerminatingOrFailed", true), ("Failed", false)] {
        let mut world = world();
        world.create(&JOBS, job("long", &json!({"podReplacementPolicy": policy, "backoffLimit": 4})));
        world.pass(10);
        let pod = world.pods("/metadata/name").remove(0);
        world.delete(&PODS, &pod);
        world.pass(20);
        assert_eq!(int(&status(&world), "/failed"), i64::from(at_once), "{policy}");
        assert_eq!(world.pods("/metadata/name").len(), usize::from(at_once), "{policy}");
        world.pass(30);
        assert_eq!((int(&status(&world), "/failed"), int(&status(&world), "/active")), (1, 1), "{policy}");
    }
}

#[test]
fn a_deadline_stops_what_runs() {
    let mut world = world();
    world.create(
        &JOBS,
        job("long", &json!({"activeDeadlineSeconds": 20, "parallelism": 2, "completions": 2})),
    );
    world.pass(21);
    assert_eq!(ended(&world), ["FailureTarget DeadlineExceeded"]);
    assert!(world.list(&PODS).iter().all(is_going));
    world.pass(40);
    assert_eq!(ended(&world), ["FailureTarget DeadlineExceeded", "Failed DeadlineExceeded"]);
    assert_eq!(int(&status(&world), "/failed"), 2);
}

#[test]
fn a_suspended_job_has_no_pods_and_its_time_begins_anew() {
    let mut world = world();
    world.create(&JOBS, job("long", &json!({"activeDeadlineSeconds": 100})));
    world.pass(50);
    world.change(&JOBS, "work", |job| job["spec"]["suspend"] = true.into());
    world.pass(40);
    assert_eq!(world.list(&PODS), Vec::<Value>::new());
    assert_eq!(ended(&world), ["Suspended JobSuspended"]);
    world.change(&JOBS, "work", |job| job["spec"]["suspend"] = false.into());
    world.pass(70);
    assert_eq!((int(&status(&world), "/active"), int(&status(&world), "/failed")), (1, 0));
    world.pass(35);
    assert_eq!(ended(&world), ["Suspended JobResumed", "FailureTarget DeadlineExceeded"]);
}

#[test]
fn a_finished_job_goes_when_its_time_to_live_is_over() {
    let mut world = world();
    world.create(&JOBS, job("good", &json!({"ttlSecondsAfterFinished": 30})));
    world.pass(40);
    assert_eq!(ended(&world).len(), 2);
    world.pass(10);
    assert_eq!((world.get(&JOBS, "work"), world.list(&PODS)), (Value::Null, Vec::new()));
}

#[test]
fn what_policies_cannot_mean_is_refused_with_its_field() {
    let mut world = world();
    for (more, wanted) in [
        (
            json!({"backoffLimitPerIndex": 1}),
            "spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion",
        ),
        (
            json!({"podFailurePolicy": {"rules": [{"action": "FailJob"}]}}),
            "spec.podFailurePolicy.rules[0]: Invalid value: specifying one of OnExitCodes and OnPodConditions is required",
        ),
        (
            json!({"podFailurePolicy": {"rules": [
                {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [3, 0]}},
            ]}}),
            "spec.podFailurePolicy.rules[0].onExitCodes.values[1]: Invalid value: 0: must not be 0 for the In operator",
        ),
        (
            json!({"completionMode": "Indexed", "completions": 2, "successPolicy": {"rules": [{"succeededIndexes": "0-5"}]}}),
            "spec.successPolicy.rules[0].succeededIndexes: Invalid value: \"0-5\": error parsing succeededIndexes: too large",
        ),
    ] {
        let refused = world.try_create(&JOBS, job("good", &more)).expect_err(wanted);
        assert!(refused.code == 422 && refused.message.contains(wanted), "{refused}");
    }
}
