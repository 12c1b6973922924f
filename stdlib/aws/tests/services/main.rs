//! Clusters, images, groups of machines, records, caches and costs, on a simulated AWS and on moto.
#![allow(clippy::unwrap_used)] // a test

#[path = "../stage/mod.rs"]
mod stage;

mod autoscaling;
mod cloudfront;
mod cost;
mod ecr;
mod eks;
mod route53;
