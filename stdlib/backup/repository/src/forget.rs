//! Which snapshots to keep, as restic 0.14 decides it. (From 0.17 on restic also keeps the oldest one where a count is not used up.)

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{Span, Timestamp, ToSpan};

use crate::lock::ExclusiveLock;
use crate::repository::Repository;
use crate::snapshot::{NamedSnapshot, Snapshot};
use crate::{Id, Kind, Result, Time};

/// What is kept. Each rule keeps what it keeps; without any, all is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// So many of the last ones.
    pub last: u32,
    /// The last one of each hour, for so many hours that have one; and so on.
    pub hourly: u32,
    pub daily: u32,
    pub weekly: u32,
    pub monthly: u32,
    pub yearly: u32,
    /// All that are not longer than this before the last one.
    pub within: Option<Period>,
    /// The last one of each hour, of those; and so on.
    pub within_hourly: Option<Period>,
    pub within_daily: Option<Period>,
    pub within_weekly: Option<Period>,
    pub within_monthly: Option<Period>,
    pub within_yearly: Option<Period>,
    /// Those with all tags of one of the lists.
    pub tags: Vec<Vec<String>>,
}

/// A length of time in units of the calendar: `1y6m3d12h`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Period {
    pub years: i16,
    pub months: i32,
    pub days: i32,
    pub hours: i32,
}

/// Why one is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// There are no rules.
    NoPolicy,
    Tags(Vec<String>),
    Within(Period),
    Last,
    /// The last one of its hour, …; with a period, by a rule of that.
    LastOf(Unit, Option<Period>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unit {
    Hour,
    Day,
    Week,
    Month,
    Year,
}

/// What becomes of a snapshot.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    pub snapshot: NamedSnapshot,
    /// It is removed if there are none.
    pub reasons: Vec<Reason>,
}

/// By what snapshots are told apart; of each group, what the policy says is kept. restic's own usual one is by host and paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grouping {
    pub by_host: bool,
    pub by_paths: bool,
    pub by_tags: bool,
}

impl Default for Grouping {
    fn default() -> Self {
        Grouping { by_host: true, by_paths: true, by_tags: false }
    }
}

/// What a group has in common; empty where it is not grouped by that.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupKey {
    pub host: String,
    pub paths: Vec<String>,
    pub tags: Vec<String>,
}

/// Divides snapshots into groups.
pub fn group(snapshots: Vec<NamedSnapshot>, grouping: Grouping) -> BTreeMap<GroupKey, Vec<NamedSnapshot>> {
    let mut groups: BTreeMap<GroupKey, Vec<NamedSnapshot>> = BTreeMap::new();
    for named in snapshots {
        let Snapshot { hostname, paths, tags, .. } = &named.snapshot;
        let sorted = |list: &[String]| {
            let mut list = list.to_vec();
            list.sort_unstable();
            list
        };
        let key = GroupKey {
            host: if grouping.by_host { hostname.clone() } else { String::new() },
            paths: if grouping.by_paths { sorted(paths) } else { Vec::new() },
            tags: if grouping.by_tags { sorted(tags) } else { Vec::new() },
        };
        groups.entry(key).or_default().push(named);
    }
    groups
}

/// What becomes of the snapshots of a group, the last one first. `now` is there so that one of the future does not count as the last.
pub fn decide(policy: &Policy, mut group: Vec<NamedSnapshot>, now: Time) -> Vec<Decision> {
    group.sort_by_key(|named| std::cmp::Reverse(named.snapshot.time));
    let no_rules = *policy == Policy::default();
    let last = group.iter().map(|named| named.snapshot.time).filter(|time| *time < now).max();
    let mut counted = Counted::all(policy);
    let mut within = Within::all(policy, last);
    let decisions = group.into_iter().enumerate().map(|(number, snapshot)| {
        let Snapshot { time, tags, .. } = &snapshot.snapshot;
        let mut reasons = Vec::new();
        if no_rules {
            reasons.push(Reason::NoPolicy);
        }
        let has_all = |list: &&Vec<String>| list.iter().all(|tag| tags.contains(tag));
        reasons.extend(policy.tags.iter().filter(has_all).cloned().map(Reason::Tags));
        if let Some(period) = policy.within.filter(|period| *period != Period::default())
            && is_after(*time, last, period)
        {
            reasons.push(Reason::Within(period));
        }
        reasons.extend(counted.iter_mut().filter_map(|rule| rule.keeps(*time, number)));
        reasons.extend(within.iter_mut().filter_map(|rule| rule.keeps(*time)));
        Decision { snapshot, reasons }
    });
    decisions.collect()
}

/// A rule that keeps so many. Its unit is `None` if each snapshot counts.
struct Counted {
    unit: Option<Unit>,
    left: u32,
    seen: Option<i64>,
}

impl Counted {
    fn all(policy: &Policy) -> [Self; 6] {
        let rules = [
            (None, policy.last),
            (Some(Unit::Hour), policy.hourly),
            (Some(Unit::Day), policy.daily),
            (Some(Unit::Week), policy.weekly),
            (Some(Unit::Month), policy.monthly),
            (Some(Unit::Year), policy.yearly),
        ];
        rules.map(|(unit, left)| Counted { unit, left, seen: None })
    }

    fn keeps(&mut self, time: Time, number: usize) -> Option<Reason> {
        let bucket = self.unit.map_or(number as i64, |unit| unit.bucket(time));
        if self.left == 0 || self.seen == Some(bucket) {
            return None;
        }
        self.left -= 1;
        self.seen = Some(bucket);
        Some(self.unit.map_or(Reason::Last, |unit| Reason::LastOf(unit, None)))
    }
}

/// A rule that keeps one of each unit within a period.
struct Within {
    unit: Unit,
    period: Period,
    last: Option<Time>,
    seen: Option<i64>,
}

impl Within {
    fn all(policy: &Policy, last: Option<Time>) -> Vec<Self> {
        let rules = [
            (Unit::Hour, policy.within_hourly),
            (Unit::Day, policy.within_daily),
            (Unit::Week, policy.within_weekly),
            (Unit::Month, policy.within_monthly),
            (Unit::Year, policy.within_yearly),
        ];
        let rule = |(unit, period): (Unit, Option<Period>)| {
            let period = period.filter(|period| *period != Period::default())?;
            Some(Within { unit, period, last, seen: None })
        };
        rules.into_iter().filter_map(rule).collect()
    }

    fn keeps(&mut self, time: Time) -> Option<Reason> {
        let bucket = self.unit.bucket(time);
        if !is_after(time, self.last, self.period) || self.seen == Some(bucket) {
            return None;
        }
        self.seen = Some(bucket);
        Some(Reason::LastOf(self.unit, Some(self.period)))
    }
}

impl Unit {
    /// The number of the hour, … that a time is in, where it was told.
    fn bucket(self, time: Time) -> i64 {
        let local = time.local();
        let week = local.date().iso_week_date();
        let (year, month) = (i64::from(local.year()), i64::from(local.month()));
        match self {
            Unit::Hour => Unit::Day.bucket(time) * 100 + i64::from(local.hour()),
            Unit::Day => Unit::Month.bucket(time) * 100 + i64::from(local.day()),
            Unit::Week => i64::from(week.year()) * 100 + i64::from(week.week()),
            Unit::Month => year * 100 + month,
            Unit::Year => year,
        }
    }
}

/// Whether it is within a period before the last snapshot. Without one that was in the past, restic counts from the year 1.
fn is_after(time: Time, last: Option<Time>, period: Period) -> bool {
    let year_one = Timestamp::from_second(-62_135_596_800).expect("the year 1 is a time");
    let last = last.unwrap_or(Time::new(year_one, Offset::UTC));
    period.before(last).is_none_or(|begin| time > begin)
}

impl Period {
    /// As Go's `AddDate` counts: a day that a month does not have is one of the next. `None` before all time.
    fn before(self, time: Time) -> Option<Time> {
        let local = time.local();
        let months = i64::from(local.year()) * 12 + i64::from(local.month())
            - 1
            - i64::from(self.months)
            - i64::from(self.years) * 12;
        let year = i16::try_from(months.div_euclid(12)).ok()?;
        let first = Date::new(year, months.rem_euclid(12) as i8 + 1, 1).ok()?;
        let days: Span = i32::from(local.day() - 1).checked_sub(self.days)?.days();
        let date = first.checked_add(days).ok()?;
        let moment = time.offset().to_timestamp(date.to_datetime(local.time())).ok()?;
        let moment = moment.checked_sub(self.hours.hours()).ok()?;
        Some(Time::new(moment, time.offset()))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(i32::from(self.years), 'y'), (self.months, 'm'), (self.days, 'd'), (self.hours, 'h')];
        units
            .iter()
            .filter(|(number, _)| *number != 0)
            .try_for_each(|(number, unit)| write!(f, "{number}{unit}"))
    }
}

/// A text that is no period.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a period as 1y6m3d12h: years, months, days, hours")]
pub struct InvalidPeriod(String);

impl FromStr for Period {
    type Err = InvalidPeriod;

    fn from_str(text: &str) -> std::result::Result<Self, InvalidPeriod> {
        let invalid = || InvalidPeriod(text.to_owned());
        let mut period = Period::default();
        let mut rest = text;
        while let Some(at) = rest.find(|character: char| !character.is_ascii_digit()) {
            let number: i32 = rest[..at].parse().map_err(|_| invalid())?;
            match rest.as_bytes()[at] {
                b'y' => period.years = i16::try_from(number).map_err(|_| invalid())?,
                b'm' => period.months = number,
                b'd' => period.days = number,
                b'h' => period.hours = number,
                _ => return Err(invalid()),
            }
            rest = &rest[at + 1..];
        }
        if rest.is_empty() && !text.is_empty() { Ok(period) } else { Err(invalid()) }
    }
}

/// As restic words it.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::NoPolicy => f.write_str("policy is empty"),
            Reason::Tags(tags) => write!(f, "has tags [{}]", tags.join(", ")),
            Reason::Within(period) => write!(f, "within {period}"),
            Reason::Last => f.write_str("last snapshot"),
            Reason::LastOf(unit, None) => write!(f, "{unit} snapshot"),
            Reason::LastOf(unit, Some(period)) => write!(f, "{unit} within {period}"),
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unit::Hour => "hourly",
            Unit::Day => "daily",
            Unit::Week => "weekly",
            Unit::Month => "monthly",
            Unit::Year => "yearly",
        })
    }
}

impl Repository {
    /// Removes snapshots. What they consist of stays until the repository is pruned.
    ///
    /// # Errors
    /// Those of the storage; what comes before is removed then.
    pub async fn forget(&self, _lock: &ExclusiveLock<'_>, snapshots: &[Id]) -> Result<()> {
        for id in snapshots {
            self.remove(Kind::Snapshot, *id).await?;
        }
        Ok(())
    }
}
