//! What a database says of itself: names and numbers of what is in it, sizes, and the views of `pg_catalog` and
//! `information_schema`, as far as tools ask for them.
//!
//! Estimates are exact here, as if every table had just been analysed. Sizes are reckoned from the rows, in whole pages.

mod definitions;
mod schema;
mod server;
mod tables;

use crate::postgres::PgError;
use crate::postgres::sql::context::Context;
use crate::postgres::sql::expr::Result;
use crate::postgres::sql::{names, parse_name, quote_identifier};
use crate::rows::{Row, Table, TableName};
use crate::value::{Datum, Type, to_text};

pub(crate) use definitions::{constraint_definition, index_definition};

pub(crate) const PG_CATALOG: &str = "pg_catalog";
pub(crate) const INFORMATION_SCHEMA: &str = "information_schema";
const OID_OF_PG_CATALOG: u32 = 11;
const OID_OF_INFORMATION_SCHEMA: u32 = 13_000;
/// Views have numbers from here, in the order of the list; but for those whose number is known to everybody.
const FIRST_VIEW: u32 = 12_000;
const OID_OF_PG_CLASS: u32 = 1259;
/// The one user that owns everything.
pub(crate) const OID_OF_OWNER: i64 = 10;

type Line = Vec<Datum>;

/// A view of the catalogs.
pub(crate) struct Definition {
    schema: &'static str,
    name: &'static str,
    /// With their types.
    columns: &'static [(&'static str, &'static str)],
    rows: fn(&Context<'_>) -> Vec<Line>,
}

/// One of them.
#[derive(Clone, Copy)]
pub(crate) struct View(&'static Definition);

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0.schema, self.0.name)
    }
}

impl View {
    pub(crate) fn columns(self) -> Vec<(&'static str, Type)> {
        let columns = self.0.columns.iter();
        columns.map(|(name, kind)| (*name, Type::named(kind).unwrap_or(Type::Text))).collect()
    }
}

fn all() -> impl Iterator<Item = &'static Definition> {
    [tables::VIEWS, schema::VIEWS, server::VIEWS].into_iter().flatten()
}

/// A view by its name; those of `pg_catalog` are found without its name too.
pub(crate) fn view(schema: Option<&str>, name: &str) -> Option<View> {
    let wanted = schema.unwrap_or(PG_CATALOG);
    all().find(|view| view.schema == wanted && view.name == name).map(View)
}

pub(crate) fn rows(cx: &Context<'_>, view: View) -> Vec<Line> {
    (view.0.rows)(cx)
}

fn view_oid(of: &Definition) -> u32 {
    if of.name == "pg_class" {
        return OID_OF_PG_CLASS;
    }
    let place = all().position(|view| std::ptr::eq(view, of)).unwrap_or(0);
    FIRST_VIEW + u32::try_from(place).unwrap_or(0)
}

/// The schemas in which names without one are looked for, as `search_path` has them.
pub(crate) fn search_path(cx: &Context<'_>) -> Vec<String> {
    let path = cx.settings.borrow().get("search_path").unwrap_or_default();
    path.split(',')
        .map(|schema| match schema.trim().trim_matches('"') {
            "$user" => cx.user.to_owned(),
            schema => schema.to_owned(),
        })
        .filter(|schema| !schema.is_empty())
        .collect()
}

pub(crate) fn has_schema(cx: &Context<'_>, name: &str) -> bool {
    name == PG_CATALOG
        || name == INFORMATION_SCHEMA
        || cx.database.borrow().schemas().any(|(known, _)| known == name)
}

/// The schema that something new comes into.
pub(crate) fn creation_schema(cx: &Context<'_>, schema: Option<String>) -> Result<String> {
    match schema {
        Some(schema) if schema == PG_CATALOG || schema == INFORMATION_SCHEMA => {
            Err(PgError::new("42501", format!("permission denied for schema {schema}")))
        }
        Some(schema) if has_schema(cx, &schema) => Ok(schema),
        Some(schema) => Err(PgError::new("3F000", format!("schema \"{schema}\" does not exist"))),
        None => search_path(cx)
            .into_iter()
            .find(|schema| has_schema(cx, schema))
            .ok_or_else(|| PgError::new("3F000", "no schema has been selected to create in")),
    }
}

/// A table, by its schema or the search path.
pub(crate) fn table_named(cx: &Context<'_>, schema: Option<&str>, name: &str) -> Result<TableName> {
    let database = cx.database.borrow();
    let missing = || {
        let shown = schema.map_or(name.to_owned(), |schema| format!("{schema}.{name}"));
        PgError::new("42P01", format!("relation \"{shown}\" does not exist"))
    };
    let candidates = match schema {
        Some(schema) => vec![schema.to_owned()],
        None => search_path(cx),
    };
    let mut named = candidates.iter().map(|schema| TableName::new(schema, name));
    named.find(|name| database.table(name.clone()).is_some()).ok_or_else(missing)
}

/// The number of what has this name: a table, index, sequence or view.
pub(crate) fn relation(cx: &Context<'_>, text: &str) -> Result<u32> {
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    let name = parse_name(text)?;
    let (schema, name) = names::qualified(&name, cx.name)?;
    if let Some(view) = view(schema.as_deref(), &name) {
        return Ok(view_oid(view.0));
    }
    let database = cx.database.borrow();
    let path = match &schema {
        Some(schema) => vec![schema.clone()],
        None => search_path(cx),
    };
    for candidate in &path {
        let full = TableName::new(candidate, &name);
        if let Some(table) = database.table(full.clone()) {
            return Ok(table.definition().oid);
        }
        if let Some(sequence) = database.sequence(&full) {
            return Ok(sequence.oid);
        }
        let mut indexes = database.tables().filter(|(table, _)| *table.schema == **candidate);
        if let Some(index) =
            indexes.find_map(|(_, table)| table.definition().indexes.iter().find(|index| index.name == name))
        {
            return Ok(index.oid);
        }
    }
    if let Some(schema) = schema.filter(|schema| !database.schemas().any(|(known, _)| known == schema)) {
        return Err(PgError::new("3F000", format!("schema \"{schema}\" does not exist")));
    }
    Err(PgError::new("42P01", format!("relation \"{text}\" does not exist")))
}

/// A name with its schema where it is not found without, in quotes where it needs them.
fn shown_in(cx: &Context<'_>, name: &TableName) -> String {
    match search_path(cx).iter().any(|schema| **schema == *name.schema) {
        true => quote_identifier(&name.name),
        false => shown(name),
    }
}

pub(crate) fn shown(name: &TableName) -> String {
    format!("{}.{}", quote_identifier(&name.schema), quote_identifier(&name.name))
}

/// What a number of a relation is called; the number itself if there is none.
pub(crate) fn relation_name(cx: &Context<'_>, oid: &Datum) -> String {
    let Datum::Int(number) = oid else { return String::new() };
    let is = |oid: u32| i64::from(oid) == *number;
    let database = cx.database.borrow();
    for (name, table) in database.tables() {
        if is(table.definition().oid) {
            return shown_in(cx, name);
        }
        if let Some(index) = table.definition().indexes.iter().find(|index| is(index.oid)) {
            return shown_in(cx, &TableName::new(&name.schema, &index.name));
        }
    }
    if let Some((name, _)) = database.sequences().find(|(_, sequence)| is(sequence.oid)) {
        return shown_in(cx, name);
    }
    match all().find(|view| is(view_oid(view))) {
        Some(view) if view.schema == PG_CATALOG => view.name.to_owned(),
        Some(view) => format!("{}.{}", view.schema, view.name),
        None if *number == 0 => "-".to_owned(),
        None => number.to_string(),
    }
}

pub(crate) fn is_visible(cx: &Context<'_>, oid: i64) -> Datum {
    let database = cx.database.borrow();
    let path = search_path(cx);
    let schema = database.tables().find_map(|(name, table)| {
        let of = table.definition();
        let own = i64::from(of.oid) == oid || of.indexes.iter().any(|index| i64::from(index.oid) == oid);
        own.then(|| name.schema.to_string())
    });
    let sequence = || {
        let mut known = database.sequences();
        known.find(|(_, sequence)| i64::from(sequence.oid) == oid).map(|(name, _)| name.schema.to_string())
    };
    match schema.or_else(sequence) {
        Some(schema) => Datum::Bool(path.contains(&schema)),
        None => match all().find(|view| i64::from(view_oid(view)) == oid) {
            Some(view) => Datum::Bool(view.schema == PG_CATALOG),
            None => Datum::Null,
        },
    }
}

/// The sequence that gives a column its values.
pub(crate) fn sequence_of(cx: &Context<'_>, table: &TableName, column: &str) -> Option<TableName> {
    let database = cx.database.borrow();
    let mut known = database.sequences();
    let of = |owner: &Option<(TableName, String)>| {
        owner.as_ref().is_some_and(|(of, name)| of == table && name == column)
    };
    known.find(|(_, sequence)| of(&sequence.owner)).map(|(name, _)| name.clone())
}

pub(crate) fn serial_sequence(cx: &Context<'_>, table: &str, column: &str) -> Result<Datum> {
    let (schema, name) = names::qualified(&parse_name(table)?, cx.name)?;
    let table = table_named(cx, schema.as_deref(), &name)?;
    let known = cx.table(&table).is_some_and(|table| table.definition().place(column).is_some());
    if !known {
        return Err(PgError::new(
            "42703",
            format!("column \"{column}\" of relation \"{}\" does not exist", table.name),
        ));
    }
    Ok(sequence_of(cx, &table, column).map_or(Datum::Null, |name| Datum::text(shown(&name))))
}

const PAGE: usize = 8192;
/// Of a row, and of the pointer to it.
const HEADER: usize = 28;
/// Of an empty database: its catalogs.
const EMPTY_DATABASE: usize = 7_500_000;

fn pages(bytes: usize) -> i64 {
    i64::try_from(bytes.div_ceil(PAGE) * PAGE).unwrap_or(i64::MAX)
}

fn row_bytes(table: &Table, row: &Row) -> usize {
    let columns = table.columns().iter().zip(row.iter());
    columns.fold(HEADER, |sum, (column, datum)| match (datum, column.kind.length()) {
        (Datum::Null, _) => sum,
        (_, length @ 1..) => sum + usize::try_from(length).unwrap_or(0),
        (datum, _) => sum + 4 + to_text(datum, &column.kind).len(),
    })
}

pub(crate) fn heap_size(table: &Table) -> i64 {
    pages(table.rows().map(|(_, row)| row_bytes(table, row)).sum())
}

fn index_size(table: &Table) -> i64 {
    const ENTRY: usize = 24;
    // The first page tells of the others.
    pages(PAGE + table.len() * ENTRY)
}

fn find<T>(cx: &Context<'_>, oid: i64, of: impl Fn(&Table) -> T) -> Option<T> {
    let database = cx.database.borrow();
    let found = database.tables().find(|(_, table)| i64::from(table.definition().oid) == oid);
    found.map(|(_, table)| of(table))
}

fn all_indexes(table: &Table) -> i64 {
    index_size(table) * i64::try_from(table.definition().indexes.len()).unwrap_or(0)
}

/// Of a table without or with its indexes, or of an index; null for what is gone.
pub(crate) fn relation_size(cx: &Context<'_>, oid: i64, total: bool) -> Datum {
    let table = find(cx, oid, |table| heap_size(table) + if total { all_indexes(table) } else { 0 });
    if let Some(size) = table {
        return Datum::Int(size);
    }
    let database = cx.database.borrow();
    let of_index = database
        .tables()
        .find(|(_, table)| table.definition().indexes.iter().any(|index| i64::from(index.oid) == oid))
        .map(|(_, table)| index_size(table));
    let known = of_index
        .or_else(|| database.sequences().any(|(_, of)| i64::from(of.oid) == oid).then_some(8192))
        .or_else(|| all().any(|view| i64::from(view_oid(view)) == oid).then_some(0));
    known.map_or(Datum::Null, Datum::Int)
}

pub(crate) fn indexes_size(cx: &Context<'_>, oid: i64) -> Datum {
    find(cx, oid, all_indexes).map_or(Datum::Null, Datum::Int)
}

pub(crate) fn database_size(cx: &Context<'_>, name: &str) -> Result<Datum> {
    let size = |database: &crate::rows::Database| {
        let tables: i64 = database.tables().map(|(_, table)| heap_size(table) + all_indexes(table)).sum();
        Datum::Int(tables + pages(EMPTY_DATABASE))
    };
    if name == cx.name {
        return Ok(size(&cx.database.borrow()));
    }
    if !cx.server.databases().iter().any(|known| known == name) {
        return Err(PgError::no_database(name));
    }
    cx.server.read(name).map(|database| size(&database))
}

/// The number of a database.
fn database_oid(cx: &Context<'_>, name: &str) -> i64 {
    cx.server.sessions().database_number(name)
}

pub(crate) fn database_of(cx: &Context<'_>, oid: i64) -> Option<String> {
    cx.server.databases().into_iter().find(|name| database_oid(cx, name) == oid)
}

pub(crate) fn format_type(oid: i64, modifier: i64) -> Datum {
    let kind = u32::try_from(oid).ok().and_then(Type::of_oid);
    let plain = |kind: &Type| match kind {
        Type::Unknown => "-".to_owned(),
        kind => kind.plain_name(),
    };
    Datum::text(match kind {
        None => "???".to_owned(),
        Some(kind) => match (kind, modifier) {
            (Type::Varchar(_), 4..) => format!("character varying({})", modifier - 4),
            (Type::Numeric(_), 4..) => {
                let packed = modifier - 4;
                format!("numeric({},{})", packed >> 16, packed & 0xffff)
            }
            (Type::Bit(_), 0..) => format!("bit({modifier})"),
            (kind, _) => plain(&kind),
        },
    })
}

fn schema_oid(cx: &Context<'_>, name: &str) -> i64 {
    match name {
        PG_CATALOG => i64::from(OID_OF_PG_CATALOG),
        INFORMATION_SCHEMA => i64::from(OID_OF_INFORMATION_SCHEMA),
        name => cx
            .database
            .borrow()
            .schemas()
            .find(|(known, _)| *known == name)
            .map_or(0, |(_, oid)| i64::from(oid)),
    }
}

fn int(number: impl Into<i64>) -> Datum {
    Datum::Int(number.into())
}

fn count(number: usize) -> Datum {
    Datum::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

fn text(text: impl AsRef<str>) -> Datum {
    Datum::text(text)
}

fn is_user_schema(name: &str) -> bool {
    name != PG_CATALOG && name != INFORMATION_SCHEMA
}
