//! Indexes and constraints as the SQL that would make them.

use super::{shown, shown_in};
use crate::postgres::sql::context::Context;
use crate::postgres::sql::quote_identifier;
use crate::rows::{Definition, Index, OnDelete, Table, TableName};
use crate::value::Datum;

fn columns(of: &Definition, places: &[usize]) -> String {
    let names: Vec<String> = places.iter().map(|place| quote_identifier(&of.columns[*place].name)).collect();
    names.join(", ")
}

pub(super) fn index_text(name: &TableName, table: &Table, index: &Index) -> String {
    let unique = if index.unique { "UNIQUE " } else { "" };
    format!(
        "CREATE {unique}INDEX {} ON {} USING btree ({})",
        quote_identifier(&index.name),
        shown(name),
        columns(table.definition(), &index.columns)
    )
}

pub(crate) fn index_definition(cx: &Context<'_>, oid: i64) -> Datum {
    let database = cx.database.borrow();
    let found = database.tables().find_map(|(name, table)| {
        let index = table.definition().indexes.iter().find(|index| i64::from(index.oid) == oid)?;
        Some(index_text(name, table, index))
    });
    found.map_or(Datum::Null, Datum::text)
}

/// Of a constraint: numbers of their own that follow from their table's.
pub(super) fn constraint_oid(of: &Definition, name: &str) -> i64 {
    let indexes = of.indexes.iter().map(|index| &index.name);
    let names = indexes.chain(of.checks.iter().map(|check| &check.name));
    let mut names = names.chain(of.foreign.iter().map(|key| &key.name));
    let place = names.position(|known| known == name).unwrap_or(0);
    (i64::from(of.oid) << 10) + i64::try_from(place).unwrap_or(0) + 1
}

pub(crate) fn constraint_definition(cx: &Context<'_>, oid: i64) -> Datum {
    let database = cx.database.borrow();
    let found = database.tables().find_map(|(_, table)| {
        let of = table.definition();
        let is = |name: &str| constraint_oid(of, name) == oid;
        if let Some(index) = of.indexes.iter().find(|index| index.constraint && is(&index.name)) {
            let kind = if index.primary { "PRIMARY KEY" } else { "UNIQUE" };
            return Some(format!("{kind} ({})", columns(of, &index.columns)));
        }
        if let Some(check) = of.checks.iter().find(|check| is(&check.name)) {
            return Some(format!("CHECK (({}))", check.expression));
        }
        let foreign = of.foreign.iter().find(|key| is(&key.name))?;
        let there: Vec<String> =
            foreign.target_columns.iter().map(|column| quote_identifier(column)).collect();
        let action = match foreign.on_delete {
            OnDelete::Refuse => "",
            OnDelete::Cascade => " ON DELETE CASCADE",
            OnDelete::SetNull => " ON DELETE SET NULL",
        };
        Some(format!(
            "FOREIGN KEY ({}) REFERENCES {}({}){action}",
            columns(of, &foreign.columns),
            shown_in(cx, &foreign.target),
            there.join(", ")
        ))
    });
    found.map_or(Datum::Null, Datum::text)
}
