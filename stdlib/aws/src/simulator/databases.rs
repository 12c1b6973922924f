//! Instances of RDS in an estate, as clients of PostgreSQL see them.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use opsrun_aws_simulator::rows::{Database, Databases};
use opsrun_aws_simulator::{Aws, DatabaseFacts, DatabaseServer, NoDatabase};
use opsrun_core::{Clock, Span};
use opsrun_db_simulator::Chance;
use opsrun_db_simulator::postgres::{Login, PgError, Replica, Server, Sessions, Write};

use super::locked;

/// The instances that somebody has connected to.
#[derive(Default)]
pub(super) struct Instances(Mutex<BTreeMap<DatabaseServer, Arc<Instance>>>);

impl Instances {
    /// The one that is reached at this host and port now.
    pub(super) fn at(
        &self,
        host: &str,
        port: u16,
        world: &Arc<Mutex<Aws>>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Arc<dyn Server>, NoDatabase> {
        let now = clock.now();
        let server = locked(world).database_server(host, port, now)?;
        let facts = locked(world).database_facts(&server, now)?;
        let mut instances = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = instances.entry(server.clone()).or_insert_with(|| {
            Arc::new(Instance {
                chance: Chance::of(u64::try_from(facts.created.as_second()).unwrap_or_default()),
                server,
                facts,
                world: world.clone(),
                clock: clock.clone(),
                sessions: Sessions::default(),
            })
        });
        Ok(known.clone())
    }
}

struct Instance {
    server: DatabaseServer,
    /// As they were when somebody connected first: who may sign in, and since when it is there.
    facts: DatabaseFacts,
    world: Arc<Mutex<Aws>>,
    clock: Arc<dyn Clock>,
    sessions: Sessions,
    chance: Chance,
}

/// The connection ends where nobody could be connected.
fn told(error: &NoDatabase) -> PgError {
    match error {
        NoDatabase::ReadOnly => PgError::read_only(),
        NoDatabase::Unknown | NoDatabase::Down(_) => {
            PgError::fatal("57P01", "terminating connection due to administrator command")
        }
    }
}

impl Instance {
    fn now_there(&self) -> Option<DatabaseFacts> {
        locked(&self.world).database_facts(&self.server, self.clock.now()).ok()
    }

    fn change<T>(
        &self,
        change: impl FnOnce(Timestamp, &mut Databases) -> Result<T, PgError>,
    ) -> Result<T, PgError> {
        let now = self.clock.now();
        let mut world = locked(&self.world);
        change(now, world.databases_mut(&self.server, now).map_err(|error| told(&error))?)
    }

    fn all(&self) -> Result<Databases, PgError> {
        locked(&self.world).databases(&self.server, self.clock.now()).map_err(|error| told(&error))
    }
}

impl Server for Instance {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn started(&self) -> Timestamp {
        self.facts.created
    }

    fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    fn version(&self) -> &str {
        &self.facts.version
    }

    fn owner(&self) -> &str {
        &self.facts.user
    }

    fn login(&self, user: &str) -> Result<Login, PgError> {
        Login::of(&self.facts.users, user)
    }

    /// A connection of an estate is a pipe in memory, so nothing else is to be done for it.
    fn tls(&self) -> bool {
        true
    }

    fn databases(&self) -> Vec<String> {
        let all = self.all().unwrap_or_default();
        all.iter().map(|(name, _)| name.to_owned()).collect()
    }

    fn read(&self, database: &str) -> Result<Database, PgError> {
        self.all()?.get(database).cloned().ok_or_else(|| PgError::no_database(database))
    }

    fn write(&self, database: &str, write: Write<'_>) -> Result<(), PgError> {
        self.change(|now, databases| {
            write(now, databases.get_mut(database).ok_or_else(|| PgError::no_database(database))?)
        })
    }

    fn create_database(&self, name: &str, content: Database) -> Result<(), PgError> {
        let created = self.change(|now, databases| Ok(databases.create(now, name, content)))?;
        if created { Ok(()) } else { Err(PgError::database_exists(name)) }
    }

    fn drop_database(&self, name: &str) -> Result<(), PgError> {
        let dropped = self.change(|now, databases| Ok(databases.drop(now, name)))?;
        if dropped { Ok(()) } else { Err(PgError::no_database(name)) }
    }

    fn replayed(&self) -> Option<Timestamp> {
        self.now_there()?.replayed
    }

    fn replicas(&self) -> Vec<Replica> {
        let replicas = self.now_there().map(|facts| facts.replicas).unwrap_or_default();
        replicas.into_iter().map(|(name, lag)| Replica { name, lag: lag.duration() }).collect()
    }

    fn random(&self, bytes: &mut [u8]) {
        self.chance.fill(bytes);
    }

    fn wait(&self, span: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.clock.sleep_until(Span::from(span).after(self.clock.now()))
    }
}
