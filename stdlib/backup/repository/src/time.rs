//! Times as restic writes them: RFC 3339 with nanoseconds and an offset.

use std::fmt;
use std::str::FromStr;

use jiff::civil::DateTime;
use jiff::fmt::temporal::Pieces;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A moment, and the offset from UTC in which it was told; retention counts hours and days in it. Equal and ordered by the moment.
#[derive(Debug, Clone, Copy)]
pub struct Time {
    moment: Timestamp,
    offset: Offset,
}

impl Time {
    pub const fn new(moment: Timestamp, offset: Offset) -> Self {
        Time { moment, offset }
    }

    pub const fn moment(&self) -> Timestamp {
        self.moment
    }

    /// The date and the time of day where it was told.
    pub fn local(&self) -> DateTime {
        self.offset.to_datetime(self.moment)
    }

    /// How long ago it is; negative if it is to come.
    pub fn elapsed(&self, now: Time) -> SignedDuration {
        now.moment.duration_since(self.moment)
    }

    pub(crate) const fn offset(&self) -> Offset {
        self.offset
    }
}

impl From<Timestamp> for Time {
    fn from(moment: Timestamp) -> Self {
        Time { moment, offset: Offset::UTC }
    }
}

impl PartialEq for Time {
    fn eq(&self, other: &Self) -> bool {
        self.moment == other.moment
    }
}

impl Eq for Time {}

impl PartialOrd for Time {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Time {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.moment.cmp(&other.moment)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.offset.is_zero() {
            true => self.moment.fmt(f),
            false => self.moment.display_with_offset(self.offset).fmt(f),
        }
    }
}

/// A text that is no time.
#[derive(Debug, Clone, thiserror::Error)]
#[error("`{0}` is not a time as 2015-01-02T18:10:50.895208559+01:00")]
pub struct InvalidTime(String);

impl FromStr for Time {
    type Err = InvalidTime;

    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        let time = || {
            let pieces = Pieces::parse(text).ok()?;
            let offset = pieces.to_numeric_offset()?;
            let moment = offset.to_timestamp(pieces.date().to_datetime(pieces.time()?)).ok()?;
            Some(Time { moment, offset })
        };
        time().ok_or_else(|| InvalidTime(text.to_owned()))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}
