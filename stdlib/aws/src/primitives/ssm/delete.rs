use opsrun_core::{Cx, Effect, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::put::{self, back, held};
use crate::client::Client;

/// Deletes a parameter of Systems Manager.
///
/// If there is none of this name, nothing is done. Undo sets it as it was; its value is sealed in the journal.
///
/// ```rhai
/// ssm::delete("/app/old-image");
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Delete {
    /// Its name.
    #[arg(positional)]
    name: String,
    /// Its region; the target's if left out.
    region: Option<String>,
}

/// What became of a parameter that was to be deleted.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct DeletedParameter {
    /// It was there until now.
    changed: bool,
}

pub(super) const PATH: &str = "ssm::delete";

impl Primitive for Delete {
    const PATH: &'static str = PATH;
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(put::PATH);
    type Out = DeletedParameter;

    async fn run(self, cx: &Cx) -> Result<DeletedParameter> {
        let client = Client::new(cx, self.region.as_deref())?;
        let Some(was) = held(&client, &self.name).await? else {
            return Ok(DeletedParameter { changed: cx.broken_off().is_some_and(|before| before.wrote) });
        };
        if was.secure {
            cx.hide(&self.name, &was.value);
        }
        let _ = cx.undo(back(&client, &self.name, &was)).await?;
        let asked = client.ssm().delete_parameter().name(&self.name).send();
        let tried = format!("deleting the parameter `{}`", self.name);
        client.find("ssm:DeleteParameter", &tried, asked).await?;
        Ok(DeletedParameter { changed: true })
    }
}
