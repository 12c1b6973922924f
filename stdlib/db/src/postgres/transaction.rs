//! Whether a transaction took effect, asked of the server that was to commit it: so an answer that was lost can be made up for.
//!
//! A server keeps that for as long as it keeps the transaction's number (`txid_status`, since version 10).

use opsrun_core::{Cx, Error, ErrorKind, Inverse, Result, Span, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::postgres::access::Asked;
use crate::postgres::client::{Client, Mode};
use crate::postgres::error::Failure;
use crate::postgres::exchange::Answer;
use crate::postgres::session::Session;

/// A transaction that was about to be committed, and what it had done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Attempt {
    /// Its number.
    pub(crate) transaction: String,
    /// The rows that it was about.
    pub(crate) rows: u64,
    /// How many it gave back.
    pub(crate) returned: usize,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Committed,
    Aborted,
    /// It is so long ago that the server does not know any more.
    Forgotten,
}

const WITHIN: Span = Span::from_secs(60);
const EVERY: Span = Span::from_secs(2);
const ATTEMPT: &str = " (attempt ";

impl Attempt {
    /// Of the transaction in which these answers came; `None` if it has changed nothing.
    pub(crate) async fn of(session: &mut Session, answers: &[Answer]) -> Result<Option<Self>, Failure> {
        let number = session.simple("select txid_current_if_assigned()::text as transaction").await?;
        let number =
            number.first().and_then(|answer| answer.rows.first()).and_then(|row| row.get("transaction"));
        let attempt = number.and_then(Value::as_str).map(|number| Attempt {
            transaction: number.to_owned(),
            rows: answers.iter().filter(|answer| answer.writes()).map(|answer| answer.affected).sum(),
            returned: answers.last().map_or(0, |answer| answer.rows.len()),
        });
        Ok(attempt)
    }

    /// What became of it, told in a session.
    pub(crate) async fn fate(&self, session: &mut Session) -> Result<Option<Fate>, Failure> {
        let number = [json!(self.transaction)];
        let answer = session.extended("select txid_status($1) as fate", &number, None).await?;
        let fate = answer.rows.first().and_then(|row| row.get("fate")).and_then(Value::as_str);
        Ok(match fate {
            Some("committed") => Some(Fate::Committed),
            Some("aborted") => Some(Fate::Aborted),
            Some(_) => None,
            None => Some(Fate::Forgotten),
        })
    }

    /// What became of it, once the server can be asked and has made up its mind. `asked`: what it was for, so that nobody needs
    /// another grant to ask.
    ///
    /// # Errors
    /// Those of asking; `Timeout`.
    pub(crate) async fn settled(&self, client: &Client, asked: &Asked) -> Result<Fate> {
        let found = client.cx().wait(WITHIN, EVERY, || async {
            let attempt = self.clone();
            let told = client.converse(Mode::Read, asked.reading(), |session| {
                Box::pin(async move { attempt.fate(session).await })
            });
            match told.await {
                Err(error) if error.kind() == ErrorKind::Unreachable => Ok(None),
                told => told,
            }
        });
        found.await?.ok_or_else(|| {
            let message =
                format!("{} does not say what became of transaction {}", client.place(), self.transaction);
            Error::new(ErrorKind::Timeout, message)
        })
    }

    /// The one that a call had recorded when its run broke off.
    pub(crate) fn earlier(cx: &Cx) -> Option<Self> {
        let before = cx.broken_off().filter(|before| before.wrote)?;
        before.inverses.iter().find_map(|inverse| match inverse {
            Inverse::Call { args, .. } => Attempt::deserialize(args.get("attempt")?).ok(),
            // Where nothing takes it back, the reason is all that is recorded.
            Inverse::None { why } => {
                let text = why.split_once(ATTEMPT)?.1.strip_suffix(')')?;
                serde_json::from_str(text).ok()
            }
        })
    }

    /// A reason why there is no way back, with what [`Attempt::earlier`] finds in it.
    pub(crate) fn reason(&self, why: &str) -> String {
        format!("{why}{ATTEMPT}{})", json!(self))
    }
}
