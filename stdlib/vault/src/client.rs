//! Reading a key of a secret, of a key-value engine of version 1 or 2: they differ in what is around the data.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode};
use opsrun_core::{Cx, Error, ErrorKind, Finding, Result, Value};

use crate::section::{self, Access};

/// The path, as Vault's API has it, and the key.
pub(crate) fn parts(reference: &str) -> Option<(&str, &str)> {
    let (path, key) = reference.split_once('#')?;
    let path = path.trim_matches('/');
    (!path.is_empty() && !path.contains(' ') && !key.is_empty()).then_some((path, key))
}

pub(crate) async fn value(cx: &Cx, reference: &str) -> Result<String> {
    let (path, key) = parts(reference).ok_or_else(|| {
        Error::invalid(format!("`vault:{reference}` names no key of a secret"))
            .hint("write the path as Vault's API has it: `vault:secret/data/app#password`")
    })?;
    let (status, body) = ask(cx, &format!("/v1/{path}")).await?;
    let said = |status: StatusCode, body: &Value| {
        let errors = body.get("errors").and_then(Value::as_array).into_iter().flatten();
        let errors = errors.filter_map(Value::as_str).map(str::trim);
        errors.fold(Error::failed(format!("Vault answered {status} to the read of `{path}`")), Error::detail)
    };
    match status {
        status if status.is_success() => {}
        StatusCode::FORBIDDEN => {
            let error =
                Error::new(ErrorKind::Forbidden, format!("Vault does not let this token read `{path}`"));
            return Err(error
                .because(said(status, &body))
                .hint(format!("its policy needs: path \"{path}\" {{ capabilities = [\"read\"] }}")));
        }
        StatusCode::NOT_FOUND => {
            let error = Error::not_found(format!("Vault has nothing at `{path}`"));
            let versioned = body.to_string().contains("versioned K/V");
            return Err(match versioned {
                true => error.hint(format!(
                    "the engine has versions: `data` goes behind its name, as in `{}`",
                    with_data(path)
                )),
                false => error,
            });
        }
        status => return Err(said(status, &body)),
    }
    let data = data(&body)
        .ok_or_else(|| Error::failed(format!("what Vault has at `{path}` is no key-value secret")))?;
    match data.get(key) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Null) | None => {
            let keys: Vec<&str> = data.keys().map(String::as_str).collect();
            Err(Error::not_found(format!("the secret at `{path}` has no key `{key}`"))
                .hint(format!("its keys are `{}`", keys.join("`, `"))))
        }
        Some(other) => Ok(other.to_string()),
    }
}

/// Version 2 puts the secret's own data beside its metadata, one level deeper.
fn data(body: &Value) -> Option<&serde_json::Map<String, Value>> {
    let outer = body.get("data")?.as_object()?;
    match (outer.get("data"), outer.get("metadata")) {
        (Some(Value::Object(inner)), Some(Value::Object(_))) => Some(inner),
        _ => Some(outer),
    }
}

fn with_data(path: &str) -> String {
    match path.split_once('/') {
        Some((mount, rest)) => format!("{mount}/data/{rest}"),
        None => format!("{path}/data/…"),
    }
}

async fn ask(cx: &Cx, path: &str) -> Result<(StatusCode, Value)> {
    let Access { endpoint, token, namespace } = section::access(cx)?;
    let header = |text: &str| {
        HeaderValue::from_str(text)
            .map_err(|_| Error::invalid("the token for Vault, or its namespace, cannot be a header"))
    };
    let mut request = Request::builder().method(Method::GET).uri(path).header("x-vault-request", "true");
    if let Some(token) = &token {
        request = request.header("x-vault-token", header(token)?);
    }
    if let Some(namespace) = &namespace {
        request = request.header("x-vault-namespace", header(namespace)?);
    }
    let request = request
        .body(Bytes::new())
        .map_err(|error| Error::invalid(format!("`{path}` is no path: {error}")))?;
    let answer = cx.ask(crate::SYSTEM, &endpoint, request).await?;
    Ok((answer.status(), serde_json::from_slice(answer.body()).unwrap_or_default()))
}

/// One line of `doctor`, where Vault is used.
pub(crate) async fn examine(cx: &Cx) -> Vec<Finding> {
    if !section::is_known(cx) {
        return Vec::new();
    }
    let found = match ask(cx, "/v1/sys/health").await {
        // Sealed, standby and uninitialised servers answer with other codes.
        Ok((StatusCode::OK, _)) => Ok("answers, and is unsealed".to_owned()),
        Ok((status, _)) => Err(format!("it answers {status}: it is sealed, or on standby")),
        Err(error) => Err(error.report()),
    };
    vec![Finding { what: "vault".to_owned(), found }]
}
