//! The one way in which YAML is read: YAML 1.2 booleans, Kubernetes' octal numbers, errors with line, column and snippet.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Error, Result};

/// Reads one document; `what` names it in errors (a path, mostly).
///
/// # Errors
/// `Invalid`, with line, column and a snippet, if the text is not YAML or not of that shape.
pub fn from_str<T: DeserializeOwned>(what: &str, text: &str) -> Result<T> {
    serde_saphyr::from_str_with_options(text, options())
        .map_err(|error| Error::invalid(format!("`{what}` cannot be read: {error}")))
}

/// Reads one document that may be as large as the index of a repository, ten times what [`from_str`] takes. What aliases repeat in it is bounded
/// as there.
///
/// # Errors
/// As [`from_str`].
pub fn from_large_str<T: DeserializeOwned>(what: &str, text: &str) -> Result<T> {
    let mut options = options();
    options.budget = serde_saphyr::budget! {
        max_events: 10_000_000, max_nodes: 10_000_000, max_aliases: 10_000, max_total_scalar_bytes: 128 << 20
    };
    serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| Error::invalid(format!("`{what}` cannot be read: {error}")))
}

/// Reads one document that may hold secrets: an error says where it is wrong, and quotes nothing of it.
///
/// # Errors
/// `Invalid`, with line and column, if the text is not YAML or not of that shape.
pub fn from_secret_str<T: DeserializeOwned>(what: &str, text: &str) -> Result<T> {
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
        let place =
            error.location().map(|at| format!(": it is wrong at line {}, column {}", at.line(), at.column()));
        Error::invalid(format!("`{what}` cannot be read{}", place.unwrap_or_default()))
    })
}

/// Reads a stream of documents; empty ones are left out.
///
/// # Errors
/// As [`from_str`].
pub fn documents(what: &str, text: &str) -> Result<Vec<Value>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple_with_options(text, options())
        .map_err(|error| Error::invalid(format!("`{what}` cannot be read: {error}")))?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}

/// Writes one document, for people to read.
///
/// # Errors
/// `Failed` if a value cannot be expressed in YAML.
pub fn to_string(value: &Value) -> Result<String> {
    serde_saphyr::to_string(value)
        .map_err(|error| Error::failed(format!("cannot be written as YAML: {error}")))
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        strict_booleans: true,
        legacy_octal_numbers: true,
        budget: serde_saphyr::budget! { max_documents: 100_000, max_nodes: 5_000_000, max_aliases: 10_000 },
    }
}
