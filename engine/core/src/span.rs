//! Quantities with their unit in the text, as people write them: `5m`, `1h30m`, `512Mi`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A length of time: `250ms`, `30s`, `5m`, `1h30m`, `2d`. Never a bare number: nobody can tell its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(Duration);

/// An amount of bytes: `512Mi`, `2Gi`, `10M`, `1024`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(u64);

const UNITS: &[(&str, u64)] = &[("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
const SIZES: &[(&str, u64)] = &[
    ("Ti", 1 << 40),
    ("Gi", 1 << 30),
    ("Mi", 1 << 20),
    ("Ki", 1 << 10),
    ("T", 1_000_000_000_000),
    ("G", 1_000_000_000),
    ("M", 1_000_000),
    ("k", 1000),
    ("", 1),
];

impl Span {
    pub const fn from_millis(ms: u64) -> Self {
        Span(Duration::from_millis(ms))
    }

    pub const fn from_secs(s: u64) -> Self {
        Span(Duration::from_secs(s))
    }

    pub const fn duration(self) -> Duration {
        self.0
    }

    /// The moment this long after `at`; the end of time if there is none.
    pub fn after(self, at: jiff::Timestamp) -> jiff::Timestamp {
        at.checked_add(self.0).unwrap_or(jiff::Timestamp::MAX)
    }
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Self {
        Span(duration)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is not a length of time: write it like `30s`, `5m` or `1h30m`");
        let mut millis = 0u64;
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(bad());
        }
        while !rest.is_empty() {
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let (number, after) = rest.split_at(digits);
            let letters = after.len() - after.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
            let (unit, after) = after.split_at(letters);
            let number: u64 = number.parse().map_err(|_| bad())?;
            let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(bad)?;
            millis = number.checked_mul(*factor).and_then(|n| millis.checked_add(n)).ok_or_else(bad)?;
            rest = after;
        }
        Ok(Span::from_millis(millis))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if rest == 0 {
            return f.write_str("0s");
        }
        for (name, factor) in UNITS {
            if rest / factor > 0 {
                write!(f, "{}{name}", rest / factor)?;
                rest %= factor;
            }
        }
        Ok(())
    }
}

impl Bytes {
    pub const fn new(bytes: u64) -> Self {
        Bytes(bytes)
    }

    pub const fn get(self) -> u64 {
        self.0
    }
}

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is not an amount of bytes: write it like `512Mi`, `2Gi` or `1024`");
        let text = text.trim();
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| bad())?;
        let (_, factor) = SIZES.iter().find(|(name, _)| *name == unit).ok_or_else(bad)?;
        number.checked_mul(*factor).map(Bytes).ok_or_else(bad)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binary = SIZES.iter().filter(|(name, _)| name.ends_with('i') || name.is_empty());
        match binary.into_iter().find(|(_, factor)| self.0 != 0 && self.0.is_multiple_of(*factor)) {
            Some((name, factor)) => write!(f, "{}{name}", self.0 / factor),
            None => write!(f, "{}", self.0),
        }
    }
}

macro_rules! as_text {
    ($type:ident, $format:literal, $description:literal, $pattern:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl de::Visitor<'_> for Text {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($description)
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "format": $format, "pattern": $pattern })
            }
        }
    };
}

as_text!(Span, "span", "a length of time such as `5.m` or \"5m\"", r"^(\d+(d|h|m|s|ms))+$");
as_text!(Bytes, "bytes", "an amount of bytes such as `512.MiB` or \"512Mi\"", r"^\d+(Ti|Gi|Mi|Ki|T|G|M|k)?$");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_and_print_as_people_write_them() {
        for (text, ms) in [("250ms", 250), ("30s", 30_000), ("1h30m", 5_400_000), ("2d", 172_800_000)] {
            let span: Span = text.parse().expect(text);
            assert_eq!(span, Span::from_millis(ms));
            assert_eq!(span.to_string(), text);
        }
        for text in ["", "5", "m", "5 m", "-5s", "5y", "99999999999999999999d"] {
            let error = text.parse::<Span>().expect_err(text);
            assert!(error.contains("write it like"), "{error}");
        }
    }

    #[test]
    fn bytes_read_and_print_as_people_write_them() {
        for (text, n, printed) in
            [("512Mi", 512 << 20, "512Mi"), ("10M", 10_000_000, "10000000"), ("1024", 1024, "1Ki")]
        {
            let bytes: Bytes = text.parse().expect(text);
            assert_eq!(bytes.get(), n);
            assert_eq!(bytes.to_string(), printed);
        }
        assert!("5GB".parse::<Bytes>().is_err());
    }
}
