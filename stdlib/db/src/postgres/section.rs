//! Where servers of PostgreSQL are and how to sign in: the target's section `postgres`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use opsrun_core::{Cx, Endpoint, Error, Result, SecretText, Value};
use serde::Deserialize;

use crate::address::Address;
use crate::postgres::SYSTEM;
use crate::tls::TlsMode;

const EXAMPLE: &str = "postgres://app@db.example:5432/orders";
const PORT: u16 = 5432;

/// `[targets.NAME.postgres]`, or one of its `servers`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Section {
    /// `postgres://USER@HOST:PORT/DATABASE`, without a password.
    url: Option<String>,
    /// A reference to it: `env:PGPASSWORD`.
    password: Option<String>,
    /// `verify-full` if left out.
    tls: Option<TlsMode>,
    /// PEM of the authorities to trust, instead of the system's.
    ca: Option<PathBuf>,
    /// The folder of the server's Unix socket, which is connected to instead of the host; without TLS.
    socket: Option<PathBuf>,
    /// Others, by name.
    #[serde(default)]
    servers: BTreeMap<String, Section>,
}

/// A server, and who signs in.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) user: String,
    pub(crate) password: Option<SecretText>,
    /// The one that is used if none is named.
    pub(crate) database: String,
    pub(crate) tls: TlsMode,
    /// The file of the authorities that are trusted, for programs.
    pub(crate) ca: Option<PathBuf>,
}

/// The server of this name; without one, the target's own.
///
/// # Errors
/// `Invalid` if the target does not say where it is; those of reading password and authority.
pub(crate) async fn server(cx: &Cx, name: Option<&str>) -> Result<Server> {
    let section = section(cx)?;
    let found = match name {
        None => Some(&section),
        Some(name) => section.servers.get(name),
    };
    let missing = || {
        let known: Vec<_> = section.servers.keys().map(|name| format!("`{name}`")).collect();
        match name {
            Some(name) if known.is_empty() => Error::invalid(format!(
                "the target `{}` has no servers of PostgreSQL by name",
                cx.target().name
            ))
            .hint(format!("add `[targets.{}.postgres.servers.{name}]`", cx.target().name)),
            Some(name) => Error::invalid(format!("the target has no server `{name}` of PostgreSQL"))
                .hint(format!("it has {}", known.join(", "))),
            None => unknown(cx),
        }
    };
    let found = found.filter(|found| found.url.is_some()).ok_or_else(missing)?;
    if name.is_some() && !found.servers.is_empty() {
        return Err(Error::invalid("`servers` stands in the section `postgres` itself, not in one of them"));
    }
    read(cx, found).await.map_err(|error| match name {
        Some(name) => error.context(format!("the server `{name}` of PostgreSQL")),
        None => error,
    })
}

/// The names of all servers that the target has; `None` is its own.
pub(crate) fn servers(cx: &Cx) -> Result<Vec<Option<String>>> {
    let section = section(cx)?;
    let own = section.url.is_some().then_some(None);
    Ok(own.into_iter().chain(section.servers.into_keys().map(Some)).collect())
}

fn section(cx: &Cx) -> Result<Section> {
    let target = cx.target();
    match target.section(SYSTEM) {
        Value::Null => Err(unknown(cx)),
        section => Section::deserialize(section).map_err(|error| {
            Error::invalid(format!("the section `postgres` of the target `{}`: {error}", target.name))
        }),
    }
}

fn unknown(cx: &Cx) -> Error {
    let name = &cx.target().name;
    Error::invalid("nothing says where PostgreSQL is").hint(format!(
        "add to `opsrun.toml`: [targets.{name}.postgres] with url = \"{EXAMPLE}\" and password = \"env:NAME\""
    ))
}

async fn read(cx: &Cx, section: &Section) -> Result<Server> {
    let url = section.url.as_deref().unwrap_or_default();
    let address = Address::parse(url, &["postgres", "postgresql"], EXAMPLE)?;
    let user = address.user.ok_or_else(|| {
        Error::invalid(format!("`{url}` does not say who signs in"))
            .hint(format!("write it like `{EXAMPLE}`"))
    })?;
    let port = address.port.unwrap_or(PORT);
    let uri = format!("postgres://{}:{port}/", address.host).parse::<http::Uri>();
    let uri = uri.map_err(|error| Error::invalid(format!("`{url}` is no address: {error}")))?;
    let mut endpoint = Endpoint::from(uri);
    let socket = section.socket.as_ref().map(|folder| folder.join(format!(".s.PGSQL.{port}")));
    let by_itself = if socket.is_none() { TlsMode::VerifyFull } else { TlsMode::Off };
    let tls = section.tls.unwrap_or(by_itself);
    if socket.is_some() && tls.is_encrypted() {
        return Err(Error::invalid("a Unix socket is not encrypted: leave `tls` out"));
    }
    endpoint.tls = tls.rules(cx, section.ca.as_deref(), "PostgreSQL")?;
    endpoint.socket = socket;
    let password = match &section.password {
        Some(reference) => Some(cx.configured_secret(reference).await?),
        None => None,
    };
    let database = address.database.unwrap_or_else(|| user.clone());
    Ok(Server { endpoint: Arc::new(endpoint), user, password, database, tls, ca: section.ca.clone() })
}
