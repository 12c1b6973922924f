//! How a chart's defaults and a user's values become one: Helm's `CoalesceValues` and `MergeValues`. The maps are changed
//! in place and shared between parent and child, as templates see them.

use gotemplate::{Map, Str, Value};

use crate::chart::Chart;

/// Puts defaults under values; collects what Helm would print as warnings.
#[derive(Default)]
pub(crate) struct Coalescer {
    pub(crate) warnings: Vec<String>,
}

/// What a null in the values does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nulls {
    /// It deletes the default of its key, and itself.
    Delete,
    /// It stays.
    Keep,
}

const GLOBAL: &str = "global";

impl Coalescer {
    /// The values over the chart's defaults, with nulls deleting them.
    pub(crate) fn coalesce(&mut self, chart: &Chart, values: &Map) -> Result<Map, String> {
        let values = copy(values);
        self.chart(chart, &values, "", Nulls::Delete)?;
        Ok(values)
    }

    /// The values over the chart's defaults, with nulls kept.
    pub(crate) fn merge(&mut self, chart: &Chart, values: &Map) -> Result<Map, String> {
        let values = copy(values);
        self.chart(chart, &values, "", Nulls::Keep)?;
        Ok(values)
    }

    /// Merges `under` into `over`, which wins; nulls stay.
    pub(crate) fn merge_tables(&mut self, over: &Map, under: &Map) {
        self.tables(over, under, "", Nulls::Keep);
    }

    /// Merges `under` into `over`, which wins; a null deletes what is under it.
    pub(crate) fn coalesce_tables(&mut self, over: &Map, under: &Map) {
        self.tables(over, under, "", Nulls::Delete);
    }

    fn chart(&mut self, chart: &Chart, values: &Map, prefix: &str, nulls: Nulls) -> Result<(), String> {
        let path = joined(prefix, chart.name());
        self.defaults(chart, values, &path, nulls);
        for child in &chart.dependencies {
            let inner = match values.get(child.name()) {
                None => {
                    let inner = Map::new();
                    values.insert(child.name(), Value::Map(inner.clone()));
                    inner
                }
                Some(Value::Map(inner)) => inner,
                Some(other) => {
                    let shown = go_bool_verb(&other);
                    return Err(format!("type mismatch on {}: {shown}", child.name()));
                }
            };
            self.globals(&inner, values, &path);
            self.chart(child, &inner, &path, nulls)?;
        }
        Ok(())
    }

    /// The chart's own defaults.
    fn defaults(&mut self, chart: &Chart, values: &Map, path: &str, nulls: Nulls) {
        for (key, default) in chart.values.deep_copy().entries() {
            match values.get(key.as_bytes()) {
                None => values.insert(key, default),
                Some(Value::Nil) if nulls == Nulls::Delete => {
                    values.remove(key.as_bytes());
                }
                Some(Value::Map(over)) => match default {
                    Value::Map(under) => {
                        let is_child = chart.dependencies.iter().any(|child| key == *child.name());
                        let nulls = if is_child { Nulls::Keep } else { nulls };
                        self.tables(&over, &under, &joined(path, &key.to_text()), nulls);
                    }
                    Value::Nil => {}
                    _ => self.warn(format!("skipped value for {path}.{key}: Not a table.")),
                },
                Some(_) => {}
            }
        }
    }

    /// The parent's globals, which go before the child's.
    fn globals(&mut self, child: &Map, parent: &Map, path: &str) {
        let table = |map: &Map| match map.get(GLOBAL) {
            None => Some(Map::new()),
            Some(Value::Map(globals)) => Some(globals),
            Some(_) => None,
        };
        let Some(into) = table(child) else {
            return self.warn(format!("skipping globals because destination {GLOBAL} is not a table."));
        };
        let Some(from) = table(parent) else {
            return self.warn(format!("skipping globals because source {GLOBAL} is not a table."));
        };
        for (key, value) in from.entries() {
            match (value, into.get(key.as_bytes())) {
                (Value::Map(value), None) => into.insert(key, Value::Map(value.shallow_copy())),
                (Value::Map(value), Some(Value::Map(own))) => {
                    let merged = value.shallow_copy();
                    self.tables(&merged, &own, &joined(path, &key.to_text()), Nulls::Keep);
                    into.insert(key, Value::Map(merged));
                }
                (Value::Map(_), Some(_)) => {
                    self.warn(format!("cannot merge map onto non-map for {key:?}. Skipping."));
                }
                (_, Some(Value::Map(_))) => self.warn(format!("key {key} is table. Skipping")),
                (value, _) => into.insert(key, value),
            }
        }
        child.insert(GLOBAL, Value::Map(into));
    }

    fn tables(&mut self, over: &Map, under: &Map, prefix: &str, nulls: Nulls) {
        let has_default = |key: &Str| under.get(key.as_bytes()).is_some_and(|value| !value.is_nil());
        let mut keys: Vec<(Str, bool)> =
            under.keys().into_iter().map(|key| (key.clone(), has_default(&key))).collect();
        for (key, value) in over.entries() {
            if value.is_nil() {
                if !under.contains_key(key.as_bytes()) {
                    keys.push((key.clone(), false));
                }
                under.insert(key, Value::Nil);
            }
        }
        for (key, had_default) in keys {
            let Some(default) = under.get(key.as_bytes()) else {
                continue;
            };
            match (over.get(key.as_bytes()), default) {
                (Some(Value::Nil), _) if nulls == Nulls::Delete && had_default => {
                    over.remove(key.as_bytes());
                }
                (None, default) => over.insert(key, default),
                (Some(Value::Map(over)), Value::Map(under)) => {
                    self.tables(&over, &under, &joined(prefix, &key.to_text()), nulls);
                }
                (Some(_), default @ Value::Map(_)) => {
                    let (path, shown) = (joined(prefix, &key.to_text()), shown(&default));
                    self.warn(format!("cannot overwrite table with non table for {path} ({shown})"));
                }
                (Some(Value::Map(_)), default) if !default.is_nil() => {
                    let (path, shown) = (joined(prefix, &key.to_text()), shown(&default));
                    self.warn(format!(
                        "destination for {path} is a table. Ignoring non-table value ({shown})"
                    ));
                }
                _ => {}
            }
        }
    }

    fn warn(&mut self, message: String) {
        self.warnings.push(message);
    }
}

/// The table at a path such as `a.b`; `None` if there is none.
pub(crate) fn table(values: &Map, path: &str) -> Option<Map> {
    path.split('.').try_fold(values.clone(), |map, key| match map.get(key) {
        Some(Value::Map(inner)) => Some(inner),
        _ => None,
    })
}

/// The value at a path such as `a.b`, which must not be a table.
pub(crate) fn path_value(values: &Map, path: &str) -> Option<Value> {
    let (table_path, key) = match path.rsplit_once('.') {
        Some((table_path, key)) => (Some(table_path), key),
        None => (None, path),
    };
    let map = match table_path {
        Some(path) => table(values, path)?,
        None => values.clone(),
    };
    map.get(key).filter(|value| !matches!(value, Value::Map(_)))
}

fn copy(values: &Map) -> Map {
    if values.is_nil() { Map::new() } else { values.deep_copy() }
}

fn joined(prefix: &str, key: &str) -> String {
    if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") }
}

fn shown(value: &Value) -> String {
    String::from_utf8_lossy(&gotemplate::format::sprint(std::slice::from_ref(value))).into_owned()
}

/// Helm prints the offending value with `%t`.
fn go_bool_verb(value: &Value) -> String {
    String::from_utf8_lossy(&gotemplate::format::sprintf(b"%t", std::slice::from_ref(value))).into_owned()
}
