//! Time as playbooks calculate with it: moments of the run's clock and lengths of time.

use std::fmt;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use opsrun_core::{Bytes, Span};
use rhai::{Module, NativeCallContext};

use super::{Function, Outcome, invalid};
use crate::host::Here;

/// A point in time, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub Timestamp);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

pub(super) const FUNCTIONS: &[Function] = &[
    function!(
        "now",
        "now() -> moment",
        "The time of the run's clock: in a rehearsal, the rehearsed one.\n\n\
         A moment has `year`, `month`, `day`, `hour`, `minute`, `second`, `weekday` (Monday is 1), `unix` and `date`;\n\
         the difference of two is a length of time.\n\n\
         ```rhai\nlet began = now();\nlog(`took ${now() - began}`);\n```",
        |ctx: NativeCallContext| -> Outcome<Moment> { Ok(Moment(Here::of(&ctx)?.branch.run().now())) }
    ),
    function!(
        "moment",
        "moment(text) -> moment",
        "Reads a point in time.\n\n\
         ```rhai\nassert(moment(\"2026-01-31T08:00:00Z\").day == 31, \"the last day\");\n```",
        |ctx: NativeCallContext, text: &str| -> Outcome<Moment> {
            match text.parse() {
                Ok(timestamp) => Ok(Moment(timestamp)),
                Err(error) => invalid(&ctx, format!("`{text}` is no point in time: {error}")),
            }
        }
    ),
    function!(
        "span",
        "span(text) -> span",
        "Reads a length of time.\n\n```rhai\nassert(span(\"90s\") == 1.m + 30.s, \"equal\");\n```",
        |ctx: NativeCallContext, text: &str| -> Outcome<Span> {
            text.parse().or_else(|error: String| invalid(&ctx, error))
        }
    ),
    function!(
        "format",
        "format(moment, pattern) -> string",
        "Writes a moment in UTC after a `strftime` pattern.\n\n\
         ```rhai\nlet tag = now().format(\"%Y%m%d-%H%M\");\n```",
        |ctx: NativeCallContext, moment: Moment, pattern: &str| -> Outcome<String> {
            match jiff::fmt::strtime::format(pattern, &moment.0.to_zoned(TimeZone::UTC)) {
                Ok(text) => Ok(text),
                Err(error) => invalid(&ctx, format!("`{pattern}` is no pattern for a time: {error}")),
            }
        }
    ),
];

type Part = fn(&jiff::Zoned) -> i64;

/// What a moment consists of.
const PARTS: &[(&str, Part)] = &[
    ("year", |zoned| zoned.year().into()),
    ("month", |zoned| zoned.month().into()),
    ("day", |zoned| zoned.day().into()),
    ("hour", |zoned| zoned.hour().into()),
    ("minute", |zoned| zoned.minute().into()),
    ("second", |zoned| zoned.second().into()),
    ("weekday", |zoned| zoned.weekday().to_monday_one_offset().into()),
    ("unix", |zoned| zoned.timestamp().as_second()),
];

/// Getters, operators and the text form of moments, lengths of time and amounts.
pub(super) fn register_types(module: &mut Module) {
    module
        .set_custom_type::<Moment>("moment")
        .set_custom_type::<Span>("span")
        .set_custom_type::<Bytes>("bytes");
    for &(name, part) in PARTS {
        module.set_getter_fn(name, move |moment: &mut Moment| Ok(part(&moment.0.to_zoned(TimeZone::UTC))));
    }
    module
        .set_getter_fn("date", |moment: &mut Moment| Ok(moment.0.to_zoned(TimeZone::UTC).date().to_string()));
    module.set_getter_fn("seconds", |span: &mut Span| Ok(span.duration().as_secs_f64()));
    module.set_getter_fn("bytes", |bytes: &mut Bytes| Ok(i64::try_from(bytes.get()).unwrap_or(i64::MAX)));

    shown::<Moment>(module);
    shown::<Span>(module);
    shown::<Bytes>(module);
    compared::<Moment>(module);
    compared::<Span>(module);
    compared::<Bytes>(module);

    operator(module, "+", |left: Moment, right: Span| left.0.checked_add(right.duration()).ok().map(Moment));
    operator(module, "-", |left: Moment, right: Span| left.0.checked_sub(right.duration()).ok().map(Moment));
    operator(module, "-", |left: Moment, right: Moment| {
        let between: SignedDuration = left.0.duration_since(right.0);
        std::time::Duration::try_from(between).ok().map(Span::from)
    });
    operator(module, "+", |left: Span, right: Span| {
        left.duration().checked_add(right.duration()).map(Span::from)
    });
    operator(module, "-", |left: Span, right: Span| {
        left.duration().checked_sub(right.duration()).map(Span::from)
    });
    operator(module, "*", |left: Span, right: i64| {
        left.duration().checked_mul(u32::try_from(right).ok()?).map(Span::from)
    });
    operator(module, "/", |left: Span, right: i64| {
        left.duration().checked_div(u32::try_from(right).ok()?).map(Span::from)
    });
    operator(module, "+", |left: Bytes, right: Bytes| left.get().checked_add(right.get()).map(Bytes::new));
    operator(module, "-", |left: Bytes, right: Bytes| left.get().checked_sub(right.get()).map(Bytes::new));
    operator(module, "*", |left: Bytes, right: i64| {
        left.get().checked_mul(u64::try_from(right).ok()?).map(Bytes::new)
    });
}

trait Quantity: Clone + Copy + Send + Sync + fmt::Display + fmt::Debug + PartialOrd + 'static {}
impl<T: Clone + Copy + Send + Sync + fmt::Display + fmt::Debug + PartialOrd + 'static> Quantity for T {}

fn shown<T: Quantity>(module: &mut Module) {
    for name in ["to_string", "to_debug"] {
        module.set_native_fn(name, |value: &mut T| Ok(value.to_string()));
    }
}

fn compared<T: Quantity>(module: &mut Module) {
    module.set_native_fn("==", |left: T, right: T| Ok(left == right));
    module.set_native_fn("!=", |left: T, right: T| Ok(left != right));
    module.set_native_fn("<", |left: T, right: T| Ok(left < right));
    module.set_native_fn("<=", |left: T, right: T| Ok(left <= right));
    module.set_native_fn(">", |left: T, right: T| Ok(left > right));
    module.set_native_fn(">=", |left: T, right: T| Ok(left >= right));
}

fn operator<L: Quantity, R: Quantity, T: Quantity>(
    module: &mut Module,
    name: &'static str,
    apply: impl Fn(L, R) -> Option<T> + Send + Sync + 'static,
) {
    module.set_native_fn(name, move |ctx: NativeCallContext, left: L, right: R| -> Outcome<T> {
        match apply(left, right) {
            Some(result) => Ok(result),
            None => invalid(&ctx, format!("{left} {name} {right} is out of range")),
        }
    });
}
