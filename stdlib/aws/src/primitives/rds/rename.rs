use opsrun_core::{Cx, Effect, Error, ErrorKind, Inverse, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::client::{Client, unless_outdated};
use crate::rds::{self, Database, InstanceName, Made};

/// Gives a database another name, and so another address, and waits until it is available under it.
///
/// So a restored database is put in the place of the one that it replaces: first that one gives its name free. If there is none of the
/// old name, and one of the new, nothing is done. Undo gives it its old name.
///
/// ```rhai
/// rds::rename("workflow-prod", "workflow-broken");
/// rds::rename("workflow-restored", "workflow-prod");
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Rename {
    /// The instance's name.
    #[arg(positional)]
    instance: InstanceName,
    /// Its new name.
    #[arg(positional)]
    to: InstanceName,
    /// How long to wait until it is available (1 hour).
    wait: Option<Span>,
    /// Its region; the target's if left out.
    region: Option<String>,
}

const PATH: &str = "rds::rename";

impl Primitive for Rename {
    const PATH: &'static str = PATH;
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(PATH);
    type Out = Made;

    async fn run(self, cx: &Cx) -> Result<Made> {
        match unless_outdated(cx, rds::OUTDATED, self.once(cx).await).await? {
            Some(done) => Ok(done),
            None => self.once(cx).await,
        }
    }
}

impl Rename {
    async fn once(&self, cx: &Cx) -> Result<Made> {
        let client = Client::new(cx, self.region.as_deref())?;
        let within = self.wait.unwrap_or(rds::WITHIN);
        let (from, to) = (self.instance.as_str(), self.to.as_str());
        if from == to {
            return Err(Error::invalid(format!("`rds::rename`: {from} is its name already")));
        }
        // What is just being given another name has both for a while.
        let is_clear = |found: Option<&Database>| {
            found.is_none_or(|found| found.is_settled() && !found.pending.contains_key("name"))
        };
        // Either way round: when the one name is free, it is just coming up under the other.
        rds::while_waiting(&client, to, within, is_clear).await?;
        let old = rds::while_waiting(&client, from, within, is_clear).await?;
        let new = rds::while_waiting(&client, to, within, is_clear).await?;
        let was_there = match (old, new) {
            (Some(_), Some(_)) => {
                let message =
                    format!("{from} cannot be renamed to {to}: there is another database of that name");
                return Err(Error::new(ErrorKind::Conflict, message)
                    .hint(format!("first give that one another name: `rds::rename(\"{to}\", …)`")));
            }
            (None, None) => {
                rds::needed_instance(&client, from).await?;
                false
            }
            (None, Some(_)) => true,
            (Some(_), None) => false,
        };
        if !was_there {
            let inverse = json!({ "instance": to, "to": from, "region": client.region() });
            let _ = cx.undo(Inverse::call(PATH, inverse)).await?;
            let asked = client.rds().modify_db_instance().db_instance_identifier(from);
            let asked = asked.new_db_instance_identifier(to).apply_immediately(true).send();
            client.call("rds:ModifyDBInstance", &format!("renaming {from} to {to}"), asked).await?;
            let arrived = |found: Option<&Database>| found.is_some_and(Database::is_settled);
            rds::while_waiting(&client, to, within, arrived).await?;
        }
        rds::finished(&client, to, was_there, within).await
    }
}
