//! Expressions whose names and types are known, and what they come to for a row.

use std::cmp::Ordering;
use std::sync::Arc;

use super::cast;
use super::context::Context;
use super::plan::Query;
use crate::postgres::PgError;
use crate::value::{Datum, Type};

pub(crate) type Result<T> = std::result::Result<T, PgError>;

/// A function of values.
pub(crate) type Function = fn(&Context<'_>, &[Datum]) -> Result<Datum>;

#[derive(Debug, Clone)]
pub(crate) struct Expr {
    pub(crate) node: Node,
    pub(crate) kind: Type,
}

#[derive(Debug, Clone)]
pub(crate) enum Node {
    Constant(Datum),
    /// Counted from 0.
    Parameter(usize),
    /// Of the row of so many queries further out.
    Column {
        up: usize,
        at: usize,
    },
    /// What a window function has come to for the row: it stands so many places from its end.
    Window(usize),
    /// Gives nothing if an argument is nothing.
    Call(Function, Vec<Expr>),
    /// Sees what is nothing.
    CallAlways(Function, Vec<Expr>),
    Cast(Box<Expr>, cast::How),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    IsNull(Box<Expr>),
    /// Is it this; what is nothing is not.
    Is(Box<Expr>, bool),
    Compare(Comparison, Box<Expr>, Box<Expr>),
    Distinct(Box<Expr>, Box<Expr>),
    Case {
        branches: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
    },
    Coalesce(Vec<Expr>),
    NullIf(Box<Expr>, Box<Expr>),
    /// With one of an array, or all of them.
    Quantified {
        comparison: Quantifier,
        left: Box<Expr>,
        array: Box<Expr>,
        all: bool,
    },
    In(Box<Expr>, Vec<Expr>),
    Array(Vec<Expr>),
    Record(Vec<Expr>),
    Subquery(Kind, Option<Box<Expr>>, Arc<Query>),
}

/// What becomes of a query in an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Scalar,
    Exists,
    Array,
    /// With one of its rows, or all of them.
    Any(Comparison),
    All(Comparison),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    pub(crate) fn holds(self, order: Ordering) -> bool {
        match self {
            Comparison::Equal => order.is_eq(),
            Comparison::NotEqual => order.is_ne(),
            Comparison::Less => order.is_lt(),
            Comparison::LessOrEqual => order.is_le(),
            Comparison::Greater => order.is_gt(),
            Comparison::GreaterOrEqual => order.is_ge(),
        }
    }
}

/// What is asked of each item of an array.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Quantifier {
    Comparison(Comparison),
    Function(Function),
}

/// The rows that an expression sees, from its own query outwards.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'r> {
    pub(crate) row: &'r [Datum],
    pub(crate) outer: Option<&'r Rows<'r>>,
}

impl Rows<'_> {
    pub(crate) const NONE: Rows<'static> = Rows { row: &[], outer: None };
}

impl Expr {
    pub(crate) fn new(node: Node, kind: Type) -> Self {
        Expr { node, kind }
    }

    pub(crate) fn constant(datum: Datum, kind: Type) -> Self {
        Expr::new(Node::Constant(datum), kind)
    }

    pub(crate) fn null() -> Self {
        Expr::constant(Datum::Null, Type::Unknown)
    }

    pub(crate) fn call(function: Function, arguments: Vec<Expr>, kind: Type) -> Self {
        Expr::new(Node::Call(function, arguments), kind)
    }

    /// What it comes to.
    pub(crate) fn value(&self, cx: &Context<'_>, rows: &Rows<'_>) -> Result<Datum> {
        match &self.node {
            Node::Constant(datum) => Ok(datum.clone()),
            Node::Parameter(at) => cx
                .parameters
                .get(*at)
                .cloned()
                .ok_or_else(|| PgError::new("42P02", format!("there is no parameter ${}", at + 1))),
            Node::Column { up, at } => {
                let mut rows = rows;
                for _ in 0..*up {
                    rows = rows.outer.ok_or_else(|| internal("a row of an outer query is missing"))?;
                }
                rows.row.get(*at).cloned().ok_or_else(|| internal("a column of a row is missing"))
            }
            Node::Window(at) => {
                let place = rows.row.len().checked_sub(at + 1);
                let value = place.and_then(|place| rows.row.get(place)).cloned();
                value.ok_or_else(|| internal("the value of a window function is missing"))
            }
            Node::Call(function, arguments) => {
                let mut values = Vec::with_capacity(arguments.len());
                for argument in arguments {
                    let value = argument.value(cx, rows)?;
                    if value.is_null() {
                        return Ok(Datum::Null);
                    }
                    values.push(value);
                }
                function(cx, &values)
            }
            Node::CallAlways(function, arguments) => function(cx, &values(arguments, cx, rows)?),
            Node::Cast(inner, how) => {
                let value = inner.value(cx, rows)?;
                if value.is_null() { Ok(value) } else { cast::cast(cx, value, &inner.kind, &self.kind, *how) }
            }
            Node::And(one, other) => match one.truth(cx, rows)? {
                Some(false) => Ok(Datum::Bool(false)),
                first => Ok(match (first, other.truth(cx, rows)?) {
                    (_, Some(false)) => Datum::Bool(false),
                    (Some(true), Some(true)) => Datum::Bool(true),
                    _ => Datum::Null,
                }),
            },
            Node::Or(one, other) => match one.truth(cx, rows)? {
                Some(true) => Ok(Datum::Bool(true)),
                first => Ok(match (first, other.truth(cx, rows)?) {
                    (_, Some(true)) => Datum::Bool(true),
                    (Some(false), Some(false)) => Datum::Bool(false),
                    _ => Datum::Null,
                }),
            },
            Node::Not(inner) => Ok(boolean(inner.truth(cx, rows)?.map(|is| !is))),
            Node::IsNull(inner) => {
                let value = inner.value(cx, rows)?;
                // A row is null if all of its fields are.
                let null = match &value {
                    Datum::Record(fields) => fields.iter().all(|(_, field)| field.is_null()),
                    other => other.is_null(),
                };
                Ok(Datum::Bool(null))
            }
            Node::Is(inner, wanted) => Ok(Datum::Bool(inner.truth(cx, rows)? == Some(*wanted))),
            Node::Compare(comparison, one, other) => {
                let one = one.value(cx, rows)?;
                if one.is_null() {
                    return Ok(Datum::Null);
                }
                Ok(compared(*comparison, &one, &other.value(cx, rows)?))
            }
            Node::Distinct(one, other) => {
                Ok(Datum::Bool(one.value(cx, rows)?.order(&other.value(cx, rows)?).is_ne()))
            }
            Node::Case { branches, otherwise } => {
                for (condition, result) in branches {
                    if condition.truth(cx, rows)? == Some(true) {
                        return result.value(cx, rows);
                    }
                }
                otherwise.as_ref().map_or(Ok(Datum::Null), |otherwise| otherwise.value(cx, rows))
            }
            Node::Coalesce(items) => {
                for item in items {
                    let value = item.value(cx, rows)?;
                    if !value.is_null() {
                        return Ok(value);
                    }
                }
                Ok(Datum::Null)
            }
            Node::NullIf(one, other) => {
                let value = one.value(cx, rows)?;
                let same = compared(Comparison::Equal, &value, &other.value(cx, rows)?);
                Ok(if same == Datum::Bool(true) { Datum::Null } else { value })
            }
            Node::Quantified { comparison, left, array, all } => {
                let left = left.value(cx, rows)?;
                match array.value(cx, rows)? {
                    Datum::Array(items) => any_or_all(*all, items.iter(), |item| {
                        if left.is_null() || item.is_null() {
                            return Ok(Datum::Null);
                        }
                        match comparison {
                            Quantifier::Comparison(comparison) => Ok(compared(*comparison, &left, item)),
                            Quantifier::Function(function) => function(cx, &[left.clone(), item.clone()]),
                        }
                    }),
                    _ => Ok(Datum::Null),
                }
            }
            Node::In(left, items) => {
                let left = left.value(cx, rows)?;
                let items = values(items, cx, rows)?;
                any_or_all(false, items.iter(), |item| Ok(compared(Comparison::Equal, &left, item)))
            }
            Node::Array(items) => Ok(Datum::Array(Arc::new(values(items, cx, rows)?))),
            Node::Record(fields) => {
                let values = values(fields, cx, rows)?;
                let kinds = fields.iter().map(|field| field.kind.clone());
                Ok(Datum::Record(Arc::new(kinds.zip(values).collect())))
            }
            Node::Subquery(kind, left, query) => self.subquery(*kind, left.as_deref(), query, cx, rows),
        }
    }

    fn subquery(
        &self,
        kind: Kind,
        left: Option<&Expr>,
        query: &Query,
        cx: &Context<'_>,
        rows: &Rows<'_>,
    ) -> Result<Datum> {
        let found = query.rows(cx, Some(rows))?;
        let first = |row: &Vec<Datum>| row.first().cloned().unwrap_or(Datum::Null);
        let (comparison, all) = match kind {
            Kind::Exists => return Ok(Datum::Bool(!found.is_empty())),
            Kind::Array => return Ok(Datum::Array(Arc::new(found.iter().map(first).collect()))),
            Kind::Scalar if found.len() > 1 => {
                return Err(PgError::new(
                    "21000",
                    "more than one row returned by a subquery used as an expression",
                ));
            }
            Kind::Scalar => return Ok(found.first().map_or(Datum::Null, first)),
            Kind::Any(comparison) => (comparison, false),
            Kind::All(comparison) => (comparison, true),
        };
        let left = match left {
            Some(left) => left.value(cx, rows)?,
            None => Datum::Null,
        };
        any_or_all(all, found.iter(), |row| {
            // A row of several columns is compared with a row.
            if let Datum::Record(fields) = &left {
                let pairs = fields.iter().zip(row).map(|((_, one), other)| compared(comparison, one, other));
                return any_or_all(comparison == Comparison::Equal, pairs, Ok);
            }
            Ok(compared(comparison, &left, &first(row)))
        })
    }

    /// What a condition comes to.
    pub(crate) fn truth(&self, cx: &Context<'_>, rows: &Rows<'_>) -> Result<Option<bool>> {
        match self.value(cx, rows)? {
            Datum::Bool(is) => Ok(Some(is)),
            _ => Ok(None),
        }
    }

    /// Its parts that are joined by `AND`.
    pub(crate) fn conjuncts<'e>(&'e self, parts: &mut Vec<&'e Expr>) {
        match &self.node {
            Node::And(one, other) => {
                one.conjuncts(parts);
                other.conjuncts(parts);
            }
            _ => parts.push(self),
        }
    }
}

pub(crate) fn values(expressions: &[Expr], cx: &Context<'_>, rows: &Rows<'_>) -> Result<Vec<Datum>> {
    expressions.iter().map(|expression| expression.value(cx, rows)).collect()
}

fn boolean(truth: Option<bool>) -> Datum {
    truth.map_or(Datum::Null, Datum::Bool)
}

pub(crate) fn compared(comparison: Comparison, one: &Datum, other: &Datum) -> Datum {
    if one.is_null() || other.is_null() {
        return Datum::Null;
    }
    if let (Datum::Record(fields), Datum::Record(others)) = (one, other) {
        let unknown = |fields: &[(Type, Datum)]| fields.iter().any(|(_, field)| field.is_null());
        if unknown(fields) || unknown(others) {
            // Equal only if the nulls were, which nobody knows; different if something else is.
            let differ = fields
                .iter()
                .zip(others.iter())
                .any(|((_, one), (_, other))| !one.is_null() && !other.is_null() && one.order(other).is_ne());
            return match comparison {
                Comparison::Equal if differ => Datum::Bool(false),
                Comparison::NotEqual if differ => Datum::Bool(true),
                _ => Datum::Null,
            };
        }
    }
    Datum::Bool(comparison.holds(one.order(other)))
}

/// True (false) with the first that is true (false, for all); nothing if one is nothing and none decides.
fn any_or_all<T>(
    all: bool,
    items: impl Iterator<Item = T>,
    mut ask: impl FnMut(T) -> Result<Datum>,
) -> Result<Datum> {
    let mut unknown = false;
    for item in items {
        match ask(item)? {
            Datum::Bool(is) if is != all => return Ok(Datum::Bool(is)),
            Datum::Bool(_) => {}
            _ => unknown = true,
        }
    }
    Ok(if unknown { Datum::Null } else { Datum::Bool(all) })
}

pub(crate) fn internal(what: &str) -> PgError {
    PgError::new("XX000", format!("internal error of the simulated server: {what}"))
}
