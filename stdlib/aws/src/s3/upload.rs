//! Contents on their way to S3: in one request, or in parts that go side by side. Each request brings the checksum of what it
//! sends, and S3 refuses what arrives otherwise.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart, StorageClass,
};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use opsrun_core::{Cx, Error, Inverse, Result, UndoSlot};

use super::bucket::Bucket;
use super::budget::Budget;
use super::digest::{self, Digests};
use super::object::{self, Object};
use super::undo::Written;

const MIB: u64 = 1 << 20;
/// What is larger goes in parts.
pub(crate) const SMALL: u64 = 8 * MIB;
/// S3 takes no more.
const MOST_PARTS: u64 = 10_000;
const AT_ONCE: usize = 8;

/// So large are the parts of a content of this size.
pub(crate) fn part_size(size: u64) -> u64 {
    size.div_ceil(MOST_PARTS).next_multiple_of(MIB).max(SMALL)
}

/// Where a content comes from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    Bytes(Bytes),
    File { path: PathBuf, size: u64 },
}

impl Source {
    /// # Errors
    /// Those of looking at the file.
    pub(crate) fn file(cx: &Cx, path: impl AsRef<Path>) -> Result<Self> {
        let facts = cx.file_facts(path)?;
        Ok(Source::File { path: facts.path, size: facts.size })
    }

    pub(crate) fn size(&self) -> u64 {
        match self {
            Source::Bytes(bytes) => bytes.len() as u64,
            Source::File { size, .. } => *size,
        }
    }

    /// So much of it.
    ///
    /// # Errors
    /// Those of reading it; `Conflict` if it has become shorter.
    pub(crate) fn part(&self, cx: &Cx, offset: u64, length: u64) -> Result<Bytes> {
        let (start, length) = (usize::try_from(offset), usize::try_from(length));
        let too_large = || Error::failed("this machine cannot address so much");
        let (start, length) = (start.map_err(|_| too_large())?, length.map_err(|_| too_large())?);
        match self {
            Source::Bytes(bytes) => {
                Ok(bytes.slice(start.min(bytes.len())..(start + length).min(bytes.len())))
            }
            Source::File { path, .. } => {
                let bytes = cx.read_file_part(path, offset, length)?;
                if bytes.len() != length {
                    let message = format!("`{}` became shorter while it was read", path.display());
                    return Err(Error::new(opsrun_core::ErrorKind::Conflict, message));
                }
                Ok(bytes.into())
            }
        }
    }

    /// Whether an object has this content; `false` also if only sending it would tell.
    ///
    /// # Errors
    /// Those of reading it.
    pub(crate) async fn is(&self, cx: &Cx, object: &Object) -> Result<bool> {
        if object.size != self.size() {
            return Ok(false);
        }
        let step = part_size(self.size());
        let mut digests = Digests::new(step);
        let mut offset = 0;
        while offset < self.size() {
            let length = step.min(self.size() - offset);
            let _held = Budget::of(cx)?.take(length).await?;
            digests.update(&self.part(cx, offset, length)?);
            offset += length;
        }
        Ok(digests.fits(&object.tag, object.crc64.as_deref()).unwrap_or(false))
    }
}

/// What is said about a content.
#[derive(Debug, Clone, Default)]
pub(crate) struct About {
    pub(crate) content_type: Option<String>,
    pub(crate) cache_control: Option<String>,
    pub(crate) storage_class: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
    /// Only if nothing is there.
    pub(crate) only_if_new: bool,
    /// Only if this is there.
    pub(crate) if_tag: Option<String>,
}

impl About {
    /// Whether an object has all of it; what is not said is not compared.
    pub(crate) fn is_of(&self, object: &Object) -> bool {
        let same = |said: &Option<String>, is: &Option<String>| said.is_none() || said == is;
        same(&self.content_type, &object.content_type)
            && same(&self.cache_control, &object.cache_control)
            && self
                .storage_class
                .as_deref()
                .is_none_or(|said| said == object.storage_class.as_deref().unwrap_or("STANDARD"))
            && (self.metadata.is_empty() || self.metadata == object.metadata)
    }

    fn class(&self) -> Option<StorageClass> {
        self.storage_class.as_deref().map(StorageClass::from)
    }

    fn told_metadata(&self) -> Option<std::collections::HashMap<String, String>> {
        (!self.metadata.is_empty()).then(|| self.metadata.clone().into_iter().collect())
    }

    fn expected(&self) -> (Option<String>, Option<String>) {
        (self.only_if_new.then(|| "*".to_owned()), self.if_tag.clone())
    }
}

/// What was stored.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) tag: String,
    pub(crate) version: Option<String>,
}

/// The inverse of one object's upload, made more exact as more is known.
pub(crate) struct Record<'r> {
    pub(crate) slot: &'r UndoSlot,
    pub(crate) written: Written,
    /// The inverse with this.
    pub(crate) inverse: &'r (dyn Fn(&Written) -> Inverse + Send + Sync),
}

impl Record<'_> {
    pub(super) async fn now(&self) -> Result<()> {
        self.slot.refine((self.inverse)(&self.written)).await
    }
}

/// Stores a content, in one request or in parts. What takes it back is recorded already, and is kept up to date.
///
/// # Errors
/// What AWS said; those of reading the content. An upload in parts that cannot be finished is given up.
pub(crate) async fn store(
    bucket: &Bucket,
    key: &str,
    source: &Source,
    about: &About,
    record: Option<Record<'_>>,
) -> Result<Stored> {
    if source.size() <= SMALL {
        return in_one(bucket, key, source, about).await;
    }
    let Some(mut record) = record else {
        return Err(Error::failed(format!("{} is too large for one request", bucket.url(key))));
    };
    let earlier = match begun_before(bucket, key) {
        // It may have been given up since.
        Some(id) => parts_of(bucket, key, &id).await?.map(|there| (id, there)),
        None => None,
    };
    let (upload, there) = match earlier {
        Some(earlier) => earlier,
        None => (begin(bucket, key, about).await?, BTreeMap::new()),
    };
    record.written.upload = Some(upload.clone());
    record.now().await?;
    let parts = Parts { bucket, key, source, upload: &upload, size: part_size(source.size()) };
    let sent = parts.send(&there).await;
    match sent {
        Ok(sent) => parts.finish(about, sent, &mut record).await,
        Err(error) => {
            // It may be the connection that is lost: then the inverse gives it up.
            if let Err(left) = abort(bucket, key, &upload).await {
                bucket.cx().warn(format!("the unfinished upload of {} stays: {left}", bucket.url(key)));
            }
            Err(error)
        }
    }
}

/// Stores a content of at most 5 GiB in one request.
///
/// # Errors
/// As [`store`].
pub(super) async fn in_one(bucket: &Bucket, key: &str, source: &Source, about: &About) -> Result<Stored> {
    let cx = bucket.cx();
    let _held = Budget::of(cx)?.take(source.size()).await?;
    let bytes = source.part(cx, 0, source.size())?;
    let (only_if_new, if_tag) = about.expected();
    let put = bucket
        .s3
        .put_object()
        .bucket(&bucket.name)
        .key(key)
        .checksum_crc64_nvme(digest::written(digest::crc64(&bytes)))
        .body(ByteStream::from(bytes))
        .set_content_type(about.content_type.clone())
        .set_cache_control(about.cache_control.clone())
        .set_storage_class(about.class())
        .set_metadata(about.told_metadata())
        .set_if_none_match(only_if_new)
        .set_if_match(if_tag)
        .customize()
        // What arrives is known by its checksum.
        .disable_payload_signing();
    let put = bucket.call("s3:PutObject", &format!("storing {}", bucket.url(key)), put.send()).await?;
    Ok(Stored { tag: object::tag(put.e_tag()), version: put.version_id().map(str::to_owned) })
}

/// The upload that this call had begun before its run broke off.
fn begun_before(bucket: &Bucket, key: &str) -> Option<String> {
    let before = bucket.cx().broken_off()?;
    let written = before.inverses.iter().filter_map(|inverse| match inverse {
        Inverse::Call { args, .. } => serde_json::from_value::<Vec<Written>>(args["objects"].clone()).ok(),
        Inverse::None { .. } => None,
    });
    written.flatten().find(|written| written.key == key).and_then(|written| written.upload)
}

pub(super) async fn begin(bucket: &Bucket, key: &str, about: &About) -> Result<String> {
    let begin = bucket
        .s3
        .create_multipart_upload()
        .bucket(&bucket.name)
        .key(key)
        .checksum_algorithm(ChecksumAlgorithm::Crc64Nvme)
        .checksum_type(ChecksumType::FullObject)
        .set_content_type(about.content_type.clone())
        .set_cache_control(about.cache_control.clone())
        .set_storage_class(about.class())
        .set_metadata(about.told_metadata())
        .send();
    let tried = format!("beginning to upload {}", bucket.url(key));
    let begun = bucket.call("s3:PutObject", &tried, begin).await?;
    let id = begun.upload_id().map(str::to_owned);
    id.ok_or_else(|| Error::failed(format!("{tried}: the answer names no upload")))
}

/// Gives up an upload; one that is not there any more is no error.
pub(crate) async fn abort(bucket: &Bucket, key: &str, upload: &str) -> Result<()> {
    let abort = bucket.s3.abort_multipart_upload().bucket(&bucket.name).key(key).upload_id(upload).send();
    let tried = format!("giving up the upload of {}", bucket.url(key));
    bucket.client.find("s3:AbortMultipartUpload", &tried, abort).await.map(drop)
}

/// The parts that an earlier attempt has sent, by number: their tags and sizes. `None`: there is no such upload any more.
async fn parts_of(bucket: &Bucket, key: &str, upload: &str) -> Result<Option<BTreeMap<i32, (String, u64)>>> {
    let mut there = BTreeMap::new();
    let list = bucket.s3.list_parts().bucket(&bucket.name).key(key).upload_id(upload);
    let mut pages = list.into_paginator().send();
    let tried = format!("asking what of {} is uploaded", bucket.url(key));
    while let Some(page) = pages.next().await {
        let page = bucket.client.find("s3:ListMultipartUploadParts", &tried, async { page }).await?;
        let Some(page) = page else { return Ok(None) };
        for part in page.parts() {
            let size = object::size(part.size());
            there.insert(part.part_number().unwrap_or_default(), (object::tag(part.e_tag()), size));
        }
    }
    Ok(Some(there))
}

struct Parts<'p> {
    bucket: &'p Bucket,
    key: &'p str,
    source: &'p Source,
    upload: &'p str,
    size: u64,
}

/// A part that S3 has.
struct Sent {
    number: i32,
    tag: String,
    md5: [u8; 16],
    crc: u64,
    length: u64,
}

impl Parts<'_> {
    async fn send(&self, there: &BTreeMap<i32, (String, u64)>) -> Result<Vec<Sent>> {
        let size = self.source.size();
        let count = size.div_ceil(self.size);
        let sends = futures::stream::iter(0..count).map(|at| {
            let offset = at * self.size;
            let number = i32::try_from(at + 1).unwrap_or(i32::MAX);
            self.send_one(number, offset, self.size.min(size - offset), there.get(&number))
        });
        let mut done = 0;
        let sent = sends.buffered(AT_ONCE).inspect_ok(|sent| {
            done += sent.length;
            let (done, all) = (done / MIB, size / MIB);
            self.bucket.cx().progress(format!("{}: {done} of {all} MiB", self.bucket.url(self.key)));
        });
        sent.try_collect().await
    }

    async fn send_one(
        &self,
        number: i32,
        offset: u64,
        length: u64,
        there: Option<&(String, u64)>,
    ) -> Result<Sent> {
        let cx = self.bucket.cx();
        let _held = Budget::of(cx)?.take(length).await?;
        let bytes = self.source.part(cx, offset, length)?;
        let (md5, crc) = (digest::md5(&bytes), digest::crc64(&bytes));
        if let Some((tag, size)) = there
            && *size == length
            && *tag == digest::hex(&md5)
        {
            return Ok(Sent { number, tag: tag.clone(), md5, crc, length });
        }
        let put = self
            .bucket
            .s3
            .upload_part()
            .bucket(&self.bucket.name)
            .key(self.key)
            .upload_id(self.upload)
            .part_number(number)
            .checksum_crc64_nvme(digest::written(crc))
            .body(ByteStream::from(bytes))
            .customize()
            .disable_payload_signing();
        let tried = format!("uploading part {number} of {}", self.bucket.url(self.key));
        let put = self.bucket.call("s3:PutObject", &tried, put.send()).await?;
        Ok(Sent { number, tag: object::tag(put.e_tag()), md5, crc, length })
    }

    async fn finish(&self, about: &About, sent: Vec<Sent>, record: &mut Record<'_>) -> Result<Stored> {
        let crc = sent.iter().fold(None, |whole, part| match whole {
            None => Some(part.crc),
            Some(whole) => Some(digest::joined(whole, part.crc, part.length)),
        });
        let digests: Vec<[u8; 16]> = sent.iter().map(|part| part.md5).collect();
        // If the answer is lost, this tells whether it is there.
        record.written.tag = Some(digest::tag_of_parts(&digests));
        record.now().await?;
        let parts = sent.iter().map(|part| {
            CompletedPart::builder()
                .part_number(part.number)
                .e_tag(&part.tag)
                .checksum_crc64_nvme(digest::written(part.crc))
                .build()
        });
        let (only_if_new, if_tag) = about.expected();
        let complete = self
            .bucket
            .s3
            .complete_multipart_upload()
            .bucket(&self.bucket.name)
            .key(self.key)
            .upload_id(self.upload)
            .checksum_type(ChecksumType::FullObject)
            .set_checksum_crc64_nvme(crc.map(digest::written))
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts.collect())).build())
            .set_if_none_match(only_if_new)
            .set_if_match(if_tag)
            .send();
        let tried = format!("finishing the upload of {}", self.bucket.url(self.key));
        let done = self.bucket.call("s3:PutObject", &tried, complete).await?;
        Ok(Stored { tag: object::tag(done.e_tag()), version: done.version_id().map(str::to_owned) })
    }
}

/// What the end of a name says about a content.
pub(crate) fn content_type(name: &str) -> Option<String> {
    const KNOWN: &[(&str, &str)] = &[
        ("css", "text/css"),
        ("csv", "text/csv"),
        ("gif", "image/gif"),
        ("gz", "application/gzip"),
        ("html", "text/html"),
        ("ico", "image/vnd.microsoft.icon"),
        ("jpeg", "image/jpeg"),
        ("jpg", "image/jpeg"),
        ("js", "text/javascript"),
        ("json", "application/json"),
        ("md", "text/markdown"),
        ("pdf", "application/pdf"),
        ("png", "image/png"),
        ("svg", "image/svg+xml"),
        ("tar", "application/x-tar"),
        ("txt", "text/plain"),
        ("wasm", "application/wasm"),
        ("webp", "image/webp"),
        ("woff2", "font/woff2"),
        ("xml", "text/xml"),
        ("zip", "application/zip"),
    ];
    let (_, end) = name.rsplit_once('.')?;
    let known = KNOWN.iter().find(|(known, _)| known.eq_ignore_ascii_case(end))?;
    Some(known.1.to_owned())
}
