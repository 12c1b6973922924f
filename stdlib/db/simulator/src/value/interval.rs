//! `interval`: months, days and microseconds, each for itself.

use std::fmt;

use super::ValueError;
use super::datetime::{self, DAY, HOUR, MINUTE, SECOND};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Interval {
    pub months: i32,
    pub days: i32,
    pub micros: i64,
}

const DAYS_OF_MONTH: i64 = 30;

/// What of a unit is what: months, days, microseconds.
fn unit(name: &str) -> Option<(i64, i64, i64)> {
    let name = name.to_ascii_lowercase();
    Some(match name.strip_suffix('s').filter(|_| name.len() > 2).unwrap_or(&name) {
        "year" | "yr" | "y" => (12, 0, 0),
        "mon" | "month" => (1, 0, 0),
        "decade" | "dec" => (120, 0, 0),
        "century" | "centurie" => (1200, 0, 0),
        "week" | "w" => (0, 7, 0),
        "day" | "d" => (0, 1, 0),
        "hour" | "hr" | "h" => (0, 0, HOUR),
        "minute" | "min" | "m" => (0, 0, MINUTE),
        "second" | "sec" | "s" => (0, 0, SECOND),
        "millisecond" | "msec" | "ms" | "m_" => (0, 0, 1000),
        "microsecond" | "usec" | "us" | "u" => (0, 0, 1),
        _ => return None,
    })
}

impl Interval {
    /// In microseconds, a month as 30 days: what intervals are compared by.
    pub fn span(&self) -> i128 {
        let days = i128::from(self.months) * i128::from(DAYS_OF_MONTH) + i128::from(self.days);
        days * i128::from(DAY) + i128::from(self.micros)
    }

    /// `5 minutes`, `1 day -02:00:00.5`, `1 year 2 mons ago`.
    ///
    /// # Errors
    /// 22007, 22008
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        let malformed =
            || ValueError::new("22007", format!("invalid input syntax for type interval: \"{text}\""));
        let spaced = spaced(text);
        let mut words = spaced.split_whitespace().filter(|word| *word != "@").peekable();
        let mut sum = Interval::default();
        let mut some = false;
        while let Some(word) = words.next() {
            if word.eq_ignore_ascii_case("ago") && words.peek().is_none() && some {
                return sum.scaled(-1.0).ok_or_else(malformed);
            }
            some = true;
            if word.contains(':') {
                sum.micros =
                    sum.micros.checked_add(clock(word).ok_or_else(malformed)?).ok_or_else(malformed)?;
                continue;
            }
            let number: f64 = word.parse().map_err(|_| malformed())?;
            let (months, days, micros) = match words.next() {
                Some(name) => unit(name).ok_or_else(malformed)?,
                // A number alone is seconds.
                None => (0, 0, SECOND),
            };
            let one = Interval {
                months: i32::try_from(months).map_err(|_| malformed())?,
                days: i32::try_from(days).map_err(|_| malformed())?,
                micros,
            };
            sum = one.scaled(number).and_then(|more| sum.plus(&more)).ok_or_else(malformed)?;
        }
        if some { Ok(sum) } else { Err(malformed()) }
    }

    /// `None` if it becomes too large.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Option<Self> {
        Some(Interval {
            months: self.months.checked_add(other.months)?,
            days: self.days.checked_add(other.days)?,
            micros: self.micros.checked_add(other.micros)?,
        })
    }

    /// So many times; what of a month or day is left over becomes days and microseconds.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)] // checked before; as PostgreSQL reckons
    pub fn scaled(&self, by: f64) -> Option<Self> {
        let months = f64::from(self.months) * by;
        let days = f64::from(self.days) * by + months.fract() * DAYS_OF_MONTH as f64;
        let days_left = (days.fract() * 1e9).round() / 1e9;
        let micros = self.micros as f64 * by + days_left * DAY as f64;
        let fits = |number: f64| number.abs() < f64::from(i32::MAX);
        if !fits(months) || !fits(days) || micros.abs() >= 9.2e18 {
            return None;
        }
        Some(Interval {
            months: months.trunc() as i32,
            days: days.trunc() as i32,
            micros: micros.round() as i64,
        })
    }

    /// Whole days of 24 hours, months of 30 days.
    #[must_use]
    pub fn of_micros_with_days(micros: i64) -> Self {
        let days = micros / DAY;
        Interval { months: 0, days: i32::try_from(days).unwrap_or(i32::MAX), micros: micros % DAY }
    }

    /// A time and this later; `None` outside of what there is.
    pub fn after(&self, micros: i64) -> Option<i64> {
        if micros == i64::MAX || micros == i64::MIN {
            return Some(micros);
        }
        let mut day = micros.div_euclid(DAY);
        if self.months != 0 {
            let (year, month, of_month) = datetime::civil(day);
            let months = year * 12 + i64::from(month) - 1 + i64::from(self.months);
            let (year, month) = (months.div_euclid(12), u32::try_from(months.rem_euclid(12)).ok()? + 1);
            day = datetime::day_of(year, month, of_month.min(datetime::days_of_month(year, month)));
        }
        day.checked_add(i64::from(self.days))?
            .checked_mul(DAY)?
            .checked_add(micros.rem_euclid(DAY))?
            .checked_add(self.micros)
    }
}

/// With a space between a number and its unit: `1day`.
fn spaced(text: &str) -> String {
    let mut spaced = String::with_capacity(text.len() + 4);
    let mut last = ' ';
    for character in text.chars() {
        if character.is_alphabetic() && (last.is_ascii_digit() || last == '.') {
            spaced.push(' ');
        }
        spaced.push(character);
        last = character;
    }
    spaced
}

/// `-02:00:00.5` or `02:00`, with any number of hours.
fn clock(text: &str) -> Option<i64> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(text) => (-1, text),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut parts = text.split(':');
    let hours: i64 = parts.next()?.parse().ok()?;
    let minutes: i64 = parts.next()?.parse().ok()?;
    let (seconds, fraction) = match parts.next().unwrap_or("0").split_once('.') {
        Some((seconds, fraction)) => (seconds.parse::<i64>().ok()?, datetime::fraction_of(fraction)?),
        None => (text.split(':').nth(2).unwrap_or("0").parse::<i64>().ok()?, 0),
    };
    if parts.next().is_some() || minutes >= 60 || seconds >= 60 {
        return None;
    }
    let micros = hours.checked_mul(HOUR)?.checked_add(minutes * MINUTE + seconds * SECOND + fraction)?;
    Some(sign * micros)
}

impl Interval {
    /// As ISO 8601 has it, and PostgreSQL with `IntervalStyle` `iso_8601`: `P1Y2M3DT4H5M6.5S`.
    pub fn to_iso(self) -> String {
        let date = [
            (i64::from(self.months / 12), 'Y'),
            (i64::from(self.months % 12), 'M'),
            (i64::from(self.days), 'D'),
        ];
        let time = [(self.micros / HOUR, 'H'), (self.micros / MINUTE % 60, 'M')];
        let told = |parts: &[(i64, char)]| -> String {
            let some = parts.iter().filter(|(number, _)| *number != 0);
            some.map(|(number, unit)| format!("{number}{unit}")).collect()
        };
        let mut clock = told(&time);
        let seconds = self.micros % MINUTE;
        if seconds != 0 {
            let mut text = format!("{}{}", if seconds < 0 { "-" } else { "" }, (seconds / SECOND).abs());
            datetime::push_fraction((seconds % SECOND).abs(), &mut text);
            clock.push_str(&format!("{text}S"));
        }
        match (told(&date), clock) {
            (date, clock) if date.is_empty() && clock.is_empty() => "PT0S".to_owned(),
            (date, clock) if clock.is_empty() => format!("P{date}"),
            (date, clock) => format!("P{date}T{clock}"),
        }
    }
}

impl fmt::Display for Interval {
    /// PostgreSQL's own style: `1 year 2 mons 3 days 04:05:06.5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words: Vec<String> = Vec::new();
        // A positive part after a negative one bears its sign.
        let mut negative_before = false;
        for (number, name) in [(self.months / 12, "year"), (self.months % 12, "mon"), (self.days, "day")] {
            if number == 0 {
                continue;
            }
            let sign = if negative_before && number > 0 { "+" } else { "" };
            let plural = if number == 1 { "" } else { "s" };
            words.push(format!("{sign}{number} {name}{plural}"));
            negative_before = number < 0;
        }
        if self.micros != 0 || words.is_empty() {
            let sign = match self.micros {
                ..0 => "-",
                _ if negative_before => "+",
                _ => "",
            };
            words.push(format!("{sign}{}", clock_text(self.micros.unsigned_abs())));
        }
        f.write_str(&words.join(" "))
    }
}

fn clock_text(micros: u64) -> String {
    let micros = i64::try_from(micros).unwrap_or(i64::MAX);
    let mut text = format!("{:02}:{:02}:{:02}", micros / HOUR, micros / MINUTE % 60, micros / SECOND % 60);
    datetime::push_fraction(micros % SECOND, &mut text);
    text
}
