//! Where servers of Redis are and how to sign in: the target's section `redis`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use opsrun_core::{Cx, Endpoint, Error, Result, SecretText, Value};
use serde::Deserialize;

use crate::address::Address;
use crate::redis::SYSTEM;
use crate::tls::TlsMode;

const EXAMPLE: &str = "rediss://app@cache.example:6379/0";
const PORT: u16 = 6379;

/// `[targets.NAME.redis]`, or one of its `servers`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Section {
    /// `rediss://USER@HOST:PORT/DATABASE`, without a password; `redis://` is without TLS.
    url: Option<String>,
    /// A reference to it: `env:REDIS_PASSWORD`.
    password: Option<String>,
    /// `verify-full` with `rediss://`, `off` with `redis://`.
    tls: Option<TlsMode>,
    /// PEM of the authorities to trust, instead of the system's.
    ca: Option<PathBuf>,
    /// The server's Unix socket, which is connected to instead of the host; without TLS.
    socket: Option<PathBuf>,
    /// Others, by name.
    #[serde(default)]
    servers: BTreeMap<String, Section>,
}

/// A server, and who signs in.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) endpoint: Arc<Endpoint>,
    /// None is the one that Redis calls `default`.
    pub(crate) user: Option<String>,
    pub(crate) password: Option<SecretText>,
    pub(crate) database: u32,
    pub(crate) encrypted: bool,
}

/// The server of this name; without one, the target's own.
///
/// # Errors
/// `Invalid` if the target does not say where it is; those of reading password and authority.
pub(crate) async fn server(cx: &Cx, name: Option<&str>) -> Result<Server> {
    let section = section(cx)?;
    let Some(name) = name else {
        return match section.url {
            Some(_) => read(cx, &section).await,
            None => Err(unknown(cx)),
        };
    };
    match section.servers.get(name) {
        Some(found) if found.url.is_some() => {
            read(cx, found).await.map_err(|error| error.context(format!("the server `{name}` of Redis")))
        }
        _ => {
            let known: Vec<_> = section.servers.keys().map(|name| format!("`{name}`")).collect();
            let target = &cx.target().name;
            let error = Error::invalid(format!("the target `{target}` has no server `{name}` of Redis"));
            Err(match known.is_empty() {
                true => error.hint(format!("add `[targets.{target}.redis.servers.{name}]`")),
                false => error.hint(format!("it has {}", known.join(", "))),
            })
        }
    }
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
            Error::invalid(format!("the section `redis` of the target `{}`: {error}", target.name))
        }),
    }
}

fn unknown(cx: &Cx) -> Error {
    let name = &cx.target().name;
    Error::invalid("nothing says where Redis is").hint(format!(
        "add to `opsrun.toml`: [targets.{name}.redis] with url = \"{EXAMPLE}\" and password = \"env:NAME\""
    ))
}

async fn read(cx: &Cx, section: &Section) -> Result<Server> {
    let url = section.url.as_deref().unwrap_or_default();
    let address = Address::parse(url, &["rediss", "redis"], EXAMPLE)?;
    let database = match &address.database {
        None => 0,
        Some(number) => number.parse().map_err(|_| {
            Error::invalid(format!("`{url}`: `{number}` is no number of a database"))
                .hint(format!("write it like `{EXAMPLE}`"))
        })?,
    };
    let uri = format!("redis://{}:{}/", address.host, address.port.unwrap_or(PORT)).parse::<http::Uri>();
    let mut endpoint =
        Endpoint::from(uri.map_err(|error| Error::invalid(format!("`{url}` is no address: {error}")))?);
    let by_itself = if address.scheme == "rediss" { TlsMode::VerifyFull } else { TlsMode::Off };
    let tls = section.tls.unwrap_or(by_itself);
    if section.socket.is_some() && tls.is_encrypted() {
        return Err(Error::invalid("a Unix socket is not encrypted: write `redis://`"));
    }
    endpoint.tls = tls.rules(cx, section.ca.as_deref(), "Redis")?;
    endpoint.socket.clone_from(&section.socket);
    let password = match &section.password {
        Some(reference) => Some(cx.configured_secret(reference).await?),
        None => None,
    };
    if address.user.is_some() && password.is_none() {
        return Err(Error::invalid(format!("`{url}` names a user, and nothing names the password"))
            .hint("name it beside the address: `password = \"env:NAME\"`"));
    }
    Ok(Server {
        endpoint: Arc::new(endpoint),
        user: address.user,
        password,
        database,
        encrypted: tls.is_encrypted(),
    })
}
