//! A table: its rows by their keys, and what its unique indexes lead to.

use std::sync::Arc;

use rpds::RedBlackTreeMapSync;

use super::definition::{self, Definition, Fields};
use super::{Column, Key, RowError, TableName};
use crate::value::Datum;

/// A row: the values of its columns in their order.
pub type Row = Arc<[Datum]>;

/// A table as it is now. A copy shares what is the same.
#[derive(Debug, Clone)]
pub struct Table {
    definition: Arc<Definition>,
    rows: RedBlackTreeMapSync<Key, Row>,
    /// For each index, where the values of a unique one that is not the primary key lead to.
    unique: Vec<RedBlackTreeMapSync<Key, Key>>,
    /// The largest number that a row without a key has had.
    last_number: i64,
}

impl Table {
    /// One of this definition without rows, to look at.
    pub(crate) fn of(definition: Definition) -> Self {
        Table::new(definition)
    }

    pub(super) fn new(definition: Definition) -> Self {
        let unique = definition.indexes.iter().map(|_| RedBlackTreeMapSync::new_sync()).collect();
        Table {
            definition: Arc::new(definition),
            rows: RedBlackTreeMapSync::new_sync(),
            unique,
            last_number: 0,
        }
    }

    /// The same rows in a table that is made like this; they keep their order, and get other keys where that has become another.
    ///
    /// # Errors
    /// `Duplicate`, `NoKey`.
    pub(super) fn redefined(
        &self,
        name: &TableName,
        definition: Definition,
        row: impl Fn(&Row) -> Row,
    ) -> Result<Self, RowError> {
        let mut table = Table::new(definition);
        for before in self.rows.values() {
            table.insert(name, row(before))?;
        }
        Ok(table)
    }

    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    pub fn columns(&self) -> &[Column] {
        &self.definition.columns
    }

    /// The column that tells its rows apart, the first if there are several; none without a primary key.
    pub fn key(&self) -> Option<&str> {
        let first = *self.definition.primary()?.columns.first()?;
        Some(&self.definition.columns[first].name)
    }

    /// In the order of their keys; those without, in the order in which they came.
    pub fn rows(&self) -> impl DoubleEndedIterator<Item = (&Key, &Row)> {
        self.rows.iter()
    }

    pub fn get(&self, key: &Key) -> Option<&Row> {
        self.rows.get(key)
    }

    pub fn len(&self) -> usize {
        self.rows.size()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// One more than the largest number among its keys.
    pub fn next_key(&self) -> i64 {
        let largest = self.rows.keys().rev().find_map(|key| match key {
            Key::Number(number) => Some(*number),
            Key::Text(_) | Key::Many(_) => None,
        });
        largest.map_or(1, |number| number.saturating_add(1))
    }

    /// A row by the names of its columns.
    pub fn fields(&self, row: &Row) -> Fields {
        let columns = self.definition.columns.iter().zip(row.iter());
        columns
            .map(|(column, datum)| (column.name.clone(), definition::to_json(datum, &column.kind)))
            .collect()
    }

    /// A row of its columns by their names; those that are not named have no value.
    ///
    /// # Errors
    /// `NoColumn`, `NotOfType`.
    pub(super) fn row(&self, name: &TableName, fields: &Fields) -> Result<Row, RowError> {
        let mut row = vec![Datum::Null; self.definition.columns.len()];
        for (column, value) in fields {
            let place = self
                .definition
                .place(column)
                .ok_or_else(|| RowError::NoColumn { table: name.to_string(), column: column.clone() })?;
            row[place] =
                definition::from_json(value, &self.definition.columns[place].kind).map_err(|error| {
                    RowError::NotOfType {
                        table: name.to_string(),
                        column: column.clone(),
                        why: error.message,
                    }
                })?;
        }
        Ok(row.into())
    }

    /// The number of the rows that `counts` takes, and a checksum of them: the same for the same rows.
    pub fn checksum(&self, counts: impl Fn(&Fields) -> bool) -> (usize, String) {
        let rows = self.rows.values().map(|row| self.fields(row)).filter(|row| counts(row));
        let (count, sum) = rows.fold((0, FNV_OFFSET), |(count, sum), row| {
            let text = serde_json::to_string(&row).unwrap_or_default();
            (count + 1, text.bytes().chain([b'\n']).fold(sum, fnv))
        });
        (count, format!("{sum:016x}"))
    }

    /// The key that a row has, or gets where the table has none.
    ///
    /// # Errors
    /// `NoKey`
    pub(super) fn key_of(&self, name: &TableName, row: &Row) -> Result<Key, RowError> {
        let Some(primary) = self.definition.primary() else { return Ok(Key::Number(self.last_number + 1)) };
        self.values(&primary.columns, row).ok_or_else(|| {
            let missing = primary.columns.iter().find(|place| row[**place].is_null());
            let key = missing.map(|place| self.definition.columns[*place].name.clone());
            RowError::NoKey { table: name.to_string(), key: key.unwrap_or_default() }
        })
    }

    fn values(&self, columns: &[usize], row: &Row) -> Option<Key> {
        let values = columns.iter().map(|place| (&row[*place], &self.definition.columns[*place].kind));
        Key::of_columns(values)
    }

    /// The first index, with the row that it leads to, by which a row is one too many; `but` is the key of the one that it replaces.
    pub(crate) fn collision(&self, row: &Row, but: Option<&Key>) -> Option<(usize, Key)> {
        self.definition.indexes.iter().enumerate().filter(|(_, index)| index.unique).find_map(
            |(at, index)| {
                let values = self.values(&index.columns, row)?;
                let there = match index.primary {
                    true => self.rows.contains_key(&values).then_some(values),
                    false => self.unique[at].get(&values).cloned(),
                };
                there.filter(|key| Some(key) != but).map(|key| (at, key))
            },
        )
    }

    fn duplicate(&self, name: &TableName, at: usize, row: &Row) -> RowError {
        let index = &self.definition.indexes[at];
        let values = index
            .columns
            .iter()
            .map(|place| crate::value::to_text(&row[*place], &self.definition.columns[*place].kind));
        RowError::Duplicate {
            table: name.to_string(),
            index: index.name.clone(),
            columns: self.definition.names(&index.columns),
            values: values.collect::<Vec<_>>().join(", "),
        }
    }

    /// # Errors
    /// `NoKey`, `Duplicate`.
    pub(super) fn insert(&mut self, name: &TableName, row: Row) -> Result<Key, RowError> {
        let key = self.key_of(name, &row)?;
        if let Some((at, _)) = self.collision(&row, None) {
            return Err(self.duplicate(name, at, &row));
        }
        self.set(&key, Some(row));
        Ok(key)
    }

    /// Puts a row in the place of the one with this key, under the key that it has then.
    ///
    /// # Errors
    /// `NoKey`, `Duplicate`.
    pub(super) fn replace(&mut self, name: &TableName, key: &Key, row: Row) -> Result<Key, RowError> {
        let new = match self.definition.primary() {
            Some(_) => self.key_of(name, &row)?,
            None => key.clone(),
        };
        if let Some((at, _)) = self.collision(&row, Some(key)) {
            return Err(self.duplicate(name, at, &row));
        }
        if new != *key {
            self.set(key, None);
        }
        self.set(&new, Some(row));
        Ok(new)
    }

    /// What stands there from now on, and what stood there before.
    pub(super) fn set(&mut self, key: &Key, row: Option<Row>) -> Option<Row> {
        let before = self.rows.get(key).cloned();
        let definition = self.definition.clone();
        let indexes =
            definition.indexes.iter().enumerate().filter(|(_, index)| index.unique && !index.primary);
        for (at, index) in indexes {
            if let Some(values) = before.as_ref().and_then(|row| self.values(&index.columns, row)) {
                self.unique[at].remove_mut(&values);
            }
            if let Some(values) = row.as_ref().and_then(|row| self.values(&index.columns, row)) {
                self.unique[at].insert_mut(values, key.clone());
            }
        }
        match row {
            Some(row) => {
                self.rows.insert_mut(key.clone(), row);
            }
            None => drop(self.rows.remove_mut(key)),
        }
        if let (Key::Number(number), None) = (key, definition.primary()) {
            self.last_number = self.last_number.max(*number);
        }
        before
    }

    /// It has become neither another nor other rows.
    pub(super) fn is_as(&self, other: &Table) -> bool {
        let same =
            |(one, other): ((&Key, &Row), (&Key, &Row))| one.0 == other.0 && Arc::ptr_eq(one.1, other.1);
        (Arc::ptr_eq(&self.definition, &other.definition) || self.definition == other.definition)
            && self.len() == other.len()
            && self.rows().zip(other.rows()).all(same)
    }
}

/// Fowler, Noll and Vo's hash, of 64 bits, in its variant 1a.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

fn fnv(sum: u64, byte: u8) -> u64 {
    (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
}
