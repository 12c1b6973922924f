use base64::Engine;
use opsrun_core::{Cx, Effect, Error, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::rds::time;

/// Gets a password for the account's registry of images.
///
/// It is good for twelve hours. The password is a secret: it is hidden wherever the run writes something out.
///
/// ```rhai
/// let login = ecr::login();
/// log(`${login.user} may pull from ${login.registry} until ${login.expires}`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Login {
    /// The registry's region; the target's if left out.
    region: Option<String>,
}

/// What signs in to a registry.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct SignedIn {
    /// `111122223333.dkr.ecr.us-west-2.amazonaws.com`
    registry: String,
    /// `AWS`
    user: String,
    password: String,
    /// Until when it is good.
    expires: Option<String>,
}

impl Primitive for Login {
    const PATH: &'static str = "ecr::login";
    const EFFECT: Effect = Effect::Read;
    type Out = SignedIn;

    async fn run(self, cx: &Cx) -> Result<SignedIn> {
        let client = Client::new(cx, self.region.as_deref())?;
        let tried = "asking for a password of the registry";
        let asked = client.ecr().get_authorization_token().send();
        let answer = client.call("ecr:GetAuthorizationToken", tried, asked).await?;
        let unusable = || Error::failed(format!("{tried}: what AWS gave is no user and password"));
        let given = answer.authorization_data().first().ok_or_else(unusable)?;
        let token = given.authorization_token().ok_or_else(unusable)?;
        cx.hide("ecr-login", token);
        let text = base64::engine::general_purpose::STANDARD.decode(token).map_err(|_| unusable())?;
        let text = String::from_utf8(text).map_err(|_| unusable())?;
        let (user, password) = text.split_once(':').ok_or_else(unusable)?;
        cx.hide("ecr-login", password);
        let registry = given.proxy_endpoint().unwrap_or_default();
        Ok(SignedIn {
            registry: registry.trim_start_matches("https://").to_owned(),
            user: user.to_owned(),
            password: password.to_owned(),
            expires: given.expires_at().and_then(time).map(|at| at.to_string()),
        })
    }
}
