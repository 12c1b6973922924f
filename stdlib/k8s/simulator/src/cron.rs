//! Schedules of CronJobs: five fields or a descriptor, read and followed as the standard parser of robfig/cron does.
//! A schedule is a function of time; it knows no job.

use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp, Zoned};

/// When something is to happen.
#[derive(Clone, Debug)]
pub(crate) enum Schedule {
    /// `30 6-16/4 * * 1-5`: at the minutes that fit all fields, by the clocks of a time zone.
    Fields { fields: Box<Fields>, zone: TimeZone },
    /// `@every 90s`: so long after the last time.
    Every(SignedDuration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fields {
    minute: Field,
    hour: Field,
    day: Field,
    month: Field,
    weekday: Field,
}

/// The numbers that fit, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Field {
    bits: u64,
    /// It was given as `*` or `?`: of the two days, such a one does not count.
    any: bool,
}

/// What a field may hold; names stand for the numbers from `least` on.
struct Bounds {
    least: u64,
    most: u64,
    names: &'static [&'static str],
}

const MINUTES: Bounds = Bounds { least: 0, most: 59, names: &[] };
const HOURS: Bounds = Bounds { least: 0, most: 23, names: &[] };
const DAYS: Bounds = Bounds { least: 1, most: 31, names: &[] };
const MONTHS: Bounds = Bounds {
    least: 1,
    most: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
const WEEKDAYS: Bounds =
    Bounds { least: 0, most: 6, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };

/// A date that does not come within so many years does not come.
const HORIZON: i16 = 5;

/// A time zone of the IANA database, by its exact name.
pub(crate) fn zone(name: &str) -> Result<TimeZone, String> {
    if matches!(name, "" | "UTC") {
        return Ok(TimeZone::UTC);
    }
    // The database that is built in: a schedule does not depend on the machine.
    let found = TimeZoneDatabase::bundled().get(name).ok();
    found.filter(|zone| zone.iana_name() == Some(name)).ok_or_else(|| format!("unknown time zone {name}"))
}

impl Schedule {
    /// Reads a schedule that goes by UTC unless it begins with `TZ=ZONE`.
    ///
    /// # Errors
    /// What is wrong with it, in the words of the parser.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("empty spec string".to_owned());
        }
        let own = ["TZ=", "CRON_TZ="].iter().find_map(|prefix| text.strip_prefix(prefix)?.split_once(' '));
        match own {
            Some((name, rest)) => {
                let zone = zone(name).map_err(|why| format!("provided bad location {name}: {why}"))?;
                Self::parse_in(rest.trim(), zone)
            }
            None => Self::parse_in(text, TimeZone::UTC),
        }
    }

    /// Reads a schedule without a time zone of its own.
    ///
    /// # Errors
    /// What is wrong with it, in the words of the parser.
    pub(crate) fn parse_in(text: &str, zone: TimeZone) -> Result<Self, String> {
        if let Some(span) = text.strip_prefix("@every ") {
            let nanos = opsrun_k8s_schema::duration::parse_go(span)
                .map_err(|why| format!("failed to parse duration {text}: {why}"))?;
            return Ok(Self::Every(SignedDuration::from_secs((nanos / 1_000_000_000).max(1))));
        }
        let fields = match text {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            other if other.starts_with('@') => return Err(format!("unrecognized descriptor: {other}")),
            fields => fields,
        };
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(format!("expected exactly 5 fields, found {}: [{}]", fields.len(), fields.join(" ")));
        };
        let fields = Fields {
            minute: Field::parse(minute, &MINUTES)?,
            hour: Field::parse(hour, &HOURS)?,
            day: Field::parse(day, &DAYS)?,
            month: Field::parse(month, &MONTHS)?,
            weekday: Field::parse(weekday, &WEEKDAYS)?,
        };
        Ok(Self::Fields { fields: Box::new(fields), zone })
    }

    /// The first time after `after`; `None` if there is none within five years (the 31st of February).
    pub(crate) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        // Times are whole seconds.
        let second = Timestamp::from_second(after.as_second()).ok()?;
        match self {
            Self::Every(span) => Some(second + *span),
            Self::Fields { fields, zone } => {
                fields.from((second + SignedDuration::from_secs(1)).to_zoned(zone.clone()))
            }
        }
    }
}

impl Fields {
    /// The first time that fits, from `at` on: the largest unit that does not fit is moved on, over and over.
    fn from(&self, mut at: Zoned) -> Option<Timestamp> {
        let last = at.year() + HORIZON;
        while at.year() <= last {
            if !self.month.has(at.month()) {
                at = at
                    .date()
                    .first_of_month()
                    .checked_add(jiff::Span::new().months(1))
                    .ok()?
                    .to_zoned(at.time_zone().clone())
                    .ok()?;
            } else if !self.is_day(&at) {
                at = at.date().tomorrow().ok()?.to_zoned(at.time_zone().clone()).ok()?;
            } else if !self.hour.has(at.hour()) {
                // Hours and minutes pass one after the other, whatever the clocks are set to meanwhile.
                let past = i64::from(at.minute()) * 60 + i64::from(at.second());
                at = at.checked_add(SignedDuration::from_secs(3600 - past)).ok()?;
            } else if !self.minute.has(at.minute()) || at.second() != 0 {
                at = at.checked_add(SignedDuration::from_secs(60 - i64::from(at.second()))).ok()?;
            } else {
                return Some(at.timestamp());
            }
        }
        None
    }

    /// If both days are restricted, either will do.
    fn is_day(&self, at: &Zoned) -> bool {
        let day = self.day.has(at.day());
        let weekday = self.weekday.has(at.weekday().to_sunday_zero_offset());
        if self.day.any || self.weekday.any { day && weekday } else { day || weekday }
    }
}

impl Field {
    fn parse(text: &str, bounds: &Bounds) -> Result<Self, String> {
        let mut field = Self { bits: 0, any: false };
        for range in text.split(',').filter(|range| !range.is_empty()) {
            let found = Self::range(range, bounds)?;
            field = Self { bits: field.bits | found.bits, any: field.any || found.any };
        }
        Ok(field)
    }

    /// `5`, `1-5`, `*`, each with a step after `/`.
    fn range(range: &str, bounds: &Bounds) -> Result<Self, String> {
        let halves: Vec<&str> = range.split('/').collect();
        let ends: Vec<&str> = halves[0].split('-').collect();
        let mut any = matches!(ends[0], "*" | "?");
        let (start, mut end) = match ends.as_slice() {
            _ if any => (bounds.least, bounds.most),
            [one] => {
                let one = number_or_name(one, bounds)?;
                (one, one)
            }
            [first, last] => (number_or_name(first, bounds)?, number_or_name(last, bounds)?),
            [first, ..] => {
                number_or_name(first, bounds)?;
                return Err(format!("too many hyphens: {range}"));
            }
            [] => (bounds.least, bounds.most),
        };
        let step = match halves.as_slice() {
            [_] => 1,
            [_, step] => {
                let step = number(step)?;
                // `5/10` is from 5 to the end.
                if ends.len() == 1 {
                    end = bounds.most;
                }
                any &= step <= 1;
                step
            }
            _ => return Err(format!("too many slashes: {range}")),
        };
        if start < bounds.least {
            return Err(format!("beginning of range ({start}) below minimum ({}): {range}", bounds.least));
        }
        if end > bounds.most {
            return Err(format!("end of range ({end}) above maximum ({}): {range}", bounds.most));
        }
        if start > end {
            return Err(format!("beginning of range ({start}) beyond end of range ({end}): {range}"));
        }
        if step == 0 {
            return Err(format!("step of range should be a positive number: {range}"));
        }
        let steps = (start..=end).filter(|number| (number - start) % step == 0);
        Ok(Self { bits: steps.fold(0, |bits, number| bits | 1 << number), any })
    }

    fn has(self, number: i8) -> bool {
        u32::try_from(number).is_ok_and(|number| self.bits >> number & 1 == 1)
    }
}

fn number_or_name(text: &str, bounds: &Bounds) -> Result<u64, String> {
    let named = (bounds.least..).zip(bounds.names).find(|(_, name)| text.eq_ignore_ascii_case(name));
    named.map_or_else(|| number(text), |(number, _)| Ok(number))
}

fn number(text: &str) -> Result<u64, String> {
    let fault = |why: &str| format!("failed to parse int from {text}: strconv.Atoi: parsing {text:?}: {why}");
    let number: i64 = text.parse().map_err(|why: std::num::ParseIntError| match why.kind() {
        std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => {
            fault("value out of range")
        }
        _ => fault("invalid syntax"),
    })?;
    u64::try_from(number).map_err(|_| format!("negative number ({number}) not allowed: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The next times after `from`, as the clocks of the zone show them.
    fn times(schedule: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let zone = super::zone(zone).expect("a zone");
        let schedule = Schedule::parse_in(schedule, zone.clone()).expect("a schedule");
        let from: Timestamp = from.parse().expect("a time");
        let all = std::iter::successors(schedule.next(from), |at| schedule.next(*at));
        all.take(count).map(|at| at.to_zoned(zone.clone()).strftime("%a %F %T").to_string()).collect()
    }

    #[test]
    fn fields_take_numbers_names_ranges_and_steps() {
        let from = "2026-01-01T10:00:00Z";
        for (schedule, wanted) in [
            ("* * * * *", "Thu 2026-01-01 10:01:00"),
            ("*/15 * * * *", "Thu 2026-01-01 10:15:00"),
            ("5/20 * * * *", "Thu 2026-01-01 10:05:00"),
            ("0 6-9/3 * * *", "Fri 2026-01-02 06:00:00"),
            ("30 4 1,15 * ?", "Thu 2026-01-15 04:30:00"),
            ("0 0 * feb mon", "Mon 2026-02-02 00:00:00"),
            ("0 22 * * MON-FRI", "Thu 2026-01-01 22:00:00"),
            ("0 0 29 2 *", "Tue 2028-02-29 00:00:00"),
            ("@hourly", "Thu 2026-01-01 11:00:00"),
            ("@daily", "Fri 2026-01-02 00:00:00"),
            ("@weekly", "Sun 2026-01-04 00:00:00"),
            ("@monthly", "Sun 2026-02-01 00:00:00"),
            ("@yearly", "Fri 2027-01-01 00:00:00"),
            ("@every 1h30m", "Thu 2026-01-01 11:30:00"),
        ] {
            assert_eq!(times(schedule, "UTC", from, 1), [wanted], "{schedule}");
        }
    }

    #[test]
    fn two_restricted_days_are_alternatives_and_a_star_with_a_step_is_a_restriction() {
        let from = "2026-01-01T10:00:00Z";
        // The 13th, or any Friday.
        assert_eq!(
            times("0 0 13 * 5", "UTC", from, 3),
            ["Fri 2026-01-02 00:00:00", "Fri 2026-01-09 00:00:00", "Tue 2026-01-13 00:00:00"]
        );
        assert_eq!(times("0 0 13 * *", "UTC", from, 1), ["Tue 2026-01-13 00:00:00"]);
        assert_eq!(
            times("0 0 */20 * 5", "UTC", from, 2),
            ["Fri 2026-01-02 00:00:00", "Fri 2026-01-09 00:00:00"]
        );
    }

    #[test]
    fn a_zone_says_what_the_clocks_show_also_when_they_are_set() {
        // In New York the hour from 2 on 2026-03-08 is left out, that from 1 on 2026-11-01 comes twice.
        let skipped = times("30 2 * * *", "America/New_York", "2026-03-07T12:00:00Z", 2);
        assert_eq!(skipped, ["Mon 2026-03-09 02:30:00", "Tue 2026-03-10 02:30:00"]);
        let twice = times("30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z", 3);
        assert_eq!(twice, ["Sun 2026-11-01 01:30:00", "Sun 2026-11-01 01:30:00", "Mon 2026-11-02 01:30:00"]);
    }

    #[test]
    fn a_date_that_never_comes_has_no_next_time() {
        let schedule = Schedule::parse("59 23 31 2 *").expect("a schedule");
        assert_eq!(schedule.next(Timestamp::UNIX_EPOCH), None);
    }

    #[test]
    fn mistakes_are_told_in_the_words_of_the_parser() {
        for (schedule, wanted) in [
            ("", "empty spec string"),
            ("every day", "expected exactly 5 fields, found 2: [every day]"),
            ("60 * * * *", "end of range (60) above maximum (59): 60"),
            ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
            ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
            ("*/0 * * * *", "step of range should be a positive number: */0"),
            ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
            ("1/2/3 * * * *", "too many slashes: 1/2/3"),
            ("x * * * *", "failed to parse int from x: strconv.Atoi: parsing \"x\": invalid syntax"),
            ("*/-1 * * * *", "negative number (-1) not allowed: -1"),
            ("@fortnightly", "unrecognized descriptor: @fortnightly"),
            ("@every soon", "failed to parse duration @every soon: time: invalid duration \"soon\""),
            ("TZ=Mars/Base * * * * *", "provided bad location Mars/Base: unknown time zone Mars/Base"),
        ] {
            assert_eq!(Schedule::parse(schedule).expect_err(schedule), wanted);
        }
    }
}
