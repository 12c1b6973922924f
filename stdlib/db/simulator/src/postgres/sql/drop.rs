//! `DROP` and `TRUNCATE`.

use sqlparser::ast::{self, ObjectType};

use super::context::Context;
use super::ddl::read_only;
use super::expr::Result;
use super::names;
use crate::postgres::{PgError, catalog};
use crate::rows::{Definition, TableName};

type DropOne = fn(&Context<'_>, &ast::ObjectName, bool) -> Result<()>;

pub(crate) fn drop_objects(
    cx: &Context<'_>,
    kind: ObjectType,
    objects: &[ast::ObjectName],
    if_exists: bool,
    cascade: bool,
) -> Result<&'static str> {
    let (tag, one): (_, DropOne) = match kind {
        ObjectType::Table => ("DROP TABLE", drop_table),
        ObjectType::Index => ("DROP INDEX", |cx, name, _| drop_index(cx, name)),
        ObjectType::Schema => ("DROP SCHEMA", drop_schema),
        ObjectType::Sequence => ("DROP SEQUENCE", |cx, name, _| drop_sequence(cx, name)),
        other => return Err(PgError::unsupported(format_args!("DROP {other}"))),
    };
    read_only(cx, tag)?;
    let what = tag.trim_start_matches("DROP ").to_ascii_lowercase();
    for object in objects {
        match one(cx, object, cascade) {
            Err(error) if if_exists && matches!(error.code, "42P01" | "3F000" | "42704") => {
                let name = names::qualified(object, cx.name)?.1;
                cx.notice("NOTICE", format!("{what} \"{name}\" does not exist, skipping"));
            }
            other => other?,
        }
    }
    Ok(tag)
}

/// What a name means, where the error names the kind of thing.
fn missing(kind: &str, name: &ast::ObjectName) -> PgError {
    let shown: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(names::folded).collect();
    PgError::new("42P01", format!("{kind} \"{}\" does not exist", shown.join(".")))
}

/// Keys of other tables that refer to this one.
fn referring(cx: &Context<'_>, table: &TableName) -> Vec<(TableName, String)> {
    let database = cx.database.borrow();
    let others = database.tables().filter(|(name, _)| *name != table);
    others
        .flat_map(|(name, other)| {
            other.definition().foreign.iter().map(move |key| (name.clone(), key.clone()))
        })
        .filter(|(_, key)| key.target == *table)
        .map(|(name, key)| (name, key.name))
        .collect()
}

fn drop_table(cx: &Context<'_>, name: &ast::ObjectName, cascade: bool) -> Result<()> {
    let (schema, table) = names::qualified(name, cx.name)?;
    let table = catalog::table_named(cx, schema.as_deref(), &table).map_err(|error| match error.code {
        "42P01" => missing("table", name),
        _ => error,
    })?;
    remove_table(cx, &table, cascade)
}

fn remove_table(cx: &Context<'_>, table: &TableName, cascade: bool) -> Result<()> {
    let keys = referring(cx, table);
    if !keys.is_empty() && !cascade {
        let lines: Vec<String> = keys
            .iter()
            .map(|(other, key)| {
                format!("constraint {key} on table {} depends on table {}", other.name, table.name)
            })
            .collect();
        return Err(PgError::new(
            "2BP01",
            format!("cannot drop table {} because other objects depend on it", table.name),
        )
        .detail(lines.join("\n"))
        .hint("Use DROP ... CASCADE to drop the dependent objects too."));
    }
    for (other, key) in keys {
        cx.notice("NOTICE", format!("drop cascades to constraint {key} on table {}", other.name));
        let definition = cx.table(&other).map(|table| table.definition().clone());
        if let Some(mut definition) = definition {
            definition.foreign.retain(|foreign| foreign.name != key);
            cx.database.borrow_mut().redefine(cx.now, &other, definition, Clone::clone)?;
        }
    }
    let owned: Vec<TableName> = cx
        .database
        .borrow()
        .sequences()
        .filter(|(_, sequence)| sequence.owner.as_ref().is_some_and(|(owner, _)| owner == table))
        .map(|(name, _)| name.clone())
        .collect();
    let mut database = cx.database.borrow_mut();
    owned.iter().for_each(|sequence| database.set_sequence(cx.now, sequence, None));
    database.drop_table(cx.now, table.clone());
    Ok(())
}

fn drop_index(cx: &Context<'_>, name: &ast::ObjectName) -> Result<()> {
    let (schema, index) = names::qualified(name, cx.name)?;
    let path = schema.map_or_else(|| catalog::search_path(cx), |schema| vec![schema]);
    let found: Option<(TableName, Definition)> = {
        let database = cx.database.borrow();
        let mut tables =
            database.tables().filter(|(table, _)| path.iter().any(|schema| **schema == *table.schema));
        tables
            .find(|(_, table)| table.definition().indexes.iter().any(|known| known.name == index))
            .map(|(name, table)| (name.clone(), table.definition().clone()))
    };
    let (table, mut definition) =
        found.ok_or_else(|| PgError::new("42704", format!("index \"{index}\" does not exist")))?;
    let of_constraint = definition.indexes.iter().any(|known| known.name == index && known.constraint);
    if of_constraint {
        return Err(PgError::new(
            "2BP01",
            format!(
                "cannot drop index {index} because constraint {index} on table {} requires it",
                table.name
            ),
        )
        .hint(format!("You can drop constraint {index} on table {} instead.", table.name)));
    }
    definition.indexes.retain(|known| known.name != index);
    cx.database.borrow_mut().redefine(cx.now, &table, definition, Clone::clone)?;
    Ok(())
}

fn drop_schema(cx: &Context<'_>, name: &ast::ObjectName, cascade: bool) -> Result<()> {
    let (_, schema) = names::qualified(name, cx.name)?;
    let known = cx.database.borrow().schemas().any(|(known, _)| known == schema);
    if !known {
        return Err(PgError::new("3F000", format!("schema \"{schema}\" does not exist")));
    }
    let tables: Vec<TableName> = cx
        .database
        .borrow()
        .tables()
        .filter(|(name, _)| *name.schema == *schema)
        .map(|(name, _)| name.clone())
        .collect();
    let sequences: Vec<TableName> = cx
        .database
        .borrow()
        .sequences()
        .filter(|(name, sequence)| *name.schema == *schema && sequence.owner.is_none())
        .map(|(name, _)| name.clone())
        .collect();
    let is_empty = tables.is_empty() && sequences.is_empty();
    if !cascade && !is_empty {
        let lines =
            tables.iter().map(|table| format!("table {} depends on schema {schema}", catalog::shown(table)));
        let others = sequences
            .iter()
            .map(|name| format!("sequence {} depends on schema {schema}", catalog::shown(name)));
        return Err(PgError::new(
            "2BP01",
            format!("cannot drop schema {schema} because other objects depend on it"),
        )
        .detail(lines.chain(others).collect::<Vec<_>>().join("\n"))
        .hint("Use DROP ... CASCADE to drop the dependent objects too."));
    }
    for table in &tables {
        remove_table(cx, table, true)?;
    }
    let mut database = cx.database.borrow_mut();
    sequences.iter().for_each(|sequence| database.set_sequence(cx.now, sequence, None));
    database.set_schema(cx.now, &schema, false);
    Ok(())
}

fn drop_sequence(cx: &Context<'_>, name: &ast::ObjectName) -> Result<()> {
    let (schema, sequence) = names::qualified(name, cx.name)?;
    let path = schema.map_or_else(|| catalog::search_path(cx), |schema| vec![schema]);
    let mut database = cx.database.borrow_mut();
    let mut named = path.iter().map(|schema| TableName::new(schema, &sequence));
    let found = named.find(|name| database.sequence(name).is_some());
    let found = found.ok_or_else(|| missing("sequence", name))?;
    if let Some((table, column)) = database.sequence(&found).and_then(|sequence| sequence.owner.clone()) {
        return Err(PgError::new(
            "2BP01",
            format!("cannot drop sequence {sequence} because other objects depend on it"),
        )
        .detail(format!(
            "default value for column {column} of table {} depends on sequence {sequence}",
            table.name
        ))
        .hint("Use DROP ... CASCADE to drop the dependent objects too."));
    }
    database.set_sequence(cx.now, &found, None);
    Ok(())
}

pub(crate) fn truncate(cx: &Context<'_>, truncate: &ast::Truncate) -> Result<()> {
    read_only(cx, "TRUNCATE TABLE")?;
    let mut tables = Vec::new();
    for target in &truncate.table_names {
        let (name, _) = super::bind::Binder::new(cx, Vec::new()).target(&target.name)?;
        tables.push(name);
    }
    let cascade = matches!(truncate.cascade, Some(ast::CascadeOption::Cascade));
    let mut at = 0;
    while at < tables.len() {
        for (other, _) in referring(cx, &tables[at]) {
            if tables.contains(&other) {
                continue;
            }
            if !cascade {
                return Err(PgError::new(
                    "0A000",
                    "cannot truncate a table referenced in a foreign key constraint",
                )
                .detail(format!("Table \"{}\" references \"{}\".", other.name, tables[at].name))
                .hint(format!(
                    "Truncate table \"{}\" at the same time, or use TRUNCATE ... CASCADE.",
                    other.name
                )));
            }
            cx.notice("NOTICE", format!("truncate cascades to table \"{}\"", other.name));
            tables.push(other);
        }
        at += 1;
    }
    let restart = matches!(truncate.identity, Some(ast::TruncateIdentityOption::Restart));
    for table in &tables {
        cx.database.borrow_mut().truncate(cx.now, table)?;
        let owned: Vec<(TableName, i64)> = cx
            .database
            .borrow()
            .sequences()
            .filter(|(_, sequence)| {
                restart && sequence.owner.as_ref().is_some_and(|(owner, _)| owner == table)
            })
            .map(|(name, sequence)| (name.clone(), sequence.start))
            .collect();
        for (sequence, start) in owned {
            let mut database = cx.database.borrow_mut();
            let before = database.sequence(&sequence).cloned();
            let restarted =
                before.map(|before| crate::rows::Sequence { last: start, called: false, ..before });
            database.set_sequence(cx.now, &sequence, restarted);
        }
    }
    Ok(())
}
