//! Each primitive that writes: called twice, taken back twice, and settled after the answer of any of its writes was lost.
#![allow(clippy::disallowed_methods)] // makes the files that are synced

mod autoscaling;
mod cloudfront;
mod cloudwatch;
mod ecr;
mod eks;
mod elasticache;
mod harness;
mod rds;
mod route53;
mod s3;
mod secrets;

use std::collections::BTreeSet;

use opsrun_core::Effect;

use self::harness::{REGISTRY, Row};

const TABLES: &[&[Row]] = &[
    autoscaling::ROWS,
    cloudfront::ROWS,
    cloudwatch::ROWS,
    ecr::ROWS,
    eks::ROWS,
    elasticache::ROWS,
    rds::ROWS,
    route53::ROWS,
    s3::ROWS,
    secrets::ROWS,
];

#[test]
fn each_primitive_that_writes_has_a_row() {
    let modules = REGISTRY.systems().iter().flat_map(|system| system.modules());
    let primitives = modules.flat_map(|module| module.primitives);
    let writing: BTreeSet<&str> =
        primitives.filter(|primitive| primitive.effect == Effect::Write).map(|of| of.path).collect();
    let tried: BTreeSet<&str> = TABLES.iter().flat_map(|rows| rows.iter()).map(|row| row.path).collect();
    assert_eq!(writing, tried, "left: those that write; right: those that have a row");
}

/// All rows are tried, also after one that does not hold.
fn all(rows: &[Row], holds: impl Fn(&Row) + std::panic::RefUnwindSafe) {
    let fails = |row: &&Row| std::panic::catch_unwind(|| holds(row)).is_err();
    let failed: Vec<_> =
        rows.iter().filter(fails).map(|row| format!("{} ({})", row.path, row.case)).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn groups_of_machines() {
    all(autoscaling::ROWS, Row::holds);
}

#[test]
fn distributions() {
    all(cloudfront::ROWS, Row::holds);
}

#[test]
fn alarms_and_metrics() {
    all(cloudwatch::ROWS, Row::holds);
}

#[test]
fn images() {
    all(ecr::ROWS, Row::holds);
}

#[test]
fn caches() {
    all(elasticache::ROWS, Row::holds);
}

#[test]
fn clusters() {
    all(eks::ROWS, Row::holds);
}

#[test]
fn databases() {
    all(rds::ROWS, Row::holds);
}

#[test]
fn records() {
    all(route53::ROWS, Row::holds);
}

#[test]
fn objects() {
    all(s3::ROWS, Row::holds);
}

#[test]
fn secrets_and_parameters() {
    all(secrets::ROWS, Row::holds);
}

#[test]
fn what_is_throttled_takes_longer_and_ends_the_same() {
    all(autoscaling::ROWS, |row| row.holds_throttled(&["autoscaling"]));
    all(cloudfront::ROWS, |row| row.holds_throttled(&["cloudfront"]));
    all(cloudwatch::ROWS, |row| row.holds_throttled(&["cloudwatch"]));
    all(ecr::ROWS, |row| row.holds_throttled(&["ecr"]));
    all(elasticache::ROWS, |row| row.holds_throttled(&["elasticache"]));
    all(eks::ROWS, |row| row.holds_throttled(&["eks", "autoscaling", "servicequotas"]));
    all(rds::ROWS, |row| row.holds_throttled(&["rds"]));
    all(route53::ROWS, |row| row.holds_throttled(&["route53"]));
    all(s3::ROWS, |row| row.holds_throttled(&["s3"]));
    all(secrets::ROWS, |row| row.holds_throttled(&["secretsmanager", "ssm"]));
}

#[test]
fn what_is_read_late_is_neither_made_twice_nor_missed() {
    all(eks::ROWS, |row| row.holds_late(&["eks", "autoscaling"]));
    all(rds::ROWS, |row| row.holds_late(&["rds"]));
    all(route53::ROWS, |row| row.holds_late(&["route53"]));
    all(secrets::ROWS, |row| row.holds_late(&["secretsmanager", "ssm"]));
}
