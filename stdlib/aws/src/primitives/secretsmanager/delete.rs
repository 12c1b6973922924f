use opsrun_core::{Cx, Effect, Error, ErrorKind, Inverse, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::restore;
use crate::client::Client;

/// Deletes a secret; for some days it can be brought back.
///
/// One that is being deleted already, or is not there, is left alone. Undo brings it back.
///
/// ```rhai
/// let gone = secretsmanager::delete("app/old", #{ recovery: 7.d });
/// log(`it can be brought back until ${gone.gone_at}`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Delete {
    /// Its name or its ARN.
    #[arg(positional)]
    secret: String,
    /// For how long it can be brought back: from 7 to 30 days (30).
    recovery: Option<Span>,
    /// Delete it at once, so that nothing brings it back.
    #[serde(default)]
    for_good: bool,
    /// Its region; the target's if left out.
    region: Option<String>,
}

/// What became of a secret that was to be deleted.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Deleted {
    /// It was in use until now.
    changed: bool,
    /// Until when it can be brought back.
    gone_at: Option<String>,
}

pub(super) const PATH: &str = "secretsmanager::delete";
const DAY: u64 = 24 * 3600;

impl Primitive for Delete {
    const PATH: &'static str = PATH;
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(restore::PATH);
    type Out = Deleted;

    async fn run(self, cx: &Cx) -> Result<Deleted> {
        let days = self.days()?;
        let client = Client::new(cx, self.region.as_deref())?;
        let ours = cx.broken_off().is_some_and(|before| before.wrote);
        match restore::deletion(&client, &self.secret).await {
            Ok(None) => {}
            Ok(Some(_)) if self.for_good => {}
            Ok(Some(at)) => return Ok(Deleted { changed: ours, gone_at: Some(at.to_string()) }),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Deleted { changed: ours, gone_at: None });
            }
            Err(error) => return Err(error),
        }
        let inverse = match self.for_good {
            true => Inverse::none(format!("the secret `{}` was deleted for good", self.secret)),
            false => {
                let arguments = json!({ "secret": self.secret, "region": client.region() });
                Inverse::call(restore::PATH, arguments)
            }
        };
        let _ = cx.undo(inverse).await?;
        let asked = client.secretsmanager().delete_secret().secret_id(&self.secret);
        let asked = match self.for_good {
            true => asked.force_delete_without_recovery(true),
            false => asked.set_recovery_window_in_days(days),
        };
        let tried = format!("deleting the secret `{}`", self.secret);
        let done = client.call("secretsmanager:DeleteSecret", &tried, asked.send()).await?;
        let gone_at = done.deletion_date().filter(|_| !self.for_good).and_then(crate::rds::time);
        Ok(Deleted { changed: true, gone_at: gone_at.map(|at| at.to_string()) })
    }
}

impl Delete {
    fn days(&self) -> Result<Option<i64>> {
        let Some(recovery) = self.recovery else { return Ok(None) };
        let seconds = recovery.duration().as_secs();
        if self.for_good {
            return Err(Error::invalid("it is deleted either with `recovery` or `for_good`"));
        }
        if !seconds.is_multiple_of(DAY) || !(7..=30).contains(&(seconds / DAY)) {
            return Err(Error::invalid(format!("`recovery`: {recovery} is not 7 to 30 whole days")));
        }
        Ok(i64::try_from(seconds / DAY).ok())
    }
}
