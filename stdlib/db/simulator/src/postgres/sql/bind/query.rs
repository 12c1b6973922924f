//! Queries: `WITH`, set operations, `ORDER BY`, `LIMIT`.

use std::sync::Arc;

use sqlparser::ast::{self, SetExpr, SetOperator, SetQuantifier};

use super::super::cast::How;
use super::super::expr::{Expr, Node, Result};
use super::super::names;
use super::super::plan::{Body, From, NamedQuery, Order, Output, Query, Select, SetHow};
use super::{Binder, NamedGuard, Scope, Seen};
use crate::postgres::PgError;
use crate::value::Type;

/// Whether it descends, and whether what is absent comes first.
pub(super) fn direction(by: &ast::OrderByExpr) -> Result<(bool, bool)> {
    if by.with_fill.is_some() {
        return Err(PgError::unsupported(format_args!("`{by}`")));
    }
    let descending = match &by.options.sort {
        None | Some(ast::OrderBySort::Asc) => false,
        Some(ast::OrderBySort::Desc) => true,
        Some(ast::OrderBySort::Using(_)) => return Err(PgError::unsupported("ORDER BY … USING")),
    };
    Ok((descending, by.options.nulls_first.unwrap_or(descending)))
}

impl Binder<'_, '_> {
    pub(crate) fn query(&self, query: &ast::Query, outer: Option<&Scope<'_>>) -> Result<Query> {
        if query.fetch.as_ref().is_some_and(|fetch| fetch.with_ties || fetch.percent)
            || query.for_clause.is_some()
            || query.settings.is_some()
            || query.format_clause.is_some()
            || !query.pipe_operators.is_empty()
        {
            return Err(PgError::unsupported("a clause of this query"));
        }
        // Locks are granted: nobody else writes while a statement runs.
        let guard = NamedGuard { named: &self.named, before: self.named.borrow().len() };
        let named = match &query.with {
            Some(with) => self.with(with, outer)?,
            None => Vec::new(),
        };
        let order = match &query.order_by {
            None => &[][..],
            Some(order) => match &order.kind {
                ast::OrderByKind::Expressions(expressions) if order.interpolate.is_none() => expressions,
                _ => return Err(PgError::unsupported("ORDER BY ALL")),
            },
        };
        let mut bound = self.body(&query.body, order, outer)?;
        bound.named = named;
        let scope = Scope::new(Vec::new(), outer, "LIMIT");
        let count = |expression: &ast::Expr, what: &str| {
            let bound = self.expr(&scope, expression)?;
            let kind = bound.kind.plain_name();
            self.coerced(bound, &Type::Int8, How::Assignment).map_err(|_| {
                PgError::new("42804", format!("argument of {what} must be type bigint, not type {kind}"))
            })
        };
        match &query.limit_clause {
            None => {}
            Some(ast::LimitClause::LimitOffset { limit, offset, limit_by }) if limit_by.is_empty() => {
                bound.limit = limit.as_ref().map(|limit| count(limit, "LIMIT")).transpose()?;
                bound.offset = offset.as_ref().map(|offset| count(&offset.value, "OFFSET")).transpose()?;
            }
            Some(_) => return Err(PgError::new("42601", "LIMIT #,# syntax is not supported")),
        }
        if let Some(fetch) = &query.fetch {
            let one = Expr::constant(crate::value::Datum::Int(1), Type::Int8);
            bound.limit = Some(fetch.quantity.as_ref().map_or(Ok(one), |quantity| count(quantity, "FETCH"))?);
        }
        drop(guard);
        Ok(bound)
    }

    fn with(&self, with: &ast::With, outer: Option<&Scope<'_>>) -> Result<Vec<NamedQuery>> {
        let mut named = Vec::new();
        for cte in &with.cte_tables {
            let name = names::folded(&cte.alias.name);
            let place = self.place();
            let renamed = |mut columns: Vec<Output>| {
                for (column, alias) in columns.iter_mut().zip(&cte.alias.columns) {
                    column.name = names::folded(&alias.name);
                }
                columns
            };
            let see = |columns: Vec<Output>| {
                self.named.borrow_mut().push(Seen { name: name.clone(), place, columns });
            };
            if with.recursive
                && let SetExpr::SetOperation { op: SetOperator::Union, set_quantifier, left, right } =
                    &*cte.query.body
                && cte.query.order_by.is_none()
                && cte.query.with.is_none()
            {
                let base = self.body(left, &[], outer)?;
                let kinds: Vec<Type> = base.columns.iter().map(|column| settled(&column.kind)).collect();
                let base = self.recast(base, &kinds)?;
                see(renamed(base.columns.clone()));
                let step = self.body(right, &[], outer)?;
                if step.columns.len() != kinds.len() {
                    return Err(PgError::new(
                        "42601",
                        "each UNION query must have the same number of columns",
                    ));
                }
                let step = self.recast(step, &kinds)?;
                let distinct = *set_quantifier != SetQuantifier::All;
                let recursive = Some((Arc::new(step), distinct));
                named.push(NamedQuery { place, query: Arc::new(base), recursive });
                continue;
            }
            let query = self.query(&cte.query, outer)?;
            let kinds: Vec<Type> = query.columns.iter().map(|column| settled(&column.kind)).collect();
            let query = self.recast(query, &kinds)?;
            see(renamed(query.columns.clone()));
            named.push(NamedQuery { place, query: Arc::new(query), recursive: None });
        }
        Ok(named)
    }

    fn body(&self, body: &SetExpr, order: &[ast::OrderByExpr], outer: Option<&Scope<'_>>) -> Result<Query> {
        match body {
            SetExpr::Select(select) => self.select(select, order, outer),
            SetExpr::Query(query) if order.is_empty() => self.query(query, outer),
            SetExpr::Query(query) => {
                let inner = self.query(query, outer)?;
                self.ordered(wrapped(inner), order)
            }
            SetExpr::Values(values) => {
                let lines = values.rows.iter().map(|line| line.content.iter().collect()).collect::<Vec<_>>();
                let values = self.values(&lines, outer)?;
                self.ordered(values, order)
            }
            SetExpr::SetOperation { op, set_quantifier, left, right } => {
                let how = match op {
                    SetOperator::Union => SetHow::Union,
                    SetOperator::Intersect => SetHow::Intersect,
                    SetOperator::Except => SetHow::Except,
                    SetOperator::Minus => {
                        return Err(PgError::new("42601", "syntax error at or near \"minus\""));
                    }
                };
                let all = match set_quantifier {
                    SetQuantifier::All => true,
                    SetQuantifier::Distinct | SetQuantifier::None => false,
                    other => return Err(PgError::unsupported(format_args!("{op} {other}"))),
                };
                let (left, right) = (self.body(left, &[], outer)?, self.body(right, &[], outer)?);
                if left.columns.len() != right.columns.len() {
                    return Err(PgError::new(
                        "42601",
                        format!("each {op} query must have the same number of columns"),
                    ));
                }
                let kinds = left
                    .columns
                    .iter()
                    .zip(&right.columns)
                    .map(|(one, other)| match one.kind == other.kind && one.kind != Type::Unknown {
                        true => Ok(one.kind.clone()),
                        false => self.common([one.kind.clone(), other.kind.clone()], &op.to_string()),
                    })
                    .collect::<Result<Vec<_>>>()?;
                let (left, right) = (self.recast(left, &kinds)?, self.recast(right, &kinds)?);
                let columns =
                    left.columns.iter().map(|column| Output { of: None, ..column.clone() }).collect();
                let body = Body::Set { how, all, left: Box::new(left), right: Box::new(right) };
                self.ordered(plain(body, columns), order)
            }
            SetExpr::Table(table) => {
                let mut parts: Vec<ast::Ident> = table.schema_name.iter().cloned().collect();
                parts.extend(table.table_name.clone());
                let source = self.table_source(&ast::ObjectName::from(parts))?;
                self.ordered(source, order)
            }
            SetExpr::Insert(statement) | SetExpr::Update(statement) | SetExpr::Delete(statement) => {
                let change = self.change(statement, outer)?;
                let columns = change.columns.clone();
                Ok(plain(Body::Change(Box::new(change)), columns))
            }
            SetExpr::Merge(_) => Err(PgError::unsupported("MERGE")),
        }
    }

    /// Lines of expressions, each column of one type.
    pub(super) fn values(&self, lines: &[Vec<&ast::Expr>], outer: Option<&Scope<'_>>) -> Result<Query> {
        let scope = Scope::new(Vec::new(), outer, "VALUES");
        let width = lines.first().map_or(0, Vec::len);
        if lines.iter().any(|line| line.len() != width) {
            return Err(PgError::new("42601", "VALUES lists must all be the same length"));
        }
        let bound = lines.iter().map(|line| line.iter().map(|one| self.expr(&scope, one)).collect());
        let bound = bound.collect::<Result<Vec<Vec<Expr>>>>()?;
        let kinds = (0..width).map(|at| {
            let kinds: Vec<Type> = bound.iter().map(|line| line[at].kind.clone()).collect();
            // Of what is unknown in all lines, whoever takes it decides.
            match kinds.iter().all(|kind| *kind == Type::Unknown) {
                true => Ok(Type::Unknown),
                false => self.common(kinds, "VALUES"),
            }
        });
        let kinds = kinds.collect::<Result<Vec<_>>>()?;
        let lines = bound.into_iter().map(|line| {
            line.into_iter().zip(&kinds).map(|(one, kind)| self.coerced(one, kind, How::Implicit)).collect()
        });
        let columns = kinds.iter().enumerate().map(|(at, kind)| Output {
            name: format!("column{}", at + 1),
            kind: kind.clone(),
            of: None,
        });
        let columns = columns.collect();
        Ok(plain(Body::Values(lines.collect::<Result<_>>()?), columns))
    }

    /// The same rows, with columns of these types.
    pub(super) fn recast(&self, mut query: Query, kinds: &[Type]) -> Result<Query> {
        if query.columns.iter().zip(kinds).all(|(column, kind)| column.kind == *kind) {
            return Ok(query);
        }
        let distinct = matches!(&query.body, Body::Select(select) if select.distinct.is_some());
        match &mut query.body {
            Body::Select(select) if !distinct && query.order.is_empty() && select.series.is_empty() => {
                for (one, kind) in select.project.iter_mut().zip(kinds) {
                    let before = std::mem::replace(one, Expr::null());
                    *one = self.coerced(before, kind, How::Assignment)?;
                }
            }
            Body::Values(lines) => {
                for line in lines {
                    for (one, kind) in line.iter_mut().zip(kinds) {
                        let before = std::mem::replace(one, Expr::null());
                        *one = self.coerced(before, kind, How::Assignment)?;
                    }
                }
            }
            _ => {
                let mut outer = wrapped(query);
                if let Body::Select(select) = &mut outer.body {
                    for (one, kind) in select.project.iter_mut().zip(kinds) {
                        let before = std::mem::replace(one, Expr::null());
                        *one = self.coerced(before, kind, How::Assignment)?;
                    }
                }
                query = outer;
            }
        }
        for (column, kind) in query.columns.iter_mut().zip(kinds) {
            column.kind = kind.clone();
        }
        Ok(query)
    }

    /// Ordered by columns of the result, as that is all there is.
    fn ordered(&self, mut query: Query, order: &[ast::OrderByExpr]) -> Result<Query> {
        for by in order {
            let (descending, nulls_first) = direction(by)?;
            let column = match &by.expr {
                ast::Expr::Value(value) => position(&value.value, query.columns.len())?,
                ast::Expr::Identifier(ident) => {
                    let name = names::folded(ident);
                    query.columns.iter().position(|column| column.name == name)
                }
                _ => None,
            };
            let column = column.ok_or_else(|| {
                PgError::unsupported("ORDER BY an expression after a set operation, or VALUES")
            })?;
            query.order.push(Order { column, descending, nulls_first });
        }
        Ok(query)
    }
}

/// `ORDER BY 2` is a place among what is selected.
pub(super) fn position(value: &ast::Value, columns: usize) -> Result<Option<usize>> {
    let ast::Value::Number(digits, _) = value else { return Ok(None) };
    match digits.parse::<usize>() {
        Ok(place) if (1..=columns).contains(&place) => Ok(Some(place - 1)),
        _ => Err(PgError::new("42P10", format!("ORDER BY position {digits} is not in select list"))),
    }
}

fn settled(kind: &Type) -> Type {
    if *kind == Type::Unknown { Type::Text } else { kind.clone() }
}

pub(super) fn plain(body: Body, columns: Vec<Output>) -> Query {
    Query { named: Vec::new(), body, order: Vec::new(), limit: None, offset: None, columns }
}

/// A query of all that another one gives.
fn wrapped(inner: Query) -> Query {
    let columns: Vec<Output> =
        inner.columns.iter().map(|column| Output { of: None, ..column.clone() }).collect();
    let project = columns.iter().enumerate();
    let project = project.map(|(at, column)| Expr::new(Node::Column { up: 0, at }, column.kind.clone()));
    let select = Select {
        from: From::Query(Box::new(inner)),
        filter: None,
        group: None,
        windows: Vec::new(),
        project: project.collect(),
        distinct: None,
        series: Vec::new(),
    };
    plain(Body::Select(Box::new(select)), columns)
}
