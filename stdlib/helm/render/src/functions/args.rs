//! Arguments and results of functions: what the executor has checked is unpacked here, what Go would panic over is an error.

use gotemplate::format::sprintf;
use gotemplate::{FnError, Kind, List, Map, Number, Str, Type, Value};

pub(super) type Result<T = Value> = std::result::Result<T, FnError>;

const CHECKED: &str = "the executor checks arguments against the signature";

/// A parameter of `string`.
pub(super) fn text(args: &[Value], i: usize) -> &Str {
    args[i].as_str().expect(CHECKED)
}

/// A parameter of `string`, with U+FFFD for what is not UTF-8.
pub(super) fn utf8(args: &[Value], i: usize) -> std::borrow::Cow<'_, str> {
    crate::json::go_lossy(text(args, i))
}

/// A parameter of `int`.
pub(super) fn int(args: &[Value], i: usize) -> i64 {
    match args[i] {
        Value::Number(n) => n.as_int().expect(CHECKED),
        _ => panic!("{CHECKED}"),
    }
}

/// A parameter of `uint32`, most significant byte first.
pub(super) fn bytes_of_u32(args: &[Value], i: usize) -> [u8; 4] {
    match args[i] {
        Value::Number(Number::Uint32(n)) => n.to_be_bytes(),
        _ => panic!("{CHECKED}"),
    }
}

/// A parameter of `map[string]interface {}`, or of a named type that is one.
pub(super) fn map(args: &[Value], i: usize) -> Map {
    fn underneath(value: &Value) -> Option<Map> {
        match value {
            Value::Map(map) => Some(map.clone()),
            Value::Object(object) => object.underlying().and_then(|value| underneath(&value)),
            _ => None,
        }
    }
    underneath(&args[i]).expect(CHECKED)
}

/// A parameter of `bool`.
pub(super) fn flag(args: &[Value], i: usize) -> bool {
    match args[i] {
        Value::Bool(b) => b,
        _ => panic!("{CHECKED}"),
    }
}

/// Where the value is a slice, possibly of a named type: the slice.
pub(super) fn slice(value: &Value) -> Option<List> {
    match value {
        Value::List(list) => Some(list.clone()),
        Value::Object(object) => object.underlying().and_then(|value| slice(&value)),
        _ => None,
    }
}

/// The slice, or Sprig's complaint `WHAT KIND`; Go panics over the type of nil.
pub(super) fn slice_or(value: &Value, complaint: &str) -> Result<List> {
    match slice(value) {
        Some(list) => Ok(list),
        None if value.is_nil() => Err(nil_dereference()),
        None => Err(FnError::new(format!("{complaint} {}", value.kind().name()))),
    }
}

/// Sprig's `strval`.
pub(super) fn string_of(value: &Value) -> Str {
    match value {
        Value::Str(text) => text.clone(),
        Value::List(list) if list.elem() == Type::Uint8 => list.to_bytes().unwrap_or_default().into(),
        Value::Object(object) => match object.text() {
            Some(text) => text.into(),
            None => display(value).into(),
        },
        other => display(other).into(),
    }
}

/// `%v`
pub(super) fn display(value: &Value) -> Vec<u8> {
    sprintf(b"%v", std::slice::from_ref(value))
}

/// Sprig's `strslice`.
pub(super) fn strings_of(value: &Value) -> Vec<Str> {
    match slice(value) {
        Some(list) => list.iter().filter(|item| !item.is_nil()).map(string_of).collect(),
        None if value.is_nil() => Vec::new(),
        None => vec![string_of(value)],
    }
}

/// Whether the value is the zero value of its type, or has no elements.
pub(super) fn is_empty(value: &Value) -> bool {
    !value.is_true()
}

/// `[]interface {}`, nil rather than empty where `items` is `None`.
pub(super) fn list(items: Option<Vec<Value>>) -> Value {
    Value::List(match items {
        Some(items) => List::new(Type::Any, items),
        None => List::nil(Type::Any),
    })
}

/// `[]string`
pub(super) fn strings(items: Vec<Str>) -> Value {
    Value::strings(items)
}

/// `[]int`
pub(super) fn ints(items: impl IntoIterator<Item = i64>) -> Value {
    Value::List(List::new(Type::Int, items.into_iter().map(Value::int).collect()))
}

/// What `cast.ToInt64` makes of anything: 0 for what is no number.
pub(super) fn to_int64(value: &Value) -> i64 {
    match value {
        Value::Bool(b) => i64::from(*b),
        Value::Number(n) => number_to_int64(*n),
        Value::Str(text) => text.as_str().and_then(|text| parse_int(trim_zero_decimal(text))).unwrap_or(0),
        Value::Object(object) => object.underlying().map_or(0, |value| to_int64(&value)),
        _ => 0,
    }
}

fn number_to_int64(n: Number) -> i64 {
    match (n.as_int(), n.as_uint(), n.as_float()) {
        (Some(n), ..) => n,
        (_, Some(n), _) => n.cast_signed(),
        // What does not fit becomes the smallest integer, as on amd64.
        (.., Some(f)) if f.abs() < 9_223_372_036_854_775_808.0 => f as i64,
        (.., Some(_)) => i64::MIN,
        _ => 0,
    }
}

/// What `cast.ToFloat64` makes of anything.
pub(super) fn to_float64(value: &Value) -> f64 {
    match value {
        Value::Bool(b) => f64::from(u8::from(*b)),
        Value::Number(n) => match (n.as_int(), n.as_uint()) {
            (Some(n), _) => n as f64,
            (_, Some(n)) => n as f64,
            _ => n.as_float().unwrap_or(0.0),
        },
        Value::Str(text) => text.as_str().and_then(crate::number::parse_float).unwrap_or(0.0),
        Value::Object(object) => object.underlying().map_or(0.0, |value| to_float64(&value)),
        _ => 0.0,
    }
}

/// `12.00` is `12`; `12.50` stays.
fn trim_zero_decimal(text: &str) -> &str {
    let without = text.trim_end_matches('0');
    match without.strip_suffix('.') {
        Some(whole) if without.len() < text.len() => whole,
        _ => text,
    }
}

/// `strconv.ParseInt(text, 0, 64)`.
pub(super) fn parse_int(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (base, digits) = match lower.as_bytes() {
        [b'0', b'x', _, ..] => (16, &lower[2..]),
        [b'0', b'b', _, ..] => (2, &lower[2..]),
        [b'0', b'o', _, ..] => (8, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    // One underscore may stand between digits, or after the prefix.
    if digits.ends_with('_') || digits.contains("__") || (base == 10 && digits.starts_with('_')) {
        return None;
    }
    let digits = digits.replace('_', "");
    if !digits.starts_with(|c: char| c.is_digit(base)) {
        return None;
    }
    let magnitude = i128::from(u64::from_str_radix(&digits, base).ok()?);
    i64::try_from(if negative { -magnitude } else { magnitude }).ok()
}

pub(super) fn nil_dereference() -> FnError {
    FnError::new("runtime error: invalid memory address or nil pointer dereference")
}

/// Go's complaint about a type assertion to a string map that does not hold.
pub(super) fn not_a(wanted: Type, found: &Value) -> FnError {
    let found = if found.is_nil() { "nil".into() } else { found.type_name() };
    FnError::new(format!("interface conversion: interface {{}} is {found}, not {}", wanted.name()))
}

/// Go's slice of a string, or its panic.
pub(super) fn cut(bytes: &[u8], from: Option<i64>, to: Option<i64>) -> Result<&[u8]> {
    let length = bytes.len() as i64;
    let panic = |range: String| FnError::new(format!("runtime error: slice bounds out of range {range}"));
    let end = to.unwrap_or(length);
    if end < 0 {
        return Err(panic(format!("[:{end}]")));
    }
    if end > length {
        return Err(panic(format!("[:{end}] with length {length}")));
    }
    let start = from.unwrap_or(0);
    if start < 0 {
        return Err(panic(format!("[{start}:]")));
    }
    if start > end {
        return Err(panic(format!("[{start}:{end}]")));
    }
    Ok(&bytes[start as usize..end as usize])
}

/// `reflect.DeepEqual`.
pub(super) fn deep_equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::List(a), Value::List(b)) => {
            a.type_name() == b.type_name()
                && a.is_nil() == b.is_nil()
                && a.len() == b.len()
                && a.iter().zip(b.iter()).all(|(a, b)| deep_equal(a, b))
        }
        (Value::Map(a), Value::Map(b)) => {
            if a.same(b) {
                return true;
            }
            let (left, right) = (a.read(), b.read());
            a.type_name() == b.type_name()
                && a.is_nil() == b.is_nil()
                && left.len() == right.len()
                && left.iter().zip(right.iter()).all(|((i, a), (j, b))| i == j && deep_equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.type_name() == b.type_name() && format!("{a:?}") == format!("{b:?}")
        }
        (Value::Number(a), Value::Number(b)) => a == b,
        (Value::Str(a), Value::Str(b)) => a == b,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (a, b) => a.kind() == Kind::Invalid && b.kind() == Kind::Invalid,
    }
}
