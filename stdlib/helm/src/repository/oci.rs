//! Charts in OCI registries, by the distribution specification and Helm's media types.

use http::StatusCode;
use opsrun_core::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::address;
use super::client::{Answer, Ask, Client, SHORT};
use super::error::RepositoryError;
use super::index::{choose, newest};
use super::{Fetched, archive, digest_of};
use crate::chart_ref::{OciRef, Which};

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
pub(crate) const CHART_LAYER: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
/// Of charts that were brought by the first Helm that could.
const OLD_CHART_LAYER: &str = "application/tar+gzip";

/// A registry of more tags is asked for a version, not for a range.
const PAGES: usize = 100;

/// What a manifest says of something: its kind, and by what it is known again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub(super) media_type: String,
    pub(super) digest: String,
    pub(super) size: u64,
}

impl Descriptor {
    pub(super) fn of(media_type: &str, content: &[u8]) -> Self {
        Descriptor {
            media_type: media_type.to_owned(),
            digest: digest_of(content),
            size: content.len() as u64,
        }
    }
}

#[derive(Debug, Deserialize)]
struct Manifest {
    config: Descriptor,
    #[serde(default)]
    layers: Vec<Descriptor>,
}

/// The archive of a chart; its provenance stays where it is.
pub(super) async fn fetch(client: &Client<'_>, at: &OciRef) -> Result<Fetched> {
    let reference = resolve(client, at).await?;
    let Some((digest, content)) = manifest(client, at, &reference).await? else {
        return Err(missing(client, at).await);
    };
    let what = || format!("the manifest of {at}");
    let manifest: Manifest = serde_json::from_slice(&content).map_err(|error| RepositoryError::Unusable {
        what: what(),
        why: format!("it is no manifest of a chart: {error}"),
    })?;
    let no_chart = |why: String| RepositoryError::Unusable { what: what(), why };
    if manifest.config.media_type != CONFIG {
        let kind = &manifest.config.media_type;
        return Err(no_chart(format!("it is no chart, but has a config of type `{kind}`")).into());
    }
    let is_chart = |layer: &&Descriptor| [CHART_LAYER, OLD_CHART_LAYER].contains(&layer.media_type.as_str());
    let layer = manifest.layers.iter().find(is_chart);
    let layer = layer.ok_or_else(|| no_chart("it has no chart in it".to_owned()))?;
    let bytes = blob(client, at, layer).await?;
    archive::is_packed(&at.to_string(), &bytes)?;
    Ok(Fetched { bytes, digest: layer.digest.clone(), source: format!("{}@{digest}", at.name()) })
}

/// The tag or digest that a reference comes down to.
pub(super) async fn resolve(client: &Client<'_>, at: &OciRef) -> Result<String> {
    let range = match &at.which {
        Which::Tag(tag) => return Ok(tag.clone()),
        Which::Digest(digest) => return Ok(digest.clone()),
        Which::Range(range) => range.as_deref(),
    };
    let versions: Vec<String> = tags(client, at).await?.iter().map(|tag| tag.replace('_', "+")).collect();
    match choose(versions.iter().map(String::as_str), range)? {
        Some(version) => Ok(crate::chart_ref::of_version(version)),
        None => Err(no_version(at, range, &versions)),
    }
}

fn no_version(at: &OciRef, wanted: Option<&str>, versions: &[String]) -> Error {
    RepositoryError::NoVersion {
        chart: at.path.rsplit('/').next().unwrap_or_default().to_owned(),
        place: at.name(),
        wanted: wanted.map(str::to_owned),
        available: newest(versions.iter().map(String::as_str)),
    }
    .into()
}

/// Why there is no such manifest: with the versions there are, if that can be told.
async fn missing(client: &Client<'_>, at: &OciRef) -> Error {
    match (&at.which, tags(client, at).await) {
        (Which::Tag(tag), Ok(tags)) => {
            let versions: Vec<String> = tags.iter().map(|tag| tag.replace('_', "+")).collect();
            no_version(at, Some(&tag.replace('_', "+")), &versions)
        }
        (_, Err(error)) => error,
        _ => Error::not_found(format!("there is no chart {at}")),
    }
}

async fn tags(client: &Client<'_>, at: &OciRef) -> Result<Vec<String>> {
    let mut uri = client.registry(at, "tags/list?n=1000")?;
    let mut found = Vec::new();
    for _ in 0..PAGES {
        let answer = client.ask_registry(at, &Ask::get(uri.clone(), "application/json", SHORT)).await?;
        if answer.status == StatusCode::NOT_FOUND {
            let error = Error::not_found(format!("there is no chart {}", at.name()));
            return Err(error.because(answer.refused(client.cx())));
        }
        let page: Value = read_json(client, &answer)?;
        let tags = page["tags"].as_array().into_iter().flatten();
        found.extend(tags.filter_map(Value::as_str).map(str::to_owned));
        match answer.header("link").and_then(next_page) {
            Some(next) => uri = address::resolve(&uri, next)?,
            None => return Ok(found),
        }
    }
    let why = format!("it has more than {PAGES} pages of tags: say a version, or a digest");
    Err(RepositoryError::Unusable { what: format!("the list of versions of {}", at.name()), why }.into())
}

/// `</v2/…>; rel="next"`
fn next_page(link: &str) -> Option<&str> {
    let (to, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
    rest.contains("next").then_some(to)
}

fn read_json(client: &Client<'_>, answer: &Answer) -> Result<Value> {
    if !answer.status.is_success() {
        return Err(answer.refused(client.cx()).into());
    }
    serde_json::from_slice(&answer.content).map_err(|error| {
        let what = format!("the answer to {}", answer.tried);
        RepositoryError::Unusable { what, why: format!("it is no JSON: {error}") }.into()
    })
}

/// A manifest with its digest, which is what the registry says it is; `None` if there is none.
pub(super) async fn manifest(
    client: &Client<'_>,
    at: &OciRef,
    reference: &str,
) -> Result<Option<(String, Vec<u8>)>> {
    let uri = client.registry(at, &format!("manifests/{reference}"))?;
    let answer = client.ask_registry(at, &Ask::get(uri, MANIFEST, SHORT)).await?;
    if answer.status == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    if !answer.status.is_success() {
        return Err(answer.refused(client.cx()).into());
    }
    let found = digest_of(&answer.content);
    let asked =
        Some(reference).filter(|reference| reference.starts_with("sha256:")).map(|it| ("who asked", it));
    let said = answer.header("docker-content-digest").filter(|digest| digest.starts_with("sha256:"));
    for (by, expected) in asked.into_iter().chain(said.map(|said| ("the registry", said))) {
        if expected != found {
            return Err(RepositoryError::Digest {
                what: format!("the manifest {} of {}", reference, at.name()),
                by: by.to_owned(),
                expected: expected.to_owned(),
                found,
            }
            .into());
        }
    }
    Ok(Some((found, answer.content.to_vec())))
}

async fn blob(client: &Client<'_>, at: &OciRef, layer: &Descriptor) -> Result<Vec<u8>> {
    let what = || format!("the archive of {at}");
    if layer.size > archive::LARGEST {
        return Err(RepositoryError::TooLarge { what: what(), limit: archive::LARGEST }.into());
    }
    if !crate::chart_ref::is_digest(&layer.digest) {
        let why = format!("its digest is `{}`, and not `sha256:…`", layer.digest);
        return Err(RepositoryError::Unusable { what: what(), why }.into());
    }
    let uri = client.registry(at, &format!("blobs/{}", layer.digest))?;
    let answer = client.ask_registry(at, &Ask::get(uri, "", archive::LARGEST)).await?;
    if !answer.status.is_success() {
        return Err(answer.refused(client.cx()).into());
    }
    let by = || "its manifest".to_owned();
    let (expected, found) = (layer.size, answer.content.len() as u64);
    if expected != found {
        return Err(RepositoryError::Size { what: what(), by: by(), expected, found }.into());
    }
    let (expected, found) = (layer.digest.clone(), digest_of(&answer.content));
    if expected != found {
        return Err(RepositoryError::Digest { what: what(), by: by(), expected, found }.into());
    }
    Ok(answer.content.to_vec())
}
