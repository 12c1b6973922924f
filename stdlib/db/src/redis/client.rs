//! Conversations with one database of one server.

use std::pin::pin;
use std::sync::Arc;

use http::{Method, Request, StatusCode};
use opsrun_core::{BoxFuture, BrokenLine, Cx, Effect, Error, ErrorKind, Line, Result, Said, Span};

use crate::redis::SYSTEM;
use crate::redis::access::Asked;
use crate::redis::error::{self, Failure};
use crate::redis::section::{self, Server};
use crate::redis::session::Session;

/// How long a conversation may take by itself.
const WITHIN: Span = Span::from_secs(60);

/// A database, as it is reached from a call.
#[derive(Clone)]
pub(crate) struct Client {
    cx: Cx,
    server: Arc<Server>,
    database: u32,
    within: Span,
}

impl Client {
    /// The database of this number on the server of this name; without them, the target's own.
    ///
    /// # Errors
    /// Those of [`section::server`].
    pub(crate) async fn new(cx: &Cx, server: Option<&str>, database: Option<u32>) -> Result<Self> {
        let server = section::server(cx, server).await?;
        let database = database.unwrap_or(server.database);
        Ok(Client { cx: cx.clone(), server: Arc::new(server), database, within: WITHIN })
    }

    /// The same, where a conversation may take so long.
    #[must_use]
    pub(crate) fn within(self, within: Span) -> Self {
        Client { within, ..self }
    }

    pub(crate) fn cx(&self) -> &Cx {
        &self.cx
    }

    pub(crate) fn database(&self) -> u32 {
        self.database
    }

    /// Whether both are databases of the same server.
    pub(crate) fn is_of_server_of(&self, other: &Client) -> bool {
        let place =
            |client: &Client| (client.server.endpoint.uri.clone(), client.server.endpoint.socket.clone());
        place(self) == place(other)
    }

    /// `cache.example:6379/0`
    pub(crate) fn place(&self) -> String {
        let endpoint = &self.server.endpoint;
        match (&endpoint.socket, endpoint.uri.authority()) {
            (Some(socket), _) => format!("{} ({})", socket.display(), self.database),
            (None, authority) => {
                format!("{}/{}", authority.map_or("", |authority| authority.as_str()), self.database)
            }
        }
    }

    /// Holds a conversation: signs in, and does `work`.
    ///
    /// # Errors
    /// `Denied` by the gate; `Unreachable`; what the server refuses; those of `work`.
    pub(crate) async fn converse<T, W>(&self, asked: Asked, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: for<'s> FnOnce(&'s mut Session) -> BoxFuture<'s, Result<T, Failure>> + Send + 'static,
    {
        let effect = asked.effect;
        let method = if effect == Effect::Read { Method::GET } else { Method::POST };
        let request = Request::builder().method(method).uri(asked.path()).extension(asked).body(());
        let request = request.map_err(|error| Error::failed(error.to_string()))?;
        let (client, endpoint) = (self.clone(), self.server.endpoint.clone());
        let talk = move |line| async move { client.talk(line, effect, work).await };
        self.cx.talk(SYSTEM, &endpoint, request, talk).await?
    }

    async fn talk<T, W>(self, line: Line, effect: Effect, work: W) -> Result<Said<Result<T>>, BrokenLine>
    where
        W: for<'s> FnOnce(&'s mut Session) -> BoxFuture<'s, Result<T, Failure>>,
    {
        let deadline = self.within.after(self.cx.now());
        let opening = Session::open(&line, &self.server, self.database);
        let opened = self.cx.until(deadline, async { Ok(opening.await) }).await;
        let mut session = match self.in_time(opened) {
            Ok(session) => session,
            Err(failure) => return self.unsaid(failure, false),
        };
        let done = {
            let mut working = pin!(work(&mut session));
            match self.cx.until(deadline, async { Ok(working.as_mut().await) }).await {
                // A run that is stopped waits for what writes.
                Err(_) if effect == Effect::Write => working.await,
                done => self.in_time(done),
            }
        };
        match done {
            Ok(value) => Ok(Said { status: StatusCode::OK, value: Ok(value) }),
            Err(failure) => self.unsaid(failure, session.sent),
        }
    }

    fn in_time<T>(&self, done: Result<Option<Result<T, Failure>>>) -> Result<T, Failure> {
        match done? {
            Some(done) => done,
            None => {
                let message = format!("no answer within {}", self.within);
                Err(Failure::Broken(Error::new(ErrorKind::Timeout, message)))
            }
        }
    }

    /// What is told of a conversation that did not come to its end; `sent`: what would take effect has left.
    fn unsaid<T>(&self, failure: Failure, sent: bool) -> Result<Said<Result<T>>, BrokenLine> {
        let place = self.place();
        match failure {
            Failure::Refused(said) => {
                Ok(Said { status: error::status(&said), value: Err(error::explain(&said, &place)) })
            }
            Failure::Ours(error) if sent => Err(BrokenLine { sent, error }),
            Failure::Ours(error) => Ok(Said { status: StatusCode::BAD_REQUEST, value: Err(error) }),
            Failure::Broken(error) => {
                let told = Error::new(error.kind(), format!("{place}: {}", error.message()));
                Err(BrokenLine { sent, error: told })
            }
        }
    }
}
