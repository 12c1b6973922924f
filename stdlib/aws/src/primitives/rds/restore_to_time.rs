use std::collections::BTreeMap;

use jiff::Timestamp;
use opsrun_core::{Cx, Effect, Error, ErrorKind, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use super::delete;
use crate::client::Client;
use crate::rds::{self, Database, InstanceName, Made, Shape};

/// Makes a database of another one as it was at a moment.
///
/// The moment is `time`, or with `latest: true` the newest that there is. AWS stores what was written every five minutes, so a moment
/// that has just been is waited for. What is left out of class and network is as it is with the source. If there is a database of this
/// name made of the same already, nothing is done, and another one is an error. Undo deletes it.
///
/// ```rhai
/// rds::restore_to_time("workflow-prod", "workflow-restored", #{ time: "2026-03-02T03:10:00Z" });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct RestoreToTime {
    /// The instance that it is made of.
    #[arg(positional)]
    source: InstanceName,
    /// How the new database is called.
    #[arg(positional)]
    instance: InstanceName,
    /// The moment, such as `2026-03-02T03:10:00Z`.
    time: Option<String>,
    /// The newest moment that there is.
    #[serde(default)]
    latest: bool,
    /// Its class, such as `db.r6g.large`.
    class: Option<String>,
    /// With a standby in another zone.
    multi_az: Option<bool>,
    /// Its zone, if it has no standby.
    zone: Option<String>,
    /// Its network.
    subnet_group: Option<String>,
    /// Who may reach it.
    security_groups: Option<Vec<String>>,
    /// How its engine is set.
    parameter_group: Option<String>,
    /// It cannot be deleted before this is taken away.
    deletion_protection: Option<bool>,
    /// Tags of the database.
    #[serde(default)]
    tags: BTreeMap<String, String>,
    /// How long to wait until it is available (1 hour); `0.s` does not wait.
    wait: Option<Span>,
    /// The region of both; the target's if left out.
    region: Option<String>,
}

/// So long AWS needs at most, as it says, to store what was written.
const STORED_WITHIN: Span = Span::from_secs(15 * 60);
const EVERY: Span = Span::from_secs(20);

impl Primitive for RestoreToTime {
    const PATH: &'static str = "rds::restore_to_time";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(delete::PATH);
    type Out = Made;

    async fn run(self, cx: &Cx) -> Result<Made> {
        let moment = self.moment(cx.now())?;
        let client = Client::new(cx, self.region.as_deref())?;
        let within = self.wait.unwrap_or(rds::WITHIN);
        let name = self.instance.as_str();
        let made_from = match moment {
            Some(moment) => format!("{}@{moment}", self.source),
            None => format!("{}@latest", self.source),
        };
        let mut was_there = rds::is_made(&client, name, &made_from, within).await?;
        if !was_there {
            let source = self.stored(&client, moment).await?;
            let shape = Shape {
                class: self.class,
                multi_az: self.multi_az,
                zone: self.zone,
                subnet_group: self.subnet_group,
                security_groups: self.security_groups,
                parameter_group: self.parameter_group,
                deletion_protection: self.deletion_protection,
                tags: self.tags,
            };
            let shape = shape.like(Some(&source)).made_from(&client, &made_from);
            let _ = cx.undo(rds::unmake(&client, name, &made_from, self.deletion_protection)).await?;
            let asked = client.rds().restore_db_instance_to_point_in_time();
            let asked = asked.source_db_instance_identifier(self.source.as_str());
            let asked = asked.target_db_instance_identifier(name);
            let asked = match moment {
                Some(moment) => asked.restore_time(
                    aws_smithy_types::DateTime::from_nanos(moment.as_nanosecond())
                        .map_err(|error| Error::invalid(format!("`time`: {error}")))?,
                ),
                None => asked.use_latest_restorable_time(true),
            };
            let tried = format!(
                "restoring {} to {name}, as it was at {}",
                self.source,
                made_from.rsplit('@').next().unwrap_or_default()
            );
            let sent = async {
                let asked = rds::shaped!(asked, shape).send();
                client.call("rds:RestoreDBInstanceToPointInTime", &tried, asked).await.map(drop)
            };
            was_there = rds::make(&client, (name, &made_from), within, sent).await?;
        }
        rds::finished(&client, name, was_there, within).await
    }
}

impl RestoreToTime {
    fn moment(&self, now: Timestamp) -> Result<Option<Timestamp>> {
        let wrong = |why: String| {
            Error::invalid(format!("`rds::restore_to_time`: {why}"))
                .hint("say the moment, `#{ time: \"2026-03-02T03:10:00Z\" }`, or take the newest, `#{ latest: true }`")
        };
        match (&self.time, self.latest) {
            (Some(_), true) => Err(wrong("it is either `time` or `latest`".to_owned())),
            (None, false) => Err(wrong("nothing says which moment".to_owned())),
            (None, true) => Ok(None),
            (Some(text), false) => {
                let moment: Timestamp =
                    text.parse().map_err(|error| wrong(format!("`{text}` is no moment: {error}")))?;
                if moment > now {
                    return Err(wrong(format!("{moment} has not come yet: it is {now}")));
                }
                Ok(Some(moment))
            }
        }
    }

    /// The source, once what was written in it at the moment is stored.
    async fn stored(&self, client: &Client, moment: Option<Timestamp>) -> Result<Database> {
        let name = self.source.as_str();
        let stored = client.cx().wait(STORED_WITHIN, EVERY, async || {
            let source = rds::needed_instance(client, name).await?;
            let latest: Option<Timestamp> = source.latest_restorable.as_ref().and_then(|at| at.parse().ok());
            match (latest, moment) {
                (None, _) if source.backup_retention == 0 => {
                    let message = format!("{name} cannot be restored to a moment: it keeps no backups");
                    Err(Error::new(ErrorKind::Conflict, message).hint(
                        "`rds::modify` with `backup_retention` begins them; until then there are snapshots only",
                    ))
                }
                (Some(_), None) => Ok(Some(source)),
                (Some(latest), Some(moment)) if latest >= moment => Ok(Some(source)),
                (latest, _) => {
                    let latest = latest.map_or_else(|| "nothing yet".to_owned(), |latest| latest.to_string());
                    client.cx().progress(format!("{name}: stored until {latest}"));
                    Ok(None)
                }
            }
        });
        stored.await?.ok_or_else(|| {
            let wanted = moment.map_or_else(|| "any moment".to_owned(), |moment| moment.to_string());
            Error::new(
                ErrorKind::Timeout,
                format!("{name} cannot be restored to {wanted}: that is not stored after {STORED_WITHIN}"),
            )
        })
    }
}
