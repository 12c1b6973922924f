use opsrun_core::{Cx, Effect, Inverse, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::delete;
use crate::client::Client;

/// Brings back a secret that is being deleted.
///
/// One that is not being deleted is left alone.
///
/// ```rhai
/// let back = secretsmanager::restore("app/old");
/// log(if back.changed { "it is back" } else { "it was never gone" });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Restore {
    /// Its name or its ARN.
    #[arg(positional)]
    secret: String,
    /// Its region; the target's if left out.
    region: Option<String>,
}

/// What became of a secret that was to come back.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Restored {
    /// It was being deleted until now.
    changed: bool,
}

pub(super) const PATH: &str = "secretsmanager::restore";

impl Primitive for Restore {
    const PATH: &'static str = PATH;
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(delete::PATH);
    type Out = Restored;

    async fn run(self, cx: &Cx) -> Result<Restored> {
        let client = Client::new(cx, self.region.as_deref())?;
        if deletion(&client, &self.secret).await?.is_none() {
            return Ok(Restored { changed: cx.broken_off().is_some_and(|before| before.wrote) });
        }
        let inverse = json!({ "secret": self.secret, "region": client.region() });
        let _ = cx.undo(Inverse::call(delete::PATH, inverse)).await?;
        let asked = client.secretsmanager().restore_secret().secret_id(&self.secret).send();
        let tried = format!("bringing back the secret `{}`", self.secret);
        client.call("secretsmanager:RestoreSecret", &tried, asked).await?;
        Ok(Restored { changed: true })
    }
}

/// When a secret will be gone, or was marked to go, if it is being deleted.
///
/// # Errors
/// `NotFound`; those of AWS.
pub(super) async fn deletion(client: &Client, secret: &str) -> Result<Option<jiff::Timestamp>> {
    let asked = client.secretsmanager().describe_secret().secret_id(secret).send();
    let tried = format!("asking for the secret `{secret}`");
    let found = client.call("secretsmanager:DescribeSecret", &tried, asked).await?;
    Ok(found.deleted_date().and_then(crate::rds::time))
}
