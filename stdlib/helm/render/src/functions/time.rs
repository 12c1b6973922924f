//! Go's `time.Time`, `time.Duration`, `time.Month` and `time.Weekday` as values with methods.

use std::any::Any;
use std::sync::Arc;

use gotemplate::{Function, Kind, Number, Object, Type, Value};
use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::args::{int, utf8};
use super::layout::{self, MONTHS, Shown, WEEKDAYS};

pub(super) const TIME: Type = Type::Named("time.Time", Kind::Struct);
const DURATION: Type = Type::Named("time.Duration", Kind::Int64);
const RFC3339_NANO: &str = "2006-01-02T15:04:05.999999999Z07:00";

/// A point in time, and where its clock stands.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    pub(super) timestamp: Timestamp,
    zone: TimeZone,
    /// The abbreviation, where it does not follow from the zone.
    name: Option<String>,
}

impl Moment {
    pub(super) fn utc(timestamp: Timestamp) -> Self {
        Moment { timestamp, zone: TimeZone::UTC, name: None }
    }

    /// Go's zero time: the first of January of the year 1.
    pub(super) fn zero() -> Self {
        let first = Date::constant(1, 1, 1).at(0, 0, 0, 0);
        Moment::at(first, 0).unwrap_or_else(|| Moment::utc(Timestamp::UNIX_EPOCH))
    }

    fn at(civil: DateTime, offset: i32) -> Option<Self> {
        let zone = Offset::from_seconds(offset).ok()?.to_time_zone();
        let timestamp = zone.to_timestamp(civil).ok()?;
        Some(Moment { timestamp, zone: if offset == 0 { TimeZone::UTC } else { zone }, name: None })
    }

    /// By Go's layout; UTC unless the text says otherwise.
    pub(super) fn parse(layout: &str, text: &str) -> Result<Self, String> {
        let parsed = layout::parse(layout, text)?;
        let mut moment = Moment::at(parsed.civil, parsed.offset.unwrap_or(0))
            .ok_or_else(|| format!("parsing time {text:?}: year out of range"))?;
        let is_utc = parsed.offset.unwrap_or(0) == 0;
        moment.name = match parsed.zone {
            Some(name) if name != "UTC" => Some(name),
            _ if is_utc => None,
            _ => Some(String::new()),
        };
        Ok(moment)
    }

    /// The same moment elsewhere; UTC if there is no such zone.
    pub(super) fn in_zone(&self, name: &str) -> Self {
        let zone = match name {
            "" | "UTC" | "Local" => TimeZone::UTC,
            _ => jiff::tz::TimeZoneDatabase::bundled().get(name).unwrap_or(TimeZone::UTC),
        };
        Moment { timestamp: self.timestamp, zone, name: None }
    }

    pub(super) fn plus(&self, duration: SignedDuration) -> Self {
        let timestamp = self.timestamp.saturating_add(duration).unwrap_or(self.timestamp);
        Moment { timestamp, ..self.clone() }
    }

    pub(super) fn format(&self, layout: &str) -> String {
        let info = self.zone.to_offset_info(self.timestamp);
        let offset = info.offset().seconds();
        // A zone without a name is shown by its offset.
        let abbreviation = info.abbreviation();
        let unnamed = if offset % 3600 == 0 {
            format!("{}{:02}", if offset < 0 { '-' } else { '+' }, offset.abs() / 3600)
        } else {
            format!(
                "{}{:02}{:02}",
                if offset < 0 { '-' } else { '+' },
                offset.abs() / 3600,
                offset.abs() / 60 % 60
            )
        };
        let zone = match self.name.as_deref() {
            Some("") => format!("{unnamed}{}", if offset % 3600 == 0 { "00" } else { "" }),
            Some(name) => name.to_owned(),
            None => abbreviation.to_owned(),
        };
        layout::format(layout, &Shown { civil: self.civil(), offset, zone: &zone })
    }

    fn civil(&self) -> DateTime {
        self.zone.to_datetime(self.timestamp)
    }

    fn with_date(&self, years: i64, months: i64, days: i64) -> Self {
        let civil = self.civil();
        let month = i64::from(civil.month()) - 1 + months;
        let year = i64::from(civil.year()) + years + month.div_euclid(12);
        let month = month.rem_euclid(12) as i8 + 1;
        let first = i16::try_from(year).ok().and_then(|year| Date::new(year, month, 1).ok());
        let day = SignedDuration::from_hours(24 * (days + i64::from(civil.day()) - 1));
        let moved = first.and_then(|first| first.to_datetime(civil.time()).checked_add(day).ok());
        let timestamp = moved.and_then(|civil| self.zone.to_timestamp(civil).ok());
        Moment { timestamp: timestamp.unwrap_or(self.timestamp), ..self.clone() }
    }
}

impl From<Moment> for Value {
    fn from(moment: Moment) -> Self {
        Value::object(moment)
    }
}

impl Object for Moment {
    fn type_name(&self) -> &'static str {
        "time.Time"
    }

    fn method(self: Arc<Self>, name: &str) -> Option<Function> {
        let constant = |value: Value| Some(Function::new(&[], move |_, _| Ok(value.clone())));
        let number = |n: i64| constant(Value::int(n));
        let civil = self.civil();
        let of_other = |then: fn(SignedDuration) -> Value| {
            let timestamp = self.timestamp;
            Some(Function::new(&[TIME], move |_, a| {
                let other = a[0].downcast::<Moment>().map_or(timestamp, |other| other.timestamp);
                Ok(then(timestamp.duration_since(other)))
            }))
        };
        match name {
            "Format" => Some(Function::new(&[Type::String], move |_, a| Ok(self.format(&utf8(a, 0)).into()))),
            "String" => constant(self.shown().into()),
            "Unix" => constant(Value::int64(self.timestamp.as_second())),
            "UnixMilli" => constant(Value::int64(self.timestamp.as_millisecond())),
            "UnixMicro" => constant(Value::int64(self.timestamp.as_microsecond())),
            "UnixNano" => constant(Value::int64(self.timestamp.as_nanosecond() as i64)),
            "Year" => number(civil.year().into()),
            "Month" => constant(Value::object(Named::Month(civil.month()))),
            "Day" => number(civil.day().into()),
            "Hour" => number(civil.hour().into()),
            "Minute" => number(civil.minute().into()),
            "Second" => number(civil.second().into()),
            "Nanosecond" => number(civil.subsec_nanosecond().into()),
            "YearDay" => number(civil.day_of_year().into()),
            "Weekday" => constant(Value::object(Named::Weekday(civil.weekday().to_sunday_zero_offset()))),
            "UTC" | "Local" => constant(Moment::utc(self.timestamp).into()),
            "IsZero" => constant((self.timestamp == Moment::zero().timestamp).into()),
            "After" => of_other(|since| since.is_positive().into()),
            "Before" => of_other(|since| since.is_negative().into()),
            "Equal" => of_other(|since| since.is_zero().into()),
            "Sub" => {
                of_other(|since| Value::object(Elapsed(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))))
            }
            "Add" => Some(Function::new(&[DURATION], move |_, a| {
                let by = a[0].downcast::<Elapsed>().map_or(0, |elapsed| elapsed.0);
                Ok(self.plus(SignedDuration::from_nanos(by)).into())
            })),
            "AddDate" => Some(Function::new(&[Type::Int, Type::Int, Type::Int], move |_, a| {
                Ok(self.with_date(int(a, 0), int(a, 1), int(a, 2)).into())
            })),
            _ => None,
        }
    }

    fn text(&self) -> Option<String> {
        Some(self.shown())
    }

    fn encoded(&self) -> Option<Value> {
        Some(self.format(RFC3339_NANO).into())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Moment {
    fn shown(&self) -> String {
        self.format("2006-01-02 15:04:05.999999999 -0700 MST")
    }
}

/// `time.Duration`, in nanoseconds.
#[derive(Debug)]
struct Elapsed(i64);

impl Object for Elapsed {
    fn type_name(&self) -> &'static str {
        "time.Duration"
    }

    fn kind(&self) -> Kind {
        Kind::Int64
    }

    fn method(self: Arc<Self>, name: &str) -> Option<Function> {
        let nanoseconds = self.0;
        let value = match name {
            "String" => Value::str(duration_text(nanoseconds.into())),
            "Hours" => Value::float(nanoseconds as f64 / 3.6e12),
            "Minutes" => Value::float(nanoseconds as f64 / 6e10),
            "Seconds" => Value::float(nanoseconds as f64 / 1e9),
            "Milliseconds" => Value::int64(nanoseconds / 1_000_000),
            "Microseconds" => Value::int64(nanoseconds / 1_000),
            "Nanoseconds" => Value::int64(nanoseconds),
            _ => return None,
        };
        Some(Function::new(&[], move |_, _| Ok(value.clone())))
    }

    fn text(&self) -> Option<String> {
        Some(duration_text(self.0.into()))
    }

    fn underlying(&self) -> Option<Value> {
        Some(Value::int64(self.0))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `time.Month` and `time.Weekday`.
#[derive(Debug)]
enum Named {
    Month(i8),
    Weekday(i8),
}

impl Object for Named {
    fn type_name(&self) -> &'static str {
        match self {
            Named::Month(_) => "time.Month",
            Named::Weekday(_) => "time.Weekday",
        }
    }

    fn kind(&self) -> Kind {
        Kind::Int
    }

    fn method(self: Arc<Self>, name: &str) -> Option<Function> {
        let text = self.text()?;
        (name == "String").then(|| Function::new(&[], move |_, _| Ok(Value::str(&text))))
    }

    fn text(&self) -> Option<String> {
        Some(match self {
            Named::Month(n) => MONTHS[*n as usize - 1].to_owned(),
            Named::Weekday(n) => WEEKDAYS[*n as usize].to_owned(),
        })
    }

    fn underlying(&self) -> Option<Value> {
        let (Named::Month(n) | Named::Weekday(n)) = self;
        Some(Number::Int((*n).into()).into())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Go's `Duration.String`, of nanoseconds: `1h2m3.5s`, `1.5ms`.
pub(super) fn duration_text(nanoseconds: i128) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let size = nanoseconds.unsigned_abs();
    let decimal = |whole: u128, rest: u128, digits: usize| {
        let fraction = format!("{rest:0digits$}");
        let fraction = fraction.trim_end_matches('0');
        if rest == 0 { whole.to_string() } else { format!("{whole}.{fraction}") }
    };
    match size {
        0 => "0s".to_owned(),
        1..1_000 => format!("{sign}{size}ns"),
        1_000..1_000_000 => format!("{sign}{}µs", decimal(size / 1_000, size % 1_000, 3)),
        1_000_000..1_000_000_000 => format!("{sign}{}ms", decimal(size / 1_000_000, size % 1_000_000, 6)),
        _ => {
            let seconds = size / 1_000_000_000;
            let last = decimal(seconds % 60, size % 1_000_000_000, 9);
            let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
            if hours > 0 {
                format!("{sign}{hours}h{minutes}m{last}s")
            } else if minutes > 0 {
                format!("{sign}{minutes}m{last}s")
            } else {
                format!("{sign}{last}s")
            }
        }
    }
}

/// Go's `ParseDuration`, to nanoseconds.
pub(super) fn parse_duration(text: &str) -> Result<i64, String> {
    let shown = super::layout::quote(text);
    let invalid = || format!("time: invalid duration {shown}");
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = 0_i128;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(number_end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return Err(invalid());
        }
        let unit_end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_end);
        let size: i128 = match unit {
            "" => return Err(format!("time: missing unit in duration {shown}")),
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => {
                let unit = super::layout::quote(unit);
                return Err(format!("time: unknown unit {unit} in duration {shown}"));
            }
        };
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
        // As many digits as nanoseconds can tell.
        let digits: String = fraction.chars().take(18).collect();
        let parts: i128 = if digits.is_empty() { 0 } else { digits.parse().map_err(|_| invalid())? };
        total += whole * size + parts * size / 10_i128.pow(digits.len() as u32);
        if total > i128::from(i64::MAX) + i128::from(negative) {
            return Err(invalid());
        }
        rest = next;
    }
    i64::try_from(if negative { -total } else { total }).map_err(|_| invalid())
}
