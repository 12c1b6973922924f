//! What an account has, in the words of an estate file.

mod images;
pub(super) mod objects;

use std::collections::BTreeMap;

use opsrun_aws_simulator::{
    CacheSection, CacheSnapshotSection, ClusterSection, InstanceSection, KnownParameter, NodeGroupSection,
    ParameterSection, RecordSection, RegionSection, SnapshotSection, Taken, TakenSecret, ZoneSection,
};
use opsrun_core::{Cx, Error, Original, Result, Span};

use crate::client::Client;
use crate::elasticache;
use crate::rds;
use crate::route53;

/// Services of which no more is taken over than the one thing that is written to.
pub(super) const ONE_BY_ONE: &[&str] = &["ecr", "secretsmanager", "ssm"];

/// Everything that has to be known of the real thing when one service is written to: by its service.
pub(super) async fn services(
    original: &Original,
    (service, region): (&str, &str),
    thing: Option<&str>,
) -> Result<Vec<(&'static str, Taken)>> {
    let cx = original.cx().clone();
    let (service, region, thing) = (service.to_owned(), region.to_owned(), thing.map(str::to_owned));
    original
        .ask(async move {
            let taken = of_service(&cx, (&service, &region), thing.as_deref()).await?;
            Ok(match service.as_str() {
                // The groups of nodes are in both.
                "autoscaling" | "eks" => vec![("eks", taken.clone()), ("autoscaling", taken)],
                "ecr" => vec![("ecr", taken)],
                "elasticache" => vec![("elasticache", taken)],
                "rds" => vec![("rds", taken)],
                "route53" => vec![("route53", taken)],
                "secretsmanager" => vec![("secretsmanager", taken)],
                "ssm" => vec![("ssm", taken)],
                _ => Vec::new(),
            })
        })
        .await
}

/// # Errors
/// `Invalid` for a service of which that cannot be told; those of asking.
pub(super) async fn of_service(
    cx: &Cx,
    (service, region): (&str, &str),
    thing: Option<&str>,
) -> Result<Taken> {
    let mut taken = Taken { region: region.to_owned(), ..Taken::default() };
    match service {
        "autoscaling" | "eks" => taken.content = clusters(&Client::new(cx, Some(region))?).await?,
        "ecr" => {
            let client = Client::new(cx, Some(region))?;
            taken.repositories = images::repository(&client, thing.unwrap_or_default()).await?;
        }
        "elasticache" => taken.content = caches(&Client::new(cx, Some(region))?).await?,
        "rds" => taken.content = databases(&Client::new(cx, Some(region))?).await?,
        "route53" => taken.zones = zones(&Client::new(cx, None)?).await?,
        "secretsmanager" => {
            taken.secrets = secret(&Client::new(cx, Some(region))?, thing.unwrap_or_default()).await?;
        }
        "ssm" => {
            let found = parameter(&Client::new(cx, Some(region))?, thing.unwrap_or_default()).await?;
            taken.content.parameters = found.into_iter().collect();
        }
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
            break;
        }
    }
    scaling_groups(client, &mut region).await?;
    Ok(region)
}

/// Those that belong to no cluster.
async fn scaling_groups(client: &Client, region: &mut RegionSection) -> Result<()> {
    let groups = region.clusters.values().flat_map(|cluster| cluster.node_groups.values());
    let known: Vec<String> = groups.filter_map(|group| group.scaling_group.clone()).collect();
    let tried = format!("listing the Auto Scaling groups of {}", client.region());
    let mut next = None;
    loop {
        let page = client.autoscaling().describe_auto_scaling_groups().set_next_token(next).send();
        let page = client.call("autoscaling:DescribeAutoScalingGroups", &tried, page).await?;
        for group in page.auto_scaling_groups() {
            let name = group.auto_scaling_group_name().unwrap_or_default().to_owned();
            if known.contains(&name) {
                continue;
            }
            let number = |number: Option<i32>| u32::try_from(number.unwrap_or_default()).unwrap_or_default();
            let kind = group.instances().first().and_then(|machine| machine.instance_type());
            let section = NodeGroupSection {
                min: number(group.min_size()),
                max: number(group.max_size()),
                desired: number(group.desired_capacity()),
                ..NodeGroupSection::of_type(kind.map(str::to_owned))
            };
            region.scaling_groups.insert(name, section);
        }
        next = page.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
        if next.is_none() {
            return Ok(());
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

/// A secret with all versions that bear a label; none if there is none.
async fn secret(client: &Client, named: &str) -> Result<BTreeMap<String, TakenSecret>> {
    let tried = format!("asking for the secret `{named}`");
    let asked = client.secretsmanager().describe_secret().secret_id(named).send();
    let Some(found) = client.find("secretsmanager:DescribeSecret", &tried, asked).await? else {
        return Ok(BTreeMap::new());
    };
    let name = found.name().unwrap_or(named).to_owned();
    let mut taken = TakenSecret { arn: found.arn().unwrap_or_default().to_owned(), ..TakenSecret::default() };
    for (id, stages) in found.version_ids_to_stages().into_iter().flatten() {
        let asked = client.secretsmanager().get_secret_value().secret_id(named).version_id(id).send();
        let value = client.call("secretsmanager:GetSecretValue", &tried, asked).await?;
        let value = value.secret_string().unwrap_or_default();
        client.cx().hide(&name, value);
        taken.versions.insert(id.clone(), value.to_owned());
        taken.stages.extend(stages.iter().map(|stage| (stage.clone(), id.clone())));
    }
    Ok([(name, taken)].into())
}

/// A parameter, decrypted, if there is one.
async fn parameter(client: &Client, name: &str) -> Result<Option<(String, ParameterSection)>> {
    let tried = format!("asking for the parameter `{name}`");
    let asked = client.ssm().get_parameter().name(name).with_decryption(true).send();
    let found = client.find("ssm:GetParameter", &tried, asked).await?;
    let Some(found) = found.and_then(|found| found.parameter) else { return Ok(None) };
    let secure = found.r#type() == Some(&aws_sdk_ssm::types::ParameterType::SecureString);
    let value = found.value().unwrap_or_default().to_owned();
    if secure {
        client.cx().hide(name, &value);
    }
    let version = u64::try_from(found.version()).ok();
    Ok(Some((name.to_owned(), ParameterSection::Known(KnownParameter { value, secure, version }))))
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

async fn zones(client: &Client) -> Result<BTreeMap<String, ZoneSection>> {
    let mut zones = BTreeMap::new();
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
