//! Bringing a chart into a registry as `helm push` does, and taking it out again. The same archive always makes the same manifest,
//! so a push can be repeated; Helm's has the time in it.

use helm_render::Chart;
use http::{Method, StatusCode};
use opsrun_core::{Error, Inverse, Result, Value};
use serde_json::{Map, json};

use super::address;
use super::client::{Answer, Ask, Client, SHORT};
use super::error::RepositoryError;
use super::oci::{CHART_LAYER, CONFIG, Descriptor, MANIFEST, manifest};
use super::{archive, digest_of};
use crate::chart::metadata;
use crate::chart_ref::{OciRef, Which, of_version};

/// What was brought.
pub(crate) struct Pushed {
    pub(crate) name: String,
    pub(crate) version: String,
    /// `oci://HOST/PATH/NAME:TAG`
    pub(crate) reference: String,
    /// Of the manifest.
    pub(crate) digest: String,
    /// Of the archive.
    pub(crate) archive: String,
    /// It was not there just so.
    pub(crate) is_new: bool,
}

/// A digest that nothing has: asking to delete it tells whether deleting is possible at all.
pub(crate) const OF_NOTHING: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// Brings the chart in `bytes` into the folder `to` of a registry, under its name and version.
///
/// # Errors
/// `Invalid` for what is no chart or has a name that registries do not take; `Forbidden`, `Unreachable`, `Timeout`, `Failed`.
pub(crate) async fn push(client: &Client<'_>, what: &str, bytes: Vec<u8>, to: &OciRef) -> Result<Pushed> {
    let chart = archive::chart(what, &bytes)?;
    let image = Image::of(&chart, &bytes);
    let reference = format!("{}/{}:{}", to.name(), chart.name(), image.tag);
    let at = OciRef::parse(reference.trim_start_matches("oci://")).map_err(Error::invalid)?;
    let digest = digest_of(&image.manifest);
    let mut pushed = Pushed {
        name: chart.name().to_owned(),
        version: chart.version().to_owned(),
        reference,
        digest: digest.clone(),
        archive: digest_of(&bytes),
        is_new: true,
    };
    let before = match Before::of_broken_off(client) {
        Some(before) => before,
        None => Before(manifest(client, &at, &image.tag).await?.map(|(digest, _)| digest)),
    };
    if before.0.as_deref() == Some(digest.as_str()) {
        pushed.is_new = false;
        return Ok(pushed);
    }
    let inverse = json!({ "chart": pushed.reference, "digest": digest, "before": before.0 });
    let slot = client.cx().undo(Inverse::call("helm::unpush", inverse)).await?;
    if before.0.is_none()
        && let Removal::Refused(why) = remove(client, &at, OF_NOTHING).await?
    {
        let why = format!("{why}, so {} stays: delete it there by hand", pushed.reference);
        slot.refine(Inverse::none(why)).await?;
    }
    upload(client, &at, bytes).await?;
    upload(client, &at, image.config).await?;
    put_manifest(client, &at, &image.tag, image.manifest).await?;
    Ok(pushed)
}

/// A packed chart as registries hold it, beside the archive itself.
pub(crate) struct Image {
    pub(crate) tag: String,
    pub(crate) config: Vec<u8>,
    pub(crate) manifest: Vec<u8>,
}

impl Image {
    pub(crate) fn of(chart: &Chart, archive: &[u8]) -> Self {
        let described = metadata(chart.metadata());
        let config = described.to_string().into_bytes();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": Descriptor::of(CONFIG, &config),
            "layers": [Descriptor::of(CHART_LAYER, archive)],
            "annotations": annotations(&described),
        });
        Image { tag: of_version(chart.version()), config, manifest: manifest.to_string().into_bytes() }
    }
}

/// The digest of what was under the tag before.
struct Before(Option<String>);

impl Before {
    /// As a call that broke off had found it.
    fn of_broken_off(client: &Client<'_>) -> Option<Self> {
        let inverse = client.cx().broken_off()?.inverses.first()?;
        Some(Before(match inverse {
            Inverse::Call { args, .. } => args["before"].as_str().map(str::to_owned),
            Inverse::None { .. } => None,
        }))
    }
}

/// Takes the manifest `digest` out of the registry, if `at` still leads to it; what was there `before` comes back. Gives what it has done.
///
/// # Errors
/// `Failed` if the registry deletes nothing.
pub(crate) async fn withdraw(
    client: &Client<'_>,
    at: &OciRef,
    digest: &str,
    before: Option<&str>,
) -> Result<String> {
    let Which::Tag(tag) = &at.which else {
        return Err(Error::invalid(format!(
            "`{at}` has no tag: write it like `oci://registry.example.com/charts/web:1.2.3`"
        )));
    };
    let now = manifest(client, at, tag).await?.map(|(digest, _)| digest);
    match now {
        Some(now) if now == digest => {}
        Some(_) => return Ok(format!("{at} leads to something else by now, and stays")),
        None => return Ok(format!("{at} is not there any more")),
    }
    if let Some(before) = before {
        let former = manifest(client, at, before).await?;
        let (_, content) = former.ok_or_else(|| {
            Error::not_found(format!("what was at {at} before is not there any more: {before}"))
        })?;
        put_manifest(client, at, tag, content).await?;
        return match remove(client, at, digest).await? {
            Removal::Done => Ok(format!("{at} is what it was before")),
            Removal::Refused(why) => {
                Ok(format!("{at} is what it was before; {why}, so {digest} stays without a tag"))
            }
        };
    }
    match remove(client, at, digest).await? {
        Removal::Done => Ok(format!("{at} is deleted")),
        Removal::Refused(why) => Err(Error::failed(format!("{at} was not deleted: {why}"))),
    }
}

enum Removal {
    Done,
    Refused(String),
}

async fn remove(client: &Client<'_>, at: &OciRef, digest: &str) -> Result<Removal> {
    let uri = client.registry(at, &format!("manifests/{digest}"))?;
    let ask = Ask { method: Method::DELETE, ..Ask::get(uri, "", SHORT) };
    let answer = match client.ask_registry(at, &ask).await {
        Err(error) if error.kind() == opsrun_core::ErrorKind::Forbidden => {
            return Ok(Removal::Refused(format!("`{}` lets this user delete nothing", at.host)));
        }
        answer => answer?,
    };
    match answer.status {
        status if status.is_success() => Ok(Removal::Done),
        // What is not there is as good as deleted. Some do not take the digest of nothing for one.
        StatusCode::NOT_FOUND if !unsupported(&answer) => Ok(Removal::Done),
        StatusCode::BAD_REQUEST if digest == OF_NOTHING && !unsupported(&answer) => Ok(Removal::Done),
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {
            Ok(Removal::Refused(format!("the registry `{}` deletes nothing", at.host)))
        }
        _ if unsupported(&answer) => {
            Ok(Removal::Refused(format!("the registry `{}` deletes nothing", at.host)))
        }
        _ => Err(answer.refused(client.cx()).into()),
    }
}

fn unsupported(answer: &Answer) -> bool {
    let body: Value = serde_json::from_slice(&answer.content).unwrap_or_default();
    body["errors"].as_array().into_iter().flatten().any(|error| error["code"] == "UNSUPPORTED")
}

/// A blob, unless the registry has it.
async fn upload(client: &Client<'_>, at: &OciRef, content: Vec<u8>) -> Result<()> {
    let digest = digest_of(&content);
    let there = client.registry(at, &format!("blobs/{digest}"))?;
    let ask = Ask { method: Method::HEAD, ..Ask::get(there, "", SHORT) };
    if client.ask_registry(at, &ask).await?.status.is_success() {
        return Ok(());
    }
    let begin = client.registry(at, "blobs/uploads/")?;
    let ask = Ask { method: Method::POST, ..Ask::get(begin.clone(), "", SHORT) };
    let answer = client.ask_registry(at, &ask).await?;
    if answer.status != StatusCode::ACCEPTED {
        return Err(answer.refused(client.cx()).into());
    }
    let to = answer.header("location").ok_or_else(|| RepositoryError::Unusable {
        what: format!("the answer to {}", answer.tried),
        why: "it does not say where to upload to".to_owned(),
    })?;
    let to = address::resolve(&begin, to)?;
    let joint = if to.query().is_some() { '&' } else { '?' };
    let ask = Ask {
        method: Method::PUT,
        content_type: "application/octet-stream",
        content: content.into(),
        ..Ask::get(address::parse(&format!("{to}{joint}digest={digest}"))?, "", SHORT)
    };
    let answer = client.ask_registry(at, &ask).await?;
    if answer.status.is_success() { Ok(()) } else { Err(answer.refused(client.cx()).into()) }
}

async fn put_manifest(client: &Client<'_>, at: &OciRef, tag: &str, content: Vec<u8>) -> Result<()> {
    let expected = digest_of(&content);
    let ask = Ask {
        method: Method::PUT,
        content_type: MANIFEST,
        content: content.into(),
        ..Ask::get(client.registry(at, &format!("manifests/{tag}"))?, "", SHORT)
    };
    let answer = client.ask_registry(at, &ask).await?;
    if !answer.status.is_success() {
        return Err(answer.refused(client.cx()).into());
    }
    match answer.header("docker-content-digest") {
        Some(found) if found != expected => Err(RepositoryError::Digest {
            what: format!("what the registry took for {at}"),
            by: "who sent it".to_owned(),
            expected,
            found: found.to_owned(),
        }
        .into()),
        _ => Ok(()),
    }
}

/// What a manifest says of the chart in it. Those of the chart's own come over them, but for its name and version.
fn annotations(chart: &Value) -> Map<String, Value> {
    const BASE: &str = "org.opencontainers.image";
    let mut all = Map::new();
    let mut add = |key: &str, text: &str| {
        if !text.trim().is_empty() {
            all.insert(format!("{BASE}.{key}"), text.into());
        }
    };
    for (key, field) in
        [("description", "description"), ("title", "name"), ("version", "version"), ("url", "home")]
    {
        add(key, chart[field].as_str().unwrap_or_default());
    }
    add("source", chart["sources"][0].as_str().unwrap_or_default());
    let authors = chart["maintainers"].as_array().into_iter().flatten().map(|one| {
        let (name, email) =
            (one["name"].as_str().unwrap_or_default(), one["email"].as_str().unwrap_or_default());
        if email.is_empty() { name.to_owned() } else { format!("{name} ({email})") }
    });
    add("authors", &authors.collect::<Vec<_>>().join(", "));
    for (key, value) in chart["annotations"].as_object().into_iter().flatten() {
        if ![format!("{BASE}.title"), format!("{BASE}.version")].contains(key) {
            all.insert(key.clone(), value.clone());
        }
    }
    all
}
