//! Arrays and maps: what Rhai lacks, or does in place only.

use std::cmp::Ordering;

use rhai::{Array, Dynamic, FnPtr, FuncRegistration, ImmutableString, Map, Module, NativeCallContext};

use super::{Function, Outcome, invalid};
use crate::value::{kind_of, printed};

pub(super) const FUNCTIONS: &[Function] = &[
    function!(
        "zip",
        "zip(left, right) -> array",
        "Pairs of the items at the same places, as long as both last.\n\n\
         ```rhai\nassert(zip([1, 2], [\"a\", \"b\"])[1] == [2, \"b\"], \"the second pair\");\n```",
        |left: Array, right: Array| -> Array {
            left.into_iter().zip(right).map(|(left, right)| Dynamic::from_array(vec![left, right])).collect()
        }
    ),
    function!(
        "entries",
        "entries(map) -> array",
        "The entries of a map as maps with `key` and `value`, in the order of the keys.\n\n\
         ```rhai\nfor entry in entries(#{ a: 1 }) { log(`${entry.key} is ${entry.value}`); }\n```",
        |map: Map| -> Array {
            let entry = |(key, value): (rhai::Identifier, Dynamic)| {
                Dynamic::from_map(
                    [("key".into(), key.as_str().into()), ("value".into(), value)].into_iter().collect(),
                )
            };
            map.into_iter().map(entry).collect()
        }
    ),
    function!(
        "merged",
        "merged(base, over) -> map",
        "A copy of `base` with what `over` says, maps inside of maps included.\n\n\
         ```rhai\nassert(merged(#{ a: #{ x: 1 } }, #{ a: #{ y: 2 } }).a.x == 1, \"kept\");\n```",
        merged
    ),
    function!(
        "sorted",
        "sorted(items) -> array",
        "The items in order: numbers and texts; `sort()` changes a variable in place.\n\n\
         ```rhai\nassert(sorted([3, 1, 2]) == [1, 2, 3], \"sorted\");\n```",
        |ctx: NativeCallContext, items: Array| -> Outcome<Array> {
            ordered(items, &mut |left, right| match order(left, right) {
                Some(order) => Ok(order),
                None => invalid(&ctx, format!("{} and {} have no order", kind_of(left), kind_of(right))),
            })
        }
    ),
    function!(
        "reversed",
        "reversed(items) -> array",
        "The items from the last to the first; `reverse()` changes a variable in place.\n\n\
         ```rhai\nassert(reversed([1, 2]) == [2, 1], \"reversed\");\n```",
        |items: Array| -> Array { items.into_iter().rev().collect() }
    ),
    function!(
        "unique",
        "unique(items) -> array",
        "Each item once, where it comes first.\n\n```rhai\nassert(unique([1, 2, 1]) == [1, 2], \"each once\");\n```",
        |items: Array| -> Array {
            let mut seen = std::collections::BTreeSet::new();
            items
                .into_iter()
                .filter(|item| seen.insert(format!("{} {}", kind_of(item), printed(item))))
                .collect()
        }
    ),
    function!(
        "sum",
        "sum(items) -> number",
        "The sum of numbers.\n\n```rhai\nassert(sum([1, 2, 3]) == 6, \"six\");\n```",
        |ctx: NativeCallContext, items: Array| -> Outcome<Dynamic> {
            if items.iter().all(Dynamic::is_int) {
                let sum = items
                    .iter()
                    .try_fold(0_i64, |sum, item| sum.checked_add(item.as_int().unwrap_or_default()));
                return sum.map_or_else(|| invalid(&ctx, "the sum is out of range"), |sum| Ok(sum.into()));
            }
            let mut sum = 0.0;
            for item in &items {
                #[allow(clippy::cast_precision_loss)] // as Rhai itself adds an integer to a float
                let number = item.as_float().or_else(|_| item.as_int().map(|integer| integer as f64));
                let Ok(number) = number else {
                    return invalid(&ctx, format!("{} is no number", kind_of(item)));
                };
                sum += number;
            }
            Ok(sum.into())
        }
    ),
];

/// Functions of Rhai's that hide errors of a comparison, or multiply sizes without looking.
pub(super) fn replace_unwanted(module: &mut Module) {
    for name in ["sort", "sort_by"] {
        FuncRegistration::new(name).in_global_namespace().set_into_module(
            module,
            |ctx: NativeCallContext, array: &mut Array, comparison: FnPtr| -> Outcome<()> {
                *array = ordered(array.clone(), &mut |left, right| {
                    let result = comparison.call_raw(&ctx, None, [left.clone(), right.clone()])?;
                    match (result.as_int(), result.as_bool()) {
                        (Ok(number), _) => Ok(number.cmp(&0)),
                        (_, Ok(true)) => Ok(Ordering::Less),
                        (_, Ok(false)) => Ok(Ordering::Greater),
                        _ => invalid(
                            &ctx,
                            format!(
                                "`sort`: the closure returns a number below, at or above 0, or whether the first comes first; \
                                 this returned {}",
                                kind_of(&result)
                            ),
                        ),
                    }
                })?;
                Ok(())
            },
        );
    }
    FuncRegistration::new("pad").in_global_namespace().set_into_module(
        module,
        |ctx: NativeCallContext, array: &mut Array, length: i64, item: Dynamic| -> Outcome<()> {
            let length = usize::try_from(length).unwrap_or(0);
            let most = ctx.engine().max_array_size();
            if length > most {
                return invalid(&ctx, format!("`pad`: an array has at most {most} items"));
            }
            while array.len() < length {
                array.push(item.clone());
                // So that items that are large themselves are not copied on and on.
                if array.len().is_power_of_two() {
                    ctx.engine().ensure_data_size_within_limits(&Dynamic::from_array(array.clone()))?;
                }
            }
            Ok(())
        },
    );
}

/// Sorts by merging, and keeps the order of equals. A comparison may contradict itself: the order is then any.
fn ordered(items: Array, compare: &mut dyn FnMut(&Dynamic, &Dynamic) -> Outcome<Ordering>) -> Outcome<Array> {
    if items.len() < 2 {
        return Ok(items);
    }
    let mut left = items;
    let right = left.split_off(left.len() / 2);
    let (left, right) = (ordered(left, compare)?, ordered(right, compare)?);
    let mut merged = Array::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(first), Some(second)) = (left.peek(), right.peek()) {
        match compare(first, second)? {
            Ordering::Greater => merged.extend(right.next()),
            _ => merged.extend(left.next()),
        }
    }
    merged.extend(left.chain(right));
    Ok(merged)
}

fn merged(base: Map, over: Map) -> Map {
    let mut merged = base;
    for (key, value) in over {
        let below = merged.get(&key).and_then(|below| below.read_lock::<Map>().map(|map| map.clone()));
        let value = match (below, value.read_lock::<Map>().map(|map| map.clone())) {
            (Some(below), Some(above)) => Dynamic::from_map(self::merged(below, above)),
            _ => value,
        };
        merged.insert(key, value);
    }
    merged
}

fn order(left: &Dynamic, right: &Dynamic) -> Option<Ordering> {
    if let (Ok(left), Ok(right)) = (left.as_int(), right.as_int()) {
        return Some(left.cmp(&right));
    }
    #[allow(clippy::cast_precision_loss)] // as Rhai itself compares an integer with a float
    let float =
        |value: &Dynamic| value.as_float().or_else(|_| value.as_int().map(|integer| integer as f64)).ok();
    if let (Some(left), Some(right)) = (float(left), float(right)) {
        return left.partial_cmp(&right);
    }
    let text = |value: &Dynamic| value.read_lock::<ImmutableString>().map(|text| text.to_string());
    Some(text(left)?.cmp(&text(right)?))
}
