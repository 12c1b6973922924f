use opsrun_core::{Cx, Effect, Error, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::s3::{Bucket, S3Url, base64, fetch};

/// What a playbook may hold, in bytes.
const LARGEST: u64 = 8 << 20;

/// Reads an object of up to 8 MiB: what is a text as `text`, anything else as `base64`.
///
/// Larger ones are read into a file by `s3::download`.
///
/// ```rhai
/// let config = s3::get("s3://workflow-config/app.yaml").text;
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Get {
    /// Which: `s3://BUCKET/KEY`.
    #[arg(positional)]
    from: S3Url,
    /// A former version of it.
    version: Option<String>,
    /// The bucket's region; it is found if left out.
    region: Option<String>,
}

/// An object that was read.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Got {
    pub(crate) url: String,
    /// In bytes.
    pub(crate) size: u64,
    pub(crate) tag: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_type: Option<String>,
    /// The content, if it is a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
    /// The content, if it is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) base64: Option<String>,
}

impl Primitive for Get {
    const PATH: &'static str = "s3::get";
    const EFFECT: Effect = Effect::Read;
    type Out = Got;

    async fn run(self, cx: &Cx) -> Result<Got> {
        let bucket = Bucket::of(cx, &self.from.bucket, self.region.as_deref()).await?;
        let object = bucket.object(self.from.object()?, self.version.as_deref()).await?;
        let mut got = Got {
            url: object.url.clone(),
            size: object.size,
            tag: object.tag.clone(),
            version: object.version.clone(),
            content_type: object.content_type.clone(),
            text: None,
            base64: None,
        };
        if object.size > LARGEST {
            let message =
                format!("{} has {} bytes, and a playbook holds 8 MiB at most", object.url, object.size);
            return Err(Error::invalid(message).hint("read it into a file with `s3::download`"));
        }
        match String::from_utf8(fetch(&bucket, &object).await?.into()) {
            Ok(text) => got.text = Some(text),
            Err(error) => got.base64 = Some(base64(error.as_bytes())),
        }
        Ok(got)
    }
}
