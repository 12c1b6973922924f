//! POST: a new object of a kind.
//! Decoding is `shape`'s, storing is `write`'s; here is what lies between for this verb.

use bytes::Bytes;
use http::Response;
use serde_json::Value;

use super::options::WriteOptions;
use super::{Call, read};
use crate::admission::pod_security_warning;
use crate::cluster::Cluster;
use crate::context::{Author, text};
use crate::media::Media;
use crate::reply;
use crate::shape::{self, Owner};
use crate::status::{Result, Status};

pub(super) fn create(cluster: &mut Cluster, call: &Call<'_>) -> Result<Response<Bytes>> {
    let media = Media::of(call.request)?;
    let options = WriteOptions::of(&call.request.query, "CreateOptions", false)?;
    let decoded = shape::decode(&call.served, call.request, options.validation)?;
    let mut object = decoded.object;
    check_namespace(call, &object)?;
    let version = text(&object["metadata"]["resourceVersion"]).to_owned();
    call.served.kind.fold(&mut object);
    call.served.kind.default(&mut object);
    let mut warnings = decoded.warnings;
    warnings.extend(call.served.kind.warnings(None, &object));
    warnings.extend(pod_security_warning(cluster, &call.served, call.place(), None, &object));
    let author = manager(call.author, &options);
    let stored = store_new(cluster, call, object, &author, options.dry_run, &version)?;
    let object = call.served.view(&stored);
    let mut response = read::one(cluster, call, media, 201, object);
    reply::warn(response.headers_mut(), &warnings);
    Ok(response)
}

/// Puts a decoded, defaulted object in place, owned by the author.
fn store_new(
    cluster: &mut Cluster,
    call: &Call<'_>,
    mut object: Value,
    author: &Author,
    dry_run: bool,
    version: &str,
) -> Result<std::sync::Arc<Value>> {
    let owner = Owner { manager: &author.manager, sub: None, now: cluster.now };
    shape::own(&cluster.registry, &call.served, None, &mut object, owner);
    if !version.is_empty() && version != "0" {
        // The store refuses it, after everything else has been checked.
        cluster.insert(&call.served, call.place(), object, author, true)?;
        return Err(Status::new(500, "", "resourceVersion should not be set on objects to be created"));
    }
    cluster.insert(&call.served, call.place(), object, author, dry_run)
}

/// The namespace in the object, if any, is the one in the path.
pub(super) fn check_namespace(call: &Call<'_>, object: &Value) -> Result<()> {
    let given = text(&object["metadata"]["namespace"]);
    if given.is_empty() || given == call.place() {
        return Ok(());
    }
    let why = "the namespace of the provided object does not match the namespace sent on the request";
    Err(Status::bad_request(why))
}

/// The author under the field manager that the options name.
pub(super) fn manager(author: &Author, options: &WriteOptions) -> Author {
    let mut author = author.clone();
    if let Some(manager) = &options.field_manager {
        author.manager.clone_from(manager);
    }
    author
}

/// The name in the object is the one in the path.
pub(super) fn check_name(call: &Call<'_>, object: &Value) -> Result<()> {
    let (given, wanted) = (text(&object["metadata"]["name"]), call.name());
    if given.is_empty() {
        let why = format!(
            "the name of the object ({wanted} based on URL) was undeterminable: name must be provided"
        );
        return Err(Status::bad_request(why));
    }
    if given != wanted {
        let why = format!("the name of the object ({given}) does not match the name on the URL ({wanted})");
        return Err(Status::bad_request(why));
    }
    Ok(())
}
