//! Aggregates: what many rows come to.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::cast;
use super::context::Context;
use super::expr::{Expr, Result, Rows, values};
use super::functions;
use super::plan::{self, Row};
use crate::postgres::PgError;
use crate::value::{Datum, Json, Numeric, Ordered, Type};

#[derive(Debug, Clone)]
pub(crate) struct Aggregate {
    pub(crate) what: What,
    pub(crate) arguments: Vec<Expr>,
    pub(crate) distinct: bool,
    pub(crate) filter: Option<Expr>,
    /// With whether it descends, and whether what is absent comes first.
    pub(crate) order: Vec<(Expr, bool, bool)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// Of rows.
    CountAll,
    Count,
    Sum,
    Average,
    Least,
    Greatest,
    And,
    Or,
    Strings,
    Array,
    Jsonb,
    JsonbObject,
}

impl What {
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "count" => What::Count,
            "sum" => What::Sum,
            "avg" => What::Average,
            "min" => What::Least,
            "max" => What::Greatest,
            "bool_and" | "every" => What::And,
            "bool_or" => What::Or,
            "string_agg" => What::Strings,
            "array_agg" => What::Array,
            "jsonb_agg" => What::Jsonb,
            "jsonb_object_agg" => What::JsonbObject,
            _ => return None,
        })
    }

    /// The types that its arguments are wanted in, and that of its result; `None` if there is no such aggregate.
    pub(crate) fn kinds(self, given: &[Type]) -> Option<(Vec<Type>, Type)> {
        let one = || given.first().cloned().filter(|_| given.len() == 1);
        let (wanted, result) = match self {
            What::CountAll => (Type::Void, Type::Int8),
            What::Count => (one()?, Type::Int8),
            What::Sum => match one()? {
                Type::Int2 | Type::Int4 => (one()?, Type::Int8),
                Type::Int8 => (Type::Int8, Type::Numeric(None)),
                Type::Numeric(_) => (Type::Numeric(None), Type::Numeric(None)),
                kind @ (Type::Float4 | Type::Float8 | Type::Interval) => (kind.clone(), kind),
                _ => return None,
            },
            What::Average => match one()? {
                Type::Int2 | Type::Int4 | Type::Int8 | Type::Numeric(_) => {
                    (Type::Numeric(None), Type::Numeric(None))
                }
                Type::Float4 | Type::Float8 => (Type::Float8, Type::Float8),
                Type::Interval => (Type::Interval, Type::Interval),
                _ => return None,
            },
            What::Least | What::Greatest => match one()? {
                Type::Unknown | Type::Varchar(_) => (Type::Text, Type::Text),
                Type::Bool | Type::Uuid | Type::Jsonb | Type::Json | Type::Bytea | Type::Record => {
                    return None;
                }
                kind => (kind.plain(), kind.plain()),
            },
            What::And | What::Or => (Type::Bool, Type::Bool),
            What::Strings => {
                let kind = if given.first()? == &Type::Bytea { Type::Bytea } else { Type::Text };
                return (given.len() == 2).then(|| (vec![kind.clone(), kind.clone()], kind));
            }
            What::Array => {
                let element = match one()? {
                    Type::Unknown => Type::Text,
                    Type::Array(_) => return None,
                    kind => kind,
                };
                (element.clone(), Type::Array(Box::new(element)))
            }
            What::Jsonb => (one()?, Type::Jsonb),
            What::JsonbObject => {
                return (given.len() == 2).then(|| (vec![Type::Text, given[1].clone()], Type::Jsonb));
            }
        };
        Some((vec![wanted], result))
    }
}

impl Aggregate {
    pub(crate) fn value(&self, cx: &Context<'_>, outer: Option<&Rows<'_>>, members: &[Row]) -> Result<Datum> {
        let mut taken: Vec<(Vec<Datum>, Vec<Datum>)> = Vec::new();
        let mut seen = BTreeSet::new();
        for row in members {
            let rows = Rows { row, outer };
            if let Some(filter) = &self.filter
                && filter.truth(cx, &rows)? != Some(true)
            {
                continue;
            }
            let arguments = values(&self.arguments, cx, &rows)?;
            let distinct: Vec<Ordered> = arguments.iter().cloned().map(Ordered).collect();
            if self.distinct && !seen.insert(distinct) {
                continue;
            }
            let order = self.order.iter().map(|(by, ..)| by.value(cx, &rows)).collect::<Result<_>>()?;
            taken.push((arguments, order));
        }
        if self.distinct && self.order.is_empty() {
            taken.sort_by(|(one, _), (other, _)| {
                one.first()
                    .zip(other.first())
                    .map_or(std::cmp::Ordering::Equal, |(one, other)| one.order(other))
            });
        }
        taken.sort_by(|(_, one), (_, other)| {
            let pairs = one.iter().zip(other).zip(&self.order);
            pairs.fold(std::cmp::Ordering::Equal, |order, ((one, other), (_, descending, nulls_first))| {
                order.then_with(|| plan::compare(one, other, *descending, *nulls_first))
            })
        });
        self.sum_up(taken.into_iter().map(|(arguments, _)| arguments).collect())
    }

    fn sum_up(&self, mut rows: Vec<Vec<Datum>>) -> Result<Datum> {
        let count = |rows: &[Vec<Datum>]| Datum::Int(i64::try_from(rows.len()).unwrap_or(i64::MAX));
        if self.what == What::CountAll {
            return Ok(count(&rows));
        }
        let kind = self.arguments.first().map_or(Type::Unknown, |argument| argument.kind.clone());
        match self.what {
            What::Array => {
                return Ok(match rows.is_empty() {
                    true => Datum::Null,
                    false => Datum::Array(Arc::new(rows.into_iter().flatten().collect())),
                });
            }
            What::Jsonb if rows.is_empty() => return Ok(Datum::Null),
            What::Jsonb => {
                let items = rows.iter().flatten().map(|datum| functions::json::of(datum, &kind)).collect();
                return Ok(Datum::Json(Arc::new(Json::Array(items))));
            }
            What::JsonbObject if rows.is_empty() => return Ok(Datum::Null),
            What::JsonbObject => return self.object(&rows),
            _ => rows.retain(|row| row.first().is_some_and(|first| !first.is_null())),
        }
        if self.what == What::Count {
            return Ok(count(&rows));
        }
        let mut items = rows.iter().map(|row| &row[0]);
        let Some(first) = items.next() else { return Ok(Datum::Null) };
        let result = match self.what {
            What::Least | What::Greatest => {
                let best = items.fold(first, |best, item| {
                    let better = if self.what == What::Least {
                        item.order(best).is_lt()
                    } else {
                        item.order(best).is_gt()
                    };
                    if better { item } else { best }
                });
                best.clone()
            }
            What::And | What::Or => {
                let all = self.what == What::And;
                let decides = |item: &&Datum| **item == Datum::Bool(!all);
                Datum::Bool(if std::iter::once(first).chain(items).any(|item| decides(&item)) {
                    !all
                } else {
                    all
                })
            }
            What::Strings => return Ok(strings(&rows)),
            _ => {
                let sum = items.try_fold(first.clone(), |sum, item| plus(&sum, item))?;
                self.total(sum, rows.len(), &kind)?
            }
        };
        Ok(result)
    }

    fn total(&self, sum: Datum, count: usize, kind: &Type) -> Result<Datum> {
        let number = Numeric::from(i64::try_from(count).unwrap_or(i64::MAX));
        #[allow(clippy::cast_precision_loss)] // as PostgreSQL reckons
        let float = count as f64;
        Ok(match (self.what, sum) {
            (What::Average, Datum::Numeric(sum)) => Datum::Numeric(sum.divide(&number)?),
            (What::Average, Datum::Float(sum)) => Datum::Float(sum / float),
            (What::Average, Datum::Interval(sum)) => Datum::Interval(sum.scaled(1.0 / float).unwrap_or(sum)),
            (What::Sum, Datum::Int(sum)) if *kind == Type::Int8 => Datum::Numeric(sum.into()),
            (What::Sum, Datum::Numeric(sum)) if kind.is_integer() && *kind != Type::Int8 => {
                Datum::Int(sum.to_integer().ok_or_else(|| PgError::new("22003", "bigint out of range"))?)
            }
            (What::Sum, Datum::Float(sum)) => cast::float(sum, kind)?,
            (_, sum) => sum,
        })
    }

    fn object(&self, rows: &[Vec<Datum>]) -> Result<Datum> {
        let kind = &self.arguments[1].kind;
        let fields = rows.iter().map(|row| match &row[0] {
            Datum::Text(key) => Ok((key.to_string(), functions::json::of(&row[1], kind))),
            _ => Err(PgError::new("22023", "field name must not be null")),
        });
        Ok(Datum::Json(Arc::new(Json::object(fields.collect::<Result<_>>()?))))
    }
}

/// With what stands between, before each but the first.
fn strings(rows: &[Vec<Datum>]) -> Datum {
    let mut text = String::new();
    let mut bytes = Vec::new();
    let mut binary = false;
    for (at, row) in rows.iter().enumerate() {
        for part in row.iter().rev().skip(usize::from(at == 0)) {
            match part {
                Datum::Text(part) => text.push_str(part),
                Datum::Bytes(part) => {
                    binary = true;
                    bytes.extend_from_slice(part);
                }
                _ => {}
            }
        }
    }
    if binary { Datum::Bytes(bytes.into()) } else { Datum::text(text) }
}

/// A sum of whole numbers that grows too large goes on as a decimal.
fn plus(one: &Datum, other: &Datum) -> Result<Datum> {
    Ok(match (one, other) {
        (Datum::Int(one), Datum::Int(other)) => match one.checked_add(*other) {
            Some(sum) => Datum::Int(sum),
            None => Datum::Numeric(Numeric::from(*one).add(&Numeric::from(*other))),
        },
        (Datum::Numeric(one), Datum::Int(other)) => Datum::Numeric(one.add(&Numeric::from(*other))),
        (Datum::Numeric(one), Datum::Numeric(other)) => Datum::Numeric(one.add(other)),
        (Datum::Float(one), Datum::Float(other)) => Datum::Float(one + other),
        (Datum::Interval(one), Datum::Interval(other)) => {
            Datum::Interval(one.plus(other).ok_or_else(|| PgError::new("22008", "interval out of range"))?)
        }
        _ => return Err(super::expr::internal("a sum of what is no number")),
    })
}
