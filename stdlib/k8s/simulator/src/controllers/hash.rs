//! Short, stable hashes of templates, as they end up in names and labels.

use serde_json::Value;

/// The hash of a template in the letters of generated names. The real one is taken over a print of Go structures, which
/// cannot be repeated here; this one is as stable and as long. `collisions` sets apart templates of equal hash.
pub(crate) fn template_hash(template: &Value, collisions: Option<i64>) -> String {
    let mut hash = fnv(0x811c_9dc5, template.to_string().as_bytes());
    if let Some(collisions) = collisions {
        hash = fnv(hash, &collisions.to_le_bytes());
    }
    safe(hash)
}

/// Digits as letters that cannot form words (`rand.SafeEncodeString`).
fn safe(hash: u32) -> String {
    const LETTERS: [char; 10] = ['4', '5', '6', '7', '8', '9', 'b', 'c', 'd', 'f'];
    // Six digits at least: names are read by people who know the usual length.
    let hash = if hash < 100_000 { hash + 4_000_000_000 } else { hash };
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
}
