//! Functions of `json` and `jsonb`.

use std::sync::Arc;

use super::text::{as_text, count, text, typed};
use super::{Signature, always, set, strict};
use crate::postgres::PgError;
use crate::postgres::sql::expr::{Result, internal};
use crate::value::{Datum, Json, Numeric, Type, to_text};

pub(super) const FUNCTIONS: &[Signature] = &[
    strict("jsonb_typeof", "jsonb", "text", |_, a| Ok(Datum::text(json(a, 0)?.kind()))),
    strict("jsonb_array_length", "jsonb", "int4", |_, a| match json(a, 0)? {
        Json::Array(items) => Ok(count(items.len())),
        Json::Object(_) => Err(PgError::new("22023", "cannot get array length of a non-array")),
        _ => Err(PgError::new("22023", "cannot get array length of a scalar")),
    }),
    set("jsonb_array_elements", "jsonb", "jsonb", |_, a| {
        Ok(Datum::Array(Arc::new(
            items(json(a, 0)?)?.iter().map(|item| Datum::Json(Arc::new(item.clone()))).collect(),
        )))
    }),
    set("jsonb_array_elements_text", "jsonb", "text", |_, a| {
        let texts = items(json(a, 0)?)?.iter().map(|item| item.as_text().map_or(Datum::Null, Datum::text));
        Ok(Datum::Array(Arc::new(texts.collect())))
    }),
    set("jsonb_object_keys", "jsonb", "text", |_, a| match json(a, 0)? {
        Json::Object(fields) => {
            Ok(Datum::Array(Arc::new(fields.iter().map(|(key, _)| Datum::text(key)).collect())))
        }
        other => {
            let what = if matches!(other, Json::Array(_)) { "an array" } else { "a scalar" };
            Err(PgError::new("22023", format!("cannot call jsonb_object_keys on {what}")))
        }
    }),
    always("jsonb_build_object", "any...", "jsonb", |_, a| {
        if a.len() % 2 != 0 {
            return Err(PgError::new("22023", "argument list must have even number of elements"));
        }
        let fields = a.chunks(2).enumerate().map(|(at, pair)| {
            let key = as_text(&pair[0]).ok_or_else(|| {
                PgError::new("22023", format!("argument {}: key must not be null", at * 2 + 1))
            })?;
            Ok((key, any(&pair[1])))
        });
        Ok(Datum::Json(Arc::new(Json::object(fields.collect::<Result<_>>()?))))
    }),
    always("jsonb_build_array", "any...", "jsonb", |_, a| {
        Ok(Datum::Json(Arc::new(Json::Array(a.iter().map(any).collect()))))
    }),
    always("to_jsonb", "any", "jsonb", |_, a| match typed(&a[0]) {
        Some((_, datum)) if !datum.is_null() => Ok(Datum::Json(Arc::new(any(&a[0])))),
        _ => Ok(Datum::Null),
    }),
    strict("jsonb_pretty", "jsonb", "text", |_, a| {
        let mut out = String::new();
        pretty(json(a, 0)?, 0, &mut out);
        Ok(Datum::text(out))
    }),
    strict("jsonb_strip_nulls", "jsonb", "jsonb", |_, a| Ok(Datum::Json(Arc::new(stripped(json(a, 0)?))))),
];

pub(crate) fn json(arguments: &[Datum], at: usize) -> Result<&Json> {
    match arguments.get(at) {
        Some(Datum::Json(json)) => Ok(json),
        _ => Err(internal("an argument is no jsonb")),
    }
}

fn items(json: &Json) -> Result<&[Json]> {
    match json {
        Json::Array(items) => Ok(items),
        Json::Object(_) => Err(PgError::new("22023", "cannot extract elements from an object")),
        _ => Err(PgError::new("22023", "cannot extract elements from a scalar")),
    }
}

fn any(argument: &Datum) -> Json {
    typed(argument).map_or(Json::Null, |(kind, datum)| of(datum, kind))
}

/// A value as JSON: numbers and truths as themselves, everything else by its text.
pub(crate) fn of(datum: &Datum, kind: &Type) -> Json {
    match (datum, kind) {
        (Datum::Null, _) => Json::Null,
        (Datum::Bool(is), _) => Json::Bool(*is),
        (Datum::Int(number), Type::Int2 | Type::Int4 | Type::Int8) => Json::Number(Numeric::from(*number)),
        (Datum::Numeric(number @ Numeric::Finite { .. }), _) => Json::Number(number.clone()),
        (Datum::Float(float), kind) if float.is_finite() => {
            Json::Number(to_text(&Datum::Float(*float), kind).parse().unwrap_or(Numeric::NaN))
        }
        (Datum::Json(json), _) => json.as_ref().clone(),
        (Datum::Text(text), Type::Json) => {
            Json::parse(text).unwrap_or_else(|_| Json::String(text.to_string()))
        }
        (Datum::Array(items), Type::Array(element)) => {
            Json::Array(items.iter().map(|item| of(item, element)).collect())
        }
        // ISO 8601 with its `T`.
        (Datum::Timestamp(_), Type::Timestamptz) => {
            Json::String(to_text(datum, kind).replacen(' ', "T", 1).replace("+00", "+00:00"))
        }
        (Datum::Timestamp(_), _) => Json::String(to_text(datum, kind).replacen(' ', "T", 1)),
        (other, kind) => Json::String(to_text(other, kind)),
    }
}

fn pretty(json: &Json, depth: usize, out: &mut String) {
    let line = |depth: usize, out: &mut String| {
        out.push('\n');
        out.push_str(&"    ".repeat(depth));
    };
    match json {
        Json::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                line(depth + 1, out);
                pretty(item, depth + 1, out);
            }
            line(depth, out);
            out.push(']');
        }
        Json::Object(fields) => {
            out.push('{');
            for (at, (key, value)) in fields.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                line(depth + 1, out);
                out.push_str(&Json::String(key.clone()).to_string());
                out.push_str(": ");
                pretty(value, depth + 1, out);
            }
            line(depth, out);
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
}

fn stripped(json: &Json) -> Json {
    match json {
        Json::Array(items) => Json::Array(items.iter().map(stripped).collect()),
        Json::Object(fields) => {
            let kept = fields.iter().filter(|(_, value)| !matches!(value, Json::Null));
            Json::Object(kept.map(|(key, value)| (key.clone(), stripped(value))).collect())
        }
        other => other.clone(),
    }
}

/// `->` with a key, or with a place.
pub(crate) fn member(arguments: &[Datum]) -> Result<Option<&Json>> {
    let json = json(arguments, 0)?;
    Ok(match &arguments[1] {
        Datum::Int(index) => json.item(*index),
        _ => json.get(text(arguments, 1)?),
    })
}

/// `#>`: along keys and places.
pub(crate) fn along(arguments: &[Datum]) -> Result<Option<&Json>> {
    let mut found = json(arguments, 0)?;
    let Datum::Array(path) = &arguments[1] else { return Err(internal("a path is no array")) };
    for step in path.iter() {
        let Datum::Text(step) = step else { return Ok(None) };
        let next = match found {
            Json::Array(_) => step.parse().ok().and_then(|index| found.item(index)),
            _ => found.get(step),
        };
        let Some(next) = next else { return Ok(None) };
        found = next;
    }
    Ok(Some(found))
}

/// `||` of two documents.
pub(crate) fn joined(one: &Json, other: &Json) -> Json {
    match (one, other) {
        (Json::Object(one), Json::Object(other)) => Json::object(one.iter().chain(other).cloned().collect()),
        (one, other) => {
            let items = |json: &Json| match json {
                Json::Array(items) => items.clone(),
                other => vec![other.clone()],
            };
            Json::Array([items(one), items(other)].concat())
        }
    }
}

/// `-`: without this key, these items that are this text, or the item at this place.
pub(crate) fn without(json: &Json, what: &Datum) -> Result<Json> {
    Ok(match (json, what) {
        (Json::Object(fields), Datum::Text(key)) => {
            Json::Object(fields.iter().filter(|(name, _)| **name != **key).cloned().collect())
        }
        (Json::Array(items), Datum::Text(key)) => {
            let other = |item: &&Json| !matches!(item, Json::String(text) if **text == **key);
            Json::Array(items.iter().filter(other).cloned().collect())
        }
        (Json::Array(items), Datum::Int(index)) => {
            let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
            let index = if *index < 0 { index + length } else { *index };
            let mut items = items.clone();
            if (0..length).contains(&index) {
                items.remove(usize::try_from(index).unwrap_or(0));
            }
            Json::Array(items)
        }
        (Json::Object(_), Datum::Int(_)) => {
            return Err(PgError::new("22023", "cannot delete from object using integer index"));
        }
        _ => return Err(PgError::new("22023", "cannot delete from scalar")),
    })
}
