use std::collections::BTreeMap;

use opsrun_core::{Cx, Effect, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use super::delete;
use crate::client::Client;
use crate::rds::{self, InstanceName, Made, Shape};

/// Makes a read replica of a database, also in another region.
///
/// If there is one of this name made of this source already, nothing is done, and another database is an error. Undo deletes it.
///
/// ```rhai
/// rds::create_replica("workflow-prod", "workflow-replica", #{ source_region: "us-west-2", region: "us-east-1" });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct CreateReplica {
    /// The instance that it follows.
    #[arg(positional)]
    source: InstanceName,
    /// How the replica is called.
    #[arg(positional)]
    instance: InstanceName,
    /// The source's region; the replica's if left out.
    source_region: Option<String>,
    /// Its class; the source's if left out.
    class: Option<String>,
    /// With a standby in another zone.
    multi_az: Option<bool>,
    /// Its zone, if it has no standby.
    zone: Option<String>,
    /// Its network; in the source's region the source's if left out.
    subnet_group: Option<String>,
    /// Who may reach it.
    security_groups: Option<Vec<String>>,
    /// How its engine is set.
    parameter_group: Option<String>,
    /// Of an encrypted source in another region, the key of this region to encrypt with (`alias/aws/rds`).
    kms_key: Option<String>,
    /// It cannot be deleted before this is taken away.
    deletion_protection: Option<bool>,
    /// Tags of the replica.
    #[serde(default)]
    tags: BTreeMap<String, String>,
    /// How long to wait until it is available (1 hour); `0.s` does not wait.
    wait: Option<Span>,
    /// The replica's region; the target's if left out.
    region: Option<String>,
}

pub(super) const PATH: &str = "rds::create_replica";

impl Primitive for CreateReplica {
    const PATH: &'static str = PATH;
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(delete::PATH);
    type Out = Made;

    async fn run(self, cx: &Cx) -> Result<Made> {
        let client = Client::new(cx, self.region.as_deref())?;
        let within = self.wait.unwrap_or(rds::WITHIN);
        let name = self.instance.as_str();
        let there = self.source_region.clone().unwrap_or_else(|| client.region().to_owned());
        let elsewhere = there != client.region();
        let made_from = format!("replica:{there}/{}", self.source);
        let mut was_there = rds::is_made(&client, name, &made_from, within).await?;
        if !was_there {
            let source = Client::new(cx, Some(&there))?;
            let patience = if within.duration().is_zero() { rds::WITHIN } else { within };
            rds::needed_instance(&source, self.source.as_str()).await?;
            let original = rds::ready_instance(&source, self.source.as_str(), patience).await?;
            let mut shape = Shape {
                class: self.class.or_else(|| Some(original.class.clone())),
                multi_az: self.multi_az,
                zone: self.zone,
                subnet_group: self.subnet_group,
                security_groups: self.security_groups,
                parameter_group: self.parameter_group,
                deletion_protection: self.deletion_protection,
                tags: self.tags,
            }
            .made_from(&client, &made_from);
            if !elsewhere {
                // A replica in the same region is in the source's network anyway.
                shape.security_groups = shape
                    .security_groups
                    .or(Some(original.security_groups).filter(|groups| !groups.is_empty()));
            }
            let named = if elsewhere { original.arn.as_str() } else { self.source.as_str() };
            let asked = client.rds().create_db_instance_read_replica();
            let mut asked = asked.db_instance_identifier(name).source_db_instance_identifier(named);
            if elsewhere && original.encrypted {
                let key = self.kms_key.as_deref().unwrap_or("alias/aws/rds");
                let members = [
                    ("KmsKeyId", key),
                    ("SourceDBInstanceIdentifier", named),
                    ("DBInstanceIdentifier", name),
                ];
                let url = rds::presigned(&client, &there, "CreateDBInstanceReadReplica", &members).await?;
                asked = asked.kms_key_id(key).pre_signed_url(url);
            }
            let _ = cx.undo(rds::unmake(&client, name, &made_from, self.deletion_protection)).await?;
            let tried = format!("making the replica {name} of {} in {there}", self.source);
            let sent = async {
                let asked = rds::shaped!(asked, shape).send();
                client.call("rds:CreateDBInstanceReadReplica", &tried, asked).await.map(drop)
            };
            was_there = rds::make(&client, (name, &made_from), within, sent).await?;
        }
        rds::finished(&client, name, was_there, within).await
    }
}
