//! What a statement is run with: its transaction's database, its parameters, and the session around it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;

use super::expr::Result;
use crate::postgres::server::Server;
use crate::postgres::session::Settings;
use crate::rows::{Database, Sequence, Table, TableName};
use crate::value::Datum;

/// The rows of a query with a name (`WITH`), once they are known.
pub(crate) type Named = Rc<Vec<Vec<Datum>>>;

pub(crate) struct Context<'s> {
    pub(crate) server: &'s dyn Server,
    pub(crate) settings: &'s RefCell<Settings>,
    /// The name of the database, and its content as the transaction sees it.
    pub(crate) name: &'s str,
    pub(crate) user: &'s str,
    pub(crate) pid: i32,
    pub(crate) database: &'s RefCell<Database>,
    pub(crate) parameters: Vec<Datum>,
    /// When the transaction, and the statement, began.
    pub(crate) transaction: Timestamp,
    pub(crate) now: Timestamp,
    pub(crate) read_only: bool,
    pub(crate) named: RefCell<Vec<Option<Named>>>,
    /// The last values of sequences in this session.
    pub(crate) given: &'s RefCell<Vec<(TableName, i64)>>,
    /// So long the statement waits before it answers (`pg_sleep`).
    pub(crate) wait: Cell<Duration>,
    pub(crate) notices: RefCell<Vec<(&'static str, String)>>,
}

impl Context<'_> {
    /// A copy, which shares what is the same.
    pub(crate) fn table(&self, name: &TableName) -> Option<Table> {
        self.database.borrow().table(name.clone()).cloned()
    }

    /// Takes the next value of a sequence: of the database itself, as no transaction gives it back.
    pub(crate) fn next_value(&self, name: &TableName) -> Result<i64> {
        let mut given = None;
        let known = self.database.borrow().sequence(name).cloned();
        // One that this transaction has made is not there yet.
        self.server.write(self.name, &mut |at, database| {
            if let Some(sequence) = database.sequence(name).cloned() {
                given = Some(advance(at, database, name, sequence)?);
            }
            Ok(())
        })?;
        let mut database = self.database.borrow_mut();
        let value = match (given, known) {
            (Some(value), Some(sequence)) => {
                database.mirror_sequence(name, Sequence { last: value, called: true, ..sequence });
                value
            }
            (Some(value), None) => value,
            (None, Some(sequence)) => advance(self.now, &mut database, name, sequence)?,
            (None, None) => {
                return Err(crate::postgres::PgError::new(
                    "42P01",
                    format!("relation \"{name}\" does not exist"),
                ));
            }
        };
        let mut given = self.given.borrow_mut();
        given.retain(|(sequence, _)| sequence != name);
        given.push((name.clone(), value));
        Ok(value)
    }

    pub(crate) fn set_value(&self, name: &TableName, last: i64, called: bool) -> Result<()> {
        self.server.write(self.name, &mut |at, database| {
            if let Some(sequence) = database.sequence(name).cloned() {
                database.set_sequence(at, name, Some(Sequence { last, called, ..sequence }));
            }
            Ok(())
        })?;
        let mut database = self.database.borrow_mut();
        if let Some(sequence) = database.sequence(name).cloned() {
            database.mirror_sequence(name, Sequence { last, called, ..sequence });
        }
        Ok(())
    }

    pub(crate) fn notice(&self, level: &'static str, text: impl Into<String>) {
        self.notices.borrow_mut().push((level, text.into()));
    }
}

fn advance(at: Timestamp, database: &mut Database, name: &TableName, sequence: Sequence) -> Result<i64> {
    let next = sequence.next().ok_or_else(|| {
        crate::postgres::PgError::new(
            "2200H",
            format!("nextval: reached maximum value of sequence \"{}\" ({})", name.name, i64::MAX),
        )
    })?;
    database.set_sequence(at, name, Some(Sequence { last: next, called: true, ..sequence }));
    Ok(next)
}
