//! A repository of ECR with all its images.

use std::collections::{BTreeMap, BTreeSet};

use opsrun_aws_simulator::{TakenImage, TakenRepository};
use opsrun_core::Result;

use crate::client::Client;
use crate::ecr;
use crate::primitives::ecr as primitives;

/// None if there is none of this name.
pub(super) async fn repository(client: &Client, name: &str) -> Result<BTreeMap<String, TakenRepository>> {
    let Some(found) = primitives::repository(client, name).await? else { return Ok(BTreeMap::new()) };
    let at = |time: Option<&str>| time.and_then(|time| time.parse().ok()).unwrap_or_default();
    let images = ecr::images(client, name, None).await?;
    let mut manifests =
        ecr::manifests(client, name, images.iter().map(|image| image.digest.as_str())).await?;
    let images = images.into_iter().filter_map(|image| {
        let manifest = manifests.remove(&image.digest)?;
        let pushed = at(image.pushed.as_deref());
        let count = |count: i32| u32::try_from(count).unwrap_or_default();
        Some(TakenImage {
            manifest: manifest.text,
            media_type: manifest.media_type.or(image.media_type).unwrap_or_default(),
            tags: image.tags.into_iter().collect::<BTreeSet<_>>(),
            pushed,
            // When it was, nobody needs to know.
            scanned: (image.scan.as_deref() == Some("COMPLETE")).then_some(pushed),
            findings: image.findings.into_iter().map(|(severity, found)| (severity, count(found))).collect(),
        })
    });
    let taken = TakenRepository {
        immutable: found.immutable,
        scan_on_push: found.scan_on_push,
        created: at(found.created.as_deref()),
        tags: primitives::repository_tags(client, &found.arn).await?,
        images: images.collect(),
    };
    Ok([(name.to_owned(), taken)].into())
}
