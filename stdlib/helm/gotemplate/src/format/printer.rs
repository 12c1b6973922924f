//! Prints one value for one verb.

use crate::float::format_float;
use crate::quote::{first_char, is_printable, quote, quote_ascii, quote_char};
use crate::value::{Kind, List, Map, Number, Object, Type, Value};

#[derive(Default)]
pub(super) struct Printer {
    pub(super) out: Vec<u8>,
    pub(super) flags: Flags,
    /// A wrong verb is being reported: methods are not asked for their text.
    pub(super) erroring: bool,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Flags {
    pub(super) width: Option<usize>,
    pub(super) precision: Option<usize>,
    pub(super) minus: bool,
    pub(super) plus: bool,
    pub(super) sharp: bool,
    pub(super) space: bool,
    pub(super) zero: bool,
    /// `%#v`
    pub(super) go_syntax: bool,
    /// `%+v`
    pub(super) field_names: bool,
}

impl Printer {
    pub(super) fn push(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Prints an argument; nil in either form is Go's nil interface.
    pub(super) fn argument(&mut self, value: &Value, verb: char) {
        match (value, verb) {
            (Value::Nil | Value::NoValue, 'T' | 'v') => self.pad(b"<nil>"),
            (Value::Nil | Value::NoValue, _) => self.bad_verb(value, verb),
            (_, 'T') => self.string(value.type_name().as_bytes(), 's'),
            (Value::Map(_) | Value::List(_), 'p') => self.pad(POINTER),
            (_, 'p' | 'w') => self.bad_verb(value, verb),
            _ => self.value(value, verb, 0),
        }
    }

    /// Prints what a pointer points at, instead of `&` and that.
    pub(super) fn pointee(&mut self, value: &Value, verb: char) {
        match value {
            Value::Object(o) if o.kind() == Kind::Ptr && o.text().is_none() => {
                self.object(o.as_ref(), verb, Kind::Struct, 0);
            }
            Value::Nil => self.push("<nil>"),
            _ => self.value(value, verb, 0),
        }
    }

    fn value(&mut self, value: &Value, verb: char, depth: usize) {
        match value {
            Value::Nil | Value::NoValue if self.flags.go_syntax => self.push("interface {}(nil)"),
            Value::Nil | Value::NoValue => self.push("<nil>"),
            Value::Bool(b) => match verb {
                't' | 'v' => self.pad(if *b { b"true" } else { b"false" }),
                _ => self.bad_verb(value, verb),
            },
            Value::Number(n) => self.number(*n, verb),
            Value::Str(s) => self.string_or_bad(s, verb, value),
            Value::List(l) => self.list(l, &l.type_name(), verb, depth, value),
            Value::Map(m) => self.map(m, &m.type_name(), verb, depth),
            Value::Object(o) => {
                if !self.erroring
                    && !self.flags.go_syntax
                    && matches!(verb, 'v' | 's' | 'x' | 'X' | 'q')
                    && let Some(text) = o.text()
                {
                    self.string(text.as_bytes(), verb);
                    return;
                }
                match o.underlying() {
                    Some(Value::List(l)) => self.list(&l, o.type_name(), verb, depth, value),
                    Some(Value::Map(m)) => self.map(&m, o.type_name(), verb, depth),
                    Some(other) => self.value(&other, verb, depth),
                    None => self.object(o.as_ref(), verb, o.kind(), depth),
                }
            }
        }
    }

    fn object(&mut self, object: &dyn Object, verb: char, kind: Kind, depth: usize) {
        if kind == Kind::Func || (kind == Kind::Ptr && depth > 0) {
            self.pad(POINTER);
            return;
        }
        let mut name = object.type_name();
        if kind == Kind::Ptr {
            self.out.push(b'&');
            name = name.trim_start_matches('*');
        }
        if self.flags.go_syntax {
            self.push(name);
        }
        self.out.push(b'{');
        for (i, (field, value)) in object.fields().into_iter().enumerate() {
            self.separate(i);
            if self.flags.go_syntax || self.flags.field_names {
                self.push(field);
                self.out.push(b':');
            }
            self.value(&value, verb, depth + 1);
        }
        self.out.push(b'}');
    }

    fn list(&mut self, list: &List, type_name: &str, verb: char, depth: usize, whole: &Value) {
        if list.elem() == Type::Uint8
            && let Some(bytes) = list.to_bytes()
        {
            match verb {
                's' | 'q' | 'x' | 'X' => return self.string(&bytes, verb),
                'v' | 'd' if self.flags.go_syntax && depth == 0 => {
                    // Go names the type so only here.
                    let bytes: Vec<String> = bytes.iter().map(|b| format!("{b:#x}")).collect();
                    return self.push(&format!("[]byte{{{}}}", bytes.join(", ")));
                }
                _ => {}
            }
        }
        let (open, close) = if self.flags.go_syntax { (b'{', b'}') } else { (b'[', b']') };
        if self.flags.go_syntax {
            self.push(type_name);
            if list.is_nil() {
                return self.push("(nil)");
            }
        }
        debug_assert!(!whole.is_nil());
        self.out.push(open);
        for (i, item) in list.iter().enumerate() {
            self.separate(i);
            self.element(item, verb, depth);
        }
        self.out.push(close);
    }

    fn map(&mut self, map: &Map, type_name: &str, verb: char, depth: usize) {
        if self.flags.go_syntax {
            self.push(type_name);
            if map.is_nil() {
                return self.push("(nil)");
            }
            self.out.push(b'{');
        } else {
            self.push("map[");
        }
        for (i, (key, value)) in map.entries().into_iter().enumerate() {
            self.separate(i);
            self.element(&Value::Str(key), verb, depth);
            self.out.push(b':');
            self.element(&value, verb, depth);
        }
        self.out.push(if self.flags.go_syntax { b'}' } else { b']' });
    }

    /// A value inside another; a nil there is `<nil>` whatever the verb.
    fn element(&mut self, value: &Value, verb: char, depth: usize) {
        self.value(value, verb, depth + 1);
    }

    fn separate(&mut self, index: usize) {
        if index > 0 {
            self.push(if self.flags.go_syntax { ", " } else { " " });
        }
    }

    fn bad_verb(&mut self, value: &Value, verb: char) {
        self.erroring = true;
        if value.is_nil() {
            self.push(&format!("%!{verb}(<nil>)"));
        } else {
            self.push(&format!("%!{verb}({}=", value.type_name()));
            self.value(value, 'v', 0);
            self.out.push(b')');
        }
        self.erroring = false;
    }

    fn number(&mut self, number: Number, verb: char) {
        if let Number::Complex128(re, im) = number {
            return self.complex(re, im, verb);
        }
        if let Some(float) = number.as_float() {
            return self.float_or_bad(float, matches!(number, Number::Float32(_)), verb, &number.into());
        }
        let (magnitude, negative, signed) = match (number.as_int(), number.as_uint()) {
            (Some(int), _) => (int.unsigned_abs(), int < 0, true),
            (None, uint) => (uint.unwrap_or(0), false, false),
        };
        // A negative number as a character is beyond all of them.
        let code = if negative { None } else { u32::try_from(magnitude).ok().and_then(char::from_u32) };
        match verb {
            'v' if self.flags.go_syntax && !signed => {
                let sharp = std::mem::replace(&mut self.flags.sharp, true);
                self.integer(magnitude, negative, 16, verb);
                self.flags.sharp = sharp;
            }
            'v' | 'd' => self.integer(magnitude, negative, 10, verb),
            'b' => self.integer(magnitude, negative, 2, verb),
            'o' | 'O' => self.integer(magnitude, negative, 8, verb),
            'x' | 'X' => self.integer(magnitude, negative, 16, verb),
            'c' => {
                let c = code.unwrap_or('\u{fffd}').to_string();
                self.pad(c.as_bytes());
            }
            'q' => {
                let text = quote_char(code.unwrap_or('\u{fffd}'), self.flags.plus);
                self.pad(text.as_bytes());
            }
            'U' => self.code_point(if negative { magnitude.wrapping_neg() } else { magnitude }, code),
            _ => self.bad_verb(&number.into(), verb),
        }
    }

    fn integer(&mut self, magnitude: u64, negative: bool, base: u32, verb: char) {
        let flags = self.flags;
        let mut digits = match base {
            2 => format!("{magnitude:b}"),
            8 => format!("{magnitude:o}"),
            16 if verb == 'X' => format!("{magnitude:X}"),
            16 => format!("{magnitude:x}"),
            _ => magnitude.to_string(),
        };
        let mut wanted = 0;
        if let Some(precision) = flags.precision {
            wanted = precision;
            if precision == 0 && magnitude == 0 {
                self.out.extend(std::iter::repeat_n(b' ', flags.width.unwrap_or(0)));
                return;
            }
        } else if let (true, false, Some(width)) = (flags.zero, flags.minus, flags.width) {
            wanted = width.saturating_sub(usize::from(negative || flags.plus || flags.space));
        }
        if digits.len() < wanted {
            digits.insert_str(0, &"0".repeat(wanted - digits.len()));
        }
        if flags.sharp {
            match base {
                2 => digits.insert_str(0, "0b"),
                8 if !digits.starts_with('0') => digits.insert(0, '0'),
                16 => digits.insert_str(0, if verb == 'X' { "0X" } else { "0x" }),
                _ => {}
            }
        }
        if verb == 'O' {
            digits.insert_str(0, "0o");
        }
        let sign = match (negative, flags.plus, flags.space) {
            (true, ..) => "-",
            (_, true, _) => "+",
            (_, _, true) => " ",
            _ => "",
        };
        digits.insert_str(0, sign);
        self.pad_with_spaces(digits.as_bytes());
    }

    fn code_point(&mut self, code: u64, c: Option<char>) {
        let digits = self.flags.precision.unwrap_or(0).max(4);
        let mut text = format!("U+{code:0digits$X}");
        if let (true, Some(c)) = (self.flags.sharp, c.filter(|c| is_printable(*c))) {
            text.push_str(&format!(" '{c}'"));
        }
        self.pad_with_spaces(text.as_bytes());
    }

    fn complex(&mut self, re: f64, im: f64, verb: char) {
        if !matches!(verb, 'v' | 'b' | 'g' | 'G' | 'x' | 'X' | 'f' | 'F' | 'e' | 'E') {
            return self.bad_verb(&Number::Complex128(re, im).into(), verb);
        }
        let plus = self.flags.plus;
        self.out.push(b'(');
        self.float(re, false, verb);
        self.flags.plus = true;
        self.float(im, false, verb);
        self.push("i)");
        self.flags.plus = plus;
    }

    fn float_or_bad(&mut self, value: f64, single: bool, verb: char, whole: &Value) {
        match verb {
            'v' | 'b' | 'g' | 'G' | 'x' | 'X' | 'f' | 'F' | 'e' | 'E' => self.float(value, single, verb),
            _ => self.bad_verb(whole, verb),
        }
    }

    fn float(&mut self, value: f64, single: bool, verb: char) {
        let flags = self.flags;
        let (verb, default_precision) = match verb {
            'v' => (b'g', None),
            'f' | 'F' => (b'f', Some(6)),
            'e' => (b'e', Some(6)),
            'E' => (b'E', Some(6)),
            other => (other as u8, None),
        };
        let precision = flags.precision.or(default_precision);
        let text = format_float(value, verb, precision, single);
        let (negative, body) = match text.as_bytes()[0] {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text.as_str()),
        };
        let sign = match (negative, flags.plus, flags.space) {
            (true, ..) => "-",
            (_, true, _) => "+",
            (_, _, true) => " ",
            // Go always shows the sign of an infinity.
            _ if value.is_infinite() => "+",
            _ => "",
        };
        if !value.is_finite() {
            return self.pad_with_spaces(format!("{sign}{body}").as_bytes());
        }
        let body = if flags.sharp && verb != b'b' {
            with_decimal_point(body, verb, precision)
        } else {
            body.to_owned()
        };
        let len = sign.len() + body.len();
        match flags.width {
            Some(width) if flags.zero && !flags.minus && width > len && !sign.is_empty() => {
                self.push(sign);
                self.out.extend(std::iter::repeat_n(b'0', width - len));
                self.push(&body);
            }
            _ => self.pad(format!("{sign}{body}").as_bytes()),
        }
    }

    fn string_or_bad(&mut self, text: &[u8], verb: char, whole: &Value) {
        match verb {
            'v' | 's' | 'x' | 'X' | 'q' => self.string(text, verb),
            _ => self.bad_verb(whole, verb),
        }
    }

    fn string(&mut self, text: &[u8], verb: char) {
        match verb {
            'x' | 'X' => self.hex(text, verb),
            'q' => self.quoted(text),
            'v' if self.flags.go_syntax => self.quoted(text),
            _ => {
                let text = self.truncated(text);
                self.pad(text);
            }
        }
    }

    fn quoted(&mut self, text: &[u8]) {
        let text = self.truncated(text);
        let plain = std::str::from_utf8(text).ok().filter(|t| can_backquote(t));
        let literal = match plain {
            Some(plain) if self.flags.sharp => format!("`{plain}`"),
            _ if self.flags.plus => quote_ascii(text),
            _ => quote(text),
        };
        self.pad(literal.as_bytes());
    }

    fn hex(&mut self, text: &[u8], verb: char) {
        let flags = self.flags;
        let text = &text[..text.len().min(flags.precision.unwrap_or(usize::MAX))];
        let prefix = if verb == 'X' { "0X" } else { "0x" };
        let mut out = String::new();
        for (i, byte) in text.iter().enumerate() {
            if flags.space && i > 0 {
                out.push(' ');
            }
            if flags.sharp && (i == 0 || flags.space) {
                out.push_str(prefix);
            }
            out.push_str(&if verb == 'X' { format!("{byte:02X}") } else { format!("{byte:02x}") });
        }
        self.pad(out.as_bytes());
    }

    /// As many characters as the precision allows.
    fn truncated<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        let Some(precision) = self.flags.precision else {
            return text;
        };
        let mut end = 0;
        for _ in 0..precision {
            if end < text.len() {
                end += first_char(&text[end..]).1;
            }
        }
        &text[..end]
    }

    fn pad_with_spaces(&mut self, text: &[u8]) {
        let zero = std::mem::take(&mut self.flags.zero);
        self.pad(text);
        self.flags.zero = zero;
    }

    fn pad(&mut self, text: &[u8]) {
        let missing = match self.flags.width {
            Some(width) => width.saturating_sub(String::from_utf8_lossy(text).chars().count()),
            None => 0,
        };
        let fill = if self.flags.zero && !self.flags.minus { b'0' } else { b' ' };
        if self.flags.minus {
            self.out.extend_from_slice(text);
            self.out.extend(std::iter::repeat_n(fill, missing));
        } else {
            self.out.extend(std::iter::repeat_n(fill, missing));
            self.out.extend_from_slice(text);
        }
    }
}

/// What stands for an address: real ones would differ from run to run.
const POINTER: &[u8] = b"0xc000000000";

/// The `#` flag of floats: a decimal point always, and the zeros that `%g` would drop.
fn with_decimal_point(text: &str, verb: u8, precision: Option<usize>) -> String {
    let exponent = text.find(if matches!(verb, b'x' | b'X') { ['p', 'P'] } else { ['e', 'E'] });
    let (number, tail) = text.split_at(exponent.unwrap_or(text.len()));
    let wanted = match verb {
        b'g' | b'G' => precision.unwrap_or(6),
        // Go counts the letter of the prefix among the digits.
        b'x' => precision.unwrap_or(6).saturating_sub(1),
        _ => 0,
    };
    let significant = number.trim_start_matches(['0', '.']).chars().filter(char::is_ascii_hexdigit).count();
    let has_point = number.contains('.');
    let significant = if number == "0" && !has_point { significant + 1 } else { significant };
    let point = if has_point { "" } else { "." };
    format!("{number}{point}{}{tail}", "0".repeat(wanted.saturating_sub(significant)))
}

fn can_backquote(text: &str) -> bool {
    text.chars().all(|c| !matches!(c, '\u{feff}' | '`' | '\x7f') && (c >= ' ' || c == '\t'))
}
