//! Literals, and the types that are written in SQL.

use sqlparser::ast::{self, ArrayElemTypeDef, CharacterLength, DataType, ExactNumberInfo, TimezoneInfo};

use super::super::expr::{Expr, Result};
use crate::postgres::PgError;
use crate::value::{Datum, Interval, Numeric, Type, from_text};

use super::Binder;

impl Binder<'_, '_> {
    pub(super) fn literal(&self, value: &ast::Value) -> Result<Expr> {
        if let Some(text) = string_of(value) {
            return Ok(Expr::constant(Datum::text(text), Type::Unknown));
        }
        Ok(match value {
            ast::Value::Number(digits, _) => number(digits)?,
            ast::Value::Boolean(is) => Expr::constant(Datum::Bool(*is), Type::Bool),
            ast::Value::Null => Expr::null(),
            ast::Value::Placeholder(name) => {
                let at = name.strip_prefix('$').and_then(|digits| digits.parse::<usize>().ok());
                match at.and_then(|at| at.checked_sub(1)) {
                    Some(at) => self.parameter(at)?,
                    None => return Err(PgError::new("42601", format!("syntax error at or near \"{name}\""))),
                }
            }
            ast::Value::HexStringLiteral(hex) => {
                let bits = from_text(&format!("x{hex}"), &Type::Bit(None))?;
                Expr::constant(bits, Type::Bit(None))
            }
            other => return Err(PgError::unsupported(format_args!("the literal {other}"))),
        })
    }

    pub(super) fn interval(&self, interval: &ast::Interval) -> Result<Expr> {
        let unit = interval.leading_field.as_ref().map(ToString::to_string);
        if interval.last_field.is_some() || interval.fractional_seconds_precision.is_some() {
            return Err(PgError::unsupported("an interval from one unit to another"));
        }
        match &*interval.value {
            ast::Expr::Value(value) => {
                let text = match (&value.value, unit) {
                    (ast::Value::Number(digits, _), Some(unit)) => format!("{digits} {unit}"),
                    (value, unit) => match (string_of(value), unit) {
                        (Some(text), None) => text,
                        (Some(text), Some(unit)) if text.trim().parse::<f64>().is_ok() => {
                            format!("{text} {unit}")
                        }
                        _ => return Err(PgError::unsupported(format_args!("`{interval}`"))),
                    },
                };
                Ok(Expr::constant(Datum::Interval(Interval::parse(&text)?), Type::Interval))
            }
            other => Err(PgError::unsupported(format_args!("`INTERVAL {other}`"))),
        }
    }
}

/// What stands in quotes, of whatever kind.
pub(crate) fn string_of(value: &ast::Value) -> Option<String> {
    match value {
        ast::Value::SingleQuotedString(text)
        | ast::Value::EscapedStringLiteral(text)
        | ast::Value::UnicodeStringLiteral(text)
        | ast::Value::NationalStringLiteral(text) => Some(text.clone()),
        ast::Value::DollarQuotedString(text) => Some(text.value.clone()),
        _ => None,
    }
}

/// The smallest of `integer`, `bigint` and `numeric` that it fits in.
fn number(digits: &str) -> Result<Expr> {
    if digits.bytes().all(|byte| byte.is_ascii_digit())
        && let Ok(number) = digits.parse::<i64>()
    {
        let kind = if i32::try_from(number).is_ok() { Type::Int4 } else { Type::Int8 };
        return Ok(Expr::constant(Datum::Int(number), kind));
    }
    let number: Numeric = digits
        .parse()
        .map_err(|()| PgError::new("42601", format!("syntax error at or near \"{digits}\"")))?;
    Ok(Expr::constant(Datum::Numeric(number), Type::Numeric(None)))
}

fn length(length: Option<&CharacterLength>) -> Result<Option<u32>> {
    match length {
        None => Ok(None),
        Some(CharacterLength::IntegerLength { length, .. }) => u32::try_from(*length)
            .map(Some)
            .map_err(|_| PgError::new("22023", "length for type varchar cannot exceed 10485760")),
        Some(CharacterLength::Max) => Err(PgError::new("42601", "syntax error at or near \"max\"")),
    }
}

fn decimal(info: &ExactNumberInfo) -> Result<Type> {
    let (precision, scale) = match info {
        ExactNumberInfo::None => return Ok(Type::Numeric(None)),
        ExactNumberInfo::Precision(precision) => (*precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (*precision, *scale),
    };
    if !(1..=1000).contains(&precision) {
        return Err(PgError::new(
            "22023",
            format!("NUMERIC precision {precision} must be between 1 and 1000"),
        ));
    }
    match (u16::try_from(precision), u16::try_from(scale)) {
        (Ok(precision), Ok(scale)) if scale <= precision => Ok(Type::Numeric(Some((precision, scale)))),
        _ => Err(PgError::unsupported("a scale of numeric beyond its precision")),
    }
}

/// A type as SQL writes it.
///
/// # Errors
/// 42704 for what is no type here; 0A000 for what PostgreSQL knows.
pub(crate) fn data_type(kind: &DataType) -> Result<Type> {
    Ok(match kind {
        DataType::Bool | DataType::Boolean => Type::Bool,
        DataType::SmallInt(None) | DataType::Int2(None) => Type::Int2,
        DataType::Int(None) | DataType::Integer(None) | DataType::Int4(None) => Type::Int4,
        DataType::BigInt(None) | DataType::Int8(None) => Type::Int8,
        DataType::Real | DataType::Float4 => Type::Float4,
        DataType::DoublePrecision | DataType::Float8 | DataType::Float(ExactNumberInfo::None) => Type::Float8,
        DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info) => decimal(info)?,
        DataType::Text => Type::Text,
        DataType::Varchar(size) | DataType::CharacterVarying(size) | DataType::CharVarying(size) => {
            Type::Varchar(length(size.as_ref())?)
        }
        DataType::Bytea => Type::Bytea,
        DataType::Bit(size) => {
            let size = size.map_or(Ok(1), u32::try_from);
            Type::Bit(Some(size.map_err(|_| PgError::new("22023", "length for type bit is too large"))?))
        }
        DataType::Date => Type::Date,
        DataType::Time(None, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => Type::Time,
        DataType::Timestamp(None, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => Type::Timestamp,
        DataType::Timestamp(None, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz) => Type::Timestamptz,
        DataType::Interval { fields: None, precision: None } => Type::Interval,
        DataType::Uuid => Type::Uuid,
        DataType::JSON => Type::Json,
        DataType::JSONB => Type::Jsonb,
        DataType::Regclass => Type::Regclass,
        DataType::Array(
            ArrayElemTypeDef::SquareBracket(element, _) | ArrayElemTypeDef::Qualified(element, _),
        ) => match data_type(element)? {
            Type::Array(_) => return Err(PgError::unsupported("an array of several dimensions")),
            element => Type::Array(Box::new(element)),
        },
        DataType::Custom(name, modifiers) if modifiers.is_empty() => named(name)?,
        other => return Err(PgError::unsupported(format_args!("the type {other}"))),
    })
}

fn named(name: &ast::ObjectName) -> Result<Type> {
    let parts: Vec<&ast::Ident> = name.0.iter().filter_map(|part| part.as_ident()).collect();
    let last = match parts.as_slice() {
        [last] => last,
        [schema, last] if schema.value.eq_ignore_ascii_case("pg_catalog") => last,
        _ => return Err(unknown(name)),
    };
    // `char` in quotes is a type of its own.
    if last.quote_style.is_some() && last.value == "char" {
        return Ok(Type::Char);
    }
    let folded = super::super::names::folded(last);
    match folded.as_str() {
        "timestamptz" => return Ok(Type::Timestamptz),
        "bpchar" | "xml" | "money" | "inet" | "cidr" | "macaddr" | "point" | "tsvector" | "hstore"
        | "citext" | "regtype" | "regproc" | "regnamespace" | "xid" | "pg_lsn" | "timetz" | "varbit" => {
            return Err(PgError::unsupported(format_args!("the type {folded}")));
        }
        _ => {}
    }
    Type::named(&folded).ok_or_else(|| unknown(name))
}

fn unknown(name: &ast::ObjectName) -> PgError {
    PgError::new("42704", format!("type \"{name}\" does not exist")).at(super::super::names::place(name))
}
