//! One connection: the protocol of PostgreSQL, version 3, from the server's side.

mod auth;
mod codec;
mod extended;
mod startup;

use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};

use self::codec::{Message, Reader, Writer, put, text, violation};
use super::session::{Outcome, Session};
use super::sessions::Signal;
use super::sql::copy::{Copy, CopyIn};
use super::sql::parse;
use super::sql::plan::Output;
use super::{PgError, Server};
use crate::value::{Datum, Type, to_binary, to_iso_text, to_text};

/// Serves one client until it leaves, is sent away, or its stream ends.
///
/// # Errors
/// Those of the stream, and of a client that does not speak the protocol.
pub async fn serve<S>(stream: S, server: Arc<dyn Server>) -> std::io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let (reader, writer) = tokio::io::split(stream);
    let (mut reader, mut stream) = (Reader::new(reader), writer);
    let started = startup::start(&mut reader, &mut stream, &server).await?;
    let Some((session, signal, answers)) = started else { return stream.shutdown().await };
    let pid = session.pid;
    let reported = session.settings.borrow().reported();
    let mut connection = Connection {
        reader,
        stream,
        answers,
        reported,
        session,
        signal,
        extended: extended::State::default(),
    };
    let served = connection.talk().await;
    server.sessions().leave(pid);
    served
}

struct Connection<S> {
    reader: Reader<ReadHalf<S>>,
    stream: WriteHalf<S>,
    answers: Writer,
    session: Session,
    signal: Arc<Signal>,
    /// The settings that the client has been told.
    reported: Vec<(&'static str, String)>,
    extended: extended::State,
}

/// Why a connection ends.
enum End {
    /// The client has said so, or is gone.
    Left,
    Stream(std::io::Error),
    Error(PgError),
}

impl From<std::io::Error> for End {
    fn from(error: std::io::Error) -> Self {
        End::Stream(error)
    }
}

impl From<PgError> for End {
    fn from(error: PgError) -> Self {
        End::Error(error)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection<S> {
    async fn talk(&mut self) -> std::io::Result<()> {
        self.ready();
        self.flush().await?;
        loop {
            let end = match self.turn().await {
                Ok(()) => continue,
                Err(end) => end,
            };
            match end {
                End::Left => return self.flush().await,
                End::Stream(error) => return Err(error),
                End::Error(error) => {
                    self.answers.error(&error);
                    // Who hangs up meanwhile does not hear it.
                    self.flush().await.ok();
                    return self.stream.shutdown().await;
                }
            }
        }
    }

    /// One message, answered.
    async fn turn(&mut self) -> Result<(), End> {
        let message = self.next().await?;
        match message.kind {
            b'Q' => {
                let mut body = message.body;
                let sql = text(&mut body)?;
                self.query(&sql).await?;
                self.ready();
                Ok(self.flush().await?)
            }
            b'X' => Err(End::Left),
            // What is left of a copy that came to an error.
            b'd' | b'c' | b'f' => Ok(()),
            b'F' => Err(PgError::fatal("0A000", "the function call protocol is not simulated").into()),
            kind => self.extended(kind, message.body).await,
        }
    }

    /// The next message; ends when the session is ended by somebody.
    async fn next(&mut self) -> Result<Message, End> {
        loop {
            if self.signal.is_terminated() {
                return Err(terminated().into());
            }
            // A cancellation that comes between two statements is about none.
            tokio::select! {
                biased;
                message = self.reader.message() => return message?.ok_or(End::Left),
                () = self.signal.told() => {}
            }
        }
    }

    async fn flush(&mut self) -> std::io::Result<()> {
        let out = std::mem::take(&mut self.answers.out);
        self.stream.write_all(&out).await?;
        self.stream.flush().await
    }

    /// `ReadyForQuery`
    fn ready(&mut self) {
        let status = self.session.status();
        self.answers.message(b'Z', |out| out.push(status));
        let (state, begun) = self.session.activity();
        let now = self.session.server.now();
        self.session.server.sessions().change(self.session.pid, |activity| {
            activity.state = state;
            activity.transaction = begun;
            activity.changed = now;
        });
    }

    fn active(&mut self, query: &str) {
        self.signal.take_cancelled();
        let now = self.session.server.now();
        self.session.server.sessions().change(self.session.pid, |activity| {
            activity.state = "active";
            query.clone_into(&mut activity.query);
            activity.asked = Some(now);
            activity.changed = now;
            activity.transaction.get_or_insert(now);
        });
    }

    /// The simple protocol: all statements of a text, up to the first error.
    async fn query(&mut self, sql: &str) -> Result<(), End> {
        self.active(sql);
        let parsed = match parse::statements(sql) {
            Ok(parsed) => parsed,
            Err(error) => {
                self.session.fail();
                return self.tell(error.within(sql));
            }
        };
        if parsed.is_empty() {
            self.answers.empty(b'I');
        }
        for one in &parsed {
            let outcome = match self.session.execute(one, Vec::new(), &[]) {
                Ok(outcome) => outcome,
                Err(error) => return self.tell(error),
            };
            match self.finish(outcome, true, &[]).await {
                Ok(()) => {}
                Err(End::Error(error)) => return self.tell(error),
                Err(end) => return Err(end),
            }
        }
        match self.session.settle() {
            Ok(()) => Ok(()),
            Err(error) => self.tell(error),
        }
    }

    /// An error that does not end the connection.
    fn tell(&mut self, error: PgError) -> Result<(), End> {
        if error.fatal {
            return Err(error.into());
        }
        self.answers.error(&error);
        Ok(())
    }

    /// Waits as long as the statement takes, and answers with what came of it.
    async fn finish(&mut self, outcome: Outcome, describe: bool, formats: &[i16]) -> Result<(), End> {
        if let Err(error) = self.wait(outcome.wait).await {
            self.session.fail();
            return Err(error.into());
        }
        for (level, text) in &outcome.notices {
            self.answers.notice(level, text);
        }
        match outcome.copy {
            Some(Copy::Out { lines, columns, .. }) => {
                self.answers.message(b'H', |out| copy_formats(out, columns));
                for line in lines {
                    self.answers.message(b'd', |out| out.extend_from_slice(&line));
                }
                self.answers.empty(b'c');
                self.answers.complete(&outcome.tag);
            }
            Some(Copy::In(copy)) => {
                let tag = self.copy_in(&copy).await?;
                self.answers.complete(&tag);
            }
            None => {
                if let Some(columns) = &outcome.columns {
                    if describe {
                        row_description(&mut self.answers, columns, formats);
                    }
                    for row in &outcome.rows {
                        self.row(row, columns, formats)?;
                    }
                }
                self.answers.complete(&outcome.tag);
            }
        }
        self.report();
        Ok(())
    }

    /// A row, each column in text or in binary.
    fn row(&mut self, row: &[Datum], columns: &[Output], formats: &[i16]) -> Result<(), PgError> {
        let iso = self.session.settings.borrow().has_iso_intervals();
        let mut names = Vec::new();
        for (at, (datum, column)) in row.iter().zip(columns).enumerate() {
            // What a relation is called only the catalogs know.
            let named = column.kind == Type::Regclass && !datum.is_null() && format_of(formats, at) == 0;
            names.push(if named { Some(self.session.relation_name(datum)?) } else { None });
        }
        self.answers.message(b'D', |out| {
            out.put_i16(i16::try_from(row.len()).unwrap_or(i16::MAX));
            for (at, (datum, column)) in row.iter().zip(columns).enumerate() {
                if datum.is_null() {
                    out.put_i32(-1);
                    continue;
                }
                let place = out.len();
                out.put_i32(0);
                match (format_of(formats, at), &names[at]) {
                    (0, Some(name)) => out.extend_from_slice(name.as_bytes()),
                    (0, None) if iso => out.extend_from_slice(to_iso_text(datum, &column.kind).as_bytes()),
                    (0, None) => out.extend_from_slice(to_text(datum, &column.kind).as_bytes()),
                    _ => to_binary(datum, &column.kind, out),
                }
                let length = i32::try_from(out.len() - place - 4).unwrap_or(i32::MAX);
                out[place..place + 4].copy_from_slice(&length.to_be_bytes());
            }
        });
        Ok(())
    }

    /// The client is told of settings that have become others.
    fn report(&mut self) {
        let now = self.session.settings.borrow().reported();
        for ((name, value), (_, before)) in now.iter().zip(&self.reported) {
            if value != before {
                self.answers.parameter(name, value);
            }
        }
        let application = now.iter().find(|(name, _)| *name == "application_name");
        if let Some((_, application)) = application {
            self.session
                .server
                .sessions()
                .change(self.session.pid, |activity| activity.application.clone_from(application));
        }
        self.reported = now;
    }

    /// # Errors
    /// 57014, 57P01
    async fn wait(&mut self, span: Duration) -> Result<(), PgError> {
        if span.is_zero() {
            return Ok(());
        }
        let timeout = self.session.settings.borrow().get("statement_timeout").unwrap_or_default();
        let timeout = milliseconds(&timeout).filter(|timeout| *timeout < span);
        let server = self.session.server.clone();
        let mut wait = server.wait(timeout.unwrap_or(span));
        loop {
            if self.signal.is_terminated() {
                return Err(terminated());
            }
            if self.signal.take_cancelled() {
                return Err(PgError::new("57014", "canceling statement due to user request"));
            }
            tokio::select! {
                () = &mut wait => break,
                () = self.signal.told() => {}
            }
        }
        match timeout {
            Some(_) => Err(PgError::new("57014", "canceling statement due to statement timeout")),
            None => Ok(()),
        }
    }

    /// Takes rows until the client has sent all of them.
    async fn copy_in(&mut self, copy: &CopyIn) -> Result<String, End> {
        self.answers.message(b'G', |out| copy_formats(out, copy.columns()));
        self.flush().await?;
        let mut data = Vec::new();
        loop {
            let mut message = self.next().await?;
            match message.kind {
                b'd' => data.extend_from_slice(&message.body),
                b'c' => break,
                b'f' => {
                    self.session.fail();
                    let why = text(&mut message.body)?;
                    return Err(PgError::new("57014", format!("COPY from stdin failed: {why}")).into());
                }
                // Sent ahead, and of no use here.
                b'S' | b'H' => {}
                b'X' => return Err(End::Left),
                _ => return Err(violation("a message that is no data during COPY").into()),
            }
        }
        Ok(self.session.copy_in(copy, &data)?.tag)
    }
}

fn terminated() -> PgError {
    PgError::fatal("57P01", "terminating connection due to administrator command")
}

/// `500`, `500ms`, `5s`, `1min`; none for 0.
fn milliseconds(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|one: char| one.is_ascii_alphabetic()).trim();
    let number: u64 = digits.parse().ok().filter(|number| *number > 0)?;
    let unit = match text[digits.len()..].trim() {
        "s" => 1000,
        "min" => 60_000,
        "h" => 3_600_000,
        _ => 1,
    };
    Some(Duration::from_millis(number * unit))
}

/// One format is that of all columns, none is text.
fn format_of(formats: &[i16], at: usize) -> i16 {
    match formats {
        [] => 0,
        [one] => *one,
        many => many.get(at).copied().unwrap_or(0),
    }
}

fn copy_formats(out: &mut Vec<u8>, columns: usize) {
    out.push(0);
    out.put_i16(i16::try_from(columns).unwrap_or(i16::MAX));
    (0..columns).for_each(|_| out.put_i16(0));
}

fn row_description(answers: &mut Writer, columns: &[Output], formats: &[i16]) {
    answers.message(b'T', |out| {
        out.put_i16(i16::try_from(columns.len()).unwrap_or(i16::MAX));
        for (at, column) in columns.iter().enumerate() {
            let (table, number) = column.of.unwrap_or((0, 0));
            put(out, &column.name);
            out.put_u32(table);
            out.put_i16(number);
            out.put_u32(column.kind.oid());
            out.put_i16(column.kind.length());
            out.put_i32(column.kind.modifier());
            out.put_i16(format_of(formats, at));
        }
    });
}

/// Types of parameters by their numbers.
fn parameter_types(body: &mut BytesMut) -> Result<Vec<Type>, PgError> {
    let count = codec::int2(body)?;
    (0..count)
        .map(|_| {
            let oid = u32::from_be_bytes(codec::int4(body)?.to_be_bytes());
            Type::of_oid(oid).ok_or_else(|| PgError::unsupported(format_args!("the type with OID {oid}")))
        })
        .collect()
}
