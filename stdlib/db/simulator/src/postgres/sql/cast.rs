//! Casts: which there are, whether they happen by themselves, and what they make of a value.

use std::sync::Arc;

use super::context::Context;
use super::expr::Result;
use crate::postgres::{PgError, catalog};
use crate::value::datetime::DAY;
use crate::value::{Datum, Interval, Json, Numeric, Type, ValueError, from_text, to_iso_text, to_text};

/// When a cast happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum How {
    /// Wherever another type is wanted.
    Implicit,
    /// Where a value is stored in a column, too.
    Assignment,
    /// Only where it is written.
    Explicit,
}

/// The order in which numbers become one another by themselves.
pub(crate) fn rank(kind: &Type) -> Option<u8> {
    Some(match kind {
        Type::Int2 => 0,
        Type::Int4 => 1,
        Type::Int8 => 2,
        Type::Numeric(_) => 3,
        Type::Float4 => 4,
        Type::Float8 => 5,
        _ => return None,
    })
}

/// When this becomes that; `None` if never.
pub(crate) fn castable(from: &Type, to: &Type) -> Option<How> {
    let (from, to) = (from.plain(), to.plain());
    if from == to || from == Type::Unknown {
        return Some(How::Implicit);
    }
    if let (Some(one), Some(other)) = (rank(&from), rank(&to)) {
        return Some(if one < other { How::Implicit } else { How::Assignment });
    }
    Some(match (&from, &to) {
        (Type::Text, Type::Varchar(_)) | (Type::Varchar(_) | Type::Name | Type::Char, Type::Text) => {
            How::Implicit
        }
        (Type::Name, Type::Varchar(_)) => How::Assignment,
        (Type::Text | Type::Varchar(_), Type::Name) => How::Implicit,
        (Type::Text | Type::Varchar(_), Type::Char) => How::Assignment,
        (Type::Text | Type::Varchar(_), Type::Regclass) => How::Implicit,
        (Type::Int2 | Type::Int4 | Type::Int8, Type::Oid | Type::Regclass) => How::Implicit,
        (Type::Oid, Type::Regclass) | (Type::Regclass, Type::Oid) => How::Implicit,
        (Type::Oid | Type::Regclass, Type::Int4 | Type::Int8) => How::Assignment,
        (Type::Date, Type::Timestamp | Type::Timestamptz) => How::Implicit,
        (Type::Timestamp, Type::Timestamptz) => How::Implicit,
        (Type::Timestamptz, Type::Timestamp) => How::Assignment,
        (Type::Timestamp | Type::Timestamptz, Type::Date | Type::Time) => How::Assignment,
        (Type::Time, Type::Interval) => How::Implicit,
        (Type::Interval, Type::Time) => How::Assignment,
        (Type::Json, Type::Jsonb) | (Type::Jsonb, Type::Json) => How::Assignment,
        (Type::Jsonb, to) if to.is_number() || *to == Type::Bool => How::Explicit,
        (Type::Bool, Type::Int4) | (Type::Int4, Type::Bool) => How::Explicit,
        (Type::Bit(_), Type::Int4 | Type::Int8) | (Type::Int4 | Type::Int8, Type::Bit(_)) => How::Explicit,
        (Type::Int4, Type::Char) | (Type::Char, Type::Int4) => How::Explicit,
        (Type::Array(one), Type::Array(other)) => return castable(one, other),
        (Type::Void | Type::Record, to) if !to.is_text() => return None,
        // By way of text: everything to it where it is stored, from it where it is written.
        (_, to) if to.is_text() => How::Assignment,
        (from, _) if from.is_text() => How::Explicit,
        _ => return None,
    })
}

/// A value that there is, as one of another type.
pub(crate) fn cast(cx: &Context<'_>, value: Datum, from: &Type, to: &Type, how: How) -> Result<Datum> {
    if from.plain() == to.plain() {
        return within(value, to, how);
    }
    let out_of_range = || PgError::from(ValueError::range(&to.plain_name()));
    Ok(match (value, to) {
        (Datum::Int(number), Type::Int2 | Type::Int4 | Type::Int8 | Type::Oid) => whole(number, to)?,
        (Datum::Int(number), Type::Regclass) => Datum::Int(number),
        (Datum::Int(number), Type::Bool) => Datum::Bool(number != 0),
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
        // that is what these types are
        (Datum::Int(number), Type::Float4) => Datum::Float(f64::from(number as f32)),
        #[allow(clippy::cast_precision_loss)] // that is what this type is
        (Datum::Int(number), Type::Float8) => Datum::Float(number as f64),
        (Datum::Int(number), Type::Numeric(_)) => within(Datum::Numeric(number.into()), to, how)?,
        (Datum::Int(number), Type::Bit(length)) => bits_of(number, *from == Type::Int4, *length),
        (Datum::Bool(is), Type::Int4) => Datum::Int(i64::from(is)),
        (Datum::Bool(is), kind) if kind.is_text() => Datum::text(if is { "true" } else { "false" }),
        (Datum::Numeric(Numeric::NaN), Type::Int2 | Type::Int4 | Type::Int8) => {
            return Err(PgError::new("0A000", format!("cannot convert NaN to {}", to.plain_name())));
        }
        (Datum::Numeric(number), Type::Int2 | Type::Int4 | Type::Int8) => {
            whole(number.to_integer().ok_or_else(out_of_range)?, to)?
        }
        (Datum::Numeric(number), Type::Float4 | Type::Float8) => float(number.to_float(), to)?,
        (Datum::Float(number), Type::Int2 | Type::Int4 | Type::Int8) => {
            let rounded = number.round_ties_even();
            // Beyond 2^63 there are no whole numbers here.
            if !(-9.223_372_036_854_775e18..9.223_372_036_854_775e18).contains(&rounded) {
                return Err(out_of_range());
            }
            #[allow(clippy::cast_possible_truncation)] // it is whole, and within
            whole(rounded as i64, to)?
        }
        (Datum::Float(number), Type::Float4 | Type::Float8) => float(number, to)?,
        (Datum::Float(number), Type::Numeric(_)) => {
            let digits = if *from == Type::Float4 { 6 } else { 15 };
            let numeric = Numeric::of_float(number, digits)
                .ok_or_else(|| PgError::new("0A000", "cannot convert infinity to numeric"))?;
            within(Datum::Numeric(numeric), to, how)?
        }
        (Datum::Date(day), Type::Timestamp | Type::Timestamptz) => Datum::Timestamp(match day {
            i32::MAX => i64::MAX,
            i32::MIN => i64::MIN,
            day => i64::from(day) * DAY,
        }),
        (Datum::Timestamp(micros), Type::Timestamp | Type::Timestamptz) => Datum::Timestamp(micros),
        (Datum::Timestamp(micros), Type::Date) => Datum::Date(match micros {
            i64::MAX => i32::MAX,
            i64::MIN => i32::MIN,
            micros => i32::try_from(micros.div_euclid(DAY)).map_err(|_| out_of_range())?,
        }),
        (Datum::Timestamp(micros), Type::Time) => Datum::Time(micros.rem_euclid(DAY)),
        (Datum::Time(micros), Type::Interval) => Datum::Interval(Interval { months: 0, days: 0, micros }),
        (Datum::Interval(interval), Type::Time) => Datum::Time(interval.micros.rem_euclid(DAY)),
        (Datum::Json(json), Type::Json) => Datum::text(json.to_string()),
        (Datum::Json(json), kind) if kind.is_number() || *kind == Type::Bool => of_json(cx, &json, kind)?,
        (Datum::Bits(digits), Type::Int4 | Type::Int8) => Datum::Int(number_of(&digits, to)?),
        (Datum::Array(items), Type::Array(element)) => {
            let inner = match from {
                Type::Array(inner) => inner,
                other => other,
            };
            let items = items.iter().map(|item| {
                if item.is_null() { Ok(Datum::Null) } else { cast(cx, item.clone(), inner, element, how) }
            });
            Datum::Array(Arc::new(items.collect::<Result<_>>()?))
        }
        (Datum::Text(name), Type::Regclass) => Datum::Int(i64::from(catalog::relation(cx, &name)?)),
        // What is written as a bit string of a length is cut or filled to it.
        (Datum::Text(text), Type::Bit(length)) if from.is_text() && how == How::Explicit => {
            let Datum::Bits(digits) = crate::value::from_text(&text, &Type::Bit(None))? else {
                return Err(out_of_range());
            };
            fitted(&digits, *length)
        }
        (value, to) if to.is_text() => {
            let text = match from {
                Type::Regclass => catalog::relation_name(cx, &value),
                _ if cx.settings.borrow().has_iso_intervals() => to_iso_text(&value, from),
                _ => to_text(&value, from),
            };
            within(Datum::text(text), to, how)?
        }
        (Datum::Text(text), to) => match to {
            Type::Varchar(_) => within(Datum::Text(text), to, how)?,
            to => from_text(&text, to)?,
        },
        (value, _) => {
            return Err(PgError::new(
                "42846",
                format!("cannot cast type {} to {}", from.plain_name(), to.plain_name()),
            )
            .detail(format!("internal value: {value:?}")));
        }
    })
}

/// As a column that is declared like this has it.
pub(crate) fn within(value: Datum, kind: &Type, how: How) -> Result<Datum> {
    Ok(match (value, kind) {
        (Datum::Numeric(number), Type::Numeric(Some((precision, scale)))) => {
            Datum::Numeric(number.within(*precision, *scale)?)
        }
        (Datum::Text(text), Type::Varchar(Some(length))) => match how {
            How::Explicit => Datum::text(text.chars().take(*length as usize).collect::<String>()),
            _ => crate::value::varchar(&text, *length)?,
        },
        (Datum::Text(text), Type::Name | Type::Char) => from_text(&text, kind)?,
        (Datum::Bits(digits), Type::Bit(length)) => match how {
            How::Explicit => fitted(&digits, *length),
            _ => from_text(&digits, kind)?,
        },
        (Datum::Array(items), Type::Array(element)) => {
            let items = items.iter().map(|item| within(item.clone(), element, how));
            Datum::Array(Arc::new(items.collect::<Result<_>>()?))
        }
        (value, _) => value,
    })
}

pub(crate) fn whole(number: i64, kind: &Type) -> Result<Datum> {
    let fits = match kind {
        Type::Int2 => i16::try_from(number).is_ok(),
        Type::Int4 => i32::try_from(number).is_ok(),
        Type::Oid => u32::try_from(number).is_ok(),
        _ => true,
    };
    if fits { Ok(Datum::Int(number)) } else { Err(ValueError::range(&kind.plain_name()).into()) }
}

#[allow(clippy::cast_possible_truncation)] // that is what `real` is
pub(crate) fn float(number: f64, kind: &Type) -> Result<Datum> {
    if *kind != Type::Float4 {
        return Ok(Datum::Float(number));
    }
    let narrow = number as f32;
    if narrow.is_infinite() && number.is_finite() {
        return Err(PgError::new("22003", "value out of range: overflow"));
    }
    Ok(Datum::Float(f64::from(narrow)))
}

fn of_json(cx: &Context<'_>, json: &Json, kind: &Type) -> Result<Datum> {
    match (json, kind) {
        (Json::Bool(is), Type::Bool) => Ok(Datum::Bool(*is)),
        (Json::Number(number), kind) if kind.is_number() => {
            cast(cx, Datum::Numeric(number.clone()), &Type::Numeric(None), kind, How::Explicit)
        }
        (other, kind) => {
            let what = if matches!(other, Json::Number(_)) { "numeric" } else { other.kind() };
            Err(PgError::new("22023", format!("cannot cast jsonb {what} to type {}", kind.plain_name())))
        }
    }
}

/// Cut at the end, or filled with zeros there.
fn fitted(digits: &str, length: Option<u32>) -> Datum {
    let length = length.map_or(1, |length| length as usize);
    Datum::Bits(format!("{digits:0<length$.length$}").into())
}

fn number_of(digits: &str, kind: &Type) -> Result<i64> {
    let width = if *kind == Type::Int4 { 32 } else { 64 };
    if digits.len() > width {
        return Err(ValueError::range(&kind.plain_name()).into());
    }
    let number =
        u64::from_str_radix(&format!("0{digits}"), 2).map_err(|_| ValueError::range(&kind.plain_name()))?;
    // As many digits as the number has bits: the first one is the sign.
    Ok(match width {
        32 => i64::from(u32::try_from(number).unwrap_or(u32::MAX).cast_signed()),
        _ => number.cast_signed(),
    })
}

fn bits_of(number: i64, narrow: bool, length: Option<u32>) -> Datum {
    let length = length.map_or(1, |length| length as usize);
    let digits = match narrow {
        true => format!("{:032b}", i32::try_from(number).unwrap_or(0)),
        false => format!("{number:064b}"),
    };
    let sign = if number < 0 { '1' } else { '0' };
    let digits = match digits.len().checked_sub(length) {
        Some(cut) => digits[cut..].to_owned(),
        None => sign.to_string().repeat(length - digits.len()) + &digits,
    };
    Datum::Bits(digits.into())
}
