//! Operators: which function of which types one is.

use sqlparser::ast::{BinaryOperator, UnaryOperator};

use super::super::cast::{self, How, castable, rank};
use super::super::expr::{Comparison, Expr, Function, Node, Quantifier, Result, internal};
use super::super::functions::{json, matches_like, regex};
use super::Binder;
use crate::postgres::PgError;
use crate::value::{Datum, Interval, Numeric, Type};

/// `=` as it is written, and what it asks.
pub(super) fn comparison(op: &BinaryOperator) -> Option<Comparison> {
    Some(match op {
        BinaryOperator::Eq => Comparison::Equal,
        BinaryOperator::NotEq => Comparison::NotEqual,
        BinaryOperator::Lt => Comparison::Less,
        BinaryOperator::LtEq => Comparison::LessOrEqual,
        BinaryOperator::Gt => Comparison::Greater,
        BinaryOperator::GtEq => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

/// With `OPERATOR(pg_catalog.~)` as `~`.
pub(super) fn plain(op: &BinaryOperator) -> Result<BinaryOperator> {
    let BinaryOperator::PGCustomBinaryOperator(parts) = op else { return Ok(op.clone()) };
    Ok(match parts.last().map(String::as_str) {
        Some("~") => BinaryOperator::PGRegexMatch,
        Some("!~") => BinaryOperator::PGRegexNotMatch,
        Some("~~") => BinaryOperator::PGLikeMatch,
        Some("=") => BinaryOperator::Eq,
        Some("<>") => BinaryOperator::NotEq,
        _ => return Err(PgError::unsupported(format_args!("the operator {op}"))),
    })
}

/// 42883
pub(super) fn no_operator(left: &Type, op: &str, right: &Type) -> PgError {
    PgError::new(
        "42883",
        format!("operator does not exist: {} {op} {}", left.plain_name(), right.plain_name()),
    )
    .hint("No operator matches the given name and argument types. You might need to add explicit type casts.")
}

impl Binder<'_, '_> {
    pub(super) fn compared(&self, asked: Comparison, op: &str, left: Expr, right: Expr) -> Result<Expr> {
        let (left, right) = self.matched(op, left, right)?;
        Ok(Expr::new(Node::Compare(asked, Box::new(left), Box::new(right)), Type::Bool))
    }

    /// Both sides as one type that can be compared.
    pub(super) fn matched(&self, op: &str, left: Expr, right: Expr) -> Result<(Expr, Expr)> {
        if let (Node::Record(one), Node::Record(other)) = (&left.node, &right.node) {
            if one.len() != other.len() {
                return Err(PgError::new("42601", "unequal number of entries in row expressions"));
            }
            let pairs = one.iter().cloned().zip(other.iter().cloned());
            let matched =
                pairs.map(|(one, other)| self.matched(op, one, other)).collect::<Result<Vec<_>>>()?;
            let (one, other) = matched.into_iter().unzip();
            return Ok((
                Expr::new(Node::Record(one), Type::Record),
                Expr::new(Node::Record(other), Type::Record),
            ));
        }
        let missing = no_operator(&left.kind, op, &right.kind);
        let kind = self.common([left.kind.clone(), right.kind.clone()], op).map_err(|_| missing.clone())?;
        if kind == Type::Json {
            return Err(missing);
        }
        // Two declarations of one type are compared as they are.
        let kind = kind.plain();
        let become_it = |side: Expr| match castable(&side.kind, &kind) {
            Some(How::Implicit) => self.coerced(side, &kind, How::Implicit),
            _ => Err(missing.clone()),
        };
        Ok((become_it(left)?, become_it(right)?))
    }

    pub(super) fn binary(&self, op: &BinaryOperator, left: Expr, right: Expr) -> Result<Expr> {
        use BinaryOperator as Op;
        if let Some(asked) = comparison(op) {
            return self.compared(asked, &op.to_string(), left, right);
        }
        match op {
            Op::Plus | Op::Minus | Op::Multiply | Op::Divide | Op::Modulo => self.arithmetic(op, left, right),
            Op::StringConcat => self.joined(left, right),
            Op::Arrow | Op::LongArrow | Op::HashArrow | Op::HashLongArrow => self.member(op, left, right),
            Op::AtArrow | Op::ArrowAt | Op::PGOverlap => self.contained(op, left, right),
            Op::Question => {
                let (left, right) = self.both(left, &Type::Jsonb, right, &Type::Text, "?")?;
                Ok(Expr::call(
                    |_, a| {
                        let Datum::Text(key) = &a[1] else { return Err(internal("a key is no text")) };
                        let json = json::json(a, 0)?;
                        let item = matches!(json, crate::value::Json::Array(items)
                            if items.iter().any(|item| matches!(item, crate::value::Json::String(text) if **text == **key)));
                        Ok(Datum::Bool(item || json.get(key).is_some()))
                    },
                    vec![left, right],
                    Type::Bool,
                ))
            }
            Op::PGRegexMatch => self.texts("~", left, right, |_, a| matches(a, false)),
            Op::PGRegexIMatch => self.texts("~*", left, right, |_, a| matches(a, true)),
            Op::PGRegexNotMatch => Ok(negated(self.texts("!~", left, right, |_, a| matches(a, false))?)),
            Op::PGRegexNotIMatch => Ok(negated(self.texts("!~*", left, right, |_, a| matches(a, true))?)),
            Op::PGLikeMatch => self.texts("~~", left, right, |_, a| like(a, false)),
            Op::PGILikeMatch => self.texts("~~*", left, right, |_, a| like(a, true)),
            Op::PGNotLikeMatch => Ok(negated(self.texts("!~~", left, right, |_, a| like(a, false))?)),
            Op::PGNotILikeMatch => Ok(negated(self.texts("!~~*", left, right, |_, a| like(a, true))?)),
            Op::PGStartsWith => self.texts("^@", left, right, |_, a| match (&a[0], &a[1]) {
                (Datum::Text(one), Datum::Text(other)) => Ok(Datum::Bool(one.starts_with(&**other))),
                _ => Err(internal("an argument is no text")),
            }),
            Op::BitwiseAnd => self.bitwise("&", left, right, |_, a| bits(a, |one, other| one & other)),
            Op::BitwiseOr => self.bitwise("|", left, right, |_, a| bits(a, |one, other| one | other)),
            Op::PGBitwiseXor => self.bitwise("#", left, right, |_, a| bits(a, |one, other| one ^ other)),
            Op::PGExp | Op::BitwiseXor => {
                let (left, right) = self.both(left, &Type::Float8, right, &Type::Float8, "^")?;
                Ok(Expr::call(
                    |_, a| match (&a[0], &a[1]) {
                        (Datum::Float(one), Datum::Float(other)) => Ok(Datum::Float(one.powf(*other))),
                        _ => Err(internal("an argument is no fraction")),
                    },
                    vec![left, right],
                    Type::Float8,
                ))
            }
            other => Err(PgError::unsupported(format_args!("the operator {other}"))),
        }
    }

    /// Each side as this type.
    fn both(&self, left: Expr, one: &Type, right: Expr, other: &Type, op: &str) -> Result<(Expr, Expr)> {
        let missing = no_operator(&left.kind, op, &right.kind);
        let become_it = |side: Expr, kind: &Type| match castable(&side.kind, kind) {
            Some(How::Implicit) => self.coerced(side, kind, How::Implicit),
            _ => Err(missing.clone()),
        };
        Ok((become_it(left, one)?, become_it(right, other)?))
    }

    pub(super) fn texts(&self, op: &str, left: Expr, right: Expr, function: Function) -> Result<Expr> {
        let (left, right) = self.both(left, &Type::Text, right, &Type::Text, op)?;
        Ok(Expr::call(function, vec![left, right], Type::Bool))
    }

    fn bitwise(&self, op: &str, left: Expr, right: Expr, function: Function) -> Result<Expr> {
        let missing = no_operator(&left.kind, op, &right.kind);
        let kind = self.common([left.kind.clone(), right.kind.clone()], op).map_err(|_| missing.clone())?;
        if !kind.is_integer() {
            return Err(missing);
        }
        let (left, right) = self.both(left, &kind, right, &kind, op)?;
        Ok(Expr::call(function, vec![left, right], kind))
    }

    fn arithmetic(&self, op: &BinaryOperator, left: Expr, right: Expr) -> Result<Expr> {
        let sign = op.to_string();
        let missing = no_operator(&left.kind, &sign, &right.kind);
        // What is unknown is as the other side; two of them could be anything.
        let (one, other) = match (&left.kind, &right.kind) {
            (Type::Unknown, Type::Unknown) => {
                return Err(PgError::new("42725", format!("operator is not unique: unknown {sign} unknown"))
                    .hint("Could not choose a best candidate operator. You might need to add explicit type casts."));
            }
            (Type::Unknown, kind) => (unknown_beside(op, kind), kind.clone()),
            (kind, Type::Unknown) => (kind.clone(), unknown_beside(op, kind)),
            (one, other) => (one.clone(), other.clone()),
        };
        if let (Some(first), Some(second)) = (rank(&one), rank(&other)) {
            let kind = if first >= second { one.plain() } else { other.plain() };
            let kind = if kind == Type::Float4 && first != second { Type::Float8 } else { kind };
            if *op == BinaryOperator::Modulo && matches!(kind, Type::Float4 | Type::Float8) {
                return Err(missing);
            }
            let (left, right) = self.both(left, &kind, right, &kind, &sign)?;
            return Ok(Expr::call(number_function(op, &kind), vec![left, right], kind));
        }
        let Some((function, one, other, result)) = time_function(op, &one, &other) else {
            if *op == BinaryOperator::Minus && one == Type::Jsonb {
                return self.without(left, right);
            }
            return Err(missing);
        };
        let (left, right) = self.both(left, &one, right, &other, &sign)?;
        Ok(Expr::call(function, vec![left, right], result))
    }

    /// `jsonb - text`, `jsonb - integer`.
    fn without(&self, left: Expr, right: Expr) -> Result<Expr> {
        let wanted = if right.kind.is_integer() { Type::Int4 } else { Type::Text };
        let (left, right) = self.both(left, &Type::Jsonb, right, &wanted, "-")?;
        Ok(Expr::call(
            |_, a| Ok(Datum::Json(std::sync::Arc::new(json::without(json::json(a, 0)?, &a[1])?))),
            vec![left, right],
            Type::Jsonb,
        ))
    }

    fn joined(&self, left: Expr, right: Expr) -> Result<Expr> {
        let array = |kind: &Type| matches!(kind, Type::Array(_));
        if array(&left.kind) || array(&right.kind) {
            let name = match (array(&left.kind), array(&right.kind)) {
                (true, true) => "array_cat",
                _ if left.kind == Type::Unknown || right.kind == Type::Unknown => "array_cat",
                (true, false) => "array_append",
                _ => return Err(PgError::unsupported("an element before an array")),
            };
            let missing = no_operator(&left.kind, "||", &right.kind);
            let called = super::super::functions::call(self, name, &[left, right])?;
            return called.map(|called| called.expression).ok_or(missing);
        }
        if left.kind == Type::Jsonb || right.kind == Type::Jsonb {
            let (left, right) = self.both(left, &Type::Jsonb, right, &Type::Jsonb, "||")?;
            return Ok(Expr::call(
                |_, a| {
                    Ok(Datum::Json(std::sync::Arc::new(json::joined(json::json(a, 0)?, json::json(a, 1)?))))
                },
                vec![left, right],
                Type::Jsonb,
            ));
        }
        if left.kind == Type::Bytea || right.kind == Type::Bytea {
            let (left, right) = self.both(left, &Type::Bytea, right, &Type::Bytea, "||")?;
            return Ok(Expr::call(
                |_, a| match (&a[0], &a[1]) {
                    (Datum::Bytes(one), Datum::Bytes(other)) => {
                        Ok(Datum::Bytes([&**one, &**other].concat().into()))
                    }
                    _ => Err(internal("an argument is no bytea")),
                },
                vec![left, right],
                Type::Bytea,
            ));
        }
        // One side is a text, and the other becomes one.
        let text = |kind: &Type| kind.is_text() || *kind == Type::Unknown;
        if !text(&left.kind) && !text(&right.kind) {
            return Err(no_operator(&left.kind, "||", &right.kind));
        }
        let become_text = |side: Expr| self.coerced(side, &Type::Text, How::Assignment);
        Ok(Expr::call(
            |_, a| match (&a[0], &a[1]) {
                (Datum::Text(one), Datum::Text(other)) => Ok(Datum::text(format!("{one}{other}"))),
                _ => Err(internal("an argument is no text")),
            },
            vec![become_text(left)?, become_text(right)?],
            Type::Text,
        ))
    }

    /// `->`, `->>`, `#>`, `#>>`
    fn member(&self, op: &BinaryOperator, left: Expr, right: Expr) -> Result<Expr> {
        let sign = op.to_string();
        let missing = no_operator(&left.kind, &sign, &right.kind);
        let left = match left.kind {
            // It is read each time; the result is `json` as well.
            Type::Json => {
                return Err(PgError::unsupported(format_args!("the operator {sign} of json (jsonb has it)")));
            }
            Type::Jsonb => left,
            _ => return Err(missing),
        };
        let path = matches!(op, BinaryOperator::HashArrow | BinaryOperator::HashLongArrow);
        let wanted = match &right.kind {
            _ if path => Type::Array(Box::new(Type::Text)),
            kind if kind.is_integer() => Type::Int4,
            _ => Type::Text,
        };
        let right = self.coerced(right, &wanted, How::Implicit).map_err(|_| missing)?;
        let (function, kind): (Function, Type) = match op {
            BinaryOperator::Arrow => (|_, a| Ok(as_json(json::member(a)?)), Type::Jsonb),
            BinaryOperator::LongArrow => (|_, a| Ok(as_text(json::member(a)?)), Type::Text),
            BinaryOperator::HashArrow => (|_, a| Ok(as_json(json::along(a)?)), Type::Jsonb),
            _ => (|_, a| Ok(as_text(json::along(a)?)), Type::Text),
        };
        Ok(Expr::call(function, vec![left, right], kind))
    }

    /// `@>`, `<@` and `&&`, of documents and of arrays.
    fn contained(&self, op: &BinaryOperator, left: Expr, right: Expr) -> Result<Expr> {
        let sign = op.to_string();
        let (left, right) = match op {
            BinaryOperator::ArrowAt => (right, left),
            _ => (left, right),
        };
        let overlap = *op == BinaryOperator::PGOverlap;
        if !overlap && (left.kind == Type::Jsonb || right.kind == Type::Jsonb) {
            let (left, right) = self.both(left, &Type::Jsonb, right, &Type::Jsonb, &sign)?;
            return Ok(Expr::call(
                |_, a| Ok(Datum::Bool(json::json(a, 0)?.contains(json::json(a, 1)?))),
                vec![left, right],
                Type::Bool,
            ));
        }
        let (left, right) = self.matched(&sign, left, right)?;
        if !matches!(left.kind, Type::Array(_)) {
            return Err(no_operator(&left.kind, &sign, &right.kind));
        }
        let function: Function = match overlap {
            true => |_, a| among(a, |items, item| items.iter().any(|other| other.order(item).is_eq()), false),
            false => |_, a| among(a, |items, item| items.iter().any(|other| other.order(item).is_eq()), true),
        };
        Ok(Expr::call(function, vec![left, right], Type::Bool))
    }

    pub(super) fn unary(&self, op: UnaryOperator, inner: Expr) -> Result<Expr> {
        match op {
            UnaryOperator::Not => {
                let inner = self.coerced(inner, &Type::Bool, How::Implicit)?;
                Ok(Expr::new(Node::Not(Box::new(inner)), Type::Bool))
            }
            UnaryOperator::Plus if inner.kind.is_number() => Ok(inner),
            UnaryOperator::Minus => {
                // The sign of a literal belongs to it.
                if let Node::Constant(Datum::Int(number)) = inner.node {
                    return Ok(Expr::constant(Datum::Int(-number), inner.kind));
                }
                let kind = inner.kind.clone();
                let function: Function = match &kind {
                    Type::Int2 | Type::Int4 | Type::Int8 => |_, a| match &a[0] {
                        Datum::Int(number) => number
                            .checked_neg()
                            .map(Datum::Int)
                            .ok_or_else(|| PgError::new("22003", "bigint out of range")),
                        _ => Err(internal("an argument is no number")),
                    },
                    Type::Numeric(_) | Type::Float4 | Type::Float8 | Type::Interval => |_, a| {
                        Ok(match &a[0] {
                            Datum::Numeric(number) => Datum::Numeric(number.negated()),
                            Datum::Float(number) => Datum::Float(-number),
                            Datum::Interval(of) => Datum::Interval(Interval {
                                months: -of.months,
                                days: -of.days,
                                micros: -of.micros,
                            }),
                            _ => return Err(internal("an argument is no number")),
                        })
                    },
                    _ => {
                        return Err(PgError::new(
                            "42883",
                            format!("operator does not exist: - {}", kind.plain_name()),
                        ));
                    }
                };
                Ok(Expr::call(function, vec![inner], kind.plain()))
            }
            other => Err(PgError::unsupported(format_args!("the operator {other}"))),
        }
    }

    /// What is asked of each item by `op ANY (array)`.
    pub(super) fn quantifier(&self, op: &BinaryOperator) -> Result<Quantifier> {
        if let Some(comparison) = comparison(op) {
            return Ok(Quantifier::Comparison(comparison));
        }
        Ok(Quantifier::Function(match op {
            BinaryOperator::PGLikeMatch => |_, a| like(a, false),
            BinaryOperator::PGILikeMatch => |_, a| like(a, true),
            BinaryOperator::PGRegexMatch => |_, a| matches(a, false),
            other => return Err(PgError::unsupported(format_args!("the operator {other} with ANY or ALL"))),
        }))
    }
}

fn as_json(found: Option<&crate::value::Json>) -> Datum {
    found.map_or(Datum::Null, |json| Datum::Json(std::sync::Arc::new(json.clone())))
}

fn as_text(found: Option<&crate::value::Json>) -> Datum {
    found.and_then(crate::value::Json::as_text).map_or(Datum::Null, Datum::text)
}

fn negated(inner: Expr) -> Expr {
    Expr::new(Node::Not(Box::new(inner)), Type::Bool)
}

fn among(arguments: &[Datum], has: fn(&[Datum], &Datum) -> bool, all: bool) -> Result<Datum> {
    match (&arguments[0], &arguments[1]) {
        (Datum::Array(one), Datum::Array(other)) => {
            let mut found = other.iter().map(|item| has(one, item));
            Ok(Datum::Bool(if all { found.all(|is| is) } else { found.any(|is| is) }))
        }
        _ => Err(internal("an argument is no array")),
    }
}

pub(super) fn matches(arguments: &[Datum], ignore_case: bool) -> Result<Datum> {
    match (&arguments[0], &arguments[1]) {
        (Datum::Text(text), Datum::Text(pattern)) => {
            Ok(Datum::Bool(regex(pattern, ignore_case)?.is_match(text)))
        }
        _ => Err(internal("an argument is no text")),
    }
}

pub(super) fn like(arguments: &[Datum], ignore_case: bool) -> Result<Datum> {
    let escape = match arguments.get(2) {
        Some(Datum::Text(escape)) => escape.chars().next(),
        _ => Some('\\'),
    };
    match (&arguments[0], &arguments[1]) {
        (Datum::Text(text), Datum::Text(pattern)) => {
            matches_like(text, pattern, escape, ignore_case).map(Datum::Bool)
        }
        _ => Err(internal("an argument is no text")),
    }
}

fn bits(arguments: &[Datum], of: fn(i64, i64) -> i64) -> Result<Datum> {
    match (&arguments[0], &arguments[1]) {
        (Datum::Int(one), Datum::Int(other)) => Ok(Datum::Int(of(*one, *other))),
        _ => Err(internal("an argument is no whole number")),
    }
}

/// What a text in quotes is beside a value of this type.
fn unknown_beside(op: &BinaryOperator, kind: &Type) -> Type {
    match (op, kind) {
        // `now() - '1 hour'` is meant as one, and read as a time.
        (BinaryOperator::Plus, Type::Timestamp | Type::Timestamptz) => Type::Interval,
        (BinaryOperator::Multiply | BinaryOperator::Divide, Type::Interval) => Type::Float8,
        (BinaryOperator::Minus, Type::Jsonb) => Type::Text,
        (_, kind) => kind.plain(),
    }
}

/// Arithmetic within one type.
fn number_function(op: &BinaryOperator, kind: &Type) -> Function {
    use BinaryOperator as Op;
    match (kind, op) {
        (Type::Int2, Op::Plus) => |_, a| integers(a, &Type::Int2, i64::checked_add),
        (Type::Int2, Op::Minus) => |_, a| integers(a, &Type::Int2, i64::checked_sub),
        (Type::Int2, Op::Multiply) => |_, a| integers(a, &Type::Int2, i64::checked_mul),
        (Type::Int2, Op::Divide) => |_, a| quotient(a, &Type::Int2),
        (Type::Int4, Op::Plus) => |_, a| integers(a, &Type::Int4, i64::checked_add),
        (Type::Int4, Op::Minus) => |_, a| integers(a, &Type::Int4, i64::checked_sub),
        (Type::Int4, Op::Multiply) => |_, a| integers(a, &Type::Int4, i64::checked_mul),
        (Type::Int4, Op::Divide) => |_, a| quotient(a, &Type::Int4),
        (Type::Int8, Op::Plus) => |_, a| integers(a, &Type::Int8, i64::checked_add),
        (Type::Int8, Op::Minus) => |_, a| integers(a, &Type::Int8, i64::checked_sub),
        (Type::Int8, Op::Multiply) => |_, a| integers(a, &Type::Int8, i64::checked_mul),
        (Type::Int8, Op::Divide) => |_, a| quotient(a, &Type::Int8),
        (Type::Int2 | Type::Int4 | Type::Int8, _) => |_, a| match (&a[0], &a[1]) {
            (_, Datum::Int(0)) => Err(by_zero()),
            (Datum::Int(one), Datum::Int(other)) => Ok(Datum::Int(one.wrapping_rem(*other))),
            _ => Err(internal("an argument is no whole number")),
        },
        (Type::Numeric(_), Op::Plus) => |_, a| numerics(a, |one, other| Ok(one.add(other))),
        (Type::Numeric(_), Op::Minus) => |_, a| numerics(a, |one, other| Ok(one.subtract(other))),
        (Type::Numeric(_), Op::Multiply) => |_, a| numerics(a, |one, other| Ok(one.multiply(other))),
        (Type::Numeric(_), Op::Divide) => |_, a| numerics(a, |one, other| Ok(one.divide(other)?)),
        (Type::Numeric(_), _) => |_, a| numerics(a, |one, other| Ok(one.remainder(other)?)),
        (Type::Float4, Op::Plus) => |_, a| floats(a, &Type::Float4, |one, other| one + other),
        (Type::Float4, Op::Minus) => |_, a| floats(a, &Type::Float4, |one, other| one - other),
        (Type::Float4, Op::Multiply) => |_, a| floats(a, &Type::Float4, |one, other| one * other),
        (Type::Float4, _) => |_, a| match &a[1] {
            Datum::Float(0.0) => Err(by_zero()),
            _ => floats(a, &Type::Float4, |one, other| one / other),
        },
        (_, Op::Plus) => |_, a| floats(a, &Type::Float8, |one, other| one + other),
        (_, Op::Minus) => |_, a| floats(a, &Type::Float8, |one, other| one - other),
        (_, Op::Multiply) => |_, a| floats(a, &Type::Float8, |one, other| one * other),
        _ => |_, a| match &a[1] {
            Datum::Float(0.0) => Err(by_zero()),
            _ => floats(a, &Type::Float8, |one, other| one / other),
        },
    }
}

fn by_zero() -> PgError {
    PgError::new("22012", "division by zero")
}

fn integers(arguments: &[Datum], kind: &Type, of: fn(i64, i64) -> Option<i64>) -> Result<Datum> {
    match (&arguments[0], &arguments[1]) {
        (Datum::Int(one), Datum::Int(other)) => match of(*one, *other) {
            Some(number) => cast::whole(number, kind),
            None => Err(PgError::new("22003", format!("{} out of range", kind.plain_name()))),
        },
        _ => Err(internal("an argument is no whole number")),
    }
}

fn quotient(arguments: &[Datum], kind: &Type) -> Result<Datum> {
    match &arguments[1] {
        Datum::Int(0) => Err(by_zero()),
        _ => integers(arguments, kind, i64::checked_div),
    }
}

fn numerics(arguments: &[Datum], of: fn(&Numeric, &Numeric) -> Result<Numeric>) -> Result<Datum> {
    match (&arguments[0], &arguments[1]) {
        (Datum::Numeric(one), Datum::Numeric(other)) => of(one, other).map(Datum::Numeric),
        _ => Err(internal("an argument is no decimal")),
    }
}

fn floats(arguments: &[Datum], kind: &Type, of: fn(f64, f64) -> f64) -> Result<Datum> {
    match (&arguments[0], &arguments[1]) {
        (Datum::Float(one), Datum::Float(other)) => {
            let result = of(*one, *other);
            if result.is_infinite() && one.is_finite() && other.is_finite() {
                return Err(PgError::new("22003", "value out of range: overflow"));
            }
            cast::float(result, kind)
        }
        _ => Err(internal("an argument is no fraction")),
    }
}

type TimeFunction = (Function, Type, Type, Type);

/// What is done with dates, times and intervals: the function, the types of both sides, and that of the result.
fn time_function(op: &BinaryOperator, one: &Type, other: &Type) -> Option<TimeFunction> {
    use BinaryOperator as Op;
    use Type::{Date, Interval as Span, Timestamp, Timestamptz};
    let whole = |kind: &Type| kind.is_integer();
    Some(match (op, one, other) {
        (Op::Plus, Timestamp | Timestamptz, Span) => {
            (|_, a| later(&a[0], &a[1], false), one.clone(), Span, one.clone())
        }
        (Op::Plus, Span, Timestamp | Timestamptz) => {
            (|_, a| later(&a[1], &a[0], false), Span, other.clone(), other.clone())
        }
        (Op::Minus, Timestamp | Timestamptz, Span) => {
            (|_, a| later(&a[0], &a[1], true), one.clone(), Span, one.clone())
        }
        (Op::Plus, Date, Span) => (|_, a| later(&a[0], &a[1], false), Timestamp, Span, Timestamp),
        (Op::Minus, Date, Span) => (|_, a| later(&a[0], &a[1], true), Timestamp, Span, Timestamp),
        (Op::Plus, Date, days) if whole(days) => (|_, a| days_on(&a[0], &a[1], 1), Date, Type::Int4, Date),
        (Op::Minus, Date, days) if whole(days) => (|_, a| days_on(&a[0], &a[1], -1), Date, Type::Int4, Date),
        (Op::Minus, Date, Date) => (
            |_, a| match (&a[0], &a[1]) {
                (Datum::Date(one), Datum::Date(other)) => Ok(Datum::Int(i64::from(*one) - i64::from(*other))),
                _ => Err(internal("an argument is no date")),
            },
            Date,
            Date,
            Type::Int4,
        ),
        (Op::Minus, Timestamp | Timestamptz | Date, Timestamp | Timestamptz | Date) => {
            let zoned = *one == Timestamptz || *other == Timestamptz;
            let kind = if zoned { Timestamptz } else { Timestamp };
            (|_, a| between(&a[0], &a[1]), kind.clone(), kind, Span)
        }
        (Op::Plus, Span, Span) => (|_, a| spans(&a[0], &a[1], 1.0), Span, Span, Span),
        (Op::Minus, Span, Span) => (|_, a| spans(&a[0], &a[1], -1.0), Span, Span, Span),
        (Op::Multiply, Span, number) if number.is_number() => {
            (|_, a| scaled(&a[0], &a[1], false), Span, Type::Float8, Span)
        }
        (Op::Multiply, number, Span) if number.is_number() => {
            (|_, a| scaled(&a[1], &a[0], false), Type::Float8, Span, Span)
        }
        (Op::Divide, Span, number) if number.is_number() => {
            (|_, a| scaled(&a[0], &a[1], true), Span, Type::Float8, Span)
        }
        _ => return None,
    })
}

fn too_late() -> PgError {
    PgError::new("22008", "timestamp out of range")
}

fn later(time: &Datum, span: &Datum, back: bool) -> Result<Datum> {
    match (time, span) {
        (Datum::Timestamp(micros), Datum::Interval(span)) => {
            let span = if back {
                Interval { months: -span.months, days: -span.days, micros: -span.micros }
            } else {
                *span
            };
            span.after(*micros).map(Datum::Timestamp).ok_or_else(too_late)
        }
        _ => Err(internal("an argument is no time")),
    }
}

fn days_on(date: &Datum, days: &Datum, sign: i64) -> Result<Datum> {
    match (date, days) {
        (Datum::Date(day), Datum::Int(days)) => i32::try_from(i64::from(*day) + sign * days)
            .map(Datum::Date)
            .map_err(|_| PgError::new("22008", "date out of range")),
        _ => Err(internal("an argument is no date")),
    }
}

/// In days of 24 hours, and time.
fn between(one: &Datum, other: &Datum) -> Result<Datum> {
    match (one, other) {
        (Datum::Timestamp(one), Datum::Timestamp(other)) => {
            let micros = one.checked_sub(*other).ok_or_else(too_late)?;
            Ok(Datum::Interval(Interval::of_micros_with_days(micros)))
        }
        _ => Err(internal("an argument is no time")),
    }
}

fn spans(one: &Datum, other: &Datum, sign: f64) -> Result<Datum> {
    match (one, other) {
        (Datum::Interval(one), Datum::Interval(other)) => {
            let sum = other.scaled(sign).and_then(|other| one.plus(&other));
            sum.map(Datum::Interval).ok_or_else(|| PgError::new("22008", "interval out of range"))
        }
        _ => Err(internal("an argument is no interval")),
    }
}

fn scaled(span: &Datum, by: &Datum, divided: bool) -> Result<Datum> {
    match (span, by) {
        (_, Datum::Float(0.0)) if divided => Err(by_zero()),
        (Datum::Interval(span), Datum::Float(by)) => {
            let scaled = span.scaled(if divided { 1.0 / by } else { *by });
            scaled.map(Datum::Interval).ok_or_else(|| PgError::new("22008", "interval out of range"))
        }
        _ => Err(internal("an argument is no interval")),
    }
}
