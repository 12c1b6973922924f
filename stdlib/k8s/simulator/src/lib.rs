//! A simulated Kubernetes cluster that speaks the wire protocol: API server, controllers, scheduler, kubelets.
//! The core (`Cluster`) does no input or output and is told the time; `server` puts it behind HTTP.

mod admission;
mod bootstrap;
pub mod cluster;
pub mod context;
pub mod controllers;
pub mod estate;
pub mod kinds;
pub mod kubelet;
pub mod logs;
mod meta;
pub mod names;
pub mod registry;
pub mod request;
pub mod session;
pub mod status;
pub mod store;
pub mod time;
pub mod write;

pub use cluster::{Cluster, ClusterOptions};
pub use estate::EstateSection;
pub use time::Time;
