//! Statements that run in an instance's databases without a client: what an estate begins with, and what its writers send.

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use opsrun_db_simulator::Chance;
use opsrun_db_simulator::postgres::{self, Login, Memory, Server, Surroundings};
use opsrun_db_simulator::rows::Databases;

/// Runs statements in a database at a moment.
///
/// # Errors
/// That of the first that cannot be, as PostgreSQL tells it; those before it have been.
pub(super) fn run(databases: &mut Databases, name: &str, sql: &str, at: Timestamp) -> Result<(), String> {
    let chance = Chance::of(u64::try_from(at.as_nanosecond()).unwrap_or_default());
    let memory = Arc::new(Memory::new(Moment { at, chance }, super::OWNER, Login::Trust));
    memory.replace_all(std::mem::take(databases));
    let server: Arc<dyn Server> = memory.clone();
    let done = postgres::run(&server, name, sql);
    *databases = memory.replace_all(Databases::default());
    done.map_err(|error| format!("{} ({})", error.message, error.code))
}

/// Time that stands still.
struct Moment {
    at: Timestamp,
    chance: Chance,
}

impl Surroundings for Moment {
    fn now(&self) -> Timestamp {
        self.at
    }

    fn random(&self, bytes: &mut [u8]) {
        self.chance.fill(bytes);
    }

    fn wait(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(ready(()))
    }
}
