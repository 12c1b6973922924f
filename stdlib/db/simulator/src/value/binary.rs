//! Values in binary, as the extended protocol carries them.

use std::sync::Arc;

use bytes::{Buf, BufMut};
use num_bigint::BigInt;

use super::{Datum, Interval, Json, Numeric, Type, ValueError, numeric, text};

const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;

/// Appends a value that there is.
pub fn to_binary(datum: &Datum, kind: &Type, out: &mut Vec<u8>) {
    match datum {
        Datum::Null => {}
        Datum::Bool(is) => out.put_u8(u8::from(*is)),
        Datum::Int(number) => out.extend_from_slice(&number.to_be_bytes()[8 - width(kind)..]),
        #[allow(clippy::cast_possible_truncation)] // it was rounded to one before
        Datum::Float(float) if *kind == Type::Float4 => out.put_f32(*float as f32),
        Datum::Float(float) => out.put_f64(*float),
        Datum::Numeric(number) => put_numeric(number, out),
        Datum::Bytes(bytes) => out.extend_from_slice(bytes),
        Datum::Bits(digits) => put_bits(digits, out),
        Datum::Date(day) => out.put_i32(*day),
        Datum::Time(micros) | Datum::Timestamp(micros) => out.put_i64(*micros),
        Datum::Interval(interval) => {
            out.put_i64(interval.micros);
            out.put_i32(interval.days);
            out.put_i32(interval.months);
        }
        Datum::Uuid(bytes) => out.extend_from_slice(bytes),
        Datum::Json(json) => {
            out.put_u8(1);
            out.extend_from_slice(json.to_string().as_bytes());
        }
        Datum::Text(content) => out.extend_from_slice(content.as_bytes()),
        Datum::Array(items) => {
            let element = match kind {
                Type::Array(element) => element,
                other => other,
            };
            put_array(items, element, out);
        }
        Datum::Record(fields) => {
            out.put_i32(i32::try_from(fields.len()).unwrap_or(i32::MAX));
            for (kind, field) in fields.iter() {
                out.put_u32(kind.oid());
                put_sized(field, kind, out);
            }
        }
    }
}

/// The bytes of a whole number of this type.
fn width(kind: &Type) -> usize {
    match kind {
        Type::Int2 => 2,
        Type::Int4 | Type::Oid | Type::Regclass => 4,
        _ => 8,
    }
}

/// With its length before it, -1 for what is absent.
fn put_sized(datum: &Datum, kind: &Type, out: &mut Vec<u8>) {
    if datum.is_null() {
        return out.put_i32(-1);
    }
    let at = out.len();
    out.put_i32(0);
    to_binary(datum, kind, out);
    let length = i32::try_from(out.len() - at - 4).unwrap_or(i32::MAX);
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
}

fn put_array(items: &[Datum], element: &Type, out: &mut Vec<u8>) {
    out.put_i32(i32::from(!items.is_empty()));
    out.put_i32(i32::from(items.iter().any(Datum::is_null)));
    out.put_u32(element.oid());
    if items.is_empty() {
        return;
    }
    out.put_i32(i32::try_from(items.len()).unwrap_or(i32::MAX));
    out.put_i32(1);
    items.iter().for_each(|item| put_sized(item, element, out));
}

fn put_bits(digits: &str, out: &mut Vec<u8>) {
    out.put_i32(i32::try_from(digits.len()).unwrap_or(i32::MAX));
    for group in digits.as_bytes().chunks(8) {
        let byte = group.iter().enumerate().fold(0, |byte, (at, digit)| byte | ((digit - b'0') << (7 - at)));
        out.put_u8(byte);
    }
}

fn put_numeric(number: &Numeric, out: &mut Vec<u8>) {
    let (weight, digits) = number.base_digits();
    let sign = match number {
        Numeric::NaN => NAN,
        _ if number.is_negative() => NEGATIVE,
        Numeric::Finite { .. } => 0,
    };
    out.put_u16(u16::try_from(digits.len()).unwrap_or(u16::MAX));
    out.put_i16(weight);
    out.put_u16(sign);
    out.put_u16(u16::try_from(number.scale()).unwrap_or(u16::MAX));
    digits.iter().for_each(|digit| out.put_u16(*digit));
}

/// Reads a value that there is.
///
/// # Errors
/// 22P03 where the bytes are none of this type; those of [`text::from_text`] for what is text.
pub fn from_binary(bytes: &[u8], kind: &Type) -> Result<Datum, ValueError> {
    let mut rest = bytes;
    let datum = read(&mut rest, kind)?;
    if rest.has_remaining() { Err(malformed(kind)) } else { Ok(datum) }
}

fn malformed(kind: &Type) -> ValueError {
    ValueError::new("22P03", format!("incorrect binary data format of type {kind}"))
}

fn read(rest: &mut &[u8], kind: &Type) -> Result<Datum, ValueError> {
    let need = |rest: &&[u8], length: usize| if rest.len() < length { Err(malformed(kind)) } else { Ok(()) };
    Ok(match kind {
        Type::Bool => {
            need(rest, 1)?;
            Datum::Bool(rest.get_u8() != 0)
        }
        Type::Int2 => {
            need(rest, 2)?;
            Datum::Int(i64::from(rest.get_i16()))
        }
        Type::Int4 => {
            need(rest, 4)?;
            Datum::Int(i64::from(rest.get_i32()))
        }
        Type::Oid | Type::Regclass => {
            need(rest, 4)?;
            Datum::Int(i64::from(rest.get_u32()))
        }
        Type::Int8 => {
            need(rest, 8)?;
            Datum::Int(rest.get_i64())
        }
        Type::Float4 => {
            need(rest, 4)?;
            Datum::Float(f64::from(rest.get_f32()))
        }
        Type::Float8 => {
            need(rest, 8)?;
            Datum::Float(rest.get_f64())
        }
        Type::Numeric(_) => Datum::Numeric(numeric(rest).ok_or_else(|| malformed(kind))?),
        Type::Bytea => Datum::Bytes(std::mem::take(rest).into()),
        Type::Date => {
            need(rest, 4)?;
            Datum::Date(rest.get_i32())
        }
        Type::Time => {
            need(rest, 8)?;
            Datum::Time(rest.get_i64())
        }
        Type::Timestamp | Type::Timestamptz => {
            need(rest, 8)?;
            Datum::Timestamp(rest.get_i64())
        }
        Type::Interval => {
            need(rest, 16)?;
            let (micros, days, months) = (rest.get_i64(), rest.get_i32(), rest.get_i32());
            Datum::Interval(Interval { months, days, micros })
        }
        Type::Uuid => {
            need(rest, 16)?;
            let mut bytes = [0; 16];
            rest.copy_to_slice(&mut bytes);
            Datum::Uuid(bytes)
        }
        Type::Jsonb => {
            need(rest, 1)?;
            if rest.get_u8() != 1 {
                return Err(malformed(kind));
            }
            Datum::Json(Arc::new(Json::parse(utf8(std::mem::take(rest))?)?))
        }
        Type::Array(element) => array(rest, element)?,
        Type::Bit(_) => {
            need(rest, 4)?;
            let length = usize::try_from(rest.get_i32()).map_err(|_| malformed(kind))?;
            need(rest, length.div_ceil(8))?;
            let digits: String = (0..length)
                .map(|at| if rest[at / 8] & (0x80 >> (at % 8)) != 0 { '1' } else { '0' })
                .collect();
            rest.advance(length.div_ceil(8));
            Datum::Bits(digits.into())
        }
        Type::Record | Type::Void => return Err(malformed(kind)),
        Type::Text | Type::Varchar(_) | Type::Name | Type::Char | Type::Json | Type::Unknown => {
            return text::from_text(utf8(std::mem::take(rest))?, kind);
        }
    })
}

fn utf8(bytes: &[u8]) -> Result<&str, ValueError> {
    std::str::from_utf8(bytes)
        .map_err(|_| ValueError::new("22021", "invalid byte sequence for encoding \"UTF8\""))
}

fn array(rest: &mut &[u8], element: &Type) -> Result<Datum, ValueError> {
    let kind = Type::Array(Box::new(element.clone()));
    if rest.len() < 12 {
        return Err(malformed(&kind));
    }
    let (dimensions, _, _) = (rest.get_i32(), rest.get_i32(), rest.get_u32());
    match dimensions {
        0 => return Ok(Datum::Array(Arc::default())),
        1 if rest.len() >= 8 => {}
        1 => return Err(malformed(&kind)),
        _ => return Err(ValueError::new("0A000", "arrays of several dimensions are not simulated")),
    }
    let (length, _) = (rest.get_i32(), rest.get_i32());
    let mut items = Vec::new();
    for _ in 0..length {
        if rest.len() < 4 {
            return Err(malformed(&kind));
        }
        let size = rest.get_i32();
        let Ok(size) = usize::try_from(size) else {
            items.push(Datum::Null);
            continue;
        };
        let item = rest.get(..size).ok_or_else(|| malformed(&kind))?;
        rest.advance(size);
        items.push(from_binary(item, element)?);
    }
    Ok(Datum::Array(Arc::new(items)))
}

fn numeric(rest: &mut &[u8]) -> Option<Numeric> {
    if rest.len() < 8 {
        return None;
    }
    let (count, weight) = (rest.get_u16(), i64::from(rest.get_i16()));
    let (sign, scale) = (rest.get_u16(), u32::from(rest.get_u16()));
    if rest.len() < usize::from(count) * 2 {
        return None;
    }
    if sign == NAN {
        return Some(Numeric::NaN);
    }
    let digits = (0..count).fold(BigInt::ZERO, |sum, _| sum * 10_000 + rest.get_u16());
    let digits = if sign == NEGATIVE { -digits } else { digits };
    // The last digit of base 10000 stands so many places after the point.
    let places = (i64::from(count) - 1 - weight) * 4;
    let number = match u32::try_from(places) {
        Ok(places) => Numeric::new(digits, places),
        Err(_) => Numeric::new(digits * numeric::power(u32::try_from(-places).ok()?), 0),
    };
    Some(number.rounded(scale))
}
