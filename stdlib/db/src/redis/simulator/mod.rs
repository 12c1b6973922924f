//! Redis in an estate: servers by their addresses, which hold real keys and speak the protocol.

mod section;
mod server;

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Uri;
use jiff::Timestamp;
use opsrun_core::{Result, Simulator, Surroundings, Value};
use opsrun_db_simulator::redis::{Server, serve};
use serde_json::json;
use tokio::io::DuplexStream;

use self::section::{OfServer, shown};
use self::server::Simulated;
use crate::estate::Servers;
use crate::redis::SYSTEM;

/// The servers of an estate's section; `None` if it has none.
///
/// # Errors
/// `Invalid`, naming server, database and key, and what cannot be used.
pub(crate) fn start(
    section: Option<&Value>,
    surroundings: &Surroundings,
) -> Result<Option<Arc<dyn Simulator>>> {
    let Some(section) = section else { return Ok(None) };
    let start = |server: &OfServer| Simulated::start(server, surroundings);
    Ok(Some(Arc::new(Estate(Servers::start(section, "cache.example:6379", start)?))))
}

struct Estate(Servers<Simulated>);

/// What a connection holds back.
const BUFFER: usize = 64 << 10;
const PORT: u16 = 6379;

impl Simulator for Estate {
    fn connect(&self, system: &str, to: &Uri) -> Option<DuplexStream> {
        let server: Arc<dyn Server> = self.0.at(to, PORT).filter(|_| system == SYSTEM)?.clone();
        let (near, far) = tokio::io::duplex(BUFFER);
        // Who hangs up in the middle ends the session, and that is all.
        tokio::spawn(serve(far, server));
        Some(near)
    }

    fn section(&self) -> Value {
        self.0.target.clone()
    }

    /// Each key, with what it has, and whether it ends. One whose time has come is still told: nobody has changed it.
    fn snapshot(&self) -> BTreeMap<String, Value> {
        let mut all = BTreeMap::new();
        for (address, server) in self.0.primaries() {
            let content = server.content();
            for database in content.databases() {
                for (key, held) in content.keys(Timestamp::MIN, database) {
                    let name = format!("{address}/{database} {}", key.escape_ascii());
                    let value = json!({ "value": shown(&held.value), "ends": held.expires.is_some() });
                    all.insert(name, value);
                }
            }
        }
        all
    }

    fn fork(&self, surroundings: &Surroundings) -> Option<Arc<dyn Simulator>> {
        Some(Arc::new(Estate(self.0.fork(surroundings))))
    }
}
