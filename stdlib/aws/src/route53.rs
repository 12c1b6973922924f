//! Hosted zones and sets of records, in a form that playbooks and inverses carry about.

use aws_sdk_route53::types::{
    AliasTarget, Change, ChangeAction, ChangeBatch, ChangeStatus, ResourceRecord, ResourceRecordSet,
    ResourceRecordSetFailover, RrType,
};
use opsrun_core::{Error, ErrorKind, Result, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::Client;

const EVERY: Span = Span::from_secs(5);
/// In seconds, where a set says nothing.
const USUAL_TTL: u32 = 60;

/// A set of records: a name, and what it leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    /// `www.example.com`
    pub(crate) name: String,
    /// `A`, `CNAME`, …
    pub(crate) r#type: String,
    /// For how many seconds others may keep it; not for an alias.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ttl: Option<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) values: Vec<String>,
    /// Tells apart sets of one name: those with weights, and the two of a failover.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    /// From 0 to 255: how often it is given, beside the others of its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) weight: Option<u8>,
    /// `PRIMARY` or `SECONDARY`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failover: Option<String>,
    /// The id of a health check that decides whether it is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) health_check: Option<String>,
    /// Another name at AWS, such as a load balancer's, instead of values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) alias: Option<Alias>,
}

/// Where an alias leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Alias {
    /// `my-balancer-1234.us-west-2.elb.amazonaws.com`
    pub(crate) name: String,
    /// The id of that name's own zone.
    pub(crate) zone: String,
    /// Whether the target's health decides.
    #[serde(default)]
    pub(crate) evaluate_health: bool,
}

impl Record {
    pub(crate) fn is_named(&self, name: &str, kind: &str, id: Option<&str>) -> bool {
        same_name(&self.name, name) && self.r#type.eq_ignore_ascii_case(kind) && self.id.as_deref() == id
    }

    /// Whether it says the same: names and types in small letters or large, with the usual time to live or without, its values in
    /// any order.
    pub(crate) fn is_like(&self, other: &Record) -> bool {
        let alike = |record: &Record| {
            let mut record = record.clone();
            record.name = shown_name(&record.name).to_ascii_lowercase();
            record.r#type = record.r#type.to_ascii_uppercase();
            record.ttl = record.alias.is_none().then(|| record.ttl.unwrap_or(USUAL_TTL));
            record.values.sort_unstable();
            if let Some(alias) = &mut record.alias {
                alias.name = shown_name(&alias.name).to_ascii_lowercase();
            }
            record
        };
        alike(self) == alike(other)
    }

    /// `www.example.com A blue`
    pub(crate) fn shown(&self) -> String {
        let id = self.id.as_ref().map(|id| format!(" {id}")).unwrap_or_default();
        format!("{} {}{id}", self.name, self.r#type)
    }

    /// # Errors
    /// `Invalid` for a set of a kind that would lose something on the way.
    fn read(set: &ResourceRecordSet) -> Result<Self> {
        let more = set.geo_location().is_some()
            || set.geo_proximity_location().is_some()
            || set.cidr_routing_config().is_some()
            || set.region().is_some()
            || set.multi_value_answer().is_some()
            || set.traffic_policy_instance_id().is_some();
        if more {
            return Err(Error::invalid(format!(
                "{} {} is given by place, latency, network or traffic policy: such sets are not changed by opsrun",
                set.name(),
                set.r#type().as_str()
            )));
        }
        Ok(Record {
            name: shown_name(set.name()),
            r#type: set.r#type().as_str().to_owned(),
            ttl: set.ttl().and_then(|ttl| u32::try_from(ttl).ok()),
            values: set.resource_records().iter().map(|record| record.value().to_owned()).collect(),
            id: set.set_identifier().map(str::to_owned),
            weight: set.weight().and_then(|weight| u8::try_from(weight).ok()),
            failover: set.failover().map(|failover| failover.as_str().to_owned()),
            health_check: set.health_check_id().map(str::to_owned),
            alias: set.alias_target().map(|alias| Alias {
                name: shown_name(alias.dns_name()),
                zone: alias.hosted_zone_id().to_owned(),
                evaluate_health: alias.evaluate_target_health(),
            }),
        })
    }

    fn written(&self) -> Result<ResourceRecordSet> {
        let wrong = |error: &dyn std::fmt::Display| Error::invalid(format!("{}: {error}", self.shown()));
        if self.values.is_empty() == self.alias.is_none() {
            return Err(wrong(&"it needs `values` or an `alias`, and not both"));
        }
        let mut set = ResourceRecordSet::builder()
            .name(&self.name)
            .r#type(RrType::from(self.r#type.to_ascii_uppercase().as_str()))
            .set_set_identifier(self.id.clone())
            .set_weight(self.weight.map(i64::from))
            .set_failover(self.failover.as_deref().map(ResourceRecordSetFailover::from))
            .set_health_check_id(self.health_check.clone());
        if let Some(alias) = &self.alias {
            let alias = AliasTarget::builder()
                .dns_name(&alias.name)
                .hosted_zone_id(&alias.zone)
                .evaluate_target_health(alias.evaluate_health)
                .build();
            set = set.alias_target(alias.map_err(|error| wrong(&error))?);
        } else {
            set = set.ttl(i64::from(self.ttl.unwrap_or(USUAL_TTL)));
            for value in &self.values {
                let record = ResourceRecord::builder().value(value).build();
                set = set.resource_records(record.map_err(|error| wrong(&error))?);
            }
        }
        set.build().map_err(|error| wrong(&error))
    }
}

/// Names end with a dot or not, and have `*` as `\052` or not.
fn same_name(one: &str, other: &str) -> bool {
    shown_name(one).eq_ignore_ascii_case(&shown_name(other))
}

fn shown_name(name: &str) -> String {
    name.trim_end_matches('.').replace("\\052", "*")
}

/// A zone of the account.
pub(crate) struct Zone<'c> {
    client: &'c Client,
    id: String,
    pub(crate) domain: String,
}

impl<'c> Zone<'c> {
    /// The public zone of this domain; an id is taken as it is.
    ///
    /// # Errors
    /// `NotFound`; those of asking.
    pub(crate) async fn find(client: &'c Client, domain: &str) -> Result<Self> {
        let tried = format!("looking for the hosted zone `{domain}`");
        if domain.starts_with('Z') && !domain.contains('.') {
            return Ok(Zone { client, id: domain.to_owned(), domain: domain.to_owned() });
        }
        let asked = client.route53().list_hosted_zones_by_name().dns_name(domain).send();
        let answer = client.call("route53:ListHostedZonesByName", &tried, asked).await?;
        let mut zones = answer.hosted_zones().iter().filter(|zone| same_name(zone.name(), domain));
        let public = zones.find(|zone| zone.config().is_none_or(|config| !config.private_zone()));
        let zone = public.ok_or_else(|| {
            Error::not_found(format!("the account has no public hosted zone `{domain}`"))
                .hint("name the zone's domain, as in `example.com`, or its id")
        })?;
        let id = zone.id().trim_start_matches("/hostedzone/").to_owned();
        Ok(Zone { client, id, domain: shown_name(zone.name()) })
    }

    /// All sets of a name, or of the zone.
    ///
    /// # Errors
    /// Those of asking.
    pub(crate) async fn records(&self, name: Option<&str>) -> Result<Vec<Record>> {
        let tried = format!("listing the records of `{}`", self.domain);
        let mut found = Vec::new();
        let mut from = name.map(|name| (name.to_owned(), None, None));
        loop {
            let mut asked = self.client.route53().list_resource_record_sets().hosted_zone_id(&self.id);
            if let Some((name, kind, id)) = from {
                asked =
                    asked.start_record_name(name).set_start_record_type(kind).set_start_record_identifier(id);
            }
            let page = self.client.call("route53:ListResourceRecordSets", &tried, asked.send()).await?;
            for set in page.resource_record_sets() {
                if name.is_some_and(|name| !same_name(name, set.name())) {
                    return Ok(found);
                }
                found.push(Record::read(set)?);
            }
            if !page.is_truncated() {
                return Ok(found);
            }
            from = page.next_record_name().map(|name| {
                let id = page.next_record_identifier().map(str::to_owned);
                (name.to_owned(), page.next_record_type().cloned(), id)
            });
        }
    }

    /// # Errors
    /// Those of asking.
    pub(crate) async fn record(&self, name: &str, kind: &str, id: Option<&str>) -> Result<Option<Record>> {
        Ok(self.records(Some(name)).await?.into_iter().find(|record| record.is_named(name, kind, id)))
    }

    /// Puts these in the place of what is there, in one change; returns its id.
    ///
    /// # Errors
    /// `Invalid` for what cannot be a set; those of asking.
    pub(crate) async fn put(&self, records: &[Record]) -> Result<String> {
        self.change(ChangeAction::Upsert, records).await
    }

    /// # Errors
    /// As [`Zone::put`].
    pub(crate) async fn delete(&self, record: &Record) -> Result<String> {
        self.change(ChangeAction::Delete, std::slice::from_ref(record)).await
    }

    async fn change(&self, action: ChangeAction, records: &[Record]) -> Result<String> {
        let named: Vec<String> = records.iter().map(Record::shown).collect();
        let tried = format!("changing {} of `{}`", named.join(", "), self.domain);
        let wrong = |error: &dyn std::fmt::Display| Error::invalid(format!("{tried}: {error}"));
        let mut batch = ChangeBatch::builder();
        for record in records {
            let change =
                Change::builder().action(action.clone()).resource_record_set(record.written()?).build();
            batch = batch.changes(change.map_err(|error| wrong(&error))?);
        }
        let batch = batch.build().map_err(|error| wrong(&error))?;
        let asked = self
            .client
            .route53()
            .change_resource_record_sets()
            .hosted_zone_id(&self.id)
            .change_batch(batch)
            .send();
        let answer = self.client.call("route53:ChangeResourceRecordSets", &tried, asked).await?;
        let id = answer.change_info().map(|info| info.id()).unwrap_or_default();
        Ok(id.trim_start_matches("/change/").to_owned())
    }

    /// Waits until all of AWS's servers have a change.
    ///
    /// # Errors
    /// `Timeout`; those of asking.
    pub(crate) async fn in_sync(&self, change: &str, within: Span) -> Result<()> {
        let cx = self.client.cx();
        let done = cx.wait(within, EVERY, || async {
            let asked = self.client.route53().get_change().id(change).send();
            let tried = format!("asking whether all servers have the change of `{}`", self.domain);
            // One that was just made may not be known everywhere yet.
            let answer = self.client.find("route53:GetChange", &tried, asked).await?;
            let status = answer.as_ref().and_then(|answer| Some(answer.change_info()?.status().clone()));
            cx.progress(format!("{}: waiting until all servers have the change", self.domain));
            Ok((status == Some(ChangeStatus::Insync)).then_some(()))
        });
        done.await?.ok_or_else(|| {
            let message =
                format!("`{}`: not all servers have the change {change} after {within}", self.domain);
            Error::new(ErrorKind::Timeout, message).hint("it takes about a minute; AWS goes on with it")
        })
    }
}
