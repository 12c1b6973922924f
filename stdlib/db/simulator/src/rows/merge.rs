//! What a transaction has done to its copy of a database, done to the database itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::{Database, Key, Row, RowError, Sequence, Table, TableName, Was};

/// What of a database a transaction has touched, with what stood there before it.
#[derive(Default)]
struct Touched<'c> {
    tables: BTreeMap<&'c TableName, Option<Table>>,
    /// Of tables that are not among those.
    rows: BTreeMap<(&'c TableName, &'c Key), &'c Option<Row>>,
    sequences: BTreeMap<&'c TableName, &'c Option<Sequence>>,
    schemas: BTreeMap<&'c TableName, &'c Option<u32>>,
}

impl Database {
    /// Does here what was done to `copy`, a copy of an earlier state of this one whose history began then.
    ///
    /// # Errors
    /// `Changed` or `Duplicate`, where somebody else was there first; then nothing has been done.
    pub fn merge(&mut self, at: Timestamp, copy: &Database) -> Result<(), RowError> {
        let touched = Touched::by(copy);
        self.check(&touched)?;
        let begun = self.changes();
        let merged = self.take(at, copy, &touched);
        if merged.is_err() {
            self.back_to(begun);
        }
        merged
    }

    fn check(&self, touched: &Touched<'_>) -> Result<(), RowError> {
        let changed = |name: &TableName| RowError::Changed { table: name.to_string() };
        for (name, before) in &touched.tables {
            match (before, self.tables.get(name)) {
                (None, None) => {}
                (None, Some(_)) => return Err(RowError::TableExists(name.to_string())),
                (Some(before), Some(now)) if before.is_as(now) => {}
                _ => return Err(changed(name)),
            }
        }
        for ((name, key), before) in &touched.rows {
            let table = self.tables.get(name).ok_or_else(|| changed(name))?;
            let same = match (before, table.get(key)) {
                (Some(before), Some(now)) => Arc::ptr_eq(before, now),
                // What others have inserted is found as a duplicate.
                (None, _) => true,
                (Some(_), None) => false,
            };
            if !same {
                return Err(changed(name));
            }
        }
        Ok(())
    }

    fn take(&mut self, at: Timestamp, copy: &Database, touched: &Touched<'_>) -> Result<(), RowError> {
        self.last_oid = self.last_oid.max(copy.last_oid);
        for (name, before) in &touched.schemas {
            let there = copy.schemas.get(&name.schema).copied();
            if there != **before {
                self.set_schema(at, &name.schema, there.is_some());
            }
        }
        for name in touched.tables.keys() {
            let before = self.tables.remove(*name);
            self.note(at, name, Was::Table(before));
            if let Some(table) = copy.tables.get(*name) {
                self.tables.insert((*name).clone(), table.clone());
            }
        }
        for name in touched.sequences.keys() {
            self.set_sequence(at, name, copy.sequences.get(*name).cloned());
        }
        // What goes makes room for what comes.
        let now =
            |name: &TableName, key: &Key| copy.tables.get(name).and_then(|table| table.get(key)).cloned();
        let gone =
            touched.rows.iter().filter(|((name, key), before)| before.is_some() && now(name, key).is_none());
        for ((name, key), _) in gone {
            self.remove(at, (*name).clone(), key)?;
        }
        for ((name, key), before) in &touched.rows {
            let Some(row) = now(name, key) else { continue };
            match before {
                Some(_) => drop(self.replace(at, name, key, row)?),
                None => drop(self.insert(at, name, row)?),
            }
        }
        Ok(())
    }
}

impl<'c> Touched<'c> {
    fn by(copy: &'c Database) -> Self {
        let mut touched = Touched::default();
        for change in copy.changes.iter() {
            let name = &change.of;
            match &change.was {
                Was::Table(_) if touched.tables.contains_key(name) => {}
                Was::Table(before) => {
                    // The transaction may have written to it before: that was not there when it began.
                    let mut first = before.clone();
                    if let Some(table) = &mut first {
                        for ((_, key), row) in touched.rows.iter().filter(|((of, _), _)| *of == name) {
                            table.set(key, (*row).clone());
                        }
                    }
                    touched.tables.insert(name, first);
                }
                Was::Row(key, before) => {
                    touched.rows.entry((name, key)).or_insert(before);
                }
                Was::Sequence(before) => {
                    touched.sequences.entry(name).or_insert(before);
                }
                Was::Schema(before) => {
                    touched.schemas.entry(name).or_insert(before);
                }
            }
        }
        // A table that was made or altered is taken over as a whole.
        let Touched { tables, rows, .. } = &mut touched;
        rows.retain(|(name, _), _| !tables.contains_key(name));
        touched
    }
}
