//! Names and types: of a parsed statement a plan is made, whose every expression has its type.

mod change;
mod expression;
mod from;
mod function;
mod literal;
mod operator;
mod query;
mod select;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::sync::Arc;

use sqlparser::ast;
use sqlparser::tokenizer::Location;

use super::aggregate::Aggregate;
use super::cast::{How, castable, rank};
use super::context::Context;
use super::expr::{Expr, Node, Result};
use super::plan::Output;
use super::window::Window;
use crate::postgres::PgError;
use crate::value::{Datum, Type, from_text};

pub(crate) use change::visible;
pub(crate) use literal::{data_type, string_of};

/// Binds one statement.
pub(crate) struct Binder<'b, 's> {
    pub(crate) cx: &'b Context<'s>,
    /// The types of the parameters, as far as they are known.
    pub(crate) parameters: RefCell<Vec<Type>>,
    /// Queries of `WITH` that can be seen, the innermost last.
    named: RefCell<Vec<Seen>>,
    places: Cell<usize>,
}

#[derive(Clone)]
struct Seen {
    name: String,
    place: usize,
    columns: Vec<Output>,
}

/// What names mean at a place: the columns of a query's rows, and of the queries around it.
pub(crate) struct Scope<'p> {
    pub(crate) columns: Vec<Visible>,
    pub(crate) parent: Option<&'p Scope<'p>>,
    collected: Option<RefCell<Collected>>,
    /// What stands here, for errors: `WHERE`.
    clause: &'static str,
}

/// A column that can be named.
#[derive(Debug, Clone)]
pub(crate) struct Visible {
    /// The table's alias.
    pub(crate) of: String,
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
    pub(crate) kind: Type,
    pub(crate) at: usize,
    pub(crate) source: Option<(u32, i16)>,
    /// Found only with its table's name: the other side of `USING` stands for it.
    pub(crate) merged: bool,
}

/// What is found among the selected: aggregates, windows, and columns that stand for themselves.
#[derive(Default)]
struct Collected {
    width: usize,
    aggregates: Vec<Aggregate>,
    windows: Vec<Window>,
    keys: Vec<ast::Expr>,
    allowed: BTreeSet<usize>,
    bare: Option<(String, Location)>,
    /// Within an aggregate's arguments, or a key of the grouping.
    inside: bool,
}

impl<'p> Scope<'p> {
    pub(crate) fn new(columns: Vec<Visible>, parent: Option<&'p Scope<'p>>, clause: &'static str) -> Self {
        Scope { columns, parent, collected: None, clause }
    }

    pub(crate) const EMPTY: Scope<'static> =
        Scope { columns: Vec::new(), parent: None, collected: None, clause: "this place" };
}

impl<'b, 's> Binder<'b, 's> {
    pub(crate) fn new(cx: &'b Context<'s>, parameters: Vec<Type>) -> Self {
        Binder {
            cx,
            parameters: RefCell::new(parameters),
            named: RefCell::new(Vec::new()),
            places: Cell::new(0),
        }
    }

    /// A parameter, counted from 0.
    fn parameter(&self, at: usize) -> Result<Expr> {
        let mut parameters = self.parameters.borrow_mut();
        if at >= 65_535 {
            return Err(PgError::new("42P02", format!("there is no parameter ${}", at + 1)));
        }
        if parameters.len() <= at {
            parameters.resize(at + 1, Type::Unknown);
        }
        Ok(Expr::new(Node::Parameter(at), parameters[at].clone()))
    }

    /// With the type that it has where nothing else is said: what is unknown is a text.
    pub(crate) fn settled(&self, expression: Expr) -> Result<Expr> {
        match expression.kind {
            Type::Unknown => self.coerced(expression, &Type::Text, How::Implicit),
            _ => Ok(expression),
        }
    }

    /// As a value of this type, if it becomes one this way.
    ///
    /// # Errors
    /// 42804; of a text that is no such value, its own.
    pub(crate) fn coerced(&self, expression: Expr, kind: &Type, how: How) -> Result<Expr> {
        if expression.kind == Type::Unknown {
            return self.resolved(expression, kind, how);
        }
        if expression.kind == *kind {
            return Ok(expression);
        }
        match castable(&expression.kind, kind) {
            Some(needed) if needed <= how => {
                // A declaration adds nothing that a value would have to be looked at for.
                let same = expression.kind.plain() == kind.plain() && *kind == kind.plain();
                if same {
                    return Ok(Expr::new(expression.node, kind.clone()));
                }
                Ok(Expr::new(Node::Cast(Box::new(expression), how), kind.clone()))
            }
            _ => Err(PgError::new(
                "42804",
                format!("{} cannot become {}", expression.kind.plain_name(), kind.plain_name()),
            )),
        }
    }

    /// What was unknown is of this type.
    fn resolved(&self, expression: Expr, kind: &Type, how: How) -> Result<Expr> {
        Ok(match expression.node {
            Node::Constant(Datum::Text(text)) => match kind {
                Type::Unknown => Expr::constant(Datum::Text(text), Type::Unknown),
                // Looked up, or cut, when it is run.
                Type::Regclass | Type::Varchar(_) | Type::Bit(_) => Expr::new(
                    Node::Cast(Box::new(Expr::constant(Datum::Text(text), Type::Text)), how),
                    kind.clone(),
                ),
                kind => Expr::constant(from_text(&text, kind)?, kind.clone()),
            },
            Node::Constant(datum) => Expr::constant(datum, kind.clone()),
            Node::Parameter(at) => {
                let plain = kind.plain();
                let mut parameters = self.parameters.borrow_mut();
                if parameters[at] == Type::Unknown {
                    parameters[at] = plain.clone();
                }
                let known = Expr::new(Node::Parameter(at), parameters[at].clone());
                drop(parameters);
                if known.kind == *kind { known } else { self.coerced(known, kind, how)? }
            }
            node => Expr::new(Node::Cast(Box::new(Expr::new(node, Type::Text)), How::Explicit), kind.clone()),
        })
    }

    /// The one type that all of these can become.
    pub(crate) fn common(&self, kinds: impl IntoIterator<Item = Type>, what: &str) -> Result<Type> {
        let mut common = Type::Unknown;
        for kind in kinds {
            if kind == Type::Unknown || kind == common {
                continue;
            }
            common = match (&common, &kind) {
                (Type::Unknown, _) => kind,
                (one, other) if one.plain() == other.plain() => kind.plain(),
                (one, other) => match (rank(one), rank(other)) {
                    (Some(first), Some(second)) => {
                        if first >= second {
                            one.plain()
                        } else {
                            other.plain()
                        }
                    }
                    _ if castable(other, one) == Some(How::Implicit) && !prefers(other, one) => one.plain(),
                    _ if castable(one, other) == Some(How::Implicit) => other.plain(),
                    _ => {
                        return Err(PgError::new(
                            "42804",
                            format!(
                                "{what} types {} and {} cannot be matched",
                                one.plain_name(),
                                other.plain_name()
                            ),
                        ));
                    }
                },
            };
        }
        Ok(if common == Type::Unknown { Type::Text } else { common })
    }

    /// A condition.
    pub(crate) fn condition(&self, scope: &Scope<'_>, expression: &ast::Expr, what: &str) -> Result<Expr> {
        let bound = self.expr(scope, expression)?;
        let kind = bound.kind.plain_name();
        self.coerced(bound, &Type::Bool, How::Implicit).map_err(|error| match error.code {
            "42804" => {
                PgError::new("42804", format!("argument of {what} must be type boolean, not type {kind}"))
            }
            _ => error,
        })
    }

    fn place(&self) -> usize {
        self.places.replace(self.places.get() + 1)
    }
}

/// Of two that become each other, the one that is kept: `text` before `varchar`, `timestamptz` before the others.
fn prefers(one: &Type, other: &Type) -> bool {
    let preferred = |kind: &Type| matches!(kind, Type::Text | Type::Timestamptz | Type::Float8 | Type::Oid);
    preferred(one) && !preferred(other)
}

/// A query that can be seen by its name, until this goes.
struct NamedGuard<'b> {
    named: &'b RefCell<Vec<Seen>>,
    before: usize,
}

impl Drop for NamedGuard<'_> {
    fn drop(&mut self) {
        self.named.borrow_mut().truncate(self.before);
    }
}

/// Kept by value, as plans outlive what they are made of.
pub(crate) fn shared<T>(value: T) -> Arc<T> {
    Arc::new(value)
}
