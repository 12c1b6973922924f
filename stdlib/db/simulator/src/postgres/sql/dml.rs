//! `INSERT`, `UPDATE` and `DELETE`: which rows become what, and what is given back of them.

use std::collections::BTreeSet;

use super::cast;
use super::constraints::{Constraints, Touched};
use super::context::Context;
use super::expr::{Expr, Result, Rows, internal, values};
use super::plan::{From, Output, Query, Row as Line};
use crate::postgres::PgError;
use crate::rows::{Key, Row, TableName};
use crate::value::Datum;

/// A statement that changes rows, bound.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) table: TableName,
    pub(crate) what: What,
    pub(crate) constraints: Constraints,
    pub(crate) returning: Vec<Expr>,
    pub(crate) columns: Vec<Output>,
}

#[derive(Debug, Clone)]
pub(crate) enum What {
    Insert {
        source: Source,
        /// For each column of the table: the place in the source, or what it is by itself.
        columns: Vec<Filled>,
        conflict: Option<Conflict>,
    },
    Update {
        /// The other tables, whose rows stand behind the table's own.
        from: From,
        filter: Option<Expr>,
        set: Vec<(usize, Expr)>,
    },
    Delete {
        from: From,
        filter: Option<Expr>,
    },
}

#[derive(Debug, Clone)]
pub(crate) enum Source {
    Query(Box<Query>),
    /// Lines in which a column may be left to its default.
    Lines(Vec<Vec<Option<Expr>>>),
}

#[derive(Debug, Clone)]
pub(crate) struct Filled {
    pub(crate) from: Option<usize>,
    pub(crate) default: Expr,
}

/// `ON CONFLICT`
/// What columns become, and of which rows.
type Update = (Vec<(usize, Expr)>, Option<Expr>);

#[derive(Debug, Clone)]
pub(crate) struct Conflict {
    /// The indexes that count; all of them if none is named.
    pub(crate) indexes: Option<Vec<String>>,
    /// What becomes of the row that is there; nothing by `DO NOTHING`.
    pub(crate) update: Option<Update>,
}

impl Change {
    pub(crate) fn verb(&self) -> &'static str {
        match self.what {
            What::Insert { .. } => "INSERT",
            What::Update { .. } => "UPDATE",
            What::Delete { .. } => "DELETE",
        }
    }

    /// Changes, and gives what is to be given back.
    pub(crate) fn rows(&self, cx: &Context<'_>, outer: Option<&Rows<'_>>) -> Result<Vec<Line>> {
        self.run(cx, outer).map(|(_, lines)| lines)
    }

    /// The same with the number of rows that were changed.
    pub(crate) fn run(&self, cx: &Context<'_>, outer: Option<&Rows<'_>>) -> Result<(usize, Vec<Line>)> {
        if cx.read_only {
            return Err(PgError::new(
                "25006",
                format!("cannot execute {} in a read-only transaction", self.verb()),
            ));
        }
        let mut touched = Touched::default();
        let mut lines = Vec::new();
        let count = match &self.what {
            What::Insert { source, columns, conflict } => {
                self.insert(cx, outer, source, columns, conflict.as_ref(), &mut touched, &mut lines)?
            }
            What::Update { from, filter, set } => {
                self.update(cx, outer, from, filter.as_ref(), set, &mut touched, &mut lines)?
            }
            What::Delete { from, filter } => {
                self.delete(cx, outer, from, filter.as_ref(), &mut touched, &mut lines)?
            }
        };
        self.constraints.settle(cx, &self.table, &touched)?;
        Ok((count, lines))
    }

    #[allow(clippy::too_many_arguments)] // the parts of one statement
    fn insert(
        &self,
        cx: &Context<'_>,
        outer: Option<&Rows<'_>>,
        source: &Source,
        columns: &[Filled],
        conflict: Option<&Conflict>,
        touched: &mut Touched,
        lines: &mut Vec<Line>,
    ) -> Result<usize> {
        let seen = Rows { row: &[], outer };
        let given: Vec<Vec<Option<Datum>>> = match source {
            Source::Query(query) => {
                query.rows(cx, outer)?.into_iter().map(|line| line.into_iter().map(Some).collect()).collect()
            }
            Source::Lines(lines) => {
                let value = |one: &Option<Expr>| one.as_ref().map(|one| one.value(cx, &seen)).transpose();
                let line = |line: &Vec<Option<Expr>>| line.iter().map(value).collect::<Result<_>>();
                lines.iter().map(line).collect::<Result<_>>()?
            }
        };
        let mut count = 0;
        let mut updated = BTreeSet::new();
        for line in given {
            let mut row = Vec::with_capacity(columns.len());
            for filled in columns {
                let value = filled.from.and_then(|place| line.get(place).cloned().flatten());
                row.push(match value {
                    Some(value) => value,
                    None => filled.default.value(cx, &seen)?,
                });
            }
            self.constraints.check(cx, &self.table, &row)?;
            let row: Row = row.into();
            let Some(written) = self.insert_one(cx, outer, &row, conflict, &mut updated, touched)? else {
                continue;
            };
            count += 1;
            self.give_back(cx, outer, &written, lines)?;
        }
        Ok(count)
    }

    /// The row as it is then; `None` if nothing is written.
    fn insert_one(
        &self,
        cx: &Context<'_>,
        outer: Option<&Rows<'_>>,
        row: &Row,
        conflict: Option<&Conflict>,
        updated: &mut BTreeSet<Key>,
        touched: &mut Touched,
    ) -> Result<Option<Vec<Datum>>> {
        let table = cx.table(&self.table).ok_or_else(|| internal("a table is missing"))?;
        if let (Some(conflict), Some((index, key))) = (conflict, table.collision(row, None)) {
            let name = &table.definition().indexes[index].name;
            if conflict.indexes.as_ref().is_none_or(|indexes| indexes.contains(name)) {
                let Some((set, filter)) = &conflict.update else { return Ok(None) };
                if !updated.insert(key.clone()) {
                    return Err(PgError::new(
                        "21000",
                        "ON CONFLICT DO UPDATE command cannot affect row a second time",
                    )
                    .hint("Ensure that no rows proposed for insertion within the same command have duplicate constrained values."));
                }
                let before = table.get(&key).ok_or_else(|| internal("a row in conflict is missing"))?.clone();
                let both: Vec<Datum> = before.iter().chain(row.iter()).cloned().collect();
                let seen = Rows { row: &both, outer };
                if let Some(filter) = filter
                    && filter.truth(cx, &seen)? != Some(true)
                {
                    return Ok(None);
                }
                let new = set_columns(cx, &seen, &before, set)?;
                self.constraints.check(cx, &self.table, &new)?;
                self.replace(cx, &key, &before, new.clone().into(), touched)?;
                return Ok(Some(new));
            }
        }
        let key = cx.database.borrow_mut().insert(cx.now, &self.table, row.clone())?;
        updated.insert(key);
        touched.written.push(row.clone());
        Ok(Some(row.to_vec()))
    }

    fn replace(
        &self,
        cx: &Context<'_>,
        key: &Key,
        before: &Row,
        new: Row,
        touched: &mut Touched,
    ) -> Result<()> {
        cx.database.borrow_mut().replace(cx.now, &self.table, key, new.clone())?;
        touched.gone.push((before.clone(), Some(new.clone())));
        touched.written.push(new);
        Ok(())
    }

    #[allow(clippy::too_many_arguments)] // the parts of one statement
    fn update(
        &self,
        cx: &Context<'_>,
        outer: Option<&Rows<'_>>,
        from: &From,
        filter: Option<&Expr>,
        set: &[(usize, Expr)],
        touched: &mut Touched,
        lines: &mut Vec<Line>,
    ) -> Result<usize> {
        let mut changes = Vec::new();
        for (key, before, whole) in self.targets(cx, outer, from, filter)? {
            let new = set_columns(cx, &Rows { row: &whole, outer }, &before, set)?;
            self.constraints.check(cx, &self.table, &new)?;
            changes.push((key, before, new, whole));
        }
        let count = changes.len();
        for (key, before, new, whole) in changes {
            self.replace(cx, &key, &before, new.clone().into(), touched)?;
            let shown: Vec<Datum> = new.iter().chain(&whole[before.len()..]).cloned().collect();
            self.give_back(cx, outer, &shown, lines)?;
        }
        Ok(count)
    }

    fn delete(
        &self,
        cx: &Context<'_>,
        outer: Option<&Rows<'_>>,
        from: &From,
        filter: Option<&Expr>,
        touched: &mut Touched,
        lines: &mut Vec<Line>,
    ) -> Result<usize> {
        let targets = self.targets(cx, outer, from, filter)?;
        let count = targets.len();
        for (key, before, whole) in targets {
            cx.database.borrow_mut().remove(cx.now, self.table.clone(), &key)?;
            touched.gone.push((before, None));
            self.give_back(cx, outer, &whole, lines)?;
        }
        Ok(count)
    }

    /// The rows of the table that are meant, each once, with what stands behind it of other tables.
    fn targets(
        &self,
        cx: &Context<'_>,
        outer: Option<&Rows<'_>>,
        from: &From,
        filter: Option<&Expr>,
    ) -> Result<Vec<(Key, Row, Vec<Datum>)>> {
        let table = cx.table(&self.table).ok_or_else(|| internal("a table is missing"))?;
        let others = from.rows(cx, outer, &[], 0)?;
        let mut targets = Vec::new();
        for (key, row) in table.rows() {
            for other in &others {
                let whole: Vec<Datum> = row.iter().chain(other).cloned().collect();
                let meant = match filter {
                    Some(filter) => filter.truth(cx, &Rows { row: &whole, outer })? == Some(true),
                    None => true,
                };
                if meant {
                    targets.push((key.clone(), row.clone(), whole));
                    break;
                }
            }
        }
        Ok(targets)
    }

    fn give_back(
        &self,
        cx: &Context<'_>,
        outer: Option<&Rows<'_>>,
        row: &[Datum],
        lines: &mut Vec<Line>,
    ) -> Result<()> {
        if !self.returning.is_empty() {
            lines.push(values(&self.returning, cx, &Rows { row, outer })?);
        }
        Ok(())
    }
}

fn set_columns(cx: &Context<'_>, seen: &Rows<'_>, before: &Row, set: &[(usize, Expr)]) -> Result<Vec<Datum>> {
    let mut new = before.to_vec();
    for (place, expression) in set {
        new[*place] = expression.value(cx, seen)?;
    }
    Ok(new)
}

/// Rows that come from a client by `COPY`: the columns that are given, and the others by themselves.
pub(crate) fn copied(
    cx: &Context<'_>,
    change: &Change,
    places: &[usize],
    defaults: &[Expr],
    lines: Vec<Vec<Datum>>,
) -> Result<usize> {
    let mut touched = Touched::default();
    let kinds: Vec<crate::value::Type> = match cx.table(&change.table) {
        Some(table) => table.columns().iter().map(|column| column.kind.clone()).collect(),
        None => return Err(internal("a table is missing")),
    };
    let count = lines.len();
    for line in lines {
        let mut row = Vec::with_capacity(defaults.len());
        for (place, default) in defaults.iter().enumerate() {
            row.push(match places.iter().position(|given| *given == place) {
                Some(at) => cast::within(line[at].clone(), &kinds[place], cast::How::Assignment)?,
                None => default.value(cx, &Rows::NONE)?,
            });
        }
        change.constraints.check(cx, &change.table, &row)?;
        let row: Row = row.into();
        cx.database.borrow_mut().insert(cx.now, &change.table, row.clone())?;
        touched.written.push(row);
    }
    change.constraints.settle(cx, &change.table, &touched)?;
    Ok(count)
}
