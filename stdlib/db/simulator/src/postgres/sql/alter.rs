//! `ALTER TABLE`.

use sqlparser::ast::{self, AlterColumnOperation, AlterTableOperation, RenameTableNameKind};

use super::bind::{Binder, Scope, visible};
use super::cast::How;
use super::context::Context;
use super::ddl::{Draft, read_only, redefine_unique, taken};
use super::expr::{Expr, Node, Result, Rows, internal};
use super::names;
use crate::postgres::PgError;
use crate::rows::{Row, TableName};
use crate::value::Datum;

pub(crate) fn alter_table(cx: &Context<'_>, alter: &ast::AlterTable) -> Result<()> {
    read_only(cx, "ALTER TABLE")?;
    let target = Binder::new(cx, Vec::new()).target(&alter.name);
    let mut name = match target {
        Err(error) if alter.if_exists && error.code == "42P01" => {
            let name = names::qualified(&alter.name, cx.name)?.1;
            cx.notice("NOTICE", format!("relation \"{name}\" does not exist, skipping"));
            return Ok(());
        }
        other => other?.0,
    };
    for operation in &alter.operations {
        one(cx, &mut name, operation)?;
    }
    Ok(())
}

fn draft(cx: &Context<'_>, name: &TableName) -> Result<Draft> {
    let table = cx.table(name).ok_or_else(|| internal("a table is missing"))?;
    Ok(Draft { definition: table.definition().clone(), sequences: Vec::new() })
}

fn place(draft: &Draft, name: &TableName, column: &ast::Ident) -> Result<usize> {
    let wanted = names::folded(column);
    draft.definition.place(&wanted).ok_or_else(|| {
        PgError::new("42703", format!("column \"{wanted}\" of relation \"{}\" does not exist", name.name))
            .at(column.span.start)
    })
}

fn redefine(cx: &Context<'_>, name: &TableName, draft: Draft) -> Result<()> {
    cx.database.borrow_mut().redefine(cx.now, name, draft.definition, Clone::clone)?;
    Ok(())
}

fn one(cx: &Context<'_>, name: &mut TableName, operation: &AlterTableOperation) -> Result<()> {
    match operation {
        AlterTableOperation::AddColumn { column_def, if_not_exists, column_position: None, .. } => {
            add_column(cx, name, column_def, *if_not_exists)
        }
        AlterTableOperation::DropColumn { column_names, if_exists, drop_behavior, .. } => {
            let cascade = matches!(drop_behavior, Some(ast::DropBehavior::Cascade));
            column_names.iter().try_for_each(|column| drop_column(cx, name, column, *if_exists, cascade))
        }
        AlterTableOperation::RenameColumn { old_column_name, new_column_name } => {
            rename_column(cx, name, old_column_name, new_column_name)
        }
        AlterTableOperation::RenameTable { table_name: RenameTableNameKind::To(new) } => {
            let (_, new) = names::qualified(new, cx.name)?;
            let new = TableName::new(&name.schema, &new);
            if taken(cx, &new) {
                return Err(PgError::new("42P07", format!("relation \"{}\" already exists", new.name)));
            }
            rename_table(cx, name, &new)?;
            *name = new;
            Ok(())
        }
        AlterTableOperation::AlterColumn { column_name, op } => alter_column(cx, name, column_name, op),
        AlterTableOperation::AddConstraint { constraint, not_valid: false } => {
            let mut draft = draft(cx, name)?;
            let before = draft.definition.clone();
            draft.constraint(cx, name, constraint)?;
            let index = draft.definition.indexes.last().map(|index| index.name.clone()).unwrap_or_default();
            let after = draft.definition.clone();
            redefine_unique(cx, name, draft.definition, &index)?;
            if after.foreign.len() > before.foreign.len() || after.checks.len() > before.checks.len() {
                validate(cx, name)?;
            }
            validate_not_null(cx, name)
        }
        AlterTableOperation::DropConstraint { name: constraint, if_exists, .. } => {
            drop_constraint(cx, name, &names::folded(constraint), *if_exists)
        }
        AlterTableOperation::RenameConstraint { old_name, new_name } => {
            let mut draft = draft(cx, name)?;
            let (old, new) = (names::folded(old_name), names::folded(new_name));
            let of = &mut draft.definition;
            let all = of.indexes.iter_mut().map(|index| &mut index.name);
            let all = all.chain(of.checks.iter_mut().map(|check| &mut check.name));
            let mut all = all.chain(of.foreign.iter_mut().map(|key| &mut key.name));
            let known = all.find(|known| **known == old).ok_or_else(|| no_constraint(name, &old))?;
            *known = new;
            redefine(cx, name, draft)
        }
        // There is one user.
        AlterTableOperation::OwnerTo { .. } => Ok(()),
        other => Err(PgError::unsupported(format_args!("ALTER TABLE {other}"))),
    }
}

/// The table itself, and what names it elsewhere.
fn rename_table(cx: &Context<'_>, name: &TableName, new: &TableName) -> Result<()> {
    let mut database = cx.database.borrow_mut();
    database.rename_table(cx.now, name, new.clone())?;
    let sequences: Vec<_> = database.sequences().map(|(name, of)| (name.clone(), of.clone())).collect();
    for (sequence, mut of) in sequences {
        if let Some((owner, _)) = &mut of.owner
            && owner == name
        {
            *owner = new.clone();
            database.set_sequence(cx.now, &sequence, Some(of));
        }
    }
    let others: Vec<_> =
        database.tables().map(|(name, table)| (name.clone(), table.definition().clone())).collect();
    for (other, mut definition) in others {
        let mut some = false;
        for key in definition.foreign.iter_mut().filter(|key| key.target == *name) {
            key.target = new.clone();
            some = true;
        }
        if some {
            database.redefine(cx.now, &other, definition, Clone::clone)?;
        }
    }
    Ok(())
}

fn add_column(
    cx: &Context<'_>,
    name: &TableName,
    column: &ast::ColumnDef,
    if_not_exists: bool,
) -> Result<()> {
    let mut draft = draft(cx, name)?;
    let wanted = names::folded(&column.name);
    if draft.definition.place(&wanted).is_some() {
        if if_not_exists {
            cx.notice(
                "NOTICE",
                format!("column \"{wanted}\" of relation \"{}\" already exists, skipping", name.name),
            );
            return Ok(());
        }
        return Err(PgError::new(
            "42701",
            format!("column \"{wanted}\" of relation \"{}\" already exists", name.name),
        ));
    }
    draft.column(column)?;
    draft.options(cx, name, column)?;
    draft.make_sequences(cx, name)?;
    // As it is before its constraints are, so that its default can be bound.
    let place = draft.definition.columns.len() - 1;
    let made = crate::rows::Table::of(draft.definition.clone());
    let default = Binder::new(cx, Vec::new()).default(name, &made, place)?;
    let count = cx.table(name).map_or(0, |table| table.len());
    let mut values = (0..count).map(|_| default.value(cx, &Rows::NONE)).collect::<Result<Vec<_>>>()?;
    values.reverse();
    let values = std::cell::RefCell::new(values);
    let row = |row: &Row| -> Row {
        let value = values.borrow_mut().pop().unwrap_or(Datum::Null);
        row.iter().cloned().chain([value]).collect()
    };
    cx.database.borrow_mut().redefine(cx.now, name, draft.definition, row)?;
    validate(cx, name)?;
    validate_not_null(cx, name)
}

fn drop_column(
    cx: &Context<'_>,
    name: &TableName,
    column: &ast::Ident,
    if_exists: bool,
    cascade: bool,
) -> Result<()> {
    let mut draft = draft(cx, name)?;
    let place = match place(&draft, name, column) {
        Err(error) if if_exists => {
            cx.notice("NOTICE", format!("{}, skipping", error.message));
            return Ok(());
        }
        other => other?,
    };
    let wanted = draft.definition.columns[place].name.clone();
    let referring = cx.database.borrow().tables().any(|(_, table)| {
        table
            .definition()
            .foreign
            .iter()
            .any(|key| key.target == *name && key.target_columns.contains(&wanted))
    });
    if referring {
        let error = PgError::new(
            "2BP01",
            format!("cannot drop column {wanted} of table {} because other objects depend on it", name.name),
        );
        return Err(if cascade {
            PgError::unsupported("DROP COLUMN … CASCADE of a key that others refer to")
        } else {
            error
        });
    }
    let definition = &mut draft.definition;
    definition.columns.remove(place);
    definition.indexes.retain(|index| !index.columns.contains(&place));
    definition.foreign.retain(|key| !key.columns.contains(&place));
    let names_it =
        |sql: &str| sql.split(|one: char| !one.is_alphanumeric() && one != '_').any(|word| word == wanted);
    definition.checks.retain(|check| !names_it(&check.expression));
    let moved = |columns: &mut Vec<usize>| {
        columns.iter_mut().filter(|column| **column > place).for_each(|column| *column -= 1);
    };
    definition.indexes.iter_mut().for_each(|index| moved(&mut index.columns));
    definition.foreign.iter_mut().for_each(|key| moved(&mut key.columns));
    let row = |row: &Row| -> Row {
        row.iter().enumerate().filter(|(at, _)| *at != place).map(|(_, datum)| datum.clone()).collect()
    };
    let mut database = cx.database.borrow_mut();
    database.redefine(cx.now, name, draft.definition, row)?;
    let owned: Vec<TableName> = database
        .sequences()
        .filter(|(_, of)| of.owner.as_ref().is_some_and(|(table, column)| table == name && *column == wanted))
        .map(|(name, _)| name.clone())
        .collect();
    owned.iter().for_each(|sequence| database.set_sequence(cx.now, sequence, None));
    Ok(())
}

fn rename_column(cx: &Context<'_>, name: &TableName, old: &ast::Ident, new: &ast::Ident) -> Result<()> {
    let mut draft = draft(cx, name)?;
    let wanted = names::folded(new);
    let at = match place(&draft, name, old) {
        Ok(at) => at,
        Err(_) => {
            return Err(PgError::new("42703", format!("column \"{}\" does not exist", names::folded(old))));
        }
    };
    if draft.definition.place(&wanted).is_some() {
        return Err(PgError::new(
            "42701",
            format!("column \"{wanted}\" of relation \"{}\" already exists", name.name),
        ));
    }
    let before = std::mem::replace(&mut draft.definition.columns[at].name, wanted.clone());
    let names_it =
        |sql: &str| sql.split(|one: char| !one.is_alphanumeric() && one != '_').any(|word| word == before);
    if draft.definition.checks.iter().any(|check| names_it(&check.expression)) {
        return Err(PgError::unsupported("renaming a column that a check names"));
    }
    redefine(cx, name, draft)?;
    let mut database = cx.database.borrow_mut();
    let sequences: Vec<_> = database.sequences().map(|(name, of)| (name.clone(), of.clone())).collect();
    for (sequence, mut of) in sequences {
        if let Some((table, column)) = &mut of.owner
            && table == name
            && *column == before
        {
            column.clone_from(&wanted);
            database.set_sequence(cx.now, &sequence, Some(of));
        }
    }
    let others: Vec<_> =
        database.tables().map(|(name, table)| (name.clone(), table.definition().clone())).collect();
    for (other, mut definition) in others {
        let keys = definition.foreign.iter_mut().filter(|key| key.target == *name);
        let columns: Vec<&mut String> =
            keys.flat_map(|key| &mut key.target_columns).filter(|column| **column == before).collect();
        let some = !columns.is_empty();
        columns.into_iter().for_each(|column| column.clone_from(&wanted));
        if some {
            database.redefine(cx.now, &other, definition, Clone::clone)?;
        }
    }
    Ok(())
}

fn alter_column(
    cx: &Context<'_>,
    name: &TableName,
    column: &ast::Ident,
    op: &AlterColumnOperation,
) -> Result<()> {
    let mut draft = draft(cx, name)?;
    let at = place(&draft, name, column)?;
    match op {
        AlterColumnOperation::SetNotNull => {
            draft.definition.columns[at].not_null = true;
            redefine(cx, name, draft)?;
            validate_not_null(cx, name)
        }
        AlterColumnOperation::DropNotNull => {
            if draft.definition.primary().is_some_and(|primary| primary.columns.contains(&at)) {
                let column = &draft.definition.columns[at].name;
                return Err(PgError::new("42P16", format!("column \"{column}\" is in a primary key")));
            }
            draft.definition.columns[at].not_null = false;
            redefine(cx, name, draft)
        }
        AlterColumnOperation::SetDefault { value } => {
            draft.set_default(cx, at, value)?;
            redefine(cx, name, draft)
        }
        AlterColumnOperation::DropDefault => {
            draft.definition.columns[at].default = None;
            redefine(cx, name, draft)
        }
        AlterColumnOperation::SetDataType { data_type, using, .. } => {
            change_type(cx, name, draft, at, data_type, using.as_ref())
        }
        other => Err(PgError::unsupported(format_args!("ALTER COLUMN {other}"))),
    }
}

fn change_type(
    cx: &Context<'_>,
    name: &TableName,
    mut draft: Draft,
    at: usize,
    kind: &ast::DataType,
    using: Option<&ast::Expr>,
) -> Result<()> {
    let kind = super::bind::data_type(kind)?;
    let table = cx.table(name).ok_or_else(|| internal("a table is missing"))?;
    let binder = Binder::new(cx, Vec::new());
    let column = draft.definition.columns[at].clone();
    let value = match using {
        Some(using) => binder.expr(&Scope::new(visible(&table, &name.name, 0), None, "USING"), using)?,
        None => Expr::new(Node::Column { up: 0, at }, column.kind.clone()),
    };
    let value = binder.coerced(value, &kind, How::Assignment).map_err(|error| match error.code {
        "42804" => PgError::new(
            "42804",
            format!("column \"{}\" cannot be cast automatically to type {}", column.name, kind.plain_name()),
        )
        .hint(format!(
            "You might need to specify \"USING {}::{}\".",
            super::quote_identifier(&column.name),
            kind.plain_name()
        )),
        _ => error,
    })?;
    let changed: Vec<Datum> =
        table.rows().map(|(_, row)| value.value(cx, &Rows { row, outer: None })).collect::<Result<_>>()?;
    let changed = std::cell::RefCell::new(changed.into_iter().rev().collect::<Vec<_>>());
    draft.definition.columns[at].kind = kind;
    let row = |row: &Row| -> Row {
        let mut row = row.to_vec();
        row[at] = changed.borrow_mut().pop().unwrap_or(Datum::Null);
        row.into()
    };
    cx.database.borrow_mut().redefine(cx.now, name, draft.definition, row)?;
    Ok(())
}

fn no_constraint(table: &TableName, constraint: &str) -> PgError {
    PgError::new(
        "42704",
        format!("constraint \"{constraint}\" of relation \"{}\" does not exist", table.name),
    )
}

fn drop_constraint(cx: &Context<'_>, name: &TableName, constraint: &str, if_exists: bool) -> Result<()> {
    let mut draft = draft(cx, name)?;
    let count = |draft: &Draft| {
        let of = &draft.definition;
        of.indexes.len() + of.checks.len() + of.foreign.len()
    };
    let before = count(&draft);
    draft.definition.indexes.retain(|index| !(index.constraint && index.name == constraint));
    draft.definition.checks.retain(|check| check.name != constraint);
    draft.definition.foreign.retain(|key| key.name != constraint);
    if count(&draft) == before {
        let error = no_constraint(name, constraint);
        if if_exists {
            cx.notice("NOTICE", format!("{}, skipping", error.message));
            return Ok(());
        }
        return Err(error);
    }
    redefine(cx, name, draft)
}

/// All rows meet all checks, and refer to something.
fn validate(cx: &Context<'_>, name: &TableName) -> Result<()> {
    let table = cx.table(name).ok_or_else(|| internal("a table is missing"))?;
    let constraints = Binder::new(cx, Vec::new()).constraints(&table)?;
    for (_, row) in table.rows() {
        for (check, condition) in &constraints.checks {
            if condition.truth(cx, &Rows { row, outer: None })? == Some(false) {
                return Err(PgError::new(
                    "23514",
                    format!(
                        "check constraint \"{check}\" of relation \"{}\" is violated by some row",
                        name.name
                    ),
                ));
            }
        }
    }
    let written = table.rows().map(|(_, row)| row.clone()).collect();
    constraints.settle(cx, name, &super::constraints::Touched { written, gone: Vec::new() })
}

fn validate_not_null(cx: &Context<'_>, name: &TableName) -> Result<()> {
    let table = cx.table(name).ok_or_else(|| internal("a table is missing"))?;
    for (at, column) in table.columns().iter().enumerate().filter(|(_, column)| column.not_null) {
        if table.rows().any(|(_, row)| row[at].is_null()) {
            return Err(PgError::new(
                "23502",
                format!("column \"{}\" of relation \"{}\" contains null values", column.name, name.name),
            ));
        }
    }
    Ok(())
}
