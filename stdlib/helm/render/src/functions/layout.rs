//! Go's date layouts: the reference time `Mon Jan 2 15:04:05 MST 2006`, for writing and for reading.

use jiff::civil::{Date, DateTime, Time};

/// A piece of a layout.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Piece<'a> {
    Literal(&'a str),
    LongMonth,
    Month,
    NumMonth,
    ZeroMonth,
    LongWeekday,
    Weekday,
    Day,
    UnderDay,
    ZeroDay,
    UnderYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    Pm,
    LowerPm,
    Zone,
    /// With the number of its two-digit parts, whether they are separated by colons, and whether `Z` stands for UTC.
    Offset {
        parts: u8,
        colons: bool,
        z: bool,
    },
    /// With the mark before it, its digits, and whether zeros at the end are left out.
    Fraction {
        mark: char,
        digits: usize,
        trimmed: bool,
    },
}

/// The pieces of a layout.
pub(super) fn pieces(layout: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut literal = 0;
    let mut at = 0;
    while at < layout.len() {
        match piece(&layout[at..]) {
            Some((piece, skipped, length)) => {
                if literal < at + skipped {
                    pieces.push(Piece::Literal(&layout[literal..at + skipped]));
                }
                pieces.push(piece);
                at += skipped + length;
                literal = at;
            }
            None => at += layout[at..].chars().next().map_or(1, char::len_utf8),
        }
    }
    if literal < layout.len() {
        pieces.push(Piece::Literal(&layout[literal..]));
    }
    pieces
}

/// The piece that begins here, how much literal text goes before it, and its length.
fn piece(text: &str) -> Option<(Piece<'static>, usize, usize)> {
    // Longer names first.
    const FIXED: [(&str, Piece<'static>); 26] = [
        ("January", Piece::LongMonth),
        ("Monday", Piece::LongWeekday),
        ("MST", Piece::Zone),
        ("2006", Piece::LongYear),
        ("002", Piece::ZeroYearDay),
        ("01", Piece::ZeroMonth),
        ("02", Piece::ZeroDay),
        ("03", Piece::ZeroHour12),
        ("04", Piece::ZeroMinute),
        ("05", Piece::ZeroSecond),
        ("06", Piece::Year),
        ("15", Piece::Hour),
        ("1", Piece::NumMonth),
        ("2", Piece::Day),
        ("3", Piece::Hour12),
        ("4", Piece::Minute),
        ("5", Piece::Second),
        ("PM", Piece::Pm),
        ("pm", Piece::LowerPm),
        ("-070000", Piece::Offset { parts: 3, colons: false, z: false }),
        ("-07:00:00", Piece::Offset { parts: 3, colons: true, z: false }),
        ("-0700", Piece::Offset { parts: 2, colons: false, z: false }),
        ("-07:00", Piece::Offset { parts: 2, colons: true, z: false }),
        ("-07", Piece::Offset { parts: 1, colons: false, z: false }),
        ("__2", Piece::UnderYearDay),
        ("_2", Piece::UnderDay),
    ];
    if text.starts_with("_2006") {
        return Some((Piece::LongYear, 1, 4));
    }
    for (short, piece) in [("Jan", Piece::Month), ("Mon", Piece::Weekday)] {
        if let Some(after) = text.strip_prefix(short)
            && !text.starts_with("January")
            && !text.starts_with("Monday")
        {
            return (!after.starts_with(|c: char| c.is_ascii_lowercase())).then_some((piece, 0, 3));
        }
    }
    if text.starts_with('Z') {
        for (z, parts, colons) in [
            ("Z070000", 3, false),
            ("Z07:00:00", 3, true),
            ("Z0700", 2, false),
            ("Z07:00", 2, true),
            ("Z07", 1, false),
        ] {
            if text.starts_with(z) {
                return Some((Piece::Offset { parts, colons, z: true }, 0, z.len()));
            }
        }
        return None;
    }
    if let Some(mark @ ('.' | ',')) = text.chars().next() {
        let digit = text[1..].chars().next().filter(|c| matches!(c, '0' | '9'))?;
        let digits = text[1..].chars().take_while(|c| *c == digit).count();
        let ends = !text[1 + digits..].starts_with(|c: char| c.is_ascii_digit());
        return ends.then_some((Piece::Fraction { mark, digits, trimmed: digit == '9' }, 0, 1 + digits));
    }
    FIXED.iter().find(|(name, _)| text.starts_with(name)).map(|(name, piece)| (*piece, 0, name.len()))
}

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
pub(super) const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// A moment as a clock somewhere shows it.
pub(super) struct Shown<'a> {
    pub(super) civil: DateTime,
    /// East of UTC, in seconds.
    pub(super) offset: i32,
    /// The zone's abbreviation.
    pub(super) zone: &'a str,
}

pub(super) fn format(layout: &str, shown: &Shown<'_>) -> String {
    let mut out = String::new();
    for piece in pieces(layout) {
        write(piece, shown, &mut out);
    }
    out
}

fn write(piece: Piece<'_>, shown: &Shown<'_>, out: &mut String) {
    let t = &shown.civil;
    let month = MONTHS[t.month() as usize - 1];
    let weekday = WEEKDAYS[t.weekday().to_sunday_zero_offset() as usize];
    let hour_12 = match t.hour() % 12 {
        0 => 12,
        hour => hour,
    };
    let text = match piece {
        Piece::Literal(text) => text.to_owned(),
        Piece::LongMonth => month.to_owned(),
        Piece::Month => month[..3].to_owned(),
        Piece::NumMonth => t.month().to_string(),
        Piece::ZeroMonth => format!("{:02}", t.month()),
        Piece::LongWeekday => weekday.to_owned(),
        Piece::Weekday => weekday[..3].to_owned(),
        Piece::Day => t.day().to_string(),
        Piece::UnderDay => format!("{:2}", t.day()),
        Piece::ZeroDay => format!("{:02}", t.day()),
        Piece::UnderYearDay => format!("{:3}", t.day_of_year()),
        Piece::ZeroYearDay => format!("{:03}", t.day_of_year()),
        Piece::Hour => format!("{:02}", t.hour()),
        Piece::Hour12 => hour_12.to_string(),
        Piece::ZeroHour12 => format!("{hour_12:02}"),
        Piece::Minute => t.minute().to_string(),
        Piece::ZeroMinute => format!("{:02}", t.minute()),
        Piece::Second => t.second().to_string(),
        Piece::ZeroSecond => format!("{:02}", t.second()),
        Piece::LongYear => format!("{:04}", t.year()),
        Piece::Year => format!("{:02}", t.year().rem_euclid(100)),
        Piece::Pm => (if t.hour() >= 12 { "PM" } else { "AM" }).to_owned(),
        Piece::LowerPm => (if t.hour() >= 12 { "pm" } else { "am" }).to_owned(),
        Piece::Zone => shown.zone.to_owned(),
        Piece::Offset { z: true, .. } if shown.offset == 0 => "Z".to_owned(),
        Piece::Offset { parts, colons, .. } => offset(shown.offset, parts, colons),
        Piece::Fraction { mark, digits, trimmed } => fraction(t.subsec_nanosecond(), mark, digits, trimmed),
    };
    out.push_str(&text);
}

fn offset(seconds: i32, parts: u8, colons: bool) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let size = seconds.unsigned_abs();
    let numbers = [size / 3600, size / 60 % 60, size % 60];
    let numbers: Vec<String> = numbers[..parts.into()].iter().map(|n| format!("{n:02}")).collect();
    format!("{sign}{}", numbers.join(if colons { ":" } else { "" }))
}

fn fraction(nanoseconds: i32, mark: char, digits: usize, trimmed: bool) -> String {
    let all = format!("{nanoseconds:09}");
    let mut shown = all[..digits.min(9)].to_owned();
    if trimmed {
        shown.truncate(shown.trim_end_matches('0').len());
        if shown.is_empty() {
            return shown;
        }
    }
    format!("{mark}{shown}{}", "0".repeat(if trimmed { 0 } else { digits.saturating_sub(9) }))
}

/// What a text says of a moment: the clock's reading, and where the clock stands if it says so.
pub(super) struct Parsed {
    pub(super) civil: DateTime,
    pub(super) offset: Option<i32>,
    pub(super) zone: Option<String>,
}

/// The error is Go's `parsing time "…" as "…": …`.
pub(super) fn parse(layout: &str, text: &str) -> Result<Parsed, String> {
    let mut reader = Reader { rest: text, ..Reader::default() };
    let all = pieces(layout);
    for (i, piece) in all.iter().enumerate() {
        let before = reader.rest;
        let next = all.get(i + 1).copied();
        match reader.read(*piece, next) {
            Ok(()) => {}
            Err(Problem::Mismatch) => {
                // Of a literal text, what of it was there is gone.
                let rest = if matches!(piece, Piece::Literal(_)) { reader.rest } else { before };
                let (rest, element) = (quote(rest), quote(&spelled(*piece)));
                return Err(format!(
                    "parsing time {} as {}: cannot parse {rest} as {element}",
                    quote(text),
                    quote(layout)
                ));
            }
            Err(Problem::Range(what)) => {
                return Err(format!("parsing time {}: {what} out of range", quote(text)));
            }
        }
    }
    if !reader.rest.is_empty() {
        return Err(format!("parsing time {}: extra text: {}", quote(text), quote(reader.rest)));
    }
    reader.finish().map_err(|what| format!("parsing time {}: {what} out of range", quote(text)))
}

/// As `time` quotes: its own way, which spells every byte that is not printable ASCII.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => quoted.extend(['\\', byte.into()]),
            b' '..=b'\x7f' => quoted.push(byte.into()),
            _ => quoted.push_str(&format!("\\x{byte:02x}")),
        }
    }
    quoted.push('"');
    quoted
}

enum Problem {
    Mismatch,
    Range(&'static str),
}

#[derive(Default)]
struct Reader<'a> {
    rest: &'a str,
    year: i16,
    month: Option<i8>,
    day: Option<i8>,
    year_day: Option<i16>,
    hour: i8,
    minute: i8,
    second: i8,
    nanosecond: i32,
    afternoon: Option<bool>,
    offset: Option<i32>,
    zone: Option<String>,
}

impl Reader<'_> {
    fn read(&mut self, piece: Piece<'_>, next: Option<Piece<'_>>) -> Result<(), Problem> {
        match piece {
            Piece::Literal(text) => self.literal(text)?,
            Piece::LongMonth => self.month = Some(self.name(&MONTHS, false)? as i8 + 1),
            Piece::Month => self.month = Some(self.name(&MONTHS, true)? as i8 + 1),
            Piece::LongWeekday => {
                self.name(&WEEKDAYS, false)?;
            }
            Piece::Weekday => {
                self.name(&WEEKDAYS, true)?;
            }
            Piece::NumMonth => self.month = Some(self.ranged(1, 1..=12, "month")?),
            Piece::ZeroMonth => self.month = Some(self.ranged(2, 1..=12, "month")?),
            Piece::Day | Piece::ZeroDay => {
                self.day = Some(self.number(if piece == Piece::Day { 1 } else { 2 }, 2)? as i8);
            }
            Piece::UnderDay => {
                self.rest = self.rest.strip_prefix(' ').unwrap_or(self.rest);
                self.day = Some(self.number(1, 2)? as i8);
            }
            Piece::UnderYearDay | Piece::ZeroYearDay => {
                if piece == Piece::UnderYearDay {
                    self.rest = self.rest.trim_start_matches(' ');
                }
                self.year_day = Some(self.number(if piece == Piece::ZeroYearDay { 3 } else { 1 }, 3)? as i16);
            }
            Piece::Hour => self.hour = self.ranged(1, 0..=23, "hour")?,
            Piece::Hour12 => self.hour = self.ranged(1, 0..=12, "hour")?,
            Piece::ZeroHour12 => self.hour = self.ranged(2, 0..=12, "hour")?,
            Piece::Minute => self.minute = self.ranged(1, 0..=59, "minute")?,
            Piece::ZeroMinute => self.minute = self.ranged(2, 0..=59, "minute")?,
            Piece::Second | Piece::ZeroSecond => {
                self.second = self.ranged(if piece == Piece::Second { 1 } else { 2 }, 0..=59, "second")?;
                // A fraction may follow even where the layout has none.
                let follows = self.rest.starts_with(['.', ','])
                    && self.rest[1..].starts_with(|c: char| c.is_ascii_digit());
                if follows && !matches!(next, Some(Piece::Fraction { .. })) {
                    self.fraction(None)?;
                }
            }
            Piece::LongYear => self.year = self.number(4, 4)? as i16,
            Piece::Year => {
                let year = self.number(2, 2)? as i16;
                self.year = year + if year >= 69 { 1900 } else { 2000 };
            }
            Piece::Pm | Piece::LowerPm => {
                let names = if piece == Piece::Pm { ["AM", "PM"] } else { ["am", "pm"] };
                let found =
                    names.iter().position(|name| self.rest.starts_with(name)).ok_or(Problem::Mismatch)?;
                self.rest = &self.rest[2..];
                self.afternoon = Some(found == 1);
            }
            Piece::Zone => self.zone()?,
            Piece::Offset { z: true, .. } if self.rest.starts_with('Z') => {
                self.rest = &self.rest[1..];
                self.offset = Some(0);
            }
            Piece::Offset { parts, colons, .. } => self.offset(parts, colons)?,
            Piece::Fraction { trimmed: true, .. } => {
                let follows = self.rest.starts_with(['.', ','])
                    && self.rest[1..].starts_with(|c: char| c.is_ascii_digit());
                if follows {
                    self.fraction(None)?;
                }
            }
            Piece::Fraction { digits, .. } => self.fraction(Some(digits))?,
        }
        Ok(())
    }

    fn literal(&mut self, text: &str) -> Result<(), Problem> {
        let mut wanted = text;
        while let Some(c) = wanted.chars().next() {
            if c == ' ' {
                if !self.rest.is_empty() && !self.rest.starts_with(' ') {
                    return Err(Problem::Mismatch);
                }
                wanted = wanted.trim_start_matches(' ');
                self.rest = self.rest.trim_start_matches(' ');
                continue;
            }
            self.rest = self.rest.strip_prefix(c).ok_or(Problem::Mismatch)?;
            wanted = &wanted[c.len_utf8()..];
        }
        Ok(())
    }

    fn name(&mut self, names: &[&str], short: bool) -> Result<usize, Problem> {
        let length = |name: &str| if short { 3 } else { name.len() };
        let is_match = |name: &&str| {
            self.rest
                .get(..length(name))
                .is_some_and(|found| found.eq_ignore_ascii_case(&name[..length(name)]))
        };
        let found = names.iter().position(is_match).ok_or(Problem::Mismatch)?;
        self.rest = &self.rest[length(names[found])..];
        Ok(found)
    }

    fn number(&mut self, least: usize, most: usize) -> Result<u32, Problem> {
        let digits = self.rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
        if digits < least {
            return Err(Problem::Mismatch);
        }
        let (number, rest) = self.rest.split_at(digits);
        self.rest = rest;
        number.parse().map_err(|_| Problem::Mismatch)
    }

    fn ranged(
        &mut self,
        least: usize,
        range: std::ops::RangeInclusive<u32>,
        what: &'static str,
    ) -> Result<i8, Problem> {
        let number = self.number(least, 2)?;
        if range.contains(&number) { Ok(number as i8) } else { Err(Problem::Range(what)) }
    }

    fn fraction(&mut self, digits: Option<usize>) -> Result<(), Problem> {
        let after = self.rest.strip_prefix(['.', ',']).ok_or(Problem::Mismatch)?;
        let found = after.bytes().take_while(u8::is_ascii_digit).count();
        let length = digits.unwrap_or(found);
        if found < length {
            return Err(Problem::Mismatch);
        }
        let text: String = after[..length].chars().chain("000000000".chars()).take(9).collect();
        self.nanosecond = text.parse().map_err(|_| Problem::Mismatch)?;
        self.rest = &after[length..];
        Ok(())
    }

    fn zone(&mut self) -> Result<(), Problem> {
        if let Some(rest) = self.rest.strip_prefix("UTC") {
            self.rest = rest;
            self.zone = Some("UTC".to_owned());
            self.offset = Some(0);
            return Ok(());
        }
        let letters = self.rest.bytes().take_while(u8::is_ascii_uppercase).count();
        let name = &self.rest[..letters];
        let is_zone = match letters {
            3 => true,
            4 => name.ends_with('T') || name == "WITA",
            5 => name.ends_with('T'),
            _ => false,
        };
        if !is_zone {
            return Err(Problem::Mismatch);
        }
        self.zone = Some(name.to_owned());
        self.rest = &self.rest[letters..];
        Ok(())
    }

    fn offset(&mut self, parts: u8, colons: bool) -> Result<(), Problem> {
        let sign = match self.rest.chars().next() {
            Some('+') => 1,
            Some('-') => -1,
            _ => return Err(Problem::Mismatch),
        };
        self.rest = &self.rest[1..];
        let mut seconds = 0;
        let limits =
            [(24, "time zone offset hour"), (60, "time zone offset minute"), (60, "time zone offset second")];
        for (i, (most, what)) in limits.into_iter().take(parts.into()).enumerate() {
            if colons && i > 0 {
                self.rest = self.rest.strip_prefix(':').ok_or(Problem::Mismatch)?;
            }
            let number = self.number(2, 2)?;
            if number > most {
                return Err(Problem::Range(what));
            }
            seconds += number as i32 * [3600, 60, 1][i];
        }
        self.offset = Some(sign * seconds);
        Ok(())
    }

    fn finish(self) -> Result<Parsed, &'static str> {
        let mut hour = self.hour;
        match self.afternoon {
            Some(true) if hour < 12 => hour += 12,
            Some(false) if hour == 12 => hour = 0,
            _ => {}
        }
        let date = match self.year_day {
            Some(day) => {
                let start = Date::new(self.year, 1, 1).map_err(|_| "day-of-year")?;
                if day < 1 || day > start.days_in_year() {
                    return Err("day-of-year");
                }
                start.with().day_of_year(day).build().map_err(|_| "day-of-year")?
            }
            None => {
                Date::new(self.year, self.month.unwrap_or(1), self.day.unwrap_or(1)).map_err(|_| "day")?
            }
        };
        let time = Time::new(hour, self.minute, self.second, self.nanosecond).map_err(|_| "time")?;
        Ok(Parsed { civil: date.to_datetime(time), offset: self.offset, zone: self.zone })
    }
}

/// A piece as it is written in layouts.
fn spelled(piece: Piece<'_>) -> String {
    let reference =
        Shown { civil: jiff::civil::date(2006, 1, 2).at(15, 4, 5, 0), offset: -7 * 3600, zone: "MST" };
    match piece {
        Piece::Fraction { mark, digits, trimmed } => {
            format!("{mark}{}", if trimmed { "9" } else { "0" }.repeat(digits))
        }
        Piece::Offset { z: true, parts, colons } => offset(-7 * 3600, parts, colons).replacen('-', "Z", 1),
        Piece::UnderYearDay => "__2".to_owned(),
        Piece::UnderDay => "_2".to_owned(),
        _ => {
            let mut out = String::new();
            write(piece, &reference, &mut out);
            out
        }
    }
}
