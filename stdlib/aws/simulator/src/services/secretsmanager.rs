//! Secrets Manager: secrets with their versions.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::fault::{Answer, Fault};
use crate::protocol::{Call, text};
use crate::world::{Aws, Caller, Random};

const CURRENT: &str = "AWSCURRENT";
const PREVIOUS: &str = "AWSPREVIOUS";
const SUFFIX: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// The value of a secret in an estate file: a text, or an object, which is kept as JSON.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub struct SecretSection(Value);

/// A secret as it was found elsewhere.
#[derive(Debug, Clone, Default)]
pub struct TakenSecret {
    pub arn: String,
    /// Values, by the identifiers of their versions.
    pub versions: BTreeMap<String, String>,
    /// Which version bears which label.
    pub stages: BTreeMap<String, String>,
}

/// All secrets of a region, by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Secrets(BTreeMap<String, Secret>);

#[derive(Debug, Clone)]
struct Secret {
    arn: String,
    versions: BTreeMap<String, Version>,
    /// Which version bears which label.
    stages: BTreeMap<String, String>,
    created: Timestamp,
    changed: Timestamp,
}

#[derive(Debug, Clone)]
struct Version {
    value: String,
    created: Timestamp,
}

impl Secrets {
    pub(crate) fn start(
        section: &BTreeMap<String, SecretSection>,
        (account, region): (&str, &str),
        random: &mut Random,
        now: Timestamp,
    ) -> Self {
        let secrets = section.iter().map(|(name, SecretSection(value))| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let suffix = random.of(SUFFIX, 6);
            let id = random.uuid();
            let secret = Secret {
                arn: format!("arn:aws:secretsmanager:{region}:{account}:secret:{name}-{suffix}"),
                versions: BTreeMap::from([(id.clone(), Version { value, created: now })]),
                stages: BTreeMap::from([(CURRENT.to_owned(), id)]),
                created: now,
                changed: now,
            };
            (name.clone(), secret)
        });
        Secrets(secrets.collect())
    }

    pub(crate) fn add(&mut self, taken: BTreeMap<String, TakenSecret>, now: Timestamp) {
        let taken = taken.into_iter().map(|(name, TakenSecret { arn, versions, stages })| {
            let versions = versions.into_iter().map(|(id, value)| (id, Version { value, created: now }));
            (name, Secret { arn, versions: versions.collect(), stages, created: now, changed: now })
        });
        self.0.extend(taken);
    }

    /// Values are told by a checksum: they are nobody's to see.
    pub(crate) fn snapshot(&self, region: &str, things: &mut BTreeMap<String, Value>) {
        for (name, secret) in &self.0 {
            let value = secret.version(CURRENT).map(|(_, version)| checksum(&version.value));
            things.insert(format!("secretsmanager secret {region}/{name}"), json!({ "value": value }));
        }
    }

    /// By name, ARN, or ARN without its last six letters.
    fn known(&mut self, named: &str) -> Answer<(&String, &mut Secret)> {
        let mut secrets = self.0.iter_mut();
        let is_named = |name: &str, secret: &Secret| {
            name == named
                || secret.arn == named
                || secret.arn.rsplit_once('-').is_some_and(|(arn, _)| arn == named)
        };
        let found = secrets.find(|(name, secret)| is_named(name, secret));
        found.ok_or_else(|| {
            Fault::sender("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
        })
    }
}

pub(crate) fn checksum(value: &str) -> String {
    let sum = value
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{sum:016x}")
}

impl Secret {
    fn version(&self, stage: &str) -> Option<(&String, &Version)> {
        self.versions.get_key_value(self.stages.get(stage)?)
    }

    fn stages_of(&self, id: &str) -> Vec<&String> {
        self.stages.iter().filter(|(_, of)| *of == id).map(|(stage, _)| stage).collect()
    }

    /// What was current is the previous one from now on.
    fn make_current(&mut self, id: &str) {
        if let Some(former) = self.stages.insert(CURRENT.to_owned(), id.to_owned())
            && former != id
        {
            self.stages.insert(PREVIOUS.to_owned(), former);
        }
    }
}

/// # Errors
/// Those of AWS.
pub(crate) fn call(world: &mut Aws, caller: &Caller, call: &Call) -> Answer {
    let token = world.random.uuid();
    let secrets = &mut world.region_of(caller).secrets;
    let input = &call.input;
    match call.operation.as_str() {
        "ListSecrets" => Ok(json!({
            "SecretList": secrets.0.iter().map(|(name, secret)| described(name, secret)).collect::<Vec<_>>(),
        })),
        "DescribeSecret" => {
            let (name, secret) = secrets.known(text(input, "SecretId")?)?;
            Ok(described(name, secret))
        }
        "GetSecretValue" => value(secrets, input),
        "PutSecretValue" => put(secrets, input, &token, caller.now),
        "UpdateSecretVersionStage" => update_stage(secrets, input),
        operation => Err(Fault::not_simulated("secretsmanager", operation)),
    }
}

fn described(name: &str, secret: &Secret) -> Value {
    let stages = secret.versions.keys().map(|id| (id.clone(), json!(secret.stages_of(id))));
    json!({
        "ARN": secret.arn,
        "Name": name,
        "CreatedDate": secret.created.as_second(),
        "LastChangedDate": secret.changed.as_second(),
        "RotationEnabled": false,
        "VersionIdsToStages": stages.collect::<serde_json::Map<_, _>>(),
    })
}

fn value(secrets: &mut Secrets, input: &Value) -> Answer {
    let (name, secret) = secrets.known(text(input, "SecretId")?)?;
    let stage = input.get("VersionStage").and_then(Value::as_str);
    let found = match input.get("VersionId").and_then(Value::as_str) {
        Some(id) => secret.versions.get_key_value(id),
        None => secret.version(stage.unwrap_or(CURRENT)),
    };
    let (id, version) = found.ok_or_else(|| {
        let which = stage.unwrap_or("the version");
        let message = format!("Secrets Manager can't find the specified secret value for {which}.");
        Fault::sender("ResourceNotFoundException", message)
    })?;
    Ok(json!({
        "ARN": secret.arn,
        "Name": name,
        "VersionId": id,
        "SecretString": version.value,
        "VersionStages": secret.stages_of(id),
        "CreatedDate": version.created.as_second(),
    }))
}

fn put(secrets: &mut Secrets, input: &Value, token: &str, now: Timestamp) -> Answer {
    let (name, secret) = secrets.known(text(input, "SecretId")?)?;
    let value = text(input, "SecretString")?.to_owned();
    let id = input.get("ClientRequestToken").and_then(Value::as_str).unwrap_or(token).to_owned();
    if secret.versions.get(&id).is_some_and(|known| known.value != value) {
        let message = "A resource with the ID you requested already exists with another value.";
        return Err(Fault::sender("ResourceExistsException", message));
    }
    secret.versions.insert(id.clone(), Version { value, created: now });
    secret.make_current(&id);
    secret.changed = now;
    Ok(json!({ "ARN": secret.arn, "Name": name, "VersionId": id, "VersionStages": secret.stages_of(&id) }))
}

fn update_stage(secrets: &mut Secrets, input: &Value) -> Answer {
    let (name, secret) = secrets.known(text(input, "SecretId")?)?;
    let stage = text(input, "VersionStage")?;
    let to = text(input, "MoveToVersionId")?;
    let from = input.get("RemoveFromVersionId").and_then(Value::as_str);
    let invalid = |message: String| Err(Fault::sender("InvalidParameterException", message));
    if !secret.versions.contains_key(to) {
        return Err(Fault::sender(
            "ResourceNotFoundException",
            "Secrets Manager can't find the specified secret version.",
        ));
    }
    match secret.stages.get(stage) {
        Some(bearer) if Some(bearer.as_str()) != from && bearer != to => {
            return invalid(format!(
                "The parameter RemoveFromVersionId must be the version that has {stage}."
            ));
        }
        _ if stage == CURRENT => secret.make_current(to),
        _ => drop(secret.stages.insert(stage.to_owned(), to.to_owned())),
    }
    Ok(json!({ "ARN": secret.arn, "Name": name }))
}
