use aws_sdk_ssm::types::{Parameter as Known, ParameterType};
use opsrun_core::{Cx, Effect, Error, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::Client;

/// Reads a parameter of Systems Manager.
///
/// One that is encrypted is a secret: it is had by `secret("ssm:NAME")`, which gives what stands for it.
///
/// ```rhai
/// let image = ssm::get("/app/image").value;
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Get {
    /// Its name.
    #[arg(positional)]
    name: String,
    /// Its region; the target's if left out.
    region: Option<String>,
}

/// A parameter.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    /// `()` of one that is encrypted.
    pub(crate) value: Option<String>,
    /// It is encrypted.
    pub(crate) secure: bool,
    pub(crate) version: i64,
    pub(crate) changed: Option<String>,
}

impl Primitive for Get {
    const PATH: &'static str = "ssm::get";
    const EFFECT: Effect = Effect::Read;
    type Out = Parameter;

    async fn run(self, cx: &Cx) -> Result<Parameter> {
        let client = Client::new(cx, self.region.as_deref())?;
        let asked = client.ssm().get_parameter().name(&self.name).send();
        let tried = format!("reading the parameter `{}`", self.name);
        let found = client.call("ssm:GetParameter", &tried, asked).await?;
        let found = found.parameter().map(told);
        let found = found.ok_or_else(|| Error::failed(format!("AWS tells nothing of `{}`", self.name)))?;
        match found.secure {
            false => Ok(found),
            true => {
                Err(Error::invalid(format!("the parameter `{}` is encrypted: it is a secret", self.name))
                    .hint(format!("`secret(\"ssm:{}\")` gives what stands for it", self.name)))
            }
        }
    }
}

pub(super) fn told(parameter: &Known) -> Parameter {
    let secure = parameter.r#type() == Some(&ParameterType::SecureString);
    Parameter {
        name: parameter.name().unwrap_or_default().to_owned(),
        // Not decrypted it says nothing.
        value: parameter.value().filter(|_| !secure).map(str::to_owned),
        secure,
        version: parameter.version(),
        changed: parameter.last_modified_date().and_then(crate::rds::time).map(|at| at.to_string()),
    }
}
