use opsrun_core::{Cx, Effect, Error, ErrorKind, Inverse, Primitive, Result, Span, Undo, Value};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::client::{Client, unless_outdated};
use crate::rds::{self, Database, InstanceName};

/// Makes the standby of a database the one that is used, and waits until it is available.
///
/// It cannot be reached meanwhile, for one or two minutes. With `to` nothing is done if it is in that zone already. Undo fails over
/// again.
///
/// ```rhai
/// let over = rds::failover("workflow-prod");
/// log(`from ${over.from} to ${over.to}`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Failover {
    /// The instance's name; it has a standby (`multi_az`).
    #[arg(positional)]
    instance: InstanceName,
    /// The zone where it is to be; the standby's if left out.
    to: Option<String>,
    /// How long to wait until it is available (1 hour).
    wait: Option<Span>,
    /// Its region; the target's if left out.
    region: Option<String>,
}

/// Where a database went.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct FailedOver {
    /// It went elsewhere now, and was not there already.
    changed: bool,
    /// The zone.
    from: String,
    to: String,
}

const PATH: &str = "rds::failover";

impl Primitive for Failover {
    const PATH: &'static str = PATH;
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(PATH);
    type Out = FailedOver;

    async fn run(self, cx: &Cx) -> Result<FailedOver> {
        match unless_outdated(cx, rds::OUTDATED, self.once(cx).await).await? {
            Some(done) => Ok(done),
            None => self.once(cx).await,
        }
    }
}

impl Failover {
    async fn once(&self, cx: &Cx) -> Result<FailedOver> {
        let client = Client::new(cx, self.region.as_deref())?;
        let within = self.wait.unwrap_or(rds::WITHIN);
        let name = self.instance.as_str();
        rds::needed_instance(&client, name).await?;
        let found = rds::ready_instance(&client, name, within).await?;
        let zone = zone(&found)?;
        // A run that broke off has written down where it was.
        let recorded = cx.broken_off().and_then(|before| before.inverses.first());
        if let Some(Inverse::Call { args, .. }) = recorded
            && let Some(from) = args.get("to").and_then(Value::as_str)
            && from != zone
        {
            return Ok(FailedOver { changed: true, from: from.to_owned(), to: zone });
        }
        if self.to.as_ref() == Some(&zone) {
            return Ok(FailedOver { changed: false, from: zone.clone(), to: zone });
        }
        if !found.multi_az {
            let message = format!("{name} has no standby that it could fail over to: it is in {zone} alone");
            return Err(Error::new(ErrorKind::Conflict, message)
                .hint("`rds::modify` with `multi_az: true, apply_immediately: true` gives it one"));
        }
        if let (Some(to), Some(standby)) = (&self.to, &found.secondary_zone)
            && to != standby
        {
            return Err(Error::invalid(format!(
                "{name} cannot fail over to {to}: its standby is in {standby}"
            )));
        }
        let inverse = json!({ "instance": name, "to": zone, "region": client.region() });
        let _ = cx.undo(Inverse::call(PATH, inverse)).await?;
        let asked =
            client.rds().reboot_db_instance().db_instance_identifier(name).force_failover(true).send();
        client.call("rds:RebootDBInstance", &format!("failing over {name} from {zone}"), asked).await?;
        let is_over = |found: Option<&Database>| {
            found.is_none_or(|found| found.is_settled() && found.zone.as_ref() != Some(&zone))
        };
        let over = rds::while_waiting(&client, name, within, is_over).await?;
        let gone = || Error::not_found(format!("the database {name} is gone: somebody has deleted it"));
        let to = self::zone(&over.ok_or_else(gone)?)?;
        Ok(FailedOver { changed: true, from: zone, to })
    }
}

fn zone(found: &Database) -> Result<String> {
    let none = || Error::failed(format!("AWS does not say in which zone {} is", found.name));
    found.zone.clone().ok_or_else(none)
}
