//! The simulated PostgreSQL beside the real one: the same statements, the same answers.
#![allow(clippy::disallowed_methods)] // tests have a network and a clock

mod answers;
mod conformance;
mod property;
mod protocol;
mod stage;

/// Both servers, or nothing where there is no real one.
macro_rules! real {
    () => {
        match PostgreSql::start() {
            Ok(server) => server,
            Err(missing) => return skip(missing),
        }
    };
}
pub(crate) use real;
