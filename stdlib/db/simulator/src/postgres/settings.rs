//! The settings of a session: `SHOW`, `SET`, `current_setting`.

use std::collections::BTreeMap;

use super::PgError;

/// What every session has until it is set otherwise.
const DEFAULTS: &[(&str, &str)] = &[
    ("application_name", ""),
    ("bytea_output", "hex"),
    ("client_encoding", "UTF8"),
    ("client_min_messages", "notice"),
    ("datestyle", "ISO, MDY"),
    ("default_table_access_method", "heap"),
    ("default_tablespace", ""),
    ("default_toast_compression", "pglz"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_read_only", "off"),
    ("default_transaction_deferrable", "off"),
    ("extra_float_digits", "1"),
    ("idle_in_transaction_session_timeout", "0"),
    ("in_hot_standby", "off"),
    ("integer_datetimes", "on"),
    ("intervalstyle", "postgres"),
    ("is_superuser", "on"),
    ("lc_collate", "C"),
    ("lc_ctype", "C"),
    ("lock_timeout", "0"),
    ("max_connections", "100"),
    ("row_security", "on"),
    ("search_path", "\"$user\", public"),
    ("server_encoding", "UTF8"),
    ("server_version", ""),
    ("server_version_num", ""),
    ("session_authorization", ""),
    ("standard_conforming_strings", "on"),
    ("statement_timeout", "0"),
    ("synchronous_commit", "on"),
    ("timezone", "UTC"),
    ("transaction_isolation", "read committed"),
    ("transaction_read_only", "off"),
    ("wal_level", "replica"),
    ("work_mem", "4MB"),
    ("xmloption", "content"),
];

/// Settings that nobody sets.
const FIXED: &[&str] = &[
    "in_hot_standby",
    "integer_datetimes",
    "is_superuser",
    "lc_collate",
    "lc_ctype",
    "server_encoding",
    "server_version",
    "server_version_num",
];
/// Settings of the server as a whole.
const OF_SERVER: &[&str] = &["max_connections", "wal_level"];

const BOOLEANS: &[&str] = &[
    "default_transaction_read_only",
    "default_transaction_deferrable",
    "row_security",
    "standard_conforming_strings",
    "transaction_read_only",
];

/// Settings that a client is told of.
const REPORTED: &[(&str, &str)] = &[
    ("application_name", "application_name"),
    ("client_encoding", "client_encoding"),
    ("datestyle", "DateStyle"),
    ("default_transaction_read_only", "default_transaction_read_only"),
    ("in_hot_standby", "in_hot_standby"),
    ("integer_datetimes", "integer_datetimes"),
    ("intervalstyle", "IntervalStyle"),
    ("is_superuser", "is_superuser"),
    ("server_encoding", "server_encoding"),
    ("server_version", "server_version"),
    ("session_authorization", "session_authorization"),
    ("standard_conforming_strings", "standard_conforming_strings"),
    ("timezone", "TimeZone"),
];

type Values = BTreeMap<String, String>;

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    defaults: Values,
    values: Values,
    /// As they were when the transaction began.
    before: Option<Values>,
    /// Those of `SET LOCAL`, with what they were before.
    local: Values,
}

impl Settings {
    pub(crate) fn new(version: &str, user: &str, recovery: bool) -> Self {
        let mut defaults: Values =
            DEFAULTS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let number = version.split_once('.').unwrap_or((version, "0"));
        let number = format!("{}{:0>4}", number.0, number.1);
        let on = if recovery { "on" } else { "off" };
        for (name, value) in [
            ("server_version", version),
            ("server_version_num", &number),
            ("session_authorization", user),
            ("in_hot_standby", on),
            ("transaction_read_only", on),
        ] {
            defaults.insert(name.to_owned(), value.to_owned());
        }
        Settings { values: defaults.clone(), defaults, before: None, local: Values::new() }
    }

    /// # Errors
    /// 42704
    pub(crate) fn get(&self, name: &str) -> Result<String, PgError> {
        let known = self.values.get(&name.to_ascii_lowercase()).cloned();
        known.ok_or_else(|| unknown(name))
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(|value| value == "on")
    }

    /// What a client is told of, with the names that it knows.
    /// Whether intervals are told as ISO 8601 has them.
    pub(crate) fn has_iso_intervals(&self) -> bool {
        self.get("intervalstyle").is_ok_and(|style| style == "iso_8601")
    }

    pub(crate) fn reported(&self) -> Vec<(&'static str, String)> {
        REPORTED
            .iter()
            .filter_map(|(name, shown)| self.values.get(*name).map(|value| (*shown, value.clone())))
            .collect()
    }

    /// Sets it, or with `None` to what it is by itself.
    ///
    /// # Errors
    /// 42704, 55P02, 22023; 0A000 for values that are not simulated.
    pub(crate) fn set(&mut self, name: &str, value: Option<&str>, local: bool) -> Result<(), PgError> {
        let key = name.to_ascii_lowercase();
        let custom = key.contains('.');
        if !custom && !self.values.contains_key(&key) {
            return Err(unknown(name));
        }
        if FIXED.contains(&key.as_str()) {
            return Err(PgError::new("55P02", format!("parameter \"{name}\" cannot be changed")));
        }
        if OF_SERVER.contains(&key.as_str()) {
            return Err(PgError::new(
                "55P02",
                format!("parameter \"{name}\" cannot be changed without restarting the server"),
            ));
        }
        let value = match value {
            Some(value) => checked(&key, value)?,
            None => self.defaults.get(&key).cloned().unwrap_or_default(),
        };
        let before = self.values.insert(key.clone(), value);
        if local {
            self.local.entry(key).or_insert(before.unwrap_or_default());
        } else {
            self.local.remove(&key);
        }
        Ok(())
    }

    pub(crate) fn reset_all(&mut self) {
        let user = self.values.get("session_authorization").cloned();
        self.values.clone_from(&self.defaults);
        if let Some(user) = user {
            self.values.insert("session_authorization".to_owned(), user);
        }
    }

    /// What the client set when it connected is what it is by itself.
    pub(crate) fn keep_as_defaults(&mut self) {
        self.defaults.clone_from(&self.values);
    }

    pub(crate) fn begin(&mut self) {
        self.before = Some(self.values.clone());
        self.local.clear();
        for (of, default) in [
            ("transaction_read_only", "default_transaction_read_only"),
            ("transaction_isolation", "default_transaction_isolation"),
        ] {
            if self.is_on("in_hot_standby") && of == "transaction_read_only" {
                continue;
            }
            if let Some(value) = self.values.get(default).cloned() {
                self.values.insert(of.to_owned(), value);
            }
        }
    }

    pub(crate) fn end(&mut self, committed: bool) {
        let before = self.before.take();
        match before {
            Some(before) if !committed => self.values = before,
            _ => self.values.append(&mut self.local),
        }
        self.local.clear();
        let read_only = self.is_on("in_hot_standby") || self.is_on("default_transaction_read_only");
        let value = if read_only { "on" } else { "off" };
        self.values.insert("transaction_read_only".to_owned(), value.to_owned());
    }
}

fn unknown(name: &str) -> PgError {
    PgError::new("42704", format!("unrecognized configuration parameter \"{name}\""))
}

fn checked(name: &str, value: &str) -> Result<String, PgError> {
    let lower = value.to_ascii_lowercase();
    let unsimulated = || PgError::unsupported(format_args!("the value \"{value}\" of {name}"));
    if BOOLEANS.contains(&name) {
        return match lower.as_str() {
            "on" | "true" | "yes" | "1" => Ok("on".to_owned()),
            "off" | "false" | "no" | "0" => Ok("off".to_owned()),
            _ => Err(PgError::new("22023", format!("parameter \"{name}\" requires a Boolean value"))),
        };
    }
    match name {
        "timezone" => match lower.as_str() {
            "utc" | "gmt" | "etc/utc" | "z" | "0" => Ok(if lower == "0" { "UTC" } else { value }.to_owned()),
            _ => Err(unsimulated()),
        },
        "datestyle" if lower.starts_with("iso") => Ok("ISO, MDY".to_owned()),
        "intervalstyle" if lower == "postgres" || lower == "iso_8601" => Ok(lower),
        "bytea_output" if lower == "hex" => Ok(lower),
        "client_encoding" if matches!(lower.as_str(), "utf8" | "utf-8" | "unicode") => Ok("UTF8".to_owned()),
        "datestyle" | "intervalstyle" | "bytea_output" | "client_encoding" => Err(unsimulated()),
        _ => Ok(value.to_owned()),
    }
}
