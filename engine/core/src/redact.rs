//! Hides the values that must not be written out: every text that leaves a run for a person or a file passes here.

use std::borrow::Cow;
use std::sync::RwLock;

/// Knows a run's secret values. Values of fewer than four characters are not hidden: they would hide everything else.
#[derive(Debug, Default)]
pub struct Redactor {
    values: RwLock<Vec<(String, String)>>,
}

const SHORTEST: usize = 4;

impl Redactor {
    /// From now on `value` is shown as `‹name›`.
    pub fn hide(&self, name: &str, value: &str) {
        if value.len() < SHORTEST {
            return;
        }
        let mut values = self.values.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if values.iter().all(|(known, _)| known != value) {
            values.push((value.to_owned(), format!("‹{name}›")));
            // A value that contains another one must be replaced first.
            values.sort_by_key(|(known, _)| std::cmp::Reverse(known.len()));
        }
    }

    /// Whether something in `text` was hidden.
    pub fn has_marker(text: &str) -> bool {
        text.split_once('‹').is_some_and(|(_, rest)| rest.contains('›'))
    }

    pub fn apply<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let values = self.values.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut text = Cow::Borrowed(text);
        for (value, shown) in values.iter() {
            if text.contains(value.as_str()) {
                text = Cow::Owned(text.replace(value.as_str(), shown));
            }
        }
        text
    }

    /// The same for every string in a JSON value.
    pub fn apply_value(&self, value: &mut serde_json::Value) {
        match value {
            serde_json::Value::String(text) => {
                if let Cow::Owned(hidden) = self.apply(text) {
                    *text = hidden;
                }
            }
            serde_json::Value::Array(items) => items.iter_mut().for_each(|item| self.apply_value(item)),
            serde_json::Value::Object(map) => map.values_mut().for_each(|item| self.apply_value(item)),
            _ => {}
        }
    }
}
