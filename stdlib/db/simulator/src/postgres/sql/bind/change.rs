//! `INSERT`, `UPDATE` and `DELETE`.

use sqlparser::ast::{self, AssignmentTarget, FromTable, SetExpr, TableFactor};

use super::super::cast::{How, castable};
use super::super::constraints::Constraints;
use super::super::dml::{Change, Conflict, Filled, Source, What};
use super::super::expr::{Expr, Node, Result};
use super::super::names;
use super::{Binder, Scope, Visible};
use crate::postgres::{PgError, catalog};
use crate::rows::{Identity, Table, TableName};
use crate::value::{Datum, Type};

impl Binder<'_, '_> {
    pub(crate) fn change(&self, statement: &ast::Statement, outer: Option<&Scope<'_>>) -> Result<Change> {
        match statement {
            ast::Statement::Insert(insert) => self.insert(insert, outer),
            ast::Statement::Update(update) => self.update(update, outer),
            ast::Statement::Delete(delete) => self.delete(delete, outer),
            other => Err(PgError::unsupported(format_args!("`{other}` here"))),
        }
    }

    /// A table that is written to.
    pub(crate) fn target(&self, name: &ast::ObjectName) -> Result<(TableName, Table)> {
        let (schema, table) = names::qualified(name, self.cx.name)?;
        if catalog::view(schema.as_deref(), &table).is_some() {
            return Err(PgError::new("42501", format!("permission denied: \"{table}\" is a system catalog")));
        }
        let found = catalog::table_named(self.cx, schema.as_deref(), &table)
            .map_err(|error| error.at(names::place(name)))?;
        let table =
            self.cx.table(&found).ok_or_else(|| super::super::expr::internal("a table is missing"))?;
        Ok((found, table))
    }

    /// What rows of a table must be.
    pub(crate) fn constraints(&self, table: &Table) -> Result<Constraints> {
        let columns = table.columns().iter().enumerate();
        let not_null =
            columns.filter(|(_, column)| column.not_null).map(|(at, column)| (at, column.name.clone()));
        let scope = Scope::new(visible(table, "", 0), None, "check constraints");
        let checks = table.definition().checks.iter().map(|check| {
            let expression = super::super::parse::expression(&check.expression)?;
            Ok((check.name.clone(), self.condition(&scope, &expression, "CHECK")?))
        });
        Ok(Constraints { not_null: not_null.collect(), checks: checks.collect::<Result<_>>()? })
    }

    /// What a column is where it is not given.
    pub(crate) fn default(&self, name: &TableName, table: &Table, place: usize) -> Result<Expr> {
        let column = &table.columns()[place];
        let sql = match (&column.default, column.identity) {
            (Some(default), _) => default.clone(),
            (None, Some(_)) => {
                let sequence = catalog::sequence_of(self.cx, name, &column.name)
                    .ok_or_else(|| super::super::expr::internal("an identity has no sequence"))?;
                format!("nextval('{}')", catalog::shown(&sequence).replace('\'', "''"))
            }
            (None, None) => return Ok(Expr::constant(Datum::Null, column.kind.clone())),
        };
        let bound = self.expr(&Scope::EMPTY, &super::super::parse::expression(&sql)?)?;
        self.assigned(bound, &column.name, &column.kind)
    }

    /// A value for a column.
    pub(crate) fn assigned(&self, value: Expr, column: &str, kind: &Type) -> Result<Expr> {
        let allowed = castable(&value.kind, kind).is_some_and(|how| how <= How::Assignment);
        if !allowed {
            return Err(PgError::new(
                "42804",
                format!(
                    "column \"{column}\" is of type {} but expression is of type {}",
                    kind.plain_name(),
                    value.kind.plain_name()
                ),
            )
            .hint("You will need to rewrite or cast the expression."));
        }
        self.coerced(value, kind, How::Assignment)
    }

    fn insert(&self, insert: &ast::Insert, outer: Option<&Scope<'_>>) -> Result<Change> {
        if insert.or.is_some() || insert.overwrite || insert.replace_into || !insert.assignments.is_empty() {
            return Err(PgError::unsupported("a clause of this INSERT"));
        }
        let ast::TableObject::TableName(name) = &insert.table else {
            return Err(PgError::unsupported("INSERT into what is no table"));
        };
        let (name, table) = self.target(name)?;
        let places = match insert.columns.is_empty() {
            true => (0..table.columns().len()).collect(),
            false => self.places(&name, &table, &insert.columns)?,
        };
        let source = self.source(insert, &table, &places, outer)?;
        let mut columns = Vec::new();
        for (place, column) in table.columns().iter().enumerate() {
            let from = places.iter().position(|given| *given == place);
            let given = from.filter(|at| match &source {
                Source::Query(query) => *at < query.columns.len(),
                Source::Lines(lines) => lines.first().is_some_and(|line| *at < line.len()),
            });
            let overriding = insert.overriding.is_some();
            if column.identity == Some(Identity::Always)
                && given.is_some()
                && !overriding
                && gives(&source, given)
            {
                return Err(PgError::new(
                    "428C9",
                    format!("cannot insert a non-DEFAULT value into column \"{}\"", column.name),
                )
                .detail(format!(
                    "Column \"{}\" is an identity column defined as GENERATED ALWAYS.",
                    column.name
                ))
                .hint("Use OVERRIDING SYSTEM VALUE to override."));
            }
            columns.push(Filled { from: given, default: self.default(&name, &table, place)? });
        }
        let alias = insert.table_alias.as_ref().map(|alias| names::folded(&alias.alias));
        let alias = alias.unwrap_or_else(|| name.name.to_string());
        let conflict = match &insert.on {
            None => None,
            Some(ast::OnInsert::OnConflict(on)) => Some(self.conflict(&name, &table, &alias, on)?),
            Some(_) => return Err(PgError::new("42601", "syntax error at or near \"DUPLICATE\"")),
        };
        let scope = Scope::new(visible(&table, &alias, 0), outer, "RETURNING");
        let (returning, outputs) = self.returning(&scope, insert.returning.as_ref())?;
        Ok(Change {
            constraints: self.constraints(&table)?,
            table: name,
            what: What::Insert { source, columns, conflict },
            returning,
            columns: outputs,
        })
    }

    pub(crate) fn places(
        &self,
        name: &TableName,
        table: &Table,
        columns: &[ast::ObjectName],
    ) -> Result<Vec<usize>> {
        let mut places = Vec::new();
        for column in columns {
            let (_, wanted) = names::qualified(column, self.cx.name)?;
            let place = table.definition().place(&wanted).ok_or_else(|| {
                PgError::new(
                    "42703",
                    format!("column \"{wanted}\" of relation \"{}\" does not exist", name.name),
                )
                .at(names::place(column))
            })?;
            if places.contains(&place) {
                return Err(PgError::new("42701", format!("column \"{wanted}\" specified more than once"))
                    .at(names::place(column)));
            }
            places.push(place);
        }
        Ok(places)
    }

    fn source(
        &self,
        insert: &ast::Insert,
        table: &Table,
        places: &[usize],
        outer: Option<&Scope<'_>>,
    ) -> Result<Source> {
        // `DEFAULT VALUES`
        let Some(query) = &insert.source else { return Ok(Source::Lines(vec![Vec::new()])) };
        let too_many = |count: usize| match count > places.len() {
            true => Err(PgError::new("42601", "INSERT has more expressions than target columns")),
            false if count < places.len() && !insert.columns.is_empty() => {
                Err(PgError::new("42601", "INSERT has more target columns than expressions"))
            }
            false => Ok(()),
        };
        if let SetExpr::Values(values) = &*query.body
            && query.with.is_none()
            && query.order_by.is_none()
            && query.limit_clause.is_none()
        {
            let scope = Scope::new(Vec::new(), outer, "VALUES");
            let mut lines = Vec::new();
            for line in &values.rows {
                too_many(line.content.len())?;
                if line.content.len() != values.rows[0].content.len() {
                    return Err(PgError::new("42601", "VALUES lists must all be the same length"));
                }
                let cells = line.content.iter().zip(places).map(|(cell, place)| {
                    if is_default(cell) {
                        return Ok(None);
                    }
                    let column = &table.columns()[*place];
                    let at = super::expression::start(cell);
                    let bound = self.expr(&scope, cell)?;
                    self.assigned(bound, &column.name, &column.kind).map(Some).map_err(|error| error.at(at))
                });
                lines.push(cells.collect::<Result<Vec<_>>>()?);
            }
            return Ok(Source::Lines(lines));
        }
        let mut query = self.query(query, outer)?;
        too_many(query.columns.len())?;
        let kinds: Vec<Type> = places
            .iter()
            .take(query.columns.len())
            .map(|place| table.columns()[*place].kind.clone())
            .collect();
        for ((column, kind), place) in query.columns.iter().zip(&kinds).zip(places) {
            let value = Expr::new(Node::Constant(Datum::Null), column.kind.clone());
            if column.kind != Type::Unknown {
                self.assigned(value, &table.columns()[*place].name, kind)?;
            }
        }
        query = self.recast(query, &kinds)?;
        Ok(Source::Query(Box::new(query)))
    }

    fn conflict(
        &self,
        name: &TableName,
        table: &Table,
        alias: &str,
        on: &ast::OnConflict,
    ) -> Result<Conflict> {
        let indexes = match &on.conflict_target {
            None => None,
            Some(ast::ConflictTarget::OnConstraint(constraint)) => {
                let (_, wanted) = names::qualified(constraint, self.cx.name)?;
                let known =
                    table.definition().indexes.iter().any(|index| index.constraint && index.name == wanted);
                if !known {
                    return Err(PgError::new(
                        "42704",
                        format!("constraint \"{wanted}\" for table \"{}\" does not exist", name.name),
                    ));
                }
                Some(vec![wanted])
            }
            Some(ast::ConflictTarget::Columns { columns, predicate }) => {
                if predicate.is_some() {
                    return Err(PgError::unsupported("ON CONFLICT with a condition"));
                }
                let columns: Vec<ast::ObjectName> =
                    columns.iter().map(|column| ast::ObjectName::from(vec![column.clone()])).collect();
                let mut wanted = self.places(name, table, &columns)?;
                wanted.sort_unstable();
                let same = |index: &&crate::rows::Index| {
                    let mut columns = index.columns.clone();
                    columns.sort_unstable();
                    index.unique && columns == wanted
                };
                let found: Vec<String> =
                    table.definition().indexes.iter().filter(same).map(|index| index.name.clone()).collect();
                if found.is_empty() {
                    return Err(PgError::new(
                        "42P10",
                        "there is no unique or exclusion constraint matching the ON CONFLICT specification",
                    ));
                }
                Some(found)
            }
        };
        let update = match &on.action {
            ast::OnConflictAction::DoNothing => None,
            ast::OnConflictAction::DoUpdate(update) => {
                if indexes.is_none() {
                    return Err(PgError::new(
                        "42601",
                        "ON CONFLICT DO UPDATE requires inference specification or constraint name",
                    ));
                }
                let width = table.columns().len();
                let mut columns = visible(table, alias, 0);
                columns.extend(visible(table, "excluded", width));
                let own = Scope::new(columns, None, "ON CONFLICT");
                let set = self.assignments(name, table, &own, &update.assignments)?;
                let filter = update.selection.as_ref();
                let filter = filter.map(|filter| self.condition(&own, filter, "WHERE")).transpose()?;
                Some((set, filter))
            }
        };
        Ok(Conflict { indexes, update })
    }

    fn assignments(
        &self,
        name: &TableName,
        table: &Table,
        scope: &Scope<'_>,
        assignments: &[ast::Assignment],
    ) -> Result<Vec<(usize, Expr)>> {
        let mut set: Vec<(usize, Expr)> = Vec::new();
        let mut one = |column: &ast::ObjectName, value: &ast::Expr| {
            let place = self.places(name, table, std::slice::from_ref(column))?[0];
            let of = &table.columns()[place];
            if set.iter().any(|(other, _)| *other == place) {
                return Err(PgError::new(
                    "42601",
                    format!("multiple assignments to same column \"{}\"", of.name),
                ));
            }
            let value = match is_default(value) {
                true => self.default(name, table, place)?,
                false if of.identity == Some(Identity::Always) => {
                    return Err(PgError::new(
                        "428C9",
                        format!("column \"{}\" can only be updated to DEFAULT", of.name),
                    )
                    .detail(format!(
                        "Column \"{}\" is an identity column defined as GENERATED ALWAYS.",
                        of.name
                    )));
                }
                false => {
                    let bound = self.expr(scope, value)?;
                    let at = super::expression::start(value);
                    self.assigned(bound, &of.name, &of.kind).map_err(|error| error.at(at))?
                }
            };
            set.push((place, value));
            Ok(())
        };
        for assignment in assignments {
            match (&assignment.target, &assignment.value) {
                (AssignmentTarget::ColumnName(column), value) => one(column, value)?,
                (AssignmentTarget::Tuple(columns), ast::Expr::Tuple(values))
                    if columns.len() == values.len() =>
                {
                    columns.iter().zip(values).try_for_each(|(column, value)| one(column, value))?;
                }
                _ => return Err(PgError::unsupported("columns set from a query")),
            }
        }
        Ok(set)
    }

    fn update(&self, update: &ast::Update, outer: Option<&Scope<'_>>) -> Result<Change> {
        if update.or.is_some()
            || !update.order_by.is_empty()
            || update.limit.is_some()
            || !update.table.joins.is_empty()
        {
            return Err(PgError::unsupported("a clause of this UPDATE"));
        }
        let (name, table, alias) = self.target_of(&update.table.relation)?;
        let others = match &update.from {
            None => &[][..],
            Some(ast::UpdateTableFromKind::AfterSet(tables)) => tables,
            Some(_) => return Err(PgError::unsupported("UPDATE FROM before SET")),
        };
        let (from, columns) = self.beside(&table, &alias, others, outer)?;
        let mut scope = Scope::new(columns, outer, "UPDATE");
        let set = self.assignments(&name, &table, &scope, &update.assignments)?;
        let filter = update.selection.as_ref();
        scope.clause = "WHERE";
        let filter = filter.map(|filter| self.condition(&scope, filter, "WHERE")).transpose()?;
        let (returning, outputs) = self.returning(&scope, update.returning.as_ref())?;
        Ok(Change {
            constraints: self.constraints(&table)?,
            table: name,
            what: What::Update { from, filter, set },
            returning,
            columns: outputs,
        })
    }

    fn delete(&self, delete: &ast::Delete, outer: Option<&Scope<'_>>) -> Result<Change> {
        if !delete.tables.is_empty() || !delete.order_by.is_empty() || delete.limit.is_some() {
            return Err(PgError::unsupported("a clause of this DELETE"));
        }
        let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = &delete.from;
        let [target] = tables.as_slice() else {
            return Err(PgError::unsupported("DELETE from several tables"));
        };
        if !target.joins.is_empty() {
            return Err(PgError::unsupported("DELETE from a join"));
        }
        let (name, table, alias) = self.target_of(&target.relation)?;
        let others = delete.using.as_deref().unwrap_or_default();
        let (from, columns) = self.beside(&table, &alias, others, outer)?;
        let scope = Scope::new(columns, outer, "WHERE");
        let filter = delete.selection.as_ref();
        let filter = filter.map(|filter| self.condition(&scope, filter, "WHERE")).transpose()?;
        let (returning, outputs) = self.returning(&scope, delete.returning.as_ref())?;
        Ok(Change {
            constraints: self.constraints(&table)?,
            table: name,
            what: What::Delete { from, filter },
            returning,
            columns: outputs,
        })
    }

    fn target_of(&self, factor: &TableFactor) -> Result<(TableName, Table, String)> {
        let TableFactor::Table { name, alias, args: None, .. } = factor else {
            return Err(PgError::unsupported("a change of what is no table"));
        };
        let (found, table) = self.target(name)?;
        let alias = alias.as_ref().map_or(found.name.to_string(), |alias| names::folded(&alias.name));
        Ok((found, table, alias))
    }

    /// Other tables, whose columns stand behind the table's own.
    fn beside(
        &self,
        table: &Table,
        alias: &str,
        others: &[ast::TableWithJoins],
        outer: Option<&Scope<'_>>,
    ) -> Result<(super::super::plan::From, Vec<Visible>)> {
        let source = self.from(others, outer)?;
        let mut columns = visible(table, alias, 0);
        let width = columns.len();
        columns.extend(source.columns.into_iter().map(|column| Visible { at: column.at + width, ..column }));
        Ok((source.from, columns))
    }
}

/// A table's own columns, from this place.
pub(crate) fn visible(table: &Table, alias: &str, from: usize) -> Vec<Visible> {
    let oid = table.definition().oid;
    let columns = table.columns().iter().enumerate();
    columns
        .map(|(at, column)| Visible {
            of: alias.to_owned(),
            schema: None,
            name: column.name.clone(),
            kind: column.kind.clone(),
            at: from + at,
            source: Some((oid, i16::try_from(at + 1).unwrap_or(0))),
            merged: false,
        })
        .collect()
}

fn is_default(value: &ast::Expr) -> bool {
    matches!(value, ast::Expr::Identifier(ident) if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("default"))
}

/// Some line has a value at this place.
fn gives(source: &Source, place: Option<usize>) -> bool {
    match (source, place) {
        (Source::Lines(lines), Some(place)) => {
            lines.iter().any(|line| line.get(place).is_some_and(Option::is_some))
        }
        (_, place) => place.is_some(),
    }
}
