use std::collections::BTreeMap;

use opsrun_core::{Cx, Effect, Primitive, Result, Value};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::redis::access::Asked;
use crate::redis::client::Client;
use crate::redis::error::Failure;
use crate::redis::resp::Reply;

/// Gives what a server tells of itself (`INFO`), section by section.
///
/// Numbers are numbers, and what Redis writes as `a=1,b=2` is a map.
///
/// ```rhai
/// let info = redis::info();
/// assert(info.memory.used_memory < 4000000000 && info.replication.role == "master");
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Info {
    /// Only this section, such as `memory`.
    #[arg(positional)]
    section: Option<String>,
    /// One of the target's servers, by name; its own if left out.
    server: Option<String>,
}

/// By section and name.
pub(crate) type Sections = BTreeMap<String, BTreeMap<String, Value>>;

impl Primitive for Info {
    const PATH: &'static str = "redis::info";
    const EFFECT: Effect = Effect::Read;
    type Out = Sections;

    async fn run(self, cx: &Cx) -> Result<Sections> {
        info(&Client::new(cx, self.server.as_deref(), None).await?, self.section).await
    }
}

pub(crate) async fn info(client: &Client, section: Option<String>) -> Result<Sections> {
    let asked = Asked::read("info", client.database(), None);
    let text = client.converse(asked, |session| {
        Box::pin(async move {
            let command: Vec<&[u8]> =
                [b"INFO".as_slice()].into_iter().chain(section.as_deref().map(str::as_bytes)).collect();
            match session.ask(&command).await? {
                Reply::Bytes(text) => Ok(String::from_utf8_lossy(&text).into_owned()),
                other => Err(Failure::unexpected(&format!("{other:?} instead of a text"))),
            }
        })
    });
    Ok(sections(&text.await?))
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
