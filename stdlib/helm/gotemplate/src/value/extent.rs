//! How large a value is once everything in it is written out, and how values that nest deep are dropped.

use super::{List, Map, Value};
use crate::limits::{MAX_NESTING, MAX_TEXT};

impl Value {
    /// A bound on the bytes that writing this value out takes, indentation included. The error says which limit the
    /// value is beyond: a map may contain itself, and a short template can make lists of lists that would fill any disk.
    pub fn extent(&self) -> Result<usize, String> {
        let mut total = 0;
        add_extent(self, 0, &mut total)?;
        Ok(total)
    }
}

fn add_extent(value: &Value, depth: usize, total: &mut usize) -> Result<(), String> {
    *total += 8 + 2 * depth;
    match value {
        Value::Str(text) => *total += text.len(),
        Value::List(items) => match items.bytes_len() {
            Some(len) => *total += 4 * len,
            None => {
                check_depth(depth)?;
                for item in items.iter() {
                    add_extent(item, depth + 1, total)?;
                }
            }
        },
        Value::Map(map) => {
            check_depth(depth)?;
            for (key, value) in map.read().iter() {
                *total += key.len();
                add_extent(value, depth + 1, total)?;
            }
        }
        _ => {}
    }
    if *total > MAX_TEXT {
        return Err(crate::limits::too_long("the value"));
    }
    Ok(())
}

fn check_depth(depth: usize) -> Result<(), String> {
    if depth >= MAX_NESTING {
        return Err(format!("the value nests deeper than {MAX_NESTING}, or contains itself"));
    }
    Ok(())
}

/// Drops values one after the other instead of one within the other, which would take stack for every level.
pub(super) fn dismantle(mut values: Vec<Value>) {
    while let Some(value) = values.pop() {
        match value {
            Value::List(list) => values.extend(List::into_items(list).into_iter().filter(is_composite)),
            Value::Map(map) => values.extend(Map::into_values(map).filter(is_composite)),
            _ => {}
        }
    }
}

pub(super) fn is_composite(value: &Value) -> bool {
    matches!(value, Value::List(_) | Value::Map(_))
}
