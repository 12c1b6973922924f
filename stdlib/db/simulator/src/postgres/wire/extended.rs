//! The extended protocol: statements that are prepared, bound to parameters, and run in steps.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};

use super::codec::{int2, int2s, int4, text, violation};
use super::{Connection, End, format_of, parameter_types, row_description};
use crate::postgres::PgError;
use crate::postgres::session::{Described, Outcome};
use crate::postgres::sql::parse::{self, Parsed};
use crate::postgres::sql::plan::Output;
use crate::value::{Datum, Type, from_binary, from_text};

#[derive(Default)]
pub(super) struct State {
    prepared: BTreeMap<String, Arc<Prepared>>,
    portals: BTreeMap<String, Portal>,
    /// After an error everything up to the next `Sync` is left out.
    skipping: bool,
}

struct Prepared {
    parsed: Option<Parsed>,
    described: Described,
}

struct Portal {
    prepared: Arc<Prepared>,
    parameters: Vec<Datum>,
    formats: Vec<i16>,
    /// What is left of the rows, once it was run.
    running: Option<Running>,
}

struct Running {
    rows: std::vec::IntoIter<Vec<Datum>>,
    columns: Vec<Output>,
    tag: String,
}

fn no_statement(name: &str) -> PgError {
    PgError::new("26000", format!("prepared statement \"{name}\" does not exist"))
}

fn no_portal(name: &str) -> PgError {
    PgError::new("34000", format!("portal \"{name}\" does not exist"))
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection<S> {
    pub(super) async fn extended(&mut self, kind: u8, body: BytesMut) -> Result<(), End> {
        if kind == b'S' {
            self.extended.skipping = false;
            if let Err(error) = self.session.settle() {
                self.tell(error)?;
            }
            if self.session.status() == b'I' {
                self.extended.portals.clear();
            }
            self.ready();
            return Ok(self.flush().await?);
        }
        if self.extended.skipping {
            return Ok(());
        }
        let done = match kind {
            b'P' => self.parse(body).map_err(End::from),
            b'B' => self.bind(body).map_err(End::from),
            b'D' => self.describe(body).map_err(End::from),
            b'E' => self.execute(body).await,
            b'C' => self.close(body).map_err(End::from),
            b'H' => return Ok(self.flush().await?),
            other => Err(violation(&format!("an unknown kind {other}")).into()),
        };
        match done {
            Err(End::Error(error)) => {
                self.session.fail();
                self.extended.skipping = true;
                self.tell(error)
            }
            other => other,
        }
    }

    fn parse(&mut self, mut body: BytesMut) -> Result<(), PgError> {
        let (name, sql) = (text(&mut body)?, text(&mut body)?);
        let given = parameter_types(&mut body)?;
        let mut parsed = parse::statements(&sql).map_err(|error| error.within(&sql))?;
        if parsed.len() > 1 {
            return Err(PgError::new("42601", "cannot insert multiple commands into a prepared statement"));
        }
        if !name.is_empty() && self.extended.prepared.contains_key(&name) {
            return Err(PgError::new("42P05", format!("prepared statement \"{name}\" already exists")));
        }
        let parsed = parsed.pop();
        let described = self.session.describe(parsed.as_ref(), &given)?;
        self.extended.prepared.insert(name, Arc::new(Prepared { parsed, described }));
        self.answers.empty(b'1');
        Ok(())
    }

    fn bind(&mut self, mut body: BytesMut) -> Result<(), PgError> {
        let (portal, statement) = (text(&mut body)?, text(&mut body)?);
        let prepared =
            self.extended.prepared.get(&statement).cloned().ok_or_else(|| no_statement(&statement))?;
        let formats = int2s(&mut body)?;
        let count = usize::try_from(int2(&mut body)?).unwrap_or(0);
        let kinds = &prepared.described.parameters;
        if count != kinds.len() {
            return Err(PgError::new(
                "08P01",
                format!(
                    "bind message supplies {count} parameters, but prepared statement \"{statement}\" requires {}",
                    kinds.len()
                ),
            ));
        }
        let mut parameters = Vec::with_capacity(count);
        for (at, kind) in kinds.iter().enumerate() {
            parameters.push(parameter(&mut body, kind, format_of(&formats, at))?);
        }
        let formats = int2s(&mut body)?;
        self.extended.portals.insert(portal, Portal { prepared, parameters, formats, running: None });
        self.answers.empty(b'2');
        Ok(())
    }

    fn describe(&mut self, mut body: BytesMut) -> Result<(), PgError> {
        let kind = if body.is_empty() { 0 } else { body.get_u8() };
        let name = text(&mut body)?;
        let (prepared, formats) = match kind {
            b'S' => {
                let prepared =
                    self.extended.prepared.get(&name).cloned().ok_or_else(|| no_statement(&name))?;
                let kinds = &prepared.described.parameters;
                self.answers.message(b't', |out| {
                    out.put_i16(i16::try_from(kinds.len()).unwrap_or(i16::MAX));
                    kinds.iter().for_each(|kind| out.put_u32(kind.oid()));
                });
                (prepared, Vec::new())
            }
            _ => {
                let portal = self.extended.portals.get(&name).ok_or_else(|| no_portal(&name))?;
                (portal.prepared.clone(), portal.formats.clone())
            }
        };
        match &prepared.described.columns {
            Some(columns) => row_description(&mut self.answers, columns, &formats),
            None => self.answers.empty(b'n'),
        }
        Ok(())
    }

    async fn execute(&mut self, mut body: BytesMut) -> Result<(), End> {
        let name = text(&mut body)?;
        let most = usize::try_from(int4(&mut body)?).ok().filter(|most| *most > 0).unwrap_or(usize::MAX);
        let portal = self.extended.portals.get_mut(&name).ok_or_else(|| no_portal(&name))?;
        let prepared = portal.prepared.clone();
        let formats = portal.formats.clone();
        let Some(parsed) = &prepared.parsed else {
            self.answers.empty(b'I');
            return Ok(());
        };
        let mut running = match portal.running.take() {
            Some(running) => running,
            None => {
                let parameters = portal.parameters.clone();
                self.active(&parsed.text);
                let mut outcome = self.session.execute(parsed, parameters, &prepared.described.parameters)?;
                let Some(columns) = outcome.columns.take() else {
                    return self.finish(outcome, false, &formats).await;
                };
                let running = Running {
                    rows: std::mem::take(&mut outcome.rows).into_iter(),
                    columns,
                    tag: outcome.tag,
                };
                let rest = Outcome { notices: outcome.notices, wait: outcome.wait, ..Outcome::default() };
                self.pause(rest).await?;
                running
            }
        };
        for row in running.rows.by_ref().take(most) {
            self.row(&row, &running.columns, &formats)?;
        }
        if running.rows.len() > 0 {
            self.answers.empty(b's');
            if let Some(portal) = self.extended.portals.get_mut(&name) {
                portal.running = Some(running);
            }
            return Ok(());
        }
        self.answers.complete(&running.tag);
        self.report();
        Ok(())
    }

    /// The time that a statement takes, and what is noted of it.
    async fn pause(&mut self, outcome: Outcome) -> Result<(), End> {
        if let Err(error) = self.wait(outcome.wait).await {
            self.session.fail();
            return Err(error.into());
        }
        outcome.notices.iter().for_each(|(level, text)| self.answers.notice(level, text));
        Ok(())
    }

    fn close(&mut self, mut body: BytesMut) -> Result<(), PgError> {
        let kind = if body.is_empty() { 0 } else { body.get_u8() };
        let name = text(&mut body)?;
        match kind {
            b'S' => drop(self.extended.prepared.remove(&name)),
            _ => drop(self.extended.portals.remove(&name)),
        }
        self.answers.empty(b'3');
        Ok(())
    }
}

fn parameter(body: &mut BytesMut, kind: &Type, format: i16) -> Result<Datum, PgError> {
    let Ok(length) = usize::try_from(int4(body)?) else { return Ok(Datum::Null) };
    if body.len() < length {
        return Err(violation("a parameter that is too short"));
    }
    let bytes = body.split_to(length);
    if format != 0 {
        return Ok(from_binary(&bytes, kind)?);
    }
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| PgError::new("22021", "invalid byte sequence for encoding \"UTF8\""))?;
    Ok(from_text(text, kind)?)
}
