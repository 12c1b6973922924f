//! What a request asks of which system, and the patterns by which grants and faults speak of that.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Effect;

/// One request, as a system tells the gate: `k8s patch deployments/api in workflow-prod`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    pub system: String,
    /// In the system's own terms: `patch`, `POST`, `read`, `run`.
    pub verb: String,
    /// The kind of thing: `deployments`, `pods/exec`, a host, a path, a program.
    pub resource: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    pub effect: Effect,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.system, self.verb, self.resource)?;
        if let Some(name) = &self.name {
            write!(f, "/{name}")?;
        }
        match &self.namespace {
            Some(namespace) => write!(f, " in {namespace}"),
            None => Ok(()),
        }
    }
}

/// `SYSTEM [VERB,… [RESOURCE[/NAME] [in NAMESPACE]]]`; `*` stands for any characters, and what is left out for anything.
/// The verbs `read` and `write` stand for every verb of that effect. A subresource is named in full: `pods/exec`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessPattern {
    system: String,
    verbs: Vec<String>,
    resource: String,
    namespace: Option<String>,
}

/// A pattern that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an access pattern: write it like `k8s patch deployments`, `k8s read * in prod` or `http POST hooks.slack.com`"
)]
pub struct PatternError(String);

impl AccessPattern {
    pub fn matches(&self, access: &Access) -> bool {
        glob(&self.system, &access.system)
            && self.verbs.iter().any(|verb| verb_matches(verb, access))
            && self.resource_matches(access)
            && match (&self.namespace, &access.namespace) {
                (None, _) => true,
                (Some(pattern), Some(namespace)) => glob(pattern, namespace),
                (Some(_), None) => false,
            }
    }

    pub fn system(&self) -> &str {
        &self.system
    }

    pub fn verbs(&self) -> &[String] {
        &self.verbs
    }

    /// As it was written: `deployments`, a host; `*` for any.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    fn resource_matches(&self, access: &Access) -> bool {
        if glob(&self.resource, &access.resource) {
            return true;
        }
        match &access.name {
            Some(name) => glob(&self.resource, &format!("{}/{name}", access.resource)),
            None => false,
        }
    }
}

fn verb_matches(verb: &str, access: &Access) -> bool {
    match verb {
        "read" if access.effect == Effect::Read => true,
        "write" if access.effect == Effect::Write => true,
        _ => glob(&verb.to_ascii_lowercase(), &access.verb.to_ascii_lowercase()),
    }
}

impl FromStr for AccessPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (path, namespace) = match words.as_slice() {
            [path @ .., "in", namespace] => (path, Some((*namespace).to_owned())),
            path => (path, None),
        };
        let (system, verbs, resource) = match path {
            [system] => (*system, "*", "*"),
            [system, verbs] => (*system, *verbs, "*"),
            [system, verbs, resource] => (*system, *verbs, *resource),
            _ => return Err(PatternError(text.to_owned())),
        };
        Ok(AccessPattern {
            system: system.to_owned(),
            verbs: verbs.split(',').map(str::to_owned).collect(),
            resource: resource.to_owned(),
            namespace,
        })
    }
}

impl fmt::Display for AccessPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verbs = self.verbs.join(",");
        f.write_str(&self.system)?;
        match (&self.namespace, self.resource.as_str(), verbs.as_str()) {
            (Some(namespace), resource, verbs) => write!(f, " {verbs} {resource} in {namespace}"),
            (None, "*", "*") => Ok(()),
            (None, "*", verbs) => write!(f, " {verbs}"),
            (None, resource, verbs) => write!(f, " {verbs} {resource}"),
        }
    }
}

/// Whether `text` is what `pattern` says, in which `*` stands for any characters, also none.
pub fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(
        text: (&str, &str, &str),
        name: Option<&str>,
        namespace: Option<&str>,
        effect: Effect,
    ) -> Access {
        Access {
            system: text.0.into(),
            verb: text.1.into(),
            resource: text.2.into(),
            name: name.map(Into::into),
            namespace: namespace.map(Into::into),
            effect,
        }
    }

    #[test]
    fn a_pattern_matches_what_it_names_and_nothing_else() {
        let patch = access(("k8s", "patch", "deployments"), Some("api"), Some("prod"), Effect::Write);
        for (pattern, expected) in [
            ("k8s", true),
            ("k8s patch", true),
            ("k8s patch deployments", true),
            ("k8s patch deployments/api", true),
            ("k8s patch deployments/app", false),
            ("k8s get,patch deploy* in prod", true),
            ("k8s patch deployments in staging", false),
            ("k8s write * in p*d", true),
            ("k8s read", false),
            ("http patch deployments", false),
        ] {
            let parsed: AccessPattern = pattern.parse().expect(pattern);
            assert_eq!(parsed.matches(&patch), expected, "{pattern}");
            assert_eq!(parsed.to_string(), pattern, "it is shown as it is written");
        }
    }

    #[test]
    fn a_pattern_that_cannot_be_read_says_how_to_write_it() {
        for text in ["", "a b c d", "k8s patch deployments prod"] {
            let error = text.parse::<AccessPattern>().expect_err(text);
            assert!(error.to_string().contains("write it like"));
        }
    }
}
