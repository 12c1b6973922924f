//! Secrets Manager: secrets with their versions.

use std::collections::BTreeMap;

use jiff::Timestamp;
use opsrun_core::Span;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::fault::{Answer, Fault};
use crate::protocol::{Call, text};
use crate::world::{Aws, Caller, Random};

const CURRENT: &str = "AWSCURRENT";
const PENDING: &str = "AWSPENDING";
const PREVIOUS: &str = "AWSPREVIOUS";
/// How long a rotation usually takes.
const ROTATED_AFTER: Span = Span::from_secs(45);
/// For so many days a deleted secret can be brought back, by itself.
const RECOVERY_DAYS: i64 = 30;
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

/// How a secret of an estate file is rotated.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct RotationSection {
    /// The key of a secret that is an object whose value is made anew; the whole secret by itself.
    pub key: Option<String>,
    /// How long it takes; 45 s by itself.
    pub takes: Span,
}

impl Default for RotationSection {
    fn default() -> Self {
        RotationSection { key: None, takes: ROTATED_AFTER }
    }
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
    description: Option<String>,
    tags: Vec<Value>,
    rotation: Option<RotationSection>,
    /// When a rotation that goes on will be through.
    rotating: Option<Timestamp>,
    rotated: Option<Timestamp>,
    /// When it will be gone.
    deleted: Option<Timestamp>,
}

#[derive(Debug, Clone)]
struct Version {
    value: String,
    created: Timestamp,
}

impl Secrets {
    pub(crate) fn start(
        section: &BTreeMap<String, SecretSection>,
        rotations: &BTreeMap<String, RotationSection>,
        (account, region): (&str, &str),
        random: &mut Random,
        now: Timestamp,
    ) -> Result<Self, String> {
        if let Some(name) = rotations.keys().find(|name| !section.contains_key(*name)) {
            return Err(format!("`rotations`: there is no secret `{name}`"));
        }
        let secrets = section.iter().map(|(name, SecretSection(value))| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let suffix = random.of(SUFFIX, 6);
            let arn = format!("arn:aws:secretsmanager:{region}:{account}:secret:{name}-{suffix}");
            let secret = Secret::new(arn, random.uuid(), value, now);
            (name.clone(), Secret { rotation: rotations.get(name).cloned(), ..secret })
        });
        Ok(Secrets(secrets.collect()))
    }

    pub(crate) fn add(&mut self, taken: BTreeMap<String, TakenSecret>, now: Timestamp) {
        let taken = taken.into_iter().map(|(name, TakenSecret { arn, versions, stages })| {
            let versions = versions.into_iter().map(|(id, value)| (id, Version { value, created: now }));
            let secret = Secret::new(arn, String::new(), String::new(), now);
            (name, Secret { versions: versions.collect(), stages, ..secret })
        });
        self.0.extend(taken);
    }

    /// Values are told by a checksum: they are nobody's to see.
    pub(crate) fn snapshot(&self, region: &str, things: &mut BTreeMap<String, Value>) {
        for (name, secret) in &self.0 {
            let value = secret.version(CURRENT).map(|(_, version)| checksum(&version.value));
            let mut state = json!({ "value": value });
            if secret.deleted.is_some() {
                state["deleting"] = true.into();
            }
            things.insert(format!("secretsmanager secret {region}/{name}"), state);
        }
    }

    /// What has come to its end by itself until now.
    pub(crate) fn settle(&mut self, now: Timestamp) {
        self.0.retain(|_, secret| secret.deleted.is_none_or(|at| at > now));
        for secret in self.0.values_mut() {
            if let Some(at) = secret.rotating.filter(|at| *at <= now)
                && let Some(id) = secret.stages.remove(PENDING)
            {
                secret.make_current(&id);
                secret.rotating = None;
                (secret.changed, secret.rotated) = (at, Some(at));
            }
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
    fn new(arn: String, id: String, value: String, now: Timestamp) -> Self {
        Secret {
            arn,
            versions: BTreeMap::from([(id.clone(), Version { value, created: now })]),
            stages: BTreeMap::from([(CURRENT.to_owned(), id)]),
            created: now,
            changed: now,
            description: None,
            tags: Vec::new(),
            rotation: None,
            rotating: None,
            rotated: None,
            deleted: None,
        }
    }

    fn in_use(&mut self) -> Answer<&mut Self> {
        match self.deleted {
            None => Ok(self),
            Some(_) => Err(Fault::sender(
                "InvalidRequestException",
                "You can't perform this operation on the secret because it was marked for deletion.",
            )),
        }
    }

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
    let suffix = world.random.of(SUFFIX, 6);
    let secrets = &mut world.region_of(caller).secrets;
    secrets.settle(caller.now);
    let input = &call.input;
    match call.operation.as_str() {
        "ListSecrets" => Ok(json!({
            "SecretList": secrets.0.iter().filter(|(_, secret)| secret.deleted.is_none()).map(|(name, secret)| described(name, secret)).collect::<Vec<_>>(),
        })),
        "DescribeSecret" => {
            let (name, secret) = secrets.known(text(input, "SecretId")?)?;
            Ok(described(name, secret))
        }
        "GetSecretValue" => value(secrets, input),
        "CreateSecret" => create(secrets, input, (&token, &suffix), caller),
        "DeleteSecret" => delete(secrets, input, caller.now),
        "RestoreSecret" => {
            let (name, secret) = secrets.known(text(input, "SecretId")?)?;
            secret.deleted = None;
            Ok(json!({ "ARN": secret.arn, "Name": name }))
        }
        "RotateSecret" => rotate(secrets, input, &token, caller.now),
        "PutSecretValue" => put(secrets, input, &token, caller.now),
        "UpdateSecretVersionStage" => update_stage(secrets, input),
        operation => Err(Fault::not_simulated("secretsmanager", operation)),
    }
}

fn described(name: &str, secret: &Secret) -> Value {
    let stages = secret.versions.keys().map(|id| (id.clone(), json!(secret.stages_of(id))));
    let mut told = json!({
        "ARN": secret.arn,
        "Name": name,
        "CreatedDate": secret.created.as_second(),
        "LastChangedDate": secret.changed.as_second(),
        "RotationEnabled": secret.rotation.is_some(),
        "VersionIdsToStages": stages.collect::<serde_json::Map<_, _>>(),
        "Tags": secret.tags,
    });
    let optional = [
        ("Description", secret.description.clone().map(Value::from)),
        ("LastRotatedDate", secret.rotated.map(|at| at.as_second().into())),
        ("DeletedDate", secret.deleted.map(|at| at.as_second().into())),
    ];
    for (member, value) in optional {
        if let Some(value) = value {
            told[member] = value;
        }
    }
    told
}

fn create(secrets: &mut Secrets, input: &Value, (token, suffix): (&str, &str), caller: &Caller) -> Answer {
    let name = text(input, "Name")?;
    let value = text(input, "SecretString")?.to_owned();
    let id = input.get("ClientRequestToken").and_then(Value::as_str).unwrap_or(token);
    if let Some(known) = secrets.0.get_mut(name) {
        if known.deleted.is_some() {
            let message = "You can't create this secret because a secret with this name is already scheduled for deletion.";
            return Err(Fault::sender("InvalidRequestException", message));
        }
        let message = format!("The operation failed because the secret {name} already exists.");
        return Err(Fault::sender("ResourceExistsException", message));
    }
    let Caller { region, account, .. } = caller;
    let arn = format!("arn:aws:secretsmanager:{region}:{account}:secret:{name}-{suffix}");
    let mut made = Secret::new(arn, id.to_owned(), value, caller.now);
    made.description = input.get("Description").and_then(Value::as_str).map(str::to_owned);
    made.tags = input.get("Tags").and_then(Value::as_array).cloned().unwrap_or_default();
    let told = json!({ "ARN": made.arn, "Name": name, "VersionId": id });
    secrets.0.insert(name.to_owned(), made);
    Ok(told)
}

fn delete(secrets: &mut Secrets, input: &Value, now: Timestamp) -> Answer {
    let days = input.get("RecoveryWindowInDays").and_then(Value::as_i64);
    let forced = input.get("ForceDeleteWithoutRecovery").and_then(Value::as_bool) == Some(true);
    let invalid = |message: &str| Err(Fault::sender("InvalidParameterException", message));
    if forced && days.is_some() {
        return invalid("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.");
    }
    let days = days.unwrap_or(RECOVERY_DAYS);
    if !(7..=30).contains(&days) {
        return invalid("RecoveryWindowInDays value must be between 7 and 30 days (inclusive).");
    }
    let (name, secret) = secrets.known(text(input, "SecretId")?)?;
    let at = if forced { now } else { now + jiff::SignedDuration::from_hours(24 * days) };
    if !forced {
        secret.in_use()?;
    }
    secret.deleted = Some(at);
    let told = json!({ "ARN": secret.arn, "Name": name, "DeletionDate": at.as_second() });
    secrets.settle(now);
    Ok(told)
}

/// The function makes a value, and puts it in the place of the present one after a while.
fn rotate(secrets: &mut Secrets, input: &Value, token: &str, now: Timestamp) -> Answer {
    let (name, secret) = secrets.known(text(input, "SecretId")?)?;
    let secret = secret.in_use()?;
    let id = input.get("ClientRequestToken").and_then(Value::as_str).unwrap_or(token).to_owned();
    let told = json!({ "ARN": secret.arn, "Name": name, "VersionId": id });
    if secret.versions.contains_key(&id) {
        return Ok(told);
    }
    let invalid = |message: &str| Err(Fault::sender("InvalidRequestException", message));
    let Some(rotation) = secret.rotation.clone() else {
        return invalid("No Lambda rotation function ARN is associated with this secret.");
    };
    if secret.rotating.is_some() {
        return invalid("A previous rotation isn't complete. That rotation will be reattempted.");
    }
    let current = secret.version(CURRENT).map(|(_, version)| version.value.clone()).unwrap_or_default();
    // It follows from the present one, so that two runs that do the same end the same.
    let half = checksum(&format!("rotated: {current}"));
    let drawn = format!("{half}{}", checksum(&half));
    let value = match (&rotation.key, serde_json::from_str::<Value>(&current)) {
        (Some(key), Ok(mut members)) if members.is_object() => {
            members[key.as_str()] = drawn.into();
            members.to_string()
        }
        _ => drawn,
    };
    secret.versions.insert(id.clone(), Version { value, created: now });
    secret.stages.insert(PENDING.to_owned(), id);
    secret.rotating = Some(rotation.takes.after(now));
    Ok(told)
}

fn value(secrets: &mut Secrets, input: &Value) -> Answer {
    let (name, secret) = secrets.known(text(input, "SecretId")?)?;
    let secret = secret.in_use()?;
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
    let secret = secret.in_use()?;
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
