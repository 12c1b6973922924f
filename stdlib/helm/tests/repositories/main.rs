//! Charts of repositories and registries: a real docker-registry, the real Helm on the other side, and servers that are up to no good.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout)] // tests

mod charts;
mod estates;
mod hostile;
mod packages;
mod registries;
mod server;
mod simulated;
mod stage;
mod web;
