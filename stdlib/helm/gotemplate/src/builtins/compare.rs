//! `eq`, `ne`, `lt`, `le`, `gt`, `ge`: only numbers of one sort, or integers signed and unsigned, compare.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::error::FnError;
use crate::format;
use crate::value::{Number, Value};

/// Whether the first value equals any of the others.
pub(super) fn eq(first: &Value, others: &[Value]) -> Result<bool, FnError> {
    if others.is_empty() {
        return Err("missing argument for comparison".into());
    }
    for other in others {
        if equal(first, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) fn ne(a: &Value, b: &Value) -> Result<bool, FnError> {
    Ok(!equal(a, b)?)
}

pub(super) fn lt(a: &Value, b: &Value) -> Result<bool, FnError> {
    let (x, y) = (basic(a).ok_or_else(bad_type)?, basic(b).ok_or_else(bad_type)?);
    match (&x, &y) {
        (Basic::Bool(_), Basic::Bool(_)) | (Basic::Complex(..), Basic::Complex(..)) => Err(bad_type()),
        (Basic::Float(x), Basic::Float(y)) => Ok(x < y),
        (Basic::Str(x), Basic::Str(y)) => Ok(x < y),
        _ => match integer_order(&x, &y) {
            Some(order) => Ok(order == Ordering::Less),
            None => Err(incompatible(a, b)),
        },
    }
}

pub(super) fn le(a: &Value, b: &Value) -> Result<bool, FnError> {
    Ok(lt(a, b)? || equal(a, b)?)
}

pub(super) fn gt(a: &Value, b: &Value) -> Result<bool, FnError> {
    Ok(!le(a, b)?)
}

pub(super) fn ge(a: &Value, b: &Value) -> Result<bool, FnError> {
    Ok(!lt(a, b)?)
}

/// A value that can be compared by what it holds.
enum Basic {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Complex(f64, f64),
    Str(crate::value::Str),
}

fn basic(value: &Value) -> Option<Basic> {
    match value {
        Value::Bool(b) => Some(Basic::Bool(*b)),
        Value::Str(s) => Some(Basic::Str(s.clone())),
        Value::Number(Number::Complex128(re, im)) => Some(Basic::Complex(*re, *im)),
        Value::Number(n) => n
            .as_float()
            .map(Basic::Float)
            .or_else(|| n.as_int().map(Basic::Int))
            .or_else(|| n.as_uint().map(Basic::Uint)),
        // A named string or number compares as what it is.
        Value::Object(o) => basic(&o.underlying()?),
        _ => None,
    }
}

fn integer_order(a: &Basic, b: &Basic) -> Option<Ordering> {
    let wide = |basic: &Basic| match basic {
        Basic::Int(n) => Some(i128::from(*n)),
        Basic::Uint(n) => Some(i128::from(*n)),
        _ => None,
    };
    Some(wide(a)?.cmp(&wide(b)?))
}

fn equal(a: &Value, b: &Value) -> Result<bool, FnError> {
    match (basic(a), basic(b)) {
        (Some(Basic::Bool(a)), Some(Basic::Bool(b))) => Ok(a == b),
        (Some(Basic::Float(a)), Some(Basic::Float(b))) => Ok(a == b),
        (Some(Basic::Complex(a, b)), Some(Basic::Complex(c, d))) => Ok(a == c && b == d),
        (Some(Basic::Str(a)), Some(Basic::Str(b))) => Ok(a == b),
        (None, None) => equal_composite(a, b),
        (first, second) => {
            if let (Some(first), Some(second)) = (&first, &second)
                && let Some(order) = integer_order(first, second)
            {
                return Ok(order == Ordering::Equal);
            }
            // Nil differs from everything that is not nil.
            if a.is_nil() || b.is_nil() {
                return Ok(false);
            }
            Err(incompatible(a, b))
        }
    }
}

fn equal_composite(a: &Value, b: &Value) -> Result<bool, FnError> {
    if !a.is_nil() && !b.is_nil() && a.kind() != b.kind() {
        return Err(FnError::new(format!(
            "non-comparable types {}: {}, {}: {}",
            format::verb(a, 's'),
            a.type_name(),
            b.type_name(),
            format::verb(b, 'v')
        )));
    }
    let is_nil = |value: &Value| match value {
        Value::List(l) => l.is_nil(),
        Value::Map(m) => m.is_nil(),
        other => other.is_nil(),
    };
    if is_nil(a) || is_nil(b) {
        return Ok(is_nil(a) == is_nil(b));
    }
    match (a, b) {
        (Value::Object(a), Value::Object(b)) if b.underlying().is_none() => Ok(Arc::ptr_eq(a, b)),
        _ => Err(FnError::new(format!("non-comparable type {}: {}", format::verb(b, 's'), b.type_name()))),
    }
}

fn incompatible(a: &Value, b: &Value) -> FnError {
    FnError::new(format!("incompatible types for comparison: {} and {}", a.type_name(), b.type_name()))
}

fn bad_type() -> FnError {
    FnError::new("invalid type for comparison")
}
