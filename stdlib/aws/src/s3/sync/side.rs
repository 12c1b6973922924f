//! One side of a sync: a folder, or what lies below a prefix of a bucket. Both are gone through in the order of the names' bytes,
//! and neither is held.

use std::collections::VecDeque;
use std::path::{Component, Path, PathBuf};

use jiff::Timestamp;
use opsrun_core::{Cx, Error, ErrorKind, FileWalk, Result};

use super::filter::Filter;
use crate::s3::bucket::Bucket;
use crate::s3::object::{Object, size, tag, told};
use crate::s3::url::S3Url;

#[derive(Clone)]
pub(crate) enum Side {
    Folder(PathBuf),
    /// The prefix is empty or ends with `/`.
    Bucket(Bucket, String),
}

/// Something that is there, by its name from the side's beginning.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) modified: Timestamp,
    /// Of an object.
    pub(crate) tag: String,
}

impl Side {
    /// `s3://BUCKET/PREFIX` or a folder.
    ///
    /// # Errors
    /// `Invalid` for what is neither; those of looking for the bucket.
    pub(crate) async fn of(cx: &Cx, text: &str, region: Option<&str>) -> Result<Self> {
        if !text.starts_with("s3://") {
            return Ok(Side::Folder(PathBuf::from(text)));
        }
        let url =
            S3Url::try_from(text.to_owned()).map_err(|why| Error::invalid(format!("`s3::sync`: {why}")))?;
        let bucket = Bucket::of(cx, &url.bucket, region).await?;
        let prefix =
            if url.key.is_empty() || url.key.ends_with('/') { url.key } else { format!("{}/", url.key) };
        Ok(Side::Bucket(bucket, prefix))
    }

    /// How a person would call what has this name.
    pub(crate) fn place(&self, name: &str) -> String {
        match self {
            Side::Folder(folder) => folder.join(name).display().to_string(),
            Side::Bucket(bucket, prefix) => bucket.url(&format!("{prefix}{name}")),
        }
    }

    pub(crate) fn key(&self, name: &str) -> String {
        match self {
            Side::Folder(_) => name.to_owned(),
            Side::Bucket(_, prefix) => format!("{prefix}{name}"),
        }
    }

    pub(crate) fn object(&self, entry: &Entry) -> Object {
        Object {
            url: self.place(&entry.name),
            key: self.key(&entry.name),
            size: entry.size,
            tag: entry.tag.clone(),
            modified: entry.modified,
            version: None,
            content_type: None,
            cache_control: None,
            storage_class: None,
            metadata: Default::default(),
            crc64: None,
        }
    }

    /// Begins to go through it. A folder that is not there has nothing in it, if it `may_be_missing`.
    ///
    /// # Errors
    /// Those of looking into the folder.
    pub(crate) fn list(&self, cx: &Cx, filter: &Filter, may_be_missing: bool) -> Result<Listing> {
        let from = match self {
            Side::Folder(folder) => match cx.walk_files(folder) {
                Err(error) if may_be_missing && error.kind() == ErrorKind::NotFound => From::Nothing,
                walk => From::Folder(walk?),
            },
            Side::Bucket(bucket, prefix) => {
                From::Bucket { bucket: bucket.clone(), prefix: prefix.clone(), token: None, begun: false }
            }
        };
        Ok(Listing { from, filter: filter.clone(), ahead: VecDeque::new() })
    }
}

/// A side that is being gone through.
pub(crate) struct Listing {
    from: From,
    filter: Filter,
    ahead: VecDeque<Entry>,
}

enum From {
    Nothing,
    Folder(FileWalk),
    Bucket { bucket: Bucket, prefix: String, token: Option<String>, begun: bool },
}

impl Listing {
    /// What comes next, without taking it.
    ///
    /// # Errors
    /// Those of listing.
    pub(crate) async fn peek(&mut self) -> Result<Option<&Entry>> {
        while self.ahead.is_empty() {
            if !self.more().await? {
                return Ok(None);
            }
        }
        Ok(self.ahead.front())
    }

    pub(crate) fn take(&mut self) -> Option<Entry> {
        self.ahead.pop_front()
    }

    /// Whether there may be more.
    async fn more(&mut self) -> Result<bool> {
        match &mut self.from {
            From::Nothing => Ok(false),
            From::Folder(walk) => {
                let Some(facts) = walk.next() else { return Ok(false) };
                let facts = facts?;
                let name = facts.path.to_str().ok_or_else(|| {
                    Error::invalid(format!("the name of `{}` is no text, and keys are", facts.path.display()))
                })?;
                if self.filter.takes(name) {
                    let name = name.to_owned();
                    let entry =
                        Entry { name, size: facts.size, modified: facts.modified, tag: String::new() };
                    self.ahead.push_back(entry);
                }
                Ok(true)
            }
            From::Bucket { token: None, begun: true, .. } => Ok(false),
            From::Bucket { bucket, prefix, token, begun } => {
                let list = bucket.s3.list_objects_v2().bucket(&bucket.name).prefix(prefix.as_str());
                let list = list.set_continuation_token(token.take()).send();
                let tried = format!("listing {}", bucket.url(prefix));
                let page = bucket.call("s3:ListBucket", &tried, list).await?;
                *begun = true;
                *token = page.next_continuation_token().map(str::to_owned);
                for object in page.contents() {
                    let name =
                        object.key().and_then(|key| key.strip_prefix(prefix.as_str())).unwrap_or_default();
                    // What ends with `/` stands for a folder, and is none.
                    if name.is_empty() || name.ends_with('/') || !self.filter.takes(name) {
                        continue;
                    }
                    self.ahead.push_back(Entry {
                        name: name.to_owned(),
                        size: size(object.size()),
                        modified: told(object.last_modified()),
                        tag: tag(object.e_tag()),
                    });
                }
                Ok(true)
            }
        }
    }
}

/// The file that a key becomes.
///
/// # Errors
/// `Invalid` if it would not lie in the folder.
pub(crate) fn file(folder: &Path, name: &str, key: &str) -> Result<PathBuf> {
    let path = Path::new(name);
    let stays = path.components().all(|part| matches!(part, Component::Normal(_)));
    // What is read as something else than it is written, such as `a//b`, would be found under another name next time.
    let same = path.components().map(|part| part.as_os_str().len() + 1).sum::<usize>() == name.len() + 1;
    if stays && same && !name.contains('\0') {
        return Ok(folder.join(path));
    }
    Err(Error::invalid(format!("the key `{key}` cannot be a file in `{}`", folder.display()))
        .hint("leave it out with the option `exclude`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stays_in_the_folder() {
        let at = |name: &str| file(Path::new("down"), name, name).ok().map(|path| path.display().to_string());
        assert_eq!(at("a/b..c"), Some("down/a/b..c".into()));
        for name in ["../a", "a/../../b", "/etc/passwd", "a//b", "./a", "a/./b", "a\0b", ".."] {
            assert_eq!(at(name), None, "{name}");
        }
    }
}
