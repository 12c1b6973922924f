//! Lists, in pages, with what lies below a delimiter folded into one entry.

use std::collections::BTreeMap;
use std::ops::Bound;

use s3s::S3Result;
use s3s::dto::*;

use super::store::{Content, Version};
use super::turn::{self, Turn};

/// What one page holds at most.
const MOST: i32 = 1000;

enum Entry<'b> {
    Object(&'b str, &'b [Version]),
    /// All keys that begin with this.
    Below(String),
}

struct Page<'b> {
    entries: Vec<Entry<'b>>,
    /// The key or prefix after which the next page begins.
    next: Option<String>,
}

/// The entries after `after`, at most `most`; `wanted` says which keys there are.
fn page<'b>(
    objects: &'b BTreeMap<String, Vec<Version>>,
    prefix: &str,
    delimiter: Option<&str>,
    after: &str,
    most: usize,
    wanted: impl Fn(&[Version]) -> bool,
) -> Page<'b> {
    let mut entries: Vec<Entry<'b>> = Vec::new();
    let mut last: Option<String> = None;
    let start = if after < prefix { Bound::Included(prefix) } else { Bound::Excluded(after) };
    let range = objects.range::<str, _>((start, Bound::Unbounded));
    for (key, versions) in range.take_while(|(key, _)| key.starts_with(prefix)) {
        if !wanted(versions) {
            continue;
        }
        let below = delimiter.filter(|delimiter| !delimiter.is_empty()).and_then(|delimiter| {
            let at = key[prefix.len()..].find(delimiter)?;
            Some(key[..prefix.len() + at + delimiter.len()].to_owned())
        });
        match below {
            // The page before ended with it.
            Some(below) if after.starts_with(&below) && after == below => {}
            Some(below) if last.as_ref() == Some(&below) => {}
            below => {
                if entries.len() == most {
                    return Page { entries, next: last };
                }
                last = Some(below.clone().unwrap_or_else(|| key.clone()));
                entries.push(below.map_or(Entry::Object(key, versions), Entry::Below));
            }
        }
    }
    Page { entries, next: None }
}

fn most(asked: Option<i32>) -> usize {
    usize::try_from(asked.unwrap_or(MOST).clamp(0, MOST)).unwrap_or_default()
}

fn is_there(versions: &[Version]) -> bool {
    versions.last().is_some_and(|latest| latest.content.is_some())
}

fn object(key: &str, versions: &[Version]) -> Option<Object> {
    let latest = versions.last()?;
    let content = latest.content.as_ref()?;
    Some(Object {
        key: Some(key.to_owned()),
        size: size(content),
        e_tag: Some(ETag::Strong(content.tag.clone())),
        last_modified: Some(turn::told(latest.at)),
        storage_class: Some(ObjectStorageClass::from(class(content))),
        checksum_algorithm: Some(vec![ChecksumAlgorithm::from(content.sum.algorithm.to_owned())]),
        checksum_type: Some(super::object::kind(&content.sum)),
        ..Default::default()
    })
}

fn size(content: &Content) -> Option<i64> {
    i64::try_from(content.size()).ok()
}

fn class(content: &Content) -> String {
    content.about.storage_class.clone().unwrap_or_else(|| StorageClass::STANDARD.to_owned())
}

fn split(entries: Vec<Entry<'_>>) -> (Vec<Object>, Vec<CommonPrefix>) {
    let (mut objects, mut below) = (Vec::new(), Vec::new());
    for entry in entries {
        match entry {
            Entry::Object(key, versions) => objects.extend(object(key, versions)),
            Entry::Below(prefix) => below.push(CommonPrefix { prefix: Some(prefix) }),
        }
    }
    (objects, below)
}

pub(super) fn objects_v2(turn: &mut Turn, input: ListObjectsV2Input) -> S3Result<ListObjectsV2Output> {
    let bucket = turn.bucket(&input.bucket)?;
    let prefix = input.prefix.clone().unwrap_or_default();
    // A token is opaque to who gets it; this one is the last key, as hexadecimal digits.
    let after = match &input.continuation_token {
        Some(token) => unhex(token)
            .ok_or_else(|| s3s::s3_error!(InvalidArgument, "The continuation token provided is incorrect"))?,
        None => input.start_after.clone().unwrap_or_default(),
    };
    let page =
        page(&bucket.objects, &prefix, input.delimiter.as_deref(), &after, most(input.max_keys), is_there);
    let count = i32::try_from(page.entries.len()).ok();
    let next = page.next.map(|next| super::checksum::hex(next.as_bytes()));
    let (contents, common_prefixes) = split(page.entries);
    Ok(ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: Some(prefix),
        delimiter: input.delimiter,
        max_keys: Some(input.max_keys.unwrap_or(MOST).min(MOST)),
        key_count: count,
        continuation_token: input.continuation_token,
        start_after: input.start_after,
        is_truncated: Some(next.is_some()),
        next_continuation_token: next,
        contents: Some(contents),
        common_prefixes: Some(common_prefixes),
        ..Default::default()
    })
}

fn unhex(text: &str) -> Option<String> {
    let bytes = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok());
    String::from_utf8(bytes.collect::<Option<Vec<u8>>>()?).ok()
}

pub(super) fn objects(turn: &mut Turn, input: ListObjectsInput) -> S3Result<ListObjectsOutput> {
    let bucket = turn.bucket(&input.bucket)?;
    let prefix = input.prefix.clone().unwrap_or_default();
    let after = input.marker.clone().unwrap_or_default();
    let page =
        page(&bucket.objects, &prefix, input.delimiter.as_deref(), &after, most(input.max_keys), is_there);
    let next = page.next;
    let (contents, common_prefixes) = split(page.entries);
    Ok(ListObjectsOutput {
        name: Some(input.bucket),
        prefix: Some(prefix),
        marker: Some(after),
        max_keys: Some(input.max_keys.unwrap_or(MOST).min(MOST)),
        is_truncated: Some(next.is_some()),
        // Without a delimiter it is the last key of the page.
        next_marker: next.filter(|_| input.delimiter.is_some()),
        delimiter: input.delimiter,
        contents: Some(contents),
        common_prefixes: Some(common_prefixes),
        ..Default::default()
    })
}

pub(super) fn versions(
    turn: &mut Turn,
    input: ListObjectVersionsInput,
) -> S3Result<ListObjectVersionsOutput> {
    let bucket = turn.bucket(&input.bucket)?;
    let prefix = input.prefix.clone().unwrap_or_default();
    let most = most(input.max_keys);
    let after = input.key_marker.clone().unwrap_or_default();
    // The page before may have ended between two versions of one key.
    let mut rest: Option<&str> =
        input.version_id_marker.as_deref().filter(|_| bucket.objects.contains_key(&after));
    let (mut versions, mut markers, mut below) = (Vec::new(), Vec::new(), Vec::new());
    let mut next: Option<(String, Option<String>)> = None;
    let mut last: Option<(String, Option<String>)> = None;
    let mut count = 0;
    let resumed = rest.and_then(|_| bucket.objects.get_key_value(&after));
    let resumed = resumed.map(|(key, found)| Entry::Object(key, found));
    let following = page(&bucket.objects, &prefix, input.delimiter.as_deref(), &after, usize::MAX, |_| true);
    'entries: for entry in resumed.into_iter().chain(following.entries) {
        match entry {
            Entry::Below(prefix) => {
                if count == most {
                    next = last;
                    break;
                }
                count += 1;
                last = Some((prefix.clone(), None));
                below.push(CommonPrefix { prefix: Some(prefix) });
            }
            Entry::Object(key, found) => {
                for (at, version) in found.iter().enumerate().rev() {
                    match rest {
                        Some(id) => {
                            if version.id == id {
                                rest = None;
                            }
                            continue;
                        }
                        None if count == most => {
                            next = last;
                            break 'entries;
                        }
                        None => {}
                    }
                    count += 1;
                    last = Some((key.to_owned(), Some(version.id.clone())));
                    tell(key, version, at + 1 == found.len(), &mut versions, &mut markers);
                }
                rest = None;
            }
        }
    }
    let (next_key_marker, next_version_id_marker) = next.map_or((None, None), |(key, id)| (Some(key), id));
    Ok(ListObjectVersionsOutput {
        name: Some(input.bucket),
        prefix: Some(prefix),
        key_marker: Some(after),
        version_id_marker: input.version_id_marker,
        max_keys: Some(input.max_keys.unwrap_or(MOST).min(MOST)),
        delimiter: input.delimiter,
        is_truncated: Some(next_key_marker.is_some()),
        next_key_marker,
        next_version_id_marker,
        versions: Some(versions),
        delete_markers: Some(markers),
        common_prefixes: Some(below),
        ..Default::default()
    })
}

fn tell(
    key: &str,
    version: &Version,
    is_latest: bool,
    versions: &mut Vec<ObjectVersion>,
    markers: &mut Vec<DeleteMarkerEntry>,
) {
    let (key, id, at) = (Some(key.to_owned()), Some(version.id.clone()), Some(turn::told(version.at)));
    match &version.content {
        None => markers.push(DeleteMarkerEntry {
            key,
            version_id: id,
            is_latest: Some(is_latest),
            last_modified: at,
            ..Default::default()
        }),
        Some(content) => versions.push(ObjectVersion {
            key,
            version_id: id,
            is_latest: Some(is_latest),
            last_modified: at,
            size: size(content),
            e_tag: Some(ETag::Strong(content.tag.clone())),
            storage_class: Some(ObjectVersionStorageClass::from(class(content))),
            ..Default::default()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_go_on_where_the_last_one_ended() {
        let version =
            |id: &str| Version { id: id.to_owned(), at: jiff::Timestamp::UNIX_EPOCH, content: None };
        let keys = ["a/1", "a/2", "b", "c/1", "c/d/2", "d"];
        let objects: BTreeMap<String, Vec<Version>> =
            keys.iter().map(|key| ((*key).to_owned(), vec![version("null")])).collect();
        for most in 1..=5 {
            let (mut seen, mut after) = (Vec::new(), String::new());
            loop {
                let page = page(&objects, "", Some("/"), &after, most, |_| true);
                seen.extend(page.entries.iter().map(|entry| match entry {
                    Entry::Object(key, _) => (*key).to_owned(),
                    Entry::Below(prefix) => prefix.clone(),
                }));
                match page.next {
                    Some(next) => after = next,
                    None => break,
                }
            }
            assert_eq!(seen, ["a/", "b", "c/", "d"], "{most} a page");
        }
    }
}
