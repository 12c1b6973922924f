//! RDS as an estate file has it when the estate begins.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;
use serde_json::Value;

use super::instance::{AVAILABLE, Instance, Modification, Replica};
use super::section::{InstanceSection, RdsSection, RowsSection, TableSection};
use super::snapshot::Snapshot;
use super::{OWNER, Rds, Writer, Writes, made_up, sql};
use crate::world::Random;
use opsrun_db_simulator::rows::{Column, Database, Databases};
use opsrun_db_simulator::value::Type;

pub(super) const RESOURCE: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

impl Rds {
    /// # Errors
    /// What of the section cannot be.
    pub(crate) fn start(
        section: &RdsSection,
        region: &str,
        random: &mut Random,
        now: Timestamp,
    ) -> Result<Self, String> {
        let mut rds = Rds {
            quotas: section.quotas,
            times: section.times,
            failing: section.failing_snapshots.clone(),
            ..Rds::default()
        };
        for (name, of) in &section.instances {
            let instance = Instance::start(name, of, region, random, now)
                .map_err(|why| format!("rds: instances: {name}: {why}"))?;
            rds.instances.insert(name.clone(), instance);
            let rows =
                of.tables.iter().filter_map(|(table, of)| Some((of.writes?, Writes::Row(table.clone()))));
            let statements = of.writes.iter().map(|of| (of.every, Writes::Sql(of.sql.clone())));
            let often = rows.chain(statements).filter(|(every, _)| !every.duration().is_zero());
            rds.writers.extend(often.map(|(every, writes)| Writer {
                instance: name.clone(),
                writes,
                every,
                next: every.after(now),
            }));
        }
        for (name, of) in &section.snapshots {
            let instance = rds.instances.get(&of.of).ok_or_else(|| {
                format!("rds: snapshots: {name}: there is no instance `{}` that it could be of", of.of)
            })?;
            let started = now.checked_sub(of.age.duration()).unwrap_or(now);
            let snapshot = Snapshot {
                name: name.clone(),
                of: Box::new(instance.clone()),
                automated: of.automated,
                started,
                ready: started,
                fails_at: None,
                tags: of.tags.clone(),
                shared_with: BTreeSet::new(),
                copy_of: None,
                databases: instance.databases.at(started),
                taken: started,
            };
            rds.snapshots.insert(name.clone(), snapshot);
        }
        Ok(rds)
    }
}

impl Instance {
    fn start(
        name: &str,
        of: &InstanceSection,
        region: &str,
        random: &mut Random,
        now: Timestamp,
    ) -> Result<Self, String> {
        let zone = of.zone.clone().unwrap_or_else(|| format!("{region}a"));
        if !zone.starts_with(region) || zone.len() != region.len() + 1 {
            return Err(format!(
                "`{zone}` is no zone of {region}: there are `{region}a`, `{region}b`, `{region}c`"
            ));
        }
        let created = now.checked_sub(of.age.duration()).unwrap_or(now);
        let replica = of.replica_of.as_ref().map(|source| {
            let (region, source) = source.split_once('/').unwrap_or((region, source));
            Replica { region: region.to_owned(), source: source.to_owned(), lag: of.lag }
        });
        if replica.is_some() && !(of.tables.is_empty() && of.sql.is_none() && of.writes.is_empty()) {
            return Err("a replica has the tables of its source, and none of its own".to_owned());
        }
        let mut rows = Database::default();
        for (name, table) in &of.tables {
            fill(&mut rows, name, table, created).map_err(|why| format!("tables: {name}: {why}"))?;
        }
        let main = of.database.as_deref().unwrap_or(OWNER);
        let mut databases = Databases::of(OWNER, Database::default());
        databases.put(main, rows);
        if let Some(text) = &of.sql {
            sql::run(&mut databases, main, text, created).map_err(|why| format!("sql: {why}"))?;
        }
        for writes in &of.writes {
            sql::run(&mut databases.clone(), main, &writes.sql, now)
                .map_err(|why| format!("writes: {why}"))?;
        }
        Ok(Instance {
            name: name.to_owned(),
            class: of.class.clone(),
            engine: of.engine.clone(),
            version: of.version.clone(),
            storage: of.storage,
            multi_az: of.multi_az,
            secondary: other_zone(region, &zone),
            zone,
            retention: if replica.is_some() { 0 } else { of.retention },
            protected: of.protected,
            encrypted: of.encrypted,
            user: of.user.clone(),
            users: of.users.clone(),
            database: of.database.clone(),
            port: of.port,
            tags: of.tags.clone(),
            subnet_group: of.subnet_group.clone(),
            security_groups: of.security_groups.clone(),
            parameter_group: None,
            created,
            backed_up_since: created,
            resource: format!("db-{}", random.of(RESOURCE, 26)),
            replica,
            // What was there before the estate began has no history.
            databases,
            fails: of.fails.map(|fails| fails.after(now)),
            status: AVAILABLE,
            plan: VecDeque::new(),
            pending: Modification::default(),
        })
    }
}

/// The next one in the alphabet, of three.
pub(super) fn other_zone(region: &str, zone: &str) -> String {
    let next = match zone.as_bytes().last() {
        Some(b'a') => 'b',
        Some(b'b') => 'c',
        _ => 'a',
    };
    format!("{region}{next}")
}

fn fill(rows: &mut Database, name: &str, section: &TableSection, at: Timestamp) -> Result<(), String> {
    let these = match &section.rows {
        RowsSection::These(rows) => rows.clone(),
        RowsSection::Count(count) => {
            (1..=i64::from(*count)).map(|number| made_up(&section.key, number, at, "seed")).collect()
        }
    };
    let first = these.first().cloned().unwrap_or_else(|| made_up(&section.key, 1, at, "seed"));
    let mut kinds: BTreeMap<&String, Option<Type>> = BTreeMap::new();
    for (name, value) in these.iter().chain([&first]).flatten() {
        let known = kinds.get(name).cloned().flatten();
        let of_both = match (known, kind(value)) {
            (Some(one), Some(other)) => Some(wider(&one, &other)),
            (one, other) => one.or(other),
        };
        kinds.insert(name, of_both);
    }
    // What no row has a value of is a text.
    let columns = kinds.into_iter().map(|(name, kind)| Column::new(name, kind.unwrap_or(Type::Text)));
    let columns = columns.collect();
    rows.create_table(at, name, columns, &section.key).map_err(|error| error.to_string())?;
    for row in these {
        rows.put(at, name, &row).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// The type of a value; none of what is absent.
fn kind(value: &Value) -> Option<Type> {
    Some(match value {
        Value::Null => return None,
        Value::Number(number) if number.is_f64() => Type::Float8,
        Value::Number(_) => Type::Int8,
        Value::Bool(_) => Type::Bool,
        Value::Array(_) | Value::Object(_) => Type::Jsonb,
        Value::String(_) => Type::Text,
    })
}

/// The type that values of both can be of: everything can be a text.
fn wider(one: &Type, other: &Type) -> Type {
    match (one, other) {
        (one, other) if one == other => one.clone(),
        (Type::Int8, Type::Float8) | (Type::Float8, Type::Int8) => Type::Float8,
        _ => Type::Text,
    }
}
