//! Images of ECR: how they are named, looked up, and given tags. What is done with them is in the primitives.

use std::collections::BTreeMap;

use aws_sdk_ecr::types::{ImageDetail, ImageFailure, ImageIdentifier, TagStatus};
use opsrun_core::{Error, ErrorKind, Result};
use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::client::Client;
use crate::rds::time;

const DESCRIBE: &str = "ecr:DescribeImages";
/// So many images one request asks for.
const MOST_AT_ONCE: usize = 100;

/// An image of a repository.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Image {
    pub(crate) repository: String,
    /// `sha256:…`
    pub(crate) digest: String,
    /// In the order of the alphabet; none if it is only known by its digest.
    pub(crate) tags: Vec<String>,
    /// When it was pushed last.
    pub(crate) pushed: Option<String>,
    /// In bytes, as they are kept: layers are compressed.
    pub(crate) size: i64,
    pub(crate) media_type: Option<String>,
    /// How far a scan is: `COMPLETE`, `IN_PROGRESS`, `FAILED`, …; `()` if there never was one.
    pub(crate) scan: Option<String>,
    /// What the last scan has found, by severity: `CRITICAL`, `HIGH`, …
    pub(crate) findings: BTreeMap<String, i32>,
}

/// An image's manifest as it was pushed, to the byte: its digest is made of it.
pub(crate) struct Manifest {
    pub(crate) text: String,
    pub(crate) media_type: Option<String>,
}

impl Image {
    fn of(detail: &ImageDetail) -> Self {
        let mut tags = detail.image_tags().to_vec();
        tags.sort();
        let counts = detail.image_scan_findings_summary().and_then(|of| of.finding_severity_counts());
        let status = detail.image_scan_status().and_then(|of| of.status());
        Image {
            repository: detail.repository_name().unwrap_or_default().to_owned(),
            digest: detail.image_digest().unwrap_or_default().to_owned(),
            tags,
            pushed: detail.image_pushed_at().and_then(time).map(|at| at.to_string()),
            size: detail.image_size_in_bytes().unwrap_or_default(),
            media_type: detail.image_manifest_media_type().map(str::to_owned),
            scan: status.map(|status| status.as_str().to_owned()),
            findings: counts
                .into_iter()
                .flatten()
                .map(|(severity, count)| (severity.as_str().to_owned(), *count))
                .collect(),
        }
    }
}

/// `image`: a tag, or a digest.
pub(crate) fn identifier(image: &str) -> ImageIdentifier {
    let builder = ImageIdentifier::builder();
    match image.starts_with("sha256:") {
        true => builder.image_digest(image).build(),
        false => builder.image_tag(image).build(),
    }
}

/// How an image is told in errors: `api:1.4.0`, `api@sha256:…`.
pub(crate) fn named(repository: &str, image: &str) -> String {
    let sign = if image.starts_with("sha256:") { '@' } else { ':' };
    format!("{repository}{sign}{image}")
}

/// The image of this tag or digest, if there is one.
///
/// # Errors
/// `NotFound` if there is no such repository; those of AWS.
pub(crate) async fn image(client: &Client, repository: &str, image: &str) -> Result<Option<Image>> {
    let asked = client.ecr().describe_images().repository_name(repository).image_ids(identifier(image));
    let tried = format!("looking at the image {}", named(repository, image));
    match client.call(DESCRIBE, &tried, asked.send()).await {
        Ok(found) => Ok(found.image_details().first().map(Image::of)),
        Err(error) if has_code(&error, "ImageNotFoundException") => Ok(None),
        Err(error) => Err(error),
    }
}

/// # Errors
/// `NotFound`, which names the tags that there are; those of AWS.
pub(crate) async fn needed_image(client: &Client, repository: &str, image: &str) -> Result<Image> {
    if let Some(found) = self::image(client, repository, image).await? {
        return Ok(found);
    }
    let place = client.place();
    let error = Error::not_found(format!(
        "there is no image {} in {}, {}",
        named(repository, image),
        place.region,
        place.account
    ));
    let tags: Vec<String> =
        images(client, repository, None).await?.into_iter().flat_map(|of| of.tags).take(20).collect();
    Err(match tags.as_slice() {
        [] => error.hint("the repository has no tags at all: was the image pushed, and to this region?"),
        tags => error.hint(format!("the newest tags are `{}`", tags.join("`, `"))),
    })
}

/// All images of a repository, those that were pushed last first.
///
/// # Errors
/// `NotFound` if there is no such repository; those of AWS.
pub(crate) async fn images(client: &Client, repository: &str, tagged: Option<bool>) -> Result<Vec<Image>> {
    let tried = format!("listing the images of {repository}");
    let filter = tagged.map(|tagged| {
        let status = if tagged { TagStatus::Tagged } else { TagStatus::Untagged };
        aws_sdk_ecr::types::DescribeImagesFilter::builder().tag_status(status).build()
    });
    let mut all = Vec::new();
    let mut next = None;
    loop {
        let asked = client.ecr().describe_images().repository_name(repository);
        let asked = asked.set_filter(filter.clone()).set_next_token(next).send();
        let page = client.call(DESCRIBE, &tried, asked).await?;
        all.extend(page.image_details().iter().map(Image::of));
        next = page.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
        if next.is_none() {
            break;
        }
    }
    all.sort_by(|a, b| b.pushed.cmp(&a.pushed).then_with(|| a.tags.cmp(&b.tags)));
    Ok(all)
}

/// The manifest of an image that is there.
///
/// # Errors
/// `NotFound`; those of AWS.
pub(crate) async fn manifest(client: &Client, repository: &str, image: &str) -> Result<Manifest> {
    let tried = format!("reading the manifest of {}", named(repository, image));
    let asked = client.ecr().batch_get_image().repository_name(repository).image_ids(identifier(image));
    let found = client.call("ecr:BatchGetImage", &tried, asked.send()).await?;
    refused(&tried, found.failures())?;
    let found = found.images().first();
    let text = found.and_then(|image| image.image_manifest());
    let text = text.ok_or_else(|| Error::failed(format!("{tried}: AWS gives none")))?.to_owned();
    let media_type = found.and_then(|image| image.image_manifest_media_type()).map(str::to_owned);
    Ok(Manifest { text, media_type })
}

/// Those of these images, by their digests; what is gone meanwhile is left out.
///
/// # Errors
/// Those of AWS.
pub(crate) async fn manifests(
    client: &Client,
    repository: &str,
    digests: impl Iterator<Item = &str>,
) -> Result<BTreeMap<String, Manifest>> {
    let tried = format!("reading the manifests of {repository}");
    let ids: Vec<ImageIdentifier> = digests.map(identifier).collect();
    let mut all = BTreeMap::new();
    for ids in ids.chunks(MOST_AT_ONCE) {
        let asked = client.ecr().batch_get_image().repository_name(repository);
        let found =
            client.call("ecr:BatchGetImage", &tried, asked.set_image_ids(Some(ids.into())).send()).await?;
        for image in found.images() {
            let digest = image.image_id().and_then(|id| id.image_digest()).unwrap_or_default().to_owned();
            let text = image.image_manifest().unwrap_or_default().to_owned();
            let media_type = image.image_manifest_media_type().map(str::to_owned);
            all.insert(digest, Manifest { text, media_type });
        }
    }
    Ok(all)
}

/// Puts a manifest, which may be there already, under a tag or under none.
///
/// # Errors
/// `Failed` if layers of it are gone; those of AWS.
pub(crate) async fn put(
    client: &Client,
    repository: &str,
    manifest: &Manifest,
    tag: Option<&str>,
) -> Result<()> {
    let digest = digest(&manifest.text);
    let tried = match tag {
        Some(tag) => format!("putting {} under the tag {tag}", named(repository, &digest)),
        None => format!("putting {}", named(repository, &digest)),
    };
    let put = client.ecr().put_image().repository_name(repository).image_manifest(&manifest.text);
    let put = put.set_image_manifest_media_type(manifest.media_type.clone());
    let put = put.image_digest(&digest).set_image_tag(tag.map(str::to_owned)).send();
    match client.call("ecr:PutImage", &tried, put).await {
        Ok(_) => Ok(()),
        Err(error) if has_code(&error, "ImageAlreadyExistsException") => Ok(()),
        Err(error) if has_code(&error, "LayersNotFoundException") => {
            Err(error.hint("ECR has thrown its layers away meanwhile: push the image again"))
        }
        Err(error) if has_code(&error, "ImageTagAlreadyExistsException") => {
            Err(error.hint("the repository's tags are immutable: take another tag"))
        }
        Err(error) => Err(error),
    }
}

/// Takes away a tag, or an image by its digest. With its last tag an image goes, too.
///
/// # Errors
/// `Conflict` if a manifest list has it; those of AWS.
pub(crate) async fn delete(client: &Client, repository: &str, image: &str) -> Result<()> {
    let tried = format!("deleting {}", named(repository, image));
    let asked = client.ecr().batch_delete_image().repository_name(repository).image_ids(identifier(image));
    let done = client.call("ecr:BatchDeleteImage", &tried, asked.send()).await?;
    match refused(&tried, done.failures()) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// An answer of ECR's may be a refusal.
fn refused(tried: &str, failures: &[ImageFailure]) -> Result<()> {
    let Some(failure) = failures.first() else { return Ok(()) };
    let code = failure.failure_code().map(|code| code.as_str()).unwrap_or_default();
    let kind = match code {
        "ImageNotFound" => ErrorKind::NotFound,
        "ImageReferencedByManifestList" => ErrorKind::Conflict,
        _ => ErrorKind::Failed,
    };
    let why = failure.failure_reason().unwrap_or_default();
    Err(Error::new(kind, format!("{tried} was refused by AWS: {code}: {why}")))
}

/// What an image with this manifest is called.
pub(crate) fn digest(manifest: &str) -> String {
    let sum: String = Sha256::digest(manifest.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{sum}")
}

/// Whether AWS has said this.
pub(crate) fn has_code(error: &Error, code: &str) -> bool {
    error.data_value().get("code").is_some_and(|of| of == code)
}
