//! `SELECT`: what is projected, grouped and ordered.

use std::cell::RefCell;
use std::collections::BTreeSet;

use sqlparser::ast::{self, GroupByExpr, SelectItem};

use super::super::expr::{Expr, Node, Result};
use super::super::names;
use super::super::plan::{Body, Group, Order, Output, Query, Select};
use super::query::{direction, plain, position};
use super::{Binder, Collected, Scope, Visible};
use crate::postgres::PgError;
use crate::value::Type;

/// A column of the result, and what it was written as.
struct Item<'a> {
    output: Output,
    bound: Expr,
    written: Option<&'a ast::Expr>,
    /// It gives a row for each of its values.
    series: bool,
}

impl Binder<'_, '_> {
    pub(super) fn select(
        &self,
        select: &ast::Select,
        order: &[ast::OrderByExpr],
        outer: Option<&Scope<'_>>,
    ) -> Result<Query> {
        refuse(select)?;
        let source = self.from(&select.from, outer)?;
        let width = source.columns.iter().map(|column| column.at + 1).max().unwrap_or(0);
        let mut scope = Scope::new(source.columns, outer, "WHERE");
        let filter = select.selection.as_ref().map(|filter| self.condition(&scope, filter, "WHERE"));
        let filter = filter.transpose()?;

        scope.clause = "GROUP BY";
        let written_keys = group_keys(select)?;
        let keys = written_keys.iter().map(|key| self.expr(&scope, key)).collect::<Result<Vec<_>>>()?;
        let keys = keys.into_iter().map(|key| self.settled(key)).collect::<Result<Vec<_>>>()?;
        let mut allowed: BTreeSet<usize> = keys
            .iter()
            .filter_map(|key| match key.node {
                Node::Column { up: 0, at } => Some(at),
                _ => None,
            })
            .collect();
        self.dependent(&scope.columns, &mut allowed);
        let collected = Collected { width, keys: written_keys.clone(), allowed, ..Collected::default() };
        scope.collected = Some(RefCell::new(collected));

        let mut items = self.items(&scope, &select.projection)?;
        let having =
            select.having.as_ref().map(|having| self.condition(&scope, having, "HAVING")).transpose()?;
        let visible = items.len();
        let order = self.order_of_select(&scope, order, &mut items, select.distinct.is_some())?;
        let distinct = self.distinct_of(&scope, select.distinct.as_ref(), &mut items, visible, &order)?;

        let collected = scope.collected.take().map(RefCell::into_inner).unwrap_or_default();
        let grouped = !keys.is_empty() || having.is_some() || !collected.aggregates.is_empty();
        if let (true, Some((name, at))) = (grouped, collected.bare) {
            return Err(PgError::new(
                "42803",
                format!(
                    "column \"{name}\" must appear in the GROUP BY clause or be used in an aggregate function"
                ),
            )
            .at(at));
        }
        let group = grouped.then_some(Group { keys, aggregates: collected.aggregates, having, width });
        let series = items.iter().enumerate().filter(|(_, item)| item.series).map(|(at, _)| at).collect();
        let columns = items.iter().take(visible).map(|item| item.output.clone()).collect();
        let select = Select {
            from: source.from,
            filter,
            group,
            windows: collected.windows,
            project: items.into_iter().map(|item| item.bound).collect(),
            distinct,
            series,
        };
        Ok(Query { order, ..plain(Body::Select(Box::new(select)), columns) })
    }

    /// `TABLE name`
    pub(super) fn table_source(&self, name: &ast::ObjectName) -> Result<Query> {
        let factor = ast::TableFactor::Table {
            name: name.clone(),
            alias: None,
            args: None,
            with_hints: Vec::new(),
            version: None,
            with_ordinality: false,
            partitions: Vec::new(),
            json_path: None,
            sample: None,
            index_directives: Vec::new(),
            inheritance: None,
        };
        let source = self.from(&[ast::TableWithJoins { relation: factor, joins: Vec::new() }], None)?;
        let project = source.columns.iter();
        let project =
            project.map(|column| Expr::new(Node::Column { up: 0, at: column.at }, column.kind.clone()));
        let project = project.collect();
        let columns = source.columns.iter().map(output_of).collect();
        let select = Select {
            from: source.from,
            filter: None,
            group: None,
            windows: Vec::new(),
            project,
            distinct: None,
            series: Vec::new(),
        };
        Ok(plain(Body::Select(Box::new(select)), columns))
    }

    /// With a table's primary key, its other columns are known.
    fn dependent(&self, columns: &[Visible], allowed: &mut BTreeSet<usize>) {
        let tables: BTreeSet<(&str, u32)> =
            columns.iter().filter_map(|column| Some((column.of.as_str(), column.source?.0))).collect();
        let database = self.cx.database.borrow();
        for (alias, oid) in tables {
            let table = database.tables().find(|(_, table)| table.definition().oid == oid);
            let Some(primary) = table.and_then(|(_, table)| table.definition().primary()) else { continue };
            let of_alias = || columns.iter().filter(|column| column.of == alias);
            let is_key = |column: &&Visible| {
                column.source.is_some_and(|(_, number)| {
                    usize::try_from(number - 1).is_ok_and(|place| primary.columns.contains(&place))
                })
            };
            if of_alias().filter(is_key).all(|column| allowed.contains(&column.at))
                && of_alias().any(|one| is_key(&one))
            {
                let others: Vec<usize> = of_alias().map(|column| column.at).collect();
                allowed.extend(others);
            }
        }
    }

    fn items<'a>(&self, scope: &Scope<'_>, projection: &'a [SelectItem]) -> Result<Vec<Item<'a>>> {
        let mut items = Vec::new();
        for item in projection {
            match item {
                SelectItem::UnnamedExpr(expression) => {
                    let name = name_of(expression).unwrap_or_else(|| "?column?".to_owned());
                    items.push(self.item(scope, expression, name)?);
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    items.push(self.item(scope, expr, names::folded(alias))?);
                }
                SelectItem::Wildcard(options) => {
                    refuse_options(options)?;
                    if scope.columns.is_empty() {
                        return Err(PgError::new("42601", "SELECT * with no tables specified is not valid"));
                    }
                    let shown: Vec<&Visible> = scope.columns.iter().filter(|column| !column.merged).collect();
                    self.spread(scope, &shown, &mut items)?;
                }
                SelectItem::QualifiedWildcard(
                    ast::SelectItemQualifiedWildcardKind::ObjectName(name),
                    options,
                ) => {
                    refuse_options(options)?;
                    let (_, table) = names::qualified(name, self.cx.name)?;
                    let shown: Vec<&Visible> =
                        scope.columns.iter().filter(|column| column.of == table).collect();
                    if shown.is_empty() {
                        return Err(PgError::new(
                            "42P01",
                            format!("missing FROM-clause entry for table \"{table}\""),
                        )
                        .at(names::place(name)));
                    }
                    self.spread(scope, &shown, &mut items)?;
                }
                other => return Err(PgError::unsupported(format_args!("`{other}` among what is selected"))),
            }
        }
        Ok(items)
    }

    fn spread<'a>(&self, scope: &Scope<'_>, columns: &[&Visible], items: &mut Vec<Item<'a>>) -> Result<()> {
        for column in columns {
            scope.used(column, sqlparser::tokenizer::Location { line: 0, column: 0 }, 0)?;
            items.push(Item {
                output: output_of(column),
                bound: Expr::new(Node::Column { up: 0, at: column.at }, column.kind.clone()),
                written: None,
                series: false,
            });
        }
        Ok(())
    }

    fn item<'a>(&self, scope: &Scope<'_>, written: &'a ast::Expr, name: String) -> Result<Item<'a>> {
        let (bound, series) = match written {
            // What gives a set of rows may stand here, and nowhere deeper.
            ast::Expr::Function(call) => {
                let _within = scope.within_key(written);
                self.call(scope, call)?
            }
            _ => (self.expr(scope, written)?, false),
        };
        let of = match &bound.node {
            Node::Column { up: 0, at } => {
                scope.columns.iter().find(|column| column.at == *at).and_then(|column| column.source)
            }
            _ => None,
        };
        let output = Output { name, kind: bound.kind.clone(), of };
        Ok(Item { output, bound, written: Some(written), series })
    }

    fn order_of_select<'a>(
        &self,
        scope: &Scope<'_>,
        order: &'a [ast::OrderByExpr],
        items: &mut Vec<Item<'a>>,
        distinct: bool,
    ) -> Result<Vec<Order>> {
        let visible = items.len();
        let mut orders = Vec::new();
        for by in order {
            let (descending, nulls_first) = direction(by)?;
            let known = match &by.expr {
                ast::Expr::Value(value) => position(&value.value, visible)?,
                ast::Expr::Identifier(ident) => {
                    let name = names::folded(ident);
                    items[..visible].iter().position(|item| item.output.name == name)
                }
                _ => None,
            };
            let known = known.or_else(|| items.iter().position(|item| item.written == Some(&by.expr)));
            let column = match known {
                Some(place) => place,
                None => {
                    let bound = self.settled(self.expr(scope, &by.expr)?)?;
                    let same = |item: &Item<'_>| match (&item.bound.node, &bound.node) {
                        (Node::Column { up, at }, Node::Column { up: other, at: place }) => {
                            up == other && at == place
                        }
                        _ => false,
                    };
                    match items.iter().position(same) {
                        Some(place) => place,
                        None if distinct => {
                            return Err(PgError::new(
                                "42P10",
                                "for SELECT DISTINCT, ORDER BY expressions must appear in select list",
                            ));
                        }
                        None => {
                            let output = Output { name: String::new(), kind: bound.kind.clone(), of: None };
                            items.push(Item { output, bound, written: Some(&by.expr), series: false });
                            items.len() - 1
                        }
                    }
                }
            };
            orders.push(Order { column, descending, nulls_first });
        }
        Ok(orders)
    }

    fn distinct_of<'a>(
        &self,
        scope: &Scope<'_>,
        distinct: Option<&'a ast::Distinct>,
        items: &mut Vec<Item<'a>>,
        visible: usize,
        order: &[Order],
    ) -> Result<Option<Vec<usize>>> {
        let on = match distinct {
            None | Some(ast::Distinct::All) => return Ok(None),
            Some(ast::Distinct::Distinct) => return Ok(Some((0..visible).collect())),
            Some(ast::Distinct::On(on)) => on,
        };
        let mut places = Vec::new();
        for expression in on {
            let known = items.iter().position(|item| item.written == Some(expression));
            places.push(match known {
                Some(place) => place,
                None => {
                    let item = self.item(scope, expression, String::new())?;
                    let same = |other: &Item<'_>| match (&other.bound.node, &item.bound.node) {
                        (Node::Column { up, at }, Node::Column { up: other, at: place }) => {
                            up == other && at == place
                        }
                        _ => false,
                    };
                    items.iter().position(same).unwrap_or_else(|| {
                        items.push(item);
                        items.len() - 1
                    })
                }
            });
        }
        let first: Vec<usize> = order.iter().take(places.len()).map(|by| by.column).collect();
        if first.iter().any(|column| !places.contains(column)) {
            return Err(PgError::new(
                "42P10",
                "SELECT DISTINCT ON expressions must match initial ORDER BY expressions",
            ));
        }
        Ok(Some(places))
    }

    /// What a changed row gives back.
    pub(crate) fn returning(
        &self,
        scope: &Scope<'_>,
        returning: Option<&Vec<SelectItem>>,
    ) -> Result<(Vec<Expr>, Vec<Output>)> {
        let Some(returning) = returning else { return Ok((Vec::new(), Vec::new())) };
        let items = self.items(scope, returning)?;
        if items.iter().any(|item| item.series) {
            return Err(PgError::new("0A000", "set-returning functions are not allowed in RETURNING"));
        }
        Ok(items.into_iter().map(|item| (item.bound, item.output)).unzip())
    }
}

fn output_of(column: &Visible) -> Output {
    Output { name: column.name.clone(), kind: column.kind.clone(), of: column.source }
}

fn refuse(select: &ast::Select) -> Result<()> {
    let unknown = select.top.is_some()
        || select.exclude.is_some()
        || !select.lateral_views.is_empty()
        || select.prewhere.is_some()
        || !select.connect_by.is_empty()
        || !select.cluster_by.is_empty()
        || !select.distribute_by.is_empty()
        || !select.sort_by.is_empty()
        || !select.named_window.is_empty()
        || select.qualify.is_some()
        || select.value_table_mode.is_some();
    if unknown {
        return Err(PgError::unsupported("a clause of this SELECT"));
    }
    match &select.into {
        Some(_) => Err(PgError::unsupported("SELECT INTO")),
        None => Ok(()),
    }
}

fn refuse_options(options: &ast::WildcardAdditionalOptions) -> Result<()> {
    let some = options.opt_ilike.is_some()
        || options.opt_exclude.is_some()
        || options.opt_except.is_some()
        || options.opt_replace.is_some()
        || options.opt_rename.is_some();
    if some { Err(PgError::unsupported("what stands behind `*`")) } else { Ok(()) }
}

/// What is grouped by, with places and aliases resolved to what they stand for.
fn group_keys(select: &ast::Select) -> Result<Vec<ast::Expr>> {
    let GroupByExpr::Expressions(keys, modifiers) = &select.group_by else {
        return Err(PgError::unsupported("GROUP BY ALL"));
    };
    if !modifiers.is_empty() {
        return Err(PgError::unsupported("grouping sets"));
    }
    let aliased = |name: &ast::Ident| {
        select.projection.iter().find_map(|item| match item {
            SelectItem::ExprWithAlias { expr, alias } if names::folded(alias) == names::folded(name) => {
                Some(expr)
            }
            _ => None,
        })
    };
    keys.iter()
        .map(|key| match key {
            ast::Expr::Value(value) => match position(&value.value, select.projection.len()) {
                Ok(Some(place)) => match &select.projection[place] {
                    SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                        Ok(expr.clone())
                    }
                    other => Err(PgError::unsupported(format_args!("GROUP BY a place that is {other}"))),
                },
                Ok(None) => Err(PgError::new("42601", "non-integer constant in GROUP BY")),
                Err(_) => {
                    Err(PgError::new("42P10", format!("GROUP BY position {value} is not in select list")))
                }
            },
            ast::Expr::GroupingSets(_) | ast::Expr::Cube(_) | ast::Expr::Rollup(_) => {
                Err(PgError::unsupported("grouping sets"))
            }
            // A column comes before an alias; what is no column is found by binding it.
            ast::Expr::Identifier(name) => {
                Ok(aliased(name).filter(|_| !is_column(select, name)).unwrap_or(key).clone())
            }
            key => Ok(key.clone()),
        })
        .collect()
}

/// It is selected under its own name, or some table could have it: then it is taken for the column.
fn is_column(select: &ast::Select, name: &ast::Ident) -> bool {
    select.projection.iter().any(|item| match item {
        SelectItem::ExprWithAlias { expr: ast::Expr::Identifier(column), alias } => {
            column == name && alias == name
        }
        SelectItem::ExprWithAlias { expr: ast::Expr::CompoundIdentifier(parts), alias } => {
            parts.last() == Some(name) && alias == name
        }
        _ => false,
    })
}

/// The name of a column that is given none, by PostgreSQL's `FigureColname`.
pub(super) fn name_of(expression: &ast::Expr) -> Option<String> {
    use ast::Expr as E;
    let fixed = |name: &str| Some(name.to_owned());
    match expression {
        E::Identifier(ident) => Some(names::folded(ident)),
        E::CompoundIdentifier(parts) => parts.last().map(names::folded),
        E::Nested(inner) | E::Collate { expr: inner, .. } => name_of(inner),
        E::CompoundFieldAccess { root, .. } => name_of(root),
        E::Function(call) => super::function::function_name(call).ok(),
        E::Cast { expr, data_type, .. } => match &**expr {
            // A literal has no name, so the type gives it.
            E::Value(_) => type_name(data_type),
            inner => name_of(inner).or_else(|| type_name(data_type)),
        },
        E::TypedString(typed) => type_name(&typed.data_type),
        E::Interval(_) => fixed("interval"),
        E::Value(value) if matches!(value.value, ast::Value::Boolean(_)) => fixed("bool"),
        E::Case { else_result, .. } => match else_result.as_deref() {
            Some(otherwise) if !matches!(otherwise, E::Value(_)) => {
                name_of(otherwise).or_else(|| fixed("case"))
            }
            _ => fixed("case"),
        },
        E::Array(_) => fixed("array"),
        E::Tuple(_) => fixed("row"),
        E::Exists { .. } => fixed("exists"),
        E::Extract { .. } => fixed("extract"),
        E::Ceil { .. } => fixed("ceil"),
        E::Floor { .. } => fixed("floor"),
        E::Position { .. } => fixed("position"),
        E::Substring { shorthand, .. } => fixed(if *shorthand { "substr" } else { "substring" }),
        E::Trim { trim_where, .. } => fixed(match trim_where {
            Some(ast::TrimWhereField::Leading) => "ltrim",
            Some(ast::TrimWhereField::Trailing) => "rtrim",
            _ => "btrim",
        }),
        E::AtTimeZone { .. } => fixed("timezone"),
        E::Subquery(query) => match &*query.body {
            ast::SetExpr::Select(select) => match select.projection.first() {
                Some(SelectItem::ExprWithAlias { alias, .. }) => Some(names::folded(alias)),
                Some(SelectItem::UnnamedExpr(expression)) => name_of(expression),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

fn type_name(kind: &ast::DataType) -> Option<String> {
    super::data_type(kind).ok().map(|kind: Type| match kind {
        Type::Array(element) => element.short(),
        kind => kind.short(),
    })
}
