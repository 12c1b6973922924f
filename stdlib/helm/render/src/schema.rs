//! Checks values against the `values.schema.json` of a chart and of its dependencies. The messages are those of Helm's
//! validator; it lists faults in no particular order, here they are sorted by their place in the values.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use gotemplate::{Map, Value};
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::{Retrieve, Uri, ValidationError};
use serde_json::Value as Json;

use crate::chart::Chart;

/// Everything that is wrong, chart by chart. What a schema refers to elsewhere is not fetched: it accepts everything, and
/// a warning says so.
pub(crate) fn validate(chart: &Chart, values: &Map, warnings: &mut Vec<String>) -> Result<(), String> {
    let mut text = String::new();
    check(chart, values, &mut text, warnings);
    if text.is_empty() { Ok(()) } else { Err(text) }
}

fn check(chart: &Chart, values: &Map, text: &mut String, warnings: &mut Vec<String>) {
    if let Some(schema) = &chart.schema
        && let Err(faults) = check_one(schema, values, warnings)
    {
        text.push_str(&format!("{}:\n{faults}", chart.name()));
    }
    for child in &chart.dependencies {
        match values.get(child.name()) {
            None | Some(Value::Nil) => {}
            Some(Value::Map(values)) => check(child, &values, text, warnings),
            Some(other) => text.push_str(&format!(
                "{}:\ninvalid type for values: expected object (map), got {}\n",
                child.name(),
                other.type_name()
            )),
        }
    }
}

/// Checks values against a schema's text; the error ends with a newline.
pub(crate) fn check_one(schema: &[u8], values: &Map, warnings: &mut Vec<String>) -> Result<(), String> {
    let is_blank = schema.trim_ascii().is_empty();
    let mut schema: Json = serde_json::from_slice(schema).map_err(|e| match e.is_eof() {
        true if is_blank => "EOF".to_owned(),
        true => "unexpected EOF".to_owned(),
        false => e.to_string(),
    })?;
    drop_annotations(&mut schema);
    let elsewhere = Elsewhere::default();
    let asked = elsewhere.asked.clone();
    let validator = jsonschema::options()
        .with_retriever(elsewhere)
        .build(&schema)
        .map_err(|e| unusable(&e.to_string()))?;
    let asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
    warnings.extend(
        asked.iter().map(|uri| format!("the schema at {uri} was not fetched and accepts everything")),
    );
    let instance = crate::values::to_json(&Value::Map(values.clone()));
    let mut root = Place::default();
    let mut common: Option<Vec<String>> = None;
    for error in validator.iter_errors(&instance) {
        let keywords = error.evaluation_path().as_str().split('/').map(str::to_owned);
        common = Some(match common {
            None => keywords.collect(),
            Some(common) => {
                common.into_iter().zip(keywords).map_while(|(a, b)| (a == b).then_some(a)).collect()
            }
        });
        let path = error.instance_path().as_str().to_owned();
        let tokens = path.split('/').skip(1);
        tokens
            .fold(&mut root, |place, token| place.children.entry(token.to_owned()).or_default())
            .add(&error, &instance);
    }
    let mut faults = root.faults("");
    if faults.is_empty() {
        return Ok(());
    }
    // The outermost group is the message itself, unless a reference led to all of it.
    let by_reference = common.is_some_and(|common| common.iter().any(|keyword| keyword == "$ref"));
    if by_reference && faults.len() > 1 {
        faults = vec![Fault { path: String::new(), message: GROUP.to_owned(), causes: faults }];
    } else if !by_reference && faults.len() == 1 && faults[0].message == GROUP {
        faults = faults.remove(0).causes;
    }
    let mut text = String::new();
    for fault in faults {
        fault.write(0, &mut text);
    }
    Err(text)
}

/// Why a schema cannot be used.
fn unusable(message: &str) -> String {
    let pointer = message.strip_prefix("Pointer '").and_then(|rest| rest.strip_suffix("' does not exist"));
    match pointer {
        Some(pointer) => format!("json-pointer in \"file:///values.schema.json#{pointer}\" not found"),
        None => format!("unable to validate schema: {message}"),
    }
}

/// Takes out what Helm's validator does not assert.
fn drop_annotations(schema: &mut Json) {
    match schema {
        Json::Object(entries) => {
            for keyword in ["contentEncoding", "contentMediaType"] {
                if entries.get(keyword).is_some_and(Json::is_string) {
                    entries.remove(keyword);
                }
            }
            entries.values_mut().for_each(drop_annotations);
        }
        Json::Array(items) => items.iter_mut().for_each(drop_annotations),
        _ => {}
    }
}

/// Gives a schema that accepts everything for what is not in the chart.
#[derive(Default)]
struct Elsewhere {
    asked: Arc<Mutex<Vec<String>>>,
}

impl Retrieve for Elsewhere {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Json, Box<dyn Error + Send + Sync>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(uri.to_string());
        Ok(Json::Bool(true))
    }
}

/// The faults at a place in the values, and below it.
#[derive(Default)]
struct Place {
    missing: Vec<String>,
    messages: Vec<(Rank, String, Vec<Fault>)>,
    children: BTreeMap<String, Place>,
}

/// Says that several things are wrong at a place.
const GROUP: &str = "validation failed";

/// Helm's validator stops at the first of type, `const` and `enum` that does not fit; the rest it reports together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Type,
    Const,
    Enum,
    Rest,
}

struct Fault {
    path: String,
    message: String,
    causes: Vec<Fault>,
}

impl Place {
    fn add(&mut self, error: &ValidationError<'_>, values: &Json) {
        match error.kind() {
            Kind::PropertyNames { error: inner } => {
                let path = error.instance_path().as_str().to_owned();
                let cause = Fault { path, message: message(inner), causes: Vec::new() };
                self.messages.push((Rank::Rest, message(error), vec![cause]));
            }
            Kind::Required { property } => {
                self.missing.push(property.as_str().unwrap_or_default().to_owned());
            }
            Kind::AnyOf { context } => {
                self.messages.push((Rank::Rest, "'anyOf' failed".to_owned(), causes(context, values)));
            }
            Kind::OneOfNotValid { context } => {
                self.messages.push((
                    Rank::Rest,
                    "'oneOf' failed, none matched".to_owned(),
                    causes(context, values),
                ));
            }
            Kind::OneOfMultipleValid { context } => {
                let matched: Vec<String> = context
                    .iter()
                    .enumerate()
                    .filter(|(_, e)| e.is_empty())
                    .map(|(i, _)| i.to_string())
                    .collect();
                let matched = matched.iter().take(2).map(String::as_str).collect::<Vec<_>>().join(", ");
                self.messages.push((
                    Rank::Rest,
                    format!("'oneOf' failed, subschemas {matched} matched"),
                    Vec::new(),
                ));
            }
            kind => {
                let rank = match kind {
                    Kind::Type { .. } => Rank::Type,
                    Kind::Constant { .. } => Rank::Const,
                    Kind::Enum { .. } => Rank::Enum,
                    _ => Rank::Rest,
                };
                let message = match kind {
                    Kind::FalseSchema => unwanted(error, values).unwrap_or_else(|| message(error)),
                    _ => message(error),
                };
                self.messages.push((rank, message, Vec::new()));
            }
        }
    }

    /// What is wrong here and below; several faults of one object are listed under it.
    fn faults(self, path: &str) -> Vec<Fault> {
        let fault = |message, causes| Fault { path: path.to_owned(), message, causes };
        let mut faults = Vec::new();
        match &self.missing[..] {
            [] => {}
            [one] => faults.push(fault(format!("missing property {}", quote(one)), Vec::new())),
            many => faults.push(fault(format!("missing properties {}", quoted_list(many)), Vec::new())),
        }
        let first = self.messages.iter().map(|(rank, ..)| *rank).min().unwrap_or(Rank::Rest);
        let reported = self.messages.into_iter().filter(|(rank, ..)| *rank == first || *rank == Rank::Rest);
        faults.extend(reported.map(|(_, message, causes)| fault(message, causes)));
        for (token, child) in self.children {
            let path = format!("{path}/{token}");
            let mut inner = child.faults(&path);
            if inner.len() > 1 {
                inner = vec![Fault { path, message: GROUP.to_owned(), causes: inner }];
            }
            faults.append(&mut inner);
        }
        faults
    }
}

impl Fault {
    fn write(&self, indent: usize, text: &mut String) {
        text.push_str(&"  ".repeat(indent));
        text.push_str(&format!("- at {}: {}\n", quote(&self.path), self.message));
        for cause in &self.causes {
            cause.write(indent + 1, text);
        }
    }
}

/// The properties of an object that may have none.
fn unwanted(error: &ValidationError<'_>, values: &Json) -> Option<String> {
    if !error.schema_path().as_str().ends_with("/additionalProperties") {
        return None;
    }
    let object = values.pointer(error.instance_path().as_str())?.as_object()?;
    let names: Vec<String> = object.keys().cloned().collect();
    Some(format!("additional properties {} not allowed", quoted_list(&names)))
}

/// Why none of several schemas fits.
fn causes(context: &[Vec<ValidationError<'static>>], values: &Json) -> Vec<Fault> {
    let mut causes = Vec::new();
    for errors in context {
        for error in errors {
            let mut place = Place::default();
            place.add(error, values);
            causes.append(&mut place.faults(error.instance_path().as_str()));
        }
    }
    causes
}

fn message(error: &ValidationError<'_>) -> String {
    let instance: &Json = error.instance();
    let length = match instance {
        Json::String(s) => s.chars().count(),
        Json::Array(items) => items.len(),
        Json::Object(entries) => entries.len(),
        _ => 0,
    };
    let number = || instance.as_f64().map(go_number).unwrap_or_default();
    let limit = |limit: &Json| limit.as_f64().map(go_number).unwrap_or_default();
    match error.kind() {
        Kind::Type { kind } => {
            let wanted: Vec<String> = match kind {
                TypeKind::Single(kind) => vec![kind.to_string()],
                TypeKind::Multiple(kinds) => in_order(kinds.iter().map(|kind| kind.to_string()).collect()),
            };
            format!("got {}, want {}", type_of(instance), wanted.join(" or "))
        }
        Kind::Enum { options } => match options.as_array() {
            Some(options) if options.iter().all(|option| !option.is_array() && !option.is_object()) => {
                let shown: Vec<String> = options.iter().map(display).collect();
                let of = if shown.len() == 1 { "" } else { "one of " };
                format!("value must be {of}{}", shown.join(", "))
            }
            _ => "'enum' failed".to_owned(),
        },
        Kind::Constant { expected_value } => match &**expected_value {
            Json::Array(_) | Json::Object(_) => "'const' failed".to_owned(),
            wanted => format!("value must be {}", display(wanted)),
        },
        Kind::AdditionalProperties { unexpected } => {
            let mut unexpected = unexpected.clone();
            unexpected.sort();
            format!("additional properties {} not allowed", quoted_list(&unexpected))
        }
        Kind::UnevaluatedProperties { unexpected } => {
            format!("unevaluated properties {} not allowed", quoted_list(unexpected))
        }
        Kind::AdditionalItems { limit } => {
            format!("last {} additionalItem(s) not allowed", length.saturating_sub(*limit))
        }
        Kind::MinItems { limit } => format!("minItems: got {length}, want {limit}"),
        Kind::MaxItems { limit } => format!("maxItems: got {length}, want {limit}"),
        Kind::MinLength { limit } => format!("minLength: got {length}, want {limit}"),
        Kind::MaxLength { limit } => format!("maxLength: got {length}, want {limit}"),
        Kind::MinProperties { limit } => format!("minProperties: got {length}, want {limit}"),
        Kind::MaxProperties { limit } => format!("maxProperties: got {length}, want {limit}"),
        Kind::Minimum { limit: l } => format!("minimum: got {}, want {}", number(), limit(l)),
        Kind::Maximum { limit: l } => format!("maximum: got {}, want {}", number(), limit(l)),
        Kind::ExclusiveMinimum { limit: l } => {
            format!("exclusiveMinimum: got {}, want {}", number(), limit(l))
        }
        Kind::ExclusiveMaximum { limit: l } => {
            format!("exclusiveMaximum: got {}, want {}", number(), limit(l))
        }
        Kind::MultipleOf { multiple_of } => {
            format!("multipleOf: got {}, want {}", number(), go_number(*multiple_of))
        }
        Kind::Pattern { pattern } => {
            let got = instance.as_str().unwrap_or_default();
            format!("{} does not match pattern {}", quote(got), quote(pattern))
        }
        Kind::FalseSchema => "false schema".to_owned(),
        Kind::Not { .. } => "'not' failed".to_owned(),
        Kind::Contains => "no items match contains schema".to_owned(),
        Kind::PropertyNames { error } => {
            format!("invalid propertyName {}", quote(error.instance().as_str().unwrap_or_default()))
        }
        Kind::Format { format } => format!("{} is not valid {format}", display(instance)),
        _ => error.to_string(),
    }
}

fn type_of(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}

/// The types in the order in which Helm's validator lists them.
fn in_order(mut types: Vec<String>) -> Vec<String> {
    const ORDER: [&str; 7] = ["null", "boolean", "number", "integer", "string", "array", "object"];
    types.sort_by_key(|name| ORDER.iter().position(|known| known == name));
    types
}

fn display(json: &Json) -> String {
    match json {
        Json::String(text) => quote(text),
        Json::Null => "<nil>".to_owned(),
        Json::Bool(b) => b.to_string(),
        Json::Number(n) => n.to_string(),
        Json::Array(_) | Json::Object(_) => "value".to_owned(),
    }
}

fn go_number(number: f64) -> String {
    gotemplate::format::format_float(number, b'g', None, false)
}

fn quote(text: &str) -> String {
    let quoted = gotemplate::format::quote(text.as_bytes());
    let inner = quoted[1..quoted.len() - 1].replace("\\\"", "\"").replace('\'', "\\'");
    format!("'{inner}'")
}

fn quoted_list(texts: &[String]) -> String {
    texts.iter().map(|text| quote(text)).collect::<Vec<_>>().join(", ")
}
