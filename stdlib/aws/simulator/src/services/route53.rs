//! Route 53: hosted zones and their records; a change takes a while until all servers have it.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Method, Request};
use jiff::Timestamp;
use opsrun_core::Span;
use serde_json::{Map, Value, json};

use crate::estate::ZoneSection;
use crate::fault::{Answer, Fault};
use crate::protocol::{self, Call, Protocol};
use crate::world::{Aws, Caller, Random};
use crate::xml::{self, items};

/// How long AWS's servers usually take to have a change.
const IN_SYNC_AFTER: Span = Span::from_secs(35);
const NAMESPACE: &str = "https://route53.amazonaws.com/doc/2013-04-01/";
const USUAL_TTL: u32 = 60;
const LARGEST_PAGE: usize = 300;

#[derive(Debug, Clone, Default)]
pub(crate) struct Zones {
    zones: BTreeMap<String, Zone>,
    changes: BTreeMap<String, Timestamp>,
}

#[derive(Debug, Clone)]
struct Zone {
    /// `example.com.`
    domain: String,
    /// As a request has them, by name from the top level down, type and identifier.
    records: BTreeMap<Key, Value>,
}

/// Names are compared from their ends.
type Key = (Vec<String>, String, String);

impl Zones {
    pub(crate) fn start(sections: &BTreeMap<String, ZoneSection>, random: &mut Random) -> Self {
        let mut zones = BTreeMap::new();
        for (domain, section) in sections {
            let made_up = format!("Z{}", random.of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", 20));
            let id = section.id.clone().unwrap_or(made_up);
            let mut records = BTreeMap::new();
            for record in &section.records {
                let values: Vec<Value> =
                    record.values.iter().map(|value| json!({ "Value": value })).collect();
                let mut content = Map::new();
                content.insert("Name".into(), absolute(&record.name).into());
                content.insert("Type".into(), record.kind.clone().into());
                match &record.alias {
                    None => {
                        content.insert("TTL".into(), record.ttl.unwrap_or(USUAL_TTL).to_string().into());
                        content.insert("ResourceRecords".into(), json!({ "ResourceRecord": values }));
                    }
                    Some(alias) => {
                        let target = json!({
                            "DNSName": absolute(&alias.name),
                            "HostedZoneId": alias.zone,
                            "EvaluateTargetHealth": alias.evaluate_health.to_string(),
                        });
                        content.insert("AliasTarget".into(), target);
                    }
                }
                let optional = [
                    ("SetIdentifier", record.id.clone()),
                    ("Weight", record.weight.map(|weight| weight.to_string())),
                    ("Failover", record.failover.clone()),
                    ("HealthCheckId", record.health_check.clone()),
                ];
                for (name, value) in optional {
                    content.extend(value.map(|value| (name.to_owned(), Value::String(value))));
                }
                let content = Value::Object(content);
                records.insert(key(&content), content);
            }
            zones.insert(id, Zone { domain: absolute(domain), records });
        }
        Zones { zones, changes: BTreeMap::new() }
    }

    pub(crate) fn snapshot(&self, things: &mut BTreeMap<String, Value>) {
        for record in self.zones.values().flat_map(|zone| zone.records.values()) {
            let part = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default();
            let id = part("SetIdentifier");
            let id = if id.is_empty() { String::new() } else { format!(" {id}") };
            things.insert(format!("route53 record {} {}{id}", part("Name"), part("Type")), record.clone());
        }
    }
}

/// As many names a resolver follows.
const LONGEST_CHAIN: usize = 8;

impl Zones {
    /// What a name is an alias of, as `CNAME` records say; of weighted ones, the one with the largest weight.
    fn alias(&self, name: &str) -> Option<String> {
        let name = absolute(name);
        let records = self.zones.values().flat_map(|zone| zone.records.values());
        let aliases = records.filter(|record| {
            record.get("Type").and_then(Value::as_str) == Some("CNAME")
                && record.get("Name").and_then(Value::as_str) == Some(&name)
        });
        let weight = |record: &&Value| {
            let weight = record.get("Weight").and_then(Value::as_str);
            weight.map_or(Some(1), |weight| weight.parse::<u64>().ok()).unwrap_or_default()
        };
        let values = items(aliases.max_by_key(weight)?.pointer("/ResourceRecords/ResourceRecord"));
        Some(values.first()?.get("Value")?.as_str()?.trim_end_matches('.').to_owned())
    }
}

impl Aws {
    /// The last name that the records of all hosted zones lead to from this one. They are private ones to whoever asks in an estate.
    pub(crate) fn canonical(&self, name: &str) -> String {
        let mut name = name.to_owned();
        for _ in 0..LONGEST_CHAIN {
            let mut aliases = self.accounts.values().filter_map(|account| account.route53.alias(&name));
            let Some(alias) = aliases.next() else { break };
            name = alias;
        }
        name
    }
}

fn absolute(name: &str) -> String {
    if name.ends_with('.') { name.to_lowercase() } else { format!("{}.", name.to_lowercase()) }
}

fn key(record: &Value) -> Key {
    let part = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut labels: Vec<String> = absolute(part("Name")).split('.').map(str::to_owned).collect();
    labels.reverse();
    (labels, part("Type").to_owned(), part("SetIdentifier").to_owned())
}

pub(crate) fn read(request: &Request<Bytes>) -> Option<Call> {
    let path = protocol::path(request);
    let parts: Vec<&str> = path.iter().map(String::as_str).collect();
    let (operation, mut input) = match (request.method(), parts.as_slice()) {
        (&Method::GET, [_, "hostedzone"]) => ("ListHostedZones", json!({})),
        (&Method::GET, [_, "hostedzonesbyname"]) => ("ListHostedZonesByName", json!({})),
        (&Method::GET, [_, "hostedzone", id]) => ("GetHostedZone", json!({ "Id": id })),
        (&Method::GET, [_, "hostedzone", id, "rrset"]) => ("ListResourceRecordSets", json!({ "Id": id })),
        (&Method::POST, [_, "hostedzone", id, "rrset"]) => {
            let body = xml::read(request.body()).unwrap_or_else(|why| json!({ "Malformed": why }));
            ("ChangeResourceRecordSets", json!({ "Id": id, "Body": body }))
        }
        (&Method::GET, [_, "change", id]) => ("GetChange", json!({ "Id": id })),
        _ => return None,
    };
    if let Some(members) = input.as_object_mut() {
        members.extend(protocol::query_members(request));
    }
    Some(Call { protocol: Protocol::RestXml, operation: operation.to_owned(), input })
}

pub(crate) fn call(world: &mut Aws, caller: &Caller, call: &Call) -> Answer {
    let input = &call.input;
    let change_id = format!("C{}", world.random.of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", 20));
    let zones = &mut world.account_of(caller).route53;
    let member = |name: &str| input.get(name).and_then(Value::as_str).unwrap_or_default();
    match call.operation.as_str() {
        "ListHostedZones" | "ListHostedZonesByName" => {
            let from = Some(member("dnsname")).filter(|name| !name.is_empty()).map(absolute);
            let mut found: Vec<(&String, &Zone)> = zones.zones.iter().collect();
            found.sort_by_key(|(_, zone)| {
                let mut labels: Vec<&str> = zone.domain.split('.').collect();
                labels.reverse();
                labels
            });
            let found: Vec<Value> = found
                .into_iter()
                .skip_while(|(_, zone)| from.as_ref().is_some_and(|from| zone.domain != *from))
                .map(|(id, zone)| described(id, zone))
                .collect();
            let name = format!("{}Response", call.operation);
            Ok(json!({ name: {
                "@xmlns": NAMESPACE,
                "HostedZones": { "HostedZone": found },
                "IsTruncated": false,
                "MaxItems": "100",
            }}))
        }
        "GetHostedZone" => {
            let id = member("Id");
            let described = described(id, zone(zones, id)?);
            Ok(json!({ "GetHostedZoneResponse": { "@xmlns": NAMESPACE, "HostedZone": described } }))
        }
        "ListResourceRecordSets" => records(zone(zones, member("Id"))?, input),
        "ChangeResourceRecordSets" => {
            change(zone(zones, member("Id"))?, input.get("Body").unwrap_or(&Value::Null))?;
            zones.changes.insert(change_id.clone(), caller.now);
            let info = info(&change_id, caller.now, caller.now);
            Ok(json!({ "ChangeResourceRecordSetsResponse": { "@xmlns": NAMESPACE, "ChangeInfo": info } }))
        }
        "GetChange" => {
            let id = member("Id");
            let at = zones.changes.get(id).ok_or_else(|| {
                Fault::not_found("NoSuchChange", format!("Could not find resource with ID: {id}"))
            })?;
            let info = info(id, *at, caller.now);
            Ok(json!({ "GetChangeResponse": { "@xmlns": NAMESPACE, "ChangeInfo": info } }))
        }
        operation => Err(Fault::not_simulated("route53", operation)),
    }
}

fn zone<'z>(zones: &'z mut Zones, id: &str) -> Answer<&'z mut Zone> {
    zones
        .zones
        .get_mut(id)
        .ok_or_else(|| Fault::not_found("NoSuchHostedZone", format!("No hosted zone found with ID: {id}")))
}

fn described(id: &str, zone: &Zone) -> Value {
    json!({
        "Id": format!("/hostedzone/{id}"),
        "Name": zone.domain,
        "CallerReference": "estate",
        "Config": { "PrivateZone": false },
        "ResourceRecordSetCount": zone.records.len(),
    })
}

fn info(id: &str, at: Timestamp, now: Timestamp) -> Value {
    let status = if IN_SYNC_AFTER.after(at) <= now { "INSYNC" } else { "PENDING" };
    json!({ "Id": format!("/change/{id}"), "Status": status, "SubmittedAt": at.to_string() })
}

fn records(zone: &Zone, input: &Value) -> Answer {
    let member = |name: &str| input.get(name).and_then(Value::as_str);
    let from = member("name").map(|name| {
        key(&json!({ "Name": name, "Type": member("type").unwrap_or_default(), "SetIdentifier": member("identifier") }))
    });
    let size =
        member("maxitems").and_then(|text| text.parse().ok()).unwrap_or(LARGEST_PAGE).min(LARGEST_PAGE);
    let mut found = zone.records.iter().filter(|(key, _)| from.as_ref().is_none_or(|from| *key >= from));
    let page: Vec<&Value> = found.by_ref().take(size).map(|(_, record)| record).collect();
    let mut answer = json!({
        "@xmlns": NAMESPACE,
        "ResourceRecordSets": { "ResourceRecordSet": page },
        "IsTruncated": false,
        "MaxItems": size,
    });
    if let (Some((_, next)), Some(members)) = (found.next(), answer.as_object_mut()) {
        members.insert("IsTruncated".into(), true.into());
        for (theirs, ours) in [
            ("NextRecordName", "Name"),
            ("NextRecordType", "Type"),
            ("NextRecordIdentifier", "SetIdentifier"),
        ] {
            members.insert(theirs.into(), next.get(ours).cloned().unwrap_or_default());
        }
    }
    Ok(json!({ "ListResourceRecordSetsResponse": answer }))
}

/// All of a batch, or nothing of it.
fn change(zone: &mut Zone, body: &Value) -> Answer<()> {
    let mut records = zone.records.clone();
    let mut wrong = Vec::new();
    for change in items(body.pointer("/ChangeBatch/Changes/Change")) {
        let action = change.get("Action").and_then(Value::as_str).unwrap_or_default();
        let mut record = plain(change.get("ResourceRecordSet").cloned().unwrap_or_default());
        let name = absolute(record.get("Name").and_then(Value::as_str).unwrap_or_default());
        if let Some(members) = record.as_object_mut() {
            members.insert("Name".into(), name.clone().into());
        }
        let key = key(&record);
        let shown = format!("[name='{name}', type='{}', set-identifier='{}']", key.1, key.2);
        if !(name == zone.domain || name.ends_with(&format!(".{}", zone.domain))) {
            wrong.push(format!("RRSet with DNS name {name} is not permitted in zone {}", zone.domain));
            continue;
        }
        match (action, records.get(&key)) {
            ("CREATE", Some(_)) => {
                wrong.push(format!("Tried to create resource record set {shown} but it already exists"));
            }
            ("DELETE", None) => {
                wrong.push(format!("Tried to delete resource record set {shown} but it was not found"));
            }
            ("DELETE", Some(known)) if *known != record => {
                wrong.push(format!(
                    "Tried to delete resource record set {shown} but the values provided do not match the current values"
                ));
            }
            ("DELETE", Some(_)) => drop(records.remove(&key)),
            ("CREATE" | "UPSERT", _) => drop(records.insert(key, record)),
            (other, _) => wrong.push(format!("there is no action {other}")),
        }
    }
    if !wrong.is_empty() {
        return Err(Fault::sender("InvalidChangeBatch", format!("[{}]", wrong.join(", "))));
    }
    zone.records = records;
    Ok(())
}

/// As it is kept: one value is an element and several are a list, and names end with a dot.
fn plain(mut record: Value) -> Value {
    if let Some(Value::String(target)) = record.pointer_mut("/AliasTarget/DNSName") {
        *target = absolute(target);
    }
    let values: Vec<Value> =
        items(record.pointer("/ResourceRecords/ResourceRecord")).into_iter().cloned().collect();
    if !values.is_empty()
        && let Some(members) = record.as_object_mut()
    {
        members.insert("ResourceRecords".into(), json!({ "ResourceRecord": values }));
    }
    record
}
