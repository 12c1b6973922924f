//! Uploads in parts.

use std::sync::Arc;

use s3s::dto::*;
use s3s::{S3Result, s3_error};

use super::checksum::{self, sent};
use super::object::{self, about};
use super::store::{Content, Part, Stored, Upload};
use super::turn::{self, Turn, whole};

/// Every part but the last has this at least.
const SMALLEST: usize = 5 << 20;
const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

pub(super) fn create(
    turn: &mut Turn,
    input: CreateMultipartUploadInput,
) -> S3Result<CreateMultipartUploadOutput> {
    let (bucket, random, now) = turn.change(&input.bucket)?;
    let algorithm = input.checksum_algorithm.as_ref().map(|algorithm| algorithm.as_str().to_owned());
    let kind = input.checksum_type.as_ref().map(ChecksumType::as_str);
    // A CRC of 64 bits is always of the whole; the others are of the parts, if nothing else is said.
    let whole = match (algorithm.as_deref(), kind) {
        (None | Some("CRC64NVME"), _) | (_, Some(ChecksumType::FULL_OBJECT)) => true,
        (Some(_), _) => false,
    };
    let id = random.of(LETTERS, 64);
    let upload = Upload {
        key: input.key.clone(),
        at: now,
        about: about!(input),
        algorithm,
        whole,
        parts: Default::default(),
    };
    bucket.uploads.insert(id.clone(), upload);
    Ok(CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(id),
        checksum_algorithm: input.checksum_algorithm,
        checksum_type: input.checksum_type,
        ..Default::default()
    })
}

fn no_such_upload() -> s3s::S3Error {
    let message = "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.";
    s3_error!(NoSuchUpload, "{message}")
}

fn open<'t>(turn: &'t mut Turn, bucket: &str, key: &str, id: &str) -> S3Result<&'t mut Upload> {
    let (bucket, ..) = turn.change(bucket)?;
    bucket.uploads.get_mut(id).filter(|upload| upload.key == key).ok_or_else(no_such_upload)
}

pub(super) fn upload(turn: &mut Turn, mut input: UploadPartInput) -> S3Result<UploadPartOutput> {
    let bytes = whole(input.body.take())?;
    let now = turn.now;
    let upload = open(turn, &input.bucket, &input.key, &input.upload_id)?;
    if !(1..=10_000).contains(&input.part_number) {
        return Err(s3_error!(
            InvalidArgument,
            "Part number must be an integer between 1 and 10000, inclusive"
        ));
    }
    let sum = checksum::verified(&sent!(input), input.content_md5.as_ref(), &bytes)?;
    let sum = sum.or_else(|| checksum::of(upload.algorithm.as_deref()?, &bytes));
    let digest = checksum::digest(&bytes);
    let mut output =
        UploadPartOutput { e_tag: Some(ETag::Strong(checksum::hex(&digest))), ..Default::default() };
    checksum::told!(output, sum.as_ref());
    upload.parts.insert(input.part_number, Part { bytes, digest, sum, at: now });
    Ok(output)
}

pub(super) fn copy(turn: &mut Turn, input: UploadPartCopyInput) -> S3Result<UploadPartCopyOutput> {
    let (from, version) = object::source(turn, &input.copy_source)?;
    let bytes = match &input.copy_source_range {
        None => from.bytes()?.clone(),
        Some(range) => {
            let invalid = || {
                s3_error!(
                    InvalidArgument,
                    "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy"
                )
            };
            let range = Range::parse(range).map_err(|_| invalid())?;
            let range = range.check(from.size() as u64).map_err(|_| {
                s3_error!(InvalidRequest, "The specified copy range is invalid for the source object.")
            })?;
            let at = |index: u64| usize::try_from(index).map_err(|_| invalid());
            from.bytes()?.slice(at(range.start)?..at(range.end)?)
        }
    };
    let now = turn.now;
    let upload = open(turn, &input.bucket, &input.key, &input.upload_id)?;
    let sum = upload.algorithm.as_deref().and_then(|algorithm| checksum::of(algorithm, &bytes));
    let digest = checksum::digest(&bytes);
    let mut result = CopyPartResult {
        e_tag: Some(ETag::Strong(checksum::hex(&digest))),
        last_modified: Some(turn::told(now)),
        ..Default::default()
    };
    checksum::told!(result, sum.as_ref());
    upload.parts.insert(input.part_number, Part { bytes, digest, sum, at: now });
    Ok(UploadPartCopyOutput {
        copy_part_result: Some(result),
        copy_source_version_id: version,
        ..Default::default()
    })
}

pub(super) fn parts(turn: &mut Turn, input: ListPartsInput) -> S3Result<ListPartsOutput> {
    let upload = open(turn, &input.bucket, &input.key, &input.upload_id)?;
    let after = input.part_number_marker.unwrap_or(0);
    let most = usize::try_from(input.max_parts.unwrap_or(1000).clamp(0, 1000)).unwrap_or_default();
    let mut following = upload.parts.range(after + 1..);
    let parts: Vec<s3s::dto::Part> = following
        .by_ref()
        .take(most)
        .map(|(number, part)| {
            let mut told = s3s::dto::Part {
                part_number: Some(*number),
                size: i64::try_from(part.bytes.len()).ok(),
                e_tag: Some(ETag::Strong(checksum::hex(&part.digest))),
                last_modified: Some(turn::told(part.at)),
                ..Default::default()
            };
            checksum::told!(told, part.sum.as_ref());
            told
        })
        .collect();
    let is_truncated = following.next().is_some();
    let next = parts.last().and_then(|part| part.part_number);
    Ok(ListPartsOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        is_truncated: Some(is_truncated),
        next_part_number_marker: next.filter(|_| is_truncated),
        checksum_algorithm: upload.algorithm.clone().map(ChecksumAlgorithm::from),
        parts: Some(parts),
        ..Default::default()
    })
}

pub(super) fn uploads(
    turn: &mut Turn,
    input: ListMultipartUploadsInput,
) -> S3Result<ListMultipartUploadsOutput> {
    let bucket = turn.bucket(&input.bucket)?;
    let prefix = input.prefix.clone().unwrap_or_default();
    let mut found: Vec<(&String, &Upload)> =
        bucket.uploads.iter().filter(|(_, upload)| upload.key.starts_with(&prefix)).collect();
    found.sort_by_key(|(id, upload)| (&upload.key, upload.at, *id));
    let after = (input.key_marker.clone().unwrap_or_default(), input.upload_id_marker.clone());
    let begins = match &after {
        (key, _) if key.is_empty() => 0,
        (key, Some(id)) => found
            .iter()
            .position(|(known, _)| *known == id)
            .map_or_else(|| found.partition_point(|(_, upload)| upload.key <= *key), |at| at + 1),
        (key, None) => found.partition_point(|(_, upload)| upload.key <= *key),
    };
    let most = usize::try_from(input.max_uploads.unwrap_or(1000).clamp(0, 1000)).unwrap_or_default();
    let is_truncated = found.len() > begins + most;
    let uploads: Vec<MultipartUpload> = found
        .iter()
        .skip(begins)
        .take(most)
        .map(|(id, upload)| MultipartUpload {
            key: Some(upload.key.clone()),
            upload_id: Some((*id).clone()),
            initiated: Some(turn::told(upload.at)),
            checksum_algorithm: upload.algorithm.clone().map(ChecksumAlgorithm::from),
            ..Default::default()
        })
        .collect();
    let last = uploads.last().filter(|_| is_truncated).cloned().unwrap_or_default();
    Ok(ListMultipartUploadsOutput {
        bucket: Some(input.bucket),
        prefix: Some(prefix),
        is_truncated: Some(is_truncated),
        next_key_marker: last.key,
        next_upload_id_marker: last.upload_id,
        uploads: Some(uploads),
        ..Default::default()
    })
}

pub(super) fn complete(
    turn: &mut Turn,
    input: CompleteMultipartUploadInput,
) -> S3Result<CompleteMultipartUploadOutput> {
    let upload = open(turn, &input.bucket, &input.key, &input.upload_id)?.clone();
    let wanted = input.multipart_upload.clone().and_then(|upload| upload.parts).unwrap_or_default();
    if wanted.is_empty() {
        return Err(s3_error!(
            MalformedXML,
            "The XML you provided was not well-formed or did not validate against our published schema"
        ));
    }
    let mut parts: Vec<&Part> = Vec::new();
    let mut last = 0;
    for part in &wanted {
        let number = part.part_number.unwrap_or_default();
        if number <= last {
            return Err(s3_error!(
                InvalidPartOrder,
                "The list of parts was not in ascending order. Parts must be ordered by part number."
            ));
        }
        last = number;
        let message = "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.";
        let found = upload.parts.get(&number).ok_or_else(|| s3_error!(InvalidPart, "{message}"))?;
        if part.e_tag.as_ref().is_some_and(|tag| tag.value() != checksum::hex(&found.digest)) {
            return Err(s3_error!(InvalidPart, "{message}"));
        }
        parts.push(found);
    }
    let count = parts.len();
    if parts.iter().take(count - 1).any(|part| part.bytes.len() < SMALLEST) {
        return Err(s3_error!(
            EntityTooSmall,
            "Your proposed upload is smaller than the minimum allowed size"
        ));
    }
    let bytes: bytes::Bytes = parts.iter().map(|part| &part.bytes[..]).collect::<Vec<_>>().concat().into();
    let algorithm = upload.algorithm.as_deref().unwrap_or(checksum::DEFAULT);
    let sum = if upload.whole {
        checksum::of(algorithm, &bytes)
    } else {
        checksum::composite(algorithm, parts.iter().map(|part| &part.bytes[..]))
    };
    for (algorithm, value) in sent!(input) {
        if let (Some(value), Some(sum)) = (value, &sum)
            && (algorithm == sum.algorithm && *value != sum.value)
        {
            return Err(s3_error!(
                BadDigest,
                "The {algorithm} you specified did not match the calculated checksum."
            ));
        }
    }
    let digests: Vec<u8> = parts.iter().flat_map(|part| part.digest).collect();
    let tag = format!("{}-{count}", checksum::hex(&checksum::digest(&digests)));
    let mut end = 0;
    let ends = parts.iter().map(|part| {
        end += part.bytes.len();
        end
    });
    let ends = ends.collect();
    let plain = object::content(bytes.clone(), sum, upload.about.clone());
    let content = Arc::new(Content {
        tag: tag.clone(),
        md5: plain.md5.clone(),
        sum: plain.sum.clone(),
        about: upload.about.clone(),
        stored: Stored::Here(bytes),
        ends,
    });
    let (bucket, random, now) = turn.change(&input.bucket)?;
    object::may_write(bucket, &input.key, input.if_match.as_ref(), input.if_none_match.as_ref())?;
    bucket.uploads.remove(&input.upload_id);
    let id = bucket.add(&input.key, Some(content.clone()), now, random);
    let mut output = CompleteMultipartUploadOutput {
        bucket: Some(input.bucket.clone()),
        location: Some(format!("/{}/{}", input.bucket, input.key)),
        key: Some(input.key),
        e_tag: Some(ETag::Strong(tag)),
        version_id: object::told_id(bucket, &id),
        checksum_type: Some(object::kind(&content.sum)),
        ..Default::default()
    };
    checksum::told!(output, Some(&content.sum));
    Ok(output)
}

pub(super) fn abort(
    turn: &mut Turn,
    input: AbortMultipartUploadInput,
) -> S3Result<AbortMultipartUploadOutput> {
    open(turn, &input.bucket, &input.key, &input.upload_id)?;
    let (bucket, ..) = turn.change(&input.bucket)?;
    bucket.uploads.remove(&input.upload_id);
    Ok(AbortMultipartUploadOutput::default())
}
