//! What is kept is what restic keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use restic_repository::{
    BackupOptions, Decision, Grouping, NamedSnapshot, Period, Policy, Surroundings, Time, decide, group,
};
use serde_json::Value;

use crate::support::{FolderStorage, Restic, Simulated, backup, file, make, of, snapshots};

/// The same as restic is told it, and as we are.
fn policies() -> Vec<(Vec<&'static str>, Policy)> {
    let period = |text: &str| Some(text.parse::<Period>().expect("a period"));
    let tags = |lists: &[&[&str]]| {
        lists.iter().map(|list| list.iter().map(|tag| (*tag).to_owned()).collect()).collect()
    };
    let none = Policy::default();
    vec![
        (vec!["--keep-last", "3"], Policy { last: 3, ..none.clone() }),
        (vec!["--keep-hourly", "5"], Policy { hourly: 5, ..none.clone() }),
        (vec!["--keep-daily", "7"], Policy { daily: 7, ..none.clone() }),
        (vec!["--keep-weekly", "6"], Policy { weekly: 6, ..none.clone() }),
        (vec!["--keep-monthly", "100", "--keep-last", "1"], Policy { monthly: 100, last: 1, ..none.clone() }),
        (vec!["--keep-yearly", "2", "--keep-daily", "30"], Policy { yearly: 2, daily: 30, ..none.clone() }),
        (vec!["--keep-within", "1m3d2h"], Policy { within: period("1m3d2h"), ..none.clone() }),
        (
            vec!["--keep-within-hourly", "2d", "--keep-within-daily", "14d", "--keep-within-weekly", "3m"],
            Policy {
                within_hourly: period("2d"),
                within_daily: period("14d"),
                within_weekly: period("3m"),
                ..none.clone()
            },
        ),
        (
            vec!["--keep-within-monthly", "1y1m", "--keep-within-yearly", "9y"],
            Policy { within_monthly: period("1y1m"), within_yearly: period("9y"), ..none.clone() },
        ),
        (
            vec!["--keep-tag", "good", "--keep-tag", "a,b"],
            Policy { tags: tags(&[&["good"], &["a", "b"]]), ..none },
        ),
    ]
}

/// Times that crowd together and lie far apart, at ends of months, and in several offsets.
fn times() -> Vec<Time> {
    let mut times: Vec<String> = Vec::new();
    for day in 1..=28 {
        times.push(format!("2024-02-{day:02}T02:00:00Z"));
        times.push(format!("2023-{:02}-{day:02}T23:30:00+05:30", day % 12 + 1));
        times.push(format!("2024-02-28T{:02}:{:02}:00-08:00", day % 24, day * 2));
    }
    for text in
        ["2022-12-30", "2022-12-31", "2023-01-01", "2024-01-31", "2020-12-29", "2017-06-15", "2015-01-31"]
    {
        times.push(format!("{text}T12:00:00Z"));
    }
    times.iter().map(|text| text.parse().expect("a time")).collect()
}

#[tokio::test]
async fn what_is_kept_is_what_restic_keeps_and_for_the_same_reasons() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(restic) = Restic::of(folder.path()) else { return };
    let surroundings = Simulated::real();
    let now = surroundings.now();
    let repository = make(Arc::new(FolderStorage::new(folder.path())), surroundings.clone()).await;
    for (number, time) in times().into_iter().enumerate() {
        surroundings.set(time);
        let tags: [&[&str]; 5] = [&["good"], &["a"], &["b", "a"], &["c", "b"], &[]];
        let options = BackupOptions {
            tags: tags[number % 5].iter().map(|tag| (*tag).to_owned()).collect(),
            host: Some(["one", "two"][usize::from(number % 9 == 0)].to_owned()),
            ..of(["/a", "/b"][usize::from(number % 7 == 0)])
        };
        let taken = backup(&repository, options, vec![file("/a/f", vec![1])]).await.expect("a backup");
        assert_eq!(taken.snapshot.time.to_string(), time.to_string());
    }
    let all = snapshots(&repository).await;
    for (arguments, policy) in policies() {
        let told = restic.json(&[&["forget", "--dry-run"], &arguments[..]].concat());
        let mut theirs = BTreeMap::new();
        for group in told.as_array().expect("groups") {
            theirs.extend(list(&group["remove"]).map(|removed| (text(&removed["id"]), BTreeSet::new())));
            for (kept, reason) in list(&group["keep"]).zip(list(&group["reasons"])) {
                theirs.insert(text(&kept["id"]), list(&reason["matches"]).map(text).collect());
            }
        }
        assert_eq!(ours(&policy, all.clone(), now), theirs, "{arguments:?}");
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// Reasons by snapshot; none if it is removed.
fn ours(policy: &Policy, all: Vec<NamedSnapshot>, now: Time) -> BTreeMap<String, BTreeSet<String>> {
    let decisions =
        group(all, Grouping::default()).into_values().flat_map(|group| decide(policy, group, now));
    let told = decisions.map(|Decision { snapshot, reasons }| {
        (snapshot.id.to_string(), reasons.iter().map(ToString::to_string).collect())
    });
    told.collect()
}

#[test]
fn periods_are_read_as_restic_writes_them() {
    for text in ["1y6m3d12h", "30d", "8h"] {
        assert_eq!(text.parse::<Period>().expect("a period").to_string(), text);
    }
    for text in ["", "5", "3w", "d", "99999999999d", "-3d"] {
        assert!(text.parse::<Period>().is_err(), "{text}");
    }
}
