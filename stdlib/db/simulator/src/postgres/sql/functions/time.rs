//! Functions of dates and times.

use std::sync::Arc;

use super::text::{number, numeric, text};
use super::{Signature, set, strict};
use crate::postgres::PgError;
use crate::postgres::sql::expr::{Result, internal};
use crate::value::datetime::{self, DAY, HOUR, MINUTE, SECOND, of_jiff};
use crate::value::{Datum, Interval, Numeric};

pub(super) const FUNCTIONS: &[Signature] = &[
    strict("now", "", "timestamptz", |cx, _| Ok(Datum::Timestamp(of_jiff(cx.transaction)))),
    strict("transaction_timestamp", "", "timestamptz", |cx, _| Ok(Datum::Timestamp(of_jiff(cx.transaction)))),
    strict("statement_timestamp", "", "timestamptz", |cx, _| Ok(Datum::Timestamp(of_jiff(cx.now)))),
    strict("clock_timestamp", "", "timestamptz", |cx, _| Ok(Datum::Timestamp(of_jiff(cx.server.now())))),
    strict("date_trunc", "text,timestamptz", "timestamptz", |_, a| truncated(text(a, 0)?, number(a, 1)?)),
    strict("date_trunc", "text,timestamp", "timestamp", |_, a| truncated(text(a, 0)?, number(a, 1)?)),
    strict("date_part", "text,timestamptz", "float8", |_, a| part_as_float(a)),
    strict("date_part", "text,timestamp", "float8", |_, a| part_as_float(a)),
    strict("date_part", "text,interval", "float8", |_, a| part_as_float(a)),
    strict("to_timestamp", "float8", "timestamptz", |_, a| {
        let seconds = super::number::float(a, 0)?;
        let micros = seconds * 1e6;
        if micros.abs() > 9e18 {
            return Err(PgError::new("22008", format!("timestamp out of range: \"{seconds}\"")));
        }
        #[allow(clippy::cast_possible_truncation)] // it is within
        Ok(Datum::Timestamp(micros.round() as i64 - datetime::since_1970(0)))
    }),
    strict("make_interval", "int4,int4,int4,int4,int4,int4", "interval", |_, a| {
        let part = |at| i32::try_from(number(a, at)?).map_err(|_| internal("an integer is too large"));
        let days = part(2)? * 7 + part(3)?;
        let micros = number(a, 4)? * HOUR + number(a, 5)? * MINUTE;
        Ok(Datum::Interval(Interval { months: part(0)? * 12 + part(1)?, days, micros }))
    }),
    strict("age", "timestamptz,timestamptz", "interval", |_, a| age(number(a, 0)?, number(a, 1)?)),
    strict("age", "timestamp,timestamp", "interval", |_, a| age(number(a, 0)?, number(a, 1)?)),
    strict("justify_hours", "interval", "interval", |_, a| match &a[0] {
        Datum::Interval(of) => {
            let whole = Interval::of_micros_with_days(of.micros);
            Ok(Datum::Interval(Interval {
                months: of.months,
                days: of.days + whole.days,
                micros: whole.micros,
            }))
        }
        _ => Err(internal("an argument is no interval")),
    }),
    set("generate_series", "int4,int4", "int4", |_, a| series(number(a, 0)?, number(a, 1)?, 1)),
    set("generate_series", "int4,int4,int4", "int4", |_, a| {
        series(number(a, 0)?, number(a, 1)?, number(a, 2)?)
    }),
    set("generate_series", "int8,int8", "int8", |_, a| series(number(a, 0)?, number(a, 1)?, 1)),
    set("generate_series", "int8,int8,int8", "int8", |_, a| {
        series(number(a, 0)?, number(a, 1)?, number(a, 2)?)
    }),
    set("generate_series", "numeric,numeric", "numeric", |_, a| {
        numerics(numeric(a, 0)?, numeric(a, 1)?, &Numeric::from(1))
    }),
    set("generate_series", "numeric,numeric,numeric", "numeric", |_, a| {
        numerics(numeric(a, 0)?, numeric(a, 1)?, numeric(a, 2)?)
    }),
    set("generate_series", "timestamptz,timestamptz,interval", "timestamptz", |_, a| moments(a)),
    set("generate_series", "timestamp,timestamp,interval", "timestamp", |_, a| moments(a)),
];

/// Longer series are refused.
const LONGEST: usize = 20_000_000;

fn too_long() -> PgError {
    PgError::new("54000", format!("a series of more than {LONGEST} is not simulated"))
}

fn no_step() -> PgError {
    PgError::new("22023", "step size cannot equal zero")
}

fn series(from: i64, to: i64, step: i64) -> Result<Datum> {
    if step == 0 {
        return Err(no_step());
    }
    let mut items = Vec::new();
    let mut next = Some(from);
    while let Some(item) = next.filter(|item| if step > 0 { *item <= to } else { *item >= to }) {
        items.push(Datum::Int(item));
        if items.len() > LONGEST {
            return Err(too_long());
        }
        next = item.checked_add(step);
    }
    Ok(Datum::Array(Arc::new(items)))
}

fn numerics(from: &Numeric, to: &Numeric, step: &Numeric) -> Result<Datum> {
    let zero = Numeric::from(0);
    if *step == zero {
        return Err(no_step());
    }
    let mut items = Vec::new();
    let mut item = from.clone();
    while if *step > zero { item <= *to } else { item >= *to } {
        items.push(Datum::Numeric(item.clone()));
        if items.len() > LONGEST {
            return Err(too_long());
        }
        item = item.add(step);
    }
    Ok(Datum::Array(Arc::new(items)))
}

fn moments(arguments: &[Datum]) -> Result<Datum> {
    let (from, to) = (number(arguments, 0)?, number(arguments, 1)?);
    let Datum::Interval(step) = &arguments[2] else { return Err(internal("an argument is no interval")) };
    if step.span() == 0 {
        return Err(no_step());
    }
    let mut items = Vec::new();
    let mut next = Some(from);
    while let Some(item) = next.filter(|item| if step.span() > 0 { *item <= to } else { *item >= to }) {
        items.push(Datum::Timestamp(item));
        if items.len() > LONGEST {
            return Err(too_long());
        }
        next = step.after(item);
    }
    Ok(Datum::Array(Arc::new(items)))
}

/// A time at the beginning of its `hour`, `day`, ….
fn truncated(field: &str, micros: i64) -> Result<Datum> {
    if micros == i64::MAX || micros == i64::MIN {
        return Ok(Datum::Timestamp(micros));
    }
    let day = micros.div_euclid(DAY);
    let (year, month, _) = datetime::civil(day);
    let begin = |year, month| datetime::day_of(year, month, 1) * DAY;
    let unit = |span: i64| micros - micros.rem_euclid(span);
    Ok(Datum::Timestamp(match field.to_ascii_lowercase().as_str() {
        "microseconds" => micros,
        "milliseconds" => unit(1000),
        "second" | "seconds" => unit(SECOND),
        "minute" | "minutes" => unit(MINUTE),
        "hour" | "hours" => unit(HOUR),
        "day" | "days" => unit(DAY),
        // 2000-01-01 was a Saturday.
        "week" | "weeks" => (day - (day + 5).rem_euclid(7)) * DAY,
        "month" | "months" => begin(year, month),
        "quarter" => begin(year, (month - 1) / 3 * 3 + 1),
        "year" | "years" => begin(year, 1),
        other => return Err(unknown_unit(other, "timestamp with time zone")),
    }))
}

fn unknown_unit(field: &str, kind: &str) -> PgError {
    PgError::new("22023", format!("unit \"{field}\" not recognized for type {kind}"))
}

/// A part of a time, date or interval, as `EXTRACT` gives it.
pub(crate) fn extracted(field: &str, of: &Datum) -> Result<Datum> {
    let field = field.to_ascii_lowercase();
    let whole = |number: i64| Ok(Datum::Numeric(Numeric::from(number)));
    let fraction = |micros: i64, scale: u32| Ok(Datum::Numeric(Numeric::new(micros, scale)));
    let (micros, kind) = match of {
        Datum::Timestamp(micros) => (*micros, "timestamp with time zone"),
        Datum::Date(day) => (i64::from(*day) * DAY, "date"),
        Datum::Time(micros) => (*micros, "time without time zone"),
        Datum::Interval(of) => return part_of_interval(&field, of),
        _ => return Err(internal("an argument is no time")),
    };
    let day = micros.div_euclid(DAY);
    let clock = micros.rem_euclid(DAY);
    let (year, month, of_month) = datetime::civil(day);
    let is_date = matches!(of, Datum::Date(_));
    match field.as_str() {
        "epoch" if is_date => whole(datetime::since_1970(micros) / SECOND),
        "epoch" => {
            fraction(if kind.starts_with("time w") { micros } else { datetime::since_1970(micros) }, 6)
        }
        "hour" if !is_date => whole(clock / HOUR),
        "minute" if !is_date => whole(clock / MINUTE % 60),
        "second" if !is_date => fraction(clock % MINUTE, 6),
        "milliseconds" | "millisecond" if !is_date => fraction(clock % MINUTE, 3),
        "microseconds" | "microsecond" if !is_date => whole(clock % MINUTE),
        "year" => whole(if year > 0 { year } else { year - 1 }),
        "month" => whole(i64::from(month)),
        "day" => whole(i64::from(of_month)),
        "quarter" => whole(i64::from((month - 1) / 3 + 1)),
        "dow" => whole((day + 6).rem_euclid(7)),
        "isodow" => whole((day + 5).rem_euclid(7) + 1),
        "doy" => whole(day - datetime::day_of(year, 1, 1) + 1),
        "week" | "isoyear" => {
            // The week belongs to the year of its Thursday.
            let thursday = day - (day + 5).rem_euclid(7) + 3;
            let (year, ..) = datetime::civil(thursday);
            whole(if field == "week" { (thursday - datetime::day_of(year, 1, 1)) / 7 + 1 } else { year })
        }
        "decade" => whole(year.div_euclid(10)),
        "century" => whole((year - 1).div_euclid(100) + 1),
        other => Err(unknown_unit(other, kind)),
    }
}

fn part_of_interval(field: &str, of: &Interval) -> Result<Datum> {
    let whole = |number: i64| Ok(Datum::Numeric(Numeric::from(number)));
    match field {
        // A year has 365.25 days here.
        "epoch" => {
            let years = i64::from(of.months / 12) * (365 * DAY + DAY / 4);
            let months = i64::from(of.months % 12) * 30 * DAY;
            Ok(Datum::Numeric(Numeric::new(years + months + i64::from(of.days) * DAY + of.micros, 6)))
        }
        "year" => whole(i64::from(of.months / 12)),
        "month" => whole(i64::from(of.months % 12)),
        "day" => whole(i64::from(of.days)),
        "hour" => whole(of.micros / HOUR),
        "minute" => whole(of.micros / MINUTE % 60),
        "second" => Ok(Datum::Numeric(Numeric::new(of.micros % MINUTE, 6))),
        other => Err(unknown_unit(other, "interval")),
    }
}

fn part_as_float(arguments: &[Datum]) -> Result<Datum> {
    match extracted(text(arguments, 0)?, &arguments[1])? {
        Datum::Numeric(number) => Ok(Datum::Float(number.to_float())),
        other => Ok(other),
    }
}

/// Years, months, days and time between two times.
fn age(later: i64, earlier: i64) -> Result<Datum> {
    let (sign, later, earlier) = if later < earlier { (-1, earlier, later) } else { (1, later, earlier) };
    let (year, month, day) = datetime::civil(later.div_euclid(DAY));
    let (first_year, first_month, first_day) = datetime::civil(earlier.div_euclid(DAY));
    let mut months = (year - first_year) * 12 + i64::from(month) - i64::from(first_month);
    let mut days = i64::from(day) - i64::from(first_day);
    let mut micros = later.rem_euclid(DAY) - earlier.rem_euclid(DAY);
    if micros < 0 {
        micros += DAY;
        days -= 1;
    }
    if days < 0 {
        // The month of the earlier time lends its days.
        days += i64::from(datetime::days_of_month(first_year, first_month));
        months -= 1;
    }
    let narrow = |number: i64| {
        i32::try_from(number * sign).map_err(|_| PgError::new("22008", "interval out of range"))
    };
    Ok(Datum::Interval(Interval { months: narrow(months)?, days: narrow(days)?, micros: micros * sign }))
}
