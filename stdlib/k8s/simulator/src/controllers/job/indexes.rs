//! The indexes of an indexed Job's pods: sets of them, as status and policies write them, and what a pod is given.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::controllers::object::annotation;

const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// Some of a Job's indexes, written `0-2,5`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Indexes(pub(super) BTreeSet<i64>);

impl Indexes {
    /// Reads a set; what is no index below `limit` is left out.
    pub(super) fn parse(text: &str, limit: i64) -> Self {
        let range = |part: &str| -> Option<std::ops::RangeInclusive<i64>> {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            Some(from.parse().ok()?..=to.parse::<i64>().ok()?.min(limit - 1))
        };
        Self(text.split(',').filter_map(range).flatten().collect())
    }

    pub(super) fn has(&self, index: i64) -> bool {
        self.0.contains(&index)
    }

    pub(super) fn count(&self) -> i64 {
        i64::try_from(self.0.len()).unwrap_or(i64::MAX)
    }

    pub(super) fn print(&self) -> String {
        let mut ranges: Vec<(i64, i64)> = Vec::new();
        for index in &self.0 {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == *index => *last = *index,
                _ => ranges.push((*index, *index)),
            }
        }
        let print = |(from, to): &(i64, i64)| match to - from {
            0 => from.to_string(),
            1 => format!("{from},{to}"),
            _ => format!("{from}-{to}"),
        };
        ranges.iter().map(print).collect::<Vec<_>>().join(",")
    }
}

pub(super) fn index_of(pod: &Value) -> Option<i64> {
    annotation(pod, INDEX)?.parse().ok()
}

/// An indexed pod knows its number by label, annotation, variable and host name.
pub(super) fn give_index(pod: &mut Value, job: &str, index: i64) {
    let text = index.to_string();
    pod["metadata"]["generateName"] = format!("{job}-{index}-").into();
    pod["metadata"]["labels"][INDEX] = text.clone().into();
    pod["metadata"]["annotations"][INDEX] = text.into();
    pod["spec"]["hostname"] = format!("{job}-{index}").into();
    let variable = json!({
        "name": "JOB_COMPLETION_INDEX",
        "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": format!("metadata.labels['{INDEX}']")}},
    });
    for field in ["containers", "initContainers"] {
        for container in pod["spec"].get_mut(field).and_then(Value::as_array_mut).into_iter().flatten() {
            match container.get_mut("env").and_then(Value::as_array_mut) {
                Some(env) => env.push(variable.clone()),
                None => container["env"] = json!([variable]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_printed_as_ranges() {
        for text in ["", "0", "0,1", "0-2", "0-2,5,7-9"] {
            assert_eq!(Indexes::parse(text, 10).print(), text);
        }
        assert_eq!(Indexes::parse("0-2,5,7-9", 6).print(), "0-2,5");
    }
}
