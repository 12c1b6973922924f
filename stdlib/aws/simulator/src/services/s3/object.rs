//! Objects: one at a time, or a list of them to delete.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use s3s::dto::*;
use s3s::{Body, S3Error, S3ErrorCode, S3Result, s3_error};

use super::checksum::{self, Sum, sent};
use super::store::{About, Bucket, Content, NULL, Stored, Version, Versioning};
use super::turn::{self, Turn, whole};

/// What one request may bring.
const LARGEST: usize = 5 << 30;

macro_rules! about {
    ($input:expr) => {
        $crate::services::s3::store::About {
            content_type: $input.content_type.clone(),
            cache_control: $input.cache_control.clone(),
            content_disposition: $input.content_disposition.clone(),
            content_encoding: $input.content_encoding.clone(),
            content_language: $input.content_language.clone(),
            storage_class: $input.storage_class.as_ref().map(|class| class.as_str().to_owned()),
            metadata: $input.metadata.clone(),
            tags: $input.tagging.clone(),
        }
    };
}
pub(super) use about;

/// Whether a write may be made, given what is there.
pub(super) fn may_write(
    bucket: &Bucket,
    key: &str,
    if_match: Option<&IfMatch>,
    if_none_match: Option<&IfNoneMatch>,
) -> S3Result<()> {
    let current = bucket.current(key).map(|(_, content)| content.tag.clone());
    let failed =
        || s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold");
    match (if_match, current.as_deref()) {
        (Some(_), None) => return Err(s3_error!(NoSuchKey, "The specified key does not exist.")),
        (Some(ETagCondition::ETag(wanted)), Some(tag)) if wanted.value() != tag => return Err(failed()),
        _ => {}
    }
    match (if_none_match, current.as_deref()) {
        (Some(ETagCondition::Any), Some(_)) => Err(failed()),
        (Some(ETagCondition::ETag(unwanted)), Some(tag)) if unwanted.value() == tag => Err(failed()),
        _ => Ok(()),
    }
}

/// The identifier, where versions have one.
pub(super) fn told_id(bucket: &Bucket, id: &str) -> Option<String> {
    (bucket.versioning != Versioning::Never).then(|| id.to_owned())
}

pub(super) fn put(turn: &mut Turn, mut input: PutObjectInput) -> S3Result<PutObjectOutput> {
    let bytes = whole(input.body.take())?;
    if bytes.len() > LARGEST {
        return Err(s3_error!(EntityTooLarge, "Your proposed upload exceeds the maximum allowed size"));
    }
    if input.content_length.is_some_and(|length| usize::try_from(length).ok() != Some(bytes.len())) {
        return Err(s3_error!(IncompleteBody));
    }
    let (bucket, random, now) = turn.change(&input.bucket)?;
    may_write(bucket, &input.key, input.if_match.as_ref(), input.if_none_match.as_ref())?;
    let sum = checksum::verified(&sent!(input), input.content_md5.as_ref(), &bytes)?;
    let content = content(bytes, sum, about!(input));
    let id = bucket.add(&input.key, Some(content.clone()), now, random);
    let mut output = PutObjectOutput {
        e_tag: Some(ETag::Strong(content.tag.clone())),
        version_id: told_id(bucket, &id),
        checksum_type: Some(kind(&content.sum)),
        ..Default::default()
    };
    checksum::told!(output, Some(&content.sum));
    Ok(output)
}

pub(super) fn content(bytes: Bytes, sum: Option<Sum>, about: About) -> Arc<Content> {
    let sum = sum.or_else(|| checksum::of(checksum::DEFAULT, &bytes));
    let sum = sum.unwrap_or(Sum { algorithm: checksum::DEFAULT, value: String::new(), composite: false });
    let tag = checksum::hex(&checksum::digest(&bytes));
    Arc::new(Content { stored: Stored::Here(bytes), md5: tag.clone(), tag, sum, about, ends: Vec::new() })
}

pub(super) fn kind(sum: &Sum) -> ChecksumType {
    let kind = if sum.composite { ChecksumType::COMPOSITE } else { ChecksumType::FULL_OBJECT };
    ChecksumType::from_static(kind)
}

/// A version of an object that can be read.
fn found<'b>(
    bucket: &'b Bucket,
    key: &str,
    id: Option<&String>,
) -> S3Result<(&'b Version, &'b Arc<Content>)> {
    let marked = |code: S3ErrorCode, message: &'static str, id: Option<&str>| {
        let mut error = S3Error::with_message(code, message);
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/xml"));
        headers.insert("x-amz-delete-marker", HeaderValue::from_static("true"));
        if let Some(id) = id.and_then(|id| HeaderValue::from_str(id).ok()) {
            headers.insert("x-amz-version-id", id);
        }
        error.set_headers(headers);
        error
    };
    let versions = bucket.objects.get(key);
    let Some(id) = id else {
        let none = || s3_error!(NoSuchKey, "The specified key does not exist.");
        let latest = versions.and_then(|versions| versions.last()).ok_or_else(none)?;
        return match &latest.content {
            Some(content) => Ok((latest, content)),
            None => {
                Err(marked(S3ErrorCode::NoSuchKey, "The specified key does not exist.", Some(&latest.id)))
            }
        };
    };
    let version = versions.and_then(|versions| versions.iter().find(|version| version.id == *id));
    let version = version.ok_or_else(|| s3_error!(NoSuchVersion, "The specified version does not exist."))?;
    match &version.content {
        Some(content) => Ok((version, content)),
        None => Err(marked(
            S3ErrorCode::MethodNotAllowed,
            "The specified method is not allowed against this resource.",
            Some(&version.id),
        )),
    }
}

/// Whether a read wants what is there.
fn may_read(
    content: &Content,
    version: &Version,
    if_match: Option<&IfMatch>,
    if_none_match: Option<&IfNoneMatch>,
    since: Option<&s3s::dto::Timestamp>,
) -> S3Result<()> {
    if let Some(ETagCondition::ETag(wanted)) = if_match
        && wanted.value() != content.tag
    {
        return Err(s3_error!(
            PreconditionFailed,
            "At least one of the pre-conditions you specified did not hold"
        ));
    }
    let same = match if_none_match {
        Some(ETagCondition::ETag(unwanted)) => unwanted.value() == content.tag,
        Some(ETagCondition::Any) => true,
        None => since.is_some_and(|since| turn::told(version.at) <= *since),
    };
    if same { Err(S3Error::new(S3ErrorCode::NotModified)) } else { Ok(()) }
}

pub(super) fn get(turn: &mut Turn, input: GetObjectInput) -> S3Result<GetObjectOutput> {
    let bucket = turn.bucket(&input.bucket)?;
    let (version, content) = found(bucket, &input.key, input.version_id.as_ref())?;
    may_read(
        content,
        version,
        input.if_match.as_ref(),
        input.if_none_match.as_ref(),
        input.if_modified_since.as_ref(),
    )?;
    let size = content.size();
    let range = match (input.range, input.part_number) {
        (Some(range), _) => {
            let range = range
                .check(size as u64)
                .map_err(|_| s3_error!(InvalidRange, "The requested range is not satisfiable"))?;
            Some(index(range.start)..index(range.end))
        }
        (None, Some(part)) => Some(part_range(content, part)?),
        (None, None) => None,
    };
    let content_range =
        range.as_ref().map(|range| format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1)));
    let bytes = match &range {
        Some(range) => content.bytes()?.slice(range.clone()),
        None => content.bytes()?.clone(),
    };
    let about = &content.about;
    let mut output = GetObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        content_length: i64::try_from(bytes.len()).ok(),
        content_range,
        body: Some(StreamingBlob::from(Body::from(bytes))),
        content_type: Some(about.content_type.clone().unwrap_or_else(|| UNSAID.to_owned())),
        cache_control: about.cache_control.clone(),
        content_disposition: about.content_disposition.clone(),
        content_encoding: about.content_encoding.clone(),
        content_language: about.content_language.clone(),
        metadata: about.metadata.clone(),
        storage_class: class(about),
        tag_count: tag_count(about),
        e_tag: Some(ETag::Strong(content.tag.clone())),
        last_modified: Some(turn::told(version.at)),
        version_id: told_id(bucket, &version.id),
        parts_count: parts(content, input.part_number),
        ..Default::default()
    };
    // Of a piece there is no checksum.
    if input.checksum_mode.is_some() && range.is_none() {
        checksum::told!(output, Some(&content.sum));
        output.checksum_type = Some(kind(&content.sum));
    }
    Ok(output)
}

/// Of a content of which nothing else is said.
pub(super) const UNSAID: &str = "binary/octet-stream";

fn index(at: u64) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

fn class(about: &About) -> Option<StorageClass> {
    about.storage_class.clone().filter(|class| class != StorageClass::STANDARD).map(StorageClass::from)
}

fn tag_count(about: &About) -> Option<i32> {
    let tags = about.tags.as_deref().filter(|tags| !tags.is_empty())?;
    i32::try_from(tags.split('&').count()).ok()
}

fn parts(content: &Content, asked: Option<i32>) -> Option<i32> {
    asked?;
    i32::try_from(content.ends.len()).ok().filter(|count| *count > 0)
}

fn part_range(content: &Content, part: i32) -> S3Result<std::ops::Range<usize>> {
    let number = usize::try_from(part).unwrap_or_default();
    let end = match number.checked_sub(1) {
        // What was not uploaded in parts is one.
        Some(0) if content.ends.is_empty() => Some(content.size()),
        Some(at) => content.ends.get(at).copied(),
        None => None,
    };
    let start = number.checked_sub(2).and_then(|at| content.ends.get(at)).copied().unwrap_or_default();
    let end = end.ok_or_else(|| s3_error!(InvalidPart, "The requested partnumber is not satisfiable"))?;
    Ok(start..end)
}

pub(super) fn head(turn: &mut Turn, input: HeadObjectInput) -> S3Result<HeadObjectOutput> {
    let bucket = turn.bucket(&input.bucket)?;
    let (version, content) = found(bucket, &input.key, input.version_id.as_ref())?;
    may_read(
        content,
        version,
        input.if_match.as_ref(),
        input.if_none_match.as_ref(),
        input.if_modified_since.as_ref(),
    )?;
    let about = &content.about;
    let size = match input.part_number {
        Some(part) => part_range(content, part)?.len(),
        None => content.size(),
    };
    let mut output = HeadObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        content_length: i64::try_from(size).ok(),
        content_type: Some(about.content_type.clone().unwrap_or_else(|| UNSAID.to_owned())),
        cache_control: about.cache_control.clone(),
        content_disposition: about.content_disposition.clone(),
        content_encoding: about.content_encoding.clone(),
        content_language: about.content_language.clone(),
        metadata: about.metadata.clone(),
        storage_class: class(about),
        e_tag: Some(ETag::Strong(content.tag.clone())),
        last_modified: Some(turn::told(version.at)),
        version_id: told_id(bucket, &version.id),
        parts_count: parts(content, input.part_number),
        ..Default::default()
    };
    if input.checksum_mode.is_some() {
        checksum::told!(output, Some(&content.sum));
        output.checksum_type = Some(kind(&content.sum));
    }
    Ok(output)
}

/// The content that a copy is made of, from wherever it is.
pub(super) fn source(turn: &mut Turn, source: &CopySource) -> S3Result<(Arc<Content>, Option<String>)> {
    let CopySource::Bucket { bucket, key, version_id } = source else {
        return Err(s3_error!(NotImplemented, "access points are not simulated"));
    };
    let bucket = turn.anywhere(bucket)?;
    let id = version_id.as_ref().map(ToString::to_string);
    let (version, content) = found(bucket, key, id.as_ref())?;
    Ok((content.clone(), told_id(bucket, &version.id)))
}

pub(super) fn copy(turn: &mut Turn, input: CopyObjectInput) -> S3Result<CopyObjectOutput> {
    let (from, from_version) = source(turn, &input.copy_source)?;
    if let Some(ETagCondition::ETag(wanted)) = &input.copy_source_if_match
        && wanted.value() != from.tag
    {
        return Err(s3_error!(
            PreconditionFailed,
            "At least one of the pre-conditions you specified did not hold"
        ));
    }
    let directive = input.metadata_directive.as_ref().map(MetadataDirective::as_str);
    let replaces = directive == Some(MetadataDirective::REPLACE);
    if let CopySource::Bucket { bucket, key, version_id: None } = &input.copy_source
        && **bucket == *input.bucket
        && **key == *input.key
        && !replaces
        && input.storage_class.is_none()
    {
        let message = "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.";
        return Err(s3_error!(InvalidRequest, "{message}"));
    }
    if from.size() > LARGEST {
        return Err(s3_error!(
            InvalidRequest,
            "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120"
        ));
    }
    let mut about = if replaces { about!(input) } else { from.about.clone() };
    if let Some(class) = &input.storage_class {
        about.storage_class = Some(class.as_str().to_owned());
    }
    let algorithm = input.checksum_algorithm.as_ref().map_or(from.sum.algorithm, ChecksumAlgorithm::as_str);
    let content = match &from.stored {
        Stored::Here(bytes) => content(bytes.clone(), checksum::of(algorithm, bytes), about),
        // Its tag is the same, unless it was uploaded in parts: then nobody knows before.
        Stored::Elsewhere { .. } => Arc::new(Content { about, ends: Vec::new(), ..(*from).clone() }),
    };
    let (bucket, random, now) = turn.change(&input.bucket)?;
    let id = bucket.add(&input.key, Some(content.clone()), now, random);
    let mut result = CopyObjectResult {
        e_tag: Some(ETag::Strong(content.tag.clone())),
        last_modified: Some(turn::told(now)),
        checksum_type: Some(kind(&content.sum)),
        ..Default::default()
    };
    checksum::told!(result, Some(&content.sum));
    Ok(CopyObjectOutput {
        copy_object_result: Some(result),
        copy_source_version_id: from_version,
        version_id: told_id(bucket, &id),
        ..Default::default()
    })
}

/// What became of one object that was to be deleted: whether that is, or was, a delete marker, and its version.
fn deleted(
    turn: &mut Turn,
    bucket: &str,
    key: &str,
    id: Option<&String>,
) -> S3Result<(bool, Option<String>)> {
    let (bucket, random, now) = turn.change(bucket)?;
    match id {
        Some(id) => {
            let was_marker = bucket.delete_version(key, id).unwrap_or(false);
            Ok((
                was_marker,
                Some(id.clone()).filter(|id| id != NULL || bucket.versioning != Versioning::Never),
            ))
        }
        None => {
            let marker = bucket.delete(key, now, random);
            Ok((marker.is_some(), marker))
        }
    }
}

pub(super) fn delete(turn: &mut Turn, input: DeleteObjectInput) -> S3Result<DeleteObjectOutput> {
    if let Some(wanted) = &input.if_match {
        let bucket = turn.bucket(&input.bucket)?;
        may_write(bucket, &input.key, Some(wanted), None)?;
    }
    let (marker, version_id) = deleted(turn, &input.bucket, &input.key, input.version_id.as_ref())?;
    Ok(DeleteObjectOutput { delete_marker: marker.then_some(true), version_id, ..Default::default() })
}

pub(super) fn delete_many(turn: &mut Turn, input: DeleteObjectsInput) -> S3Result<DeleteObjectsOutput> {
    const MOST: usize = 1000;
    if input.delete.objects.len() > MOST {
        return Err(s3_error!(
            MalformedXML,
            "The XML you provided was not well-formed or did not validate against our published schema"
        ));
    }
    let mut done = Vec::new();
    for object in input.delete.objects {
        let (marker, version) = deleted(turn, &input.bucket, &object.key, object.version_id.as_ref())?;
        done.push(DeletedObject {
            key: Some(object.key),
            version_id: object.version_id,
            delete_marker: marker.then_some(true),
            delete_marker_version_id: version.filter(|_| marker),
        });
    }
    let told = input.delete.quiet != Some(true);
    Ok(DeleteObjectsOutput { deleted: told.then_some(done), ..Default::default() })
}
