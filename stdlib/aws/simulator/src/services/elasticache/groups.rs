//! Replication groups are made, changed, failed over and deleted.

use serde_json::{Value, json};

use super::group::{Group, NODE_GROUP, What};
use super::section::CacheSection;
use super::snapshots::not_found;
use super::{CREATING, DELETING, FAILING_OVER, MODIFYING, of, place};
use crate::fault::{Answer, Fault};
use crate::protocol::text;
use crate::services::rds::wire::{flag, identifier, invalid, list, number, optional, tags_of};
use crate::world::{Aws, Caller};

/// So long a group's name may be.
const LONGEST: usize = 40;

fn named(input: &Value) -> Answer<String> {
    Ok(text(input, "ReplicationGroupId")?.to_ascii_lowercase())
}

fn described(world: &mut Aws, caller: &Caller, name: &str) -> Answer {
    Ok(json!({ "ReplicationGroup": of(world, caller).known(name)?.described(place(caller)) }))
}

pub(super) fn create(world: &mut Aws, caller: &Caller, input: &Value) -> Answer {
    let name = identifier(input, "ReplicationGroupId")?;
    if name.len() > LONGEST {
        return Err(invalid(format!(
            "The parameter ReplicationGroupId must have at most {LONGEST} characters."
        )));
    }
    let shards = number(input, "NumNodeGroups")?.unwrap_or(1);
    if shards != 1 || input.get("NodeGroupConfiguration").is_some() {
        return Err(Fault::not_simulated("elasticache", "CreateReplicationGroup with shards"));
    }
    let elasticache = of(world, caller);
    if elasticache.groups.contains_key(&name) {
        let message = format!("Replication group with id {name} already exists.");
        return Err(Fault::sender("ReplicationGroupAlreadyExists", message));
    }
    let from = match optional(input, "SnapshotName").map(str::to_ascii_lowercase) {
        None => None,
        Some(named) => {
            let snapshot = elasticache.snapshots.get(&named).ok_or_else(|| not_found(&named))?;
            if snapshot.status(caller.now) != "available" {
                let message = format!("Snapshot {named} is not in available state.");
                return Err(Fault::sender("InvalidSnapshotState", message));
            }
            Some((*snapshot.of).clone())
        }
    };
    let nodes = match number(input, "NumCacheClusters")? {
        Some(nodes) => nodes.max(1),
        None => number(input, "ReplicasPerNodeGroup")?.unwrap_or(0) + 1,
    };
    let failover = flag(input, "AutomaticFailoverEnabled").unwrap_or(false);
    if failover && nodes < 2 {
        return Err(invalid("Automatic failover needs at least one replica."));
    }
    let usual = CacheSection { replicas: nodes - 1, retention: 0, ..CacheSection::default() };
    let like = match from {
        Some(like) => like,
        None => Group::start(&name, &usual, caller.now).map_err(invalid)?,
    };
    let mut group = Group {
        name: name.clone(),
        description: text(input, "ReplicationGroupDescription")?.to_owned(),
        node_type: optional(input, "CacheNodeType").map_or(like.node_type, str::to_owned),
        engine: optional(input, "Engine").map_or(like.engine, str::to_owned),
        version: optional(input, "EngineVersion").map_or(like.version, str::to_owned),
        port: number(input, "Port")?.and_then(|port| u16::try_from(port).ok()).unwrap_or(like.port),
        data: like.data,
        retention: number(input, "SnapshotRetentionLimit")?.unwrap_or(0),
        automatic_failover: failover,
        multi_az: flag(input, "MultiAZEnabled").unwrap_or(false),
        subnet_group: optional(input, "CacheSubnetGroupName").map(str::to_owned),
        security_groups: list(input, "SecurityGroupIds", "SecurityGroupId")
            .into_iter()
            .map(str::to_owned)
            .collect(),
        parameter_group: optional(input, "CacheParameterGroupName").map(str::to_owned),
        tags: tags_of(input),
        created: caller.now,
        nodes: (1..=nodes).collect(),
        primary: 1,
        keys: like.keys,
        status: CREATING,
        plan: std::collections::VecDeque::new(),
    };
    group.then(elasticache.times.create, caller.now, CREATING, What::Ready);
    elasticache.groups.insert(name.clone(), group);
    described(world, caller, &name)
}

pub(super) fn modify(world: &mut Aws, caller: &Caller, input: &Value) -> Answer {
    let name = named(input)?;
    if flag(input, "ApplyImmediately") != Some(true) {
        return Err(Fault::not_simulated("elasticache", "ModifyReplicationGroup in the maintenance window"));
    }
    let retention = number(input, "SnapshotRetentionLimit")?;
    let elasticache = of(world, caller);
    let times = elasticache.times;
    let group = elasticache.available(&name)?;
    let failover = flag(input, "AutomaticFailoverEnabled").unwrap_or(group.automatic_failover);
    if failover && group.nodes.len() < 2 {
        return Err(invalid("Automatic failover needs at least one replica."));
    }
    group.automatic_failover = failover;
    group.multi_az = flag(input, "MultiAZEnabled").unwrap_or(group.multi_az);
    group.retention = retention.unwrap_or(group.retention);
    if let Some(node_type) = optional(input, "CacheNodeType").filter(|wanted| *wanted != group.node_type) {
        group.then(times.modify, caller.now, MODIFYING, What::OfType(node_type.to_owned()));
    }
    described(world, caller, &name)
}

pub(super) fn replicas(world: &mut Aws, caller: &Caller, input: &Value, more: bool) -> Answer {
    let name = named(input)?;
    let wanted = number(input, "NewReplicaCount")?.ok_or_else(|| invalid("NewReplicaCount is required."))?;
    let elasticache = of(world, caller);
    let times = elasticache.times;
    let group = elasticache.available(&name)?;
    let now = u32::try_from(group.nodes.len()).unwrap_or(u32::MAX).saturating_sub(1);
    let is_so = if more { wanted > now && wanted <= 5 } else { wanted < now };
    if !is_so || (wanted == 0 && group.automatic_failover) {
        return Err(invalid(format!("The replica count cannot become {wanted}: it is {now}.")));
    }
    group.then(times.modify, caller.now, MODIFYING, What::OfNodes(wanted + 1));
    described(world, caller, &name)
}

pub(super) fn fail_over(world: &mut Aws, caller: &Caller, input: &Value) -> Answer {
    let name = named(input)?;
    let part = text(input, "NodeGroupId")?;
    let elasticache = of(world, caller);
    let times = elasticache.times;
    let group = elasticache.available(&name)?;
    if part != NODE_GROUP {
        let message = format!("Node group {part} not found in replication group {name}.");
        return Err(Fault::not_found("NodeGroupNotFoundFault", message));
    }
    if !group.automatic_failover {
        let message = format!("Automatic failover is not enabled for replication group {name}.");
        return Err(Fault::sender("TestFailoverNotAvailableFault", message));
    }
    let next = group.heirs().next().unwrap_or(group.primary);
    group.then(times.failover, caller.now, FAILING_OVER, What::FailedOver(next));
    described(world, caller, &name)
}

pub(super) fn delete(world: &mut Aws, caller: &Caller, input: &Value) -> Answer {
    let name = named(input)?;
    let last = optional(input, "FinalSnapshotIdentifier").map(str::to_ascii_lowercase);
    let elasticache = of(world, caller);
    let times = elasticache.times;
    let takes = match last {
        Some(last) => elasticache.take(&last, &name, caller.now)?,
        None => {
            elasticache.available(&name)?;
            opsrun_core::Span::default()
        }
    };
    let span = opsrun_core::Span::from(times.delete.duration() + takes.duration());
    elasticache.known(&name)?.then(span, caller.now, DELETING, What::Removed);
    described(world, caller, &name)
}
