//! What an account has, in the words of an estate file.

use opsrun_aws_simulator::{
    CacheSection, CacheSnapshotSection, ClusterSection, InstanceSection, NodeGroupSection, RecordSection,
    RegionSection, SnapshotSection, Taken, ZoneSection,
};
use opsrun_core::{Cx, Error, Original, Result, Span};

use crate::client::Client;
use crate::elasticache;
use crate::rds;
use crate::route53;

/// Everything that has to be known of the real thing when one service is written to: by its service.
pub(super) async fn services(
    original: &Original,
    service: &str,
    region: &str,
) -> Result<Vec<(&'static str, Taken)>> {
    let cx = original.cx().clone();
    let (service, region) = (service.to_owned(), region.to_owned());
    original
        .ask(async move {
            let taken = of_service(&cx, &service, &region).await?;
            Ok(match service.as_str() {
                // The groups of nodes are in both.
                "autoscaling" | "eks" => vec![("eks", taken.clone()), ("autoscaling", taken)],
                "elasticache" => vec![("elasticache", taken)],
                "rds" => vec![("rds", taken)],
                "route53" => vec![("route53", taken)],
                _ => Vec::new(),
            })
        })
        .await
}

/// # Errors
/// `Invalid` for a service of which that cannot be told; those of asking.
pub(super) async fn of_service(cx: &Cx, service: &str, region: &str) -> Result<Taken> {
    let mut taken = Taken { region: region.to_owned(), ..Taken::default() };
    match service {
        "autoscaling" | "eks" => taken.content = clusters(&Client::new(cx, Some(region))?).await?,
        "elasticache" => taken.content = caches(&Client::new(cx, Some(region))?).await?,
        "rds" => taken.content = databases(&Client::new(cx, Some(region))?).await?,
        "route53" => taken.zones = zones(&Client::new(cx, None)?).await?,
        service => {
            return Err(Error::invalid(format!(
                "what a write to `{service}` would do cannot be planned yet"
            ))
            .hint("rehearse the playbook: `opsrun rehearse`"));
        }
    }
    Ok(taken)
}

async fn clusters(client: &Client) -> Result<RegionSection> {
    let mut region = RegionSection::default();
    let vcpus = client.quotas().get_service_quota().service_code("ec2").quota_code("L-1216C47A").send();
    let vcpus =
        client.call("servicequotas:GetServiceQuota", "asking how many processors may run", vcpus).await;
    // Who may not ask that plans without it.
    region.vcpus = vcpus.ok().and_then(|answer| {
        let value = answer.quota()?.value()?;
        format!("{value:.0}").parse().ok()
    });
    let tried = format!("listing the clusters of {}", client.region());
    let mut next = None;
    loop {
        let page = client.eks().list_clusters().set_next_token(next).send();
        let page = client.call("eks:ListClusters", &tried, page).await?;
        for name in page.clusters() {
            region.clusters.insert(name.clone(), cluster(client, name).await?);
        }
        next = page.next_token;
        if next.is_none() {
            return Ok(region);
        }
    }
}

async fn cluster(client: &Client, name: &str) -> Result<ClusterSection> {
    let found = crate::primitives::eks::cluster(client, name).await?;
    let mut section = ClusterSection { version: Some(found.version), ..ClusterSection::default() };
    for group in crate::primitives::eks::group_names(client, name).await? {
        let found = crate::primitives::eks::node_group(client, name, &group).await?;
        let number = |number: i32| u32::try_from(number).unwrap_or_default();
        section.node_groups.insert(
            group,
            NodeGroupSection {
                min: number(found.min),
                max: number(found.max),
                desired: number(found.desired),
                scaling_group: found.scaling_groups.into_iter().next(),
                ..NodeGroupSection::of_type(found.instance_types.into_iter().next())
            },
        );
    }
    Ok(section)
}

/// Without what is in them: nobody asks RDS for rows.
async fn databases(client: &Client) -> Result<RegionSection> {
    let mut region = RegionSection::default();
    let now = client.cx().now();
    for found in rds::instances(client).await? {
        let number = |number: i32| u32::try_from(number).unwrap_or_default();
        let age = found.created.as_deref().and_then(|created| created.parse::<jiff::Timestamp>().ok());
        let age = age.and_then(|created| std::time::Duration::try_from(now.duration_since(created)).ok());
        let section = InstanceSection {
            class: found.class,
            engine: found.engine,
            version: found.version,
            storage: number(found.storage),
            multi_az: found.multi_az,
            zone: found.zone,
            retention: number(found.backup_retention),
            protected: found.deletion_protection,
            encrypted: found.encrypted,
            database: found.database,
            tags: found.tags,
            age: age.map(Span::from).unwrap_or_default(),
            replica_of: found.replica_of.map(|source| of_arn(&source)),
            ..InstanceSection::default()
        };
        region.rds.instances.insert(found.name, section);
    }
    for found in rds::snapshots(client, None, None).await? {
        // Those of databases that are gone cannot be told with what they were of.
        if !region.rds.instances.contains_key(&found.instance) {
            continue;
        }
        let section = SnapshotSection {
            of: found.instance,
            age: found.age.unwrap_or_default(),
            automated: found.kind == "automated",
            tags: found.tags,
        };
        region.rds.snapshots.insert(found.name, section);
    }
    Ok(region)
}

/// Without the keys that are in them.
async fn caches(client: &Client) -> Result<RegionSection> {
    let mut region = RegionSection::default();
    let now = client.cx().now();
    for found in elasticache::caches(client).await? {
        let name = found.name;
        let Some(found) = elasticache::whole(client, &name).await? else { continue };
        if found.shards.len() > 1 {
            let message = format!(
                "{name} has several shards: what a write to `elasticache` would do cannot be planned"
            );
            return Err(Error::invalid(message).hint("rehearse the playbook: `opsrun rehearse`"));
        }
        let usual = CacheSection::default();
        let age = found.created.as_deref().and_then(|created| created.parse::<jiff::Timestamp>().ok());
        let age = age.and_then(|created| std::time::Duration::try_from(now.duration_since(created)).ok());
        let section = CacheSection {
            replicas: u32::try_from(found.replicas()).unwrap_or_default(),
            node_type: found.node_type,
            engine: found.engine,
            version: found.version.unwrap_or(usual.version),
            automatic_failover: Some(found.automatic_failover),
            retention: u32::try_from(found.snapshot_retention).unwrap_or_default(),
            port: found.port.and_then(|port| u16::try_from(port).ok()).unwrap_or(usual.port),
            description: found.description,
            subnet_group: found.subnet_group,
            security_groups: found.security_groups,
            tags: found.tags,
            age: age.map(Span::from).unwrap_or_default(),
            ..CacheSection::default()
        };
        region.elasticache.groups.insert(name, section);
    }
    for found in elasticache::snapshots(client, None).await? {
        // Those of caches that are gone cannot be told with what they were of.
        if !region.elasticache.groups.contains_key(&found.cache) {
            continue;
        }
        let section = CacheSnapshotSection {
            of: found.cache,
            age: found.age.unwrap_or_default(),
            automated: found.kind == "automated",
            tags: std::collections::BTreeMap::new(),
        };
        region.elasticache.snapshots.insert(found.name, section);
    }
    Ok(region)
}

/// `REGION/NAME` of a database's ARN; a name is one of the same region.
fn of_arn(source: &str) -> String {
    let parts: Vec<&str> = source.split(':').collect();
    match parts.as_slice() {
        ["arn", _, _, region, _, _, name] => format!("{region}/{name}"),
        _ => source.to_owned(),
    }
}

async fn zones(client: &Client) -> Result<std::collections::BTreeMap<String, ZoneSection>> {
    let mut zones = std::collections::BTreeMap::new();
    let tried = "listing the hosted zones";
    let mut marker = None;
    loop {
        let page = client.route53().list_hosted_zones().set_marker(marker).send();
        let page = client.call("route53:ListHostedZones", tried, page).await?;
        for zone in page.hosted_zones() {
            let id = zone.id().trim_start_matches("/hostedzone/");
            let mut section = ZoneSection { id: Some(id.to_owned()), records: Vec::new() };
            for record in route53::Zone::find(client, id).await?.records(None).await? {
                section.records.push(of_record(record));
            }
            zones.insert(zone.name().to_owned(), section);
        }
        marker = page.next_marker;
        if marker.is_none() {
            return Ok(zones);
        }
    }
}

fn of_record(record: route53::Record) -> RecordSection {
    RecordSection {
        name: record.name,
        kind: record.r#type,
        ttl: record.ttl,
        values: record.values,
        id: record.id,
        weight: record.weight,
        failover: record.failover,
        health_check: record.health_check,
        alias: record.alias.map(|alias| opsrun_aws_simulator::AliasSection {
            name: alias.name,
            zone: alias.zone,
            evaluate_health: alias.evaluate_health,
        }),
    }
}
