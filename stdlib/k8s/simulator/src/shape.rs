//! Between the API and the schema crate: bodies become typed objects, patches are applied, fields get owners.
//! It turns the schema crate's refusals into the server's; it stores nothing.

use bytes::Bytes;
use jiff::Timestamp;
use opsrun_k8s_schema::json::Document;
use opsrun_k8s_schema::managed::{self, ApplyError, Force, Versions, Writer};
use opsrun_k8s_schema::patch::{JsonPatch, JsonPatchError, merge_patch, strategic_merge};
use opsrun_k8s_schema::proto::decode_protobuf;
use opsrun_k8s_schema::{Decoded as Typed, Gvk, Schema, decode as decode_document, decode_value};
use serde_json::{Map, Value, json};

use crate::body::{self, Format};
use crate::context::{rfc3339, text};
use crate::discovery::hex;
use crate::kinds::{Subresource, api_version, keep};
use crate::registry::{Registry, Served};
use crate::request::Request;
use crate::rest::FieldValidation;
use crate::status::{Invalid, Result, Status};

/// A body that has been read.
pub(crate) struct Decoded {
    pub(crate) object: Value,
    pub(crate) warnings: Vec<String>,
}

/// Go's name for where a body's type is read.
const TYPE_META: &str =
    r#"struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }"#;
/// The scheme that errors name.
const SCHEME: &str = "pkg/runtime/scheme.go:110";
/// Versions that the server knows for conversion and does not serve.
const RETIRED: [&str; 10] = [
    "apps/v1beta1",
    "apps/v1beta2",
    "autoscaling/v2beta1",
    "autoscaling/v2beta2",
    "batch/v1beta1",
    "extensions/v1beta1",
    "networking.k8s.io/v1beta1",
    "policy/v1beta1",
    "rbac.authorization.k8s.io/v1beta1",
    "storage.k8s.io/v1beta1",
];

/// Reads the body of a POST or PUT as the kind of the path.
pub(crate) fn decode(served: &Served, request: &Request, validation: FieldValidation) -> Result<Decoded> {
    let resource = &served.resource;
    let wanted = Gvk::new(&resource.group, &resource.version, &resource.kind);
    let document = read(request, &wanted)?;
    let gvk = check_type(&document, &wanted, resource.custom)?;
    let typed = typed(served, &document);
    finish(typed, &gvk, &wanted, validation)
}

/// Reads a body as a kind that is not the path's: a Scale, an Eviction.
pub(crate) fn decode_as(
    group: &str,
    version: &str,
    kind: &str,
    request: &Request,
    validation: FieldValidation,
) -> Result<Decoded> {
    let wanted = Gvk::new(group, version, kind);
    let document = read(request, &wanted)?;
    let gvk = check_type(&document, &wanted, false)?;
    finish(typed_as(&wanted, &document), &gvk, &wanted, validation)
}

/// The body as a document; what cannot be read at all is refused here.
fn read(request: &Request, wanted: &Gvk) -> Result<Document> {
    let kind = &wanted.kind;
    let unrecognized = |why: &str| {
        Status::bad_request(format!("the object provided is unrecognized (must be of type {kind}): {why}"))
    };
    let summary = summarize(&request.body);
    let document = match body::format(request)? {
        Format::Json => Document::parse(&request.body).map_err(|why| {
            unrecognized(&format!("couldn't get version/kind; json parse error: {why} ({summary})"))
        })?,
        Format::Yaml => {
            yaml(&request.body).map_err(|why| unrecognized(&format!("yaml: {why} ({summary})")))?
        }
        Format::Protobuf => {
            let value =
                decode_protobuf(&request.body, Some(wanted)).map_err(|why| unrecognized(&why.to_string()))?;
            Document::from(&value)
        }
    };
    let word = match &document {
        Document::Object(_) | Document::Null => return Ok(document),
        Document::Array(_) => "array",
        Document::String(_) => "string",
        Document::Number(_) => "number",
        Document::Bool(_) => "bool",
    };
    let why = format!("json: cannot unmarshal {word} into Go value of type {TYPE_META}");
    Err(unrecognized(&format!("couldn't get version/kind; json parse error: {why} ({summary})")))
}

/// The start of a body that cannot be read: as text if it looks like JSON, else in hexadecimal.
fn summarize(body: &[u8]) -> String {
    const LENGTH: usize = 30;
    let cut = &body[..body.len().min(LENGTH)];
    let shown = match body.first() {
        None => return "<empty>".to_owned(),
        Some(b'{') => String::from_utf8_lossy(cut).into_owned(),
        Some(_) => hex(cut),
    };
    if body.len() > LENGTH { format!("{shown} ...") } else { shown }
}

fn yaml(body: &[u8]) -> Result<Document, String> {
    let text = String::from_utf8_lossy(body);
    // Of several documents the first counts.
    let first = text.split("\n---").find(|part| !part.trim().is_empty()).unwrap_or_default();
    let value: Value = serde_saphyr::from_str(first).map_err(|why| yaml_words(&why.to_string()))?;
    Ok(Document::from(&value))
}

/// The commonest mistake in the words of Go's YAML library.
fn yaml_words(message: &str) -> String {
    let mapping = message.contains("mapping values are not allowed");
    if mapping { "mapping values are not allowed in this context".to_owned() } else { message.to_owned() }
}

/// What the body says it is, completed from the path, if the path takes it.
fn check_type(document: &Document, wanted: &Gvk, custom: bool) -> Result<Gvk> {
    let value = document.to_value();
    let given_version = text(&value["apiVersion"]);
    let given_kind = text(&value["kind"]);
    let version = if given_version.is_empty() { wanted.api_version() } else { given_version.to_owned() };
    let kind = if given_kind.is_empty() { wanted.kind.as_str() } else { given_kind };
    let gvk = Gvk::from_api_version(&version, kind);
    if gvk == *wanted {
        return Ok(gvk);
    }
    let cannot = |why: &str| Status::bad_request(cannot_be_handled(&gvk, wanted, why));
    let same_version = version == wanted.api_version();
    if custom && same_version {
        return Err(Status::bad_request(format!(
            "{kind} in version \"{}\" cannot be handled as a {}: converting (unstructured.Unstructured) to ({}): unknown conversion",
            gvk.version, wanted.kind, wanted.kind
        )));
    }
    let known = Schema::for_kind(&gvk).is_some() || RETIRED.contains(&version.as_str()) || custom;
    if !known {
        return Err(cannot(&not_registered(kind, &version)));
    }
    if kind != wanted.kind {
        return Err(cannot(&unknown_conversion(&gvk, wanted)));
    }
    Err(Status::bad_request(format!(
        "the API version in the data ({version}) does not match the expected API version ({})",
        wanted.api_version()
    )))
}

fn cannot_be_handled(gvk: &Gvk, wanted: &Gvk, why: &str) -> String {
    format!("{} in version {:?} cannot be handled as a {}: {why}", gvk.kind, gvk.version, wanted.kind)
}

fn not_registered(kind: &str, version: &str) -> String {
    format!("no kind {kind:?} is registered for version {version:?} in scheme {SCHEME:?}")
}

fn unknown_conversion(gvk: &Gvk, wanted: &Gvk) -> String {
    let package = match wanted.group.split('.').next().unwrap_or_default() {
        "" => "core",
        first => first,
    };
    format!("converting ({}.{}) to ({package}.{}): unknown conversion", gvk.version, gvk.kind, wanted.kind)
}

fn typed(served: &Served, document: &Document) -> Result<Typed, String> {
    let resource = &served.resource;
    match served.kind.custom_schema() {
        Some(schema) => schema.decode(document).map_err(|why| why.to_string()),
        None => typed_as(&Gvk::new(&resource.group, &resource.version, &resource.kind), document),
    }
}

fn typed_as(gvk: &Gvk, document: &Document) -> Result<Typed, String> {
    let document = if *document == Document::Null { &Document::Object(Vec::new()) } else { document };
    match Schema::for_kind(gvk) {
        Some(schema) => decode_document(schema, document).map_err(|why| why.to_string()),
        None => Ok(Typed { object: document.to_value(), strict: Vec::new() }),
    }
}

fn finish(
    typed: Result<Typed, String>,
    gvk: &Gvk,
    wanted: &Gvk,
    validation: FieldValidation,
) -> Result<Decoded> {
    let typed = typed.map_err(|why| Status::bad_request(cannot_be_handled(gvk, wanted, &why)))?;
    if validation == FieldValidation::Strict
        && let Some(why) = typed.strict_error()
    {
        return Err(Status::bad_request(cannot_be_handled(gvk, wanted, &why)));
    }
    let warnings = if validation == FieldValidation::Warn { typed.strict } else { Vec::new() };
    let mut object = typed.object;
    object["apiVersion"] = wanted.api_version().into();
    object["kind"] = wanted.kind.clone().into();
    Ok(Decoded { object, warnings })
}

/// Brings an object of the hub version into the form its Go type would be written in: zero values in, empty ones out.
pub(crate) fn normalise(served: &Served, object: &mut Value) {
    if served.resource.custom {
        return;
    }
    let gvk = Gvk::from_api_version(&served.resource.hub_api_version(), &served.resource.kind);
    // What does not fit the type was made here, not sent: validation or a test will tell.
    if let Some(schema) = Schema::for_kind(&gvk)
        && let Ok(typed) = decode_value(schema, object)
    {
        *object = typed.object;
        object["apiVersion"] = gvk.api_version().into();
        object["kind"] = gvk.kind.into();
    }
}

/// The same for an object that replaces `stored`, which is in that form: what is as it was there is left alone.
pub(crate) fn normalise_changed(served: &Served, stored: &Value, object: &mut Value) {
    let (Value::Object(old), Value::Object(new)) = (stored, &mut *object) else {
        return normalise(served, object);
    };
    let same: Vec<String> =
        new.iter().filter(|(key, value)| old.get(*key) == Some(*value)).map(|(key, _)| key.clone()).collect();
    let parts: Vec<(String, Value)> = same.into_iter().filter_map(|key| new.remove_entry(&key)).collect();
    normalise(served, object);
    if let Value::Object(new) = object {
        new.extend(parts);
    }
}

/// Reads the body of a DELETE; `None` without one.
pub(crate) fn delete_options(request: &Request) -> Result<Option<Value>> {
    if request.body.is_empty() {
        return Ok(None);
    }
    let refuse = |why: String| Status::new(500, "", why);
    let wanted = Gvk::new("meta.k8s.io", "v1", "DeleteOptions");
    let value = match body::format(request)? {
        Format::Protobuf => {
            decode_protobuf(&request.body, Some(&wanted)).map_err(|why| refuse(why.to_string()))?
        }
        Format::Yaml => yaml(&request.body).map_err(refuse)?.to_value(),
        Format::Json => Document::parse(&request.body)
            .map_err(|why| refuse(format!("couldn't get version/kind; json parse error: {why}")))?
            .to_value(),
    };
    let kind = text(&value["kind"]);
    if !kind.is_empty() && kind != "DeleteOptions" {
        return Err(refuse(not_registered(kind, text(&value["apiVersion"]))));
    }
    Ok(Some(value))
}

/// Puts back what a write to this path cannot change, so that nobody comes to own it.
pub(crate) fn prepare_owned(served: &Served, sub: Option<Subresource>, old: &Value, new: &mut Value) {
    match sub {
        None if served.resource.has(Subresource::Status) => keep(old, new, &["status"]),
        Some(Subresource::Status) => served.kind.prepare_status(old, new),
        _ => {}
    }
}

/// Who writes, to which path, and when.
#[derive(Clone, Copy)]
pub(crate) struct Owner<'a> {
    pub(crate) manager: &'a str,
    pub(crate) sub: Option<Subresource>,
    pub(crate) now: Timestamp,
}

/// Records in `managedFields` what the manager changed with an update. Objects are in the served version.
pub(crate) fn own(
    registry: &Registry,
    served: &Served,
    old: Option<&Value>,
    new: &mut Value,
    owner: Owner<'_>,
) {
    let (version, time) = (served.resource.api_version(), rfc3339(owner.now));
    let writer = writer(served, owner, &version, &time);
    let versions = AllVersions { registry, served };
    *new = managed::update(old.unwrap_or(&Value::Null), std::mem::take(new), &writer, &versions);
}

fn writer<'a>(served: &Served, owner: Owner<'a>, version: &'a str, time: &'a str) -> Writer<'a> {
    let ignored: &[&[&str]] = match owner.sub {
        None if served.resource.has(Subresource::Status) => &[&["status"]],
        Some(Subresource::Status) => &[&["spec"]],
        _ => &[],
    };
    Writer {
        manager: owner.manager,
        api_version: version,
        subresource: owner.sub.map(Subresource::name).unwrap_or_default(),
        time,
        ignored,
    }
}

/// The versions of one resource, converted by way of the stored one.
struct AllVersions<'a> {
    registry: &'a Registry,
    served: &'a Served,
}

impl AllVersions<'_> {
    fn in_version(&self, api_version: &str) -> Option<&Served> {
        if api_version == self.served.resource.api_version() {
            return Some(self.served);
        }
        let found = self.registry.kind(api_version, &self.served.resource.kind)?;
        (found.resource.storage == self.served.resource.storage).then_some(&**found)
    }
}

impl Versions for AllVersions<'_> {
    fn schema(&self, api_version: &str) -> Option<&Schema> {
        let served = self.in_version(api_version)?;
        match served.kind.custom_schema() {
            Some(schema) => Some(schema.schema()),
            None => Schema::for_kind(&Gvk::from_api_version(api_version, &served.resource.kind)),
        }
    }

    fn convert(&self, object: &Value, api_version: &str) -> Option<Value> {
        let from = self.in_version(text(&object["apiVersion"])).unwrap_or(self.served);
        let to = self.in_version(api_version)?;
        if from.resource.api_version() == to.resource.api_version() {
            return Some(object.clone());
        }
        Some(to.view(&from.hub(object.clone())))
    }
}

/// Reads an applied configuration.
pub(crate) fn parse_applied(served: &Served, request: &Request) -> Result<(Value, Vec<String>)> {
    let resource = &served.resource;
    let wanted = Gvk::new(&resource.group, &resource.version, &resource.kind);
    Ok((parse_applied_as(&wanted, request)?, Vec::new()))
}

/// The same for a kind that is not the path's.
pub(crate) fn parse_applied_as(wanted: &Gvk, request: &Request) -> Result<Value> {
    let refuse = |why: &str| Status::bad_request(format!("error decoding YAML: {why}"));
    let body = &request.body;
    let document = match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') => Document::parse(body).map_err(|why| refuse(&why.to_string()))?,
        _ => yaml(body).map_err(|why| refuse(&why))?,
    };
    let object = document.to_value();
    let gvk = Gvk::from_api_version(text(&object["apiVersion"]), text(&object["kind"]));
    if gvk.kind != wanted.kind || gvk.group != wanted.group {
        let message = format!("invalid object type: {}/{}, Kind={}", gvk.group, gvk.version, gvk.kind);
        return Err(Status::bad_request(message));
    }
    Ok(object)
}

/// Server-side apply: the object with what the manager wants laid over it, typed, with its managed fields.
pub(crate) fn apply(
    registry: &Registry,
    served: &Served,
    live: Option<&Value>,
    applied: &Value,
    owner: Owner<'_>,
    force: bool,
) -> Result<Value> {
    let (version, time) = (served.resource.api_version(), rfc3339(owner.now));
    let writer = writer(served, owner, &version, &time);
    let versions = AllVersions { registry, served };
    let force = if force { Force::Yes } else { Force::No };
    let absent = Value::Null;
    let merged =
        managed::apply(live.unwrap_or(&absent), applied, &writer, &versions, force).map_err(refused_apply)?;
    let wanted = Gvk::new(&served.resource.group, &served.resource.version, &served.resource.kind);
    let typed = typed(served, &Document::from(&merged)).map_err(|why| Status::new(500, "", why))?;
    let mut object = typed.object;
    object["apiVersion"] = wanted.api_version().into();
    object["kind"] = wanted.kind.into();
    Ok(object)
}

fn refused_apply(error: ApplyError) -> Status {
    let message = error.message();
    match error {
        ApplyError::Conflicts(_) => {
            Status::new(409, "Conflict", message).with_details(json!({"causes": error.causes()}))
        }
        ApplyError::BadRequest(message) => Status::bad_request(message),
        ApplyError::Schema(message) => Status::new(500, "", message),
    }
}

/// A patch, read but not applied.
pub(crate) enum Patch {
    Json(JsonPatch),
    Merge(Value),
    Strategic(Value),
}

impl Patch {
    /// `kind` is one of the three media types.
    pub(crate) fn parse(kind: &str, body: &Bytes, validation: FieldValidation) -> Result<Self> {
        let refuse = |why: &str| Status::bad_request(format!("error decoding patch: {why}"));
        let patch = Document::parse(body).map_err(|why| refuse(&why.to_string()))?.to_value();
        if kind == "application/json-patch+json" {
            if validation == FieldValidation::Strict {
                refuse_unknown_keys(&patch)?;
            }
            return JsonPatch::parse(&patch).map(Self::Json).map_err(|why| refused_json_patch(&why));
        }
        let word = match &patch {
            Value::Object(_) => None,
            Value::Array(_) => Some("array"),
            Value::String(_) => Some("string"),
            Value::Number(_) => Some("number"),
            Value::Bool(_) => Some("bool"),
            Value::Null => None,
        };
        if let Some(word) = word {
            return Err(refuse(&format!(
                "json: cannot unmarshal {word} into Go value of type map[string]interface {{}}"
            )));
        }
        let patch = if patch.is_null() { Value::Object(Map::new()) } else { patch };
        Ok(match kind {
            "application/strategic-merge-patch+json" => Self::Strategic(patch),
            _ => Self::Merge(patch),
        })
    }

    /// The object that results, typed.
    pub(crate) fn apply(
        &self,
        served: &Served,
        old: &Value,
        validation: FieldValidation,
        warnings: &mut Vec<String>,
    ) -> Result<Value> {
        let resource = &served.resource;
        let wanted = Gvk::new(&resource.group, &resource.version, &resource.kind);
        let patched = self.patched(&wanted, old)?;
        self.finish(&wanted, &patched, |document| typed(served, document), validation, warnings)
    }

    /// The same for an object of a kind that is not the path's.
    pub(crate) fn apply_as(
        &self,
        old: &Value,
        wanted: &Gvk,
        validation: FieldValidation,
        warnings: &mut Vec<String>,
    ) -> Result<Value> {
        let patched = self.patched(wanted, old)?;
        self.finish(wanted, &patched, |document| typed_as(wanted, document), validation, warnings)
    }

    fn patched(&self, wanted: &Gvk, old: &Value) -> Result<Value> {
        match self {
            Self::Json(patch) => patch.apply(old).map_err(|why| refused_json_patch(&why)),
            Self::Merge(patch) => {
                let mut new = old.clone();
                merge_patch(&mut new, patch);
                Ok(new)
            }
            Self::Strategic(patch) => match Schema::for_kind(wanted) {
                Some(schema) => strategic_merge(schema, old, patch).map_err(|why| refused_strategic(&why)),
                None => Err(Status::new(415, "UnsupportedMediaType", "415: Unsupported Media Type")),
            },
        }
    }

    fn finish(
        &self,
        wanted: &Gvk,
        patched: &Value,
        typed: impl FnOnce(&Document) -> Result<Typed, String>,
        validation: FieldValidation,
        warnings: &mut Vec<String>,
    ) -> Result<Value> {
        let refuse = |why: &str| {
            let shown = match self {
                Self::Strategic(patch) => go_map(patch),
                _ => patched.to_string(),
            };
            Err(Status::invalid("", "", "", &[Invalid::value("patch", shown, why)]))
        };
        let (kind, version) = (text(&patched["kind"]), text(&patched["apiVersion"]));
        if kind != wanted.kind || version != wanted.api_version() {
            let gvk = Gvk::from_api_version(version, kind);
            let known = Schema::for_kind(&gvk).is_some();
            return refuse(&if known {
                unknown_conversion(&gvk, wanted)
            } else {
                not_registered(kind, version)
            });
        }
        let typed = match typed(&Document::from(patched)) {
            Ok(typed) => typed,
            Err(why) => return refuse(&why),
        };
        let mut typed = typed;
        if let Self::Json(patch) = self {
            let unknown = patch.unknown_fields().iter().map(|field| format!("json patch {field}"));
            typed.strict = unknown.chain(typed.strict).collect();
        }
        match (validation, typed.strict_error()) {
            (FieldValidation::Strict, Some(why)) => return refuse(&why),
            (FieldValidation::Warn, Some(_)) => warnings.extend(typed.strict.iter().cloned()),
            _ => {}
        }
        let mut object = typed.object;
        object["apiVersion"] = wanted.api_version().into();
        object["kind"] = wanted.kind.clone().into();
        Ok(object)
    }
}

/// Under strict validation an operation has its own keys only.
fn refuse_unknown_keys(patch: &Value) -> Result<()> {
    for (index, operation) in patch.as_array().into_iter().flatten().enumerate() {
        let unknown = operation
            .as_object()
            .into_iter()
            .flatten()
            .find(|(key, _)| !["op", "path", "from", "value"].contains(&key.as_str()));
        if let Some((key, _)) = unknown {
            let why = format!("json patch unknown field \"[{index}].{key}\"");
            return Err(Status::invalid("", "", "", &[Invalid::value("patch", patch.to_string(), why)]));
        }
    }
    Ok(())
}

fn refused_json_patch(error: &JsonPatchError) -> Status {
    let message = error.to_string();
    match error {
        JsonPatchError::Malformed(_) => Status::bad_request(message),
        JsonPatchError::TooMany(_) => Status::new(413, "RequestEntityTooLarge", message),
        JsonPatchError::Failed => Status::new(422, "Invalid", message).with_details(json!({})),
    }
}

/// Malformed directives are the client's fault; what goes wrong beyond that the server calls its own.
fn refused_strategic(why: &str) -> Status {
    const MALFORMED: [&str; 5] = [
        "invalid JSON document",
        "invalid patch format of primitive list",
        "invalid patch format of retainKeys",
        "invalid patch format of setElementOrder list",
        "strategic merge patch format is not supported",
    ];
    if MALFORMED.contains(&why) {
        return Status::bad_request(why);
    }
    if why == "lists of lists are not supported" {
        return Status::new(422, "Invalid", why).with_details(json!({}));
    }
    Status::new(500, "", why)
}

/// A value as Go prints it with `%+v`: `map[spec:map[bogus:1]]`.
fn go_map(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            let parts: Vec<String> =
                keys.into_iter().map(|key| format!("{key}:{}", go_map(&map[key]))).collect();
            format!("map[{}]", parts.join(" "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(go_map).collect::<Vec<_>>().join(" ")),
        Value::String(text) => text.clone(),
        Value::Null => "<nil>".to_owned(),
        other => other.to_string(),
    }
}

/// The kind of a Scale.
pub(crate) fn scale_kind() -> Gvk {
    Gvk::from_api_version(&api_version("autoscaling", "v1"), "Scale")
}
