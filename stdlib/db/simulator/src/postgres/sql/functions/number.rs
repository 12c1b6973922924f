//! Functions of numbers.

use super::text::{number, numeric};
use super::{Signature, strict};
use crate::postgres::PgError;
use crate::postgres::sql::cast::whole;
use crate::postgres::sql::expr::{Result, internal};
use crate::value::{Datum, Numeric, Type};

pub(super) const FUNCTIONS: &[Signature] = &[
    strict("abs", "int4", "int4", |_, a| whole(number(a, 0)?.abs(), &Type::Int4)),
    strict("abs", "int8", "int8", |_, a| {
        number(a, 0)?
            .checked_abs()
            .map(Datum::Int)
            .ok_or_else(|| PgError::new("22003", "bigint out of range"))
    }),
    strict("abs", "numeric", "numeric", |_, a| {
        let number = numeric(a, 0)?;
        Ok(Datum::Numeric(if *number < Numeric::from(0) { number.negated() } else { number.clone() }))
    }),
    strict("abs", "float8", "float8", |_, a| Ok(Datum::Float(float(a, 0)?.abs()))),
    strict("round", "numeric", "numeric", |_, a| Ok(Datum::Numeric(numeric(a, 0)?.rounded(0)))),
    strict("round", "numeric,int4", "numeric", |_, a| {
        Ok(Datum::Numeric(numeric(a, 0)?.rounded_to(number(a, 1)?.clamp(-2000, 2000))))
    }),
    strict("round", "float8", "float8", |_, a| Ok(Datum::Float(float(a, 0)?.round_ties_even()))),
    strict("trunc", "numeric", "numeric", |_, a| Ok(Datum::Numeric(numeric(a, 0)?.truncated(0)))),
    strict("trunc", "numeric,int4", "numeric", |_, a| match u32::try_from(number(a, 1)?) {
        Ok(places) => Ok(Datum::Numeric(numeric(a, 0)?.truncated(places.min(2000)))),
        Err(_) => Err(PgError::unsupported("trunc() to places before the point")),
    }),
    strict("trunc", "float8", "float8", |_, a| Ok(Datum::Float(float(a, 0)?.trunc()))),
    strict("floor", "numeric", "numeric", |_, a| Ok(Datum::Numeric(numeric(a, 0)?.floor()))),
    strict("floor", "float8", "float8", |_, a| Ok(Datum::Float(float(a, 0)?.floor()))),
    strict("ceil", "numeric", "numeric", |_, a| {
        Ok(Datum::Numeric(numeric(a, 0)?.negated().floor().negated()))
    }),
    strict("ceil", "float8", "float8", |_, a| Ok(Datum::Float(float(a, 0)?.ceil()))),
    strict("ceiling", "numeric", "numeric", |_, a| {
        Ok(Datum::Numeric(numeric(a, 0)?.negated().floor().negated()))
    }),
    strict("ceiling", "float8", "float8", |_, a| Ok(Datum::Float(float(a, 0)?.ceil()))),
    strict("sign", "numeric", "numeric", |_, a| {
        let order = numeric(a, 0)?.cmp(&Numeric::from(0));
        Ok(Datum::Numeric(Numeric::from(order as i64)))
    }),
    strict("mod", "int4,int4", "int4", |_, a| remainder(number(a, 0)?, number(a, 1)?)),
    strict("mod", "int8,int8", "int8", |_, a| remainder(number(a, 0)?, number(a, 1)?)),
    strict("mod", "numeric,numeric", "numeric", |_, a| {
        Ok(Datum::Numeric(numeric(a, 0)?.remainder(numeric(a, 1)?)?))
    }),
    strict("div", "numeric,numeric", "numeric", |_, a| {
        let (one, other) = (numeric(a, 0)?, numeric(a, 1)?);
        let rest = one.remainder(other)?;
        Ok(Datum::Numeric(one.subtract(&rest).divide(other)?.rounded(0)))
    }),
    strict("sqrt", "float8", "float8", |_, a| match float(a, 0)? {
        ..0.0 => Err(PgError::new("2201F", "cannot take square root of a negative number")),
        number => Ok(Datum::Float(number.sqrt())),
    }),
    strict("power", "float8,float8", "float8", |_, a| Ok(Datum::Float(float(a, 0)?.powf(float(a, 1)?)))),
    strict("pow", "float8,float8", "float8", |_, a| Ok(Datum::Float(float(a, 0)?.powf(float(a, 1)?)))),
    strict("exp", "float8", "float8", |_, a| Ok(Datum::Float(float(a, 0)?.exp()))),
    strict("ln", "float8", "float8", |_, a| logarithm(float(a, 0)?, f64::ln)),
    strict("log", "float8", "float8", |_, a| logarithm(float(a, 0)?, f64::log10)),
    strict("pi", "", "float8", |_, _| Ok(Datum::Float(std::f64::consts::PI))),
    strict("random", "", "float8", |cx, _| {
        let mut bytes = [0; 8];
        cx.server.random(&mut bytes);
        // 53 bits, which is what a number between 0 and 1 has.
        #[allow(clippy::cast_precision_loss)]
        let number = (u64::from_be_bytes(bytes) >> 11) as f64 / (1_u64 << 53) as f64;
        Ok(Datum::Float(number))
    }),
    strict("gen_random_uuid", "", "uuid", |cx, _| {
        let mut bytes = [0; 16];
        cx.server.random(&mut bytes);
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Ok(Datum::Uuid(bytes))
    }),
];

pub(super) fn float(arguments: &[Datum], at: usize) -> Result<f64> {
    match arguments.get(at) {
        Some(Datum::Float(number)) => Ok(*number),
        _ => Err(internal("an argument is no fraction")),
    }
}

fn remainder(one: i64, other: i64) -> Result<Datum> {
    if other == 0 {
        return Err(PgError::new("22012", "division by zero"));
    }
    Ok(Datum::Int(one.wrapping_rem(other)))
}

fn logarithm(number: f64, of: fn(f64) -> f64) -> Result<Datum> {
    if number == 0.0 {
        return Err(PgError::new("2201E", "cannot take logarithm of zero"));
    }
    if number < 0.0 {
        return Err(PgError::new("2201E", "cannot take logarithm of a negative number"));
    }
    Ok(Datum::Float(of(number)))
}
