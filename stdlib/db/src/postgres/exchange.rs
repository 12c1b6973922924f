//! Statements and their answers, within a session.

use fallible_iterator::FallibleIterator;
use opsrun_core::{Error, Value};
use postgres_protocol::IsNull;
use postgres_protocol::message::backend::{DataRowBody, Message, RowDescriptionBody};
use postgres_protocol::message::frontend;
use serde_json::Map;

use crate::postgres::error::{Failure, Refused};
use crate::postgres::session::Session;
use crate::postgres::value::{self, Oid};

/// A row, by the names of its columns.
pub(crate) type Row = Map<String, Value>;

/// What a statement gave.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) rows: Vec<Row>,
    /// As the server tells it: `UPDATE`, `INSERT`, `SELECT`.
    pub(crate) command: String,
    /// The rows that it was about.
    pub(crate) affected: u64,
    /// There are more rows than were asked for.
    pub(crate) more: bool,
}

impl Answer {
    /// It is about rows that were written, and not only read.
    pub(crate) fn writes(&self) -> bool {
        !matches!(self.command.as_str(), "SELECT" | "FETCH" | "MOVE")
    }
}

/// The most that the texts of all rows of an answer may take: it goes into a playbook's memory.
const LARGEST: usize = 32 << 20;

struct Columns(Vec<(String, Oid)>);

impl Session {
    /// Carries out statements without arguments, one after the other.
    pub(crate) async fn simple(&mut self, sql: &str) -> Result<Vec<Answer>, Failure> {
        frontend::query(sql, self.wire.outbox()).map_err(|_| zero())?;
        self.wire.flush().await?;
        let (mut answers, mut begun) = (Vec::new(), Begun::default());
        let mut refused = None;
        loop {
            match self.next().await? {
                Message::ReadyForQuery(_) => break,
                Message::CommandComplete(body) => {
                    answers.push(std::mem::take(&mut begun).end(body.tag()?));
                }
                Message::ErrorResponse(body) => {
                    refused = Some(self.refusal(Refused::read(body.fields())?, sql)?);
                }
                message => begun.hear(self, message)?,
            }
        }
        refused.map_or(Ok(answers), Err)
    }

    /// Carries out one statement with arguments; at most `limit` rows of it are given.
    pub(crate) async fn extended(
        &mut self,
        sql: &str,
        arguments: &[Value],
        limit: Option<u32>,
    ) -> Result<Answer, Failure> {
        frontend::parse("", sql, [], self.wire.outbox()).map_err(|_| zero())?;
        frontend::describe(b'S', "", self.wire.outbox())?;
        frontend::sync(self.wire.outbox());
        self.wire.flush().await?;
        let (mut parameters, mut columns, mut refused) = (Vec::new(), None, None);
        loop {
            match self.next().await? {
                Message::ReadyForQuery(_) => break,
                Message::ParameterDescription(body) => parameters = body.parameters().collect()?,
                Message::RowDescription(body) => columns = Some(Columns::read(&body)?),
                Message::ErrorResponse(body) => {
                    refused = Some(self.refusal(Refused::read(body.fields())?, sql)?);
                }
                Message::ParseComplete | Message::NoData => {}
                _ => return Err(self.strayed("no description came")),
            }
        }
        if let Some(refused) = refused {
            return Err(refused);
        }
        if parameters.len() != arguments.len() {
            return Err(Error::invalid(format!(
                "the statement has {} parameters (`$1` …), and {} arguments are given",
                parameters.len(),
                arguments.len()
            ))
            .into());
        }
        if let Some(columns) = &columns {
            columns.distinct()?;
        }
        let texts: Vec<Option<String>> =
            parameters.iter().zip(arguments).map(|(oid, argument)| value::to_text(*oid, argument)).collect();
        let put = |text: &Option<String>, buffer: &mut bytes::BytesMut| {
            buffer.extend_from_slice(text.as_deref().unwrap_or_default().as_bytes());
            Ok(if text.is_none() { IsNull::Yes } else { IsNull::No })
        };
        // No formats: everything is text.
        let bound = frontend::bind("", "", [], &texts, put, [], self.wire.outbox());
        bound.map_err(|_| {
            Error::invalid("there are more arguments, or longer ones, than a statement can have")
        })?;
        // One more than is wanted: a server stops at a limit without looking whether there is more.
        let rows = limit.map_or(0, |limit| i32::try_from(limit).unwrap_or(i32::MAX).saturating_add(1));
        frontend::execute("", rows, self.wire.outbox())?;
        frontend::sync(self.wire.outbox());
        self.wire.flush().await?;
        let (mut answer, mut begun) = (Answer::default(), Begun { columns, ..Begun::default() });
        loop {
            match self.next().await? {
                Message::ReadyForQuery(_) => break,
                Message::BindComplete => {}
                Message::CommandComplete(body) => answer = std::mem::take(&mut begun).end(body.tag()?),
                Message::PortalSuspended => answer = std::mem::take(&mut begun).end("SELECT"),
                Message::ErrorResponse(body) => {
                    refused = Some(self.refusal(Refused::read(body.fields())?, sql)?);
                }
                message => begun.hear(self, message)?,
            }
        }
        if let Some(limit) = limit
            && answer.rows.len() > limit as usize
        {
            answer.rows.truncate(limit as usize);
            answer.more = true;
        }
        refused.map_or(Ok(answer), Err)
    }

    /// A refusal is told once the server is ready again; after a fatal one it never is.
    fn refusal(&mut self, refused: Refused, sql: &str) -> Result<Failure, Failure> {
        let fatal = refused.is_fatal();
        let failure = Failure::Refused(Box::new(refused)).of(sql);
        self.astray |= fatal;
        if fatal { Err(failure) } else { Ok(failure) }
    }

    fn strayed(&mut self, what: &str) -> Failure {
        self.astray = true;
        Failure::unexpected(what)
    }
}

/// A text of the protocol ends with a zero byte.
fn zero() -> Failure {
    Error::invalid("a statement cannot hold a zero byte").into()
}

/// An answer of which a part has come.
#[derive(Default)]
struct Begun {
    columns: Option<Columns>,
    rows: Vec<Row>,
    size: usize,
}

impl Begun {
    fn hear(&mut self, session: &mut Session, message: Message) -> Result<(), Failure> {
        let heard = match message {
            Message::RowDescription(body) => {
                let columns = Columns::read(&body)?;
                columns.distinct().map(|()| self.columns = Some(columns))
            }
            Message::DataRow(body) => {
                self.size += body.buffer().len();
                let columns =
                    self.columns.as_ref().ok_or_else(|| Failure::unexpected("a row came undescribed"))?;
                self.rows.push(columns.row(&body)?);
                match self.size <= LARGEST {
                    true => Ok(()),
                    false => Err(Error::invalid(format!("the rows take more than {} MiB", LARGEST >> 20))
                        .hint("select fewer columns, or fewer rows with `limit`")),
                }
            }
            Message::EmptyQueryResponse => Ok(()),
            Message::CopyInResponse(_) | Message::CopyOutResponse(_) => {
                Err(Error::invalid("`COPY` from or to the client cannot stand here"))
            }
            _ => return Err(session.strayed("that is no part of an answer")),
        };
        // What would still come is not waited for.
        session.astray |= heard.is_err();
        heard.map_err(Failure::from)
    }

    /// `tag`: `UPDATE 3`, `INSERT 0 3`, `CREATE TABLE`.
    fn end(self, tag: &str) -> Answer {
        let words: Vec<&str> = tag.split(' ').collect();
        let affected = words.last().and_then(|word| word.parse().ok());
        let command: Vec<&str> = words.into_iter().filter(|word| word.parse::<u64>().is_err()).collect();
        Answer {
            rows: self.rows,
            command: command.join(" "),
            affected: affected.unwrap_or_default(),
            more: false,
        }
    }
}

impl Columns {
    fn read(body: &RowDescriptionBody) -> Result<Self, Failure> {
        let columns = body.fields().map(|field| Ok((field.name().to_owned(), field.type_oid())));
        Ok(Columns(columns.collect()?))
    }

    /// A row is a map: a second column of the same name would be lost.
    fn distinct(&self) -> Result<(), Error> {
        let mut names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(Error::invalid(format!("two columns are called `{}`", pair[0]))
                .hint("give each a name of its own: `select a.id as a_id, b.id as b_id`")),
            None => Ok(()),
        }
    }

    fn row(&self, body: &DataRowBody) -> Result<Row, Failure> {
        let (mut row, mut ranges) = (Row::new(), body.ranges());
        for (name, oid) in &self.0 {
            let range = ranges.next()?.ok_or_else(|| Failure::unexpected("a row is too short"))?;
            let bytes = range.and_then(|range| body.buffer().get(range));
            row.insert(name.clone(), bytes.map_or(Value::Null, |bytes| value::of_text(*oid, bytes)));
        }
        Ok(row)
    }
}
