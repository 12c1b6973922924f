//! Amounts of resources: reading, adding and writing Kubernetes quantities.
//! Exact in thousandths, which is as fine as CPU is given.

/// An amount in thousandths of its unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Milli(pub(crate) i128);

const SUFFIXES: [(&str, i128); 13] = [
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("Pi", 1 << 50),
    ("Ei", 1 << 60),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
    ("P", 1_000_000_000_000_000),
    ("E", 1_000_000_000_000_000_000),
    ("", 1),
];

impl Milli {
    /// `500m`, `1.5`, `2Gi`, `1e3`; 0 if it is none.
    pub(crate) fn parse(text: &str) -> Self {
        let text = text.trim();
        if let Some(number) = text.strip_suffix('m') {
            return Self(decimal(number, 1));
        }
        if let Some((mantissa, exponent)) = text.split_once(['e', 'E'])
            && let Ok(exponent) = exponent.parse::<u32>()
        {
            return Self(decimal(mantissa, 1000) * 10i128.pow(exponent.min(18)));
        }
        let found = SUFFIXES.iter().find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, factor)));
        found.map_or(Self(0), |(number, factor)| Self(decimal(number, 1000 * factor)))
    }

    /// A quantity as it stands in an object: a text or a number.
    pub(crate) fn of(value: &serde_json::Value) -> Self {
        match value {
            serde_json::Value::String(text) => Self::parse(text),
            serde_json::Value::Number(number) => Self::parse(&number.to_string()),
            _ => Self(0),
        }
    }
}

impl std::ops::Add for Milli {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

/// A decimal number times `factor`, rounded up.
fn decimal(text: &str, factor: i128) -> i128 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let negative = whole.starts_with('-');
    let whole: i128 = whole.trim_start_matches(['-', '+']).parse().unwrap_or(0);
    let fraction: String = fraction.chars().take(12).collect();
    let scale = 10i128.pow(u32::try_from(fraction.len()).unwrap_or(0));
    let part: i128 = fraction.parse().unwrap_or(0);
    let value = whole * factor + (part * factor + scale - 1) / scale;
    if negative { -value } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_and_written() {
        for (text, milli) in [
            ("500m", 500),
            ("0.5", 500),
            ("1000m", 1000),
            ("1024Mi", 1024 * 1024 * 1024 * 1000),
            ("1.5Gi", 1536 * 1024 * 1024 * 1000),
            ("0", 0),
        ] {
            assert_eq!(Milli::parse(text), Milli(milli), "{text}");
        }
        assert_eq!(Milli::parse("1e3"), Milli(1_000_000));
    }
}
