//! Go's `strconv.FormatFloat`: the shortest digits that give the number back, or as many as are asked for.

/// Writes a number. `verb` is one of `e E f g G b x X`; no `precision` means the shortest form that reads back as the same
/// number, of 32 bits where `single` says so.
pub fn format_float(value: f64, verb: u8, precision: Option<usize>, single: bool) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    let magnitude = value.abs();
    let text = match verb {
        b'b' => binary(magnitude, single),
        b'x' | b'X' => hexadecimal(magnitude, precision, verb),
        b'f' => fixed(magnitude, precision, single),
        b'e' | b'E' => {
            let digits = Digits::of(magnitude, precision.map(|p| p + 1), single);
            digits.exponential(precision.unwrap_or(digits.digits.len().saturating_sub(1)), verb)
        }
        _ => general(magnitude, precision, single, verb),
    };
    format!("{sign}{text}")
}

/// Decimal digits `0.d1d2d3… × 10^point`.
struct Digits {
    digits: String,
    point: i32,
}

impl Digits {
    fn of(value: f64, count: Option<usize>, single: bool) -> Self {
        let text = match count {
            Some(count) => format!("{:.*e}", count.saturating_sub(1), value),
            // Narrowing is exact: a number of 32 bits was widened before.
            None if single => format!("{:e}", value as f32),
            None => format!("{value:e}"),
        };
        // Rust writes `d.ddde-7`, always with an exponent.
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
        let point = if value == 0.0 { 0 } else { exponent.parse::<i32>().unwrap_or(0) + 1 };
        Digits { digits, point }
    }

    fn exponential(&self, decimals: usize, verb: u8) -> String {
        let (first, rest) = self.digits.split_at(1);
        let mut out = first.to_owned();
        if decimals > 0 {
            out.push('.');
            out.push_str(&rest[..rest.len().min(decimals)]);
            out.extend(std::iter::repeat_n('0', decimals.saturating_sub(rest.len())));
        }
        let is_zero = self.digits.bytes().all(|b| b == b'0');
        let exponent = if is_zero { 0 } else { self.point - 1 };
        out.push(if matches!(verb, b'E' | b'G') { 'E' } else { 'e' });
        out.push_str(&format!("{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs()));
        out
    }

    fn positional(&self, decimals: usize) -> String {
        let digit = |i: i32| {
            usize::try_from(i).ok().and_then(|i| self.digits.as_bytes().get(i)).copied().unwrap_or(b'0')
                as char
        };
        let mut out = String::new();
        if self.point > 0 {
            out.extend((0..self.point).map(digit));
        } else {
            out.push('0');
        }
        if decimals > 0 {
            out.push('.');
            out.extend((0..decimals).map(|i| digit(self.point + i as i32)));
        }
        out
    }
}

fn fixed(value: f64, precision: Option<usize>, single: bool) -> String {
    match precision {
        Some(decimals) => format!("{value:.decimals$}"),
        None => {
            let digits = Digits::of(value, None, single);
            let decimals = usize::try_from(digits.digits.len() as i32 - digits.point).unwrap_or(0);
            digits.positional(if value == 0.0 { 0 } else { decimals })
        }
    }
}

fn general(value: f64, precision: Option<usize>, single: bool, verb: u8) -> String {
    let precision = precision.map(|p| p.max(1));
    let mut digits = Digits::of(value, precision, single);
    if precision.is_some() {
        // Zeros at the end are no digits of the number.
        let significant = digits.digits.trim_end_matches('0').len();
        digits.digits.truncate(significant.max(1));
    }
    let count = digits.digits.len();
    let limit = match precision {
        Some(precision) if precision > count && count as i32 >= digits.point => count,
        Some(precision) => precision,
        // The shortest form chooses as if six digits had been asked for.
        None => 6,
    };
    // A zero is no small number.
    let exponent = if value == 0.0 { 0 } else { digits.point - 1 };
    if exponent < -4 || exponent >= limit as i32 {
        return digits.exponential(count - 1, verb);
    }
    let decimals = if value == 0.0 { 0 } else { count as i32 - digits.point };
    digits.positional(usize::try_from(decimals).unwrap_or(0))
}

/// `4503599627370496p-52`
fn binary(value: f64, single: bool) -> String {
    let (mantissa, exponent) = if single {
        let bits = (value as f32).to_bits();
        let exponent = (bits >> 23) as i32;
        let fraction = u64::from(bits & 0x7f_ffff);
        if exponent == 0 { (fraction, -149) } else { (fraction | 1 << 23, exponent - 150) }
    } else {
        let bits = value.to_bits();
        let exponent = (bits >> 52) as i32;
        let fraction = bits & 0xf_ffff_ffff_ffff;
        if exponent == 0 { (fraction, -1074) } else { (fraction | 1 << 52, exponent - 1075) }
    };
    format!("{mantissa}p{exponent:+}")
}

/// `0x1.8p+01`
fn hexadecimal(value: f64, precision: Option<usize>, verb: u8) -> String {
    let bits = value.to_bits();
    let mut exponent = (bits >> 52) as i32 - 1023;
    let mut mantissa = bits & 0xf_ffff_ffff_ffff;
    if value == 0.0 {
        exponent = 0;
    } else if exponent == -1023 {
        let shift = mantissa.leading_zeros() - 11;
        mantissa <<= shift;
        exponent = -1022 - shift as i32;
    } else {
        mantissa |= 1 << 52;
    }
    if let Some(digits) = precision.filter(|digits| *digits < 13) {
        // Round half to even.
        let shift = 4 * (13 - digits) as u32;
        let half = 1u64 << (shift - 1);
        let rest = mantissa & ((1 << shift) - 1);
        mantissa >>= shift;
        if rest > half || (rest == half && mantissa & 1 == 1) {
            mantissa += 1;
        }
        mantissa <<= shift;
        if mantissa >> 53 == 1 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let mut fraction = format!("{:013x}", mantissa & 0xf_ffff_ffff_ffff);
    match precision {
        None => fraction.truncate(fraction.trim_end_matches('0').len()),
        Some(digits) if digits <= 13 => fraction.truncate(digits),
        Some(digits) => fraction.extend(std::iter::repeat_n('0', digits - 13)),
    }
    let point = if fraction.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    let text = format!("0x{}{point}{fraction}p{sign}{:02}", mantissa >> 52, exponent.abs());
    if verb == b'X' { text.to_uppercase() } else { text }
}
