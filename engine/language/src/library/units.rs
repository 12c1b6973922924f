//! Quantities with their unit: `5.m`, `512.MiB`.

use opsrun_core::{Bytes, Span};
use rhai::{FuncRegistration, Module, NativeCallContext};

use super::{Outcome, invalid};

const SPANS: &[(&str, u64, &str)] = &[
    ("ms", 1, "milliseconds"),
    ("s", 1000, "seconds"),
    ("m", 60_000, "minutes"),
    ("h", 3_600_000, "hours"),
    ("d", 86_400_000, "days"),
];
const AMOUNTS: &[(&str, u64, &str)] = &[
    ("KiB", 1 << 10, "kibibytes"),
    ("MiB", 1 << 20, "mebibytes"),
    ("GiB", 1 << 30, "gibibytes"),
    ("TiB", 1 << 40, "tebibytes"),
    ("kB", 1000, "kilobytes"),
    ("MB", 1_000_000, "megabytes"),
    ("GB", 1_000_000_000, "gigabytes"),
    ("TB", 1_000_000_000_000, "terabytes"),
];

pub(super) fn words() -> impl Iterator<Item = (&'static str, &'static str)> {
    SPANS.iter().chain(AMOUNTS).map(|(name, _, doc)| (*name, *doc))
}

/// What `number.unit` stands for as text (`5m`, `512Mi`); `None` if there is no such unit or it is too much.
pub(crate) fn quantity(number: i64, unit: &str) -> Option<String> {
    let number = u64::try_from(number).ok()?;
    let find = |units: &[(&str, u64, &str)]| {
        units.iter().find(|(name, ..)| *name == unit).map(|(_, factor, _)| *factor)
    };
    if let Some(factor) = find(SPANS) {
        return Some(Span::from_millis(number.checked_mul(factor)?).to_string());
    }
    Some(Bytes::new(number.checked_mul(find(AMOUNTS)?)?).to_string())
}

pub(super) fn register(module: &mut Module) {
    for &(name, factor, words) in SPANS {
        FuncRegistration::new_getter(name).in_global_namespace().set_into_module(
            module,
            move |ctx: NativeCallContext, number: &mut i64| -> Outcome<Span> {
                Ok(Span::from_millis(scaled(&ctx, *number, factor, words)?))
            },
        );
    }
    for &(name, factor, words) in AMOUNTS {
        FuncRegistration::new_getter(name).in_global_namespace().set_into_module(
            module,
            move |ctx: NativeCallContext, number: &mut i64| -> Outcome<Bytes> {
                Ok(Bytes::new(scaled(&ctx, *number, factor, words)?))
            },
        );
    }
}

fn scaled(ctx: &NativeCallContext, number: i64, factor: u64, words: &str) -> Outcome<u64> {
    match u64::try_from(number).ok().and_then(|number| number.checked_mul(factor)) {
        Some(scaled) => Ok(scaled),
        None => invalid(ctx, format!("{number} {words}: a quantity is neither negative nor that large")),
    }
}
