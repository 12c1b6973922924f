//! RFC 3339 times as the API writes them, with Go's words for those it cannot read. No clock.

const LAYOUT: &str = "2006-01-02T15:04:05Z07:00";
const MICRO_LAYOUT: &str = "2006-01-02T15:04:05.000000Z07:00";

/// Seconds since 1970, and the nanoseconds of the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instant {
    pub seconds: i64,
    pub nanos: u32,
}

/// `metav1.Time`: any RFC 3339 time, to whole seconds in UTC. The error is Go's.
pub fn canonical(text: &str) -> Result<String, String> {
    Ok(format_seconds(parse(text, LAYOUT)?.seconds))
}

/// `metav1.MicroTime`: six decimals are demanded.
pub fn canonical_micro(text: &str) -> Result<String, String> {
    let instant = parse(text, MICRO_LAYOUT)?;
    let base = format_seconds(instant.seconds);
    Ok(format!("{}.{:06}Z", base.trim_end_matches('Z'), instant.nanos / 1000))
}

/// Seconds since 1970 as `2006-01-02T15:04:05Z`.
pub fn format_seconds(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest % 3600 / 60, rest % 60)
}

/// Reads by one of the two layouts, step by step as Go's `time.Parse` does, so that the same part is blamed.
fn parse(text: &str, layout: &str) -> Result<Instant, String> {
    let blame = |rest: &str, part: &str| {
        format!("parsing time {text:?} as {layout:?}: cannot parse {rest:?} as {part:?}")
    };
    let range = |what: &str| format!("parsing time {text:?}: {what} out of range");
    let mut rest = text;
    let digits = |rest: &mut &str, count: usize, part: &str| -> Result<i64, String> {
        let found = rest.get(..count).filter(|s| s.bytes().all(|b| b.is_ascii_digit()));
        let found = found.ok_or_else(|| blame(rest, part))?;
        *rest = &rest[count..];
        found.parse().map_err(|_| blame(rest, part))
    };
    let literal = |rest: &mut &str, part: &str| -> Result<(), String> {
        *rest = rest.strip_prefix(part).ok_or_else(|| blame(rest, part))?;
        Ok(())
    };
    let year = digits(&mut rest, 4, "2006")?;
    literal(&mut rest, "-")?;
    let month = digits(&mut rest, 2, "01")?;
    if !(1..=12).contains(&month) {
        return Err(range("month"));
    }
    literal(&mut rest, "-")?;
    let day = digits(&mut rest, 2, "02")?;
    literal(&mut rest, "T")?;
    let hour = digits(&mut rest, 2, "15")?;
    if hour > 23 {
        return Err(range("hour"));
    }
    literal(&mut rest, ":")?;
    let minute = digits(&mut rest, 2, "04")?;
    if minute > 59 {
        return Err(range("minute"));
    }
    literal(&mut rest, ":")?;
    let second = digits(&mut rest, 2, "05")?;
    if second > 59 {
        return Err(range("second"));
    }
    let fraction = rest.strip_prefix('.').map(|s| s.bytes().take_while(u8::is_ascii_digit).count());
    let mut nanos = 0;
    if layout == MICRO_LAYOUT {
        if fraction.is_none_or(|count| count < 6) {
            return Err(blame(rest, ".000000"));
        }
        nanos = rest[1..7].parse::<u32>().unwrap_or(0) * 1000;
        rest = &rest[7..];
    } else if let Some(count) = fraction.filter(|count| *count > 0) {
        nanos = format!("{:0<9}", &rest[1..=count.min(9)]).parse().unwrap_or(0);
        rest = &rest[1 + count..];
    }
    let offset = if let Some(after) = rest.strip_prefix('Z') {
        rest = after;
        0
    } else {
        let zone = rest.as_bytes();
        let good =
            zone.len() >= 6 && matches!(zone[0], b'+' | b'-') && zone[3] == b':' && rest.is_char_boundary(6);
        if !good {
            return Err(blame(rest, "Z07:00"));
        }
        let (hours, minutes) = (rest[1..3].parse::<i64>(), rest[4..6].parse::<i64>());
        let (Ok(hours), Ok(minutes)) = (hours, minutes) else { return Err(blame(rest, "Z07:00")) };
        let sign = if zone[0] == b'-' { -1 } else { 1 };
        rest = &rest[6..];
        sign * (hours * 3600 + minutes * 60)
    };
    if !rest.is_empty() {
        return Err(format!("parsing time {text:?}: extra text: {rest:?}"));
    }
    if day < 1 || day > days_in(year, month) {
        return Err(range("day"));
    }
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
    Ok(Instant { seconds, nanos })
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a date in the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}
