//! Charts of HTTP repositories and OCI registries, fetched and brought through the gate. What comes from there may be hostile: it is
//! bounded in size and time, and held against the digests that are known of it. It knows nothing of releases.

mod address;
pub(crate) mod archive;
mod client;
mod credentials;
mod error;
mod index;
mod oci;
mod push;

use opsrun_core::Result;
use sha2::{Digest, Sha256};

pub(crate) use address::authority;
pub(crate) use client::{Client, endpoint};
pub(crate) use oci::MANIFEST;
pub(crate) use push::{Image, OF_NOTHING, push, withdraw};

use crate::chart_ref::ChartRef;

/// An archive that was fetched, and is what it was said to be.
pub(crate) struct Fetched {
    pub(crate) bytes: Vec<u8>,
    /// Of the archive.
    pub(crate) digest: String,
    /// Where just this archive is: an address, or `oci://HOST/PATH@sha256:…`.
    pub(crate) source: String,
}

/// The archive of a chart that is not local.
///
/// # Errors
/// `NotFound` with what there is instead, `Forbidden`, `Unreachable`, `Timeout`; `Failed` for what is not what it was said to be.
pub(crate) async fn fetch(client: &Client<'_>, chart: &ChartRef) -> Result<Fetched> {
    match chart {
        ChartRef::Local(path) => {
            let bytes = client.cx().read_file(path)?;
            Ok(Fetched { digest: digest_of(&bytes), source: path.clone(), bytes })
        }
        ChartRef::Archive(url) => {
            let uri = address::parse(url)?;
            let source = address::shown(&uri);
            let bytes = archive::fetch(client, uri).await?;
            Ok(Fetched { digest: digest_of(&bytes), source, bytes })
        }
        ChartRef::Repository { chart, repo, version } => {
            index::fetch(client, repo, chart, version.as_deref()).await
        }
        ChartRef::Oci(at) => oci::fetch(client, at).await,
    }
}

/// The version that a fetch would take.
///
/// # Errors
/// As [`fetch`]; `Invalid` for what is in no repository.
pub(crate) async fn version_of(client: &Client<'_>, chart: &ChartRef) -> Result<String> {
    match chart {
        ChartRef::Repository { chart, repo, version } => {
            Ok(index::find(client, repo, chart, version.as_deref()).await?.version().to_owned())
        }
        ChartRef::Oci(at) => Ok(oci::resolve(client, at).await?.replace('_', "+")),
        other => Err(opsrun_core::Error::invalid(format!("`{other}` is in no repository"))),
    }
}

/// `sha256:…`
pub(crate) fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(bytes))
}
