//! Security Token Service: who is asking, and sessions of roles.

use std::collections::BTreeMap;

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::fault::{Answer, Fault};
use crate::protocol::{Call, text};
use crate::world::{Aws, Caller};

const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const HOUR: i64 = 3600;

/// The sessions that were given out, by their access key.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sessions(BTreeMap<String, Session>);

#[derive(Debug, Clone)]
struct Session {
    account: String,
    arn: String,
    ends: Timestamp,
}

impl Sessions {
    /// The account and the ARN of whoever signs with this key.
    pub(crate) fn whose(&self, access_key: &str, now: Timestamp) -> Answer<(String, String)> {
        match self.0.get(access_key) {
            Some(session) if session.ends > now => Ok((session.account.clone(), session.arn.clone())),
            Some(_) => {
                Err(Fault::sender("ExpiredToken", "The security token included in the request is expired")
                    .with(StatusCode::FORBIDDEN))
            }
            None => {
                let message = "The security token included in the request is invalid.";
                Err(Fault::sender("InvalidClientTokenId", message).with(StatusCode::FORBIDDEN))
            }
        }
    }
}

/// Operations that are asked without a signature.
pub(crate) fn takes_anybody(operation: &str) -> bool {
    operation == "AssumeRoleWithWebIdentity"
}

pub(crate) fn call(world: &mut Aws, caller: Option<&Caller>, call: &Call, now: Timestamp) -> Answer {
    match (call.operation.as_str(), caller) {
        ("GetCallerIdentity", Some(caller)) => Ok(json!({
            "Account": caller.account,
            "Arn": caller.arn,
            "UserId": "AIDAESTATE",
        })),
        ("AssumeRole", Some(caller)) => assume(world, &caller.arn, &call.input, now),
        ("AssumeRoleWithWebIdentity", _) => assume(world, "the bearer of the token", &call.input, now),
        (operation, _) => Err(Fault::not_simulated("sts", operation)),
    }
}

fn assume(world: &mut Aws, who: &str, input: &Value, now: Timestamp) -> Answer {
    let role = text(input, "RoleArn")?;
    let session = text(input, "RoleSessionName")?;
    let denied = || {
        Fault::denied(format!("User: {who} is not authorized to perform: sts:AssumeRole on resource: {role}"))
    };
    let (account, name) = role
        .strip_prefix("arn:aws:iam::")
        .and_then(|rest| rest.split_once(":role/"))
        .ok_or_else(|| Fault::sender("ValidationError", format!("{role} is invalid")))?;
    let known = world.accounts.get(account).ok_or_else(denied)?;
    if !known.roles.iter().any(|role| role == name) {
        return Err(denied());
    }
    let seconds = input.get("DurationSeconds").and_then(Value::as_str).and_then(|text| text.parse().ok());
    let ends = now + SignedDuration::from_secs(seconds.unwrap_or(HOUR));
    let key = format!("ASIA{}", world.random.of(LETTERS, 16));
    let arn = format!("arn:aws:sts::{account}:assumed-role/{name}/{session}");
    let given = Session { account: account.to_owned(), arn: arn.clone(), ends };
    world.sessions.0.insert(key.clone(), given);
    Ok(json!({
        "AssumedRoleUser": { "Arn": arn, "AssumedRoleId": format!("AROAESTATE:{session}") },
        "Credentials": {
            "AccessKeyId": key,
            "SecretAccessKey": world.random.of(LETTERS, 40),
            "SessionToken": world.random.of(LETTERS, 64),
            "Expiration": ends.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        },
    }))
}
