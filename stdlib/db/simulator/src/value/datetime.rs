//! Dates and times in PostgreSQL's reckoning, from 2000-01-01, and as ISO 8601 has them as text. The only time zone is UTC.

use std::fmt::Write;

use super::ValueError;

pub(crate) const SECOND: i64 = 1_000_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;
/// From 1970 to 2000, in days.
const EPOCH: i64 = 10_957;

/// PostgreSQL's microseconds of a time.
pub fn of_jiff(at: jiff::Timestamp) -> i64 {
    at.as_microsecond() - EPOCH * DAY
}

/// The time of PostgreSQL's microseconds; `None` outside of what `jiff` knows.
pub fn to_jiff(micros: i64) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_microsecond(micros.checked_add(EPOCH * DAY)?).ok()
}

/// Seconds since 1970 of PostgreSQL's microseconds, in microseconds.
pub(crate) fn since_1970(micros: i64) -> i64 {
    micros.saturating_add(EPOCH * DAY)
}

/// Year, month and day of a day since 2000-01-01 (Howard Hinnant's `civil_from_days`). Year 0 is 1 BC.
pub(crate) fn civil(day: i64) -> (i64, u32, u32) {
    let z = day + EPOCH + 719_468;
    let era = z.div_euclid(146_097);
    let of_era = z.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, u32::try_from(month).unwrap_or(1), u32::try_from(day).unwrap_or(1))
}

/// The day since 2000-01-01 of a year, month and day.
pub(crate) fn day_of(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let month = i64::from(month);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * shifted + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468 - EPOCH
}

pub(crate) fn days_of_month(year: i64, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 => 29,
        2 => 28,
        _ => 31,
    }
}

fn write_date(day: i64, text: &mut String) -> bool {
    let (year, month, of_month) = civil(day);
    let shown = if year > 0 { year } else { 1 - year };
    let _ = write!(text, "{shown:04}-{month:02}-{of_month:02}");
    year <= 0
}

pub(super) fn date_text(day: i32) -> String {
    match day {
        i32::MAX => return "infinity".to_owned(),
        i32::MIN => return "-infinity".to_owned(),
        _ => {}
    }
    let mut text = String::new();
    if write_date(i64::from(day), &mut text) {
        text.push_str(" BC");
    }
    text
}

pub(super) fn time_text(micros: i64) -> String {
    let mut text = format!("{:02}:{:02}:{:02}", micros / HOUR, micros / MINUTE % 60, micros / SECOND % 60);
    push_fraction(micros % SECOND, &mut text);
    text
}

/// `.5` of half a second, nothing of none.
pub(super) fn push_fraction(micros: i64, text: &mut String) {
    if micros != 0 {
        let digits = format!("{micros:06}");
        text.push('.');
        text.push_str(digits.trim_end_matches('0'));
    }
}

pub(super) fn timestamp_text(micros: i64, zoned: bool) -> String {
    match micros {
        i64::MAX => return "infinity".to_owned(),
        i64::MIN => return "-infinity".to_owned(),
        _ => {}
    }
    let mut text = String::new();
    let before = write_date(micros.div_euclid(DAY), &mut text);
    text.push(' ');
    text.push_str(&time_text(micros.rem_euclid(DAY)));
    if zoned {
        text.push_str("+00");
    }
    if before {
        text.push_str(" BC");
    }
    text
}

/// A date and what stands behind it.
struct Read {
    day: i64,
    /// Of the day.
    micros: i64,
    /// East of UTC.
    offset: Option<i64>,
}

/// `2026-03-02 12:00:00.5+01`, with `T` and `Z` too; date alone as well.
fn read(text: &str, kind: &str) -> Result<Read, ValueError> {
    let malformed = || ValueError::new("22007", format!("invalid input syntax for type {kind}: \"{text}\""));
    let out_of_range = || ValueError::new("22008", format!("date/time field value out of range: \"{text}\""));
    let mut rest = text.trim();
    let before = rest.strip_suffix(" BC").or_else(|| rest.strip_suffix(" bc"));
    rest = before.unwrap_or(rest);
    let (date, time) = match rest.find([' ', 'T', 't']) {
        Some(at) => (&rest[..at], rest[at + 1..].trim_start()),
        None => (rest, ""),
    };
    let mut fields = date.split('-');
    let mut field = |least: usize| {
        let digits = fields.next().filter(|digits| digits.len() >= least && digits.len() <= 6);
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        digits.and_then(|digits| digits.parse::<u32>().ok()).ok_or_else(malformed)
    };
    let (year, month, day) = (i64::from(field(3)?), field(1)?, field(1)?);
    if fields.next().is_some() {
        return Err(malformed());
    }
    let year = if before.is_some() { 1 - year } else { year };
    if !(1..=12).contains(&month)
        || day == 0
        || day > days_of_month(year, month)
        || (year == 0 && before.is_none())
    {
        return Err(out_of_range());
    }
    let (clock, offset) = match time.find(['+', '-', 'Z', 'z']) {
        Some(at) => (time[..at].trim_end(), Some(&time[at..])),
        None => match time.to_ascii_lowercase().strip_suffix(" utc") {
            Some(clock) => (&time[..clock.len()], Some("Z")),
            None => (time, None),
        },
    };
    let micros =
        if clock.is_empty() { 0 } else { clock_of(clock).ok_or_else(malformed)?.ok_or_else(out_of_range)? };
    let offset = match offset {
        Some(offset) => Some(offset_of(offset).ok_or_else(malformed)?),
        None => None,
    };
    Ok(Read { day: day_of(year, month, day), micros, offset })
}

/// `None` if it is no time, `Some(None)` if there is no such time.
#[allow(clippy::option_option)] // two ways to be wrong, with different errors
fn clock_of(text: &str) -> Option<Option<i64>> {
    let mut parts = text.split(':');
    let whole = |part: &str| {
        let fits = !part.is_empty() && part.len() <= 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        fits.then(|| part.parse::<i64>().ok()).flatten()
    };
    let hour = whole(parts.next()?)?;
    let minute = whole(parts.next()?)?;
    let (second, fraction) = match parts.next() {
        None => (0, 0),
        Some(part) => match part.split_once('.') {
            None => (whole(part)?, 0),
            Some((second, fraction)) => (whole(second)?, fraction_of(fraction)?),
        },
    };
    if parts.next().is_some() {
        return None;
    }
    let micros = hour * HOUR + minute * MINUTE + second * SECOND + fraction;
    let fits = minute < 60 && second <= 60 && micros <= DAY;
    Some(fits.then_some(micros))
}

/// The microseconds of digits after a point, rounded.
pub(super) fn fraction_of(digits: &str) -> Option<i64> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut seven: i64 = format!("{digits:0<7.7}").parse().ok()?;
    seven += 5;
    Some(seven / 10)
}

fn offset_of(text: &str) -> Option<i64> {
    if text.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let digits: String = text[1..].chars().filter(|character| *character != ':').collect();
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = match digits.len() {
        1 | 2 => (digits.as_str(), "0"),
        4 => digits.split_at(2),
        _ => return None,
    };
    Some(sign * (hours.parse::<i64>().ok()? * HOUR + minutes.parse::<i64>().ok()? * MINUTE))
}

pub(super) fn date_of(text: &str) -> Result<i32, ValueError> {
    match special(text) {
        Some(true) => return Ok(i32::MAX),
        Some(false) => return Ok(i32::MIN),
        None => {}
    }
    let read = read(text, "date")?;
    i32::try_from(read.day).map_err(|_| ValueError::new("22008", format!("date out of range: \"{text}\"")))
}

pub(super) fn time_of(text: &str) -> Result<i64, ValueError> {
    let malformed = || ValueError::new("22007", format!("invalid input syntax for type time: \"{text}\""));
    let out_of_range = || ValueError::new("22008", format!("date/time field value out of range: \"{text}\""));
    clock_of(text.trim()).ok_or_else(malformed)?.ok_or_else(out_of_range)
}

/// With a time zone, the offset counts, and it is UTC where there is none; without one it is left out.
pub(super) fn timestamp_of(text: &str, zoned: bool) -> Result<i64, ValueError> {
    match special(text) {
        Some(true) => return Ok(i64::MAX),
        Some(false) => return Ok(i64::MIN),
        None => {}
    }
    let kind = if zoned { "timestamp with time zone" } else { "timestamp" };
    let read = read(text, kind)?;
    let offset = if zoned { read.offset.unwrap_or(0) } else { 0 };
    let out_of_range = || ValueError::new("22008", format!("timestamp out of range: \"{text}\""));
    read.day.checked_mul(DAY).map(|day| day + read.micros - offset).ok_or_else(out_of_range)
}

fn special(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "infinity" | "+infinity" => Some(true),
        "-infinity" => Some(false),
        _ => None,
    }
}
