//! Kubernetes: primitives over any kind a cluster serves, its simulated counterpart, and the client that Helm shares.

mod access;
pub mod apply;
pub mod client;
mod config;
mod credentials;
pub mod diagnosis;
pub mod discovery;
pub mod error;
mod inverse;
pub mod manifests;
pub mod object;
pub mod readiness;
pub mod wait;
mod watch;

pub(crate) const SYSTEM: &str = "k8s";
