//! Reads a format string: flags, width, precision, argument numbers, verbs.

use super::printer::{Flags, Printer};
use crate::quote::first_char;
use crate::value::Value;

pub(super) fn sprintf(format: &[u8], args: &[Value]) -> Vec<u8> {
    let mut reader = Reader { format, at: 0, args, next_arg: 0, reordered: false, good_number: true };
    let mut printer = Printer::default();
    reader.run(&mut printer);
    printer.out
}

struct Reader<'a> {
    format: &'a [u8],
    at: usize,
    args: &'a [Value],
    next_arg: usize,
    reordered: bool,
    good_number: bool,
}

/// Go refuses widths and precisions beyond this.
const MAX_NUMBER: i64 = 1_000_000;

impl Reader<'_> {
    fn run(&mut self, printer: &mut Printer) {
        let mut after_index = false;
        while self.at < self.format.len() {
            self.good_number = true;
            let rest = &self.format[self.at..];
            let text = rest.iter().position(|b| *b == b'%').unwrap_or(rest.len());
            printer.out.extend_from_slice(&rest[..text]);
            self.at += text + 1;
            if text == rest.len() {
                break;
            }
            let mut flags = Flags::default();
            while let Some(b) = self.peek() {
                match b {
                    b'#' => flags.sharp = true,
                    b'0' => flags.zero = true,
                    b'+' => flags.plus = true,
                    b'-' => flags.minus = true,
                    b' ' => flags.space = true,
                    _ => break,
                }
                self.at += 1;
            }
            self.argument_number(&mut after_index);
            if self.peek() == Some(b'*') {
                self.at += 1;
                let width = self.number_argument();
                if width.is_none() {
                    printer.out.extend_from_slice(b"%!(BADWIDTH)");
                }
                if width.is_some_and(|w| w < 0) {
                    flags.minus = true;
                    flags.zero = false;
                }
                flags.width = width.map(|w| w.unsigned_abs() as usize);
                after_index = false;
            } else {
                flags.width = self.number();
                if after_index && flags.width.is_some() {
                    self.good_number = false;
                }
            }
            if self.peek() == Some(b'.') && self.at + 1 < self.format.len() {
                self.at += 1;
                if after_index {
                    self.good_number = false;
                }
                self.argument_number(&mut after_index);
                if self.peek() == Some(b'*') {
                    self.at += 1;
                    flags.precision = self.number_argument().and_then(|p| usize::try_from(p).ok());
                    if flags.precision.is_none() {
                        printer.out.extend_from_slice(b"%!(BADPREC)");
                    }
                    after_index = false;
                } else {
                    flags.precision = Some(self.number().unwrap_or(0));
                }
            }
            if !after_index {
                self.argument_number(&mut after_index);
            }
            if self.at >= self.format.len() {
                printer.out.extend_from_slice(b"%!(NOVERB)");
                break;
            }
            let (verb, len) = first_char(&self.format[self.at..]);
            let verb = verb.unwrap_or('\u{fffd}');
            self.at += len;
            if verb == '%' {
                printer.out.push(b'%');
            } else if !self.good_number {
                printer.push(&format!("%!{verb}(BADINDEX)"));
            } else if let Some(arg) = self.args.get(self.next_arg) {
                if verb == 'v' || verb == 'w' {
                    flags.go_syntax = std::mem::take(&mut flags.sharp);
                    flags.field_names = std::mem::take(&mut flags.plus);
                }
                printer.flags = flags;
                printer.argument(arg, verb);
                self.next_arg += 1;
            } else {
                printer.push(&format!("%!{verb}(MISSING)"));
            }
        }
        self.extra_arguments(printer);
    }

    fn extra_arguments(&self, printer: &mut Printer) {
        let Some(extra) = self.args.get(self.next_arg..).filter(|extra| !extra.is_empty()) else {
            return;
        };
        if self.reordered {
            return;
        }
        printer.flags = Flags::default();
        printer.push("%!(EXTRA ");
        for (i, arg) in extra.iter().enumerate() {
            if i > 0 {
                printer.push(", ");
            }
            if arg.is_nil() {
                printer.push("<nil>");
            } else {
                printer.push(&format!("{}=", arg.type_name()));
                printer.argument(arg, 'v');
            }
        }
        printer.push(")");
    }

    fn peek(&self) -> Option<u8> {
        self.format.get(self.at).copied()
    }

    fn number(&mut self) -> Option<usize> {
        let mut number: Option<i64> = None;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            if number.unwrap_or(0) > MAX_NUMBER {
                self.at = self.format.len();
                return None;
            }
            number = Some(number.unwrap_or(0) * 10 + i64::from(digit - b'0'));
            self.at += 1;
        }
        number.map(|n| n as usize)
    }

    /// `[n]`, if it stands here: the next argument is the n-th.
    fn argument_number(&mut self, found: &mut bool) {
        *found = false;
        if self.peek() != Some(b'[') {
            return;
        }
        self.reordered = true;
        let rest = &self.format[self.at..];
        let Some(close) = rest.iter().position(|b| *b == b']').filter(|_| rest.len() >= 3) else {
            self.good_number = false;
            self.at += 1;
            return;
        };
        let end = self.at + close + 1;
        self.at += 1;
        let number = self.number();
        let is_number = number.is_some() && self.at + 1 == end;
        self.at = end;
        match number.and_then(|n| n.checked_sub(1)) {
            Some(index) if is_number && index < self.args.len() => {
                self.next_arg = index;
                *found = true;
            }
            _ => {
                self.good_number = false;
                *found = is_number;
            }
        }
    }

    /// The integer that an argument gives for `*`.
    fn number_argument(&mut self) -> Option<i64> {
        let arg = self.args.get(self.next_arg)?;
        self.next_arg += 1;
        let number = match arg {
            Value::Number(n) => n.as_int().or_else(|| n.as_uint().and_then(|u| i64::try_from(u).ok())),
            _ => None,
        };
        number.filter(|n| n.abs() <= MAX_NUMBER)
    }
}
