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
use crate::estate::Section;
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
    let section = Section::<OfServer>::read(section, "db.example:5432")?;
    let servers = section.started(
        |server| Ok(Arc::new(Simulated::start(server, surroundings)?)),
        |source, lag| Arc::new(source.replica(lag)),
    )?;
    Ok(Some(Arc::new(Estate { target: section.target, servers })))
}

struct Estate {
    /// What the target's section has to say instead of what it says.
    target: Value,
    servers: BTreeMap<String, Arc<Simulated>>,
}

/// How a program of PostgreSQL ends.
fn ended(done: std::result::Result<(), String>) -> ProgramEnd {
    match done {
        Ok(()) => ProgramEnd { code: Some(0), stderr: Vec::new() },
        Err(said) => ProgramEnd { code: Some(1), stderr: said.into_bytes() },
    }
}

/// What a connection holds back.
const BUFFER: usize = 64 << 10;
const PORT: u16 = 5432;

impl Simulator for Estate {
    fn connect(&self, system: &str, to: &Uri) -> Option<DuplexStream> {
        let address = format!("{}:{}", to.host()?, to.port_u16().unwrap_or(PORT));
        let server: Arc<dyn Server> = self.servers.get(&address).filter(|_| system == SYSTEM)?.clone();
        let (near, far) = tokio::io::duplex(BUFFER);
        // Who hangs up in the middle ends the session, and that is all.
        tokio::spawn(serve(far, server));
        Some(near)
    }

    fn program(&self, program: &Program, stream: DuplexStream) -> Option<BoxFuture<'static, ProgramEnd>> {
        let asked = PgProgram::of(&program.name, &program.args, &program.env)?;
        let server = self.servers.get(&asked.address)?.clone();
        Some(async move { ended(asked.run(server, stream).await) }.boxed())
    }

    fn section(&self) -> Value {
        self.target.clone()
    }

    /// Of each table, how many rows it has, and their checksum.
    fn snapshot(&self) -> BTreeMap<String, Value> {
        let mut all = BTreeMap::new();
        let primaries = self.servers.iter().filter(|(_, server)| !server.is_replica());
        for (address, server) in primaries {
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
        let mut servers: BTreeMap<String, Arc<Simulated>> = BTreeMap::new();
        for (address, server) in self.servers.iter().filter(|(_, server)| !server.is_replica()) {
            servers.insert(address.clone(), Arc::new(server.fork(surroundings)));
        }
        for (address, server) in self.servers.iter().filter(|(_, server)| server.is_replica()) {
            let (source, lag) = server.follows()?;
            let found = self.servers.iter().find(|(_, known)| known.is(source))?.0;
            let follower = servers.get(found)?.replica(lag);
            servers.insert(address.clone(), Arc::new(follower));
        }
        Some(Arc::new(Estate { target: self.target.clone(), servers }))
    }
}
