//! The playbooks that come with opsrun: they deploy, roll back and scale in a rehearsal, and take back what fails.
#![allow(clippy::disallowed_methods)] // runs the program, and reads and writes what is expected of it

use std::ffi::OsStr;
use std::path::PathBuf;

use opsrun_tests::Program;

const DEPLOY: [&str; 2] = ["rehearse", "playbooks/deploy-prod.rhai"];

/// Plays a rehearsal and compares all of it with a file in `shipped/`; `UPDATE_EXPECTED=1` writes the file.
#[track_caller]
fn rehearsed(name: &str, arguments: &[&str]) {
    let outcome = opsrun().run(["rehearse"].iter().chain(arguments));
    let code = outcome.code.expect("no signal ends it");
    let said = format!(
        "$ opsrun rehearse {}\n{}{}[exit {code}]\n",
        arguments.join(" "),
        outcome.stdout,
        outcome.stderr
    );
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/shipped").join(name);
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&path, &said).expect("the expected output can be written");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == said,
        "{} differs (UPDATE_EXPECTED=1 writes it)\n--- expected\n{expected}\n--- actual\n{said}",
        path.display()
    );
}

/// In the checkout's root, as the README has it.
fn opsrun() -> Program {
    Program::new(env!("CARGO_BIN_EXE_opsrun"))
}

#[test]
fn nothing_is_found_in_the_playbooks() {
    let mut said = String::new();
    let names = [
        "deploy-prod",
        "rollback",
        "scale",
        "scale-nodes",
        "region-switch",
        "estate-setup",
        "backup",
        "restore",
        "verify-backups",
        "migrate-database",
        "dr/database-failure",
        "dr/data-corruption",
    ];
    for name in names {
        said += &opsrun().run(["check", &format!("playbooks/{name}.rhai")]).ok();
    }
    let wrong: Vec<_> = said.lines().filter(|line| !line.ends_with(": nothing found")).collect();
    assert!(wrong.is_empty() && said.lines().count() == names.len(), "{said}");
}

#[test]
fn a_deployment_upgrades_migrates_and_observes() {
    rehearsed("deploy.txt", &["playbooks/deploy-prod.rhai"]);
}

#[test]
fn a_forbidden_patch_is_taken_back_and_leaves_the_estate_as_it_was() {
    rehearsed(
        "deploy-forbidden.txt",
        &["playbooks/deploy-prod.rhai", "--fault", "k8s patch deployments: 403"],
    );
}

#[test]
fn a_version_that_crashes_is_taken_back_with_its_pod_and_log_as_the_cause() {
    rehearsed("deploy-broken.txt", &["playbooks/deploy-prod.rhai", "--version", "0.0.0-broken"]);
}

#[test]
fn a_rollback_goes_to_the_revision_before() {
    let estate = "engine/cli/tests/shipped/upgraded.yaml";
    rehearsed("rollback.txt", &["playbooks/rollback.rhai", "--estate", estate]);
}

#[test]
fn a_first_revision_has_nothing_to_go_back_to() {
    rehearsed("rollback-first.txt", &["playbooks/rollback.rhai"]);
}

#[test]
fn a_rollback_goes_to_the_revision_that_is_named() {
    let estate = "engine/cli/tests/shipped/upgraded.yaml";
    let named = ["playbooks/rollback.rhai", "--estate", estate, "--revision"];
    rehearsed("rollback-named.txt", &[&named[..], &["1"]].concat());
    rehearsed("rollback-unknown.txt", &[&named[..], &["9"]].concat());
}

#[test]
fn a_release_that_does_not_exist_is_not_rolled_back() {
    rehearsed("rollback-missing.txt", &["playbooks/rollback.rhai", "--release", "none"]);
}

#[test]
fn a_component_is_scaled_through_its_autoscaler() {
    rehearsed("scale.txt", &["playbooks/scale.rhai", "--component", "ws", "--replicas", "5"]);
}

#[test]
fn a_component_that_does_not_come_up_in_time_is_scaled_back() {
    let late = ["--component", "ws", "--replicas", "5", "--within", "2s"];
    rehearsed("scale-late.txt", &[&["playbooks/scale.rhai"][..], &late].concat());
}

#[test]
fn no_pods_at_all_are_refused() {
    rehearsed("scale-zero.txt", &["playbooks/scale.rhai", "--component", "api", "--replicas", "0"]);
}

#[test]
fn a_nightly_backup_is_verified_and_copied_to_the_other_region() {
    let said = opsrun().run(["rehearse", "playbooks/backup.rhai"]).with_code(0).to_string();
    for told in [
        "\"rows of public.workflows\": 1200",
        "\"keys of database 0\": 6",
        "\"objects\": 3",
        "\"objects of Deployment\": 3",
        "4 copied, 0 were there",
    ] {
        assert!(said.contains(told), "{told} is not in\n{said}");
    }
    assert!(said.contains("eu: 4 snapshots kept, 0 forgotten"), "{said}");
}

#[test]
fn a_column_is_changed_in_steps_and_put_back_if_the_last_one_fails() {
    let migrate = ["rehearse", "playbooks/migrate-database.rhai"];
    let said = opsrun().run(migrate).with_code(0).to_string();
    assert!(said.contains("1200 rows of workflows have their title"), "{said}");
    let fault = ["--fault", "postgres alter: 403 after 1"];
    let refused = opsrun().run([&migrate[..], &fault[..]].concat()).with_code(3).to_string();
    assert!(
        refused.contains("permission denied (42501)") && refused.contains("the estate is as it was"),
        "{refused}"
    );
}

/// What the simulated application has written between the newest backup and the failure is lost: two minutes of every two seconds.
#[test]
fn a_lost_database_is_back_within_an_hour_with_all_but_the_last_minutes() {
    let lost =
        ["playbooks/dr/database-failure.rhai", "--estate", "playbooks/workflow-platform/database-lost.yaml"];
    rehearsed("database-lost.txt", &[&lost[..], &["--strict", "true"]].concat());
    rehearsed("database-lost-late.txt", &[&lost[..], &["--strict", "true", "--rto", "10m"]].concat());
    let refused = ["--fault", "aws rds:RestoreDBInstanceToPointInTime: 403"];
    rehearsed("database-lost-forbidden.txt", &[&lost[..], &refused].concat());
}

#[test]
fn a_database_that_answers_is_not_restored() {
    rehearsed("database-there.txt", &["playbooks/dr/database-failure.rhai"]);
}

#[test]
fn bad_data_are_taken_back_to_the_last_good_moment_and_what_was_written_since_is_counted() {
    let bad =
        ["playbooks/dr/data-corruption.rhai", "--estate", "playbooks/workflow-platform/data-corrupted.yaml"];
    rehearsed("data-corrupted.txt", &[&bad[..], &["--strict", "true"]].concat());
    rehearsed("data-corrupted-earlier.txt", &[&bad[..], &["--step-back", "1m", "--tries", "2"]].concat());
}

#[test]
fn nodes_are_scaled_and_cost_what_was_said() {
    rehearsed("nodes.txt", &["playbooks/scale-nodes.rhai", "--nodes", "9"]);
}

#[test]
fn nodes_that_may_not_be_changed_or_do_not_come_are_told_and_taken_back() {
    let nodes = ["playbooks/scale-nodes.rhai", "--nodes", "9"];
    let fault = ["--fault", "aws eks:UpdateNodegroupConfig: 403"];
    rehearsed("nodes-forbidden.txt", &[&nodes[..], &fault].concat());
    rehearsed("nodes-late.txt", &[&nodes[..], &["--within", "30s"]].concat());
    // Another group of nodes has what the quota has left.
    let crowded = ["--estate", "engine/cli/tests/shipped/crowded.yaml"];
    rehearsed("nodes-crowded.txt", &[&nodes[..], &crowded].concat());
}

#[test]
fn too_many_or_too_dear_nodes_are_refused_before_anything_changes() {
    let crowded = ["--estate", "engine/cli/tests/shipped/crowded.yaml"];
    rehearsed("nodes-quota.txt", &[&["playbooks/scale-nodes.rhai", "--nodes", "20"][..], &crowded].concat());
    rehearsed("nodes-budget.txt", &["playbooks/scale-nodes.rhai", "--nodes", "20", "--budget", "1500"]);
}

#[test]
fn a_rollback_restores_the_database_beside_the_present_one_and_swaps_them() {
    let estate = ["--estate", "engine/cli/tests/shipped/upgraded.yaml"];
    let rollback = |snapshot| [&["playbooks/rollback.rhai", "--snapshot", snapshot][..], &estate].concat();
    rehearsed("rollback-database.txt", &rollback("workflow-prod-nightly"));
    rehearsed("rollback-no-snapshot.txt", &rollback("none"));
}

#[test]
fn users_are_led_to_the_other_region_while_the_first_is_down() {
    let down = ["--estate", "playbooks/workflow-platform/region-down.yaml"];
    let switch = [&["playbooks/region-switch.rhai"][..], &down].concat();
    rehearsed("region.txt", &switch);
    let fault = ["--fault", "aws route53:ChangeResourceRecordSets: 403"];
    rehearsed("region-forbidden.txt", &[&switch[..], &fault].concat());
    rehearsed("region-lost.txt", &[&switch[..], &["--to", "us-west-2"]].concat());
}

#[test]
fn users_are_not_led_to_a_database_that_lacks_too_much_unless_that_is_accepted() {
    let switch = ["playbooks/region-switch.rhai", "--estate", "engine/cli/tests/shipped/lagging.yaml"];
    rehearsed("region-lagging.txt", &switch);
    rehearsed("region-accepted.txt", &[&switch[..], &["--accept-loss", "true"]].concat());
}

#[test]
fn a_deployment_stays_although_nobody_can_be_told() {
    let slack = ["--slack", "https://hooks.slack.com/services/T0/B0/x", "--observe", "1s"];
    let said = opsrun().run(DEPLOY.iter().chain(&slack)).ok();
    assert!(said.contains("* http POST hooks.slack.com/services/T0/B0/x"), "{said}");
    let said = opsrun().run(DEPLOY.iter().chain(&slack).chain(&["--fault", "http POST: 500"])).ok();
    assert!(said.contains("nobody is told: workflow-platform 1.1.0 is deployed to prod"), "{said}");
}

#[test]
fn more_pods_than_the_autoscaler_allows_are_refused_before_anything_changes() {
    rehearsed("scale-too-far.txt", &["playbooks/scale.rhai", "--component", "api", "--replicas", "50"]);
}

#[test]
fn what_scaling_moved_is_left_by_a_deployment_and_its_undo_unless_it_is_to_be_taken_over() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let shipped = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/shipped");
    let upgraded = std::fs::read_to_string(shipped.join("upgraded.yaml")).expect("it is there");
    let setup = format!("setup: {}", shipped.join("scaled.rhai").display());
    let estate = folder.path().join("estate.yaml");
    std::fs::write(&estate, upgraded.replace("setup: upgraded.rhai", &setup)).expect("it can be written");
    let rehearsed = |more: &[&str]| {
        let words = DEPLOY.into_iter().chain(["--estate"]).map(OsStr::new);
        opsrun().run(words.chain([estate.as_os_str()]).chain(more.iter().map(OsStr::new)))
    };

    let left = rehearsed(&[]).with_code(3);
    for part in [
        "`.spec.minReplicas` is managed by `opsrun`",
        "stays as `opsrun` has set it",
        "the estate is as it was",
    ] {
        assert!(left.to_string().contains(part), "{part} is not in\n{left}");
    }
    rehearsed(&["--force", "true"]).ok();
}

#[test]
fn the_same_seed_gives_the_same_output() {
    for form in ["text", "json"] {
        let rehearse = || opsrun().run(DEPLOY.iter().chain(&["--seed", "7", "--output", form])).ok();
        let first = rehearse();
        for _ in 0..2 {
            assert!(rehearse() == first, "a second rehearsal with the same seed says something else");
        }
    }
}

#[test]
fn every_line_of_the_json_output_is_an_object_and_the_last_run_event_has_the_exit_code() {
    let fault = ["--fault", "k8s patch deployments: 403", "--output", "json"];
    let said = opsrun().run(DEPLOY.iter().chain(&fault)).with_code(3).stdout;
    let events: Vec<serde_json::Value> =
        said.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    let ended = events.iter().find(|event| event["event"] == "ended").expect("it tells how it ended");
    assert_eq!((&ended["outcome"], &ended["exit_code"]), (&"undone".into(), &3.into()));
}
