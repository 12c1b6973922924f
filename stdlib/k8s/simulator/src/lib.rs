//! A simulated Kubernetes cluster that speaks the wire protocol: API server, controllers, scheduler, kubelets.
//! The core (`Cluster`) does no input or output and is told the time; `server` puts it behind HTTP.

mod access;
mod admission;
mod body;
mod bootstrap;
pub mod channel;
pub mod cluster;
pub mod context;
pub mod controllers;
mod cron;
mod custom;
mod discovery;
pub mod estate;
mod fault;
mod handle;
pub mod images;
pub mod kinds;
pub mod kubelet;
pub mod logs;
mod media;
mod meta;
pub mod names;
mod openapi;
pub mod overlay;
mod pod_security;
pub mod registry;
pub mod reply;
pub mod request;
mod rest;
mod selector;
pub mod server;
pub mod session;
mod shape;
pub mod status;
pub mod store;
mod table;
pub mod time;
pub mod write;

pub use cluster::{Cluster, ClusterOptions};
pub use estate::EstateSection;
pub use server::Simulator;
pub use time::Time;
