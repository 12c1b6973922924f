//! CloudFront: distributions, and what their caches are told to drop.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Method, Request};
use jiff::Timestamp;
use opsrun_core::Span;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::fault::{Answer, Fault};
use crate::protocol::{self, Call, Protocol};
use crate::world::{Aws, Caller, Random};
use crate::xml::{self, items};

/// How long it usually takes until all caches have dropped something.
const DROPPED_AFTER: Span = Span::from_secs(300);
const NAMESPACE: &str = "http://cloudfront.amazonaws.com/doc/2020-05-31/";
const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const PAGE: usize = 100;

/// A distribution in an estate file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct DistributionSection {
    /// The domains that it serves, besides its own.
    pub aliases: Vec<String>,
    pub comment: String,
    /// How long an invalidation takes; five minutes by itself.
    pub drops_after: Span,
}

impl Default for DistributionSection {
    fn default() -> Self {
        DistributionSection { aliases: Vec::new(), comment: String::new(), drops_after: DROPPED_AFTER }
    }
}

/// All distributions of an account, by their identifiers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Distributions(BTreeMap<String, Distribution>);

#[derive(Debug, Clone)]
struct Distribution {
    section: DistributionSection,
    domain: String,
    created: Timestamp,
    /// In the order in which they were made.
    invalidations: Vec<Invalidation>,
}

#[derive(Debug, Clone)]
struct Invalidation {
    id: String,
    reference: String,
    paths: Vec<String>,
    created: Timestamp,
    done: Timestamp,
}

impl Distributions {
    pub(crate) fn start(
        sections: &BTreeMap<String, DistributionSection>,
        random: &mut Random,
        now: Timestamp,
    ) -> Self {
        let distributions = sections.iter().map(|(id, section)| {
            let name = random.of("abcdefghijklmnopqrstuvwxyz0123456789", 13);
            let distribution = Distribution {
                section: section.clone(),
                domain: format!("d{name}.cloudfront.net"),
                created: now,
                invalidations: Vec::new(),
            };
            (id.clone(), distribution)
        });
        Distributions(distributions.collect())
    }

    /// What caches hold is nobody's state; that they were told to drop something is.
    pub(crate) fn snapshot(&self, things: &mut BTreeMap<String, Value>) {
        for (id, distribution) in &self.0 {
            let invalidations = distribution.invalidations.len();
            let state = json!({ "aliases": distribution.section.aliases, "invalidations": invalidations });
            things.insert(format!("cloudfront distribution {id}"), state);
        }
    }
}

pub(crate) fn read(request: &Request<Bytes>) -> Option<Call> {
    let path = protocol::path(request);
    let parts: Vec<&str> = path.iter().map(String::as_str).collect();
    let (operation, mut input) = match (request.method(), parts.as_slice()) {
        (&Method::GET, [_, "distribution"]) => ("ListDistributions", json!({})),
        (&Method::GET, [_, "distribution", id]) => ("GetDistribution", json!({ "Id": id })),
        (&Method::POST, [_, "distribution", id, "invalidation"]) => {
            let body = xml::read(request.body()).unwrap_or_else(|why| json!({ "Malformed": why }));
            ("CreateInvalidation", json!({ "Id": id, "Body": body }))
        }
        (&Method::GET, [_, "distribution", id, "invalidation"]) => ("ListInvalidations", json!({ "Id": id })),
        (&Method::GET, [_, "distribution", id, "invalidation", invalidation]) => {
            ("GetInvalidation", json!({ "Id": id, "Invalidation": invalidation }))
        }
        _ => return None,
    };
    if let Some(members) = input.as_object_mut() {
        members.extend(protocol::query_members(request));
    }
    Some(Call { protocol: Protocol::RestXml, operation: operation.to_owned(), input })
}

/// # Errors
/// Those of AWS.
pub(crate) fn call(world: &mut Aws, caller: &Caller, call: &Call) -> Answer {
    let made = format!("I{}", world.random.of(LETTERS, 25));
    let distributions = &mut world.account_of(caller).cloudfront;
    let input = &call.input;
    let id = input.get("Id").and_then(Value::as_str).unwrap_or_default();
    match call.operation.as_str() {
        "ListDistributions" => {
            let all = distributions.0.iter();
            let all = all.map(|(id, distribution)| summary(id, distribution, caller)).collect();
            Ok(json!({ "DistributionList": listed(all, "DistributionSummary", input) }))
        }
        "GetDistribution" => {
            let told = described(id, distribution(distributions, id)?, caller);
            Ok(json!({ "Distribution": told }))
        }
        "CreateInvalidation" => create(distribution(distributions, id)?, input, made, caller.now),
        "ListInvalidations" => {
            let distribution = distribution(distributions, id)?;
            let all = distribution.invalidations.iter().rev().map(|of| {
                json!({ "Id": of.id, "CreateTime": of.created.to_string(), "Status": of.status(caller.now) })
            });
            Ok(json!({ "InvalidationList": listed(all.collect(), "InvalidationSummary", input) }))
        }
        "GetInvalidation" => {
            let wanted = input.get("Invalidation").and_then(Value::as_str).unwrap_or_default();
            let distribution = distribution(distributions, id)?;
            let found = distribution.invalidations.iter().find(|of| of.id == wanted);
            let found = found.ok_or_else(|| {
                Fault::not_found("NoSuchInvalidation", "The specified invalidation does not exist.")
            })?;
            Ok(json!({ "Invalidation": told(found, caller.now) }))
        }
        operation => Err(Fault::not_simulated("cloudfront", operation)),
    }
}

fn distribution<'d>(distributions: &'d mut Distributions, id: &str) -> Answer<&'d mut Distribution> {
    let found = distributions.0.get_mut(id);
    found.ok_or_else(|| Fault::not_found("NoSuchDistribution", "The specified distribution does not exist."))
}

fn create(distribution: &mut Distribution, input: &Value, id: String, now: Timestamp) -> Answer {
    let body = input.get("Body").unwrap_or(&Value::Null);
    let reference = body.get("CallerReference").and_then(Value::as_str).unwrap_or_default().to_owned();
    let paths = items(body.pointer("/Paths/Items/Path"));
    let paths: Vec<String> = paths.into_iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let quantity = body.pointer("/Paths/Quantity").and_then(Value::as_str);
    if quantity != Some(paths.len().to_string().as_str()) {
        let message = "The value of Quantity and the size of Items don't match.";
        return Err(Fault::sender("InconsistentQuantities", message));
    }
    if reference.is_empty() || paths.is_empty() || paths.iter().any(|path| !path.starts_with('/')) {
        let message = "Your request contains one or more invalid invalidation paths.";
        return Err(Fault::sender("InvalidArgument", message));
    }
    if let Some(known) = distribution.invalidations.iter().find(|of| of.reference == reference) {
        if known.paths != paths {
            let message = "Your request contains a caller reference that was used for a previous invalidation batch for the same distribution.";
            return Err(
                Fault::sender("InvalidationBatchAlreadyExists", message).with(http::StatusCode::CONFLICT)
            );
        }
        return Ok(json!({ "Invalidation": told(known, now) }));
    }
    let done = distribution.section.drops_after.after(now);
    let made = Invalidation { id, reference, paths, created: now, done };
    let answer = json!({ "Invalidation": told(&made, now) });
    distribution.invalidations.push(made);
    Ok(answer)
}

impl Invalidation {
    fn status(&self, now: Timestamp) -> &'static str {
        if self.done <= now { "Completed" } else { "InProgress" }
    }
}

fn told(of: &Invalidation, now: Timestamp) -> Value {
    json!({
        "@xmlns": NAMESPACE,
        "Id": of.id,
        "Status": of.status(now),
        "CreateTime": of.created.to_string(),
        "InvalidationBatch": {
            "Paths": { "Quantity": of.paths.len(), "Items": { "Path": of.paths } },
            "CallerReference": of.reference,
        },
    })
}

/// A page of a list.
fn listed(all: Vec<Value>, each: &str, input: &Value) -> Value {
    let number = |name: &str| input.get(name).and_then(Value::as_str).and_then(|text| text.parse().ok());
    let (from, size): (usize, usize) =
        (number("Marker").unwrap_or(0), number("MaxItems").unwrap_or(PAGE).max(1));
    let more = all.len() > from + size;
    let page: Vec<Value> = all.into_iter().skip(from).take(size).collect();
    json!({
        "@xmlns": NAMESPACE,
        "Marker": input.get("Marker").and_then(Value::as_str).unwrap_or_default(),
        "NextMarker": more.then(|| (from + size).to_string()),
        "MaxItems": size,
        "IsTruncated": more,
        "Quantity": page.len(),
        "Items": { each: page },
    })
}

fn aliases(distribution: &Distribution) -> Value {
    let aliases = &distribution.section.aliases;
    json!({ "Quantity": aliases.len(), "Items": { "CNAME": aliases } })
}

fn origins() -> Value {
    json!({ "Quantity": 1, "Items": { "Origin": { "Id": "origin", "DomainName": "origin.example.com" } } })
}

fn summary(id: &str, distribution: &Distribution, caller: &Caller) -> Value {
    json!({
        "Id": id,
        "ARN": format!("arn:aws:cloudfront::{}:distribution/{id}", caller.account),
        "Status": "Deployed",
        "LastModifiedTime": distribution.created.to_string(),
        "DomainName": distribution.domain,
        "Aliases": aliases(distribution),
        "Origins": origins(),
        "DefaultCacheBehavior": { "TargetOriginId": "origin", "ViewerProtocolPolicy": "redirect-to-https" },
        "Comment": distribution.section.comment,
        "PriceClass": "PriceClass_All",
        "Enabled": true,
        "HttpVersion": "HTTP2",
        "IsIPV6Enabled": true,
        "Staging": false,
    })
}

fn described(id: &str, distribution: &Distribution, caller: &Caller) -> Value {
    let going_on = distribution.invalidations.iter().filter(|of| of.done > caller.now).count();
    json!({
        "@xmlns": NAMESPACE,
        "Id": id,
        "ARN": format!("arn:aws:cloudfront::{}:distribution/{id}", caller.account),
        "Status": "Deployed",
        "LastModifiedTime": distribution.created.to_string(),
        "InProgressInvalidationBatches": going_on,
        "DomainName": distribution.domain,
        "DistributionConfig": {
            "CallerReference": "estate",
            "Aliases": aliases(distribution),
            "Origins": origins(),
            "DefaultCacheBehavior": { "TargetOriginId": "origin", "ViewerProtocolPolicy": "redirect-to-https" },
            "Comment": distribution.section.comment,
            "Enabled": true,
        },
    })
}
