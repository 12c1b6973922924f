//! What one client's statements come to: its transaction, its settings, the order in which things are done.
//!
//! A statement sees the database as it was when it began, a transaction that has written something as it was when it began to.
//! What two transactions write to the same row, the later of them to commit is refused (40001): nobody waits for a lock.

mod database;
mod statement;

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sqlparser::ast;

pub(crate) use self::database::TEMPLATES;
pub(crate) use super::settings::Settings;
use super::sql::bind::Binder;
use super::sql::context::Context;
use super::sql::copy::{Copy, CopyIn};
use super::sql::parse::{Parsed, Statement};
use super::sql::plan::Output;
use super::{PgError, Server, catalog};
use crate::rows::{Database, TableName};
use crate::value::{Datum, Type};

type Result<T> = std::result::Result<T, PgError>;

/// One session, without its connection.
pub(crate) struct Session {
    pub(crate) server: Arc<dyn Server>,
    pub(crate) database: String,
    pub(crate) user: String,
    pub(crate) pid: i32,
    pub(crate) settings: RefCell<Settings>,
    given: RefCell<Vec<(TableName, i64)>>,
    transaction: Option<Transaction>,
}

struct Transaction {
    work: RefCell<Database>,
    begun: Timestamp,
    /// Begun by `BEGIN`, and not by a statement for itself.
    explicit: bool,
    failed: bool,
    savepoints: Vec<(String, usize)>,
}

/// What came of a statement.
#[derive(Default)]
pub(crate) struct Outcome {
    /// Of its rows; none where it gives no rows at all.
    pub(crate) columns: Option<Vec<Output>>,
    pub(crate) rows: Vec<Vec<Datum>>,
    /// `INSERT 0 1`
    pub(crate) tag: String,
    pub(crate) notices: Vec<(&'static str, String)>,
    pub(crate) copy: Option<Copy>,
    /// So long it takes.
    pub(crate) wait: Duration,
}

/// What is known of a statement before it is run.
#[derive(Debug, Clone)]
pub(crate) struct Described {
    pub(crate) parameters: Vec<Type>,
    pub(crate) columns: Option<Vec<Output>>,
}

impl Session {
    pub(crate) fn new(server: Arc<dyn Server>, database: &str, user: &str) -> Self {
        let settings = Settings::new(server.version(), user, server.replayed().is_some());
        Session {
            server,
            database: database.to_owned(),
            user: user.to_owned(),
            pid: 0,
            settings: RefCell::new(settings),
            given: RefCell::default(),
            transaction: None,
        }
    }

    /// As `ReadyForQuery` tells it: idle, in a transaction, in a failed one.
    pub(crate) fn status(&self) -> u8 {
        match &self.transaction {
            Some(transaction) if transaction.explicit && transaction.failed => b'E',
            Some(transaction) if transaction.explicit => b'T',
            _ => b'I',
        }
    }

    /// As `pg_stat_activity` tells it, with the beginning of the transaction.
    pub(crate) fn activity(&self) -> (&'static str, Option<Timestamp>) {
        let begun = self.transaction.as_ref().filter(|transaction| transaction.explicit).map(|one| one.begun);
        let state = match self.status() {
            b'E' => "idle in transaction (aborted)",
            b'T' => "idle in transaction",
            _ => "idle",
        };
        (state, begun)
    }

    /// Types of parameters and columns.
    pub(crate) fn describe(&mut self, parsed: Option<&Parsed>, given: &[Type]) -> Result<Described> {
        let Some(parsed) = parsed else {
            return Ok(Described { parameters: given.to_vec(), columns: None });
        };
        self.refuse_if_failed(&parsed.statement)?;
        let Statement::Sql(statement) = &parsed.statement else {
            return Ok(Described { parameters: given.to_vec(), columns: None });
        };
        let described = self.within(Vec::new(), |cx| {
            let binder = Binder::new(cx, given.to_vec());
            let columns = statement::columns(&binder, statement)?;
            let parameters = binder.parameters.take();
            // What nothing has said anything about is a text.
            let parameters =
                parameters.into_iter().map(|kind| if kind == Type::Unknown { Type::Text } else { kind });
            Ok(Described { parameters: parameters.collect(), columns })
        });
        described.map(|(described, _)| described).map_err(|error| error.within(&parsed.whole))
    }

    /// Runs one statement.
    pub(crate) fn execute(
        &mut self,
        parsed: &Parsed,
        parameters: Vec<Datum>,
        kinds: &[Type],
    ) -> Result<Outcome> {
        let outcome = self.run(parsed, parameters, kinds);
        if outcome.is_err() {
            self.fail();
        }
        outcome
    }

    fn run(&mut self, parsed: &Parsed, parameters: Vec<Datum>, kinds: &[Type]) -> Result<Outcome> {
        self.refuse_if_failed(&parsed.statement)?;
        let statement = match &parsed.statement {
            Statement::Sql(statement) => statement,
            other => return self.of_databases(other),
        };
        if let Some(outcome) = self.of_transactions(statement)? {
            return Ok(outcome);
        }
        let run = |cx: &Context<'_>| statement::run(cx, statement, kinds);
        let (mut outcome, extra) =
            self.within(parameters, run).map_err(|error| error.within(&parsed.whole))?;
        outcome.notices = extra.notices;
        outcome.wait = extra.wait;
        Ok(outcome)
    }

    /// Takes rows that were sent for a `COPY`.
    pub(crate) fn copy_in(&mut self, copy: &CopyIn, data: &[u8]) -> Result<Outcome> {
        let taken = self.within(Vec::new(), |cx| copy.take(cx, data));
        match taken {
            Ok((count, _)) => Ok(Outcome { tag: format!("COPY {count}"), ..Outcome::default() }),
            Err(error) => {
                self.fail();
                Err(error)
            }
        }
    }

    /// The statement came to an error, also one of the protocol: its transaction is lost.
    pub(crate) fn fail(&mut self) {
        match &mut self.transaction {
            Some(transaction) if transaction.explicit => transaction.failed = true,
            _ => self.end(false),
        }
    }

    /// The end of what was sent together: a transaction that nobody began ends with it.
    pub(crate) fn settle(&mut self) -> Result<()> {
        match &self.transaction {
            Some(transaction) if !transaction.explicit => self.commit().map(drop),
            _ => Ok(()),
        }
    }

    fn refuse_if_failed(&self, statement: &Statement) -> Result<()> {
        let failed = self.transaction.as_ref().is_some_and(|transaction| transaction.failed);
        let ends = match statement {
            Statement::Sql(statement) => {
                matches!(**statement, ast::Statement::Commit { .. } | ast::Statement::Rollback { .. })
            }
            _ => false,
        };
        if failed && !ends {
            return Err(PgError::new(
                "25P02",
                "current transaction is aborted, commands ignored until end of transaction block",
            ));
        }
        Ok(())
    }

    /// Something done in the transaction, in one for itself if there is none.
    fn within<T>(
        &mut self,
        parameters: Vec<Datum>,
        run: impl FnOnce(&Context<'_>) -> Result<T>,
    ) -> Result<(T, Extra)> {
        let now = self.server.now();
        self.refresh()?;
        if self.transaction.is_none() {
            self.begin(false)?;
        }
        let Some(transaction) = &self.transaction else {
            return Err(PgError::new("XX000", "a transaction that was begun is not there"));
        };
        let cx = Context {
            server: &*self.server,
            settings: &self.settings,
            name: &self.database,
            user: &self.user,
            pid: self.pid,
            database: &transaction.work,
            parameters,
            transaction: transaction.begun,
            now,
            read_only: self.settings.borrow().is_on("transaction_read_only"),
            named: RefCell::default(),
            given: &self.given,
            wait: Cell::default(),
            notices: RefCell::default(),
        };
        let result = run(&cx)?;
        let extra = Extra { notices: cx.notices.take(), wait: cx.wait.get() };
        Ok((result, extra))
    }

    /// A transaction that has not written yet sees what others have committed in the meantime.
    fn refresh(&mut self) -> Result<()> {
        let Some(transaction) = &mut self.transaction else { return Ok(()) };
        let committed = self.settings.borrow().get("transaction_isolation")? == "read committed";
        if committed && transaction.work.borrow().changes() == 0 {
            *transaction.work.borrow_mut() = self.server.read(&self.database)?.without_history();
        }
        Ok(())
    }

    fn begin(&mut self, explicit: bool) -> Result<()> {
        let work = RefCell::new(self.server.read(&self.database)?.without_history());
        let begun = self.server.now();
        self.settings.borrow_mut().begin();
        self.transaction = Some(Transaction { work, begun, explicit, failed: false, savepoints: Vec::new() });
        Ok(())
    }

    /// Writes back what the transaction has done; gives whether that was so.
    fn commit(&mut self) -> Result<bool> {
        let Some(transaction) = &self.transaction else { return Ok(true) };
        if transaction.failed {
            self.end(false);
            return Ok(false);
        }
        let merged = {
            let work = transaction.work.borrow();
            match work.changes() {
                0 => Ok(()),
                _ => self.server.write(&self.database, &mut |at, database| Ok(database.merge(at, &work)?)),
            }
        };
        self.end(merged.is_ok());
        merged.map(|()| true)
    }

    fn end(&mut self, committed: bool) {
        if self.transaction.take().is_some() {
            self.settings.borrow_mut().end(committed);
            self.server.sessions().end_transaction(self.pid, committed);
        }
    }

    /// `BEGIN`, `COMMIT` and what belongs to them; `None` for everything else.
    fn of_transactions(&mut self, statement: &ast::Statement) -> Result<Option<Outcome>> {
        let done = |tag: &str| Outcome { tag: tag.to_owned(), ..Outcome::default() };
        let warned =
            |tag: &str, text: &str| Outcome { notices: vec![("WARNING", text.to_owned())], ..done(tag) };
        let open = self.transaction.as_ref().is_some_and(|transaction| transaction.explicit);
        Ok(Some(match statement {
            ast::Statement::StartTransaction { modes, begin, .. } => {
                let tag = if *begin { "BEGIN" } else { "START TRANSACTION" };
                if open {
                    return Ok(Some(warned(tag, "there is already a transaction in progress")));
                }
                match &mut self.transaction {
                    Some(transaction) => transaction.explicit = true,
                    None => self.begin(true)?,
                }
                self.set_modes(modes)?;
                done(tag)
            }
            ast::Statement::Commit { chain: false, .. } => {
                if !open {
                    self.commit()?;
                    return Ok(Some(warned("COMMIT", "there is no transaction in progress")));
                }
                done(if self.commit()? { "COMMIT" } else { "ROLLBACK" })
            }
            ast::Statement::Rollback { chain: false, savepoint: None } => {
                self.end(false);
                if open {
                    done("ROLLBACK")
                } else {
                    warned("ROLLBACK", "there is no transaction in progress")
                }
            }
            ast::Statement::Rollback { chain: false, savepoint: Some(name) } => {
                self.end_savepoint(&super::sql::names::folded(name), true)?;
                done("ROLLBACK")
            }
            ast::Statement::Savepoint { name } => {
                let name = super::sql::names::folded(name);
                let transaction = self.transaction.as_mut().filter(|transaction| transaction.explicit);
                let transaction = transaction.ok_or_else(|| {
                    PgError::new("25P01", "SAVEPOINT can only be used in transaction blocks")
                })?;
                let changes = transaction.work.borrow().changes();
                transaction.savepoints.push((name, changes));
                done("SAVEPOINT")
            }
            ast::Statement::ReleaseSavepoint { name } => {
                self.end_savepoint(&super::sql::names::folded(name), false)?;
                done("RELEASE")
            }
            _ => return Ok(None),
        }))
    }

    fn end_savepoint(&mut self, name: &str, back: bool) -> Result<()> {
        let verb = if back { "ROLLBACK TO SAVEPOINT" } else { "RELEASE SAVEPOINT" };
        let transaction = self.transaction.as_mut().filter(|transaction| transaction.explicit);
        let transaction = transaction
            .ok_or_else(|| PgError::new("25P01", format!("{verb} can only be used in transaction blocks")))?;
        let place = transaction.savepoints.iter().rposition(|(known, _)| known == name);
        let place =
            place.ok_or_else(|| PgError::new("3B001", format!("savepoint \"{name}\" does not exist")))?;
        if back {
            let changes = transaction.savepoints[place].1;
            transaction.work.borrow_mut().back_to(changes);
            transaction.savepoints.truncate(place + 1);
            transaction.failed = false;
        } else {
            transaction.savepoints.truncate(place);
        }
        Ok(())
    }

    fn set_modes(&mut self, modes: &[ast::TransactionMode]) -> Result<()> {
        let mut settings = self.settings.borrow_mut();
        for mode in modes {
            match mode {
                ast::TransactionMode::AccessMode(ast::TransactionAccessMode::ReadOnly) => {
                    settings.set("transaction_read_only", Some("on"), true)?;
                }
                ast::TransactionMode::AccessMode(ast::TransactionAccessMode::ReadWrite) => {
                    if settings.is_on("in_hot_standby") {
                        return Err(PgError::new(
                            "0A000",
                            "cannot set transaction read-write mode during recovery",
                        ));
                    }
                    settings.set("transaction_read_only", Some("off"), true)?;
                }
                ast::TransactionMode::IsolationLevel(level) => {
                    settings.set(
                        "transaction_isolation",
                        Some(&level.to_string().to_ascii_lowercase()),
                        true,
                    )?;
                }
            }
        }
        Ok(())
    }

    /// The name that a number of a relation is shown by.
    pub(crate) fn relation_name(&mut self, oid: &Datum) -> Result<String> {
        self.within(Vec::new(), |cx| Ok(catalog::relation_name(cx, oid))).map(|(name, _)| name)
    }
}

struct Extra {
    notices: Vec<(&'static str, String)>,
    wait: Duration,
}
