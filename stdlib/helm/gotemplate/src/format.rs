//! Go's `fmt`: `Sprint`, `Sprintln`, `Sprintf` over template values, with Go's texts for wrong verbs and missing
//! arguments.

mod printer;
mod verbs;

pub use crate::float::format_float;
pub use crate::quote::{is_printable, quote, quote_ascii, unquote};
use crate::value::{Number, Value};
use printer::Printer;

/// `fmt.Sprint`: a space between operands when neither is a string.
pub fn sprint(args: &[Value]) -> Vec<u8> {
    let mut printer = Printer::default();
    let mut previous_is_string = false;
    for (i, arg) in args.iter().enumerate() {
        let is_string = arg.kind() == crate::value::Kind::String;
        if i > 0 && !is_string && !previous_is_string {
            printer.out.push(b' ');
        }
        printer.argument(arg, 'v');
        previous_is_string = is_string;
    }
    printer.out
}

/// `fmt.Sprintln`.
pub fn sprintln(args: &[Value]) -> Vec<u8> {
    let mut printer = Printer::default();
    for (i, arg) in args.iter().enumerate() {
        if i > 0 {
            printer.out.push(b' ');
        }
        printer.argument(arg, 'v');
    }
    printer.out.push(b'\n');
    printer.out
}

/// `fmt.Sprintf`.
pub fn sprintf(format: &[u8], args: &[Value]) -> Vec<u8> {
    verbs::sprintf(format, args)
}

/// What a template prints for the value of an action, or of an argument of `html`, `js` and `urlquery`: pointers are
/// followed, and what is not there is `<no value>`.
pub fn print_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::NoValue => out.extend_from_slice(b"<no value>"),
        Value::Str(s) => out.extend_from_slice(s),
        Value::Bool(b) => out.extend_from_slice(if *b { b"true" } else { b"false" }),
        Value::Number(Number::Int(n) | Number::Int64(n)) => {
            use std::io::Write;
            // Writing to memory cannot fail.
            let _ = write!(out, "{n}");
        }
        other => {
            let mut printer = Printer { out: std::mem::take(out), ..Printer::default() };
            printer.pointee(other, 'v');
            *out = printer.out;
        }
    }
}

/// `fmt.Sprintf` with one verb and a value that is known to be there, as Go's errors print reflected values.
pub(crate) fn verb(value: &Value, verb: char) -> String {
    let mut printer = Printer::default();
    printer.pointee(value, verb);
    String::from_utf8_lossy(&printer.out).into_owned()
}
