//! The simulated AWS as an estate sees it: connections in memory, time from the run's clock, state to compare.

mod databases;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use opsrun_aws_simulator::{Aws, EstateSection, Folders, NoDatabase, Options};
use opsrun_core::{
    BoxFuture, Clock, Error, Program, ProgramEnd, Result, Simulator, Surroundings, Value, Variable,
    VariableValue, serve,
};
use opsrun_db_simulator::postgres::{self, PgProgram};
use serde_json::json;
use tokio::io::DuplexStream;

use self::databases::Instances;

/// # Errors
/// `Invalid`, naming the field of the section.
pub(crate) fn start(section: Option<&Value>, surroundings: &Surroundings) -> Result<Arc<dyn Simulator>> {
    let estate: EstateSection = match section {
        None => EstateSection::default(),
        Some(section) => serde_path_to_error::deserialize(section).map_err(|error| {
            match error.path().to_string().as_str() {
                "." => Error::invalid(error.inner().to_string()),
                path => Error::invalid(format!("`{path}`: {}", error.inner())),
            }
        })?,
    };
    let now = surroundings.clock.now();
    let mut folders = Folders::new();
    for folder in estate.folders() {
        let read = |path: PathBuf| {
            let content = surroundings.files.read(&folder.join(&path))?;
            Ok((path, content))
        };
        let files = surroundings.files.list(folder)?.into_iter().map(read).collect::<Result<_>>()?;
        folders.insert(folder.to_owned(), files);
    }
    let world =
        Aws::start(Options { estate, seed: surroundings.seed, now, folders }).map_err(Error::invalid)?;
    Ok(Arc::new(Simulated::new(world, surroundings)))
}

/// Nothing is kept from anybody by it; it is no word that a text may have, as secrets are hidden there.
pub(crate) const SECRET_KEY: &str = "estate-000000000000000000000000000000000";

struct Simulated {
    world: Arc<Mutex<Aws>>,
    clock: Arc<dyn Clock>,
    instances: Instances,
}

/// The system whose servers the instances of RDS are.
const POSTGRES: &str = "postgres";
const POSTGRES_PORT: u16 = 5432;
/// What a connection holds back.
const BUFFER: usize = 64 << 10;

impl Simulated {
    fn new(world: Aws, surroundings: &Surroundings) -> Self {
        Simulated {
            world: Arc::new(Mutex::new(world)),
            clock: surroundings.clock.clone(),
            instances: Instances::default(),
        }
    }

    /// A connection to an instance of RDS. Where it is down, the connection ends at once.
    fn connect_to_database(&self, to: &Uri) -> Option<DuplexStream> {
        let (near, far) = tokio::io::duplex(BUFFER);
        let port = to.port_u16().unwrap_or(POSTGRES_PORT);
        match self.instances.at(to.host()?, port, &self.world, &self.clock) {
            // Who hangs up in the middle ends the session, and that is all.
            Ok(server) => drop(tokio::spawn(postgres::serve(far, server))),
            Err(NoDatabase::Unknown) => return None,
            Err(NoDatabase::Down(_) | NoDatabase::ReadOnly) => {}
        }
        Some(near)
    }
}

/// A world that an answer which panicked left behind is still what there is.
fn locked(world: &Mutex<Aws>) -> MutexGuard<'_, Aws> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Simulator for Simulated {
    fn connect(&self, system: &str, to: &Uri) -> Option<DuplexStream> {
        if system == POSTGRES {
            return self.connect_to_database(to);
        }
        let (world, clock) = (self.world.clone(), self.clock.clone());
        (system == crate::SYSTEM).then(|| {
            serve(move |request: Request<Incoming>| {
                let (world, clock) = (world.clone(), clock.clone());
                async move {
                    let (parts, body) = request.into_parts();
                    // A body that broke off is received as far as it came.
                    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                    locked(&world).answer(&Request::from_parts(parts, body), clock.now()).map(Full::new)
                }
            })
        })
    }

    fn program(&self, program: &Program, stream: DuplexStream) -> Option<BoxFuture<'static, ProgramEnd>> {
        let asked = PgProgram::of(&program.name, &program.args, &program.env)?;
        let (host, port) = asked.address.rsplit_once(':')?;
        let server = match self.instances.at(host, port.parse().ok()?, &self.world, &self.clock) {
            Err(NoDatabase::Unknown) => return None,
            found => found,
        };
        Some(Box::pin(async move {
            let (code, stderr) = match server {
                Ok(server) => asked.run(server, stream).await,
                Err(down) => asked.failed(&down.to_string()),
            };
            ProgramEnd { code: Some(code), stderr }
        }))
    }

    fn section(&self) -> Value {
        let world = locked(&self.world);
        json!({
            "estate": true,
            "region": world.region(),
            "keys": { "access-key": world.access_key(), "secret-key": SECRET_KEY },
            "profile": null,
            "role": null,
            "account": null,
            "endpoint": null,
            "endpoints": {},
        })
    }

    fn snapshot(&self) -> BTreeMap<String, Value> {
        locked(&self.world).snapshot(self.clock.now())
    }

    fn fork(&self, surroundings: &Surroundings) -> Option<Arc<dyn Simulator>> {
        Some(Arc::new(Simulated::new(locked(&self.world).clone(), surroundings)))
    }

    fn environment(&self, address: &str) -> Vec<Variable> {
        let world = locked(&self.world);
        let variable = |name, value: &str| Variable { name, value: VariableValue::Text(value.to_owned()) };
        vec![
            variable("AWS_ENDPOINT_URL", &format!("http://{address}")),
            variable("AWS_ACCESS_KEY_ID", &world.access_key()),
            variable("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
            variable("AWS_DEFAULT_REGION", world.region()),
        ]
    }
}
