//! Short, stable hashes of templates, as they end up in names and labels.

use std::collections::BTreeMap;

use serde_json::Value;

/// The hash of a template in the letters of generated names. The real one is taken over a print of Go structures, which
/// cannot be repeated here; this one is as stable and as long. `collisions` sets apart templates of equal hash.
pub(crate) fn template_hash(template: &Value, collisions: Option<i64>) -> String {
    let mut hash = fnv(0x811c_9dc5, canonical(template).as_bytes());
    if let Some(collisions) = collisions {
        hash = fnv(hash, &collisions.to_le_bytes());
    }
    safe(hash)
}

/// The hash of a StatefulSet's revision, which is that of the real one: it is taken over the JSON that is stored.
pub(crate) fn revision_hash(data: &Value, collisions: i64) -> String {
    let text = format!("{}{collisions}", canonical(data));
    let fnv1 = |hash: u32, byte: &u8| hash.wrapping_mul(0x0100_0193) ^ u32::from(*byte);
    digits(text.as_bytes().iter().fold(0x811c_9dc5, fnv1))
}

/// JSON as Go writes a map: keys in order, and without what HTML would read as its own.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<&String, &Value> = map.iter().collect();
            let fields: Vec<String> = sorted
                .into_iter()
                .map(|(key, value)| format!("{}:{}", canonical(&Value::from(key.as_str())), canonical(value)))
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        Value::String(_) => value
            .to_string()
            .replace('<', "\\u003c")
            .replace('>', "\\u003e")
            .replace('&', "\\u0026")
            .replace('\u{2028}', "\\u2028")
            .replace('\u{2029}', "\\u2029"),
        other => other.to_string(),
    }
}

/// Digits as letters that cannot form words (`rand.SafeEncodeString`).
fn safe(hash: u32) -> String {
    // Six digits at least: names are read by people who know the usual length.
    digits(if hash < 100_000 { hash + 4_000_000_000 } else { hash })
}

fn digits(hash: u32) -> String {
    const LETTERS: [char; 10] = ['4', '5', '6', '7', '8', '9', 'b', 'c', 'd', 'f'];
    hash.to_string().bytes().map(|digit| LETTERS[usize::from(digit - b'0')]).collect()
}

/// FNV-1a, 32 bits.
fn fnv(seed: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(seed, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_hash_depends_on_the_template_and_the_collisions_alone() {
        let template = json!({"spec": {"containers": [{"name": "a"}]}});
        assert_eq!(template_hash(&template, None), template_hash(&template.clone(), None));
        assert_ne!(template_hash(&template, None), template_hash(&template, Some(1)));
        assert!(template_hash(&template, None).chars().all(|c| "456789bcdf".contains(c)));
        assert_eq!(safe(1), "8444444445");
    }

    #[test]
    fn a_revision_has_the_hash_that_the_real_controller_gives_it() {
        let template = json!({
            "metadata": {"labels": {"app": "db"}},
            "spec": {
                "containers": [{
                    "name": "c", "image": "opsrun.test/pause:1", "imagePullPolicy": "IfNotPresent", "resources": {},
                    "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
                }],
                "dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "schedulerName": "default-scheduler",
                "securityContext": {}, "terminationGracePeriodSeconds": 0,
            },
            "$patch": "replace",
        });
        assert_eq!(revision_hash(&json!({"spec": {"template": template}}), 0), "cdbf5cdc6");
        assert_eq!(canonical(&json!({"b": "<&>", "a": 1})), r#"{"a":1,"b":"\u003c\u0026\u003e"}"#);
    }
}
