//! Lists: Sprig's functions over slices of any type. Each makes a new list; a nil one stays nil where Go's does.

use gotemplate::limits::{MAX_ITEMS, check_items};
use gotemplate::{FnError, Function, Functions, LIST, List, Type, Value};

use super::args::{
    Result, deep_equal, int, is_empty, list, nil_dereference, slice, slice_or, string_of, strings_of,
    to_int64,
};

/// The different items that `uniq` finds at most.
const MAX_UNIQUE: usize = 1 << 14;

pub(super) fn add(functions: &mut Functions) {
    use Type::{Any, Int};
    let mut set = |names: &[&str], function: &Function| {
        for name in names {
            functions.set(*name, function.clone());
        }
    };
    set(&["list", "tuple"], &Function::variadic(&[Any], |_, a| Ok(Value::list(a.to_vec()))));
    set(
        &["first", "mustFirst"],
        &Function::new(&[Any], |_, a| {
            Ok(slice_or(&a[0], "Cannot find first on type")?.first().cloned().unwrap_or(Value::Nil))
        }),
    );
    set(
        &["last", "mustLast"],
        &Function::new(&[Any], |_, a| {
            Ok(slice_or(&a[0], "Cannot find last on type")?.last().cloned().unwrap_or(Value::Nil))
        }),
    );
    set(
        &["rest", "mustRest"],
        &Function::new(&[Any], |_, a| {
            let items = slice_or(&a[0], "Cannot find rest on type")?;
            Ok(list(items.split_first().map(|(_, rest)| rest.to_vec())))
        }),
    );
    set(
        &["initial", "mustInitial"],
        &Function::new(&[Any], |_, a| {
            let items = slice_or(&a[0], "Cannot find initial on type")?;
            Ok(list(items.split_last().map(|(_, initial)| initial.to_vec())))
        }),
    );
    set(
        &["append", "push", "mustAppend", "mustPush"],
        &Function::new(&[Any, Any], |_, a| {
            let mut items = slice_or(&a[0], "Cannot push on type")?.to_vec();
            items.push(a[1].clone());
            Ok(Value::list(items))
        }),
    );
    set(
        &["prepend", "mustPrepend"],
        &Function::new(&[Any, Any], |_, a| {
            let mut items = vec![a[1].clone()];
            items.extend_from_slice(&slice_or(&a[0], "Cannot prepend on type")?);
            Ok(Value::list(items))
        }),
    );
    set(&["concat"], &Function::variadic(&[Any], |_, a| concat(a)));
    set(
        &["reverse", "mustReverse"],
        &Function::new(&[Any], |_, a| {
            Ok(Value::list(slice_or(&a[0], "Cannot find reverse on type")?.iter().rev().cloned().collect()))
        }),
    );
    set(
        &["uniq", "mustUniq"],
        &Function::new(&[Any], |_, a| {
            let mut unique: Vec<Value> = Vec::new();
            for item in slice_or(&a[0], "Cannot find uniq on type")?.iter() {
                // Every item is compared with all those before.
                check_items(unique.len().saturating_mul(MAX_ITEMS / MAX_UNIQUE))?;
                if !is_in(&unique, item) {
                    unique.push(item.clone());
                }
            }
            Ok(Value::list(unique))
        }),
    );
    set(
        &["without", "mustWithout"],
        &Function::variadic(&[Any, Any], |_, a| {
            let items = slice_or(&a[0], "Cannot find without on type")?;
            Ok(Value::list(items.iter().filter(|item| !is_in(&a[1..], item)).cloned().collect()))
        }),
    );
    set(
        &["has", "mustHas"],
        &Function::new(&[Any, Any], |_, a| {
            if a[1].is_nil() {
                return Ok(false.into());
            }
            Ok(is_in(&slice_or(&a[1], "Cannot find has on type")?, &a[0]).into())
        }),
    );
    set(
        &["compact", "mustCompact"],
        &Function::new(&[Any], |_, a| {
            let items = slice_or(&a[0], "Cannot compact on type")?;
            Ok(Value::list(items.iter().filter(|item| !is_empty(item)).cloned().collect()))
        }),
    );
    set(&["slice", "mustSlice"], &Function::variadic(&[Any, Any], |_, a| part(&a[0], &a[1..])));
    set(&["chunk", "mustChunk"], &Function::new(&[Int, Any], |_, a| chunk(int(a, 0), &a[1])));
    set(
        &["sortAlpha"],
        &Function::new(&[Any], |_, a| {
            if slice(&a[0]).is_none() {
                return Ok(Value::strings([string_of(&a[0])]));
            }
            let mut items = strings_of(&a[0]);
            items.sort();
            Ok(Value::strings(items))
        }),
    );
}

fn is_in(items: &[Value], wanted: &Value) -> bool {
    items.iter().any(|item| deep_equal(item, wanted))
}

fn concat(lists: &[Value]) -> Result {
    let mut items = Vec::new();
    for value in lists {
        match slice(value) {
            Some(list) => items.extend_from_slice(&list),
            None if value.is_nil() => return Err(nil_dereference()),
            None => {
                let kind = value.kind().name();
                return Err(FnError::new(format!("Cannot concat type {kind} as list")));
            }
        }
    }
    Ok(list((!items.is_empty()).then_some(items)))
}

/// Keeps the type of the list, as Go's slicing does.
fn part(value: &Value, bounds: &[Value]) -> Result {
    let items = slice_or(value, "list should be type of slice or array but")?;
    if items.is_empty() {
        return Ok(Value::Nil);
    }
    let from = bounds.first().map_or(0, to_int64);
    let to = bounds.get(1).map_or(items.len() as i64, to_int64);
    let range = usize::try_from(from).ok().zip(usize::try_from(to).ok());
    match range.and_then(|(from, to)| items.get(from..to)) {
        Some(part) => Ok(List::new(items.elem(), part.to_vec()).into()),
        None => Err(FnError::new("reflect.Value.Slice: slice index out of bounds")),
    }
}

fn chunk(size: i64, value: &Value) -> Result {
    let items = slice_or(value, "Cannot chunk type")?;
    // Sprig computes with floats how many there will be, which makes some odd sizes an empty list.
    let count = ((items.len() as f64 - 1.0) / size as f64).floor() + 1.0;
    if !count.is_finite() || count < 0.0 {
        return Err(FnError::new("runtime error: makeslice: len out of range"));
    }
    let Some(size) = usize::try_from(size).ok().filter(|_| count > 0.0) else {
        return Ok(List::new(LIST, Vec::new()).into());
    };
    let chunks = items.chunks(size).map(|chunk| Value::list(chunk.to_vec())).collect();
    Ok(List::new(LIST, chunks).into())
}
