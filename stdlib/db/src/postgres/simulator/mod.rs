//! PostgreSQL in an estate: servers by their addresses, which hold real rows and speak the protocol.

mod section;
mod server;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt;
use http::Uri;
use opsrun_core::{BoxFuture, Program, ProgramEnd, Result, Simulator, Surroundings, Value};
use opsrun_db_simulator::postgres::{PgProgram, Server, serve};
use serde_json::json;
use tokio::io::DuplexStream;

use self::section::OfServer;
use self::server::Simulated;
use crate::estate::Servers;
use crate::postgres::SYSTEM;

/// The servers of an estate's section; `None` if it has none.
///
/// # Errors
/// `Invalid`, naming server, database and what cannot be used.
pub(crate) fn start(
    section: Option<&Value>,
    surroundings: &Surroundings,
) -> Result<Option<Arc<dyn Simulator>>> {
    let Some(section) = section else { return Ok(None) };
    let start = |server: &OfServer| Simulated::start(server, surroundings);
    Ok(Some(Arc::new(Estate(Servers::start(section, "db.example:5432", start)?))))
}

struct Estate(Servers<Simulated>);

/// What a connection holds back.
const BUFFER: usize = 64 << 10;
const PORT: u16 = 5432;

impl Simulator for Estate {
    fn connect(&self, system: &str, to: &Uri) -> Option<DuplexStream> {
        let server: Arc<dyn Server> = self.0.at(to, PORT).filter(|_| system == SYSTEM)?.clone();
        let (near, far) = tokio::io::duplex(BUFFER);
        // Who hangs up in the middle ends the session, and that is all.
        tokio::spawn(serve(far, server));
        Some(near)
    }

    fn program(&self, program: &Program, stream: DuplexStream) -> Option<BoxFuture<'static, ProgramEnd>> {
        let asked = PgProgram::of(&program.name, &program.args, &program.env)?;
        let server = self.0.get(&asked.address)?.clone();
        Some(
            async move {
                let (code, stderr) = asked.run(server, stream).await;
                ProgramEnd { code: Some(code), stderr }
            }
            .boxed(),
        )
    }

    fn section(&self) -> Value {
        self.0.target.clone()
    }

    /// Of each table, how many rows it has, and their checksum.
    fn snapshot(&self) -> BTreeMap<String, Value> {
        let mut all = BTreeMap::new();
        for (address, server) in self.0.primaries() {
            for name in server.databases() {
                let Ok(database) = server.read(&name) else { continue };
                all.insert(format!("{address}/{name}"), json!("a database"));
                for (table, content) in database.tables() {
                    let (rows, checksum) = content.checksum(|_| true);
                    all.insert(
                        format!("{address}/{name} {table}"),
                        json!({ "rows": rows, "checksum": checksum }),
                    );
                }
            }
        }
        all
    }

    fn fork(&self, surroundings: &Surroundings) -> Option<Arc<dyn Simulator>> {
        Some(Arc::new(Estate(self.0.fork(surroundings))))
    }
}
