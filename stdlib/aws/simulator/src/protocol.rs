//! The protocols that AWS's services speak: of a request the operation and its input as JSON, of a result the answer.
//!
//! A form's keys like `Filters.Filter.1.Name` become nested objects and arrays. Results are JSON that is written out as the
//! protocol wants it: see [`crate::xml`] for the two that speak XML.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use serde_json::{Map, Value, json};

use crate::cbor;
use crate::fault::{Answer, Fault};
use crate::xml;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// A form in, XML out.
    Query,
    /// JSON in and out; the operation is in a header.
    Json,
    /// JSON in and out; the operation is in method and path.
    RestJson,
    /// XML in and out; the operation is in method and path. A result is an object with one member, the root.
    RestXml,
    /// CBOR in and out; the operation is in the path.
    Cbor,
}

/// What is asked of a service.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    pub(crate) protocol: Protocol,
    pub(crate) operation: String,
    pub(crate) input: Value,
}

/// Whether an operation only reads, by its name, which AWS gives by rule. What is named otherwise is taken to write.
pub fn reads(operation: &str) -> bool {
    const READING: &[&str] =
        &["BatchCheck", "BatchGet", "Describe", "Get", "Head", "List", "Lookup", "Validate"];
    READING.iter().any(|word| operation.starts_with(word))
}

/// The call of a request of a protocol that has the operation in the body or in a header; `None` for the others.
pub(crate) fn read(request: &Request<Bytes>) -> Option<Call> {
    let header =
        |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if let Some((_, operation)) = header("x-amz-target").rsplit_once('.') {
        let input = serde_json::from_slice(request.body()).unwrap_or_else(|_| json!({}));
        return Some(Call { protocol: Protocol::Json, operation: operation.to_owned(), input });
    }
    if header("smithy-protocol") == "rpc-v2-cbor" {
        let operation = request.uri().path().strip_prefix("/service/")?.split_once("/operation/")?.1;
        let input = cbor::read(request.body())?;
        return Some(Call { protocol: Protocol::Cbor, operation: operation.to_owned(), input });
    }
    let in_form = header("content-type").starts_with("application/x-www-form-urlencoded");
    if in_form {
        let input = of_form(request.body());
        let operation = input.get("Action")?.as_str()?.to_owned();
        return Some(Call { protocol: Protocol::Query, operation, input });
    }
    None
}

/// The parts of a request's path, decoded.
pub(crate) fn path<B>(request: &Request<B>) -> Vec<String> {
    let parts = request.uri().path().split('/').filter(|part| !part.is_empty());
    parts.map(decoded).collect()
}

fn decoded(text: &str) -> String {
    // A `+` in a path is itself.
    let text = text.replace('+', "%2B");
    form_urlencoded::parse(text.as_bytes()).next().map(|(key, _)| key.into_owned()).unwrap_or_default()
}

/// The query of a request's URI, as a string each.
pub(crate) fn query_members<B>(request: &Request<B>) -> Map<String, Value> {
    let query = request.uri().query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes())
        .map(|(key, value)| (key.into_owned(), value.into_owned().into()))
        .collect()
}

/// Nested members and lists of a form.
fn of_form(body: &[u8]) -> Value {
    let mut root = Value::Object(Map::new());
    for (key, value) in form_urlencoded::parse(body) {
        put(&mut root, &key.split('.').collect::<Vec<_>>(), value.into_owned());
    }
    listed(root)
}

fn put(at: &mut Value, path: &[&str], value: String) {
    let Some((part, rest)) = path.split_first() else {
        *at = Value::String(value);
        return;
    };
    if !at.is_object() {
        *at = Value::Object(Map::new());
    }
    if let Some(members) = at.as_object_mut() {
        put(members.entry(part.to_owned()).or_insert(Value::Null), rest, value);
    }
}

/// Objects whose keys are 1, 2, 3 … are arrays.
fn listed(value: Value) -> Value {
    let Value::Object(members) = value else { return value };
    let mut numbered: Vec<(usize, Value)> = Vec::new();
    let mut named = Map::new();
    for (key, value) in members {
        match key.parse::<usize>() {
            Ok(number) => numbered.push((number, listed(value))),
            Err(_) => drop(named.insert(key, listed(value))),
        }
    }
    if numbered.is_empty() || !named.is_empty() {
        return Value::Object(named);
    }
    numbered.sort_by_key(|(number, _)| *number);
    Value::Array(numbered.into_iter().map(|(_, value)| value).collect())
}

/// The answer to a call, in its protocol. `request_id` is what AWS's support would be told.
pub(crate) fn answer(call: &Call, result: &Answer, request_id: &str) -> Response<Bytes> {
    let (status, kind, body) = match (call.protocol, result) {
        (Protocol::Query, Ok(result)) => {
            let result = if result.is_null() { json!({}) } else { result.clone() };
            let root = format!("{}Response", call.operation);
            let content = json!({ format!("{}Result", call.operation): result });
            let mut text = xml::document(&root, &content);
            // Clients want it after the result.
            let metadata =
                format!("<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>");
            text.insert_str(text.len() - root.len() - "</>".len(), &metadata);
            (StatusCode::OK, "text/xml", Bytes::from(text))
        }
        (Protocol::Query, Err(fault)) => (fault.status, "text/xml", query_error(fault, request_id).into()),
        (Protocol::Json, Ok(result)) => {
            (StatusCode::OK, "application/x-amz-json-1.1", result.to_string().into())
        }
        (Protocol::Json, Err(fault)) => {
            (fault.status, "application/x-amz-json-1.1", json_error(fault).into())
        }
        (Protocol::RestJson, Ok(result)) => (StatusCode::OK, "application/json", result.to_string().into()),
        (Protocol::RestJson, Err(fault)) => (fault.status, "application/json", json_error(fault).into()),
        (Protocol::RestXml, Ok(result)) => {
            let root = result.as_object().and_then(|root| root.iter().next());
            let text = root.map_or_else(String::new, |(name, content)| xml::document(name, content));
            (StatusCode::OK, "text/xml", text.into())
        }
        (Protocol::RestXml, Err(fault)) => (fault.status, "text/xml", query_error(fault, request_id).into()),
        (Protocol::Cbor, Ok(result)) => {
            let result = if result.is_null() { json!({}) } else { result.clone() };
            (StatusCode::OK, "application/cbor", cbor::write(&result).into())
        }
        (Protocol::Cbor, Err(fault)) => {
            let content = json!({ "__type": fault.code, "message": fault.message });
            (fault.status, "application/cbor", cbor::write(&content).into())
        }
    };
    let mut response = response(status, kind, body);
    if let (Protocol::RestJson, Err(fault)) = (call.protocol, result) {
        response.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static(fault.code));
    }
    if call.protocol == Protocol::Cbor {
        response.headers_mut().insert("smithy-protocol", HeaderValue::from_static("rpc-v2-cbor"));
    }
    if let Ok(id) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert("x-amzn-requestid", id);
    }
    response
}

pub(crate) fn query_error(fault: &Fault, request_id: &str) -> String {
    let blame = if fault.status.is_server_error() { "Receiver" } else { "Sender" };
    let content = json!({
        "Error": { "Type": blame, "Code": fault.code, "Message": fault.message },
        "RequestId": request_id,
    });
    xml::document("ErrorResponse", &content)
}

pub(crate) fn json_error(fault: &Fault) -> String {
    json!({ "__type": fault.code, "message": fault.message }).to_string()
}

pub(crate) fn response(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// A member that has to be there.
pub(crate) fn text<'v>(input: &'v Value, member: &str) -> Answer<&'v str> {
    input.get(member).and_then(Value::as_str).ok_or_else(|| {
        Fault::sender("MissingParameter", format!("The request must contain the parameter {member}."))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_as_what_was_meant_by_it() {
        let form = "Action=X&Filters.Filter.2.Name=b&Filters.Filter.1.Name=a&Filters.Filter.1.Values.Value.1=v&Tags.member.10.Key=k";
        let expected = json!({
            "Action": "X",
            "Filters": { "Filter": [{ "Name": "a", "Values": { "Value": ["v"] } }, { "Name": "b" }] },
            "Tags": { "member": [{ "Key": "k" }] },
        });
        assert_eq!(of_form(form.as_bytes()), expected);
    }
}
