use std::sync::{Arc, Mutex, PoisonError};

use opsrun_core::{Cx, Effect, Error, ErrorKind, Inverse, Primitive, Result, Span, Undo, UndoSlot, Value};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::postgres::access::Asked;
use crate::postgres::client::{Client, Mode};
use crate::postgres::error::Failure;
use crate::postgres::exchange::{Answer, Row};
use crate::postgres::session::Session;
use crate::postgres::statement;
use crate::postgres::transaction::{Attempt, Fate};

/// Carries out statements that write, in one transaction.
///
/// `undo` is the statement that takes them back, or `no_undo` says why there is none. Undo carries it out only if the transaction took
/// effect: where an answer was lost, or the run broke off, the server is asked what became of it, and nothing is done twice. That holds
/// for undoing, too, but for a run that breaks off in the middle of it.
///
/// It waits five seconds for a lock, as everybody else queues behind it. What cannot be in a transaction (`create index concurrently`, `vacuum`)
/// takes `transaction: false`, and has to bear being repeated.
///
/// ```rhai
/// let paid = postgres::exec("update orders set status = 'paid' where id = $1", #{
///     args: [1042],
///     undo: "update orders set status = 'open' where id = 1042",
/// });
/// assert(paid.rows == 1);
/// ```
#[derive(Clone, Deserialize, JsonSchema, Args)]
pub(crate) struct Exec {
    /// One statement with arguments, `$1`, `$2` …, or several without.
    #[arg(positional)]
    sql: String,
    /// The arguments, as in `postgres::query`.
    #[arg(secret)]
    #[serde(default)]
    args: Vec<Value>,
    /// What takes it back: a statement, or `#{ sql: …, args: […] }`.
    undo: Option<Back>,
    /// Why nothing takes it back.
    no_undo: Option<String>,
    /// Whether to carry it out in a transaction (true).
    transaction: Option<bool>,
    /// How long a statement may take (5 minutes).
    timeout: Option<Span>,
    /// How long a statement may wait for a lock (5 seconds).
    lock_timeout: Option<Span>,
    /// Do nothing unless this took effect: what an undo is told of what it takes back.
    attempt: Option<Attempt>,
    /// One of the target's servers, by name; its own if left out.
    server: Option<String>,
    /// Another database of the server than the target's.
    database: Option<String>,
}

/// What takes statements back.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Back {
    Statement(String),
    WithArguments {
        sql: String,
        #[serde(default)]
        args: Vec<Value>,
    },
}

/// What statements did.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub(crate) struct Executed {
    /// The rows that they inserted, changed or deleted.
    rows: u64,
    /// What the last statement gave by `returning`.
    returned: Vec<Row>,
}

const TIMEOUT: Span = Span::from_secs(300);

impl Primitive for Exec {
    const PATH: &'static str = "postgres::exec";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(Self::PATH);
    type Out = Executed;

    async fn run(self, cx: &Cx) -> Result<Executed> {
        self.check()?;
        let client = Client::new(cx, self.server.as_deref(), self.database.as_deref()).await?;
        let client = client.within(Some(self.timeout.unwrap_or(TIMEOUT)), self.lock_timeout);
        let asked = Asked::statement(client.database(), &self.sql);
        if let Some(attempt) = Attempt::earlier(cx) {
            match attempt.settled(&client, &asked).await? {
                Fate::Committed => return attempt.recalled(),
                Fate::Aborted => {}
                Fate::Forgotten => return Err(attempt.forgotten(&client)),
            }
        }
        let slot = cx.undo(self.inverse(None)).await?;
        match self.transaction.unwrap_or(true) {
            true => self.in_transaction(&client, asked, slot).await,
            false => {
                let answers = client.converse(Mode::Alone, asked, |session| {
                    Box::pin(async move {
                        session.committed = true;
                        self.carry_out(session).await
                    })
                });
                Ok(Executed::of(answers.await?))
            }
        }
    }
}

impl Exec {
    fn check(&self) -> Result<()> {
        match (&self.undo, &self.no_undo) {
            (Some(_), None) | (None, Some(_)) => {}
            (Some(_), Some(_)) => {
                return Err(Error::invalid("`postgres::exec` takes `undo` or `no_undo`, not both"));
            }
            (None, None) => {
                return Err(Error::invalid("`postgres::exec` does not know what takes this back")
                    .hint("give the statement as `undo`, or say with `no_undo` why there is none"));
            }
        }
        statement::refuse_control(&self.sql)?;
        if !self.args.is_empty() || self.transaction == Some(false) {
            statement::only(&self.sql)?;
        }
        if self.attempt.is_some() && self.transaction == Some(false) {
            return Err(Error::invalid("`attempt` is looked at in a transaction"));
        }
        Ok(())
    }

    /// `attempt`: what was about to be committed.
    fn inverse(&self, attempt: Option<&Attempt>) -> Inverse {
        let (sql, args) = match (&self.undo, &self.no_undo) {
            (Some(Back::Statement(sql)), _) => (sql, &[][..]),
            (Some(Back::WithArguments { sql, args }), _) => (sql, args.as_slice()),
            (None, why) => {
                let why = why.as_deref().unwrap_or_default();
                return Inverse::none(attempt.map_or_else(|| why.to_owned(), |attempt| attempt.reason(why)));
            }
        };
        let mut call = json!({ "sql": sql, "args": args, "no_undo": "it takes something back" });
        let others =
            [("server", json!(self.server)), ("database", json!(self.database)), ("attempt", json!(attempt))];
        for (name, value) in others.into_iter().filter(|(_, value)| !value.is_null()) {
            call[name] = value;
        }
        Inverse::call(Self::PATH, call)
    }

    async fn in_transaction(self, client: &Client, asked: Asked, slot: UndoSlot) -> Result<Executed> {
        let slot = Arc::new(slot);
        // What was about to be committed, if it came to that.
        let reached = Arc::new(Mutex::new(None));
        let (of_talk, noted) = (slot.clone(), reached.clone());
        let done = client.converse(Mode::Transaction, asked.clone(), |session| {
            Box::pin(async move {
                if !self.is_wanted(session).await? {
                    return Ok(Executed::default());
                }
                let answers = self.carry_out(session).await?;
                let attempt = Attempt::of(session, &answers).await?;
                let executed = Executed::of(answers);
                if let Some(attempt) = attempt {
                    of_talk.refine(self.inverse(Some(&attempt))).await?;
                    let reached = (attempt, executed.clone());
                    *noted.lock().unwrap_or_else(PoisonError::into_inner) = Some(reached);
                }
                Ok(executed)
            })
        });
        let done = done.await;
        let reached = reached.lock().unwrap_or_else(PoisonError::into_inner).take();
        let settled = match (done, reached) {
            (Ok(done), Some(_)) => return Ok(done),
            // Nothing was changed, and nothing is to be taken back.
            (done, None) => done,
            (Err(error), Some((attempt, executed))) => match attempt.settled(client, &asked).await {
                Ok(Fate::Committed) => {
                    client.cx().info(format!(
                        "transaction {} was committed, though no answer came",
                        attempt.transaction
                    ));
                    return Ok(executed);
                }
                Ok(Fate::Aborted) => Err(error),
                Ok(Fate::Forgotten) => return Err(attempt.forgotten(client).because(error)),
                Err(unsettled) => return Err(error.detail(unsettled.report())),
            },
        };
        if let Some(slot) = Arc::into_inner(slot) {
            slot.forget().await?;
        }
        settled
    }

    /// Whether what this takes back is there.
    async fn is_wanted(&self, session: &mut Session) -> Result<bool, Failure> {
        let Some(attempt) = &self.attempt else { return Ok(true) };
        match attempt.fate(session).await? {
            Some(Fate::Committed) => Ok(true),
            Some(Fate::Aborted) => Ok(false),
            Some(Fate::Forgotten) => Err(attempt.unknown().into()),
            None => {
                let message = format!(
                    "transaction {}, which is to be taken back, is not at its end",
                    attempt.transaction
                );
                Err(Error::new(ErrorKind::Conflict, message).hint("try again when it is").into())
            }
        }
    }

    async fn carry_out(&self, session: &mut Session) -> Result<Vec<Answer>, Failure> {
        match statement::only(&self.sql) {
            Ok(one) => Ok(vec![session.extended(one, &self.args, None).await?]),
            Err(_) => session.simple(&self.sql).await,
        }
    }
}

impl Executed {
    fn of(mut answers: Vec<Answer>) -> Self {
        let rows = answers.iter().filter(|answer| answer.writes()).map(|answer| answer.affected).sum();
        Executed { rows, returned: answers.pop().map(|last| last.rows).unwrap_or_default() }
    }
}

impl Attempt {
    /// What it had done, of a run that has broken off since.
    fn recalled(&self) -> Result<Executed> {
        match self.returned {
            0 => Ok(Executed { rows: self.rows, returned: Vec::new() }),
            returned => Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "transaction {} was committed, and the {returned} rows that it gave back are lost",
                    self.transaction
                ),
            )
            .hint("look what they were with `postgres::query`, and mark the call as done")),
        }
    }

    fn forgotten(&self, client: &Client) -> Error {
        self.unknown().context(client.place())
    }

    fn unknown(&self) -> Error {
        Error::new(
            ErrorKind::Conflict,
            format!(
                "the server does not know any more whether transaction {} was committed",
                self.transaction
            ),
        )
        .hint("look whether what it was to do is there")
    }
}
