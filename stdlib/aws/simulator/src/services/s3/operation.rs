//! What a request is called: S3 has its operations in method, path and query.

use http::{Method, Request};

use crate::protocol;

/// What is asked for by a member of the query, of an object and of a bucket.
const BY_QUERY: &[(&str, &str, &str)] = &[
    ("acl", "ObjectAcl", "BucketAcl"),
    ("attributes", "ObjectAttributes", ""),
    ("cors", "", "BucketCors"),
    ("encryption", "", "BucketEncryption"),
    ("lifecycle", "", "BucketLifecycleConfiguration"),
    ("location", "", "BucketLocation"),
    ("policy", "", "BucketPolicy"),
    ("tagging", "ObjectTagging", "BucketTagging"),
    ("versioning", "", "BucketVersioning"),
];

/// `GetObject`; of what changes something only whether it puts or deletes.
pub(crate) fn operation<B>(request: &Request<B>) -> String {
    let path = protocol::path(request);
    let query = protocol::query_members(request);
    let has = |name: &str| query.contains_key(name);
    let verb = match *request.method() {
        Method::GET => "Get",
        Method::HEAD => "Head",
        Method::DELETE => "Delete",
        _ => "Put",
    };
    let in_host = request.headers().get(http::header::HOST).and_then(|host| host.to_str().ok());
    let in_host = in_host.is_some_and(|host| host.contains(".s3.") || host.contains(".s3-"));
    let (has_bucket, has_key) = match in_host {
        true => (true, !path.is_empty()),
        false => (!path.is_empty(), path.len() > 1),
    };
    if verb == "Get" {
        match (has_bucket, has_key) {
            (false, _) => return "ListBuckets".into(),
            (_, true) if has("uploadId") => return "ListParts".into(),
            (_, false) if has("list-type") => return "ListObjectsV2".into(),
            (_, false) if has("versions") => return "ListObjectVersions".into(),
            (_, false) if has("uploads") => return "ListMultipartUploads".into(),
            _ => {}
        }
    }
    let named = BY_QUERY.iter().find(|(name, ..)| has(name));
    match named.map(|(_, object, bucket)| if has_key { *object } else { *bucket }) {
        Some(what) if !what.is_empty() => format!("{verb}{what}"),
        _ if has_key => format!("{verb}Object"),
        _ if verb == "Get" => "ListObjects".into(),
        _ => format!("{verb}Bucket"),
    }
}
