use std::collections::BTreeMap;

use aws_sdk_secretsmanager::types::Tag;
use opsrun_core::{Cx, Effect, Error, ErrorKind, Inverse, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{delete, put};
use crate::client::Client;
use crate::ecr::has_code;
use crate::secrets;

/// Makes a secret.
///
/// If there is one of this name with this value, nothing is done; one with another value is left alone, and `secretsmanager::put`
/// changes it. Undo deletes what was made, for good.
///
/// ```rhai
/// secretsmanager::create("app/token", secret("env:TOKEN"), #{ tags: #{ team: "platform" } });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Create {
    /// Its name.
    #[arg(positional)]
    secret: String,
    /// The value.
    #[arg(positional, secret)]
    value: String,
    /// What it is for.
    description: Option<String>,
    /// Its tags.
    #[serde(default)]
    tags: BTreeMap<String, String>,
    /// Its region; the target's if left out.
    region: Option<String>,
}

/// What became of a secret that was wanted.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Created {
    /// It was made now, and was not there already.
    changed: bool,
    /// The version that is used.
    version: String,
}

impl Primitive for Create {
    const PATH: &'static str = "secretsmanager::create";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(delete::PATH);
    type Out = Created;

    async fn run(self, cx: &Cx) -> Result<Created> {
        let client = Client::new(cx, self.region.as_deref())?;
        match secrets::current(&client, &self.secret).await {
            Ok((version, value)) => return self.there(cx, version, &value),
            Err(error) if has_code(&error, "ResourceNotFoundException") => {}
            Err(error) if has_code(&error, "InvalidRequestException") => {
                let hint = format!(
                    "is it being deleted? `secretsmanager::restore(\"{}\")` brings it back",
                    self.secret
                );
                return Err(error.hint(hint));
            }
            Err(error) => return Err(error),
        }
        let inverse = json!({ "secret": self.secret, "for_good": true, "region": client.region() });
        let _ = cx.undo(Inverse::call(delete::PATH, inverse)).await?;
        let tags: Vec<Tag> =
            self.tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
        let made = client.secretsmanager().create_secret().name(&self.secret).secret_string(&self.value);
        let made = made.client_request_token(put::token(cx)).set_description(self.description);
        let made = made.set_tags((!tags.is_empty()).then_some(tags)).send();
        let tried = format!("making the secret `{}`", self.secret);
        let made = client.call("secretsmanager:CreateSecret", &tried, made).await?;
        Ok(Created { changed: true, version: made.version_id().unwrap_or_default().to_owned() })
    }
}

impl Create {
    /// Or it was made by this very call, before the run broke off.
    fn there(&self, cx: &Cx, version: String, value: &str) -> Result<Created> {
        if value != self.value {
            cx.hide(&self.secret, value);
            let message = format!("there is a secret `{}` already, with another value", self.secret);
            return Err(
                Error::new(ErrorKind::Conflict, message).hint("`secretsmanager::put` gives it another one")
            );
        }
        Ok(Created { changed: cx.broken_off().is_some_and(|before| before.wrote), version })
    }
}
