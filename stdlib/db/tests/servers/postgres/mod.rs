mod databases;
mod operations;
mod queries;
mod replication;
mod signing_in;
mod statements;
