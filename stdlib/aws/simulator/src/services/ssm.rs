//! Systems Manager's parameters.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::secretsmanager::checksum;
use crate::fault::{Answer, Fault};
use crate::protocol::{Call, text};
use crate::world::{Aws, Caller};

/// A parameter in an estate file: a text, or `{ value: …, secure: true }`.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum ParameterSection {
    Plain(String),
    Known(KnownParameter),
}

/// A parameter of which more is said.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct KnownParameter {
    pub value: String,
    /// It is encrypted.
    #[serde(default)]
    pub secure: bool,
    /// How often it was set; once by itself.
    pub version: Option<u64>,
}

/// All parameters of a region, by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parameters(BTreeMap<String, Parameter>);

#[derive(Debug, Clone)]
struct Parameter {
    value: String,
    kind: String,
    version: u64,
    changed: Timestamp,
}

const SECURE: &str = "SecureString";
/// AWS gives no more at once by path.
const PAGE: usize = 10;

impl Parameters {
    pub(crate) fn start(section: &BTreeMap<String, ParameterSection>, now: Timestamp) -> Self {
        let parameters = section.iter().map(|(name, section)| {
            let (value, kind, version) = match section {
                ParameterSection::Plain(value) => (value, "String", None),
                ParameterSection::Known(known) => {
                    (&known.value, if known.secure { SECURE } else { "String" }, known.version)
                }
            };
            let version = version.unwrap_or(1);
            let parameter = Parameter { value: value.clone(), kind: kind.to_owned(), version, changed: now };
            (name.clone(), parameter)
        });
        Parameters(parameters.collect())
    }

    pub(crate) fn add(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    pub(crate) fn snapshot(&self, region: &str, things: &mut BTreeMap<String, Value>) {
        for (name, parameter) in &self.0 {
            let value = match parameter.kind.as_str() {
                SECURE => checksum(&parameter.value),
                _ => parameter.value.clone(),
            };
            let thing = json!({ "type": parameter.kind, "value": value });
            things.insert(format!("ssm parameter {region}/{name}"), thing);
        }
    }
}

/// # Errors
/// Those of AWS.
pub(crate) fn call(world: &mut Aws, caller: &Caller, call: &Call) -> Answer {
    let parameters = &mut world.region_of(caller).parameters.0;
    let input = &call.input;
    let told = |name: &String, parameter: &Parameter| {
        let decrypted = input.get("WithDecryption").and_then(Value::as_bool) == Some(true);
        let value = match parameter.kind.as_str() {
            SECURE if !decrypted => format!("AQICAHh{}", checksum(&parameter.value)),
            _ => parameter.value.clone(),
        };
        json!({
            "Name": name,
            "Type": parameter.kind,
            "Value": value,
            "Version": parameter.version,
            "LastModifiedDate": parameter.changed.as_second(),
            "ARN": format!("arn:aws:ssm:{}:{}:parameter/{}", caller.region, caller.account, name.trim_start_matches('/')),
            "DataType": "text",
        })
    };
    let not_found = |name: &str| Fault::sender("ParameterNotFound", format!("Parameter {name} not found."));
    match call.operation.as_str() {
        "GetParameter" => {
            let name = text(input, "Name")?;
            let (name, parameter) = parameters.get_key_value(name).ok_or_else(|| not_found(name))?;
            Ok(json!({ "Parameter": told(name, parameter) }))
        }
        "GetParametersByPath" => {
            let path = text(input, "Path")?;
            if !path.starts_with('/') {
                let message = format!("The parameter path {path} must begin with /.");
                return Err(Fault::sender("ValidationException", message));
            }
            let below = format!("{}/", path.trim_end_matches('/'));
            let deep = input.get("Recursive").and_then(Value::as_bool) == Some(true);
            let after = input.get("NextToken").and_then(Value::as_str).unwrap_or_default();
            let all = parameters.iter().filter(|(name, _)| {
                let rest = name.strip_prefix(&below);
                rest.is_some_and(|rest| deep || !rest.contains('/')) && name.as_str() > after
            });
            let mut found: Vec<(&String, &Parameter)> = all.take(PAGE + 1).collect();
            let more = found.len() > PAGE;
            found.truncate(PAGE);
            let next = found.last().filter(|_| more).map(|(name, _)| (*name).clone());
            let page: Vec<Value> = found.into_iter().map(|(name, parameter)| told(name, parameter)).collect();
            Ok(match next {
                Some(next) => json!({ "Parameters": page, "NextToken": next }),
                None => json!({ "Parameters": page }),
            })
        }
        "PutParameter" => {
            let name = text(input, "Name")?.to_owned();
            let known = parameters.get(&name);
            if known.is_some() && input.get("Overwrite").and_then(Value::as_bool) != Some(true) {
                let message = "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.";
                return Err(Fault::sender("ParameterAlreadyExists", message));
            }
            let kind = input.get("Type").and_then(Value::as_str).map(str::to_owned);
            let kind = kind.or_else(|| known.map(|known| known.kind.clone())).ok_or_else(|| {
                Fault::sender(
                    "ValidationException",
                    "A parameter type is required when you create a parameter.",
                )
            })?;
            let version = known.map_or(1, |known| known.version + 1);
            let value = text(input, "Value")?.to_owned();
            parameters.insert(name, Parameter { value, kind, version, changed: caller.now });
            Ok(json!({ "Version": version, "Tier": "Standard" }))
        }
        "DeleteParameter" => {
            let name = text(input, "Name")?;
            parameters.remove(name).map(|_| json!({})).ok_or_else(|| not_found(name))
        }
        operation => Err(Fault::not_simulated("ssm", operation)),
    }
}
