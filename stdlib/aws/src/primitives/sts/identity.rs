use opsrun_core::{Cx, Effect, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::Client;

/// Tells which account a run is signed in to, and as whom.
///
/// If the target says that it is another account, nothing is asked of AWS, here as everywhere.
///
/// ```rhai
/// let who = sts::identity();
/// log(`account ${who.account} as ${who.arn}`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct GetIdentity {
    /// Ask in this region; the target's if left out.
    region: Option<String>,
}

/// Who somebody is to AWS.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Identity {
    /// Its number, of 12 digits.
    pub(crate) account: String,
    pub(crate) arn: String,
    pub(crate) region: String,
}

impl Primitive for GetIdentity {
    const PATH: &'static str = "sts::identity";
    const EFFECT: Effect = Effect::Read;
    type Out = Identity;

    async fn run(self, cx: &Cx) -> Result<Identity> {
        identity(&Client::new(cx, self.region.as_deref())?).await
    }
}

/// # Errors
/// Those of signing in.
pub(crate) async fn identity(client: &Client) -> Result<Identity> {
    let asked = client.sts().get_caller_identity().send();
    let answer = client.call("sts:GetCallerIdentity", "asking who we are", asked).await?;
    Ok(Identity {
        account: answer.account().unwrap_or_default().to_owned(),
        arn: answer.arn().unwrap_or_default().to_owned(),
        region: client.region().to_owned(),
    })
}
