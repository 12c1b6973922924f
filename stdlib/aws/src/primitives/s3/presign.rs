use aws_sdk_s3::presigning::PresigningConfig;
use opsrun_core::{Cx, Effect, Error, Primitive, Result, Span};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::s3::{Bucket, S3Url};

/// AWS signs for no longer.
const LONGEST: Span = Span::from_secs(7 * 86_400);

/// Makes an address under which anybody can read, or write, an object for some time.
///
/// Nothing is asked of AWS: who has the address may do what whoever signed it may do then. It is a secret while it is good, so it is not
/// shown in logs.
///
/// ```rhai
/// let report = s3::presign("s3://workflow-reports/march.pdf", #{ within: 1.h });
/// log(`good until ${report.expires}`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Presign {
    /// Which: `s3://BUCKET/KEY`.
    #[arg(positional)]
    object: S3Url,
    /// How long it is good, up to 7 days; 1 hour if left out. Keys of a role end sooner.
    within: Option<Span>,
    /// What it is for: reading it or writing it.
    #[serde(default)]
    to: Purpose,
    /// The bucket's region; it is found if left out.
    region: Option<String>,
}

/// What an address is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Purpose {
    #[default]
    Read,
    Write,
}

/// An address that is signed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Presigned {
    pub(crate) address: String,
    /// `GET` or `PUT`.
    pub(crate) method: String,
    #[schemars(with = "String")]
    pub(crate) expires: jiff::Timestamp,
}

impl Primitive for Presign {
    const PATH: &'static str = "s3::presign";
    const EFFECT: Effect = Effect::Read;
    type Out = Presigned;

    async fn run(self, cx: &Cx) -> Result<Presigned> {
        let key = self.object.object()?;
        let within = self.within.unwrap_or(Span::from_secs(3600));
        if within > LONGEST || within.duration().as_secs() == 0 {
            return Err(Error::invalid(format!(
                "`s3::presign`: option `within`: {within} is not from 1s to 7d"
            )));
        }
        let bucket = Bucket::of(cx, &self.object.bucket, self.region.as_deref()).await?;
        let now = cx.now();
        let unusable = |error: &dyn std::fmt::Display| {
            Error::failed(format!("signing an address of {}: {error}", self.object))
        };
        let config = PresigningConfig::builder().start_time(now.into()).expires_in(within.duration()).build();
        let config = config.map_err(|error| unusable(&error))?;
        let tried = format!("signing an address of {}", self.object);
        let signed = match self.to {
            Purpose::Read => {
                let request = bucket.s3.get_object().bucket(&bucket.name).key(key).presigned(config);
                bucket.call("s3:GetObject", &tried, request).await?
            }
            Purpose::Write => {
                let request = bucket.s3.put_object().bucket(&bucket.name).key(key).presigned(config);
                bucket.call("s3:PutObject", &tried, request).await?
            }
        };
        let signature = signed.uri().split("X-Amz-Signature=").nth(1).and_then(|rest| rest.split('&').next());
        if let Some(signature) = signature {
            cx.hide("presigned", signature);
        }
        Ok(Presigned {
            address: signed.uri().to_owned(),
            method: signed.method().to_owned(),
            expires: within.after(now),
        })
    }
}
