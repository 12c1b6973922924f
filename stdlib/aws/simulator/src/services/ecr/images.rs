//! Images put, deleted and scanned.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::state::{Image, Repository, SEVERITIES, digest, layers};
use super::{list, paged, whole};
use crate::fault::{Answer, Fault};
use crate::protocol::text;
use crate::world::Caller;

pub(super) fn put(repository: &mut Repository, input: &Value, caller: &Caller) -> Answer {
    let name = text(input, "repositoryName")?;
    let content = text(input, "imageManifest")?;
    let invalid = |message: String| Err(Fault::sender("InvalidParameterException", message));
    let Ok(parsed) = serde_json::from_str::<Value>(content) else {
        return invalid(
            "Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Invalid JSON syntax'"
                .to_owned(),
        );
    };
    let media_type = input.get("imageManifestMediaType").or_else(|| parsed.get("mediaType"));
    let Some(media_type) = media_type.and_then(Value::as_str).map(str::to_owned) else {
        return invalid("image manifest mediatype not provided in manifest or parameter".to_owned());
    };
    let digest = digest(content);
    if input.get("imageDigest").and_then(Value::as_str).is_some_and(|of| of != digest) {
        let message =
            "The specified image digest does not match the digest that Amazon ECR calculated for the image.";
        return Err(Fault::sender("ImageDigestDoesNotMatchException", message));
    }
    let tag = input.get("imageTag").and_then(Value::as_str);
    let held = tag.and_then(|tag| repository.digest_of(&json!({ "imageTag": tag })));
    if repository.images.contains_key(&digest) && (tag.is_none() || held.as_ref() == Some(&digest)) {
        let message = format!(
            "Image with digest '{digest}' and tag '{}' already exists in the repository with name '{name}' in registry with id '{}'",
            tag.unwrap_or("null"),
            caller.account
        );
        return Err(Fault::sender("ImageAlreadyExistsException", message));
    }
    if let (Some(tag), Some(_), true) = (tag, &held, repository.immutable) {
        let message = format!(
            "The image tag '{tag}' already exists in the '{name}' repository and cannot be overwritten because the tag is immutable."
        );
        return Err(Fault::sender("ImageTagAlreadyExistsException", message));
    }
    if !repository.images.contains_key(&digest) {
        let missing: Vec<String> = layers(content)
            .into_iter()
            .map(|(digest, _)| digest)
            .filter(|digest| !repository.has_layer(digest, caller.now))
            .collect();
        if !missing.is_empty() {
            let message = format!(
                "Layers with digests '{missing:?}' required for pushing image into repository with name '{name}' in the registry with id '{}' do not exist",
                caller.account
            );
            return Err(Fault::sender("LayersNotFoundException", message));
        }
        let parts = strings_at(&parsed, "manifests");
        if let Some(part) = parts.iter().find(|part| !repository.images.contains_key(**part)) {
            let message = format!(
                "Images with digests '[{part}]' required for pushing image into repository with name '{name}' do not exist"
            );
            return Err(Fault::sender("ReferencedImagesNotFoundException", message));
        }
        repository.note_layers(content);
        let scan = repository.scan_on_push.then_some(caller.now);
        let image = Image {
            manifest: content.to_owned(),
            media_type,
            tags: BTreeSet::new(),
            pushed: caller.now,
            scan,
            findings: None,
        };
        repository.images.insert(digest.clone(), image);
    }
    if let Some(tag) = tag {
        for image in repository.images.values_mut() {
            image.tags.remove(tag);
        }
        if let Some(image) = repository.images.get_mut(&digest) {
            image.tags.insert(tag.to_owned());
        }
    }
    let id = json!({ "imageTag": tag });
    let id = if tag.is_some() { id } else { json!({}) };
    Ok(json!({ "image": whole(name, &repository.images, &digest, &id, caller) }))
}

/// The digests of the images that a list of them has.
fn strings_at<'v>(manifest: &'v Value, member: &str) -> Vec<&'v str> {
    list(manifest, member).iter().filter_map(|of| of.get("digest")?.as_str()).collect()
}

/// With its last tag an image goes.
pub(super) fn delete(
    repository: &mut Repository,
    id: &Value,
    now: Timestamp,
) -> Result<Value, (&'static str, String)> {
    let Some(digest) = repository.digest_of(id) else {
        return Err(("ImageNotFound", "Requested image not found".to_owned()));
    };
    let tag = id.get("imageTag").and_then(Value::as_str);
    let told = match tag {
        Some(tag) => json!({ "imageDigest": digest, "imageTag": tag }),
        None => json!({ "imageDigest": digest }),
    };
    if let (Some(tag), Some(image)) = (tag, repository.images.get_mut(&digest))
        && id.get("imageDigest").is_none()
        && image.tags.len() > 1
    {
        image.tags.remove(tag);
        return Ok(told);
    }
    for (list, image) in &repository.images {
        let parsed: Value = serde_json::from_str(&image.manifest).unwrap_or_default();
        if strings_at(&parsed, "manifests").contains(&digest.as_str()) {
            let why = format!("Requested image referenced by manifest list: [{list}]");
            return Err(("ImageReferencedByManifestList", why));
        }
    }
    repository.remove(&digest, now);
    Ok(told)
}

pub(super) fn findings(
    name: &str,
    repository: &Repository,
    digest: &str,
    input: &Value,
    caller: &Caller,
) -> Answer {
    let image = repository.images.get(digest);
    let scanned =
        image.and_then(|image| Some((image, image.scan?, repository.scan_status(image, caller.now)?)));
    let Some((image, began, status)) = scanned else {
        let message = format!(
            "Image scan does not exist for the image with '{{imageDigest:'{digest}'}}' in the repository with name '{name}' in the \
             registry with id '{}'",
            caller.account
        );
        return Err(Fault::sender("ScanNotFoundException", message));
    };
    let besides = json!({
        "registryId": caller.account,
        "repositoryName": name,
        "imageId": { "imageDigest": digest },
        "imageScanStatus": { "status": status },
    });
    if status != "COMPLETE" {
        return Ok(besides);
    }
    let counts = image.findings.as_ref().unwrap_or(&repository.findings);
    let mut all = Vec::new();
    for severity in SEVERITIES {
        for _ in 0..counts.get(*severity).copied().unwrap_or_default() {
            let name = format!("CVE-2026-{:05}", all.len() + 1);
            all.push(json!({
                "name": name,
                "description": format!("a {} weakness that the estate has made up", severity.to_lowercase()),
                "uri": format!("https://security-tracker.debian.org/tracker/{name}"),
                "severity": severity,
                "attributes": [
                    { "key": "package_name", "value": "openssl" },
                    { "key": "package_version", "value": "3.0.15-1" },
                ],
            }));
        }
    }
    let mut answer = paged(input, "findings", all, json!({}));
    let next = answer.as_object_mut().and_then(|members| members.remove("nextToken"));
    answer["imageScanCompletedAt"] = repository.scan_takes.after(began).as_second().into();
    answer["findingSeverityCounts"] = json!(counts);
    let mut told = besides;
    told["imageScanFindings"] = answer;
    if let Some(next) = next {
        told["nextToken"] = next;
    }
    Ok(told)
}
