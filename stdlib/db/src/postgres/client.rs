//! Conversations with one database of one server: to read in a read-only transaction, to write in a transaction or without.

use std::pin::pin;
use std::sync::Arc;

use http::{Method, Request, StatusCode};
use opsrun_core::{BoxFuture, BrokenLine, Cx, Effect, Error, ErrorKind, Line, Result, Said, Span, Value};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;

use crate::postgres::SYSTEM;
use crate::postgres::access::Asked;
use crate::postgres::error::Failure;
use crate::postgres::exchange::Row;
use crate::postgres::section::{self, Server};
use crate::postgres::session::Session;

/// How long a statement may take by itself.
const STATEMENT: Span = Span::from_secs(60);
/// How long a statement waits for a lock: what queues behind it waits as well.
const LOCK: Span = Span::from_secs(5);
/// What signing in, and the way there and back, may take on top.
const GRACE: Span = Span::from_secs(30);

/// A database, as it is reached from a call.
#[derive(Clone)]
pub(crate) struct Client {
    cx: Cx,
    server: Arc<Server>,
    database: String,
    limits: Limits,
}

/// How long the server may take over one statement, and wait for a lock in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) statement: Span,
    pub(crate) lock: Span,
}

/// Under what a conversation's statements are carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// In a transaction that only reads.
    Read,
    /// The same, in which all statements see the same moment.
    Snapshot,
    /// In a transaction that is committed at the end.
    Transaction,
    /// Each by itself, for what cannot be in a transaction.
    Alone,
}

impl Client {
    /// The database of this name on the server of this name; without them, the target's own.
    ///
    /// # Errors
    /// Those of [`section::server`].
    pub(crate) async fn new(cx: &Cx, server: Option<&str>, database: Option<&str>) -> Result<Self> {
        let server = section::server(cx, server).await?;
        let database = database.unwrap_or(&server.database).to_owned();
        if database.is_empty() || database.contains('\0') {
            return Err(Error::invalid(format!("`{database}` is no name of a database")));
        }
        let limits = Limits { statement: STATEMENT, lock: LOCK };
        Ok(Client { cx: cx.clone(), server: Arc::new(server), database, limits })
    }

    /// The same with other limits; what is `None` stays.
    #[must_use]
    pub(crate) fn within(self, statement: Option<Span>, lock: Option<Span>) -> Self {
        let limits = Limits {
            statement: statement.unwrap_or(self.limits.statement),
            lock: lock.unwrap_or(self.limits.lock),
        };
        Client { limits, ..self }
    }

    pub(crate) fn cx(&self) -> &Cx {
        &self.cx
    }

    pub(crate) fn database(&self) -> &str {
        &self.database
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    pub(crate) fn user(&self) -> &str {
        &self.server.user
    }

    /// `orders at db.example:5432`
    pub(crate) fn place(&self) -> String {
        match &self.server.endpoint.socket {
            Some(socket) => format!("{} at {}", self.database, socket.display()),
            None => {
                let authority = self.server.endpoint.uri.authority();
                format!("{} at {}", self.database, authority.map_or("", |authority| authority.as_str()))
            }
        }
    }

    /// The one row of a statement that only reads.
    ///
    /// # Errors
    /// As [`Client::rows`]; `Failed` if there is none.
    pub(crate) async fn row<T: DeserializeOwned>(&self, sql: &str, arguments: Vec<Value>) -> Result<T> {
        let rows = self.rows(sql, arguments).await?;
        rows.into_iter()
            .next()
            .ok_or_else(|| Error::failed(format!("{} has no answer to `{sql}`", self.place())))
    }

    /// All rows of a statement that only reads.
    ///
    /// # Errors
    /// As [`Client::converse`]; `Failed` if they are not as wanted.
    pub(crate) async fn rows<T: DeserializeOwned>(&self, sql: &str, arguments: Vec<Value>) -> Result<Vec<T>> {
        let said = sql.to_owned();
        let asked = self.converse(Mode::Read, Asked::query(&self.database), |session| {
            Box::pin(async move { Ok(session.extended(&said, &arguments, None).await?.rows) })
        });
        let rows = asked.await?.into_iter();
        rows.map(|row| shaped(row).map_err(|error| error.context(format!("{}: `{sql}`", self.place()))))
            .collect()
    }

    /// Holds a conversation: signs in, does `work` under `mode`, and says goodbye.
    ///
    /// # Errors
    /// `Denied` by the gate; `Unreachable`; what the server refuses, by its SQLSTATE; those of `work`.
    pub(crate) async fn converse<T, W>(&self, mode: Mode, asked: Asked, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: for<'s> FnOnce(&'s mut Session) -> BoxFuture<'s, Result<T, Failure>> + Send + 'static,
    {
        let method = if asked.effect == Effect::Read { Method::GET } else { Method::POST };
        let path = format!("/{}", utf8_percent_encode(&self.database, NON_ALPHANUMERIC));
        let request = Request::builder().method(method).uri(path).extension(asked.clone()).body(());
        let request = request.map_err(|error| Error::invalid(format!("`{}`: {error}", self.database)))?;
        let (client, endpoint) = (self.clone(), self.server.endpoint.clone());
        let talk = move |line| async move { client.talk(line, mode, asked.effect, work).await };
        let (value, warnings) = self.cx.talk(SYSTEM, &endpoint, request, talk).await?;
        for warning in warnings {
            self.cx.warn(format!("{}: {warning}", self.place()));
        }
        value
    }

    async fn talk<T, W>(
        self,
        line: Line,
        mode: Mode,
        effect: Effect,
        work: W,
    ) -> Result<Said<(Result<T>, Vec<String>)>, BrokenLine>
    where
        W: for<'s> FnOnce(&'s mut Session) -> BoxFuture<'s, Result<T, Failure>>,
    {
        let mut session = match self.opened(line).await {
            Ok(session) => session,
            Err(failure) => return self.unsaid(failure, false).map(|said| said.with(Vec::new())),
        };
        let done = self.guarded(&mut session, mode, effect, work).await;
        let (committed, warnings) = (session.committed, session.warnings());
        if !session.astray {
            session.close().await;
        }
        match done {
            Ok(value) => Ok(Said { status: StatusCode::OK, value: (Ok(value), warnings) }),
            Err(failure) => self.unsaid(failure, committed).map(|said| said.with(warnings)),
        }
    }

    async fn opened(&self, line: Line) -> Result<Session, Failure> {
        let deadline = GRACE.after(self.cx.now());
        let opening = Session::open(line, &self.server, &self.database);
        match self.cx.until(deadline, async { Ok(opening.await) }).await? {
            Some(opened) => opened,
            None => Err(Failure::Broken(self.late(GRACE))),
        }
    }

    /// `work` within its time. A run that is stopped breaks off what only reads, and waits for what writes.
    async fn guarded<T, W>(
        &self,
        session: &mut Session,
        mode: Mode,
        effect: Effect,
        work: W,
    ) -> Result<T, Failure>
    where
        W: for<'s> FnOnce(&'s mut Session) -> BoxFuture<'s, Result<T, Failure>>,
    {
        let within = Span::from(self.limits.statement.duration() + GRACE.duration());
        let ended = {
            let mut working = pin!(self.carried_out(session, mode, work));
            let asked =
                self.cx.until(within.after(self.cx.now()), async { Ok(working.as_mut().await) }).await;
            match asked {
                Err(_) if effect == Effect::Write => Ok(Some(working.await)),
                asked => asked,
            }
        };
        match ended {
            Ok(Some(done)) => done,
            Ok(None) => {
                session.astray = true;
                session.cancel().await?;
                Err(Failure::Broken(self.late(within)))
            }
            Err(interrupted) => {
                session.astray = true;
                session.cancel().await?;
                Err(Failure::Ours(interrupted))
            }
        }
    }

    async fn carried_out<T, W>(&self, session: &mut Session, mode: Mode, work: W) -> Result<T, Failure>
    where
        W: for<'s> FnOnce(&'s mut Session) -> BoxFuture<'s, Result<T, Failure>>,
    {
        let local = if mode == Mode::Alone { "" } else { "local " };
        let (statement, lock) = (self.limits.statement.duration(), self.limits.lock.duration());
        let limits = format!(
            "set {local}statement_timeout = {}; set {local}lock_timeout = {}",
            statement.as_millis(),
            lock.as_millis()
        );
        let begin = match mode {
            Mode::Read => "begin read only; ",
            Mode::Snapshot => "begin isolation level repeatable read read only; ",
            Mode::Transaction => "begin; ",
            Mode::Alone => "",
        };
        session.simple(&format!("{begin}{limits}")).await?;
        let value = work(session).await?;
        if mode != Mode::Alone {
            // Of what only reads, nothing depends on whether this arrives.
            session.committed = mode == Mode::Transaction;
            session.simple("commit").await?;
        }
        Ok(value)
    }

    /// What is told of a conversation that did not come to its end; `committed`: what would take effect has left.
    fn unsaid(&self, failure: Failure, committed: bool) -> Result<Unsaid, BrokenLine> {
        let place = self.place();
        match failure {
            // Whoever ends a session while it commits does not say how far it had come.
            Failure::Refused(refused) if committed && refused.is_fatal() => {
                Err(BrokenLine { sent: true, error: refused.explain(&place) })
            }
            Failure::Refused(refused) => {
                Ok(Unsaid { status: refused.status(), error: refused.explain(&place) })
            }
            Failure::Ours(error) if committed => Err(BrokenLine { sent: true, error }),
            Failure::Ours(error) => Ok(Unsaid { status: StatusCode::BAD_REQUEST, error }),
            Failure::Broken(error) => {
                let told = Error::new(error.kind(), format!("{place}: {}", error.message()));
                Err(BrokenLine { sent: committed, error: told })
            }
        }
    }

    fn late(&self, within: Span) -> Error {
        Error::new(ErrorKind::Timeout, format!("{} does not answer within {within}", self.place()))
    }
}

/// An error that the server answered with, or that we had after it had answered.
struct Unsaid {
    status: StatusCode,
    error: Error,
}

impl Unsaid {
    fn with<T>(self, warnings: Vec<String>) -> Said<(Result<T>, Vec<String>)> {
        Said { status: self.status, value: (Err(self.error), warnings) }
    }
}

/// A row as a type of ours.
///
/// # Errors
/// `Failed` if it has not that shape.
pub(crate) fn shaped<T: DeserializeOwned>(row: Row) -> Result<T> {
    serde_json::from_value(Value::Object(row))
        .map_err(|error| Error::failed(format!("the server's answer is not as expected: {error}")))
}
