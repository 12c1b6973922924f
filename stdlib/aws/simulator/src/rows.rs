//! The rows of simulated databases, and what became of them: a database can be had as it was at any moment since it began.
//!
//! It knows no SQL and no RDS. A clone is cheap, and is another database: what is written to one the other does not see.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};

/// A row: the values of its columns by their names.
pub type Row = Map<String, Value>;

/// What is in a database, by the names of its tables.
#[derive(Debug, Clone, Default)]
pub struct Database {
    tables: BTreeMap<String, Table>,
    /// In the order of their times.
    changes: Arc<Vec<Change>>,
}

/// A table as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    columns: Arc<Vec<Column>>,
    key: Arc<str>,
    rows: Arc<BTreeMap<Key, Arc<Row>>>,
}

/// A column. What its type means is left to who reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    /// `bigint`
    pub kind: String,
}

impl Column {
    pub fn new(name: &str, kind: &str) -> Self {
        Column { name: name.to_owned(), kind: kind.to_owned() }
    }
}

/// The value of a primary key; numbers come in their order, before texts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    Number(i64),
    Text(String),
}

impl Key {
    /// A whole number, a text, or a boolean or a fraction by its text; `None` for what can be no key.
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => {
                Some(number.as_i64().map_or_else(|| Key::Text(number.to_string()), Key::Number))
            }
            Value::String(text) => Some(Key::Text(text.clone())),
            Value::Bool(is) => Some(Key::Text(is.to_string())),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Number(number) => write!(f, "{number}"),
            Key::Text(text) => f.write_str(text),
        }
    }
}

/// Why something cannot be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowError {
    NoTable(String),
    TableExists(String),
    /// The row has no value for the table's key.
    NoKey {
        table: String,
        key: String,
    },
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RowError::NoTable(table) => write!(f, "there is no table `{table}`"),
            RowError::TableExists(table) => write!(f, "there is a table `{table}` already"),
            RowError::NoKey { table, key } => {
                write!(f, "a row of `{table}` has no `{key}`, which is the table's key")
            }
        }
    }
}

impl std::error::Error for RowError {}

#[derive(Debug, Clone)]
struct Change {
    at: Timestamp,
    table: String,
    was: Was,
}

/// What stood there before a change.
#[derive(Debug, Clone)]
enum Was {
    Row(Key, Option<Arc<Row>>),
    /// The whole table, or that there was none.
    Table(Option<Table>),
}

impl Database {
    /// The tables by their names, in order.
    pub fn tables(&self) -> impl Iterator<Item = (&str, &Table)> {
        self.tables.iter().map(|(name, table)| (name.as_str(), table))
    }

    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.get(name)
    }

    /// Makes a table without rows. `key` is the column whose values tell its rows apart.
    ///
    /// # Errors
    /// `TableExists`.
    pub fn create_table(
        &mut self,
        at: Timestamp,
        name: &str,
        columns: Vec<Column>,
        key: &str,
    ) -> Result<(), RowError> {
        if self.tables.contains_key(name) {
            return Err(RowError::TableExists(name.to_owned()));
        }
        self.note(at, name, Was::Table(None));
        let table = Table { columns: Arc::new(columns), key: key.into(), rows: Arc::default() };
        self.tables.insert(name.to_owned(), table);
        Ok(())
    }

    /// Takes a table away with all its rows; gives whether there was one.
    pub fn drop_table(&mut self, at: Timestamp, name: &str) -> bool {
        let Some(table) = self.tables.remove(name) else { return false };
        self.note(at, name, Was::Table(Some(table)));
        true
    }

    /// Gives a table other columns; its rows stay as they are.
    ///
    /// # Errors
    /// `NoTable`.
    pub fn set_columns(&mut self, at: Timestamp, name: &str, columns: Vec<Column>) -> Result<(), RowError> {
        let table = self.tables.get(name).ok_or_else(|| RowError::NoTable(name.to_owned()))?.clone();
        self.note(at, name, Was::Table(Some(table.clone())));
        self.tables.insert(name.to_owned(), Table { columns: Arc::new(columns), ..table });
        Ok(())
    }

    /// Inserts a row, or puts it in the place of the one with its key, which is given back.
    ///
    /// # Errors
    /// `NoTable`, `NoKey`.
    pub fn put(&mut self, at: Timestamp, name: &str, row: Row) -> Result<Option<Arc<Row>>, RowError> {
        let table = self.tables.get_mut(name).ok_or_else(|| RowError::NoTable(name.to_owned()))?;
        let key = row
            .get(&*table.key)
            .and_then(Key::of)
            .ok_or_else(|| RowError::NoKey { table: name.to_owned(), key: table.key.to_string() })?;
        let before = Arc::make_mut(&mut table.rows).insert(key.clone(), Arc::new(row));
        self.note(at, name, Was::Row(key, before.clone()));
        Ok(before)
    }

    /// Takes a row away, and gives it.
    ///
    /// # Errors
    /// `NoTable`.
    pub fn remove(&mut self, at: Timestamp, name: &str, key: &Key) -> Result<Option<Arc<Row>>, RowError> {
        let table = self.tables.get_mut(name).ok_or_else(|| RowError::NoTable(name.to_owned()))?;
        let before = Arc::make_mut(&mut table.rows).remove(key);
        if before.is_some() {
            self.note(at, name, Was::Row(key.clone(), before.clone()));
        }
        Ok(before)
    }

    /// The database as it was at this moment, with what was written in it then. It is one of its own, whose history begins there.
    #[must_use]
    pub fn at(&self, moment: Timestamp) -> Self {
        let mut tables = self.tables.clone();
        for change in self.changes.iter().rev().take_while(|change| change.at > moment) {
            match &change.was {
                Was::Table(None) => drop(tables.remove(&change.table)),
                Was::Table(Some(table)) => drop(tables.insert(change.table.clone(), table.clone())),
                Was::Row(key, before) => {
                    // What is taken back later was there at that time.
                    let Some(table) = tables.get_mut(&change.table) else { continue };
                    let rows = Arc::make_mut(&mut table.rows);
                    match before {
                        Some(row) => drop(rows.insert(key.clone(), row.clone())),
                        None => drop(rows.remove(key)),
                    }
                }
            }
        }
        Database { tables, changes: Arc::default() }
    }

    /// When it was last written to.
    pub fn last_written(&self) -> Option<Timestamp> {
        self.changes.last().map(|change| change.at)
    }

    /// Times do not go back: what comes late is as of the last change.
    fn note(&mut self, at: Timestamp, table: &str, was: Was) {
        let at = self.last_written().map_or(at, |last| last.max(at));
        Arc::make_mut(&mut self.changes).push(Change { at, table: table.to_owned(), was });
    }
}

impl Table {
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The column that tells its rows apart.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// In the order of their keys.
    pub fn rows(&self) -> impl DoubleEndedIterator<Item = (&Key, &Row)> {
        self.rows.iter().map(|(key, row)| (key, &**row))
    }

    pub fn get(&self, key: &Key) -> Option<&Row> {
        self.rows.get(key).map(|row| &**row)
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// One more than the largest number among its keys.
    pub fn next_key(&self) -> i64 {
        let largest = self.rows.keys().rev().find_map(|key| match key {
            Key::Number(number) => Some(*number),
            Key::Text(_) => None,
        });
        largest.map_or(1, |number| number.saturating_add(1))
    }

    /// The number of the rows that `counts` takes, and a checksum of them: the same for the same rows.
    pub fn checksum(&self, counts: impl Fn(&Row) -> bool) -> (usize, String) {
        let rows = self.rows.values().filter(|row| counts(row));
        let (count, sum) = rows.fold((0, FNV_OFFSET), |(count, sum), row| {
            let text = serde_json::to_string(&**row).unwrap_or_default();
            (count + 1, text.bytes().chain([b'\n']).fold(sum, fnv))
        });
        (count, format!("{sum:016x}"))
    }
}

/// Fowler, Noll and Vo's hash, of 64 bits, in its variant 1a.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

fn fnv(sum: u64, byte: u8) -> u64 {
    (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn second(number: i64) -> Timestamp {
        Timestamp::from_second(number).expect("a time")
    }

    fn row(id: i64, state: &str) -> Row {
        json!({ "id": id, "state": state }).as_object().cloned().expect("an object")
    }

    /// `id=state …` of the table `orders`, `-` if there is none.
    fn told(database: &Database) -> String {
        let Some(orders) = database.table("orders") else { return "-".to_owned() };
        let rows = orders.rows().map(|(key, row)| format!("{key}={}", row["state"].as_str().unwrap_or("?")));
        rows.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_database_can_be_had_as_it_was_at_any_moment() {
        let mut database = Database::default();
        let columns = || vec![Column::new("id", "bigint"), Column::new("state", "text")];
        database.create_table(second(1), "orders", columns(), "id").expect("a table");
        database.put(second(2), "orders", row(1, "new")).expect("a row");
        database.put(second(3), "orders", row(10, "new")).expect("a row");
        database.put(second(4), "orders", row(1, "paid")).expect("a row");
        database.remove(second(5), "orders", &Key::Number(10)).expect("a table");
        database.drop_table(second(6), "orders");
        database.create_table(second(7), "orders", columns(), "id").expect("a table");
        database.put(second(7), "orders", row(2, "anew")).expect("a row");
        let states: Vec<String> = (0..9).map(|at| told(&database.at(second(at)))).collect();
        let expected = ["-", "", "1=new", "1=new 10=new", "1=paid 10=new", "1=paid", "-", "2=anew", "2=anew"];
        assert_eq!(states, expected);
        let mut restored = database.at(second(4));
        restored.put(second(9), "orders", row(3, "own")).expect("a row");
        assert_eq!(told(&restored), "1=paid 3=own 10=new");
        assert_eq!(told(&restored.at(second(8))), "1=paid 10=new");
        assert_eq!(told(&database), "2=anew", "the other database does not see it");
    }

    #[test]
    fn what_cannot_be_written_is_said_and_the_same_rows_have_the_same_checksum() {
        let mut database = Database::default();
        assert_eq!(database.put(second(1), "orders", row(1, "new")), Err(RowError::NoTable("orders".into())));
        database.create_table(second(1), "orders", Vec::new(), "id").expect("a table");
        let again = database.create_table(second(1), "orders", Vec::new(), "id");
        assert_eq!(again, Err(RowError::TableExists("orders".into())));
        let keyless = database.put(second(1), "orders", Row::new()).expect_err("no key");
        assert_eq!(keyless.to_string(), "a row of `orders` has no `id`, which is the table's key");
        let sum = |database: &Database| database.table("orders").map(|table| table.checksum(|_| true));
        let empty = sum(&database);
        database.put(second(2), "orders", row(1, "new")).expect("a row");
        assert_ne!(sum(&database), empty);
        database.remove(second(3), "orders", &Key::Number(1)).expect("a table");
        assert_eq!(sum(&database), empty);
    }
}
