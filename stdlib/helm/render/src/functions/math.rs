//! Numbers: conversions that never fail, 64-bit integers that wrap, and decimal arithmetic for floats.

use gotemplate::format::sprint;
use gotemplate::limits::{MAX_ITEMS, check_items};
use gotemplate::{FnError, Function, Functions, Type, Value};

use super::args::{Result, int, ints, text, to_float64, to_int64};
use super::decimal::Decimal;

pub(super) fn add(functions: &mut Functions) {
    use Type::{Any, Float64, Int, String as Text};
    let mut set = |name: &str, function| {
        functions.set(name, function);
    };
    set("int", Function::new(&[Any], |_, a| Ok(Value::int(to_int64(&a[0])))));
    set("int64", Function::new(&[Any], |_, a| Ok(Value::int64(to_int64(&a[0])))));
    set("float64", Function::new(&[Any], |_, a| Ok(Value::float(to_float64(&a[0])))));
    set("atoi", Function::new(&[Text], |_, a| Ok(Value::int(atoi(text(a, 0))))));
    set("toDecimal", Function::new(&[Any], |_, a| Ok(Value::int64(octal(&sprint(&a[..1]))))));

    set("add", Function::variadic(&[Any], |_, a| Ok(fold(0, a, i64::wrapping_add))));
    set("add1", Function::new(&[Any], |_, a| Ok(fold(1, a, i64::wrapping_add))));
    set("sub", Function::new(&[Any, Any], |_, a| Ok(fold(to_int64(&a[0]), &a[1..], i64::wrapping_sub))));
    set("mul", Function::variadic(&[Any, Any], |_, a| Ok(fold(to_int64(&a[0]), &a[1..], i64::wrapping_mul))));
    set("div", Function::new(&[Any, Any], |_, a| divide(a, i64::wrapping_div)));
    set("mod", Function::new(&[Any, Any], |_, a| divide(a, i64::wrapping_rem)));
    for name in ["max", "biggest"] {
        set(name, Function::variadic(&[Any, Any], |_, a| Ok(fold(to_int64(&a[0]), &a[1..], i64::max))));
    }
    set("min", Function::variadic(&[Any, Any], |_, a| Ok(fold(to_int64(&a[0]), &a[1..], i64::min))));
    set(
        "maxf",
        Function::variadic(&[Any, Any], |_, a| {
            Ok(Value::float(a.iter().map(to_float64).reduce(|a, b| extreme(a, b, f64::max)).unwrap_or(0.0)))
        }),
    );
    set(
        "minf",
        Function::variadic(&[Any, Any], |_, a| {
            Ok(Value::float(a.iter().map(to_float64).reduce(|a, b| extreme(a, b, f64::min)).unwrap_or(0.0)))
        }),
    );

    set("add1f", Function::new(&[Any], |_, a| decimals(&[a[0].clone(), Value::int(1)], Decimal::add)));
    set(
        "addf",
        Function::variadic(&[Any], |_, a| decimals(&[&[Value::float(0.0)], a].concat(), Decimal::add)),
    );
    set("subf", Function::variadic(&[Any, Any], |_, a| decimals(a, Decimal::sub)));
    set("mulf", Function::variadic(&[Any, Any], |_, a| decimals(a, Decimal::mul)));
    set("divf", Function::variadic(&[Any, Any], |_, a| decimals(a, Decimal::div)));
    set("floor", Function::new(&[Any], |_, a| Ok(Value::float(to_float64(&a[0]).floor()))));
    set("ceil", Function::new(&[Any], |_, a| Ok(Value::float(to_float64(&a[0]).ceil()))));
    set(
        "round",
        Function::variadic(&[Any, Int, Float64], |_, a| {
            let on = a.get(2).map_or(0.5, to_float64);
            Ok(Value::float(round(to_float64(&a[0]), int(a, 1), on)))
        }),
    );

    set(
        "until",
        Function::new(&[Int], |_, a| {
            let count = int(a, 0);
            bounded(steps(0, count, if count < 0 { -1 } else { 1 })).map(ints)
        }),
    );
    set(
        "untilStep",
        Function::new(&[Int, Int, Int], |_, a| bounded(steps(int(a, 0), int(a, 1), int(a, 2))).map(ints)),
    );
    set(
        "seq",
        Function::variadic(&[Int], |_, a| {
            let params: Vec<i64> = (0..a.len()).map(|i| int(a, i)).collect();
            let numbers: Vec<String> = bounded(sequence(&params))?.iter().map(i64::to_string).collect();
            Ok(numbers.join(" ").into())
        }),
    );
}

fn fold(start: i64, values: &[Value], operation: fn(i64, i64) -> i64) -> Value {
    Value::int64(values.iter().map(to_int64).fold(start, operation))
}

fn divide(args: &[Value], operation: fn(i64, i64) -> i64) -> Result {
    match to_int64(&args[1]) {
        0 => Err(FnError::new("runtime error: integer divide by zero")),
        divisor => Ok(Value::int64(operation(to_int64(&args[0]), divisor))),
    }
}

/// `math.Max` and `math.Min`: not-a-number wins.
fn extreme(a: f64, b: f64, choose: fn(f64, f64) -> f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { choose(a, b) }
}

fn decimals(values: &[Value], operation: fn(&Decimal, &Decimal) -> Result<Decimal>) -> Result {
    let decimal = |value: &Value| Decimal::from_float(to_float64(value));
    let mut total = decimal(&values[0])?;
    for value in &values[1..] {
        total = operation(&total, &decimal(value)?)?;
    }
    Ok(Value::float(total.to_float()))
}

/// Sprig's `round`, which rounds a half and everything negative towards zero or down by its own rule.
fn round(value: f64, places: i64, on: f64) -> f64 {
    let power = 10_f64.powf(places as f64);
    let digit = power * value;
    let fraction = digit.fract();
    (if fraction >= on { digit.ceil() } else { digit.floor() }) / power
}

/// `strconv.Atoi` without its error, which keeps the bound that was passed.
fn atoi(text: &[u8]) -> i64 {
    let text = crate::json::go_lossy(text);
    let digits = text.strip_prefix(['+', '-']).unwrap_or(&text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return 0;
    }
    text.parse().unwrap_or(if text.starts_with('-') { i64::MIN } else { i64::MAX })
}

fn octal(text: &[u8]) -> i64 {
    let text = crate::json::go_lossy(text);
    i64::from_str_radix(&text, 8).unwrap_or(0)
}

fn steps(start: i64, stop: i64, step: i64) -> Box<dyn Iterator<Item = i64>> {
    let is_before_end = move |n: &i64| if stop < start { *n > stop } else { *n < stop };
    if (stop < start) != (step < 0) || step == 0 {
        return Box::new(std::iter::empty());
    }
    Box::new(std::iter::successors(Some(start), move |n| n.checked_add(step)).take_while(is_before_end))
}

fn bounded(numbers: impl Iterator<Item = i64>) -> Result<Vec<i64>> {
    let numbers: Vec<i64> = numbers.take(MAX_ITEMS + 1).collect();
    check_items(numbers.len())?;
    Ok(numbers)
}

fn sequence(params: &[i64]) -> Box<dyn Iterator<Item = i64>> {
    let (start, step, end) = match *params {
        [end] => (1, if end < 1 { -1 } else { 1 }, end),
        [start, end] => (start, if end < start { -1 } else { 1 }, end),
        [start, step, end] => (start, step, end),
        _ => return Box::new(std::iter::empty()),
    };
    let beyond = if end < start { -1 } else { 1 };
    if end < start && step > 0 {
        return Box::new(std::iter::empty());
    }
    steps(start, end.wrapping_add(beyond), step)
}
