//! PUT: another object in the place of the one that is there, or its status, its scale, its finalizers.
//! It assumes that the path names a kind that is served.

use bytes::Bytes;
use http::Response;
use serde_json::Value;

use super::create::{check_name, check_namespace, manager};
use super::options::WriteOptions;
use super::{Call, read, scale};
use crate::admission::pod_security_warning;
use crate::cluster::Cluster;
use crate::context::text;
use crate::kinds::Subresource;
use crate::media::Media;
use crate::reply;
use crate::shape::{self, Owner};
use crate::status::{Invalid, Result, Status};
use crate::write::Place;

pub(super) fn update(cluster: &mut Cluster, call: &Call<'_>) -> Result<Response<Bytes>> {
    let media = Media::of(call.request)?;
    let options = WriteOptions::of(&call.request.query, "UpdateOptions", false)?;
    if call.sub == Some(Subresource::Scale) {
        return update_scale(cluster, call, media, &options);
    }
    let decoded = shape::decode(&call.served, call.request, options.validation)?;
    let mut object = decoded.object;
    check_name(call, &object)?;
    check_namespace(call, &object)?;
    call.served.kind.fold(&mut object);
    call.served.kind.default(&mut object);
    let mut warnings = decoded.warnings;
    let author = manager(call.author, &options);
    let place = Place { served: &call.served, sub: call.sub, namespace: call.place(), name: call.name() };
    let exists = cluster.store.get(&call.served.resource.storage, call.place(), call.name()).is_some();
    if !exists && call.served.kind.creates_on_update() && call.sub.is_none() {
        let owner = Owner { manager: &author.manager, sub: None, now: cluster.now };
        shape::own(&cluster.registry, &call.served, None, &mut object, owner);
        let stored = cluster.insert(&call.served, call.place(), object, &author, options.dry_run)?;
        return Ok(read::one(cluster, call, media, 201, call.served.view(&stored)));
    }
    let mut given = Some(object);
    let updated = cluster.update(&place, &author, options.dry_run, &mut |cluster, old| {
        let mut new = given.take().expect("an update is made once");
        check_identity(call, old, &new)?;
        warnings.extend(call.served.kind.warnings(Some(old), &new));
        warnings.extend(pod_security_warning(cluster, &call.served, call.place(), Some(old), &new));
        shape::prepare_owned(&call.served, call.sub, old, &mut new);
        let owner = Owner { manager: &author.manager, sub: call.sub, now: cluster.now };
        shape::own(&cluster.registry, &call.served, Some(old), &mut new, owner);
        Ok(new)
    })?;
    let mut response = read::one(cluster, call, media, 200, updated.object);
    reply::warn(response.headers_mut(), &warnings);
    Ok(response)
}

/// A uid and a resourceVersion that are given are those of the object.
pub(super) fn check_identity(call: &Call<'_>, old: &Value, new: &Value) -> Result<()> {
    let resource = &call.served.resource;
    let (given, uid) = (text(&new["metadata"]["uid"]), text(&old["metadata"]["uid"]));
    if !given.is_empty() && given != uid {
        let group = if resource.group.is_empty() || !resource.custom && !resource.group.contains('.') {
            String::new()
        } else {
            format!("{}/", resource.group)
        };
        let namespace = if resource.namespaced { format!("{}/", call.place()) } else { String::new() };
        let key = format!("/registry/{group}{}/{namespace}{}", resource.plural, call.name());
        let why = format!(
            "StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition \
             failed: UID in precondition: {given}, UID in object meta: {uid}"
        );
        return Err(Status::conflict(&resource.group, &resource.plural, call.name(), &why));
    }
    let version = text(&new["metadata"]["resourceVersion"]);
    if !version.is_empty() && version.parse::<u64>().is_err() {
        return Err(Status::new(500, "", format!("strconv.ParseUint: parsing {version:?}: invalid syntax")));
    }
    Ok(())
}

fn update_scale(
    cluster: &mut Cluster,
    call: &Call<'_>,
    media: Media,
    options: &WriteOptions,
) -> Result<Response<Bytes>> {
    let decoded = shape::decode_as("autoscaling", "v1", "Scale", call.request, options.validation)?;
    check_name(call, &decoded.object)?;
    check_namespace(call, &decoded.object)?;
    let author = manager(call.author, options);
    let place = Place { served: &call.served, sub: call.sub, namespace: call.place(), name: call.name() };
    let updated = cluster.update(&place, &author, options.dry_run, &mut |cluster, old| {
        scaled(cluster, call, old, &decoded.object, &author.manager)
    })?;
    let mut response = reply::object(media, 200, &scale::of(&call.served, &updated.object));
    reply::warn(response.headers_mut(), &decoded.warnings);
    Ok(response)
}

/// The object with a Scale laid over it.
pub(super) fn scaled(
    cluster: &Cluster,
    call: &Call<'_>,
    old: &Value,
    scale: &Value,
    manager: &str,
) -> Result<Value> {
    let replicas = scale["spec"]["replicas"].as_i64().unwrap_or(0);
    if replicas < 0 && call.served.resource.custom {
        let path = call.served.kind.scale().spec_replicas;
        let wrong = Invalid::value(path, replicas, "should be a non-negative integer");
        return Err(call.served.invalid(call.name(), &[wrong]));
    }
    if replicas < 0 {
        let wrong = Invalid::value("spec.replicas", replicas, "must be greater than or equal to 0");
        return Err(Status::invalid("autoscaling", "Scale", call.name(), &[wrong]));
    }
    let mut new = old.clone();
    scale::set(&call.served, &mut new, replicas);
    // The version is a precondition; it is compared with the object's.
    if let Some(version) = scale["metadata"]["resourceVersion"].as_str().filter(|version| !version.is_empty())
    {
        new["metadata"]["resourceVersion"] = version.into();
    }
    check_identity(call, old, &new)?;
    let owner = Owner { manager, sub: call.sub, now: cluster.now };
    shape::own(&cluster.registry, &call.served, Some(old), &mut new, owner);
    Ok(new)
}
