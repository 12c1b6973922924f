//! Security Token Service: who is asking, and sessions of roles.

use std::collections::BTreeMap;

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::fault::{Answer, Fault};
use crate::protocol::{Call, text};
use crate::world::{Aws, Caller};

const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
pub(crate) const HOUR: i64 = 3600;

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

/// Asked for without a signature.
pub(crate) const BY_TOKEN: &str = "AssumeRoleWithWebIdentity";

pub(crate) fn call(world: &mut Aws, caller: Option<&Caller>, call: &Call, now: Timestamp) -> Answer {
    match (call.operation.as_str(), caller) {
        ("GetCallerIdentity", Some(caller)) => Ok(json!({
            "Account": caller.account,
            "Arn": caller.arn,
            "UserId": "AIDAESTATE",
        })),
        ("AssumeRole", Some(caller)) => assume(world, &caller.arn, &call.input, now),
        (BY_TOKEN, _) => assume(world, "the bearer of the token", &call.input, now),
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
    let begun = begin(world, account, name, session, seconds.unwrap_or(HOUR), now);
    Ok(json!({
        "AssumedRoleUser": { "Arn": begun.arn, "AssumedRoleId": format!("AROAESTATE:{session}") },
        "Credentials": {
            "AccessKeyId": begun.key,
            "SecretAccessKey": begun.secret,
            "SessionToken": begun.token,
            "Expiration": begun.ends.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        },
    }))
}

/// A session, as it is given out.
pub(crate) struct Begun {
    pub(crate) arn: String,
    pub(crate) key: String,
    pub(crate) secret: String,
    pub(crate) token: String,
    pub(crate) ends: Timestamp,
}

/// Begins a session of a role.
pub(crate) fn begin(
    world: &mut Aws,
    account: &str,
    role: &str,
    name: &str,
    seconds: i64,
    now: Timestamp,
) -> Begun {
    let begun = Begun {
        arn: format!("arn:aws:sts::{account}:assumed-role/{role}/{name}"),
        key: format!("ASIA{}", world.random.of(LETTERS, 16)),
        secret: world.random.of(LETTERS, 40),
        token: world.random.of(LETTERS, 64),
        ends: now + SignedDuration::from_secs(seconds),
    };
    let session = Session { account: account.to_owned(), arn: begun.arn.clone(), ends: begun.ends };
    world.sessions.0.insert(begun.key.clone(), session);
    begun
}
