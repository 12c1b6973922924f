//! Where servers of PostgreSQL are and how to sign in: the target's section `postgres`.

use std::path::PathBuf;
use std::sync::Arc;

use opsrun_core::{Cx, Endpoint, Error, Result, SecretText};

use crate::address::Address;
use crate::postgres::SYSTEM;
use crate::section::{Kind, Section};
use crate::tls::TlsMode;

pub(crate) const KIND: Kind =
    Kind { system: SYSTEM, called: "PostgreSQL", example: "postgres://app@db.example:5432/orders" };
const PORT: u16 = 5432;

/// A server, and who signs in.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) user: String,
    pub(crate) password: Option<SecretText>,
    /// The one that is used if none is named.
    pub(crate) database: String,
    /// `verify-full` by itself; `off` for a Unix socket.
    pub(crate) tls: TlsMode,
    /// The file of the authorities that are trusted, for programs.
    pub(crate) ca: Option<PathBuf>,
}

/// The server of this name; without one, the target's own.
///
/// # Errors
/// `Invalid` if the target does not say where it is; those of reading password and authority.
pub(crate) async fn server(cx: &Cx, name: Option<&str>) -> Result<Server> {
    let section = KIND.server(cx, name)?;
    read(cx, &section).await.map_err(|error| match name {
        Some(name) => error.context(format!("the server `{name}` of PostgreSQL")),
        None => error,
    })
}

async fn read(cx: &Cx, section: &Section) -> Result<Server> {
    let url = section.url();
    let address = Address::parse(url, &["postgres", "postgresql"], KIND.example)?;
    let user = address.user.ok_or_else(|| {
        Error::invalid(format!("`{url}` does not say who signs in"))
            .hint(format!("write it like `{}`", KIND.example))
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
    endpoint.tls = tls.rules(cx, section.ca.as_deref(), KIND.called)?;
    endpoint.socket = socket;
    let password = match &section.password {
        Some(reference) => Some(cx.configured_secret(reference).await?),
        None => None,
    };
    let database = address.database.unwrap_or_else(|| user.clone());
    Ok(Server { endpoint: Arc::new(endpoint), user, password, database, tls, ca: section.ca.clone() })
}
