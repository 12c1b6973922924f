//! What of S3 can be kept and brought back: the objects of a prefix, each a file. Their contents and times are kept; what is said about them
//! besides is not, but for the type that their names say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt};
use opsrun_core::{Content, Cx, Error, Item, ItemKind, Items, Named, Result, SourceScheme, Value};
use serde::Deserialize;
use serde_json::json;

use super::bucket::Bucket;
use super::object;
use super::prefix::{Listed, Prefix};
use super::upload::{self, About, SMALL, Source, content_type};

pub(crate) const SOURCE: SourceScheme = SourceScheme {
    scheme: "s3",
    form: "s3://BUCKET/PREFIX",
    doc: "The objects of a bucket whose keys begin so, with their contents and times.",
    open: |cx, named| Box::pin(async move { open(&cx, &named).await }),
    preflight: None,
    restore: |cx, named, items| Box::pin(async move { restore(&cx, &named, items).await }),
    try_out: |_, named, items| Box::pin(async move { try_out(&named, items).await }),
};

/// What an object is kept with: nothing is known of who may read it.
const MODE: u32 = 0o644;

async fn open(cx: &Cx, named: &Named) -> Result<Items> {
    let prefix = Arc::new(Prefix::of(cx, named).await?);
    let items = prefix.list("").try_filter_map(move |listed| {
        let item = item(&prefix, listed);
        async move { item }
    });
    Ok(items.boxed())
}

/// `None` for what stands for a folder.
fn item(prefix: &Arc<Prefix>, listed: Listed) -> Result<Option<Item>> {
    let path = listed.name.clone();
    if path.is_empty() || (path.ends_with('/') && listed.size == 0) {
        return Ok(None);
    }
    if path.split('/').any(|name| name.is_empty() || name == "." || name == "..") {
        let url = prefix.url(&path);
        return Err(Error::invalid(format!("{url} cannot be kept: its key is no path of a file"))
            .hint("copy it to another key, or back up the prefixes beside it"));
    }
    let (size, modified) = (Some(listed.size), listed.modified);
    let kind = ItemKind::File { size, content: content(prefix.clone(), listed) };
    Ok(Some(Item { path, kind, mode: MODE, modified }))
}

/// Read in parts, which are of one content: an object that changes meanwhile is an error.
fn content(prefix: Arc<Prefix>, listed: Listed) -> Content {
    let listed = Arc::new(listed);
    let parts = futures::stream::try_unfold(0, move |at: u64| {
        let (prefix, listed) = (prefix.clone(), listed.clone());
        async move {
            if at >= listed.size {
                return Ok(None);
            }
            let end = (at + SMALL).min(listed.size);
            let read = prefix.read(&listed.name, Some(at..end), Some(&listed.tag)).await?;
            Ok::<_, Error>(Some((read, end)))
        }
    });
    parts.boxed()
}

/// Stores the objects below the prefix; what else is there stays.
async fn restore(cx: &Cx, named: &Named, mut items: Items) -> Result<Value> {
    let prefix = Prefix::of(cx, named).await?;
    let (mut objects, mut bytes) = (0_u64, 0_u64);
    while let Some(item) = items.try_next().await? {
        let ItemKind::File { content, .. } = item.kind else { continue };
        bytes += put(&prefix.bucket, &prefix.key(&item.path), content).await?;
        objects += 1;
        cx.progress(format!("{objects} objects, {} MiB", bytes >> 20));
    }
    Ok(json!({ "objects": objects, "bytes": bytes }))
}

/// Stores one, in parts if it is large; gives its size.
async fn put(bucket: &Bucket, key: &str, mut content: Content) -> Result<u64> {
    let about = About { content_type: content_type(key), ..About::default() };
    let first = part(&mut content, BytesMut::new()).await?;
    let Part { bytes, rest } = first;
    let Some(mut rest) = rest else {
        let source = Source::Bytes(bytes);
        upload::in_one(bucket, key, &source, &about).await?;
        return Ok(source.size());
    };
    let upload = upload::begin(bucket, key, &about).await?;
    let work = async {
        let mut sent = vec![send(bucket, key, &upload, 1, bytes.clone()).await?];
        let mut size = bytes.len() as u64;
        loop {
            let next = part(&mut content, rest).await?;
            size += next.bytes.len() as u64;
            let number = i32::try_from(sent.len() + 1).unwrap_or(i32::MAX);
            if !next.bytes.is_empty() {
                sent.push(send(bucket, key, &upload, number, next.bytes).await?);
            }
            match next.rest {
                Some(more) => rest = more,
                None => break,
            }
        }
        let parts = CompletedMultipartUpload::builder().set_parts(Some(sent)).build();
        let done = bucket.s3.complete_multipart_upload().bucket(&bucket.name).key(key).upload_id(&upload);
        let tried = format!("finishing the upload of {}", bucket.url(key));
        bucket.call("s3:PutObject", &tried, done.multipart_upload(parts).send()).await?;
        Ok(size)
    };
    match work.await {
        Ok(size) => Ok(size),
        Err(error) => {
            // It may be the connection that is lost.
            if let Err(left) = upload::abort(bucket, key, &upload).await {
                bucket.cx().warn(format!("the unfinished upload of {} stays: {left}", bucket.url(key)));
            }
            Err(error)
        }
    }
}

/// A part to send, and what of the next one has come; `None` if that was the last.
struct Part {
    bytes: Bytes,
    rest: Option<BytesMut>,
}

async fn part(content: &mut Content, mut held: BytesMut) -> Result<Part> {
    let size = usize::try_from(SMALL).unwrap_or(usize::MAX);
    while held.len() <= size {
        match content.try_next().await? {
            Some(piece) => held.extend_from_slice(&piece),
            None => return Ok(Part { bytes: held.freeze(), rest: None }),
        }
    }
    let rest = held.split_off(size);
    Ok(Part { bytes: held.freeze(), rest: Some(rest) })
}

async fn send(bucket: &Bucket, key: &str, upload: &str, number: i32, bytes: Bytes) -> Result<CompletedPart> {
    let crc = super::digest::written(super::digest::crc64(&bytes));
    let put = bucket.s3.upload_part().bucket(&bucket.name).key(key).upload_id(upload).part_number(number);
    let put =
        put.checksum_crc64_nvme(&crc).body(ByteStream::from(bytes)).customize().disable_payload_signing();
    let tried = format!("uploading part {number} of {}", bucket.url(key));
    let put = bucket.call("s3:PutObject", &tried, put.send()).await?;
    Ok(CompletedPart::builder()
        .part_number(number)
        .e_tag(object::tag(put.e_tag()))
        .checksum_crc64_nvme(crc)
        .build())
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Assertions {
    /// Objects that have to be there, by their keys below the prefix.
    keys: Vec<String>,
}

/// Reads everything, which compares every byte with its hash. Nothing is stored.
async fn try_out(named: &Named, mut items: Items) -> Result<BTreeMap<String, u64>> {
    let assertions: Option<Assertions> = serde_json::from_value(named.options.clone())
        .map_err(|error| Error::invalid(format!("the assertions about `s3:{}`: {error}", named.name)))?;
    let mut missing: BTreeSet<String> = assertions.unwrap_or_default().keys.into_iter().collect();
    let (mut objects, mut bytes) = (0, 0);
    while let Some(item) = items.try_next().await? {
        missing.remove(&item.path);
        if let ItemKind::File { mut content, .. } = item.kind {
            objects += 1;
            while let Some(piece) = content.try_next().await? {
                bytes += piece.len() as u64;
            }
        }
    }
    match missing.first() {
        Some(key) => Err(Error::failed(format!("`{key}` of `s3:{}` is not in the snapshot", named.name))),
        None => Ok([("objects".to_owned(), objects), ("bytes".to_owned(), bytes)].into()),
    }
}
