use opsrun_core::{Cx, Effect, Error, Inverse, Primitive, Result, Undo, Value};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::use_version;
use crate::client::Client;
use crate::secrets;

/// Gives a secret another value.
///
/// With `key` only that key of a secret that is a JSON object. If it has the value already, nothing is done. Who reads the secret gets
/// the new value from then on; the former version is kept by AWS, and undo uses it again.
///
/// ```rhai
/// secretsmanager::put("app/db", secret("env:NEW_PASSWORD"), #{ key: "password" });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Put {
    /// Its name or its ARN; it has to be there.
    #[arg(positional)]
    secret: String,
    /// The value.
    #[arg(positional, secret)]
    value: String,
    /// The key whose value it is.
    key: Option<String>,
    /// Its region; the target's if left out.
    region: Option<String>,
}

/// What became of a secret.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct PutSecret {
    /// It had another value until now.
    pub(crate) changed: bool,
    /// The version that is used now.
    pub(crate) version: String,
    /// The one that was used until now.
    pub(crate) previous: Option<String>,
}

impl Primitive for Put {
    const PATH: &'static str = "secretsmanager::put";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(use_version::PATH);
    type Out = PutSecret;

    async fn run(self, cx: &Cx) -> Result<PutSecret> {
        let client = Client::new(cx, self.region.as_deref())?;
        let (former, value) = secrets::current(&client, &self.secret).await?;
        let wanted = self.wanted(&value)?;
        // What the playbook gave is hidden already if it is a secret; by its arguments a call is known again.
        for text in [&value, &wanted].into_iter().filter(|text| **text != self.value) {
            cx.hide(&self.secret, text);
        }
        if wanted == value {
            let changed = cx.broken_off().is_some_and(|before| before.wrote);
            let previous = super::describe::describe(&client, &self.secret).await?.previous;
            return Ok(PutSecret { changed, version: former, previous });
        }
        let inverse = json!({ "secret": self.secret, "version": former, "region": client.region() });
        let _ = cx.undo(Inverse::call(use_version::PATH, inverse)).await?;
        let asked = client.secretsmanager().put_secret_value().secret_id(&self.secret).secret_string(wanted);
        let asked = asked.client_request_token(token(cx)).send();
        let tried = format!("giving the secret `{}` another value", self.secret);
        let put = client.call("secretsmanager:PutSecretValue", &tried, asked).await?;
        let version = put.version_id().unwrap_or_default().to_owned();
        Ok(PutSecret { changed: true, version, previous: Some(former) })
    }
}

impl Put {
    /// The whole of the secret as it is to be.
    fn wanted(&self, value: &str) -> Result<String> {
        let Some(key) = &self.key else { return Ok(self.value.clone()) };
        let members: Value = serde_json::from_str(value).unwrap_or_default();
        let Value::Object(mut members) = members else {
            return Err(Error::invalid(format!(
                "the secret `{}` is no JSON object, so it has no keys",
                self.secret
            )));
        };
        if members.get(key).and_then(Value::as_str) == Some(&self.value) {
            // Written anew it might be ordered in another way.
            return Ok(value.to_owned());
        }
        members.insert(key.clone(), self.value.clone().into());
        Ok(Value::Object(members).to_string())
    }
}

/// The identifier of the new version; AWS wants it to be a UUID, and the run's seed decides it.
pub(super) fn token(cx: &Cx) -> String {
    let (high, low) = (cx.random(), cx.random());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        0x8000 | (low >> 48 & 0x3fff),
        low & 0xffff_ffff_ffff
    )
}
