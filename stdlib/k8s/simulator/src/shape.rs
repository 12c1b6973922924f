//! Between the API and the schema crate: bodies become typed objects, patches are applied, fields get owners.
//! It turns the schema crate's refusals into the server's; it stores nothing.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::body::{self, Format};
use crate::context::text;
use crate::kinds::{Subresource, keep};
use crate::registry::Served;
use crate::request::Request;
use crate::rest::FieldValidation;
use crate::status::{Result, Status};

/// A body that has been read.
pub(crate) struct Decoded {
    pub(crate) object: Value,
    pub(crate) warnings: Vec<String>,
}

/// Reads the body of a POST or PUT as the kind of the path.
pub(crate) fn decode(served: &Served, request: &Request, validation: FieldValidation) -> Result<Decoded> {
    let resource = &served.resource;
    decode_as(&resource.group, &resource.version, &resource.kind, request, validation)
}

/// Reads a body as a kind that is not the path's: a Scale, an Eviction.
pub(crate) fn decode_as(
    group: &str,
    version: &str,
    kind: &str,
    request: &Request,
    _validation: FieldValidation,
) -> Result<Decoded> {
    let unrecognized = |why: &str| {
        Status::bad_request(format!("the object provided is unrecognized (must be of type {kind}): {why}"))
    };
    let mut object = match body::format(request)? {
        Format::Json => serde_json::from_slice(&request.body).map_err(|_| {
            unrecognized("couldn't get version/kind; json parse error: unexpected end of JSON input")
        })?,
        Format::Yaml => serde_saphyr::from_str(&String::from_utf8_lossy(&request.body))
            .map_err(|why| unrecognized(&format!("yaml: {why}")))?,
        Format::Protobuf => return Err(unrecognized("protobuf is not read yet")),
    };
    if object == Value::Null {
        object = Value::Object(Map::new());
    }
    let wanted = crate::kinds::api_version(group, version);
    let given = text(&object["apiVersion"]).to_owned();
    let given_kind = text(&object["kind"]).to_owned();
    if !given.is_empty() && given != wanted {
        return Err(Status::bad_request(format!(
            "the API version in the data ({given}) does not match the expected API version ({wanted})"
        )));
    }
    if !given_kind.is_empty() && given_kind != kind {
        return Err(Status::bad_request(format!(
            "{given_kind} in version \"{version}\" cannot be handled as a {kind}"
        )));
    }
    object["apiVersion"] = wanted.into();
    object["kind"] = kind.into();
    Ok(Decoded { object, warnings: Vec::new() })
}

/// Reads the body of a DELETE; `None` without one.
pub(crate) fn delete_options(request: &Request) -> Result<Option<Value>> {
    if request.body.is_empty() {
        return Ok(None);
    }
    let refuse = |why: String| Status::new(500, "", why);
    let options: Value = serde_json::from_slice(&request.body).map_err(|_| {
        refuse("couldn't get version/kind; json parse error: unexpected end of JSON input".to_owned())
    })?;
    let kind = text(&options["kind"]);
    if !kind.is_empty() && kind != "DeleteOptions" {
        let version = text(&options["apiVersion"]);
        return Err(refuse(format!(
            "no kind \"{kind}\" is registered for version \"{version}\" in scheme \"pkg/runtime/scheme.go:110\""
        )));
    }
    Ok(Some(options))
}

/// Puts back what a write to this path cannot change, so that nobody comes to own it.
pub(crate) fn prepare_owned(served: &Served, sub: Option<Subresource>, old: &Value, new: &mut Value) {
    match sub {
        None if served.resource.has(Subresource::Status) => keep(old, new, &["status"]),
        Some(Subresource::Status) => served.kind.prepare_status(old, new),
        _ => {}
    }
}

/// Records in `managedFields` what the manager changed with an update.
pub(crate) fn own(
    _served: &Served,
    _old: Option<&Value>,
    _new: &mut Value,
    _manager: &str,
    _sub: Option<Subresource>,
    _now: Timestamp,
) {
}

/// Reads an applied configuration.
pub(crate) fn parse_applied(served: &Served, request: &Request) -> Result<(Value, Vec<String>)> {
    let object: Value = serde_saphyr::from_str(&String::from_utf8_lossy(&request.body))
        .map_err(|why| Status::bad_request(format!("error decoding YAML: {why}")))?;
    let _ = served;
    Ok((object, Vec::new()))
}

/// Server-side apply: the object with what the manager wants laid over it.
pub(crate) fn apply(
    _served: &Served,
    live: Option<&Value>,
    applied: &Value,
    _manager: &str,
    _force: bool,
    _sub: Option<Subresource>,
    _now: Timestamp,
) -> Result<Value> {
    let mut object = live.cloned().unwrap_or_else(|| Value::Object(Map::new()));
    merge(&mut object, applied);
    Ok(object)
}

/// A patch, read but not applied.
pub(crate) enum Patch {
    Merge(Value),
}

impl Patch {
    pub(crate) fn parse(kind: &str, body: &Bytes) -> Result<Self> {
        let patch: Value = serde_json::from_slice(body)
            .map_err(|_| Status::bad_request("error decoding patch: unexpected end of JSON input"))?;
        match kind {
            "application/merge-patch+json" | "application/strategic-merge-patch+json" => {
                Ok(Self::Merge(patch))
            }
            _ => Err(Status::bad_request("error decoding patch")),
        }
    }

    /// The object that results, typed.
    pub(crate) fn apply(
        &self,
        _served: &Served,
        old: &Value,
        _validation: FieldValidation,
        _warnings: &mut Vec<String>,
    ) -> Result<Value> {
        let Self::Merge(patch) = self;
        let mut new = old.clone();
        merge(&mut new, patch);
        Ok(new)
    }

    /// The same for an object of a kind that is not the path's.
    pub(crate) fn apply_as(
        &self,
        old: &Value,
        _group: &str,
        _version: &str,
        _kind: &str,
        _validation: FieldValidation,
        _warnings: &mut Vec<String>,
    ) -> Result<Value> {
        let Self::Merge(patch) = self;
        let mut new = old.clone();
        merge(&mut new, patch);
        Ok(new)
    }
}

fn merge(target: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let map = target.as_object_mut().expect("just made");
    for (key, value) in patch {
        if value.is_null() {
            map.remove(key);
        } else {
            merge(map.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}
