//! Dictionaries: Sprig's functions over `map[string]interface {}`, merging as mergo does. Maps are changed in place, and a
//! merged map keeps sharing what it took over.

use gotemplate::limits::MAX_NESTING;
use gotemplate::{FnError, Function, Functions, MAP, Map, Str, Type, Value};

use super::args::{Result, is_empty, list, map, not_a, slice, string_of, text};

pub(super) fn add(functions: &mut Functions) {
    use Type::{Any, String as Text};
    let mut set = |name: &str, function| {
        functions.set(name, function);
    };
    set(
        "dict",
        Function::variadic(&[Any], |_, a| {
            let missing = Value::str("");
            Ok(Map::from_iter(
                a.chunks(2).map(|pair| (string_of(&pair[0]), pair.get(1).unwrap_or(&missing).clone())),
            )
            .into())
        }),
    );
    set(
        "get",
        Function::new(&[MAP, Text], |_, a| Ok(map(a, 0).get(text(a, 1)).unwrap_or_else(|| Value::str("")))),
    );
    set(
        "set",
        Function::new(&[MAP, Text, Any], |_, a| {
            if map(a, 0).is_nil() {
                return Err(FnError::new("assignment to entry in nil map"));
            }
            map(a, 0).insert(text(a, 1), a[2].clone());
            Ok(a[0].clone())
        }),
    );
    set(
        "unset",
        Function::new(&[MAP, Text], |_, a| {
            map(a, 0).remove(text(a, 1));
            Ok(a[0].clone())
        }),
    );
    set("hasKey", Function::new(&[MAP, Text], |_, a| Ok(map(a, 0).contains_key(text(a, 1)).into())));
    set(
        "pluck",
        Function::variadic(&[Text, MAP], |_, a| {
            let found = (1..a.len()).filter_map(|i| map(a, i).get(text(a, 0)));
            Ok(Value::list(found.collect()))
        }),
    );
    // Go's order of a map's keys is random; ours is that of the keys, so that output is reproducible.
    set(
        "keys",
        Function::variadic(&[MAP], |_, a| Ok(Value::strings((0..a.len()).flat_map(|i| map(a, i).keys())))),
    );
    set(
        "values",
        Function::new(&[MAP], |_, a| {
            Ok(Value::list(map(a, 0).entries().into_iter().map(|(_, value)| value).collect()))
        }),
    );
    set(
        "pick",
        Function::variadic(&[MAP, Text], |_, a| {
            let keys = (1..a.len()).map(|i| text(a, i));
            Ok(keys.filter_map(|key| Some((key, map(a, 0).get(key)?))).collect::<Map>().into())
        }),
    );
    set(
        "omit",
        Function::variadic(&[MAP, Text], |_, a| {
            let is_kept = |key: &Str| (1..a.len()).all(|i| text(a, i) != key);
            Ok(map(a, 0).entries().into_iter().filter(|(key, _)| is_kept(key)).collect::<Map>().into())
        }),
    );
    for (name, overwrite) in
        [("merge", false), ("mustMerge", false), ("mergeOverwrite", true), ("mustMergeOverwrite", true)]
    {
        set(name, Function::variadic(&[MAP, MAP], move |_, a| merge(a, overwrite)));
    }
    for name in ["deepCopy", "mustDeepCopy"] {
        set(
            name,
            Function::new(&[Any], |_, a| match &a[0] {
                Value::Nil | Value::NoValue => Err(FnError::new(super::toml::REFLECTED_NIL)),
                value => Ok(value.deep_copy()),
            }),
        );
    }
    set("dig", Function::variadic(&[Any], |_, a| dig(a)));
}

fn merge(maps: &[Value], overwrite: bool) -> Result {
    let mut merged = map(maps, 0);
    if merged.is_nil() && maps.len() > 1 {
        merged = Map::new();
    }
    for i in 1..maps.len() {
        merge_into(&merged, &map(maps, i), overwrite, 0)?;
    }
    Ok(merged.into())
}

/// mergo's `Merge` and `MergeWithOverwrite` for maps.
fn merge_into(target: &Map, source: &Map, overwrite: bool, depth: usize) -> Result<()> {
    if depth >= MAX_NESTING {
        // Maps that contain each other grow as they are merged.
        return Err(FnError::new(format!("the maps nest deeper than {MAX_NESTING}, or contain themselves")));
    }
    for (key, new) in source.entries() {
        if new.is_nil() {
            if overwrite {
                target.insert(key, Value::Nil);
            }
            continue;
        }
        let old = target.get(&key);
        let is_list = slice(&new).is_some();
        if let (Some(Value::Map(old)), Value::Map(new)) = (&old, &new) {
            if !old.is_nil() {
                merge_into(old, new, overwrite, depth + 1)?;
            }
        } else if is_list && overwrite {
            target.insert(key.clone(), new.clone());
        }
        // What the merge above has filled is no longer empty.
        let is_missing = old.as_ref().is_none_or(is_unset);
        let are_maps = matches!((&old, &new), (Some(Value::Map(_)), Value::Map(_)));
        if !is_missing && (is_list || are_maps) {
            continue;
        }
        if is_missing || overwrite {
            target.insert(key, new);
        }
    }
    Ok(())
}

/// mergo's notion of an empty value.
fn is_unset(value: &Value) -> bool {
    match value {
        Value::Object(object) if object.underlying().is_none() => false,
        other => is_empty(other),
    }
}

fn dig(args: &[Value]) -> Result {
    let [keys @ .., default, dict] = args else {
        return Err(FnError::new("dig needs at least three arguments"));
    };
    if keys.is_empty() {
        return Err(FnError::new("dig needs at least three arguments"));
    }
    let mut current = any_map(dict)?.clone();
    let keys = keys.iter().map(|key| key.as_str().ok_or_else(|| not_a(Type::String, key)));
    let keys = keys.collect::<std::result::Result<Vec<_>, _>>()?;
    for (i, key) in keys.iter().enumerate() {
        let Some(step) = current.get(key) else { return Ok(default.clone()) };
        if i + 1 == keys.len() {
            return Ok(step);
        }
        current = any_map(&step)?.clone();
    }
    Ok(list(None))
}

fn any_map(value: &Value) -> Result<&Map> {
    match value {
        Value::Map(map) if map.type_name() == MAP.name() => Ok(map),
        other => Err(not_a(MAP, other)),
    }
}
