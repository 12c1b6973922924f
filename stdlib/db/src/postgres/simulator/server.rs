//! One server of an estate.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use opsrun_core::{Clock, Error, Result, Span, Value};
use opsrun_db_simulator::Chance;
use opsrun_db_simulator::postgres::{self, Login, Memory, PgError, Server, Sessions, Write};
use opsrun_db_simulator::rows::Database;

use super::section::{OfDatabase, OfServer, OfTable, Rows};
use crate::estate;
use crate::postgres::statement::identifier;

/// A server with its databases, or a replica that reads them from another one.
pub(super) struct Simulated {
    memory: Arc<Memory<Surroundings>>,
    users: BTreeMap<String, Option<String>>,
    version: String,
    /// Of a replica: how far it is behind, and its own sessions.
    follows: Option<(Span, Sessions)>,
}

const OWNER: &str = "postgres";
const VERSION: &str = "15.7";
/// Rows of one statement.
const BATCH: usize = 200;

impl Simulated {
    pub(super) fn start(section: &OfServer, surroundings: &opsrun_core::Surroundings) -> Result<Self> {
        let owner = section.users.keys().next().map_or(OWNER, String::as_str);
        let memory = Memory::new(Surroundings::of(surroundings), owner, Login::Trust);
        let version = section.version.clone().unwrap_or_else(|| VERSION.to_owned());
        let server =
            Simulated { memory: Arc::new(memory), users: section.users.clone(), version, follows: None };
        for (name, content) in &section.databases {
            server.memory.put(name, Database::default());
            server
                .fill(name, content, surroundings)
                .map_err(|error| error.context(format!("database `{name}`")))?;
        }
        Ok(server)
    }

    fn fill(&self, name: &str, content: &OfDatabase, surroundings: &opsrun_core::Surroundings) -> Result<()> {
        let server: Arc<dyn Server> = self.memory.clone();
        let run = |sql: &str| {
            postgres::run(&server, name, sql)
                .map_err(|error| Error::invalid(format!("{} ({})", error.message, error.code)))
        };
        if let Some(file) = &content.file {
            let text = String::from_utf8(surroundings.files.read(file)?);
            let text = text.map_err(|_| Error::invalid(format!("`{}` is no text", file.display())))?;
            run(&text).map_err(|error| error.context(format!("`{}`", file.display())))?;
        }
        if let Some(sql) = &content.sql {
            run(sql)?;
        }
        for (table, of) in &content.tables {
            let rows = match &of.rows {
                Rows::Inline(rows) => rows.clone(),
                Rows::File(file) => serde_json::from_slice(&surroundings.files.read(file)?)
                    .map_err(|error| Error::invalid(format!("`{}`: {error}", file.display())))?,
            };
            for sql in made(table, of, &rows)? {
                run(&sql).map_err(|error| error.context(format!("table `{table}`")))?;
            }
        }
        Ok(())
    }
}

impl estate::Simulated for Simulated {
    fn fork(&self, surroundings: &opsrun_core::Surroundings) -> Self {
        let memory = Memory::new(Surroundings::of(surroundings), self.memory.owner(), Login::Trust);
        memory.replace_all(self.memory.all());
        Simulated {
            memory: Arc::new(memory),
            users: self.users.clone(),
            version: self.version.clone(),
            follows: None,
        }
    }

    fn replica(&self, lag: Span) -> Self {
        Simulated {
            memory: self.memory.clone(),
            users: self.users.clone(),
            version: self.version.clone(),
            follows: Some((lag, Sessions::default())),
        }
    }

    fn lag(&self) -> Option<Span> {
        self.follows.as_ref().map(|(lag, _)| *lag)
    }

    fn shares_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.memory, &other.memory)
    }
}

/// Statements that make a table with rows.
fn made(table: &str, of: &OfTable, rows: &[Value]) -> Result<Vec<String>> {
    let name = table.split('.').map(identifier).collect::<Vec<_>>().join(".");
    let mut statements = vec![format!("create table {name} ({})", of.columns.join(", "))];
    // Rows in a row that give the same columns are one statement.
    let mut begun: Option<(String, Vec<String>)> = None;
    for row in rows {
        let (columns, values) = match row {
            Value::Array(values) => (String::new(), values.iter().map(literal).collect::<Vec<_>>()),
            Value::Object(members) => {
                let names: Vec<_> = members.keys().map(|name| identifier(name)).collect();
                (format!(" ({})", names.join(", ")), members.values().map(literal).collect())
            }
            _ => {
                return Err(Error::invalid(format!(
                    "table `{table}`: a row is an array or a map, and `{row}` is neither"
                )));
            }
        };
        let values = format!("({})", values.join(", "));
        match &mut begun {
            Some((same, all)) if *same == columns && all.len() < BATCH => all.push(values),
            _ => statements.extend(
                begun.replace((columns, vec![values])).map(|(columns, all)| insert(&name, &columns, &all)),
            ),
        }
    }
    statements.extend(begun.map(|(columns, all)| insert(&name, &columns, &all)));
    Ok(statements)
}

fn insert(name: &str, columns: &str, values: &[String]) -> String {
    format!("insert into {name}{columns} values {}", values.join(", "))
}

fn literal(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(_) | Value::Object(_) => quoted(&value.to_string()),
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

impl Server for Simulated {
    fn now(&self) -> Timestamp {
        self.memory.now()
    }

    fn started(&self) -> Timestamp {
        self.memory.started()
    }

    fn sessions(&self) -> &Sessions {
        self.follows.as_ref().map_or_else(|| self.memory.sessions(), |(_, sessions)| sessions)
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn owner(&self) -> &str {
        self.memory.owner()
    }

    fn login(&self, user: &str) -> std::result::Result<Login, PgError> {
        Login::of(&self.users, user)
    }

    /// A connection of an estate is a pipe in memory, so nothing else is to be done for it.
    fn tls(&self) -> bool {
        true
    }

    fn databases(&self) -> Vec<String> {
        match self.replayed() {
            None => self.memory.databases(),
            Some(moment) => self.memory.all().names_at(moment).into_iter().map(str::to_owned).collect(),
        }
    }

    fn read(&self, database: &str) -> std::result::Result<Database, PgError> {
        let Some(moment) = self.replayed() else { return self.memory.read(database) };
        self.memory.all().one_at(database, moment).ok_or_else(|| PgError::no_database(database))
    }

    fn write(&self, database: &str, write: Write<'_>) -> std::result::Result<(), PgError> {
        self.writable()?;
        self.memory.write(database, write)
    }

    fn create_database(&self, name: &str, content: Database) -> std::result::Result<(), PgError> {
        self.writable()?;
        self.memory.create_database(name, content)
    }

    fn drop_database(&self, name: &str) -> std::result::Result<(), PgError> {
        self.writable()?;
        self.memory.drop_database(name)
    }

    fn replayed(&self) -> Option<Timestamp> {
        let (lag, _) = self.follows.as_ref()?;
        self.now().checked_sub(lag.duration()).ok()
    }

    fn random(&self, bytes: &mut [u8]) {
        self.memory.random(bytes);
    }

    fn wait(&self, span: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.memory.wait(span)
    }
}

impl Simulated {
    fn writable(&self) -> std::result::Result<(), PgError> {
        match self.follows {
            Some(_) => Err(PgError::read_only()),
            None => Ok(()),
        }
    }
}

/// Time and chance of an estate.
pub(super) struct Surroundings {
    clock: Arc<dyn Clock>,
    chance: Chance,
}

impl Surroundings {
    fn of(surroundings: &opsrun_core::Surroundings) -> Self {
        Surroundings { clock: surroundings.clock.clone(), chance: Chance::of(surroundings.seed) }
    }
}

impl postgres::Surroundings for Surroundings {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn random(&self, bytes: &mut [u8]) {
        self.chance.fill(bytes);
    }

    fn wait(&self, span: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.clock.sleep_until(Span::from(span).after(self.clock.now()))
    }
}
