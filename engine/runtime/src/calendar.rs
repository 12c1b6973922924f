//! When writing may begin on a target: within its windows, and not while it is frozen.

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan, Zoned};
use serde::Deserialize;

/// The windows and freezes of a target.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Calendar {
    /// None: always.
    pub windows: Vec<Window>,
    pub freezes: Vec<Freeze>,
}

/// `Mon-Fri 09:00-17:00 Europe/Berlin`: days, a time of day in which writing may begin, and where that is the time.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub struct Window {
    text: String,
    /// Monday first.
    days: [bool; 7],
    from: Time,
    until: Time,
    zone: TimeZone,
}

/// A time in which nothing is to be written.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Freeze {
    #[serde(deserialize_with = "moment")]
    pub from: Timestamp,
    #[serde(deserialize_with = "moment")]
    pub until: Timestamp,
    pub reason: String,
}

/// A moment as a text, or as TOML writes it without quotes.
fn moment<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Moment {
        Toml(toml::value::Datetime),
        Text(String),
    }
    let text = match Moment::deserialize(deserializer)? {
        Moment::Toml(moment) => moment.to_string(),
        Moment::Text(text) => text,
    };
    text.parse().map_err(|_| {
        serde::de::Error::custom(format!(
            "`{text}` is not a moment: write it with its offset, like `2026-12-20T00:00:00Z`"
        ))
    })
}

impl Calendar {
    /// # Errors
    /// Why not, and when it is open.
    pub fn open_at(&self, now: Timestamp) -> Result<(), String> {
        let frozen = self.freezes.iter().filter(|freeze| freeze.from <= now && now < freeze.until);
        if let Some(freeze) = frozen.max_by_key(|freeze| freeze.until) {
            return Err(format!("nothing is written until {}: {}", freeze.until, freeze.reason));
        }
        if self.windows.is_empty() || self.windows.iter().any(|window| window.is_open(now)) {
            return Ok(());
        }
        let texts: Vec<&str> = self.windows.iter().map(|window| window.text.as_str()).collect();
        let texts = texts.join("`, `");
        let next =
            self.windows.iter().filter_map(|window| window.opens_after(now)).min_by_key(Zoned::timestamp);
        Err(match next {
            Some(next) => format!(
                "outside of its windows `{texts}`; the next one opens at {}",
                next.strftime("%a %Y-%m-%d %H:%M %Z")
            ),
            None => format!("outside of its windows `{texts}`"),
        })
    }
}

impl Window {
    fn is_open(&self, now: Timestamp) -> bool {
        let now = now.to_zoned(self.zone.clone());
        let (day, time) = (now.weekday(), now.time());
        if self.from < self.until {
            return self.is_on(day) && self.from <= time && time < self.until;
        }
        // Over midnight: it is the day on which it began that counts.
        (self.is_on(day) && time >= self.from) || (self.is_on(day.previous()) && time < self.until)
    }

    fn is_on(&self, day: Weekday) -> bool {
        let number = usize::try_from(day.to_monday_zero_offset()).unwrap_or_default();
        self.days.get(number).copied().unwrap_or_default()
    }

    fn opens_after(&self, now: Timestamp) -> Option<Zoned> {
        let today = now.to_zoned(self.zone.clone()).date();
        let days = (0..=7).filter_map(|days| today.checked_add(days.days()).ok());
        let days = days.filter(|day| self.is_on(day.weekday()));
        let openings = days.filter_map(|day| day.to_datetime(self.from).to_zoned(self.zone.clone()).ok());
        openings.into_iter().find(|opening| opening.timestamp().duration_since(now) > SignedDuration::ZERO)
    }
}

impl TryFrom<String> for Window {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = |why: &str| {
            format!("`{text}` is not a window: {why}; write it like `Mon-Fri 09:00-17:00 Europe/Berlin`")
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let [days, hours, zone] = words.as_slice() else {
            return Err(wrong("it has days, hours and a time zone"));
        };
        let mut on = [false; 7];
        for part in days.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let day = |name: &str| weekday(name).ok_or_else(|| wrong(&format!("`{name}` is no day")));
            let (mut day, last) = (day(first)?, day(last)?);
            loop {
                on[day] = true;
                if day == last {
                    break;
                }
                day = (day + 1) % 7;
            }
        }
        let (from, until) = hours.split_once('-').ok_or_else(|| wrong("its hours have no `-`"))?;
        let time = |text: &str| match text {
            "24:00" => Ok(Time::midnight()),
            _ => Time::strptime("%H:%M", text).map_err(|_| wrong(&format!("`{text}` is no time of day"))),
        };
        let (from, until) = (time(from)?, time(until)?);
        let zone = TimeZone::get(zone).map_err(|_| wrong(&format!("there is no time zone `{zone}`")))?;
        Ok(Window { days: on, from, until, zone, text })
    }
}

fn weekday(name: &str) -> Option<usize> {
    ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].iter().position(|day| name.eq_ignore_ascii_case(day))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar(windows: &[&str]) -> Calendar {
        let windows = windows.iter().map(|text| Window::try_from((*text).to_owned()).expect(text));
        Calendar { windows: windows.collect(), freezes: Vec::new() }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn a_window_is_open_on_its_days_at_its_hours_where_it_is() {
        let office = calendar(&["Mon-Fri 09:00-17:00 Europe/Berlin"]);
        // Friday 27 November 2026 is winter there, Friday 26 June is summer.
        for (time, open) in [
            ("2026-11-27T07:59:59Z", false),
            ("2026-11-27T08:00:00Z", true),
            ("2026-11-27T15:59:59Z", true),
            ("2026-11-27T16:00:00Z", false),
            ("2026-11-28T10:00:00Z", false),
            ("2026-06-26T07:00:00Z", true),
            ("2026-06-26T15:00:00Z", false),
        ] {
            assert_eq!(office.open_at(at(time)).is_ok(), open, "{time}");
        }
        let closed = office.open_at(at("2026-11-27T16:00:00Z")).expect_err("it is closed");
        assert!(closed.ends_with("the next one opens at Mon 2026-11-30 09:00 CET"), "{closed}");
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_on_which_it_begins() {
        let night = calendar(&["Fri 22:00-04:00 UTC", "sun,Tue 10:00-24:00 UTC"]);
        for (time, open) in [
            ("2026-11-27T21:59:00Z", false),
            ("2026-11-27T22:00:00Z", true),
            ("2026-11-28T03:59:00Z", true),
            ("2026-11-28T04:00:00Z", false),
            ("2026-11-28T22:30:00Z", false),
            ("2026-11-29T23:59:00Z", true),
            ("2026-12-01T10:00:00Z", true),
            ("2026-12-02T00:00:00Z", false),
        ] {
            assert_eq!(night.open_at(at(time)).is_ok(), open, "{time}");
        }
    }

    #[test]
    fn a_freeze_closes_what_is_open_and_says_until_when() {
        let (from, until) = (at("2026-11-26T00:00:00Z"), at("2026-12-01T00:00:00Z"));
        let freezes = vec![Freeze { from, until, reason: "the sale".into() }];
        let calendar = Calendar { freezes, ..Calendar::default() };
        assert_eq!(calendar.open_at(at("2026-11-25T23:59:59Z")), Ok(()));
        assert_eq!(
            calendar.open_at(from),
            Err("nothing is written until 2026-12-01T00:00:00Z: the sale".to_owned())
        );
        assert_eq!(calendar.open_at(until), Ok(()));
    }

    #[test]
    fn a_window_that_cannot_be_read_says_what_is_wrong_with_it() {
        for (text, why) in [
            ("Mon-Fri 09:00-17:00", "it has days, hours and a time zone"),
            ("Mon-Fry 09:00-17:00 UTC", "`Fry` is no day"),
            ("Mon 09:00 UTC", "its hours have no `-`"),
            ("Mon 09:00-25:00 UTC", "`25:00` is no time of day"),
            ("Mon 09:00-17:00 Europe/Berln", "there is no time zone `Europe/Berln`"),
        ] {
            let error = Window::try_from(text.to_owned()).expect_err(text);
            assert!(error.contains(why) && error.contains("write it like"), "{error}");
        }
    }
}
