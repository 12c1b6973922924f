//! What rows come from: tables, functions, queries, and joins of them.

use sqlparser::ast::{self, JoinConstraint, JoinOperator, TableFactor};

use super::super::expr::{Comparison, Expr, Node, Result};
use super::super::names;
use super::super::plan::{From, Join, JoinKind};
use super::{Binder, Scope, Visible};
use crate::postgres::{PgError, catalog};
use crate::value::Type;

/// Rows, and how their columns are named, from place 0.
pub(super) struct Source {
    pub(super) from: From,
    pub(super) columns: Vec<Visible>,
    /// The names of its tables.
    aliases: Vec<String>,
    /// It sees what stands before it.
    lateral: bool,
}

impl Source {
    fn width(&self) -> usize {
        self.columns.iter().map(|column| column.at + 1).max().unwrap_or(0)
    }
}

impl Binder<'_, '_> {
    /// All of a `FROM`.
    pub(super) fn from(&self, tables: &[ast::TableWithJoins], outer: Option<&Scope<'_>>) -> Result<Source> {
        let mut all: Option<Source> = None;
        for table in tables {
            let next = |before: &[Visible]| self.joins(table, outer, before);
            all = Some(match all {
                None => next(&[])?,
                Some(before) => {
                    let right = next(&before.columns)?;
                    self.join(before, right, JoinKind::Inner, None, outer)?
                }
            });
        }
        Ok(all.unwrap_or(Source {
            from: From::Nothing,
            columns: Vec::new(),
            aliases: Vec::new(),
            lateral: false,
        }))
    }

    fn joins(
        &self,
        table: &ast::TableWithJoins,
        outer: Option<&Scope<'_>>,
        before: &[Visible],
    ) -> Result<Source> {
        let mut left = self.factor(&table.relation, outer, before)?;
        for join in &table.joins {
            let (kind, constraint) = match &join.join_operator {
                JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => {
                    (JoinKind::Inner, Some(constraint))
                }
                JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => {
                    (JoinKind::Left, Some(constraint))
                }
                JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => {
                    (JoinKind::Right, Some(constraint))
                }
                JoinOperator::FullOuter(constraint) => (JoinKind::Full, Some(constraint)),
                JoinOperator::CrossJoin(_) => (JoinKind::Inner, None),
                _ => return Err(PgError::unsupported("this kind of join")),
            };
            let right = self.factor(&join.relation, outer, &left.columns)?;
            left = self.join(left, right, kind, constraint, outer)?;
        }
        Ok(left)
    }

    fn join(
        &self,
        left: Source,
        right: Source,
        kind: JoinKind,
        constraint: Option<&JoinConstraint>,
        outer: Option<&Scope<'_>>,
    ) -> Result<Source> {
        let (left_width, right_width) = (left.width(), right.width());
        if right.lateral && matches!(kind, JoinKind::Right | JoinKind::Full) {
            return Err(PgError::new(
                "42P10",
                "invalid reference to FROM-clause entry: a lateral side of a join",
            ));
        }
        if let Some(twice) = right.aliases.iter().find(|alias| left.aliases.contains(alias)) {
            return Err(PgError::new("42712", format!("table name \"{twice}\" specified more than once")));
        }
        let aliases = [left.aliases, right.aliases].concat();
        let mut columns = left.columns;
        let shifted =
            right.columns.into_iter().map(|column| Visible { at: column.at + left_width, ..column });
        columns.extend(shifted);
        let on = match constraint {
            None | Some(JoinConstraint::None) => None,
            Some(JoinConstraint::On(condition)) => {
                let scope = Scope::new(columns.clone(), outer, "JOIN conditions");
                Some(self.condition(&scope, condition, "JOIN/ON")?)
            }
            Some(JoinConstraint::Using(names)) => {
                let names = names.iter().map(|name| Ok(names::qualified(name, "")?.1));
                self.using(&mut columns, left_width, &names.collect::<Result<Vec<_>>>()?, kind)?
            }
            Some(JoinConstraint::Natural) => {
                let left: Vec<&Visible> =
                    columns.iter().filter(|column| column.at < left_width && !column.merged).collect();
                let right = columns.iter().filter(|column| column.at >= left_width);
                let both = right.filter(|column| left.iter().any(|other| other.name == column.name));
                let names: Vec<String> = both.map(|column| column.name.clone()).collect();
                self.using(&mut columns, left_width, &names, kind)?
            }
            Some(JoinConstraint::UsingAlias(..)) => return Err(PgError::unsupported("USING with an alias")),
        };
        let join = Join {
            left: left.from,
            right: right.from,
            kind,
            lateral: right.lateral,
            on,
            left_width,
            right_width,
        };
        Ok(Source { from: From::Join(Box::new(join)), columns, aliases, lateral: left.lateral })
    }

    /// One column stands for both sides: the one that always has a value.
    fn using(
        &self,
        columns: &mut [Visible],
        left_width: usize,
        names: &[String],
        kind: JoinKind,
    ) -> Result<Option<Expr>> {
        if kind == JoinKind::Full {
            return Err(PgError::unsupported("FULL JOIN with USING"));
        }
        let mut all: Option<Expr> = None;
        for name in names {
            let find = |right: bool| {
                let side = |column: &&Visible| (column.at >= left_width) == right && !column.merged;
                let place = columns.iter().position(|column| column.name == *name && side(&column));
                let side = if right { "right" } else { "left" };
                place.ok_or_else(|| {
                    PgError::new(
                        "42703",
                        format!("column \"{name}\" specified in USING clause does not exist in {side} table"),
                    )
                })
            };
            let (one, other) = (find(false)?, find(true)?);
            let column = |place: usize| {
                let column: &Visible = &columns[place];
                Expr::new(Node::Column { up: 0, at: column.at }, column.kind.clone())
            };
            let equal = self.compared(Comparison::Equal, "=", column(one), column(other))?;
            all = Some(match all {
                None => equal,
                Some(before) => Expr::new(Node::And(Box::new(before), Box::new(equal)), Type::Bool),
            });
            let hidden = if kind == JoinKind::Right { one } else { other };
            columns[hidden].merged = true;
        }
        Ok(all)
    }

    fn factor(&self, factor: &TableFactor, outer: Option<&Scope<'_>>, before: &[Visible]) -> Result<Source> {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                with_ordinality: false,
                sample: None,
                version: None,
                ..
            } => {
                let mut source = self.table(name)?;
                rename(&mut source.columns, alias.as_ref())?;
                source.aliases =
                    alias.as_ref().map_or(source.aliases, |alias| vec![names::folded(&alias.name)]);
                Ok(source)
            }
            TableFactor::Table { name, alias, args: Some(arguments), with_ordinality, .. } => {
                self.rows_of(name, &arguments.args, alias.as_ref(), *with_ordinality, outer, before)
            }
            TableFactor::Function { name, args, alias, with_ordinality, .. } => {
                self.rows_of(name, args, alias.as_ref(), *with_ordinality, outer, before)
            }
            TableFactor::UNNEST { alias, array_exprs, with_offset: false, with_ordinality, .. } => {
                let name = ast::ObjectName::from(vec![ast::Ident::new("unnest")]);
                let arguments = array_exprs
                    .iter()
                    .map(|array| ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(array.clone())));
                let arguments: Vec<ast::FunctionArg> = arguments.collect();
                self.rows_of(&name, &arguments, alias.as_ref(), *with_ordinality, outer, before)
            }
            TableFactor::Derived { lateral, subquery, alias, sample: None } => {
                let scope;
                let outer = if *lateral {
                    scope = Scope::new(before.to_vec(), outer, "FROM");
                    Some(&scope)
                } else {
                    outer
                };
                let query = self.query(subquery, outer)?;
                let columns = query.columns.iter().enumerate().map(|(at, column)| Visible {
                    of: String::new(),
                    schema: None,
                    name: column.name.clone(),
                    kind: column.kind.clone(),
                    at,
                    source: None,
                    merged: false,
                });
                let mut columns: Vec<Visible> = columns.collect();
                let Some(alias) = alias else {
                    return Err(PgError::new("42601", "subquery in FROM must have an alias")
                        .hint("For example, FROM (SELECT ...) [AS] foo."));
                };
                rename(&mut columns, Some(alias))?;
                let aliases = vec![names::folded(&alias.name)];
                Ok(Source { from: From::Query(Box::new(query)), columns, aliases, lateral: *lateral })
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                self.joins(table_with_joins, outer, before)
            }
            other => Err(PgError::unsupported(format_args!("`{other}` in FROM"))),
        }
    }

    /// A table, a view of the catalogs, or a query of `WITH`.
    fn table(&self, name: &ast::ObjectName) -> Result<Source> {
        let (schema, table) = names::qualified(name, self.cx.name)?;
        let visible = |at: usize, of: &str, name: &str, kind: &Type, source| Visible {
            of: of.to_owned(),
            schema: None,
            name: name.to_owned(),
            kind: kind.clone(),
            at,
            source,
            merged: false,
        };
        if schema.is_none()
            && let Some(seen) = self.named.borrow().iter().rev().find(|seen| seen.name == table)
        {
            let columns = seen.columns.iter().enumerate();
            let columns = columns.map(|(at, column)| visible(at, &table, &column.name, &column.kind, None));
            return Ok(Source {
                from: From::Named(seen.place),
                columns: columns.collect(),
                aliases: vec![table],
                lateral: false,
            });
        }
        if let Some(view) = catalog::view(schema.as_deref(), &table) {
            let known = view.columns();
            let columns = known.iter().enumerate();
            let columns = columns.map(|(at, (name, kind))| visible(at, &table, name, kind, None));
            return Ok(Source {
                from: From::Catalog(view),
                columns: columns.collect(),
                aliases: vec![table],
                lateral: false,
            });
        }
        let found = catalog::table_named(self.cx, schema.as_deref(), &table)
            .map_err(|error| error.at(names::place(name)))?;
        let of = self.cx.table(&found).ok_or_else(|| super::super::expr::internal("a table is missing"))?;
        let oid = of.definition().oid;
        let columns = of.columns().iter().enumerate().map(|(at, column)| Visible {
            schema: Some(found.schema.to_string()),
            ..visible(at, &table, &column.name, &column.kind, Some((oid, i16::try_from(at + 1).unwrap_or(0))))
        });
        Ok(Source {
            from: From::Table(found.clone()),
            columns: columns.collect(),
            aliases: vec![table.clone()],
            lateral: false,
        })
    }

    /// A function as a table.
    fn rows_of(
        &self,
        name: &ast::ObjectName,
        arguments: &[ast::FunctionArg],
        alias: Option<&ast::TableAlias>,
        numbered: bool,
        outer: Option<&Scope<'_>>,
        before: &[Visible],
    ) -> Result<Source> {
        let call = ast::Function {
            name: name.clone(),
            uses_odbc_syntax: false,
            parameters: ast::FunctionArguments::None,
            args: ast::FunctionArguments::List(ast::FunctionArgumentList {
                duplicate_treatment: None,
                args: arguments.to_vec(),
                clauses: Vec::new(),
            }),
            within_group: Vec::new(),
            filter: None,
            null_treatment: None,
            over: None,
        };
        // A function sees what stands before it.
        let lateral = !before.is_empty();
        let around = Scope::new(before.to_vec(), outer, "functions in FROM");
        let scope = Scope::new(Vec::new(), if lateral { Some(&around) } else { outer }, "functions in FROM");
        let (function, set) = self.call(&scope, &call)?;
        let (function, kind) = match set {
            true => {
                let kind = function.kind.clone();
                (function, kind)
            }
            // One value is a row of its own.
            false => {
                let function = self.settled(function)?;
                let kind = function.kind.clone();
                (Expr::new(Node::Array(vec![function]), kind.clone()), kind)
            }
        };
        let called = super::function::function_name(&call)?;
        let alias_name = alias.map_or(called.clone(), |alias| names::folded(&alias.name));
        let first = alias.and_then(|alias| alias.columns.first());
        let mut columns = vec![Visible {
            of: alias_name.clone(),
            schema: None,
            // A column without a name is called like the table.
            name: first.map_or(alias_name.clone(), |column| names::folded(&column.name)),
            kind,
            at: 0,
            source: None,
            merged: false,
        }];
        if numbered {
            let second = alias.and_then(|alias| alias.columns.get(1));
            columns.push(Visible {
                name: second.map_or("ordinality".to_owned(), |column| names::folded(&column.name)),
                kind: Type::Int8,
                at: 1,
                ..columns[0].clone()
            });
        }
        Ok(Source { from: From::Function(function, numbered), columns, aliases: vec![alias_name], lateral })
    }
}

/// `AS alias (column, …)`
fn rename(columns: &mut [Visible], alias: Option<&ast::TableAlias>) -> Result<()> {
    let Some(alias) = alias else { return Ok(()) };
    let name = names::folded(&alias.name);
    if alias.columns.len() > columns.len() {
        return Err(PgError::new(
            "42P10",
            format!(
                "table \"{name}\" has {} columns available but {} columns specified",
                columns.len(),
                alias.columns.len()
            ),
        ));
    }
    for column in columns.iter_mut() {
        column.of = name.clone();
        column.schema = None;
    }
    for (column, renamed) in columns.iter_mut().zip(&alias.columns) {
        column.name = names::folded(&renamed.name);
    }
    Ok(())
}
