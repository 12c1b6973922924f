//! What rows must be: not null, by their checks, and with the rows that they refer to.

use super::context::Context;
use super::expr::{Expr, Result, Rows, internal};
use crate::postgres::PgError;
use crate::rows::{ForeignKey, OnDelete, Row, Table, TableName};
use crate::value::{Datum, Type, composite_text, to_text};

/// Of one table, bound.
#[derive(Debug, Clone, Default)]
pub(crate) struct Constraints {
    /// Places of columns that must have a value, with their names.
    pub(crate) not_null: Vec<(usize, String)>,
    pub(crate) checks: Vec<(String, Expr)>,
}

/// What a statement has done to a table's rows.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    pub(crate) written: Vec<Row>,
    /// Rows that are not there any more, with what stands in their place.
    pub(crate) gone: Vec<(Row, Option<Row>)>,
}

impl Constraints {
    /// Of a row for itself.
    pub(crate) fn check(&self, cx: &Context<'_>, name: &TableName, row: &[Datum]) -> Result<()> {
        let failing = || {
            let table = cx.table(name);
            let kinds: Vec<Type> =
                table.iter().flat_map(Table::columns).map(|column| column.kind.clone()).collect();
            let shown: Vec<Datum> = row
                .iter()
                .map(|datum| if datum.is_null() { Datum::text("null") } else { datum.clone() })
                .collect();
            let text = plain_row(&kinds, &shown);
            format!("Failing row contains {text}.")
        };
        if let Some((_, column)) = self.not_null.iter().find(|(place, _)| row[*place].is_null()) {
            return Err(PgError::new(
                "23502",
                format!(
                    "null value in column \"{column}\" of relation \"{}\" violates not-null constraint",
                    name.name
                ),
            )
            .detail(failing()));
        }
        for (check, condition) in &self.checks {
            if condition.truth(cx, &Rows { row, outer: None })? == Some(false) {
                return Err(PgError::new(
                    "23514",
                    format!("new row for relation \"{}\" violates check constraint \"{check}\"", name.name),
                )
                .detail(failing()));
            }
        }
        Ok(())
    }

    /// Of all that a statement has done, with regard to other tables.
    pub(crate) fn settle(&self, cx: &Context<'_>, name: &TableName, touched: &Touched) -> Result<()> {
        let table = cx.table(name).ok_or_else(|| internal("a table is missing"))?;
        for foreign in &table.definition().foreign {
            let target =
                cx.table(&foreign.target).ok_or_else(|| internal("the target of a key is missing"))?;
            for row in &touched.written {
                refers(&table, name, foreign, &target, row)?;
            }
        }
        let referring: Vec<(TableName, ForeignKey)> = cx
            .database
            .borrow()
            .tables()
            .flat_map(|(other, table)| {
                table.definition().foreign.iter().map(move |key| (other.clone(), key.clone()))
            })
            .filter(|(_, key)| key.target == *name)
            .collect();
        for (other, foreign) in referring {
            for (row, new) in &touched.gone {
                abandoned(cx, name, &table, &other, &foreign, row, new.as_ref())?;
            }
        }
        Ok(())
    }
}

/// `(1, null, a b)`: as failing rows are shown, without quotes.
fn plain_row(kinds: &[Type], row: &[Datum]) -> String {
    let fields: Vec<String> = kinds
        .iter()
        .zip(row)
        .map(|(kind, datum)| {
            let text = to_text(datum, kind);
            text.chars().take(64).collect()
        })
        .collect();
    if fields.is_empty() { composite_text(std::iter::empty()) } else { format!("({})", fields.join(", ")) }
}

fn places(table: &Table, columns: &[String]) -> Vec<usize> {
    columns.iter().filter_map(|column| table.definition().place(column)).collect()
}

fn same(row: &Row, columns: &[usize], other: &Row, others: &[usize]) -> bool {
    columns.iter().zip(others).all(|(one, two)| row[*one].order(&other[*two]).is_eq())
}

fn shown(table: &Table, columns: &[usize], row: &Row) -> (String, String) {
    let values: Vec<String> =
        columns.iter().map(|place| to_text(&row[*place], &table.columns()[*place].kind)).collect();
    (table.definition().names(columns), values.join(", "))
}

fn refers(table: &Table, name: &TableName, foreign: &ForeignKey, target: &Table, row: &Row) -> Result<()> {
    if foreign.columns.iter().any(|place| row[*place].is_null()) {
        return Ok(());
    }
    let there = places(target, &foreign.target_columns);
    if target.rows().any(|(_, other)| same(row, &foreign.columns, other, &there)) {
        return Ok(());
    }
    let (columns, values) = shown(table, &foreign.columns, row);
    Err(PgError::new(
        "23503",
        format!(
            "insert or update on table \"{}\" violates foreign key constraint \"{}\"",
            name.name, foreign.name
        ),
    )
    .detail(format!("Key ({columns})=({values}) is not present in table \"{}\".", foreign.target.name)))
}

/// Rows of another table that referred to one that is gone.
fn abandoned(
    cx: &Context<'_>,
    name: &TableName,
    table: &Table,
    other: &TableName,
    foreign: &ForeignKey,
    row: &Row,
    new: Option<&Row>,
) -> Result<()> {
    let there = places(table, &foreign.target_columns);
    let now = cx.table(name).ok_or_else(|| internal("a table is missing"))?;
    if there.iter().any(|place| row[*place].is_null())
        || new.is_some_and(|new| same(row, &there, new, &there))
        || now.rows().any(|(_, still)| same(row, &there, still, &there))
    {
        return Ok(());
    }
    let others = cx.table(other).ok_or_else(|| internal("a table is missing"))?;
    let referring: Vec<_> = others
        .rows()
        .filter(|(_, one)| same(one, &foreign.columns, row, &there))
        .map(|(key, one)| (key.clone(), one.clone()))
        .collect();
    if referring.is_empty() {
        return Ok(());
    }
    let mut touched = Touched::default();
    match (foreign.on_delete, new) {
        (OnDelete::Cascade, None) => {
            for (key, one) in referring {
                cx.database.borrow_mut().remove(cx.now, other.clone(), &key)?;
                touched.gone.push((one, None));
            }
        }
        (OnDelete::SetNull, None) => {
            for (key, one) in referring {
                let mut without = one.to_vec();
                foreign.columns.iter().for_each(|place| without[*place] = Datum::Null);
                let without: Row = without.into();
                cx.database.borrow_mut().replace(cx.now, other, &key, without.clone())?;
                touched.gone.push((one, Some(without)));
            }
        }
        _ => {
            let (columns, values) = shown(table, &there, row);
            return Err(PgError::new(
                "23503",
                format!(
                    "update or delete on table \"{}\" violates foreign key constraint \"{}\" on table \"{}\"",
                    name.name, foreign.name, other.name
                ),
            )
            .detail(format!(
                "Key ({columns})=({values}) is still referenced from table \"{}\".",
                other.name
            )));
        }
    }
    Constraints::default().settle(cx, other, &touched)
}
