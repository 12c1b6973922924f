//! ECR: repositories of images. It holds manifests and knows of layers by their digests; nothing is pulled or pushed here.

mod images;
mod section;
mod state;
mod taken;

use base64::Engine;
use opsrun_core::Span;
use serde_json::{Value, json};
use std::collections::BTreeMap;

use self::images::{delete, findings, put};
pub use self::section::{ImageSection, RepositorySection};
pub(crate) use self::state::Repositories;
use self::state::{Image, Repository};
pub(crate) use self::taken::repository_of;
pub use self::taken::{TakenImage, TakenRepository};
use crate::fault::{Answer, Fault};
use crate::protocol::{Call, text};
use crate::world::{Aws, Caller};

/// An image is scanned once in so long.
const SCANNED_ONCE_IN: Span = Span::from_secs(24 * 3600);
/// A password is good for so long.
const SIGNED_IN_FOR: Span = Span::from_secs(12 * 3600);
const PAGE: usize = 100;

/// # Errors
/// Those of AWS.
pub(crate) fn call(world: &mut Aws, caller: &Caller, call: &Call) -> Answer {
    let password = world.random.of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 64);
    let repositories = &mut world.region_of(caller).repositories;
    let input = &call.input;
    let named = || text(input, "repositoryName");
    match call.operation.as_str() {
        "GetAuthorizationToken" => {
            let token = base64::engine::general_purpose::STANDARD.encode(format!("AWS:{password}"));
            Ok(json!({ "authorizationData": [{
                "authorizationToken": token,
                "expiresAt": SIGNED_IN_FOR.after(caller.now).as_second(),
                "proxyEndpoint": format!("https://{}", registry(caller)),
            }] }))
        }
        "DescribeRepositories" => {
            let wanted: Vec<&str> = strings(input, "repositoryNames");
            for name in &wanted {
                repositories.known(name, caller)?;
            }
            let all = repositories.0.iter();
            let all = all.filter(|(name, _)| wanted.is_empty() || wanted.contains(&name.as_str()));
            let all = all.map(|(name, repository)| described(name, repository, caller)).collect();
            Ok(paged(input, "repositories", all, json!({})))
        }
        "CreateRepository" => create(repositories, input, caller),
        "DeleteRepository" => {
            let name = named()?;
            let repository = repositories.known(name, caller)?;
            let forced = input.get("force").and_then(Value::as_bool) == Some(true);
            if !repository.images.is_empty() && !forced {
                let message = format!(
                    "The repository with name '{name}' in registry with id '{}' cannot be deleted because it still contains images",
                    caller.account
                );
                return Err(Fault::sender("RepositoryNotEmptyException", message));
            }
            let told = described(name, repository, caller);
            repositories.0.remove(name);
            Ok(json!({ "repository": told }))
        }
        "ListTagsForResource" => {
            let arn = text(input, "resourceArn")?;
            let name = arn.split_once(":repository/").map_or(arn, |(_, name)| name);
            let tags = &repositories.known(name, caller)?.tags;
            let tags: Vec<Value> =
                tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
            Ok(json!({ "tags": tags }))
        }
        "ListImages" => {
            let repository = repositories.known(named()?, caller)?;
            let mut ids = Vec::new();
            for (digest, image) in filtered(repository, input) {
                ids.extend(image.tags.iter().map(|tag| json!({ "imageDigest": digest, "imageTag": tag })));
                if image.tags.is_empty() {
                    ids.push(json!({ "imageDigest": digest }));
                }
            }
            Ok(paged(input, "imageIds", ids, json!({})))
        }
        "DescribeImages" => {
            let name = named()?;
            let repository = repositories.known(name, caller)?;
            let mut wanted = Vec::new();
            for id in list(input, "imageIds") {
                wanted.push(needed(repository, name, id, caller)?);
            }
            let all = filtered(repository, input);
            let all = all.filter(|(digest, _)| wanted.is_empty() || wanted.contains(digest));
            let all =
                all.map(|(digest, image)| detailed(name, repository, (digest, image), caller)).collect();
            Ok(paged(input, "imageDetails", all, json!({})))
        }
        "BatchGetImage" => {
            let name = named()?;
            let repository = repositories.known(name, caller)?;
            let (mut images, mut failures) = (Vec::new(), Vec::new());
            for id in list(input, "imageIds") {
                match repository.digest_of(id) {
                    Some(digest) => images.push(whole(name, &repository.images, &digest, id, caller)),
                    None => failures.push(failure(id, "ImageNotFound", "Requested image not found")),
                }
            }
            Ok(json!({ "images": images, "failures": failures }))
        }
        "PutImage" => put(repositories.known(named()?, caller)?, input, caller),
        "BatchDeleteImage" => {
            let repository = repositories.known(named()?, caller)?;
            let (mut gone, mut failures) = (Vec::new(), Vec::new());
            for id in list(input, "imageIds") {
                match delete(repository, id, caller.now) {
                    Ok(id) => gone.push(id),
                    Err((code, why)) => failures.push(failure(id, code, &why)),
                }
            }
            Ok(json!({ "imageIds": gone, "failures": failures }))
        }
        "StartImageScan" => {
            let name = named()?;
            let repository = repositories.known(name, caller)?;
            let id = input.get("imageId").cloned().unwrap_or_default();
            let digest = needed(repository, name, &id, caller)?;
            let image = repository.images.get_mut(&digest);
            if let Some(image) = image {
                if image.scan.is_some_and(|began| SCANNED_ONCE_IN.after(began) > caller.now) {
                    let message = "The scan quota per image has been exceeded. Wait and try again.";
                    return Err(Fault::sender("LimitExceededException", message));
                }
                image.scan = Some(caller.now);
            }
            Ok(json!({
                "registryId": caller.account,
                "repositoryName": name,
                "imageId": id,
                "imageScanStatus": { "status": "IN_PROGRESS" },
            }))
        }
        "DescribeImageScanFindings" => {
            let name = named()?;
            let repository = repositories.known(name, caller)?;
            let id = input.get("imageId").cloned().unwrap_or_default();
            let digest = needed(repository, name, &id, caller)?;
            findings(name, repository, &digest, input, caller)
        }
        operation => Err(Fault::not_simulated("ecr", operation)),
    }
}

fn registry(caller: &Caller) -> String {
    format!("{}.dkr.ecr.{}.amazonaws.com", caller.account, caller.region)
}

fn list<'v>(input: &'v Value, member: &str) -> &'v [Value] {
    input.get(member).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn strings<'v>(input: &'v Value, member: &str) -> Vec<&'v str> {
    list(input, member).iter().filter_map(Value::as_str).collect()
}

/// So many of all as a page has, and where the next one begins.
fn paged(input: &Value, member: &str, all: Vec<Value>, besides: Value) -> Value {
    let from = input.get("nextToken").and_then(Value::as_str).and_then(|text| text.parse().ok());
    let from: usize = from.unwrap_or(0);
    let size = input.get("maxResults").and_then(Value::as_u64).and_then(|size| usize::try_from(size).ok());
    let size = size.unwrap_or(PAGE).max(1);
    let more = all.len() > from + size;
    let page: Vec<Value> = all.into_iter().skip(from).take(size).collect();
    let mut answer = besides;
    answer[member] = page.into();
    if more {
        answer["nextToken"] = (from + size).to_string().into();
    }
    answer
}

fn filtered<'r>(
    repository: &'r Repository,
    input: &Value,
) -> impl Iterator<Item = (&'r String, &'r Image)> + use<'r> {
    let status = input.pointer("/filter/tagStatus").and_then(Value::as_str).unwrap_or("ANY").to_owned();
    repository.images.iter().filter(move |(_, image)| match status.as_str() {
        "TAGGED" => !image.tags.is_empty(),
        "UNTAGGED" => image.tags.is_empty(),
        _ => true,
    })
}

fn needed(repository: &Repository, name: &str, id: &Value, caller: &Caller) -> Answer<String> {
    repository.digest_of(id).ok_or_else(|| {
        let member = |name: &str| id.get(name).and_then(Value::as_str).unwrap_or("null");
        let message = format!(
            "The image with imageId {{imageDigest:'{}', imageTag:'{}'}} does not exist within the repository with name '{name}' in \
             the registry with id '{}'",
            member("imageDigest"),
            member("imageTag"),
            caller.account
        );
        Fault::sender("ImageNotFoundException", message)
    })
}

fn described(name: &str, repository: &Repository, caller: &Caller) -> Value {
    json!({
        "repositoryArn": format!("arn:aws:ecr:{}:{}:repository/{name}", caller.region, caller.account),
        "registryId": caller.account,
        "repositoryName": name,
        "repositoryUri": format!("{}/{name}", registry(caller)),
        "createdAt": repository.created.as_second(),
        "imageTagMutability": if repository.immutable { "IMMUTABLE" } else { "MUTABLE" },
        "imageScanningConfiguration": { "scanOnPush": repository.scan_on_push },
        "encryptionConfiguration": { "encryptionType": "AES256" },
    })
}

fn detailed(name: &str, repository: &Repository, of: (&String, &Image), caller: &Caller) -> Value {
    let (digest, image) = of;
    let mut told = json!({
        "registryId": caller.account,
        "repositoryName": name,
        "imageDigest": digest,
        "imageSizeInBytes": repository.size(image),
        "imagePushedAt": image.pushed.as_second(),
        "imageManifestMediaType": image.media_type,
    });
    if !image.tags.is_empty() {
        told["imageTags"] = json!(image.tags);
    }
    if let Some(status) = repository.scan_status(image, caller.now) {
        told["imageScanStatus"] = json!({ "status": status });
        if status == "COMPLETE" {
            let counts = image.findings.as_ref().unwrap_or(&repository.findings);
            told["imageScanFindingsSummary"] = json!({ "findingSeverityCounts": counts });
        }
    }
    told
}

fn whole(name: &str, images: &BTreeMap<String, Image>, digest: &str, id: &Value, caller: &Caller) -> Value {
    let image = images.get(digest);
    let mut told = json!({ "imageDigest": digest });
    if let Some(tag) = id.get("imageTag") {
        told["imageTag"] = tag.clone();
    }
    json!({
        "registryId": caller.account,
        "repositoryName": name,
        "imageId": told,
        "imageManifest": image.map(|image| &image.manifest),
        "imageManifestMediaType": image.map(|image| &image.media_type),
    })
}

fn failure(id: &Value, code: &str, why: &str) -> Value {
    json!({ "imageId": id, "failureCode": code, "failureReason": why })
}

fn create(repositories: &mut Repositories, input: &Value, caller: &Caller) -> Answer {
    let name = text(input, "repositoryName")?;
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-/".contains(c);
    if name.len() < 2 || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(is_name)
    {
        let message = format!(
            "Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must satisfy regular expression \
             '(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*'': {name}"
        );
        return Err(Fault::sender("InvalidParameterException", message));
    }
    if repositories.0.contains_key(name) {
        let message = format!(
            "The repository with name '{name}' already exists in the registry with id '{}'",
            caller.account
        );
        return Err(Fault::sender("RepositoryAlreadyExistsException", message));
    }
    let mutability = input.get("imageTagMutability").and_then(Value::as_str).unwrap_or("MUTABLE");
    let scans = input.pointer("/imageScanningConfiguration/scanOnPush").and_then(Value::as_bool);
    let section = RepositorySection {
        immutable: mutability == "IMMUTABLE",
        scan_on_push: scans == Some(true),
        ..RepositorySection::default()
    };
    let mut made = Repository::empty(&section, caller.now);
    for tag in list(input, "tags") {
        made.tags.insert(text(tag, "Key")?.to_owned(), text(tag, "Value")?.to_owned());
    }
    let told = described(name, &made, caller);
    repositories.0.insert(name.to_owned(), made);
    Ok(json!({ "repository": told }))
}
