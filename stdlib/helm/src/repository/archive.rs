//! Archives of charts: fetched by their address, and packed as `helm package` packs them, byte for byte the same for the same files.

use std::io::{Read, Write};

use flate2::{Compression, GzBuilder};
use helm_render::{Chart, Files};
use http::Uri;
use opsrun_core::{Error, Result};

use super::address;
use super::client::{Ask, Client};
use super::error::RepositoryError;

/// What Helm takes of a chart when it is unpacked; packed it is smaller.
pub(super) const LARGEST: u64 = 100 << 20;

/// With what a tar has around files.
const UNPACKED: u64 = 128 << 20;

/// What Helm puts into the header, by which some tell its archives.
const EXTRA: &[u8] = b"rr\x28\x00aHR0cHM6Ly95b3V0dS5iZS96OVV6MWljandyTQo=";
/// Of every file in an archive: 1980, the earliest time that all formats can tell.
const WHEN: u64 = 315_532_800;

/// The archive at an address.
pub(super) async fn fetch(client: &Client<'_>, uri: Uri) -> Result<Vec<u8>> {
    let shown = address::shown(&uri);
    let answer = client.ask_repository(&Ask::get(uri, "", LARGEST)).await?;
    if !answer.status.is_success() {
        return Err(answer.refused(client.cx()).into());
    }
    is_packed(&shown, &answer.content)?;
    Ok(answer.content.to_vec())
}

/// Whether it is an archive at all, and not a page that asks who one is.
pub(super) fn is_packed(what: &str, bytes: &[u8]) -> Result<()> {
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(());
    }
    let error = Error::from(RepositoryError::Unusable {
        what: what.to_owned(),
        why: "it is no archive of a chart".to_owned(),
    });
    Err(error.hint("a repository is written `#{ chart: \"NAME\", repo: \"https://…\" }`"))
}

/// The files in an archive that is no larger unpacked than is sensible.
pub(crate) fn files(what: &str, bytes: &[u8]) -> Result<Files> {
    // Contents of files are counted when they are read; what surrounds them, and empty ones, are not.
    let mut unpacked = flate2::read::MultiGzDecoder::new(bytes).take(UNPACKED + 1);
    // One that is broken is told with what is wrong when it is read.
    let length = std::io::copy(&mut unpacked, &mut std::io::sink()).unwrap_or_default();
    if length > UNPACKED {
        return Err(RepositoryError::TooLarge { what: format!("{what}, unpacked,"), limit: UNPACKED }.into());
    }
    Files::from_archive(bytes)
        .map_err(|error| crate::Error::Chart { path: what.to_owned(), why: error.to_string() }.into())
}

/// The chart in an archive.
pub(crate) fn chart(what: &str, bytes: &[u8]) -> Result<Chart> {
    crate::chart::of_files(what, files(what, bytes)?)
}

/// `web-1.2.3.tgz`
pub(crate) fn name(chart: &Chart) -> String {
    format!("{}-{}.tgz", chart.name(), chart.version())
}

/// Packs a chart, with those it depends on.
///
/// # Errors
/// `Invalid` if it lacks one that it depends on; `Failed` if it cannot be packed.
pub(crate) fn pack(chart: &Chart) -> Result<Vec<u8>> {
    let known: Vec<&str> = chart.dependencies().iter().map(Chart::name).collect();
    let needed = chart.metadata().dependencies.iter().map(|needed| needed.name.as_str());
    let missing: Vec<&str> = needed.filter(|name| !known.contains(name)).collect();
    if !missing.is_empty() {
        let message = format!(
            "the chart `{}` depends on `{}`, which its folder `charts` does not have",
            chart.name(),
            missing.join("`, `")
        );
        return Err(Error::invalid(message).hint("`helm::dependencies` fetches what a chart depends on"));
    }
    let failed = |error: std::io::Error| {
        Error::failed(format!("the chart `{}` cannot be packed: {error}", chart.name()))
    };
    let gzip = GzBuilder::new().extra(EXTRA).comment("Helm").write(Vec::new(), Compression::default());
    let mut tar = tar::Builder::new(gzip);
    add(&mut tar, chart, chart.name()).map_err(failed)?;
    let packed = tar.into_inner().and_then(flate2::write::GzEncoder::finish).map_err(failed)?;
    if packed.len() as u64 > LARGEST {
        let what = format!("the archive of the chart `{}`", chart.name());
        return Err(RepositoryError::TooLarge { what, limit: LARGEST }.into());
    }
    Ok(packed)
}

/// In Helm's order: what the chart is, its templates, its other files, and the charts it depends on, unpacked.
fn add<W: Write>(tar: &mut tar::Builder<W>, chart: &Chart, base: &str) -> std::io::Result<()> {
    const FIRST: [&str; 4] = ["Chart.yaml", "Chart.lock", "values.yaml", "values.schema.json"];
    let raw: &Files = chart.raw();
    let own = |path: &str| !path.starts_with("charts/") || path.ends_with(".prov");
    let first = FIRST.into_iter().filter_map(|path| Some((path, raw.get(path)?)));
    let templates = raw.iter().filter(|(path, _)| path.starts_with("templates/"));
    let others =
        raw.iter().filter(|(path, _)| !FIRST.contains(path) && !path.starts_with("templates/") && own(path));
    for (path, data) in first.chain(templates).chain(others) {
        let mut header = tar::Header::new_gnu();
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(WHEN);
        tar.append_data(&mut header, format!("{base}/{path}"), data)?;
    }
    for dependency in chart.dependencies() {
        add(tar, dependency, &format!("{base}/charts/{}", dependency.name()))?;
    }
    Ok(())
}
