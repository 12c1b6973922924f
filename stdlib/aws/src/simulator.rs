//! The simulated AWS as an estate sees it: connections in memory, time from the run's clock, state to compare.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use opsrun_aws_simulator::{Aws, EstateSection, Folders, Options};
use opsrun_core::{Clock, Error, Result, Simulator, Surroundings, Value, Variable, VariableValue, serve};
use serde_json::json;
use tokio::io::DuplexStream;

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
    Ok(Arc::new(Simulated { world: Arc::new(Mutex::new(world)), clock: surroundings.clock.clone() }))
}

/// Nothing is kept from anybody by it; it is no word that a text may have, as secrets are hidden there.
pub(crate) const SECRET_KEY: &str = "estate-000000000000000000000000000000000";

struct Simulated {
    world: Arc<Mutex<Aws>>,
    clock: Arc<dyn Clock>,
}

/// A world that an answer which panicked left behind is still what there is.
fn locked(world: &Mutex<Aws>) -> MutexGuard<'_, Aws> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Simulator for Simulated {
    fn connect(&self, system: &str, _: &Uri) -> Option<DuplexStream> {
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
        let world = Arc::new(Mutex::new(locked(&self.world).clone()));
        Some(Arc::new(Simulated { world, clock: surroundings.clock.clone() }))
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
