//! A bucket, in whichever region it is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_s3::types::BucketVersioningStatus;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use opsrun_core::{Cx, Error, ErrorKind, Result};

use super::object::Object;
use crate::client::Client;
use crate::error;

/// Where a bucket is found says this header, also of an answer that refuses.
const REGION: &str = "x-amz-bucket-region";

/// A bucket, and a client of its region. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Bucket {
    pub(crate) client: Client,
    pub(crate) s3: aws_sdk_s3::Client,
    pub(crate) name: String,
    keeps_versions: Arc<tokio::sync::OnceCell<bool>>,
}

impl Bucket {
    /// The bucket of this name; `region` is the call's option. A bucket in another region than the target's is looked for.
    ///
    /// # Errors
    /// `NotFound` if there is none; those of asking for it.
    pub(crate) async fn of(cx: &Cx, name: &str, region: Option<&str>) -> Result<Self> {
        let client = Client::new(cx, region)?;
        // Other stores than AWS have one region.
        if region.is_some() || client.is_elsewhere("s3") {
            return Ok(Bucket::new(client, name));
        }
        let known = cx.shared(&format!("aws/s3/regions/{}", cx.target().name), || {
            Ok(Mutex::new(BTreeMap::<String, String>::new()))
        })?;
        let found = known.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        let region = match found {
            Some(region) => region,
            None => {
                let region = located(&client, name).await?;
                known.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), region.clone());
                region
            }
        };
        let client = if region == client.region() { client } else { Client::new(cx, Some(&region))? };
        Ok(Bucket::new(client, name))
    }

    fn new(client: Client, name: &str) -> Self {
        Bucket { s3: client.s3(), client, name: name.to_owned(), keeps_versions: Arc::default() }
    }

    pub(crate) fn url(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.name)
    }

    pub(crate) fn cx(&self) -> &Cx {
        self.client.cx()
    }

    /// Sends a request; see [`Client::call`].
    ///
    /// # Errors
    /// What AWS said.
    pub(crate) async fn call<T, E>(
        &self,
        action: &str,
        tried: &str,
        sent: impl Future<Output = Result<T, SdkError<E, Response>>>,
    ) -> Result<T>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        self.client.call(action, tried, sent).await.map_err(|error| self.explained(error))
    }

    fn explained(&self, error: Error) -> Error {
        match error.data_value()["code"].as_str() {
            Some("NoSuchBucket") => error.hint(format!("is the bucket `{}` of this account?", self.name)),
            // Of another server than AWS's own nobody asks where it has a bucket.
            _ if matches!(error.data_value()["status"].as_u64(), Some(301 | 307))
                && self.client.is_elsewhere("s3") =>
            {
                error.hint("the bucket is in another region: say which with the option `region`")
            }
            _ if matches!(error.data_value()["status"].as_u64(), Some(301 | 307)) => {
                error.hint("the bucket is in another region: leave the option `region` out, and it is found")
            }
            _ => error,
        }
    }

    /// # Errors
    /// What AWS said.
    pub(crate) async fn exists(&self) -> Result<bool> {
        let asked = self.s3.head_bucket().bucket(&self.name).send();
        let tried = format!("looking for the bucket {}", self.name);
        Ok(self.client.find("s3:ListBucket", &tried, asked).await?.is_some())
    }

    /// The object as it is now, or was in a version; `None` if there is none.
    ///
    /// # Errors
    /// What AWS said.
    pub(crate) async fn find(&self, key: &str, version: Option<&str>) -> Result<Option<Object>> {
        let asked =
            self.s3.head_object().bucket(&self.name).key(key).set_version_id(version.map(str::to_owned));
        let asked = asked.checksum_mode(aws_sdk_s3::types::ChecksumMode::Enabled).send();
        let tried = format!("asking for {}", self.url(key));
        let found =
            self.client.find("s3:GetObject", &tried, asked).await.map_err(|error| self.explained(error))?;
        Ok(found.map(|head| Object::of_head(self.url(key), key, &head)))
    }

    /// # Errors
    /// `NotFound` if there is none; what AWS said.
    pub(crate) async fn object(&self, key: &str, version: Option<&str>) -> Result<Object> {
        self.find(key, version).await?.ok_or_else(|| {
            let which = version.map(|version| format!(" in version {version}")).unwrap_or_default();
            Error::not_found(format!("there is no object {}{which}", self.url(key))).detail(format!(
                "s3:GetObject in {}, {}",
                self.client.region(),
                self.client.place().account
            ))
        })
    }

    /// Whether what is written over or deleted stays as a former version.
    ///
    /// # Errors
    /// What AWS said.
    pub(crate) async fn keeps_versions(&self) -> Result<bool> {
        let ask = || async {
            let answer = self.s3.get_bucket_versioning().bucket(&self.name).send().await;
            if let Some(read) = answer.as_ref().err().and_then(read_otherwise) {
                return Ok(read);
            }
            let tried = format!("asking whether s3://{} keeps versions", self.name);
            match self.call("s3:GetBucketVersioning", &tried, async { answer }).await {
                Ok(found) => Ok(found.status() == Some(&BucketVersioningStatus::Enabled)),
                // Stores that do not know versions keep none.
                Err(error) if error.data_value()["code"] == "NotImplemented" => Ok(false),
                Err(error) => Err(error),
            }
        };
        self.keeps_versions.get_or_try_init(ask).await.copied()
    }
}

/// Other stores than AWS, such as moto, give the answer another name, and AWS's client does not read it then.
fn read_otherwise<E>(error: &SdkError<E, Response>) -> Option<bool> {
    let answer = error.raw_response().filter(|answer| answer.status().is_success())?;
    let text = std::str::from_utf8(answer.body().bytes()?).ok()?;
    text.contains("Versioning").then(|| text.contains("<Status>Enabled</Status>"))
}

/// The region that a bucket is in.
async fn located(client: &Client, name: &str) -> Result<String> {
    let here = client.region().to_owned();
    let error = match client.s3().head_bucket().bucket(name).send().await {
        Ok(found) => return Ok(found.bucket_region().map_or(here, str::to_owned)),
        Err(error) => error,
    };
    let answer = error.raw_response();
    if let Some(region) = answer.and_then(|answer| answer.headers().get(REGION)) {
        return Ok(region.to_owned());
    }
    let status = answer.map(|answer| answer.status().as_u16());
    let failed =
        error::failed(&client.place(), "s3:ListBucket", &format!("looking for the bucket {name}"), &error);
    match (status, failed.kind()) {
        (Some(404), _) => Err(Error::not_found(format!("there is no bucket `{name}`"))
            .detail(format!("s3:ListBucket in {here}, {}", client.place().account))),
        // Who may not ask for the bucket may still be let at what is in it.
        (Some(403), _) | (_, ErrorKind::Denied) => Ok(here),
        _ => Err(failed),
    }
}
