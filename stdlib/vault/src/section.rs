//! Where Vault is and how to sign in: the target's section `vault`, else the environment that Vault's own command line reads.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use opsrun_core::{Cx, Endpoint, Error, ErrorKind, Result, Tls, Value};
use serde::Deserialize;

/// `[targets.NAME.vault]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Section {
    /// `https://vault.example.com:8200`; else `VAULT_ADDR`.
    address: Option<String>,
    /// Of Vault Enterprise and HCP; else `VAULT_NAMESPACE`.
    namespace: Option<String>,
    /// The environment variable with the token (`VAULT_TOKEN`).
    token_variable: Option<String>,
    /// The file with the token; else `~/.vault-token`, where `vault login` leaves it.
    token_file: Option<PathBuf>,
    /// Ask without a token, as a Vault Agent that signs in by itself wants it.
    #[serde(default)]
    anonymous: bool,
    /// PEM of the authorities to trust; else `VAULT_CACERT`.
    certificate_authority: Option<PathBuf>,
}

/// How to ask.
pub(crate) struct Access {
    pub endpoint: Arc<Endpoint>,
    /// `None`: whoever is asked signs in.
    pub token: Option<String>,
    pub namespace: Option<String>,
}

/// Whether the target or the environment says where Vault is.
pub(crate) fn is_known(cx: &Cx) -> bool {
    !cx.target().section(crate::SYSTEM).is_null() || cx.variable("VAULT_ADDR").is_some()
}

pub(crate) fn access(cx: &Cx) -> Result<Access> {
    let target = cx.target();
    let section = match target.section(crate::SYSTEM) {
        Value::Null => Section::default(),
        section => Section::deserialize(section).map_err(|error| {
            Error::invalid(format!("the section `vault` of the target `{}`: {error}", target.name))
        })?,
    };
    let variable = |name: &str| cx.variable(name).filter(|value| !value.is_empty());
    let address = section.address.clone().or_else(|| variable("VAULT_ADDR")).ok_or_else(|| {
        Error::invalid("nothing says where Vault is")
            .hint("set VAULT_ADDR, or `vault = { address = \"https://…\" }` in the target")
    })?;
    let mut endpoint = Endpoint::from(
        address
            .parse::<http::Uri>()
            .ok()
            .filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
            .ok_or_else(|| Error::invalid(format!("`{address}` is no address of a Vault")))?,
    );
    if endpoint.uri.scheme_str() == Some("https")
        && let Some(file) =
            section.certificate_authority.clone().or_else(|| variable("VAULT_CACERT").map(PathBuf::from))
    {
        let roots = cx
            .read_configuration(&file)
            .map_err(|error| error.context("the authorities that Vault is trusted by"))?;
        endpoint.tls = Tls { roots: Some(roots), ..Tls::default() };
    }
    let token = if section.anonymous { None } else { Some(token(cx, &section)?) };
    if let Some(token) = &token {
        cx.hide("vault-token", token);
    }
    let namespace = section.namespace.or_else(|| variable("VAULT_NAMESPACE"));
    Ok(Access { endpoint: Arc::new(endpoint), token, namespace })
}

fn token(cx: &Cx, section: &Section) -> Result<String> {
    let name = section.token_variable.as_deref().unwrap_or("VAULT_TOKEN");
    if let Some(token) = cx.variable(name).filter(|token| !token.is_empty()) {
        return Ok(token);
    }
    let home = || cx.variable("HOME").map(|home| Path::new(&home).join(".vault-token"));
    let missing = || {
        Error::new(ErrorKind::Forbidden, "there is no token for Vault")
            .hint(format!("set {name}, or sign in with `vault login`"))
    };
    let file = section.token_file.clone().or_else(home).ok_or_else(missing)?;
    let token = match cx.read_configuration(&file) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).trim().to_owned(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(missing().because(error)),
        Err(error) => return Err(error),
    };
    if token.is_empty() { Err(missing()) } else { Ok(token) }
}
