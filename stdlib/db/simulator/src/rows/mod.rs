//! The rows of simulated databases, and what became of them: a database can be had as it was at any moment since it began.
//!
//! It knows no SQL and no RDS. A clone is cheap, and is another database: what is written to one the other does not see.

mod databases;
mod definition;
mod error;
mod key;
mod merge;
mod table;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

pub use databases::Databases;
pub use definition::{
    Check, Column, Definition, Fields, ForeignKey, Identity, Index, OnDelete, PUBLIC, TableName,
};
pub use error::RowError;
pub use key::Key;
pub use table::{Row, Table};

/// Objects of users have numbers from here on.
const FIRST_OID: u32 = 16_384;

/// What is in a database, by the names of its tables.
#[derive(Debug, Clone)]
pub struct Database {
    tables: BTreeMap<TableName, Table>,
    /// With their numbers.
    schemas: BTreeMap<Arc<str>, u32>,
    sequences: BTreeMap<TableName, Sequence>,
    last_oid: u32,
    /// In the order of their times.
    changes: Arc<Vec<Change>>,
}

/// The number of the schema `public`, in every database.
const OID_OF_PUBLIC: u32 = 2200;

impl Default for Database {
    fn default() -> Self {
        Database {
            tables: BTreeMap::new(),
            schemas: BTreeMap::from([(PUBLIC.into(), OID_OF_PUBLIC)]),
            sequences: BTreeMap::new(),
            last_oid: FIRST_OID,
            changes: Arc::default(),
        }
    }
}

/// A sequence. What it has given it does not give again, whatever becomes of the transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    pub oid: u32,
    pub start: i64,
    pub increment: i64,
    pub last: i64,
    /// `last` has been given.
    pub called: bool,
    /// It goes with this table's column.
    pub owner: Option<(TableName, String)>,
}

impl Sequence {
    /// What it gives next; `None` beyond the largest number.
    pub fn next(&self) -> Option<i64> {
        if self.called { self.last.checked_add(self.increment) } else { Some(self.last) }
    }
}

#[derive(Debug, Clone)]
struct Change {
    at: Timestamp,
    of: TableName,
    was: Was,
}

/// What stood there before a change.
#[derive(Debug, Clone)]
enum Was {
    Row(Key, Option<Row>),
    /// The whole table, or that there was none.
    Table(Option<Table>),
    Sequence(Option<Sequence>),
    /// Its number.
    Schema(Option<u32>),
}

impl Database {
    /// The tables by their names, in order.
    pub fn tables(&self) -> impl Iterator<Item = (&TableName, &Table)> {
        self.tables.iter()
    }

    pub fn table(&self, name: impl Into<TableName>) -> Option<&Table> {
        self.tables.get(&name.into())
    }

    /// With their numbers.
    pub fn schemas(&self) -> impl Iterator<Item = (&str, u32)> {
        self.schemas.iter().map(|(name, oid)| (&**name, *oid))
    }

    pub fn sequences(&self) -> impl Iterator<Item = (&TableName, &Sequence)> {
        self.sequences.iter()
    }

    pub fn sequence(&self, name: &TableName) -> Option<&Sequence> {
        self.sequences.get(name)
    }

    /// A number that nothing else in it has.
    pub fn new_oid(&mut self) -> u32 {
        self.last_oid += 1;
        self.last_oid
    }

    /// Makes a table without rows. `key` is the column whose values tell its rows apart.
    ///
    /// # Errors
    /// `TableExists`, `NoColumn`.
    pub fn create_table(
        &mut self,
        at: Timestamp,
        name: &str,
        columns: Vec<Column>,
        key: &str,
    ) -> Result<(), RowError> {
        let place = columns.iter().position(|column| column.name == key);
        let place = place.ok_or_else(|| RowError::NoColumn { table: name.into(), column: key.into() })?;
        let index = Index {
            oid: self.new_oid(),
            name: format!("{name}_pkey"),
            columns: vec![place],
            unique: true,
            primary: true,
            constraint: true,
        };
        let mut definition = Definition { columns, indexes: vec![index], ..Definition::default() };
        definition.columns[place].not_null = true;
        self.define(at, name.into(), definition)
    }

    /// Makes a table without rows of all that belongs to one; its number is given here.
    ///
    /// # Errors
    /// `TableExists`.
    pub fn define(
        &mut self,
        at: Timestamp,
        name: TableName,
        mut definition: Definition,
    ) -> Result<(), RowError> {
        if self.tables.contains_key(&name) {
            return Err(RowError::TableExists(name.to_string()));
        }
        definition.oid = self.new_oid();
        self.note(at, &name, Was::Table(None));
        self.tables.insert(name, Table::new(definition));
        Ok(())
    }

    /// Takes a table away with all its rows; gives whether there was one.
    pub fn drop_table(&mut self, at: Timestamp, name: impl Into<TableName>) -> bool {
        let name = name.into();
        let Some(table) = self.tables.remove(&name) else { return false };
        self.note(at, &name, Was::Table(Some(table)));
        true
    }

    /// Takes all rows of a table away.
    ///
    /// # Errors
    /// `NoTable`.
    pub fn truncate(&mut self, at: Timestamp, name: &TableName) -> Result<(), RowError> {
        let table = self.known(name)?.clone();
        let definition = table.definition().clone();
        self.note(at, name, Was::Table(Some(table)));
        self.tables.insert(name.clone(), Table::new(definition));
        Ok(())
    }

    /// Gives a table another name.
    ///
    /// # Errors
    /// `NoTable`, `TableExists`.
    pub fn rename_table(&mut self, at: Timestamp, name: &TableName, new: TableName) -> Result<(), RowError> {
        let table = self.known(name)?.clone();
        if self.tables.contains_key(&new) {
            return Err(RowError::TableExists(new.to_string()));
        }
        self.drop_table(at, name.clone());
        self.note(at, &new, Was::Table(None));
        self.tables.insert(new, table);
        Ok(())
    }

    /// Makes another table of a table: `row` says what becomes of its rows.
    ///
    /// # Errors
    /// `NoTable`; `NoKey` and `Duplicate` where its rows do not fit.
    pub fn redefine(
        &mut self,
        at: Timestamp,
        name: &TableName,
        definition: Definition,
        row: impl Fn(&Row) -> Row,
    ) -> Result<(), RowError> {
        let table = self.known(name)?.clone();
        let redefined = table.redefined(name, definition, row)?;
        self.note(at, name, Was::Table(Some(table)));
        self.tables.insert(name.clone(), redefined);
        Ok(())
    }

    /// Inserts a row of columns by their names, or puts it in the place of the one with its key, which is given back.
    ///
    /// # Errors
    /// `NoTable`, `NoColumn`, `NotOfType`, `NoKey`, `Duplicate`.
    pub fn put(&mut self, at: Timestamp, name: &str, fields: &Fields) -> Result<Option<Row>, RowError> {
        let name = TableName::from(name);
        let table = self.known(&name)?;
        let row = table.row(&name, fields)?;
        let key = table.key_of(&name, &row)?;
        let before = table.get(&key).cloned();
        match &before {
            Some(_) => self.replace(at, &name, &key, row)?,
            None => self.insert(at, &name, row)?,
        };
        Ok(before)
    }

    /// Inserts a row, and gives the key that it has.
    ///
    /// # Errors
    /// `NoTable`, `NoKey`, `Duplicate`.
    pub fn insert(&mut self, at: Timestamp, name: &TableName, row: Row) -> Result<Key, RowError> {
        let key = self.known_mut(name)?.insert(name, row)?;
        self.note(at, name, Was::Row(key.clone(), None));
        Ok(key)
    }

    /// Puts a row in the place of the one with this key, and gives the key that it has then.
    ///
    /// # Errors
    /// `NoTable`, `NoKey`, `Duplicate`.
    pub fn replace(&mut self, at: Timestamp, name: &TableName, key: &Key, row: Row) -> Result<Key, RowError> {
        let table = self.known_mut(name)?;
        let before = table.get(key).cloned();
        let new = table.replace(name, key, row)?;
        if new != *key {
            self.note(at, name, Was::Row(new.clone(), None));
        }
        self.note(at, name, Was::Row(key.clone(), before));
        Ok(new)
    }

    /// Takes a row away, and gives it.
    ///
    /// # Errors
    /// `NoTable`.
    pub fn remove(
        &mut self,
        at: Timestamp,
        name: impl Into<TableName>,
        key: &Key,
    ) -> Result<Option<Row>, RowError> {
        let name = name.into();
        let before = self.known_mut(&name)?.set(key, None);
        if before.is_some() {
            self.note(at, &name, Was::Row(key.clone(), before.clone()));
        }
        Ok(before)
    }

    /// Makes a schema, or takes it away; gives whether it is another now.
    pub fn set_schema(&mut self, at: Timestamp, name: &str, there: bool) -> bool {
        let before = self.schemas.get(name).copied();
        if before.is_some() == there {
            return false;
        }
        self.note(at, &TableName::new(name, ""), Was::Schema(before));
        match there {
            true => {
                let oid = self.new_oid();
                self.schemas.insert(name.into(), oid);
            }
            false => drop(self.schemas.remove(name)),
        }
        true
    }

    /// Makes a sequence, puts another in its place, or takes it away.
    pub fn set_sequence(&mut self, at: Timestamp, name: &TableName, sequence: Option<Sequence>) {
        let before = self.put_sequence(name, sequence);
        self.note(at, name, Was::Sequence(before));
    }

    /// In a transaction's copy: what a sequence of the database itself has become. No change of the copy's own.
    pub(crate) fn mirror_sequence(&mut self, name: &TableName, sequence: Sequence) {
        self.put_sequence(name, Some(sequence));
    }

    fn put_sequence(&mut self, name: &TableName, sequence: Option<Sequence>) -> Option<Sequence> {
        match sequence {
            Some(sequence) => self.sequences.insert(name.clone(), sequence),
            None => self.sequences.remove(name),
        }
    }

    /// The database as it was at this moment, with what was written in it then. It is one of its own, whose history begins there.
    #[must_use]
    pub fn at(&self, moment: Timestamp) -> Self {
        let mut then = self.without_history();
        let changes = self.changes.iter().rev().take_while(|change| change.at > moment);
        changes.for_each(|change| then.take_back(change));
        then
    }

    /// As it is now; its history begins here.
    #[must_use]
    pub fn without_history(&self) -> Self {
        Database { changes: Arc::default(), ..self.clone() }
    }

    fn take_back(&mut self, change: &Change) {
        match &change.was {
            Was::Table(None) => drop(self.tables.remove(&change.of)),
            Was::Table(Some(table)) => drop(self.tables.insert(change.of.clone(), table.clone())),
            Was::Row(key, before) => {
                // What is taken back later was there at that time.
                let Some(table) = self.tables.get_mut(&change.of) else { return };
                table.set(key, before.clone());
            }
            Was::Sequence(before) => drop(self.put_sequence(&change.of, before.clone())),
            Was::Schema(None) => drop(self.schemas.remove(&change.of.schema)),
            Was::Schema(Some(oid)) => drop(self.schemas.insert(change.of.schema.clone(), *oid)),
        }
    }

    /// Takes back what was done since it had so many changes; gives whether there was something.
    pub(crate) fn back_to(&mut self, changes: usize) -> bool {
        let undone = Arc::make_mut(&mut self.changes).split_off(changes);
        undone.iter().rev().for_each(|change| self.take_back(change));
        !undone.is_empty()
    }

    /// How much has become of it since its history began.
    pub(crate) fn changes(&self) -> usize {
        self.changes.len()
    }

    /// When it was last written to.
    pub fn last_written(&self) -> Option<Timestamp> {
        self.changes.last().map(|change| change.at)
    }

    fn known(&self, name: &TableName) -> Result<&Table, RowError> {
        self.tables.get(name).ok_or_else(|| RowError::NoTable(name.to_string()))
    }

    fn known_mut(&mut self, name: &TableName) -> Result<&mut Table, RowError> {
        self.tables.get_mut(name).ok_or_else(|| RowError::NoTable(name.to_string()))
    }

    /// Times do not go back: what comes late is as of the last change.
    fn note(&mut self, at: Timestamp, of: &TableName, was: Was) {
        let at = self.last_written().map_or(at, |last| last.max(at));
        Arc::make_mut(&mut self.changes).push(Change { at, of: of.clone(), was });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Type;
    use serde_json::json;

    fn second(number: i64) -> Timestamp {
        Timestamp::from_second(number).expect("a time")
    }

    fn row(id: i64, state: &str) -> Fields {
        json!({ "id": id, "state": state }).as_object().cloned().expect("an object")
    }

    /// `id=state …` of the table `orders`, `-` if there is none.
    fn told(database: &Database) -> String {
        let Some(orders) = database.table("orders") else { return "-".to_owned() };
        let rows = orders
            .rows()
            .map(|(key, row)| format!("{key}={}", orders.fields(row)["state"].as_str().unwrap_or("?")));
        rows.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_database_can_be_had_as_it_was_at_any_moment() {
        let mut database = Database::default();
        let columns = || vec![Column::new("id", Type::Int8), Column::new("state", Type::Text)];
        database.create_table(second(1), "orders", columns(), "id").expect("a table");
        database.put(second(2), "orders", &row(1, "new")).expect("a row");
        database.put(second(3), "orders", &row(10, "new")).expect("a row");
        database.put(second(4), "orders", &row(1, "paid")).expect("a row");
        database.remove(second(5), "orders", &Key::Number(10)).expect("a table");
        database.drop_table(second(6), "orders");
        database.create_table(second(7), "orders", columns(), "id").expect("a table");
        database.put(second(7), "orders", &row(2, "anew")).expect("a row");
        let states: Vec<String> = (0..9).map(|at| told(&database.at(second(at)))).collect();
        let expected = ["-", "", "1=new", "1=new 10=new", "1=paid 10=new", "1=paid", "-", "2=anew", "2=anew"];
        assert_eq!(states, expected);
        let mut restored = database.at(second(4));
        restored.put(second(9), "orders", &row(3, "own")).expect("a row");
        assert_eq!(told(&restored), "1=paid 3=own 10=new");
        assert_eq!(told(&restored.at(second(8))), "1=paid 10=new");
        assert_eq!(told(&database), "2=anew", "the other database does not see it");
    }

    #[test]
    fn what_cannot_be_written_is_said_and_the_same_rows_have_the_same_checksum() {
        let mut database = Database::default();
        let columns = || vec![Column::new("id", Type::Int8), Column::new("state", Type::Text)];
        assert_eq!(
            database.put(second(1), "orders", &row(1, "new")),
            Err(RowError::NoTable("orders".into()))
        );
        database.create_table(second(1), "orders", columns(), "id").expect("a table");
        let again = database.create_table(second(1), "orders", columns(), "id");
        assert_eq!(again, Err(RowError::TableExists("orders".into())));
        let keyless = database.put(second(1), "orders", &Fields::new()).expect_err("no key");
        assert_eq!(keyless.to_string(), "a row of `orders` has no `id`, which is the table's key");
        let sum = |database: &Database| database.table("orders").map(|table| table.checksum(|_| true));
        let empty = sum(&database);
        database.put(second(2), "orders", &row(1, "new")).expect("a row");
        assert_ne!(sum(&database), empty);
        database.remove(second(3), "orders", &Key::Number(1)).expect("a table");
        assert_eq!(sum(&database), empty);
    }
}
