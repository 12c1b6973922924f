//! Dates and durations: Sprig's functions over Go's `time`. The clock is the render's, and the local zone is UTC.

use std::sync::Arc;

use gotemplate::{FnError, Function, Functions, Kind, Number, Type, Value};
use jiff::{SignedDuration, Timestamp};

use super::FunctionEnv;
use super::args::{Result, text, utf8};
use super::time::{Moment, TIME, duration_text, parse_duration};

pub(super) fn add(functions: &mut Functions, env: &FunctionEnv) {
    use Type::{Any, String as Text};
    let now = env.now;
    let mut set = |name: &str, function| {
        functions.set(name, function);
    };
    set("now", Function::new(&[], move |_, _| Ok(Moment::utc(now).into())));
    set("date", Function::new(&[Text, Any], move |_, a| Ok(format_date(&utf8(a, 0), &a[1], "Local", now))));
    for name in ["dateInZone", "date_in_zone"] {
        set(
            name,
            Function::new(&[Text, Any, Text], move |_, a| {
                Ok(format_date(&utf8(a, 0), &a[1], &utf8(a, 2), now))
            }),
        );
    }
    set("htmlDate", Function::new(&[Any], move |_, a| Ok(format_date("2006-01-02", &a[0], "Local", now))));
    set(
        "htmlDateInZone",
        Function::new(&[Any, Text], move |_, a| Ok(format_date("2006-01-02", &a[0], &utf8(a, 1), now))),
    );
    for name in ["dateModify", "date_modify"] {
        set(name, Function::new(&[Text, TIME], |_, a| Ok(modify(a).unwrap_or_else(|_| a[1].clone()))));
    }
    for name in ["mustDateModify", "must_date_modify"] {
        set(name, Function::new(&[Text, TIME], |_, a| modify(a)));
    }
    set(
        "toDate",
        Function::new(&[Text, Text], |_, a| {
            Ok(Moment::parse(&utf8(a, 0), &utf8(a, 1)).unwrap_or_else(|_| Moment::zero()).into())
        }),
    );
    set(
        "mustToDate",
        Function::new(&[Text, Text], |_, a| {
            Moment::parse(&utf8(a, 0), &utf8(a, 1)).map(Value::from).map_err(FnError::from)
        }),
    );
    set(
        "unixEpoch",
        Function::new(&[TIME], |_, a| Ok(moment(&a[0])?.timestamp.as_second().to_string().into())),
    );
    set(
        "ago",
        Function::new(&[Any], move |_, a| {
            let since = now.duration_since(timestamp(&a[0]).unwrap_or(now));
            let nanoseconds = since.as_nanos();
            let half = if nanoseconds < 0 { -500_000_000 } else { 500_000_000 };
            Ok(duration_text((nanoseconds + half) / 1_000_000_000 * 1_000_000_000).into())
        }),
    );
    set(
        "duration",
        Function::new(&[Any], |_, a| {
            let seconds = match &a[0] {
                Value::Str(_) => parse_seconds(text(a, 0)),
                Value::Number(Number::Int64(n)) => *n,
                _ => 0,
            };
            Ok(duration_text(i128::from(seconds.wrapping_mul(1_000_000_000))).into())
        }),
    );
    set(
        "durationRound",
        Function::new(&[Any], move |_, a| {
            let nanoseconds = match &a[0] {
                Value::Str(_) => parse_duration(&utf8(a, 0)).unwrap_or(0),
                Value::Number(Number::Int64(n)) => *n,
                other => match moment(other) {
                    Ok(moment) => {
                        i64::try_from(now.duration_since(moment.timestamp).as_nanos()).unwrap_or(i64::MAX)
                    }
                    Err(_) => 0,
                },
            };
            Ok(rounded(nanoseconds.unsigned_abs()).into())
        }),
    );
}

fn moment(value: &Value) -> Result<Arc<Moment>> {
    match value.downcast::<Moment>() {
        Some(moment) => Ok(Arc::new(moment.clone())),
        None => Err(super::args::not_a(Type::Named("time.Time", Kind::Struct), value)),
    }
}

/// What Sprig takes for a date: a time, or seconds since 1970.
fn timestamp(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Number(Number::Int(n) | Number::Int64(n)) => Timestamp::from_second(*n).ok(),
        other => other.downcast::<Moment>().map(|moment| moment.timestamp),
    }
}

/// Anything that is no date is the present.
fn format_date(layout: &str, date: &Value, zone: &str, now: Timestamp) -> Value {
    let timestamp = match date {
        Value::Number(Number::Int32(n)) => Timestamp::from_second((*n).into()).ok(),
        other => timestamp(other),
    };
    Moment::utc(timestamp.unwrap_or(now)).in_zone(zone).format(layout).into()
}

fn modify(args: &[Value]) -> Result {
    let by = parse_duration(&utf8(args, 0)).map_err(FnError::from)?;
    Ok(moment(&args[1])?.plus(SignedDuration::from_nanos(by)).into())
}

/// `strconv.ParseInt` without its error, which keeps the bound that was passed.
fn parse_seconds(text: &[u8]) -> i64 {
    let text = crate::json::go_lossy(text);
    let digits = text.strip_prefix(['+', '-']).unwrap_or(&text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return 0;
    }
    text.parse().unwrap_or(if text.starts_with('-') { i64::MIN } else { i64::MAX })
}

/// The largest unit only, and none before it is more than one.
fn rounded(nanoseconds: u64) -> String {
    const SECOND: u64 = 1_000_000_000;
    const HOUR: u64 = 3600 * SECOND;
    let units = [
        (365 * 24 * HOUR, "y"),
        (30 * 24 * HOUR, "mo"),
        (24 * HOUR, "d"),
        (HOUR, "h"),
        (60 * SECOND, "m"),
        (SECOND, "s"),
    ];
    let unit = units.into_iter().find(|(size, _)| nanoseconds > *size);
    unit.map_or_else(|| "0s".to_owned(), |(size, name)| format!("{}{name}", nanoseconds / size))
}
