//! Functions of arrays.

use std::sync::Arc;

use super::text::{count, number, text, typed};
use super::{Signature, always, set, strict};
use crate::postgres::PgError;
use crate::postgres::sql::expr::{Result, internal};
use crate::value::{Datum, Type, to_text};

pub(super) const FUNCTIONS: &[Signature] = &[
    set("unnest", "anyarray", "anyelement", |_, a| Ok(a[0].clone())),
    strict("array_length", "anyarray,int4", "int4", |_, a| match (items(a, 0)?.len(), number(a, 1)?) {
        (1.., 1) => Ok(count(items(a, 0)?.len())),
        _ => Ok(Datum::Null),
    }),
    strict("array_upper", "anyarray,int4", "int4", |_, a| match (items(a, 0)?.len(), number(a, 1)?) {
        (1.., 1) => Ok(count(items(a, 0)?.len())),
        _ => Ok(Datum::Null),
    }),
    strict("array_lower", "anyarray,int4", "int4", |_, a| match (items(a, 0)?.len(), number(a, 1)?) {
        (1.., 1) => Ok(Datum::Int(1)),
        _ => Ok(Datum::Null),
    }),
    strict("cardinality", "anyarray", "int4", |_, a| Ok(count(items(a, 0)?.len()))),
    always("array_append", "anyarray,anyelement", "anyarray", |_, a| {
        let mut all = some_items(&a[0]);
        all.push(a[1].clone());
        Ok(Datum::Array(Arc::new(all)))
    }),
    always("array_cat", "anyarray,anyarray", "anyarray", |_, a| Ok(joined(&a[0], &a[1]))),
    strict("array_remove", "anyarray,anyelement", "anyarray", |_, a| {
        let kept = items(a, 0)?.iter().filter(|item| item.order(&a[1]).is_ne());
        Ok(Datum::Array(Arc::new(kept.cloned().collect())))
    }),
    strict("array_position", "anyarray,anyelement", "int4", |_, a| {
        let place = items(a, 0)?.iter().position(|item| item.order(&a[1]).is_eq());
        Ok(place.map_or(Datum::Null, |place| count(place + 1)))
    }),
    always("array_to_string", "any,text", "text", |_, a| match (typed(&a[0]), &a[1]) {
        (Some((Type::Array(element), Datum::Array(items))), Datum::Text(between)) => {
            let texts = items.iter().filter(|item| !item.is_null()).map(|item| to_text(item, element));
            Ok(Datum::text(texts.collect::<Vec<_>>().join(between)))
        }
        (Some((Type::Array(_), _)), _) => Ok(Datum::Null),
        _ => Err(PgError::new("42883", "function array_to_string of what is no array does not exist")),
    }),
    strict("string_to_array", "text,text", "text[]", |_, a| {
        let (all, between) = (text(a, 0)?, text(a, 1)?);
        let parts: Vec<Datum> = match (all, between) {
            ("", _) => Vec::new(),
            (all, "") => vec![Datum::text(all)],
            (all, between) => all.split(between).map(Datum::text).collect(),
        };
        Ok(Datum::Array(Arc::new(parts)))
    }),
    set("generate_subscripts", "anyarray,int4", "int4", |_, a| {
        if number(a, 1)? != 1 {
            return Err(PgError::unsupported("an array of several dimensions"));
        }
        Ok(Datum::Array(Arc::new((1..=items(a, 0)?.len()).map(count).collect())))
    }),
];

pub(crate) fn items(arguments: &[Datum], at: usize) -> Result<&[Datum]> {
    match arguments.get(at) {
        Some(Datum::Array(items)) => Ok(items),
        _ => Err(internal("an argument is no array")),
    }
}

fn some_items(array: &Datum) -> Vec<Datum> {
    match array {
        Datum::Array(items) => items.as_ref().clone(),
        _ => Vec::new(),
    }
}

fn joined(one: &Datum, other: &Datum) -> Datum {
    if one.is_null() && other.is_null() {
        return Datum::Null;
    }
    Datum::Array(Arc::new([some_items(one), some_items(other)].concat()))
}
