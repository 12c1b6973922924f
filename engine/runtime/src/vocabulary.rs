//! The words that grants and faults are written in: a pattern with another one could never match, and is refused with the
//! word that may be meant. It knows the systems' names and verbs, and not what they stand for.

use opsrun_core::{AccessPattern, Error, Result, glob};

use crate::run::Registry;

/// What the gate itself asks for, beside the systems.
const FILE: (&str, &[&str]) = ("file", &["read", "write"]);
const PROGRAM: (&str, &[&str]) = ("program", &["run"]);
const SECRET: (&str, &[&str]) = ("secret", &["read"]);
/// They stand for every verb of that effect.
const EFFECTS: [&str; 2] = ["read", "write"];

/// The names under which something leaves, each with its verbs; `None`: any.
#[derive(Debug, Clone)]
pub(crate) struct Vocabulary {
    systems: Vec<(&'static str, Option<&'static [&'static str]>)>,
}

impl Vocabulary {
    pub(crate) fn of(registry: Registry) -> Self {
        let systems = registry.systems().iter().map(|system| (system.name(), system.verbs()));
        let gate = [FILE, PROGRAM, SECRET].map(|(name, verbs)| (name, Some(verbs)));
        Vocabulary { systems: systems.chain(gate).collect() }
    }

    /// Refuses a pattern that no access can match.
    ///
    /// # Errors
    /// `Invalid`, naming the pattern and the word in it.
    pub(crate) fn check(&self, pattern: &AccessPattern) -> Result<()> {
        let speaking =
            || self.systems.iter().filter(|(_, verbs)| verbs.is_none_or(|verbs| !verbs.is_empty()));
        let named: Vec<_> = self.systems.iter().filter(|(name, _)| glob(pattern.system(), name)).collect();
        if named.is_empty() {
            let error = Error::invalid(format!("`{pattern}`: there is no system `{}`", pattern.system()));
            let names: Vec<&str> = speaking().map(|(name, _)| *name).collect();
            return Err(error.hint(suggestion(pattern.system(), &names, "the systems are")));
        }
        if let [(name, Some([]))] = named.as_slice() {
            let names: Vec<&str> = speaking().map(|(name, _)| *name).collect();
            let error = Error::invalid(format!("`{pattern}`: nothing leaves under the name `{name}`"));
            return Err(error.hint(format!(
                "grant what it asks of others: the systems that can be granted are `{}`",
                names.join("`, `")
            )));
        }
        let Some(verbs) = named.iter().map(|(_, verbs)| *verbs).collect::<Option<Vec<_>>>() else {
            return Ok(());
        };
        let verbs: Vec<&str> = verbs.concat();
        for wanted in pattern.verbs() {
            let wanted = wanted.to_ascii_lowercase();
            if !EFFECTS.contains(&wanted.as_str()) && !verbs.iter().any(|verb| glob(&wanted, verb)) {
                let error =
                    Error::invalid(format!("`{pattern}`: `{}` has no verb `{wanted}`", pattern.system()));
                let others = verbs.into_iter().filter(|verb| !EFFECTS.contains(verb));
                let known: Vec<&str> = EFFECTS.into_iter().chain(others).collect();
                return Err(error.hint(suggestion(&wanted, &known, "its verbs are")));
            }
        }
        Ok(())
    }
}

fn suggestion(wanted: &str, known: &[&str], are: &str) -> String {
    let near = known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(known, wanted), known))
        .min()
        .filter(|(distance, known)| *distance <= 2 && *distance < known.len());
    match near {
        Some((_, near)) => format!("did you mean `{near}`?"),
        None => format!("{are} `{}`", known.join("`, `")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_that_can_match_nothing_is_refused_with_the_word_that_may_be_meant() {
        let vocabulary = Vocabulary {
            systems: vec![
                ("http", None),
                ("k8s", Some(&["get", "patch"])),
                ("notify", Some(&[])),
                ("file", Some(&["read"])),
            ],
        };
        for (pattern, expected) in [
            ("k8s", None),
            ("* read", None),
            ("k8s read", None),
            ("k8s get,patch pods", None),
            ("k8s PA* pods", None),
            ("http PURGE cache", None),
            ("file read /etc/*", None),
            ("k9s get", Some("`k9s get`: there is no system `k9s`\n  hint: did you mean `k8s`?")),
            (
                "everything",
                Some(
                    "`everything`: there is no system `everything`\n  hint: the systems are `http`, `k8s`, `file`",
                ),
            ),
            (
                "k8s pacth pods",
                Some("`k8s pacth pods`: `k8s` has no verb `pacth`\n  hint: did you mean `patch`?"),
            ),
            (
                "k8s scale",
                Some(
                    "`k8s scale`: `k8s` has no verb `scale`\n  hint: its verbs are `read`, `write`, `get`, `patch`",
                ),
            ),
            (
                "notify write",
                Some(
                    "`notify write`: nothing leaves under the name `notify`\n  hint: grant what it asks of others: the \
                     systems that can be granted are `http`, `k8s`, `file`",
                ),
            ),
        ] {
            let parsed: AccessPattern = pattern.parse().expect(pattern);
            let refused = vocabulary.check(&parsed).err().map(|error| error.report());
            assert_eq!(refused.as_deref(), expected, "{pattern}");
        }
    }
}
