use aws_sdk_ssm::types::ParameterType;
use opsrun_core::{Cx, Effect, Inverse, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::delete;
use crate::client::{Client, unless_outdated};

/// Sets a parameter of Systems Manager.
///
/// If it has the value already, nothing is done. Undo sets what it was, or deletes it if there was none; what it was is sealed in the
/// journal.
///
/// ```rhai
/// ssm::put("/app/image", "web:1.4.0");
/// ssm::put("/app/key", secret("env:APP_KEY"), #{ secure: true });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Put {
    /// Its name.
    #[arg(positional)]
    name: String,
    /// The value.
    #[arg(positional, secret)]
    value: String,
    /// Encrypt it; one that is there stays as it is if left out.
    secure: Option<bool>,
    /// Its region; the target's if left out.
    region: Option<String>,
}

/// What became of a parameter.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct PutParameter {
    /// It had another value until now, or was not there.
    pub(crate) changed: bool,
    pub(crate) version: i64,
}

pub(super) const PATH: &str = "ssm::put";

/// A parameter with its value, for comparing and for putting it back.
pub(super) struct Held {
    pub(super) value: String,
    pub(super) secure: bool,
    version: i64,
}

/// The parameter as it is, decrypted; `None` if there is none.
///
/// # Errors
/// Those of AWS.
pub(super) async fn held(client: &Client, name: &str) -> Result<Option<Held>> {
    let asked = client.ssm().get_parameter().name(name).with_decryption(true).send();
    let found = client.find("ssm:GetParameter", &format!("reading the parameter `{name}`"), asked).await?;
    let Some(found) = found.as_ref().and_then(|found| found.parameter()) else { return Ok(None) };
    let secure = found.r#type() == Some(&ParameterType::SecureString);
    let value = found.value().unwrap_or_default().to_owned();
    Ok(Some(Held { value, secure, version: found.version() }))
}

/// What sets a parameter as it was.
pub(super) fn back(client: &Client, name: &str, was: &Held) -> Inverse {
    let arguments =
        json!({ "name": name, "value": was.value, "secure": was.secure, "region": client.region() });
    Inverse::call(PATH, arguments).sealed(vec!["/value".to_owned()])
}

impl Primitive for Put {
    const PATH: &'static str = PATH;
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(PATH);
    type Out = PutParameter;

    async fn run(self, cx: &Cx) -> Result<PutParameter> {
        match unless_outdated(cx, &["ParameterAlreadyExists"], self.once(cx).await).await? {
            Some(done) => Ok(done),
            None => self.once(cx).await,
        }
    }
}

impl Put {
    async fn once(&self, cx: &Cx) -> Result<PutParameter> {
        let client = Client::new(cx, self.region.as_deref())?;
        let was = held(&client, &self.name).await?;
        let secure = self.secure.unwrap_or_else(|| was.as_ref().is_some_and(|was| was.secure));
        // What the playbook gave is hidden already if it is a secret; by its arguments a call is known again.
        if let Some(was) = was.as_ref().filter(|was| was.secure && was.value != self.value) {
            cx.hide(&self.name, &was.value);
        }
        if let Some(was) = was.as_ref().filter(|was| was.value == self.value && was.secure == secure) {
            let changed = cx.broken_off().is_some_and(|before| before.wrote);
            return Ok(PutParameter { changed, version: was.version });
        }
        let inverse = match &was {
            Some(was) => back(&client, &self.name, was),
            None => Inverse::call(delete::PATH, json!({ "name": self.name, "region": client.region() })),
        };
        let _ = cx.undo(inverse).await?;
        let kind = if secure { ParameterType::SecureString } else { ParameterType::String };
        let asked = client.ssm().put_parameter().name(&self.name).value(&self.value).r#type(kind);
        let asked = asked.overwrite(was.is_some()).send();
        let put =
            client.call("ssm:PutParameter", &format!("setting the parameter `{}`", self.name), asked).await?;
        Ok(PutParameter { changed: true, version: put.version() })
    }
}
