//! Where requests go: the real thing, or a simulated estate. Both are hyper clients; only what they connect to differs.

use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use opsrun_core::{Body, Call, Endpoint, Error, Line, Program, Running, Simulator};

use crate::connector::{self, Connector, Reach};
use crate::gate::{Lost, unreachable_error};

const PIPE: usize = 64 << 10;

/// A run has few endpoints, and each is large: comparing them costs less than a key would.
type Pool = Vec<(Endpoint, &'static str, Client<Connector, Body>)>;

/// The route of a whole run.
pub struct Route {
    estate: Option<Arc<[Arc<dyn Simulator>]>>,
    clients: Mutex<Pool>,
}

impl Route {
    /// Over the network, to whoever answers there.
    pub fn live() -> Self {
        Route { estate: None, clients: Mutex::default() }
    }

    /// To these simulators and nowhere else.
    pub fn simulated(simulators: Vec<Arc<dyn Simulator>>) -> Self {
        Route { estate: Some(simulators.into()), clients: Mutex::default() }
    }

    pub(crate) async fn send(
        &self,
        call: &Call,
        to: &Endpoint,
        system: &'static str,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, Lost> {
        let client = self.client(to, system).map_err(Lost::unsent)?;
        client.request(request).await.map_err(|error| {
            let sent = !error.is_connect();
            let error = unreachable_error(to, &innermost(&error));
            Lost { sent, error: of_target(call, error) }
        })
    }

    fn client(&self, to: &Endpoint, system: &'static str) -> Result<Client<Connector, Body>, Error> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let known = clients.iter().find(|(known, of, _)| *of == system && known == to);
        if let Some((.., client)) = known {
            return Ok(client.clone());
        }
        let reach = self.reach(to, system)?;
        // No idle timeout: it would need a timer, and the far side closes what it no longer wants.
        let client =
            Client::builder(TokioExecutor::new()).pool_idle_timeout(None).build(Connector::new(reach));
        clients.push((to.clone(), system, client.clone()));
        Ok(client)
    }

    /// The way to `to` for a protocol that is not HTTP.
    pub(crate) fn line(&self, to: &Endpoint, system: &'static str) -> Result<Line, Error> {
        Ok(connector::line(self.reach(to, system)?, to))
    }

    /// The program as an estate has it; `None`: there is no estate.
    pub(crate) fn program(&self, program: &Program) -> Option<Result<Running, Error>> {
        let simulators = self.estate.as_ref()?;
        let started = simulators.iter().find_map(|simulator| {
            let (near, far) = tokio::io::duplex(PIPE);
            simulator.program(program, far).map(|ended| (near, ended))
        });
        let Some((near, ended)) = started else {
            return Some(Err(Error::not_found(format!("the estate has no program `{}`", program.name))));
        };
        let (output, input) = tokio::io::split(near);
        // It goes on whether or not somebody waits for its end, as the machine's programs do.
        let running = tokio::spawn(ended);
        let ended = async move {
            running
                .await
                .map_err(|_| Error::failed("a simulated program broke off: this is a defect of opsrun"))
        };
        Some(Ok(Running { input: Box::pin(input), output: Box::pin(output), ended: ended.boxed() }))
    }

    fn reach(&self, to: &Endpoint, system: &'static str) -> Result<Reach, Error> {
        match &self.estate {
            Some(simulators) => Ok(Reach::Estate { simulators: simulators.clone(), system }),
            None => Reach::network(to),
        }
    }
}

/// The error with the target's name; what it says of the way out stays.
pub(crate) fn of_target(call: &Call, error: Error) -> Error {
    match call.target.name.as_str() {
        "" => error,
        name if error.hint_text().is_some() => error.detail(format!("the target is `{name}`")),
        name => error.hint(format!("the target is `{name}`")),
    }
}

/// The last of an error's causes, which is the one that says something.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
