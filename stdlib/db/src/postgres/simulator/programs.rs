//! `pg_dump` and `pg_restore` of an estate, as far as we run them. What they write and read is a format of the simulation's own.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt;
use opsrun_core::{BoxFuture, Program, ProgramEnd};
use opsrun_db_simulator::postgres::{DumpOptions, PgError, Server, pg_dump, pg_restore};
use opsrun_db_simulator::rows::Database;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::server::Simulated;
use crate::postgres::programs::MAGIC;

/// A program that works on one of these servers; `None` if it is none of PostgreSQL's, or for another server.
pub(super) fn run(
    servers: &BTreeMap<String, Arc<Simulated>>,
    program: &Program,
    stream: DuplexStream,
) -> Option<BoxFuture<'static, ProgramEnd>> {
    let dumps = match program.name.as_str() {
        "pg_dump" => true,
        "pg_restore" => false,
        _ => return None,
    };
    let asked = Asked::of(program);
    let server = servers.get(&asked.address)?.clone();
    Some(
        async move {
            let done = match dumps {
                true => dump(&server, &asked, stream).await,
                false => restore(&server, &asked, stream).await,
            };
            let said = |error: PgError| format!("{}: error: {}\n", asked.name, error.message);
            match done {
                Ok(()) => ProgramEnd { code: Some(0), stderr: Vec::new() },
                Err(error) => ProgramEnd { code: Some(1), stderr: said(error).into_bytes() },
            }
        }
        .boxed(),
    )
}

/// What a program was started for.
struct Asked {
    name: String,
    address: String,
    user: String,
    password: Option<String>,
    database: String,
    options: DumpOptions,
}

impl Asked {
    fn of(program: &Program) -> Self {
        let variable = |name: &str| {
            let found = program.env.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.clone())
        };
        let option = |name: &str| -> Vec<String> {
            let values = program.args.iter().filter_map(|arg| arg.strip_prefix(name)?.strip_prefix('='));
            values.map(str::to_owned).collect()
        };
        let has = |name: &str| program.args.iter().any(|arg| arg == name);
        let named = option("--dbname").pop();
        Asked {
            name: program.name.clone(),
            address: format!(
                "{}:{}",
                variable("PGHOST").unwrap_or_default(),
                variable("PGPORT").unwrap_or_default()
            ),
            user: variable("PGUSER").unwrap_or_default(),
            password: variable("PGPASSWORD"),
            database: named.or_else(|| variable("PGDATABASE")).unwrap_or_default(),
            options: DumpOptions {
                schema_only: has("--schema-only"),
                data_only: has("--data-only"),
                tables: option("--table"),
                clean: has("--clean"),
            },
        }
    }
}

async fn dump(server: &Simulated, asked: &Asked, mut stream: DuplexStream) -> Result<(), PgError> {
    server.admit(&asked.user, asked.password.as_deref())?;
    let mut dump = MAGIC.to_vec();
    dump.extend(pg_dump(&server.read(&asked.database)?, &asked.database, &asked.options)?);
    // Who does not read it has hung up.
    let _ = stream.write_all(&dump).await;
    Ok(())
}

async fn restore(server: &Simulated, asked: &Asked, mut stream: DuplexStream) -> Result<(), PgError> {
    server.admit(&asked.user, asked.password.as_deref())?;
    let mut dump = Vec::new();
    // What does not come is missing at the dump's end, which is seen.
    let _ = stream.read_to_end(&mut dump).await;
    let content = dump
        .strip_prefix(MAGIC)
        .ok_or_else(|| PgError::new("XX001", "input file does not appear to be a valid archive"))?;
    server.write(&asked.database, &mut |now, database: &mut Database| {
        pg_restore(content, database, now, &asked.options).map(drop)
    })
}
