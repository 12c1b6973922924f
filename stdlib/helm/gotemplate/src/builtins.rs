//! The functions that every template has: comparisons, `index`, `len`, `print` and so on.

mod compare;
mod escape;

use std::sync::LazyLock;

use crate::error::FnError;
use crate::format;
use crate::function::{Function, Functions};
use crate::limits;
use crate::value::{List, Number, Type, Value};

/// Go's builtin functions. `and`, `or` and `call` are here for their signatures: the executor runs the first two itself,
/// and gives `call` the name of what is called.
pub(crate) fn functions() -> &'static Functions {
    static FUNCTIONS: LazyLock<Functions> = LazyLock::new(|| {
        let mut table = Functions::new();
        let value = Type::Reflect;
        table
            .set("and", Function::variadic(&[value, value], |_, args| Ok(args[0].clone())).passing_on())
            .set("or", Function::variadic(&[value, value], |_, args| Ok(args[0].clone())).passing_on())
            .set("call", Function::variadic(&[value, value], |_, args| call(&args[0], &args[1])).passing_on())
            .set("not", Function::new(&[value], |_, args| Ok(Value::Bool(!args[0].is_true()))).passing_on())
            .set(
                "index",
                Function::variadic(&[value, value], |_, args| index(&args[0], &args[1..])).passing_on(),
            )
            .set(
                "slice",
                Function::variadic(&[value, value], |_, args| slice(&args[0], &args[1..])).passing_on(),
            )
            .set("len", Function::new(&[value], |_, args| len(&args[0])).passing_on())
            .set("print", Function::variadic(&[Type::Any], |_, args| Ok(Value::str(format::sprint(args)))))
            .set(
                "println",
                Function::variadic(&[Type::Any], |_, args| Ok(Value::str(format::sprintln(args)))),
            )
            .set(
                "printf",
                Function::variadic(&[Type::String, Type::Any], |_, args| {
                    let format = args[0].as_str().map_or(&[][..], |s| s.as_bytes());
                    limits::check_text(padding(format, &args[1..]))?;
                    Ok(Value::str(format::sprintf(format, &args[1..])))
                }),
            )
            .set("html", Function::variadic(&[Type::Any], |_, args| Ok(Value::str(escape::html(args)))))
            .set("js", Function::variadic(&[Type::Any], |_, args| Ok(Value::str(escape::js(args)))))
            .set(
                "urlquery",
                Function::variadic(&[Type::Any], |_, args| Ok(Value::str(escape::url_query(args)))),
            )
            .set(
                "eq",
                Function::variadic(&[value, value], |_, args| {
                    compare::eq(&args[0], &args[1..]).map(Value::Bool)
                }),
            );
        for (name, test) in [
            ("ne", compare::ne as fn(&Value, &Value) -> Result<bool, FnError>),
            ("lt", compare::lt),
            ("le", compare::le),
            ("gt", compare::gt),
            ("ge", compare::ge),
        ] {
            table.set(
                name,
                Function::new(&[value, value], move |_, args| test(&args[0], &args[1]).map(Value::Bool)),
            );
        }
        table
    });
    &FUNCTIONS
}

/// A bound on what the widths and precisions of a format add to the output; Go's `fmt` ignores those over a million.
fn padding(format: &[u8], args: &[Value]) -> usize {
    const MOST: usize = 1_000_000;
    let numbers = format.split(|b| !b.is_ascii_digit()).filter(|digits| !digits.is_empty());
    let written = numbers.filter_map(|digits| std::str::from_utf8(digits).ok()?.parse::<usize>().ok());
    let given = args.iter().filter_map(|arg| usize::try_from(arg.as_number()?.as_int()?.unsigned_abs()).ok());
    let largest = given.filter(|n| *n <= MOST).max().unwrap_or(0);
    let stars = format.iter().filter(|b| **b == b'*').count();
    written.filter(|n| *n <= MOST).sum::<usize>() + stars * largest
}

/// No value of a template is a function, so this can only fail.
fn call(name: &Value, callee: &Value) -> Result<Value, FnError> {
    if callee.is_nil() {
        return Err("call of nil".into());
    }
    let name = name.as_str().map(|s| s.to_text().into_owned()).unwrap_or_default();
    Err(FnError::new(format!("non-function {name} of type {}", callee.type_name())))
}

/// What `index`, `len` and `slice` look at: the value beneath a named type.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(o) => o.underlying().unwrap_or_else(|| value.clone()),
        other => other.clone(),
    }
}

/// The type's name, of a pointer that of what it points at.
fn pointed_at(value: &Value) -> String {
    let name = value.type_name();
    name.strip_prefix('*').unwrap_or(&name).to_owned()
}

fn index(item: &Value, indexes: &[Value]) -> Result<Value, FnError> {
    if item.is_nil() {
        return Err("index of untyped nil".into());
    }
    let mut item = item.clone();
    for index in indexes {
        item = match plain(&item) {
            Value::NoValue | Value::Nil => return Err("index of nil pointer".into()),
            Value::List(list) => {
                let i = position(index, list.len())?;
                list.get(i).cloned().ok_or_else(|| out_of_range("slice"))?
            }
            Value::Str(text) => {
                let i = position(index, text.len())?;
                let byte = text.get(i).copied().ok_or_else(|| out_of_range("string"))?;
                Number::Uint8(byte).into()
            }
            Value::Map(map) => match index {
                Value::Str(key) => map.get(key.as_bytes()).unwrap_or_else(|| map.elem().zero()),
                Value::Nil | Value::NoValue => return Err("value is nil; should be of type string".into()),
                other => {
                    let kind = other.type_name();
                    return Err(FnError::new(format!("value has type {kind}; should be string")));
                }
            },
            other => return Err(FnError::new(format!("can't index item of type {}", pointed_at(&other)))),
        };
    }
    Ok(item)
}

/// The index as a number from 0 to `end`, `end` included: it may say where a slice ends.
fn position(index: &Value, end: usize) -> Result<usize, FnError> {
    let number = match index {
        Value::Nil | Value::NoValue => return Err("cannot index slice/array with nil".into()),
        Value::Number(n) => n.as_int().or_else(|| n.as_uint().map(|u| u as i64)),
        _ => None,
    };
    let Some(number) = number else {
        return Err(FnError::new(format!("cannot index slice/array with type {}", index.type_name())));
    };
    match usize::try_from(number) {
        Ok(position) if position <= end => Ok(position),
        _ => Err(FnError::new(format!("index out of range: {number}"))),
    }
}

/// Go's panic for an index that is the length.
fn out_of_range(what: &str) -> FnError {
    FnError::new(format!("reflect: {what} index out of range"))
}

fn slice(item: &Value, indexes: &[Value]) -> Result<Value, FnError> {
    if matches!(item, Value::Nil | Value::NoValue) {
        return Err("slice of untyped nil".into());
    }
    if indexes.len() > 3 {
        return Err(FnError::new(format!("too many slice indexes: {}", indexes.len())));
    }
    let item = plain(item);
    let len = match &item {
        Value::Str(_) if indexes.len() == 3 => return Err("cannot 3-index slice a string".into()),
        Value::Str(text) => text.len(),
        Value::List(list) => list.len(),
        other => return Err(FnError::new(format!("can't slice item of type {}", other.type_name()))),
    };
    let mut bounds = [0, len, len];
    for (bound, index) in bounds.iter_mut().zip(indexes) {
        *bound = position(index, len)?;
    }
    let [start, end, cap] = bounds;
    if start > end {
        return Err(FnError::new(format!("invalid slice index: {start} > {end}")));
    }
    if end > cap {
        return Err(FnError::new(format!("invalid slice index: {end} > {cap}")));
    }
    Ok(match item {
        Value::List(list) => Value::List(List::new(list.elem(), list[start..end].to_vec())),
        Value::Str(text) => Value::str(&text[start..end]),
        other => other,
    })
}

fn len(item: &Value) -> Result<Value, FnError> {
    let len = match plain(item) {
        Value::Nil => return Err("len of nil pointer".into()),
        Value::NoValue => return Err("reflect: call of reflect.Value.Type on zero Value".into()),
        Value::Str(text) => text.len(),
        Value::List(list) => list.len(),
        Value::Map(map) => map.len(),
        other => return Err(FnError::new(format!("len of type {}", pointed_at(&other)))),
    };
    Ok(Value::int(len as i64))
}
