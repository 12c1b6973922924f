//! Many objects deleted in one request.

use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use opsrun_core::{Error, ErrorKind, Result};

use super::bucket::Bucket;

/// Deletes objects, or versions of them for good. Gives the versions that mark them deleted, by key.
///
/// # Errors
/// What AWS said, also of one of them.
pub(crate) async fn delete_all<'k>(
    bucket: &Bucket,
    keys: impl Iterator<Item = (&'k str, Option<&'k str>)>,
) -> Result<Vec<(String, Option<String>)>> {
    let tried = format!("deleting objects of s3://{}", bucket.name);
    let unusable = |error: &dyn std::fmt::Display| Error::failed(format!("{tried}: {error}"));
    let objects = keys.map(|(key, version)| {
        ObjectIdentifier::builder().key(key).set_version_id(version.map(str::to_owned)).build()
    });
    let objects = objects.collect::<std::result::Result<Vec<_>, _>>().map_err(|error| unusable(&error))?;
    let delete = Delete::builder().set_objects(Some(objects)).build().map_err(|error| unusable(&error))?;
    let delete = bucket.s3.delete_objects().bucket(&bucket.name).delete(delete).send();
    let done = bucket.call("s3:DeleteObject", &tried, delete).await?;
    if let Some(error) = done.errors().first() {
        let (key, code) = (error.key().unwrap_or_default(), error.code().unwrap_or_default());
        let kind = if code == "AccessDenied" { ErrorKind::Forbidden } else { ErrorKind::Failed };
        let message = format!(
            "deleting {} was refused by AWS: {code}: {}",
            bucket.url(key),
            error.message().unwrap_or_default()
        );
        return Err(Error::new(kind, message).detail(format!(
            "{} of {} objects were refused",
            done.errors().len(),
            done.errors().len() + done.deleted().len()
        )));
    }
    let deleted = done.deleted().iter().map(|deleted| {
        let marker = deleted.delete_marker_version_id().map(str::to_owned);
        (deleted.key().unwrap_or_default().to_owned(), marker)
    });
    Ok(deleted.collect())
}
