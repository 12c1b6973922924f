use opsrun_core::{Cx, Effect, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::s3::{Bucket, S3Url, size, tag, told};

/// So many are told if nothing else is said.
const LIMIT: usize = 1000;

/// Lists the objects of a bucket whose keys begin in a certain way, and counts them all.
///
/// The list ends after `limit` objects, and `truncated` says so; count and size are of all objects, unless `count` is `false`: then nothing is
/// asked that is not told. Pages are not held, so that a bucket of millions takes time and no memory.
///
/// ```rhai
/// let found = s3::list("s3://workflow-backups/db/", #{ limit: 10 });
/// log(`${found.count} objects, ${found.size} bytes`);
/// for object in found.objects { log(object.key); }
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct List {
    /// A bucket, and how the keys begin: `s3://BUCKET/PREFIX`.
    #[arg(positional)]
    at: S3Url,
    /// How many to tell of; 1000 if left out.
    limit: Option<usize>,
    /// What lies below the next `/` is told as one entry in `folders`.
    #[serde(default)]
    folders: bool,
    /// Go through all of them, to count them.
    #[serde(default = "yes")]
    count: bool,
    /// The bucket's region; it is found if left out.
    region: Option<String>,
}

fn yes() -> bool {
    true
}

/// What is in a bucket.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub(crate) struct Listing {
    pub(crate) objects: Vec<Entry>,
    /// With the option `folders`: how more keys begin.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) folders: Vec<String>,
    /// How many objects there are.
    pub(crate) count: u64,
    /// Of all of them, in bytes.
    pub(crate) size: u64,
    /// Whether there are more than are told.
    pub(crate) truncated: bool,
}

/// An object of a list.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Entry {
    pub(crate) key: String,
    /// In bytes.
    pub(crate) size: u64,
    pub(crate) tag: String,
    #[schemars(with = "String")]
    pub(crate) modified: jiff::Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) storage_class: Option<String>,
}

impl Primitive for List {
    const PATH: &'static str = "s3::list";
    const EFFECT: Effect = Effect::Read;
    type Out = Listing;

    async fn run(self, cx: &Cx) -> Result<Listing> {
        let bucket = Bucket::of(cx, &self.at.bucket, self.region.as_deref()).await?;
        let limit = self.limit.unwrap_or(LIMIT);
        let mut found = Listing::default();
        let mut next: Option<String> = None;
        loop {
            let list = bucket.s3.list_objects_v2().bucket(&bucket.name).prefix(&self.at.key);
            let list = list.set_delimiter(self.folders.then(|| "/".to_owned())).set_continuation_token(next);
            // One more, to know whether there are more.
            let wanted = if self.count { None } else { i32::try_from(limit + 1 - found.objects.len()).ok() };
            let list = list.set_max_keys(wanted.map(|wanted| wanted.min(1000))).send();
            let page = bucket.call("s3:ListBucket", &format!("listing {}", self.at), list).await?;
            for object in page.contents() {
                found.count += 1;
                found.size += size(object.size());
                if found.objects.len() == limit {
                    found.truncated = true;
                    continue;
                }
                found.objects.push(Entry {
                    key: object.key().unwrap_or_default().to_owned(),
                    size: size(object.size()),
                    tag: tag(object.e_tag()),
                    modified: told(object.last_modified()),
                    storage_class: object
                        .storage_class()
                        .map(|class| class.as_str().to_owned())
                        .filter(|class| class != "STANDARD"),
                });
            }
            for folder in page.common_prefixes().iter().filter_map(|folder| folder.prefix()) {
                if found.folders.len() < limit {
                    found.folders.push(folder.to_owned());
                } else {
                    found.truncated = true;
                }
            }
            next = page.next_continuation_token().map(str::to_owned);
            if next.is_none() {
                return Ok(found);
            }
            if found.truncated && !self.count {
                return Ok(found);
            }
            cx.progress(format!("{}: {} objects", self.at, found.count));
        }
    }
}
