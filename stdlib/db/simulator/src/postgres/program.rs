//! `pg_dump` and `pg_restore`, as far as clients run them: by environment, `--dbname`, `--table`, `--clean` and the like.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{DumpOptions, Login, PgError, Server, pg_dump, pg_restore};
use crate::rows::Database;

/// What PostgreSQL's own dumps begin with. What follows here is a format of the simulation's own.
const MAGIC: &[u8] = b"PGDMP";

/// What a program was started for.
#[derive(Debug, Clone)]
pub struct PgProgram {
    name: String,
    restores: bool,
    /// `HOST:PORT`
    pub address: String,
    user: String,
    password: Option<String>,
    database: String,
    options: DumpOptions,
}

impl PgProgram {
    /// `None` if it is none of PostgreSQL's.
    pub fn of(name: &str, args: &[String], env: &[(String, String)]) -> Option<Self> {
        let restores = match name {
            "pg_dump" => false,
            "pg_restore" => true,
            _ => return None,
        };
        let variable = |name: &str| {
            let found = env.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.clone())
        };
        let option = |name: &str| -> Vec<String> {
            let values = args.iter().filter_map(|arg| arg.strip_prefix(name)?.strip_prefix('='));
            values.map(str::to_owned).collect()
        };
        let has = |name: &str| args.iter().any(|arg| arg == name);
        let named = option("--dbname").pop();
        let (host, port) = (variable("PGHOST"), variable("PGPORT"));
        Some(PgProgram {
            name: name.to_owned(),
            restores,
            address: format!("{}:{}", host.unwrap_or_default(), port.unwrap_or_default()),
            user: variable("PGUSER").unwrap_or_default(),
            password: variable("PGPASSWORD"),
            database: named.or_else(|| variable("PGDATABASE")).unwrap_or_default(),
            options: DumpOptions {
                schema_only: has("--schema-only"),
                data_only: has("--data-only"),
                tables: option("--table"),
                clean: has("--clean"),
            },
        })
    }

    /// Runs it on a server: a dump goes into `stream`, or comes out of it. Gives its exit code, and what it prints on its standard error.
    pub async fn run<S>(&self, server: Arc<dyn Server>, stream: S) -> (i32, Vec<u8>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let done = match self.restores {
            false => self.dump(&*server, stream).await,
            true => self.restore(&*server, stream).await,
        };
        done.map_or_else(|error| self.failed(&error.message), |()| (0, Vec::new()))
    }

    /// How it ends if it could not do its work.
    pub fn failed(&self, why: &str) -> (i32, Vec<u8>) {
        (1, format!("{}: error: {why}\n", self.name).into_bytes())
    }

    async fn dump<S: AsyncWrite + Unpin>(&self, server: &dyn Server, mut stream: S) -> Result<(), PgError> {
        self.sign_in(server)?;
        let mut dump = MAGIC.to_vec();
        dump.extend(pg_dump(&server.read(&self.database)?, &self.database, &self.options)?);
        // Who does not read it has hung up.
        let _ = stream.write_all(&dump).await;
        Ok(())
    }

    async fn restore<S: AsyncRead + Unpin>(&self, server: &dyn Server, mut stream: S) -> Result<(), PgError> {
        self.sign_in(server)?;
        let mut dump = Vec::new();
        // What does not come is missing at the dump's end, which is seen.
        let _ = stream.read_to_end(&mut dump).await;
        let content = dump
            .strip_prefix(MAGIC)
            .ok_or_else(|| PgError::new("XX001", "input file does not appear to be a valid archive"))?;
        server.write(&self.database, &mut |now, database: &mut Database| {
            pg_restore(content, database, now, &self.options).map(drop)
        })
    }

    fn sign_in(&self, server: &dyn Server) -> Result<(), PgError> {
        match server.login(&self.user)? {
            Login::Trust => Ok(()),
            Login::Cleartext(wanted) | Login::Scram(wanted) if self.password.as_ref() == Some(&wanted) => {
                Ok(())
            }
            Login::Cleartext(_) | Login::Scram(_) => Err(PgError::sign_in_failed(&self.user)),
        }
    }
}
