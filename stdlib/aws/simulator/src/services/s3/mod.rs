//! Simple Storage Service. Requests and answers are read and written by `s3s`; what is kept, and what holds for it, is here.
//!
//! Names of buckets are global: all accounts and regions share one [`Buckets`]. Not simulated: policies and access control lists
//! (an account reaches its own buckets and no others), encryption, object lock, notifications, replication.
#![allow(clippy::needless_pass_by_value)] // all operations take their input as `s3s` gives it

mod bucket;
mod checksum;
mod listing;
mod multipart;
mod object;
mod operation;
mod section;
mod store;
mod taken;
mod turn;
mod wire;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::FutureExt;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt;
use jiff::Timestamp;
use s3s::dto::*;
use s3s::service::S3ServiceBuilder;
use s3s::{Body, S3, S3Request, S3Response, S3Result};
use serde_json::{Value, json};

pub(crate) use self::operation::operation;
pub use self::section::{BucketSection, Folders, S3Section};
use self::store::{Bucket, Versioning};
pub use self::taken::{Origin, TakenBucket, TakenObject, Whereabouts};
use self::turn::Turn;
use crate::fault::{Answer, Fault};
use crate::protocol;
use crate::world::{Aws, Caller};
use crate::xml;

/// All buckets, by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Buckets(BTreeMap<String, Arc<Bucket>>);

/// What a request, which came from `caller` if that is good, is answered with.
pub(crate) fn answer(
    world: &mut Aws,
    caller: Answer<Caller>,
    request: &Request<Bytes>,
    request_id: &str,
    now: Timestamp,
) -> Response<Bytes> {
    let answer = caller.map_err(of_s3).and_then(|caller| {
        let broken = || Fault::sender("IncompleteBody", "The request body terminated unexpectedly");
        if let Some(digest) = wire::signed_digest(request)
            && digest != checksum::sha256(request.body())
        {
            let message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
            return Err(Fault::sender("XAmzContentSHA256Mismatch", message));
        }
        let plain = wire::plain(request).ok_or_else(broken)?;
        answered(world, caller, plain, now)
    });
    let mut response = answer.unwrap_or_else(|fault| {
        let content = json!({ "Code": fault.code, "Message": fault.message, "RequestId": request_id });
        protocol::response(fault.status, "application/xml", xml::document("Error", &content))
    });
    if let Ok(id) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert("x-amz-request-id", id);
    }
    response
}

/// S3 has its own words for who may not ask.
fn of_s3(fault: Fault) -> Fault {
    match fault.code {
        "InvalidClientTokenId" => {
            let message = "The AWS Access Key Id you provided does not exist in our records.";
            Fault::sender("InvalidAccessKeyId", message).with(StatusCode::FORBIDDEN)
        }
        "ExpiredToken" => Fault::sender("ExpiredToken", "The provided token has expired."),
        "MissingAuthenticationToken" => Fault::denied("Access Denied"),
        _ => fault,
    }
}

fn answered(
    world: &mut Aws,
    caller: Caller,
    request: Request<Bytes>,
    now: Timestamp,
) -> Answer<Response<Bytes>> {
    let turn =
        Turn { buckets: std::mem::take(&mut world.buckets.0), random: world.random.clone(), caller, now };
    let session = Session(Arc::new(Mutex::new(turn)));
    let mut service = S3ServiceBuilder::new(session.clone());
    service.set_host(wire::Hosts);
    let service = service.build();
    let answered = async {
        let response = service.call(request.map(Body::from)).await.ok()?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        Some(Response::from_parts(parts, body))
    };
    // Nothing is waited for: everything is in memory.
    let answered = answered.now_or_never().flatten();
    let mut turn = session.turn();
    world.buckets.0 = std::mem::take(&mut turn.buckets);
    world.random = turn.random.clone();
    answered.ok_or_else(|| {
        Fault::sender("InternalError", "the simulated S3 could not answer")
            .with(StatusCode::INTERNAL_SERVER_ERROR)
    })
}

/// What is asked while one request is answered.
#[derive(Clone)]
struct Session(Arc<Mutex<Turn>>);

impl Session {
    fn turn(&self) -> MutexGuard<'_, Turn> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

macro_rules! operations {
    ($($name:ident($input:ident) -> $output:ident = $function:path;)*) => {
        #[async_trait::async_trait]
        impl S3 for Session {
            $(async fn $name(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                $function(&mut self.turn(), request.input).map(S3Response::new)
            })*
        }
    };
}

operations! {
    list_buckets(ListBucketsInput) -> ListBucketsOutput = bucket::list;
    create_bucket(CreateBucketInput) -> CreateBucketOutput = bucket::create;
    delete_bucket(DeleteBucketInput) -> DeleteBucketOutput = bucket::delete;
    head_bucket(HeadBucketInput) -> HeadBucketOutput = bucket::head;
    get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput = bucket::location;
    get_bucket_versioning(GetBucketVersioningInput) -> GetBucketVersioningOutput = bucket::versioning;
    put_bucket_versioning(PutBucketVersioningInput) -> PutBucketVersioningOutput = bucket::set_versioning;
    get_bucket_lifecycle_configuration(GetBucketLifecycleConfigurationInput) -> GetBucketLifecycleConfigurationOutput = bucket::lifecycle;
    put_bucket_lifecycle_configuration(PutBucketLifecycleConfigurationInput) -> PutBucketLifecycleConfigurationOutput = bucket::set_lifecycle;
    delete_bucket_lifecycle(DeleteBucketLifecycleInput) -> DeleteBucketLifecycleOutput = bucket::delete_lifecycle;
    put_object(PutObjectInput) -> PutObjectOutput = object::put;
    get_object(GetObjectInput) -> GetObjectOutput = object::get;
    head_object(HeadObjectInput) -> HeadObjectOutput = object::head;
    copy_object(CopyObjectInput) -> CopyObjectOutput = object::copy;
    delete_object(DeleteObjectInput) -> DeleteObjectOutput = object::delete;
    delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput = object::delete_many;
    list_objects(ListObjectsInput) -> ListObjectsOutput = listing::objects;
    list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output = listing::objects_v2;
    list_object_versions(ListObjectVersionsInput) -> ListObjectVersionsOutput = listing::versions;
    create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput = multipart::create;
    upload_part(UploadPartInput) -> UploadPartOutput = multipart::upload;
    upload_part_copy(UploadPartCopyInput) -> UploadPartCopyOutput = multipart::copy;
    list_parts(ListPartsInput) -> ListPartsOutput = multipart::parts;
    list_multipart_uploads(ListMultipartUploadsInput) -> ListMultipartUploadsOutput = multipart::uploads;
    complete_multipart_upload(CompleteMultipartUploadInput) -> CompleteMultipartUploadOutput = multipart::complete;
    abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput = multipart::abort;
}

impl Buckets {
    /// Of each bucket how it is set up, and of each object a digest: contents may be secret.
    pub(crate) fn snapshot(&self) -> BTreeMap<String, Value> {
        let mut found = BTreeMap::new();
        for (name, bucket) in &self.0 {
            let versioning = match bucket.versioning {
                Versioning::Never => Value::Null,
                Versioning::Enabled => "enabled".into(),
                Versioning::Suspended => "suspended".into(),
            };
            let rules: Vec<String> = bucket.lifecycle.iter().map(|rule| format!("{rule:?}")).collect();
            let facts = json!({ "region": bucket.region, "versioning": versioning, "lifecycle": rules });
            found.insert(format!("s3 {name}"), facts);
            for (key, versions) in &bucket.objects {
                let digests: Vec<Value> = versions
                    .iter()
                    .map(|version| match &version.content {
                        None => Value::Null,
                        Some(content) => json!({
                            "size": content.size(),
                            "md5": content.md5,
                            "type": content.about.content_type.as_deref().unwrap_or(object::UNSAID),
                        }),
                    })
                    .collect();
                found.insert(format!("s3 {name}/{key}"), digests.into());
            }
            for upload in bucket.uploads.values() {
                found.insert(format!("s3 unfinished {name}/{}", upload.key), upload.parts.len().into());
            }
        }
        found
    }
}
