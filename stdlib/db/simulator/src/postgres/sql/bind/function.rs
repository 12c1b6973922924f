//! Calls: of functions, aggregates and windows.

use sqlparser::ast::{self, FunctionArg, FunctionArgExpr, FunctionArguments};
use sqlparser::tokenizer::Location;

use super::super::aggregate::{self, Aggregate};
use super::super::cast::How;
use super::super::expr::{Expr, Function, Node, Result};
use super::super::window::{self, Window};
use super::super::{functions, names};
use super::{Binder, Collected, Scope, Visible, shared};
use crate::postgres::PgError;
use crate::value::{Datum, Type};

/// What stands between the parentheses.
struct Arguments<'a> {
    list: Vec<&'a ast::Expr>,
    star: bool,
    distinct: bool,
    order: &'a [ast::OrderByExpr],
}

/// 42883
pub(super) fn no_function(name: &str, arguments: &[Expr]) -> PgError {
    let kinds: Vec<String> = arguments.iter().map(|argument| argument.kind.plain_name()).collect();
    let message = format!("function {name}({}) does not exist", kinds.join(", "));
    let hint =
        "No function matches the given name and argument types. You might need to add explicit type casts.";
    PgError::new("42883", message).hint(hint)
}

impl Binder<'_, '_> {
    pub(super) fn function(&self, scope: &Scope<'_>, call: &ast::Function) -> Result<Expr> {
        let (expression, set) = self.call(scope, call)?;
        if set {
            return Err(PgError::unsupported(format_args!("a set of rows of {}() at this place", call.name)));
        }
        Ok(expression)
    }

    /// A call, and whether it gives an array of rows.
    pub(super) fn call(&self, scope: &Scope<'_>, call: &ast::Function) -> Result<(Expr, bool)> {
        let name = function_name(call)?;
        let place = names::place(&call.name);
        if call.null_treatment.is_some() || !call.within_group.is_empty() {
            return Err(PgError::unsupported(format_args!("`{call}`")));
        }
        if name == "array"
            && let FunctionArguments::Subquery(query) = &call.args
        {
            let query = self.query(query, Some(scope))?;
            let kind = query.columns.first().map_or(Type::Text, |column| column.kind.clone());
            let node = Node::Subquery(super::super::expr::Kind::Array, None, shared(query));
            return Ok((Expr::new(node, Type::Array(Box::new(kind))), false));
        }
        let arguments = arguments(call)?;
        if call.over.is_some() {
            return Ok((self.window(scope, call, &name, &arguments)?, false));
        }
        if let Some(what) = aggregate::What::named(&name) {
            return Ok((self.aggregated(scope, call, what, &name, &arguments)?, false));
        }
        if arguments.distinct || arguments.star || !arguments.order.is_empty() || call.filter.is_some() {
            return Err(PgError::new("42809", format!("{name} is not an aggregate function")).at(place));
        }
        if let Some(special) = self.special(scope, &name, &arguments.list)? {
            return Ok((special, false));
        }
        let bound = arguments.list.iter().map(|one| self.expr(scope, one)).collect::<Result<Vec<_>>>()?;
        let called = functions::call(self, &name, &bound).map_err(|error| error.at(place))?;
        match called {
            Some(called) => Ok((called.expression, called.set)),
            None if functions::known(&name) => Err(no_function(&name, &bound).at(place)),
            None => Err(no_function(&name, &bound)
                .hint("Either there is no such function, or it is one that is not simulated.")
                .at(place)),
        }
    }

    /// What looks like a call and is no function.
    fn special(&self, scope: &Scope<'_>, name: &str, list: &[&ast::Expr]) -> Result<Option<Expr>> {
        let bound = || list.iter().map(|one| self.expr(scope, one)).collect::<Result<Vec<_>>>();
        let alike = |bound: Vec<Expr>, what: &str| {
            let kind = self.common(bound.iter().map(|one| one.kind.clone()), what)?;
            let alike = bound.into_iter().map(|one| self.coerced(one, &kind, How::Implicit));
            Ok::<_, PgError>((alike.collect::<Result<Vec<_>>>()?, kind))
        };
        Ok(Some(match name {
            "coalesce" => {
                let (items, kind) = alike(bound()?, "COALESCE")?;
                Expr::new(Node::Coalesce(items), kind)
            }
            "nullif" if list.len() == 2 => {
                let mut both = bound()?;
                let (right, left) = (both.remove(1), both.remove(0));
                let (left, right) = self.matched("=", left, right)?;
                let kind = left.kind.clone();
                Expr::new(Node::NullIf(Box::new(left), Box::new(right)), kind)
            }
            "greatest" | "least" => {
                let (items, kind) = alike(bound()?, &name.to_ascii_uppercase())?;
                let function: Function = match name {
                    "least" => |_, a| Ok(extreme(a, false)),
                    _ => |_, a| Ok(extreme(a, true)),
                };
                Expr::new(Node::CallAlways(function, items), kind)
            }
            "row" => Expr::new(Node::Record(bound()?), Type::Record),
            "current_date" => {
                let now = functions::call(self, "now", &[])?.map(|called| called.expression);
                now.map(|now| Expr::new(Node::Cast(Box::new(now), How::Explicit), Type::Date))
                    .ok_or_else(|| no_function(name, &[]))?
            }
            "current_timestamp" if list.is_empty() => return self.special_time(Type::Timestamptz).map(Some),
            "localtimestamp" if list.is_empty() => return self.special_time(Type::Timestamp).map(Some),
            "localtime" if list.is_empty() => return self.special_time(Type::Time).map(Some),
            _ => return Ok(None),
        }))
    }

    fn special_time(&self, kind: Type) -> Result<Expr> {
        let now = functions::call(self, "now", &[])?.ok_or_else(|| no_function("now", &[]))?.expression;
        Ok(match kind {
            Type::Timestamptz => now,
            kind => Expr::new(Node::Cast(Box::new(now), How::Explicit), kind),
        })
    }

    fn aggregated(
        &self,
        scope: &Scope<'_>,
        call: &ast::Function,
        what: aggregate::What,
        name: &str,
        arguments: &Arguments<'_>,
    ) -> Result<Expr> {
        let place = names::place(&call.name);
        // An aggregate of an outer query's columns belongs to that; that is not simulated.
        let Some(collected) = &scope.collected else {
            return Err(PgError::new(
                "42803",
                format!("aggregate functions are not allowed in {}", scope.clause),
            )
            .at(place));
        };
        if collected.borrow().inside_aggregate() {
            return Err(PgError::new("42803", "aggregate function calls cannot be nested").at(place));
        }
        let (aggregate, kind) = {
            let before = std::mem::replace(&mut collected.borrow_mut().inside, true);
            let made = self.aggregate(scope, call, what, name, arguments);
            collected.borrow_mut().inside = before;
            made.map_err(|error| error.at(place))?
        };
        let mut collected = collected.borrow_mut();
        collected.aggregates.push(aggregate);
        let at = collected.width + collected.aggregates.len() - 1;
        Ok(Expr::new(Node::Column { up: 0, at }, kind))
    }

    fn aggregate(
        &self,
        scope: &Scope<'_>,
        call: &ast::Function,
        what: aggregate::What,
        name: &str,
        arguments: &Arguments<'_>,
    ) -> Result<(Aggregate, Type)> {
        let what = match (what, arguments.star) {
            (aggregate::What::Count, true) => aggregate::What::CountAll,
            (_, true) => return Err(PgError::new("42883", format!("function {name}() does not exist"))),
            (what, false) => what,
        };
        let bound = arguments.list.iter().map(|one| self.expr(scope, one)).collect::<Result<Vec<_>>>()?;
        let kinds: Vec<Type> = bound.iter().map(|one| one.kind.clone()).collect();
        let (wanted, kind) = what.kinds(&kinds).ok_or_else(|| no_function(name, &bound))?;
        let bound = match what {
            aggregate::What::CountAll => Vec::new(),
            _ => bound
                .into_iter()
                .zip(&wanted)
                .map(|(one, kind)| match kind {
                    Type::Unknown => self.settled(one),
                    kind => self.coerced(one, kind, How::Implicit),
                })
                .collect::<Result<_>>()?,
        };
        let filter =
            call.filter.as_ref().map(|filter| self.condition(scope, filter, "FILTER")).transpose()?;
        let aggregate = Aggregate {
            what,
            arguments: bound,
            distinct: arguments.distinct,
            filter,
            order: self.order(scope, arguments.order)?,
        };
        Ok((aggregate, kind))
    }

    pub(super) fn order(
        &self,
        scope: &Scope<'_>,
        order: &[ast::OrderByExpr],
    ) -> Result<Vec<(Expr, bool, bool)>> {
        order
            .iter()
            .map(|by| {
                let bound = self.expr(scope, &by.expr)?;
                let (descending, nulls_first) = super::query::direction(by)?;
                Ok((self.settled(bound)?, descending, nulls_first))
            })
            .collect()
    }

    fn window(
        &self,
        scope: &Scope<'_>,
        call: &ast::Function,
        name: &str,
        arguments: &Arguments<'_>,
    ) -> Result<Expr> {
        let place = names::place(&call.name);
        let Some(collected) = &scope.collected else {
            return Err(PgError::new(
                "42P20",
                format!("window functions are not allowed in {}", scope.clause),
            )
            .at(place));
        };
        let spec = match &call.over {
            Some(ast::WindowType::WindowSpec(spec)) if spec.window_name.is_none() => spec,
            _ => return Err(PgError::unsupported("a window with a name")),
        };
        if spec.window_frame.is_some() {
            return Err(PgError::unsupported("the frame of a window"));
        }
        let (what, kind) = if let Some(what) = aggregate::What::named(name) {
            let (aggregate, kind) = self.aggregate(scope, call, what, name, arguments)?;
            (window::What::Aggregate(aggregate), kind)
        } else {
            let mut bound =
                arguments.list.iter().map(|one| self.expr(scope, one)).collect::<Result<Vec<_>>>()?;
            match (name, bound.len()) {
                ("row_number", 0) => (window::What::RowNumber, Type::Int8),
                ("rank", 0) => (window::What::Rank, Type::Int8),
                ("dense_rank", 0) => (window::What::DenseRank, Type::Int8),
                ("first_value" | "last_value", 1) => {
                    let value = self.settled(bound.remove(0))?;
                    let kind = value.kind.clone();
                    let what = if name == "first_value" { window::What::First } else { window::What::Last };
                    (what(value), kind)
                }
                ("lag" | "lead", 1..=3) => {
                    let mut rest = bound.drain(..);
                    let value = rest.next().map(|value| self.settled(value)).transpose()?;
                    let value = value.ok_or_else(|| no_function(name, &[]))?;
                    let kind = value.kind.clone();
                    let by =
                        rest.next().map(|by| self.coerced(by, &Type::Int4, How::Implicit)).transpose()?;
                    let otherwise =
                        rest.next().map(|other| self.coerced(other, &kind, How::Implicit)).transpose()?;
                    (window::What::Beside { value, by, otherwise, back: name == "lag" }, kind)
                }
                _ => return Err(no_function(name, &bound).at(place)),
            }
        };
        let partition =
            spec.partition_by.iter().map(|one| self.expr(scope, one)).collect::<Result<Vec<_>>>()?;
        let window = Window { what, partition, order: self.order(scope, &spec.order_by)? };
        let mut collected = collected.borrow_mut();
        collected.windows.push(window);
        Ok(Expr::new(Node::Window(collected.windows.len() - 1), kind))
    }
}

/// The largest, or smallest, of what there is.
fn extreme(items: &[Datum], largest: bool) -> Datum {
    let there = items.iter().filter(|item| !item.is_null());
    let found = if largest {
        there.max_by(|one, other| one.order(other))
    } else {
        there.min_by(|one, other| one.order(other))
    };
    found.cloned().unwrap_or(Datum::Null)
}

/// In `pg_catalog` or without a schema.
pub(super) fn function_name(call: &ast::Function) -> Result<String> {
    let (schema, name) = names::qualified(&call.name, "")?;
    match schema.as_deref() {
        None | Some("pg_catalog") => Ok(name),
        Some(schema) => Err(PgError::new("42883", format!("function {schema}.{name}() does not exist"))),
    }
}

fn arguments(call: &ast::Function) -> Result<Arguments<'_>> {
    let mut found = Arguments { list: Vec::new(), star: false, distinct: false, order: &[] };
    let list = match &call.args {
        FunctionArguments::None => return Ok(found),
        FunctionArguments::Subquery(_) => return Err(PgError::unsupported(format_args!("`{call}`"))),
        FunctionArguments::List(list) => list,
    };
    found.distinct = list.duplicate_treatment == Some(ast::DuplicateTreatment::Distinct);
    for clause in &list.clauses {
        match clause {
            ast::FunctionArgumentClause::OrderBy(order) => found.order = order,
            other => return Err(PgError::unsupported(format_args!("`{other}` in a call"))),
        }
    }
    for argument in &list.args {
        match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => found.list.push(expression),
            FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => found.star = true,
            other => return Err(PgError::unsupported(format_args!("the argument `{other}`"))),
        }
    }
    Ok(found)
}

impl Collected {
    fn inside_aggregate(&self) -> bool {
        self.inside
    }
}

impl Scope<'_> {
    /// A column is used: if it stands for itself among what is selected, that is remembered.
    pub(super) fn used(&self, column: &Visible, at: Location, up: usize) -> Result<()> {
        let _ = up;
        if let Some(collected) = &self.collected {
            let mut collected = collected.borrow_mut();
            if !collected.inside && collected.bare.is_none() && !collected.allowed.contains(&column.at) {
                collected.bare = Some((format!("{}.{}", column.of, column.name), at));
            }
        }
        Ok(())
    }

    /// Within an expression that is a key of the grouping, columns stand for themselves.
    pub(super) fn within_key(&self, expression: &ast::Expr) -> Option<Key<'_>> {
        let collected = self.collected.as_ref()?;
        let mut state = collected.borrow_mut();
        if state.inside || !state.keys.contains(expression) {
            return None;
        }
        state.inside = true;
        Some(Key(collected))
    }
}

/// As long as this lives, what is bound is within a key.
pub(super) struct Key<'k>(&'k std::cell::RefCell<Collected>);

impl Drop for Key<'_> {
    fn drop(&mut self) {
        self.0.borrow_mut().inside = false;
    }
}
