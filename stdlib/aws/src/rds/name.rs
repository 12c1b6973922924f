//! Names as RDS takes them: checked before anything is sent, and in small letters, as it keeps them.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name of an instance: letters, digits and single hyphens, at most 63.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub(crate) struct InstanceName(String);

/// The name of a snapshot: letters, digits and single hyphens, at most 255.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub(crate) struct SnapshotName(String);

/// A snapshot by its name, or by its ARN, as one of another account or region is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub(crate) enum SnapshotRef {
    Named(SnapshotName),
    Arn { arn: String, region: String, name: String },
}

/// An instance, `NAME` or `db/NAME`, or a snapshot, `snapshot/NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub(crate) enum Thing {
    Instance(InstanceName),
    Snapshot(SnapshotRef),
}

/// # Errors
/// What is wrong with it, and what would be right.
pub(crate) fn checked(service: &str, name: &str, most: usize) -> Result<String, String> {
    let lower = name.to_ascii_lowercase();
    // AWS calls its own `rds:NAME`.
    let own = lower.strip_prefix("rds:").unwrap_or(&lower);
    let good = own.starts_with(|c: char| c.is_ascii_lowercase())
        && own.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !own.ends_with('-')
        && !own.contains("--");
    if good && lower.len() <= most {
        return Ok(lower);
    }
    let cleaned: String =
        lower.chars().map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' }).collect();
    let parts: Vec<&str> = cleaned.split('-').filter(|part| !part.is_empty()).collect();
    let better = parts.join("-");
    let better = if better.len() > most || !better.starts_with(|c: char| c.is_ascii_lowercase()) {
        String::new()
    } else {
        format!("; `{better}` would be one")
    };
    Err(format!(
        "`{name}` is no name for {service}, which takes letters, digits and single hyphens, a letter first, at most {most} of them{better}"
    ))
}

macro_rules! name {
    ($type:ident, $service:literal, $most:literal) => {
        impl TryFrom<String> for $type {
            type Error = String;

            fn try_from(name: String) -> Result<Self, String> {
                $crate::rds::checked($service, &name, $most).map($type)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl $type {
            pub(crate) fn as_str(&self) -> &str {
                &self.0
            }
        }
    };
}

name!(InstanceName, "RDS", 63);
name!(SnapshotName, "RDS", 255);
pub(crate) use name as named;

impl SnapshotRef {
    /// As AWS takes it.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            SnapshotRef::Named(name) => name.as_str(),
            SnapshotRef::Arn { arn, .. } => arn,
        }
    }
}

impl TryFrom<String> for SnapshotRef {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix("arn:") else {
            return SnapshotName::try_from(text).map(SnapshotRef::Named);
        };
        let parts: Vec<&str> = rest.splitn(6, ':').collect();
        match parts.as_slice() {
            [_, "rds", region, _, "snapshot", name] => Ok(SnapshotRef::Arn {
                region: (*region).to_owned(),
                name: (*name).to_owned(),
                arn: text.clone(),
            }),
            _ => Err(format!("`{text}` is no ARN of a snapshot: arn:aws:rds:REGION:ACCOUNT:snapshot:NAME")),
        }
    }
}

impl From<SnapshotRef> for String {
    fn from(snapshot: SnapshotRef) -> String {
        snapshot.as_str().to_owned()
    }
}

impl fmt::Display for SnapshotRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl TryFrom<String> for Thing {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.split_once('/') {
            Some(("snapshot", name)) => SnapshotRef::try_from(name.to_owned()).map(Thing::Snapshot),
            Some(("db", name)) => InstanceName::try_from(name.to_owned()).map(Thing::Instance),
            Some(_) => Err(format!("`{text}` is neither `db/NAME` nor `snapshot/NAME`")),
            None if text.starts_with("arn:") => SnapshotRef::try_from(text).map(Thing::Snapshot),
            None => InstanceName::try_from(text).map(Thing::Instance),
        }
    }
}

impl From<Thing> for String {
    fn from(thing: Thing) -> String {
        match thing {
            Thing::Instance(name) => format!("db/{name}"),
            Thing::Snapshot(name) => format!("snapshot/{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_rds_would_refuse_is_refused_with_one_that_it_takes() {
        let name = |text: &str| InstanceName::try_from(text.to_owned()).map(String::from);
        assert_eq!(name("Workflow-Prod").as_deref(), Ok("workflow-prod"));
        for (wrong, better) in [
            ("before-1.4.0", "`before-1-4-0` would be one"),
            ("a--b-", "`a-b` would be one"),
            ("1st", "at most 63 of them"),
            ("", "at most 63 of them"),
        ] {
            let error = name(wrong).expect_err(wrong);
            assert!(error.ends_with(better), "{error}");
        }
        let thing = |text: &str| Thing::try_from(text.to_owned()).map(String::from);
        assert_eq!(thing("prod").as_deref(), Ok("db/prod"));
        assert_eq!(thing("snapshot/a").as_deref(), Ok("snapshot/a"));
        let arn = "arn:aws:rds:us-west-2:111122223333:snapshot:a";
        assert_eq!(thing(arn), Ok(format!("snapshot/{arn}")));
        assert!(thing("bucket/a").is_err());
    }
}
