//! Secrets of playbooks that AWS keeps: `secretsmanager:NAME#KEY` and `ssm:NAME`.
//!
//! They are read in the target's region; `?region=REGION` behind the name says another one, as names have slashes of their own.

use opsrun_core::{Cx, Error, ErrorKind, Result, SecretScheme, Value};

use crate::client::Client;

pub(crate) const SCHEMES: &[SecretScheme] = &[
    SecretScheme {
        scheme: "secretsmanager",
        form: "secretsmanager:NAME#KEY",
        is_whole: |reference| Reference::of(reference).is_some(),
        read: |cx, reference| Box::pin(async move { of_secrets_manager(&cx, &reference).await }),
    },
    SecretScheme {
        scheme: "ssm",
        form: "ssm:NAME",
        is_whole: |reference| Reference::of(reference).is_some_and(|of| of.key.is_none()),
        read: |cx, reference| Box::pin(async move { of_ssm(&cx, &reference).await }),
    },
];

/// `NAME?region=REGION#KEY`, of which the name has to be there.
struct Reference<'r> {
    name: &'r str,
    region: Option<&'r str>,
    /// Of a secret that is JSON.
    key: Option<&'r str>,
}

impl<'r> Reference<'r> {
    fn of(reference: &'r str) -> Option<Self> {
        let (rest, key) = match reference.split_once('#') {
            Some((rest, key)) => (rest, Some(key)),
            None => (reference, None),
        };
        let (name, region) = match rest.split_once('?') {
            Some((name, query)) => (name, Some(query.strip_prefix("region=")?)),
            None => (rest, region_of_arn(rest)),
        };
        let is_word = |text: &str| !text.is_empty() && !text.contains(char::is_whitespace);
        let good = is_word(name) && region.is_none_or(is_word) && key.is_none_or(|key| !key.is_empty());
        good.then_some(Reference { name, region, key })
    }
}

/// `arn:aws:secretsmanager:REGION:…`
fn region_of_arn(name: &str) -> Option<&str> {
    name.strip_prefix("arn:")?.split(':').nth(2)
}

fn unreadable(scheme: &str, reference: &str) -> Error {
    Error::invalid(format!("`{scheme}:{reference}` names no secret of AWS"))
        .hint("write it like `secretsmanager:app/db#password`, `ssm:/app/db/password`, `ssm:/app/key?region=us-east-1`")
}

async fn of_secrets_manager(cx: &Cx, reference: &str) -> Result<String> {
    let of = Reference::of(reference).ok_or_else(|| unreadable("secretsmanager", reference))?;
    let client = Client::new(cx, of.region)?;
    let (_, value) = current(&client, of.name).await?;
    match of.key {
        None => Ok(value),
        Some(key) => member(of.name, &value, key),
    }
}

/// The identifier of a secret's current version, and its value, which the caller has to hide if it is not the engine that asks.
///
/// # Errors
/// `NotFound`; those of AWS.
pub(crate) async fn current(client: &Client, name: &str) -> Result<(String, String)> {
    let asked = client.secretsmanager().get_secret_value().secret_id(name).send();
    let tried = format!("reading the secret `{name}`");
    let found = client.call("secretsmanager:GetSecretValue", &tried, asked).await?;
    let version = found.version_id().unwrap_or_default().to_owned();
    match found.secret_string() {
        Some(value) => Ok((version, value.to_owned())),
        None => Err(Error::new(
            ErrorKind::Invalid,
            format!("the secret `{name}` is binary, and texts are what is taken"),
        )),
    }
}

fn member(name: &str, value: &str, key: &str) -> Result<String> {
    let members: Value = serde_json::from_str(value).unwrap_or_default();
    let Value::Object(members) = members else {
        return Err(Error::invalid(format!(
            "the secret `{name}` is no JSON object, so it has no key `{key}`"
        ))
        .hint(format!("the whole of it is `secretsmanager:{name}`")));
    };
    match members.get(key) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Null) | None => {
            let keys: Vec<&str> = members.keys().map(String::as_str).collect();
            Err(Error::not_found(format!("the secret `{name}` has no key `{key}`"))
                .hint(format!("its keys are `{}`", keys.join("`, `"))))
        }
        Some(other) => Ok(other.to_string()),
    }
}

async fn of_ssm(cx: &Cx, reference: &str) -> Result<String> {
    let of = Reference::of(reference).ok_or_else(|| unreadable("ssm", reference))?;
    let client = Client::new(cx, of.region)?;
    let asked = client.ssm().get_parameter().name(of.name).with_decryption(true).send();
    let found =
        client.call("ssm:GetParameter", &format!("reading the parameter `{}`", of.name), asked).await?;
    let value = found.parameter().and_then(|parameter| parameter.value());
    value
        .map(str::to_owned)
        .ok_or_else(|| Error::failed(format!("AWS gives no value of the parameter `{}`", of.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_has_a_name_and_may_have_a_region_and_a_key() {
        let read = |text: &str| {
            Reference::of(text)
                .map(|of| (of.name.to_owned(), of.region.map(str::to_owned), of.key.map(str::to_owned)))
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(read("app/db#password"), Some(("app/db".into(), None, some("password"))));
        assert_eq!(read("/app/key?region=us-east-1"), Some(("/app/key".into(), some("us-east-1"), None)));
        let arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:app-AbCdEf";
        assert_eq!(read(&format!("{arn}#k")), Some((arn.into(), some("eu-west-1"), some("k"))));
        for wrong in ["", "#key", "app#", "a b", "app?zone=x", "app?region=", "app?region=#k"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
