//! `CREATE`: tables, indexes, schemas, sequences.

use sqlparser::ast::{self, ColumnOption, GeneratedAs, ReferentialAction, TableConstraint};

use super::bind::{Binder, data_type, visible};
use super::context::Context;
use super::expr::{Result, internal};
use super::names;
use crate::postgres::{PgError, catalog};
use crate::rows::{
    Check, Column, Definition, ForeignKey, Identity, Index, OnDelete, Sequence, Table, TableName,
};
use crate::value::Type;

/// A table that is being made: what it consists of, and the sequences that go with it.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) definition: Definition,
    /// For these columns.
    pub(super) sequences: Vec<String>,
}

pub(crate) fn read_only(cx: &Context<'_>, verb: &str) -> Result<()> {
    match cx.read_only {
        true => Err(PgError::new("25006", format!("cannot execute {verb} in a read-only transaction"))),
        false => Ok(()),
    }
}

/// The name of something new.
fn new_name(cx: &Context<'_>, name: &ast::ObjectName) -> Result<TableName> {
    let (schema, name) = names::qualified(name, cx.name)?;
    let schema = catalog::creation_schema(cx, schema)?;
    Ok(TableName::new(&schema, &name))
}

/// There is a relation of this name in the schema already.
pub(super) fn taken(cx: &Context<'_>, name: &TableName) -> bool {
    let database = cx.database.borrow();
    let index = |(other, table): (&TableName, &Table)| {
        other.schema == name.schema
            && table.definition().indexes.iter().any(|index| *index.name == *name.name)
    };
    database.table(name.clone()).is_some()
        || database.sequence(name).is_some()
        || database.tables().any(index)
}

fn exists(name: &TableName) -> PgError {
    PgError::new("42P07", format!("relation \"{}\" already exists", name.name))
}

/// A name that is not taken: `orders_id_seq`, `orders_id_seq1`, ….
fn free(cx: &Context<'_>, schema: &str, base: &str) -> TableName {
    let numbered = (1..).map(|number| format!("{base}{number}"));
    let mut names =
        std::iter::once(base.to_owned()).chain(numbered).map(|name| TableName::new(schema, &name));
    // Numbers do not end.
    names.find(|name| !taken(cx, name)).unwrap_or_else(|| TableName::new(schema, base))
}

pub(crate) fn create_table(cx: &Context<'_>, create: &ast::CreateTable) -> Result<()> {
    read_only(cx, "CREATE TABLE")?;
    refuse(create)?;
    let name = new_name(cx, &create.name)?;
    if taken(cx, &name) {
        if create.if_not_exists {
            cx.notice("NOTICE", format!("relation \"{}\" already exists, skipping", name.name));
            return Ok(());
        }
        return Err(exists(&name));
    }
    let mut draft = Draft::default();
    if let Some(like) = &create.like {
        draft.definition.columns = like_columns(cx, like)?;
    }
    for column in &create.columns {
        draft.column(column)?;
    }
    for column in &create.columns {
        draft.options(cx, &name, column)?;
    }
    for constraint in &create.constraints {
        draft.constraint(cx, &name, constraint)?;
    }
    draft.finish(cx, &name)
}

/// `CREATE TABLE … AS`: gives the number of rows.
pub(crate) fn create_table_as(
    cx: &Context<'_>,
    create: &ast::CreateTable,
    query: &ast::Query,
) -> Result<usize> {
    read_only(cx, "CREATE TABLE AS")?;
    refuse(create)?;
    let name = new_name(cx, &create.name)?;
    if taken(cx, &name) {
        return Err(exists(&name));
    }
    let binder = Binder::new(cx, Vec::new());
    let bound = binder.query(query, None)?;
    let columns = bound.columns.iter().map(|column| {
        let kind = if column.kind == Type::Unknown { Type::Text } else { column.kind.clone() };
        Column::new(&column.name, kind)
    });
    let rows = bound.rows(cx, None)?;
    let definition = Definition { columns: columns.collect(), ..Definition::default() };
    let mut database = cx.database.borrow_mut();
    database.define(cx.now, name.clone(), definition)?;
    let count = rows.len();
    for row in rows {
        database.insert(cx.now, &name, row.into())?;
    }
    Ok(count)
}

fn refuse(create: &ast::CreateTable) -> Result<()> {
    let what = match create {
        _ if create.temporary => "a temporary table",
        _ if create.inherits.is_some() => "INHERITS",
        _ if create.partition_by.is_some() || create.partition_of.is_some() => "a partitioned table",
        _ if create.external || create.or_replace => "this kind of table",
        _ => return Ok(()),
    };
    Err(PgError::unsupported(what))
}

fn like_columns(cx: &Context<'_>, like: &ast::CreateTableLikeKind) -> Result<Vec<Column>> {
    let (ast::CreateTableLikeKind::Parenthesized(like) | ast::CreateTableLikeKind::Plain(like)) = like;
    let (_, table) = Binder::new(cx, Vec::new()).target(&like.name)?;
    let defaults = matches!(like.defaults, Some(ast::CreateTableLikeDefaults::Including));
    let columns = table.columns().iter().map(|column| Column {
        default: column.default.clone().filter(|_| defaults),
        identity: None,
        ..column.clone()
    });
    Ok(columns.collect())
}

impl Draft {
    /// Its name and type.
    pub(super) fn column(&mut self, column: &ast::ColumnDef) -> Result<()> {
        let name = names::folded(&column.name);
        if self.definition.place(&name).is_some() {
            return Err(PgError::new("42701", format!("column \"{name}\" specified more than once")));
        }
        let serial = match &column.data_type {
            ast::DataType::Custom(kind, _) => match kind.to_string().to_ascii_lowercase().as_str() {
                "serial" | "serial4" => Some(Type::Int4),
                "bigserial" | "serial8" => Some(Type::Int8),
                "smallserial" | "serial2" => Some(Type::Int2),
                _ => None,
            },
            _ => None,
        };
        let kind = match &serial {
            Some(kind) => kind.clone(),
            None => data_type(&column.data_type)?,
        };
        let mut made = Column::new(&name, kind);
        if serial.is_some() {
            made.not_null = true;
            self.sequences.push(name);
        }
        self.definition.columns.push(made);
        Ok(())
    }

    /// What is said of it besides.
    pub(super) fn options(
        &mut self,
        cx: &Context<'_>,
        table: &TableName,
        column: &ast::ColumnDef,
    ) -> Result<()> {
        let name = names::folded(&column.name);
        let place = self.definition.place(&name).ok_or_else(|| internal("a column is missing"))?;
        for option in &column.options {
            let given = option.name.as_ref().map(names::folded);
            match &option.option {
                ColumnOption::Null => {}
                ColumnOption::NotNull => self.definition.columns[place].not_null = true,
                ColumnOption::Default(default) => self.set_default(cx, place, default)?,
                ColumnOption::PrimaryKey(_) => {
                    self.index(cx, table, given, std::slice::from_ref(&name), true)?;
                }
                ColumnOption::Unique(_) => {
                    self.index(cx, table, given, std::slice::from_ref(&name), false)?;
                }
                ColumnOption::Check(check) => {
                    self.check(
                        cx,
                        table,
                        given.or_else(|| check.name.as_ref().map(names::folded)),
                        Some(&name),
                        &check.expr,
                    )?;
                }
                ColumnOption::ForeignKey(foreign) => {
                    self.foreign(cx, table, given, std::slice::from_ref(&name), foreign)?;
                }
                ColumnOption::Generated { generated_as, generation_expr: None, .. } => {
                    self.definition.columns[place].identity = Some(match generated_as {
                        GeneratedAs::Always => Identity::Always,
                        GeneratedAs::ByDefault => Identity::ByDefault,
                        GeneratedAs::ExpStored => return Err(PgError::unsupported("a generated column")),
                    });
                    self.definition.columns[place].not_null = true;
                    self.sequences.push(name.clone());
                }
                ColumnOption::Collation(collation)
                    if matches!(collation.to_string().as_str(), "\"C\"" | "\"default\"") => {}
                other => return Err(PgError::unsupported(format_args!("`{other}` of a column"))),
            }
        }
        Ok(())
    }

    /// A default is checked now, and reckoned when it is used.
    pub(super) fn set_default(&mut self, cx: &Context<'_>, place: usize, default: &ast::Expr) -> Result<()> {
        let column = &mut self.definition.columns[place];
        let binder = Binder::new(cx, Vec::new());
        let bound = binder.expr(&super::bind::Scope::EMPTY, default)?;
        let from = bound.kind.plain_name();
        binder.assigned(bound, &column.name, &column.kind).map_err(|error| match error.code {
            "42804" => PgError::new(
                "42804",
                format!(
                    "column \"{}\" is of type {} but default expression is of type {from}",
                    column.name,
                    column.kind.plain_name()
                ),
            )
            .hint("You will need to rewrite or cast the expression."),
            _ => error,
        })?;
        column.default = Some(default.to_string());
        Ok(())
    }

    pub(super) fn constraint(
        &mut self,
        cx: &Context<'_>,
        table: &TableName,
        constraint: &TableConstraint,
    ) -> Result<()> {
        let given = |name: &Option<ast::Ident>| name.as_ref().map(names::folded);
        match constraint {
            TableConstraint::PrimaryKey(key) => {
                self.index(cx, table, given(&key.name), &index_columns(&key.columns)?, true)
            }
            TableConstraint::Unique(key) => {
                self.index(cx, table, given(&key.name), &index_columns(&key.columns)?, false)
            }
            TableConstraint::Check(check) => self.check(cx, table, given(&check.name), None, &check.expr),
            TableConstraint::ForeignKey(foreign) => {
                let columns: Vec<String> = foreign.columns.iter().map(names::folded).collect();
                self.foreign(cx, table, given(&foreign.name), &columns, foreign)
            }
            other => Err(PgError::unsupported(format_args!("`{other}`"))),
        }
    }

    fn places(&self, columns: &[String], what: &str) -> Result<Vec<usize>> {
        let place = |column: &String| {
            self.definition
                .place(column)
                .ok_or_else(|| PgError::new("42703", format!("column \"{column}\" {what} does not exist")))
        };
        columns.iter().map(place).collect()
    }

    fn index(
        &mut self,
        cx: &Context<'_>,
        table: &TableName,
        name: Option<String>,
        columns: &[String],
        primary: bool,
    ) -> Result<()> {
        let places = self.places(columns, "named in key")?;
        if primary {
            if self.definition.primary().is_some() {
                return Err(PgError::new(
                    "42P16",
                    format!("multiple primary keys for table \"{}\" are not allowed", table.name),
                ));
            }
            places.iter().for_each(|place| self.definition.columns[*place].not_null = true);
        }
        let base = match primary {
            true => format!("{}_pkey", table.name),
            false => format!("{}_{}_key", table.name, columns.join("_")),
        };
        let name = match name {
            Some(name) if taken(cx, &TableName::new(&table.schema, &name)) => {
                return Err(exists(&TableName::new(&table.schema, &name)));
            }
            Some(name) => name,
            None => self.free_index(cx, table, &base),
        };
        let oid = cx.database.borrow_mut().new_oid();
        self.definition.indexes.push(Index {
            oid,
            name,
            columns: places,
            unique: true,
            primary,
            constraint: true,
        });
        Ok(())
    }

    /// Neither taken in the schema, nor by another index of this table.
    pub(super) fn free_index(&self, cx: &Context<'_>, table: &TableName, base: &str) -> String {
        let own = |name: &str| self.definition.indexes.iter().any(|index| index.name == name);
        let numbered = (1..).map(|number| format!("{base}{number}"));
        let mut names = std::iter::once(base.to_owned()).chain(numbered);
        let free = names.find(|name| !own(name) && !taken(cx, &TableName::new(&table.schema, name)));
        free.unwrap_or_else(|| base.to_owned())
    }

    fn check(
        &mut self,
        cx: &Context<'_>,
        table: &TableName,
        name: Option<String>,
        column: Option<&str>,
        expression: &ast::Expr,
    ) -> Result<()> {
        let base = match column {
            Some(column) => format!("{}_{column}_check", table.name),
            None => match self.columns_in(expression).as_slice() {
                [only] => format!("{}_{only}_check", table.name),
                _ => format!("{}_check", table.name),
            },
        };
        let known = |name: &str| self.definition.checks.iter().any(|check| check.name == name);
        let numbered = (1..).map(|number| format!("{base}{number}"));
        let free = || std::iter::once(base.clone()).chain(numbered).find(|name| !known(name));
        let name = name.or_else(free).unwrap_or(base.clone());
        let made = Table::of(self.definition.clone());
        let scope = super::bind::Scope::new(visible(&made, &table.name, 0), None, "check constraints");
        Binder::new(cx, Vec::new()).condition(&scope, expression, "CHECK")?;
        self.definition.checks.push(Check { name, expression: expression.to_string() });
        Ok(())
    }

    /// The columns that an expression names, by its text.
    fn columns_in(&self, expression: &ast::Expr) -> Vec<String> {
        let text = expression.to_string();
        let words: Vec<&str> = text
            .split(|one: char| !one.is_alphanumeric() && one != '_')
            .filter(|word| !word.is_empty())
            .collect();
        let columns = self.definition.columns.iter().map(|column| column.name.clone());
        columns.filter(|column| words.contains(&column.as_str())).collect()
    }

    fn foreign(
        &mut self,
        cx: &Context<'_>,
        table: &TableName,
        name: Option<String>,
        columns: &[String],
        foreign: &ast::ForeignKeyConstraint,
    ) -> Result<()> {
        if foreign.characteristics.is_some() || foreign.match_kind.is_some() {
            return Err(PgError::unsupported("a deferrable foreign key, or one with MATCH"));
        }
        let on_delete = match foreign.on_delete {
            None | Some(ReferentialAction::NoAction | ReferentialAction::Restrict) => OnDelete::Refuse,
            Some(ReferentialAction::Cascade) => OnDelete::Cascade,
            Some(ReferentialAction::SetNull) => OnDelete::SetNull,
            Some(ReferentialAction::SetDefault) => return Err(PgError::unsupported("ON DELETE SET DEFAULT")),
        };
        match foreign.on_update {
            None | Some(ReferentialAction::NoAction | ReferentialAction::Restrict) => {}
            Some(_) => return Err(PgError::unsupported("ON UPDATE of a foreign key")),
        }
        let places = self.places(columns, "referenced in foreign key constraint")?;
        let (schema, wanted) = names::qualified(&foreign.foreign_table, cx.name)?;
        let own = *wanted == *table.name && schema.as_ref().is_none_or(|schema| **schema == *table.schema);
        let (target, of) = match own {
            true => (table.clone(), self.definition.clone()),
            false => {
                let target = catalog::table_named(cx, schema.as_deref(), &wanted)?;
                let of = cx.table(&target).ok_or_else(|| internal("a table is missing"))?;
                (target, of.definition().clone())
            }
        };
        let target_columns: Vec<String> = match foreign.referred_columns.is_empty() {
            false => foreign.referred_columns.iter().map(names::folded).collect(),
            true => match of.primary() {
                Some(primary) => {
                    primary.columns.iter().map(|place| of.columns[*place].name.clone()).collect()
                }
                None => {
                    return Err(PgError::new(
                        "42704",
                        format!("there is no primary key for referenced table \"{}\"", target.name),
                    ));
                }
            },
        };
        let there: Option<Vec<usize>> = target_columns.iter().map(|column| of.place(column)).collect();
        let unique = |index: &Index| {
            index.unique
                && there.as_ref().is_some_and(|there| {
                    let (mut one, mut other) = (index.columns.clone(), there.clone());
                    one.sort_unstable();
                    other.sort_unstable();
                    one == other
                })
        };
        if !of.indexes.iter().any(unique) {
            return Err(PgError::new(
                "42830",
                format!(
                    "there is no unique constraint matching given keys for referenced table \"{}\"",
                    target.name
                ),
            ));
        }
        let name = name.unwrap_or_else(|| format!("{}_{}_fkey", table.name, columns.join("_")));
        self.definition.foreign.push(ForeignKey { name, columns: places, target, target_columns, on_delete });
        Ok(())
    }

    /// Makes the table, with its sequences.
    fn finish(mut self, cx: &Context<'_>, name: &TableName) -> Result<()> {
        self.make_sequences(cx, name)?;
        cx.database.borrow_mut().define(cx.now, name.clone(), self.definition)?;
        Ok(())
    }

    pub(super) fn make_sequences(&mut self, cx: &Context<'_>, name: &TableName) -> Result<()> {
        for column in std::mem::take(&mut self.sequences) {
            let sequence = free(cx, &name.schema, &format!("{}_{column}_seq", name.name));
            let place = self.definition.place(&column).ok_or_else(|| internal("a column is missing"))?;
            if self.definition.columns[place].identity.is_none() {
                let shown = match &*name.schema {
                    crate::rows::PUBLIC => super::quote_identifier(&sequence.name),
                    _ => catalog::shown(&sequence),
                };
                self.definition.columns[place].default =
                    Some(format!("nextval('{}'::regclass)", shown.replace('\'', "''")));
            }
            let mut database = cx.database.borrow_mut();
            let oid = database.new_oid();
            let owner = Some((name.clone(), column));
            let made = Sequence { oid, start: 1, increment: 1, last: 1, called: false, owner };
            database.set_sequence(cx.now, &sequence, Some(made));
        }
        Ok(())
    }
}

pub(super) fn index_columns(columns: &[ast::IndexColumn]) -> Result<Vec<String>> {
    columns
        .iter()
        .map(|column| match &column.column.expr {
            ast::Expr::Identifier(ident) => Ok(names::folded(ident)),
            other => Err(PgError::unsupported(format_args!("an index on the expression `{other}`"))),
        })
        .collect()
}

pub(crate) fn create_index(cx: &Context<'_>, create: &ast::CreateIndex) -> Result<()> {
    read_only(cx, "CREATE INDEX")?;
    if create.predicate.is_some() && create.unique {
        return Err(PgError::unsupported("a unique index with a condition"));
    }
    if create.nulls_distinct == Some(false) {
        return Err(PgError::unsupported("NULLS NOT DISTINCT"));
    }
    let (table_name, table) = Binder::new(cx, Vec::new()).target(&create.table_name)?;
    let columns = index_columns(&create.columns)?;
    let mut draft = Draft { definition: table.definition().clone(), sequences: Vec::new() };
    let places = draft.places(&columns, "of the index")?;
    let name = match &create.name {
        Some(name) => names::qualified(name, cx.name)?.1,
        None => draft.free_index(cx, &table_name, &format!("{}_{}_idx", table_name.name, columns.join("_"))),
    };
    let full = TableName::new(&table_name.schema, &name);
    if taken(cx, &full) {
        if create.if_not_exists {
            cx.notice("NOTICE", format!("relation \"{name}\" already exists, skipping"));
            return Ok(());
        }
        return Err(exists(&full));
    }
    let oid = cx.database.borrow_mut().new_oid();
    let index = Index {
        oid,
        name: name.clone(),
        columns: places,
        unique: create.unique,
        primary: false,
        constraint: false,
    };
    draft.definition.indexes.push(index);
    redefine_unique(cx, &table_name, draft.definition, &name)
}

/// The rows of a table have to fit a unique index that it gets.
pub(super) fn redefine_unique(
    cx: &Context<'_>,
    table: &TableName,
    definition: Definition,
    index: &str,
) -> Result<()> {
    let redefined = cx.database.borrow_mut().redefine(cx.now, table, definition, Clone::clone);
    redefined.map_err(|error| match error {
        crate::rows::RowError::Duplicate { columns, values, .. } => {
            PgError::new("23505", format!("could not create unique index \"{index}\""))
                .detail(format!("Key ({columns})=({values}) is duplicated."))
        }
        crate::rows::RowError::NoKey { key, .. } => PgError::new(
            "23502",
            format!("column \"{key}\" of relation \"{}\" contains null values", table.name),
        ),
        other => other.into(),
    })
}

pub(crate) fn create_schema(cx: &Context<'_>, name: &ast::SchemaName, if_not_exists: bool) -> Result<()> {
    read_only(cx, "CREATE SCHEMA")?;
    let name = match name {
        ast::SchemaName::Simple(name) | ast::SchemaName::NamedAuthorization(name, _) => {
            names::qualified(name, cx.name)?.1
        }
        ast::SchemaName::UnnamedAuthorization(user) => names::folded(user),
    };
    if name.starts_with("pg_") {
        return Err(PgError::new("42939", format!("unacceptable schema name \"{name}\""))
            .detail("The prefix \"pg_\" is reserved for system schemas."));
    }
    if cx.database.borrow_mut().set_schema(cx.now, &name, true) {
        return Ok(());
    }
    if if_not_exists {
        cx.notice("NOTICE", format!("schema \"{name}\" already exists, skipping"));
        return Ok(());
    }
    Err(PgError::new("42P06", format!("schema \"{name}\" already exists")))
}

pub(crate) fn create_sequence(
    cx: &Context<'_>,
    name: &ast::ObjectName,
    options: &[ast::SequenceOptions],
    if_not_exists: bool,
) -> Result<()> {
    read_only(cx, "CREATE SEQUENCE")?;
    let name = new_name(cx, name)?;
    if taken(cx, &name) {
        if if_not_exists {
            cx.notice("NOTICE", format!("relation \"{}\" already exists, skipping", name.name));
            return Ok(());
        }
        return Err(exists(&name));
    }
    let number = |expression: &ast::Expr| {
        expression
            .to_string()
            .replace(' ', "")
            .parse::<i64>()
            .map_err(|_| PgError::new("42601", format!("syntax error at or near \"{expression}\"")))
    };
    let (mut start, mut increment) = (None, 1);
    for option in options {
        match option {
            ast::SequenceOptions::StartWith(value, _) => start = Some(number(value)?),
            ast::SequenceOptions::IncrementBy(value, _) => increment = number(value)?,
            ast::SequenceOptions::MinValue(None)
            | ast::SequenceOptions::MaxValue(None)
            | ast::SequenceOptions::Cache(_)
            | ast::SequenceOptions::Cycle(false)
            | ast::SequenceOptions::OwnedBy(None) => {}
            other => return Err(PgError::unsupported(format_args!("`{other}` of a sequence"))),
        }
    }
    if increment == 0 {
        return Err(PgError::new("22023", "INCREMENT must not be zero"));
    }
    let start = start.unwrap_or(if increment > 0 { 1 } else { -1 });
    let mut database = cx.database.borrow_mut();
    let oid = database.new_oid();
    let made = Sequence { oid, start, increment, last: start, called: false, owner: None };
    database.set_sequence(cx.now, &name, Some(made));
    Ok(())
}
