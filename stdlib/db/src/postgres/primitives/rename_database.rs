use opsrun_core::{Cx, Effect, Error, ErrorKind, Inverse, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::postgres::access::Asked;
use crate::postgres::client::{Client, Mode};
use crate::postgres::databases::{self, MAINTENANCE};
use crate::postgres::error::Failure;
use crate::postgres::session::Session;
use crate::postgres::statement::identifier;

/// Renames a database, or swaps two, and ends the sessions in them.
///
/// With `swap`, each gets the other's name in one transaction: nobody finds neither. Undo gives the names back. Databases are told apart by
/// the server's number of them, so a call that is repeated does nothing twice.
///
/// ```rhai
/// postgres::rename_database("orders_restored", "orders", #{ swap: true });
/// ```
#[derive(Clone, Deserialize, JsonSchema, Args)]
pub(crate) struct RenameDatabase {
    /// How it is called now.
    #[arg(positional)]
    name: String,
    /// How it is to be called.
    #[arg(positional)]
    to: String,
    /// There is one of that name, and it gets this one's.
    #[serde(default)]
    swap: bool,
    /// Only the database of this number, which the server gives it (`pg_database.oid`).
    oid: Option<i64>,
    /// One of the target's servers, by name; its own if left out.
    server: Option<String>,
    /// The database that it is done from (`postgres`).
    from: Option<String>,
}

/// What became of it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Renamed {
    /// It was called otherwise.
    changed: bool,
}

/// How often sessions are ended that come back at once.
const TRIES: u32 = 10;

impl Primitive for RenameDatabase {
    const PATH: &'static str = "postgres::rename_database";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(Self::PATH);
    type Out = Renamed;

    async fn run(self, cx: &Cx) -> Result<Renamed> {
        databases::check_name(&self.name)?;
        databases::check_name(&self.to)?;
        let from = self.from.as_deref().unwrap_or(MAINTENANCE);
        if [&self.name, &self.to].contains(&&from.to_owned()) {
            return Err(Error::invalid(format!(
                "a database cannot be renamed from inside of it, and `{from}` is where it would be done from"
            ))
            .hint("name another database of the server with `from`"));
        }
        let client = Client::new(cx, self.server.as_deref(), Some(from)).await?;
        let oid = self.oid.or_else(|| earlier(cx));
        let there = databases::find(&client, &self.to).await?;
        if let (Some(oid), Some(there)) = (oid, &there)
            && there.oid == oid
        {
            return Ok(Renamed { changed: cx.broken_off().is_some() });
        }
        let here = databases::needed(&client, &self.name).await?;
        if let Some(oid) = oid.filter(|oid| *oid != here.oid) {
            let message = format!("`{}` is not the database {oid} any more, but {}", self.name, here.oid);
            return Err(Error::new(ErrorKind::Conflict, message)
                .hint("somebody else has renamed it: look with `select oid, datname from pg_database`"));
        }
        match (&there, self.swap) {
            (Some(_), false) => {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    format!("there is a database `{}` already", self.to),
                )
                .hint("`swap: true` gives each the other's name"));
            }
            (None, true) => {
                return Err(Error::not_found(format!("there is no database `{}` to swap with", self.to)));
            }
            _ => {}
        }
        let _ = cx.undo(self.inverse(here.oid)).await?;
        let asked = Asked::write("alter", &self.name);
        let renaming = self.clone();
        let renamed = client
            .converse(Mode::Alone, asked, |session| Box::pin(async move { renaming.rename(session).await }));
        match renamed.await {
            Err(error) if matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Timeout) => {
                match databases::find(&client, &self.to).await {
                    Ok(Some(found)) if found.oid == here.oid => {}
                    Ok(_) | Err(_) => return Err(error),
                }
            }
            renamed => renamed?,
        }
        Ok(Renamed { changed: true })
    }
}

impl RenameDatabase {
    fn inverse(&self, oid: i64) -> Inverse {
        let back = json!({
            "name": self.to, "to": self.name, "swap": self.swap, "oid": oid, "server": self.server, "from": self.from
        });
        Inverse::call(Self::PATH, back)
    }

    async fn rename(self, session: &mut Session) -> Result<(), Failure> {
        let (name, to) = (identifier(&self.name), identifier(&self.to));
        let rename = match self.swap {
            true => {
                // A name that is there only within the transaction.
                let between = identifier(&format!("{:.50}_swapped", self.name));
                format!(
                    "begin; alter database {name} rename to {between}; alter database {to} rename to {name}; \
                     alter database {between} rename to {to}; commit"
                )
            }
            false => format!("alter database {name} rename to {to}"),
        };
        let end = "select pg_terminate_backend(pid) from pg_stat_activity where datname in ($1, $2) and pid <> pg_backend_pid()";
        let mut tries = 0;
        loop {
            session.extended(end, &[json!(self.name), json!(self.to)], None).await?;
            session.committed = true;
            match session.simple(&rename).await {
                Ok(_) => return Ok(()),
                // Somebody came back, or is not gone yet.
                Err(Failure::Refused(refused)) if refused.code == "55006" && tries < TRIES => {
                    tries += 1;
                    if self.swap {
                        session.simple("rollback").await?;
                    }
                }
                Err(failure) => return Err(failure),
            }
        }
    }
}

/// The number of the database that this call was about, before its run broke off.
fn earlier(cx: &Cx) -> Option<i64> {
    let before = cx.broken_off()?;
    before.inverses.iter().find_map(|inverse| match inverse {
        Inverse::Call { args, .. } => args.get("oid")?.as_i64(),
        Inverse::None { .. } => None,
    })
}
