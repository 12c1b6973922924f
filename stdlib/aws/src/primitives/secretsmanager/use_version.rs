use opsrun_core::{Cx, Effect, Inverse, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::describe::{Secret, describe};
use super::put::PutSecret;
use crate::client::{Client, unless_outdated};

/// Makes an earlier version of a secret the one that is used.
///
/// AWS keeps the version that was used before, and those that bear a label. If the version is used already, nothing is done.
///
/// ```rhai
/// let about = secretsmanager::describe("app/db");
/// secretsmanager::use_version("app/db", about.previous);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct UseVersion {
    /// The secret's name or its ARN.
    #[arg(positional)]
    secret: String,
    /// The version's identifier.
    #[arg(positional)]
    version: String,
    /// The secret's region; the target's if left out.
    region: Option<String>,
}

pub(super) const PATH: &str = "secretsmanager::use_version";

/// A rotation that goes on is waited for so long: its version would be used after this one.
const ROTATED_WITHIN: Span = Span::from_secs(600);
const EVERY: Span = Span::from_secs(5);

impl Primitive for UseVersion {
    const PATH: &'static str = PATH;
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(PATH);
    type Out = PutSecret;

    async fn run(self, cx: &Cx) -> Result<PutSecret> {
        match unless_outdated(cx, &["InvalidParameterException"], self.once(cx).await).await? {
            Some(done) => Ok(done),
            None => self.once(cx).await,
        }
    }
}

impl UseVersion {
    async fn once(&self, cx: &Cx) -> Result<PutSecret> {
        let client = Client::new(cx, self.region.as_deref())?;
        let found = self.settled(&client).await?;
        if found.current.as_ref() == Some(&self.version) {
            let changed = cx.broken_off().is_some_and(|before| before.wrote);
            return Ok(PutSecret { changed, version: self.version.clone(), previous: found.previous });
        }
        if let Some(former) = &found.current {
            let inverse = json!({ "secret": self.secret, "version": former, "region": client.region() });
            let _ = cx.undo(Inverse::call(PATH, inverse)).await?;
        } else {
            let _ = cx.undo(Inverse::none("no version of it was used before")).await?;
        }
        let asked = client.secretsmanager().update_secret_version_stage().secret_id(&self.secret);
        let asked = asked.version_stage("AWSCURRENT").move_to_version_id(&self.version);
        let asked = asked.set_remove_from_version_id(found.current.clone()).send();
        let tried = format!("using the version {} of the secret `{}`", self.version, self.secret);
        client.call("secretsmanager:UpdateSecretVersionStage", &tried, asked).await?;
        Ok(PutSecret { changed: true, version: self.version.clone(), previous: found.current })
    }
}

impl UseVersion {
    async fn settled(&self, client: &Client) -> Result<Secret> {
        let settled = client.cx().wait(ROTATED_WITHIN, EVERY, async || {
            let found = describe(client, &self.secret).await?;
            if found.pending.is_some() {
                client.cx().progress(format!("the secret `{}` is being rotated", self.secret));
            }
            Ok(Some(found).filter(|found| found.pending.is_none()))
        });
        match settled.await? {
            Some(found) => Ok(found),
            // One that has failed leaves its version behind.
            None => describe(client, &self.secret).await,
        }
    }
}
