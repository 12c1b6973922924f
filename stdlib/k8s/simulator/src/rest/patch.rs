//! PATCH: the four patch formats, on objects, their status and their scale.
//! The formats are the schema crate's, by way of `shape`; this is the order of things around them.

use bytes::Bytes;
use http::Response;
use serde_json::Value;

use super::create::{check_name, check_namespace, manager};
use super::options::WriteOptions;
use super::update::scaled;
use super::{Call, read, scale};
use crate::admission::pod_security_warning;
use crate::body::content_type;
use crate::cluster::Cluster;
use crate::context::{Author, text};
use crate::kinds::Subresource;
use crate::media::Media;
use crate::reply;
use crate::shape::{self, Owner, Patch};
use crate::status::{Result, Status};
use crate::write::{Place, Updated};

pub(super) fn patch(cluster: &mut Cluster, call: &Call<'_>) -> Result<Response<Bytes>> {
    let media = Media::of(call.request)?;
    let kind = content_type(call.request);
    let custom = call.served.resource.custom;
    let apply = matches!(kind, "application/apply-patch+yaml" | "application/apply-patch+cbor");
    let known = matches!(kind, "application/json-patch+json" | "application/merge-patch+json")
        || kind == "application/apply-patch+yaml"
        || kind == "application/strategic-merge-patch+json" && !custom;
    if !known {
        return Err(unsupported(custom));
    }
    let options = WriteOptions::of(&call.request.query, "PatchOptions", apply)?;
    let author = manager(call.author, &options);
    if apply {
        return apply_patch(cluster, call, media, &options, &author);
    }
    let patch = Patch::parse(kind, &call.request.body, options.validation)?;
    let place = Place { served: &call.served, sub: call.sub, namespace: call.place(), name: call.name() };
    let mut warnings = Vec::new();
    let updated = cluster.update(&place, &author, options.dry_run, &mut |cluster, old| {
        if call.sub == Some(Subresource::Scale) {
            let shown = scale::of(&call.served, old);
            let patched = patch.apply_as(&shown, &shape::scale_kind(), options.validation, &mut warnings)?;
            check_name(call, &patched)?;
            return scaled(cluster, call, old, &patched, &author.manager);
        }
        let mut new = patch.apply(&call.served, old, options.validation, &mut warnings)?;
        check_name(call, &new)?;
        check_namespace(call, &new)?;
        call.served.kind.fold(&mut new);
        call.served.kind.default(&mut new);
        warnings.extend(call.served.kind.warnings(Some(old), &new));
        warnings.extend(pod_security_warning(cluster, &call.served, call.place(), Some(old), &new));
        shape::prepare_owned(&call.served, call.sub, old, &mut new);
        let owner = Owner { manager: &author.manager, sub: call.sub, now: cluster.now };
        shape::own(&cluster.registry, &call.served, Some(old), &mut new, owner);
        Ok(new)
    })?;
    respond(cluster, call, media, updated, &warnings)
}

fn apply_patch(
    cluster: &mut Cluster,
    call: &Call<'_>,
    media: Media,
    options: &WriteOptions,
    author: &Author,
) -> Result<Response<Bytes>> {
    let (applied, mut warnings) = if call.sub == Some(Subresource::Scale) {
        let scale = shape::parse_applied_as(&shape::scale_kind(), call.request)?;
        (scale::applied(&call.served, &scale), Vec::new())
    } else {
        shape::parse_applied(&call.served, call.request)?
    };
    let force = options.force.unwrap_or(false);
    let exists = cluster.store.get(&call.served.resource.storage, call.place(), call.name()).is_some();
    if !exists {
        if call.sub.is_some() {
            return Err(call.served.not_found(call.name()));
        }
        return apply_new(cluster, call, media, options, author, &applied, &warnings);
    }
    let place = Place { served: &call.served, sub: call.sub, namespace: call.place(), name: call.name() };
    let updated = cluster.update(&place, author, options.dry_run, &mut |cluster, old| {
        let mut new = shape::apply(
            &cluster.registry,
            &call.served,
            Some(old),
            &applied,
            Owner { manager: &author.manager, sub: call.sub, now: cluster.now },
            force,
        )?;
        call.served.kind.default(&mut new);
        warnings.extend(call.served.kind.warnings(Some(old), &new));
        warnings.extend(pod_security_warning(cluster, &call.served, call.place(), Some(old), &new));
        check_name(call, &new)?;
        check_namespace(call, &new)?;
        Ok(new)
    })?;
    respond(cluster, call, media, updated, &warnings)
}

fn apply_new(
    cluster: &mut Cluster,
    call: &Call<'_>,
    media: Media,
    options: &WriteOptions,
    author: &Author,
    applied: &Value,
    warnings: &[String],
) -> Result<Response<Bytes>> {
    let uid = text(&applied["metadata"]["uid"]).to_owned();
    let mut object = shape::apply(
        &cluster.registry,
        &call.served,
        None,
        applied,
        Owner { manager: &author.manager, sub: None, now: cluster.now },
        true,
    )?;
    if !uid.is_empty() {
        let why = format!(
            "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
        );
        let resource = &call.served.resource;
        return Err(Status::conflict(&resource.group, &resource.plural, call.name(), &why));
    }
    check_name(call, &object)?;
    check_namespace(call, &object)?;
    call.served.kind.fold(&mut object);
    call.served.kind.default(&mut object);
    let mut warnings = [warnings, &call.served.kind.warnings(None, &object)].concat();
    warnings.extend(pod_security_warning(cluster, &call.served, call.place(), None, &object));
    let stored = cluster.insert(&call.served, call.place(), object, author, options.dry_run)?;
    let updated = Updated { object: call.served.view(&stored), created: true };
    respond(cluster, call, media, updated, &warnings)
}

fn respond(
    cluster: &Cluster,
    call: &Call<'_>,
    media: Media,
    updated: Updated,
    warnings: &[String],
) -> Result<Response<Bytes>> {
    let code = if updated.created { 201 } else { 200 };
    let mut response = match call.sub {
        Some(Subresource::Scale) => reply::object(media, code, &scale::of(&call.served, &updated.object)),
        _ => read::one(cluster, call, media, code, updated.object),
    };
    reply::warn(response.headers_mut(), warnings);
    Ok(response)
}

/// 415; custom resources say which formats they take.
fn unsupported(custom: bool) -> Status {
    if custom {
        let message = "the body of the request was in an unknown format - accepted media types include: \
            application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
        return Status::new(415, "UnsupportedMediaType", message);
    }
    Status::new(415, "UnsupportedMediaType", "415: Unsupported Media Type")
        .with_details(serde_json::json!({}))
}
