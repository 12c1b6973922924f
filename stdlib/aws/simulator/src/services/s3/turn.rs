//! One request's turn: the buckets, who asks, and when.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::{FutureExt, StreamExt};
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use s3s::dto::StreamingBlob;
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use super::store::Bucket;
use crate::world::{Caller, Random};

pub(super) struct Turn {
    pub(super) buckets: BTreeMap<String, Arc<Bucket>>,
    pub(super) random: Random,
    pub(super) caller: Caller,
    pub(super) now: Timestamp,
}

impl Turn {
    /// A bucket that the caller may reach, from where it asks.
    pub(super) fn bucket(&mut self, name: &str) -> S3Result<&Bucket> {
        self.reach(name, true).map(|bucket| &**bucket)
    }

    /// The same, to change it.
    pub(super) fn change(&mut self, name: &str) -> S3Result<(&mut Bucket, &mut Random, Timestamp)> {
        self.reach(name, true)?;
        let bucket = self.buckets.get_mut(name).map(Arc::make_mut).ok_or_else(|| no_such_bucket(name))?;
        Ok((bucket, &mut self.random, self.now))
    }

    /// A bucket that may be in another region.
    pub(super) fn anywhere(&mut self, name: &str) -> S3Result<&Bucket> {
        self.reach(name, false).map(|bucket| &**bucket)
    }

    fn reach(&mut self, name: &str, here: bool) -> S3Result<&mut Arc<Bucket>> {
        let bucket = self.buckets.get_mut(name).ok_or_else(|| no_such_bucket(name))?;
        if bucket.account != self.caller.account {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        }
        if here && bucket.region != self.caller.region {
            return Err(elsewhere(&bucket.region));
        }
        if !bucket.lifecycle.is_empty() {
            Arc::make_mut(bucket).age(self.now, &mut self.random);
        }
        Ok(bucket)
    }
}

fn no_such_bucket(_name: &str) -> S3Error {
    s3_error!(NoSuchBucket, "The specified bucket does not exist")
}

/// Where to ask instead is in a header.
fn elsewhere(region: &str) -> S3Error {
    let message = "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.";
    let mut error = S3Error::with_message(S3ErrorCode::PermanentRedirect, message);
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/xml"));
    if let Ok(region) = HeaderValue::from_str(region) {
        headers.insert("x-amz-bucket-region", region);
    }
    error.set_headers(headers);
    error
}

/// A body whole; it is in memory already.
pub(super) fn whole(body: Option<StreamingBlob>) -> S3Result<Bytes> {
    let Some(mut body) = body else { return Ok(Bytes::new()) };
    let read = async {
        let mut first = None;
        let mut rest = BytesMut::new();
        while let Some(chunk) = body.next().await {
            let chunk = chunk.ok()?;
            match first {
                None => first = Some(chunk),
                Some(_) => rest.extend_from_slice(&chunk),
            }
        }
        let first = first.unwrap_or_default();
        Some(if rest.is_empty() { first } else { [first, rest.freeze()].concat().into() })
    };
    read.now_or_never().flatten().ok_or_else(|| s3_error!(IncompleteBody))
}

/// As S3 tells times: without fractions of a second.
pub(super) fn told(at: Timestamp) -> s3s::dto::Timestamp {
    let whole = Timestamp::from_second(at.as_second()).unwrap_or(at);
    std::time::SystemTime::from(whole).into()
}
