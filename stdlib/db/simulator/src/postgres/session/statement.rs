//! One statement: which part runs it, and what is told of it.

use sqlparser::ast::{self, Statement};

use super::{Outcome, Result};
use crate::postgres::PgError;
use crate::postgres::sql::bind::{Binder, string_of};
use crate::postgres::sql::context::Context;
use crate::postgres::sql::copy::{self, Copy};
use crate::postgres::sql::plan::{Body, Output, Query};
use crate::postgres::sql::{alter, ddl, drop, names};
use crate::value::{Datum, Type};

fn done(tag: impl Into<String>) -> Outcome {
    Outcome { tag: tag.into(), ..Outcome::default() }
}

/// What rows a statement will give; `None` if it gives none.
pub(super) fn columns(binder: &Binder<'_, '_>, statement: &Statement) -> Result<Option<Vec<Output>>> {
    match statement {
        Statement::Query(query) => Ok(Some(settled(binder.query(query, None)?).columns)),
        Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_) => {
            let change = binder.change(statement, None)?;
            Ok((!change.columns.is_empty()).then_some(change.columns))
        }
        Statement::ShowVariable { variable } => Ok(Some(shown_columns(variable))),
        _ => Ok(None),
    }
}

/// What is unknown to the end is a text.
fn settled(mut query: Query) -> Query {
    for column in query.columns.iter_mut().filter(|column| column.kind == Type::Unknown) {
        column.kind = Type::Text;
    }
    query
}

pub(super) fn run(cx: &Context<'_>, statement: &Statement, kinds: &[Type]) -> Result<Outcome> {
    let binder = Binder::new(cx, kinds.to_vec());
    match statement {
        Statement::Query(query) => {
            let bound = settled(binder.query(query, None)?);
            if let Body::Change(change) = &bound.body {
                let (count, rows) = change.run(cx, None)?;
                return Ok(changed(change.verb(), count, rows, change.columns.clone()));
            }
            let rows = bound.rows(cx, None)?;
            Ok(Outcome {
                tag: format!("SELECT {}", rows.len()),
                rows,
                columns: Some(bound.columns),
                ..Outcome::default()
            })
        }
        Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_) => {
            let change = binder.change(statement, None)?;
            let (count, rows) = change.run(cx, None)?;
            Ok(changed(change.verb(), count, rows, change.columns.clone()))
        }
        Statement::CreateTable(create) => match &create.query {
            Some(query) => {
                ddl::create_table_as(cx, create, query).map(|count| done(format!("SELECT {count}")))
            }
            None => ddl::create_table(cx, create).map(|()| done("CREATE TABLE")),
        },
        Statement::CreateIndex(create) => ddl::create_index(cx, create).map(|()| done("CREATE INDEX")),
        Statement::CreateSchema { schema_name, if_not_exists, .. } => {
            ddl::create_schema(cx, schema_name, *if_not_exists).map(|()| done("CREATE SCHEMA"))
        }
        Statement::CreateSequence { temporary: false, name, sequence_options, if_not_exists } => {
            ddl::create_sequence(cx, name, sequence_options, *if_not_exists).map(|()| done("CREATE SEQUENCE"))
        }
        Statement::CreateExtension(extension) => match extension.name.value.as_str() {
            "plpgsql" if extension.if_not_exists => Ok(done("CREATE EXTENSION")),
            name => Err(PgError::unsupported(format_args!("the extension {name}"))),
        },
        Statement::AlterTable(alter) => alter::alter_table(cx, alter).map(|()| done("ALTER TABLE")),
        Statement::Drop { object_type, if_exists, names, cascade, .. } => {
            drop::drop_objects(cx, *object_type, names, *if_exists, *cascade).map(done)
        }
        Statement::Truncate(truncate) => drop::truncate(cx, truncate).map(|()| done("TRUNCATE TABLE")),
        Statement::Copy { source, to, target, options, legacy_options, .. } => {
            let copy = copy::copy(cx, source, *to, target, options, legacy_options)?;
            let tag = match &copy {
                Copy::Out { rows, .. } => format!("COPY {rows}"),
                Copy::In(_) => String::new(),
            };
            Ok(Outcome { copy: Some(copy), ..done(tag) })
        }
        Statement::ShowVariable { variable } => show(cx, variable),
        Statement::Set(set) => self::set(cx, set).map(|()| done("SET")),
        Statement::Reset(reset) => {
            let mut settings = cx.settings.borrow_mut();
            match &reset.reset {
                ast::Reset::ALL => settings.reset_all(),
                ast::Reset::ConfigurationParameter(name) => settings.set(&name.to_string(), None, false)?,
                _ => {}
            }
            Ok(done("RESET"))
        }
        Statement::Discard { object_type: ast::DiscardObject::ALL } => {
            cx.settings.borrow_mut().reset_all();
            Ok(done("DISCARD ALL"))
        }
        // Statistics are exact, and nothing is dead.
        Statement::Analyze(_) => Ok(done("ANALYZE")),
        Statement::Vacuum(_) => Ok(done("VACUUM")),
        other => Err(PgError::unsupported(format_args!("the statement `{}`", brief(other)))),
    }
}

fn brief(statement: &Statement) -> String {
    let text = statement.to_string();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

fn changed(verb: &str, count: usize, rows: Vec<Vec<Datum>>, columns: Vec<Output>) -> Outcome {
    let tag = if verb == "INSERT" { format!("INSERT 0 {count}") } else { format!("{verb} {count}") };
    Outcome { rows, columns: (!columns.is_empty()).then_some(columns), ..done(tag) }
}

fn variable_name(variable: &[ast::Ident]) -> String {
    let words: Vec<String> = variable.iter().map(|word| word.value.to_ascii_lowercase()).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["time", "zone"] => "timezone".to_owned(),
        ["transaction", "isolation", "level"] => "transaction_isolation".to_owned(),
        ["session", "authorization"] => "session_authorization".to_owned(),
        words => words.join("."),
    }
}

/// With the capitals that PostgreSQL shows some in.
fn shown_columns(variable: &[ast::Ident]) -> Vec<Output> {
    let name = variable_name(variable);
    let name = match name.as_str() {
        "timezone" => "TimeZone",
        "datestyle" => "DateStyle",
        "intervalstyle" => "IntervalStyle",
        other => other,
    };
    vec![Output { name: name.to_owned(), kind: Type::Text, of: None }]
}

fn show(cx: &Context<'_>, variable: &[ast::Ident]) -> Result<Outcome> {
    let name = variable_name(variable);
    if name == "all" {
        return Err(PgError::unsupported("SHOW ALL (pg_settings has it)"));
    }
    let value = cx.settings.borrow().get(&name)?;
    Ok(Outcome {
        columns: Some(shown_columns(variable)),
        rows: vec![vec![Datum::text(value)]],
        ..done("SHOW")
    })
}

fn set(cx: &Context<'_>, set: &ast::Set) -> Result<()> {
    match set {
        ast::Set::SingleAssignment { scope, variable, values, .. } => {
            let local = matches!(scope, Some(ast::ContextModifier::Local));
            let name = names::qualified(variable, cx.name)
                .map(|(prefix, name)| prefix.map_or(name.clone(), |prefix| format!("{prefix}.{name}")))?;
            let values: Vec<String> = values.iter().map(setting).collect();
            let default = values.len() == 1 && values[0].eq_ignore_ascii_case("default");
            let value = values.join(", ");
            cx.settings.borrow_mut().set(&name, (!default).then_some(value.as_str()), local)
        }
        ast::Set::SetTimeZone { local, value } => {
            cx.settings.borrow_mut().set("timezone", Some(&setting(value)), *local)
        }
        ast::Set::SetNames { charset_name, .. } => {
            cx.settings.borrow_mut().set("client_encoding", Some(&charset_name.value), false)
        }
        ast::Set::SetTransaction { modes, snapshot: None, session } => {
            let mut settings = cx.settings.borrow_mut();
            for mode in modes {
                let prefix = if *session { "default_" } else { "" };
                match mode {
                    ast::TransactionMode::AccessMode(access) => {
                        let on = matches!(access, ast::TransactionAccessMode::ReadOnly);
                        let value = if on { "on" } else { "off" };
                        settings.set(&format!("{prefix}transaction_read_only"), Some(value), !session)?;
                    }
                    ast::TransactionMode::IsolationLevel(level) => {
                        let value = level.to_string().to_ascii_lowercase();
                        settings.set(&format!("{prefix}transaction_isolation"), Some(&value), !session)?;
                    }
                }
            }
            Ok(())
        }
        other => Err(PgError::unsupported(format_args!("`{other}`"))),
    }
}

/// A value of a setting as it is written.
fn setting(value: &ast::Expr) -> String {
    match value {
        ast::Expr::Value(value) => string_of(&value.value).unwrap_or_else(|| value.to_string()),
        ast::Expr::Identifier(ident) => match ident.quote_style {
            Some(_) => format!("\"{}\"", ident.value),
            None => ident.value.clone(),
        },
        other => other.to_string(),
    }
}
