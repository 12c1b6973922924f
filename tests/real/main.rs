//! Against real servers: what the simulation claims and what the command line promises, on the real thing.
//! A server that this machine does not have is a skipped test, and says how to get it.

mod backup;
mod chart;
mod cluster;
mod database;
mod deploy;
mod in_cluster;
mod permitted;
mod plan;
