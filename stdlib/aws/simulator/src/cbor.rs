//! CBOR as AWS's services speak it, to and from JSON. Times are texts in JSON; in CBOR they bear a tag, and which members they are
//! their names say, as AWS gives names by rule.

use std::convert::Infallible;

use jiff::Timestamp;
use minicbor::data::{IanaTag, Tag, Type};
use minicbor::{Decoder, Encoder};
use serde_json::{Map, Number, Value};

/// Nobody nests deeper.
const DEEPEST: usize = 64;

/// What is read; `None` if it is no CBOR, or none that JSON has something for.
pub fn read(bytes: &[u8]) -> Option<Value> {
    if bytes.is_empty() {
        return Some(Value::Object(Map::new()));
    }
    value(&mut Decoder::new(bytes), DEEPEST)
}

fn value(from: &mut Decoder<'_>, deepest: usize) -> Option<Value> {
    let deepest = deepest.checked_sub(1)?;
    Some(match from.datatype().ok()? {
        Type::Null | Type::Undefined => {
            from.skip().ok()?;
            Value::Null
        }
        Type::Bool => from.bool().ok()?.into(),
        Type::F16 | Type::F32 | Type::F64 => Number::from_f64(from.f64().ok()?)?.into(),
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => from.u64().ok()?.into(),
        Type::I8 | Type::I16 | Type::I32 | Type::I64 => from.i64().ok()?.into(),
        Type::String => from.str().ok()?.into(),
        Type::StringIndef => {
            let parts = from.str_iter().ok()?.collect::<Result<String, _>>();
            parts.ok()?.into()
        }
        Type::Array | Type::ArrayIndef => {
            let mut left = from.array().ok()?;
            let mut items = Vec::new();
            while more(from, &mut left)? {
                items.push(value(from, deepest)?);
            }
            Value::Array(items)
        }
        Type::Map | Type::MapIndef => {
            let mut left = from.map().ok()?;
            let mut members = Map::new();
            while more(from, &mut left)? {
                let Value::String(name) = value(from, deepest)? else { return None };
                members.insert(name, value(from, deepest)?);
            }
            Value::Object(members)
        }
        Type::Tag => {
            let tag = from.tag().ok()?;
            let content = value(from, deepest)?;
            match tag == Tag::from(IanaTag::Timestamp) {
                true => time(&content)?.to_string().into(),
                false => content,
            }
        }
        _ => return None,
    })
}

/// Whether an item follows; where nobody said how many there are, a mark ends them.
fn more(from: &mut Decoder<'_>, left: &mut Option<u64>) -> Option<bool> {
    match left {
        Some(0) => Some(false),
        Some(left) => {
            *left -= 1;
            Some(true)
        }
        None if from.datatype().ok()? == Type::Break => {
            from.skip().ok()?;
            Some(false)
        }
        None => Some(true),
    }
}

/// Seconds since 1970, or a text.
pub(crate) fn time(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => match number.as_i64() {
            Some(seconds) => Timestamp::from_second(seconds).ok(),
            None => {
                let span = jiff::SignedDuration::try_from_secs_f64(number.as_f64()?).ok()?;
                Timestamp::from_duration(span).ok()
            }
        },
        _ => None,
    }
}

/// Writes it out.
pub fn write(content: &Value) -> Vec<u8> {
    let mut to = Encoder::new(Vec::new());
    match put(&mut to, content, false) {
        Ok(()) => to.into_writer(),
        // A vector takes everything, and nothing else can go wrong here.
        Err(error) => unreachable!("{error}"),
    }
}

type Written = Result<(), minicbor::encode::Error<Infallible>>;

fn put(to: &mut Encoder<Vec<u8>>, content: &Value, is_time: bool) -> Written {
    match content {
        Value::Null => drop(to.null()?),
        Value::Bool(is) => drop(to.bool(*is)?),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => drop(to.i64(number)?),
            (None, fraction) => drop(to.f64(fraction.unwrap_or_default())?),
        },
        Value::String(text) => match text.parse::<Timestamp>() {
            Ok(at) if is_time => {
                to.tag(IanaTag::Timestamp)?.f64(at.as_duration().as_secs_f64())?;
            }
            _ => drop(to.str(text)?),
        },
        Value::Array(items) => {
            to.array(items.len() as u64)?;
            items.iter().try_for_each(|item| put(to, item, is_time))?;
        }
        Value::Object(members) => {
            // A member that has no value is left out.
            let members = members.iter().filter(|(_, content)| !content.is_null());
            to.map(members.clone().count() as u64)?;
            for (name, content) in members {
                to.str(name)?;
                put(to, content, ["Time", "Timestamp", "Timestamps"].iter().any(|end| name.ends_with(end)))?;
            }
        }
    }
    Ok(())
}
