//! Where servers of Redis are and how to sign in: the target's section `redis`.

use std::sync::Arc;

use opsrun_core::{Cx, Endpoint, Error, Result, SecretText};

use crate::address::Address;
use crate::redis::SYSTEM;
use crate::section::{Kind, Section};
use crate::tls::TlsMode;

pub(crate) const KIND: Kind =
    Kind { system: SYSTEM, called: "Redis", example: "rediss://app@cache.example:6379/0" };
const PORT: u16 = 6379;

/// A server, and who signs in.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) endpoint: Arc<Endpoint>,
    /// None is the one that Redis calls `default`.
    pub(crate) user: Option<String>,
    pub(crate) password: Option<SecretText>,
    pub(crate) database: u32,
    /// By itself as the address says: `rediss://`.
    pub(crate) encrypted: bool,
}

/// The server of this name; without one, the target's own.
///
/// # Errors
/// `Invalid` if the target does not say where it is; those of reading password and authority.
pub(crate) async fn server(cx: &Cx, name: Option<&str>) -> Result<Server> {
    let section = KIND.server(cx, name)?;
    read(cx, &section).await.map_err(|error| match name {
        Some(name) => error.context(format!("the server `{name}` of Redis")),
        None => error,
    })
}

async fn read(cx: &Cx, section: &Section) -> Result<Server> {
    let url = section.url();
    let address = Address::parse(url, &["rediss", "redis"], KIND.example)?;
    let database = match &address.database {
        None => 0,
        Some(number) => number.parse().map_err(|_| {
            Error::invalid(format!("`{url}`: `{number}` is no number of a database"))
                .hint(format!("write it like `{}`", KIND.example))
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
    endpoint.tls = tls.rules(cx, section.ca.as_deref(), KIND.called)?;
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
