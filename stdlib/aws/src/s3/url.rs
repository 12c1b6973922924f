//! `s3://BUCKET/KEY`

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

/// A place in S3: a bucket, and a key or the beginning of keys, which may be empty.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub(crate) struct S3Url {
    pub(crate) bucket: String,
    pub(crate) key: String,
}

impl TryFrom<String> for S3Url {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let rest = text
            .strip_prefix("s3://")
            .ok_or_else(|| format!("`{text}` is no place in S3: write it like `s3://BUCKET/KEY`"))?;
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let fits = (3..=255).contains(&bucket.len())
            && bucket.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
        if !fits {
            return Err(format!("`{bucket}` of `{text}` is no name of a bucket"));
        }
        if key.len() > 1024 {
            return Err(format!("the key of `{text}` is longer than 1024 bytes"));
        }
        Ok(S3Url { bucket: bucket.to_owned(), key: key.to_owned() })
    }
}

impl S3Url {
    /// Its key, where an object has to be named.
    ///
    /// # Errors
    /// `Invalid` if there is none.
    pub(crate) fn object(&self) -> opsrun_core::Result<&str> {
        if self.key.is_empty() {
            return Err(opsrun_core::Error::invalid(format!("`{self}` names a bucket and no object"))
                .hint(format!("write it like `s3://{}/KEY`", self.bucket)));
        }
        Ok(&self.key)
    }
}

impl fmt::Display for S3Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}
