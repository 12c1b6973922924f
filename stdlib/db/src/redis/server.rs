//! What a server tells of itself, within a conversation.

use std::collections::BTreeMap;

use opsrun_core::Value;

use crate::redis::error::Failure;
use crate::redis::resp::Reply;
use crate::redis::session::Session;

/// By section and name.
pub(crate) type Sections = BTreeMap<String, BTreeMap<String, Value>>;

/// `INFO`, all of it or one section.
pub(crate) async fn info(session: &mut Session, section: Option<&str>) -> Result<Sections, Failure> {
    let command: Vec<&[u8]> = [b"INFO".as_slice()].into_iter().chain(section.map(str::as_bytes)).collect();
    match session.ask(&command).await? {
        Reply::Bytes(text) => Ok(sections(&String::from_utf8_lossy(&text))),
        other => Err(Failure::unexpected(&format!("{other:?} instead of a text"))),
    }
}

/// `7.0.15`
pub(crate) async fn version(session: &mut Session) -> Result<String, Failure> {
    let told = info(session, Some("server")).await?;
    let version = told.get("server").and_then(|server| server.get("redis_version")?.as_str());
    Ok(version.unwrap_or("of an unknown version").to_owned())
}

/// How many keys each database has; those without any are left out.
pub(crate) async fn keys_by_database(session: &mut Session) -> Result<BTreeMap<String, u64>, Failure> {
    let keyspace = info(session, Some("keyspace")).await?.remove("keyspace").unwrap_or_default();
    let counts = keyspace.into_iter().map(|(name, counts)| {
        let number = name.strip_prefix("db").map(str::to_owned);
        number.zip(counts.get("keys").and_then(Value::as_u64))
    });
    let counts: Option<_> = counts.collect();
    counts.ok_or_else(|| Failure::unexpected("what it tells of its databases cannot be read"))
}

/// Whether there are functions; `None` if the server knows none at all.
pub(crate) async fn has_functions(session: &mut Session) -> Result<Option<bool>, Failure> {
    match session.ask(&[b"FUNCTION", b"LIST"]).await {
        Ok(Reply::Array(libraries)) => Ok(Some(!libraries.is_empty())),
        Ok(other) => Err(Failure::unexpected(&format!("{other:?} instead of functions"))),
        Err(Failure::Refused(said)) if said.contains("unknown command") => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn sections(text: &str) -> Sections {
    let (mut sections, mut current) = (Sections::new(), String::new());
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("# ") {
            current = name.trim().to_lowercase();
        } else if let Some((name, value)) = line.split_once(':') {
            sections.entry(current.clone()).or_default().insert(name.to_owned(), told(value.trim()));
        }
    }
    sections
}

fn told(text: &str) -> Value {
    let pairs: Option<Vec<_>> = text.split(',').map(|pair| pair.split_once('=')).collect();
    match pairs {
        Some(pairs) => pairs.into_iter().map(|(name, value)| (name.to_owned(), plain(value))).collect(),
        None => plain(text),
    }
}

fn plain(text: &str) -> Value {
    let whole = text.parse::<i64>().ok().map(Value::from);
    let number = || text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from);
    whole.or_else(number).unwrap_or_else(|| text.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::sections;

    #[test]
    fn what_a_server_tells_is_read_by_section() {
        let text = "# Server\r\nredis_version:7.0.15\r\nos:Linux 6 x86_64\r\n\r\n# Memory\r\nused_memory:1024\r\nratio:1.25\r\n\
                    # Keyspace\r\ndb0:keys=2,expires=1,avg_ttl=0\r\n";
        assert_eq!(
            json!(sections(text)),
            json!({
                "server": { "redis_version": "7.0.15", "os": "Linux 6 x86_64" },
                "memory": { "used_memory": 1024, "ratio": 1.25 },
                "keyspace": { "db0": { "keys": 2, "expires": 1, "avg_ttl": 0 } },
            })
        );
    }
}
