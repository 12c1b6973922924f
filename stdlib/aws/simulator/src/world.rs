//! All accounts of an estate, and the way of a request to the service that answers it.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::estate::{AccountSection, EstateSection, Outage, RegionSection, ZoneSection};
use crate::fault::{Answer, Fault};
use crate::protocol::{self, Call, Protocol};
use crate::services::secretsmanager::TakenSecret;
use crate::services::{
    autoscaling, cloudfront, cloudwatch, cost, ecr, eks, elasticache, quotas, rds, route53, s3,
    secretsmanager, ssm, sso, sts,
};
use crate::signature::{self, Scope};
use crate::trouble::Troubles;

pub(crate) const DEFAULT_ACCOUNT: &str = "111122223333";
pub(crate) const DEFAULT_REGION: &str = "us-west-2";

/// How far a caller's clock may be off: S3 takes more than the others.
const SKEW_SECONDS: i64 = 300;
const SKEW_SECONDS_S3: i64 = 900;

/// Services, as they are signed for, that no region's outage stops.
const GLOBAL: &[&str] = &["ce", "cloudfront", "route53"];

/// What an estate's AWS is started with.
#[derive(Debug, Clone)]
pub struct Options {
    pub estate: EstateSection,
    pub seed: u64,
    pub now: Timestamp,
    /// The files of the folders that the estate names.
    pub folders: s3::Folders,
}

/// The whole of it. A clone is another world, as this one is now.
#[derive(Debug, Clone)]
pub struct Aws {
    region: String,
    pub(crate) accounts: BTreeMap<String, Account>,
    pub(crate) sessions: sts::Sessions,
    /// Their names are global.
    pub(crate) buckets: s3::Buckets,
    pub(crate) random: Random,
    outages: Vec<Outage>,
    troubles: Troubles,
    started: Timestamp,
}

/// One account.
#[derive(Debug, Clone, Default)]
pub(crate) struct Account {
    pub(crate) roles: Vec<String>,
    pub(crate) regions: BTreeMap<String, Region>,
    pub(crate) cloudfront: cloudfront::Distributions,
    pub(crate) costs: cost::Costs,
    pub(crate) route53: route53::Zones,
}

/// What is in one region of an account.
#[derive(Debug, Clone, Default)]
pub(crate) struct Region {
    pub(crate) cloudwatch: cloudwatch::CloudWatch,
    pub(crate) eks: eks::Clusters,
    pub(crate) groups: autoscaling::Groups,
    pub(crate) elasticache: elasticache::ElastiCache,
    pub(crate) quotas: quotas::Quotas,
    pub(crate) rds: rds::Rds,
    pub(crate) repositories: ecr::Repositories,
    pub(crate) secrets: secretsmanager::Secrets,
    pub(crate) parameters: ssm::Parameters,
}

/// Whom a request is from, where it goes, and when it came.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) account: String,
    /// `arn:aws:iam::111122223333:user/estate`
    pub(crate) arn: String,
    pub(crate) region: String,
    pub(crate) now: Timestamp,
}

/// A request, as the wire has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// As IAM calls it: `cloudwatch`.
    pub service: String,
    /// As it is signed for: `monitoring`.
    pub signing_name: String,
    pub region: String,
    pub operation: String,
    pub signed: bool,
    /// The one secret, parameter or repository that it is about.
    pub thing: Option<String>,
}

/// What a request asks for; `None` if it cannot be told.
pub fn asked(request: &Request<Bytes>) -> Option<Asked> {
    let scope = signature::scope(request);
    let name = scope.as_ref().map_or_else(|| service_of_host(request), |scope| scope.service.clone());
    // Of S3 nothing else is needed than what it is called.
    let call = match name.as_str() {
        "s3" => Call { protocol: Protocol::RestXml, operation: s3::operation(request), input: Value::Null },
        name => read(name, request)?,
    };
    let service = iam_name(&name).to_owned();
    Some(Asked {
        service,
        region: scope.as_ref().map_or_else(|| DEFAULT_REGION.to_owned(), |scope| scope.region.clone()),
        thing: match name.as_str() {
            "secretsmanager" => call.input.get("SecretId").and_then(Value::as_str).map(str::to_owned),
            "ssm" => call.input.get("Name").and_then(Value::as_str).map(str::to_owned),
            "ecr" => ecr::repository_of(&call.input),
            _ => None,
        },
        signing_name: name,
        operation: call.operation,
        signed: scope.is_some(),
    })
}

/// What was found elsewhere, and is put in the place of what is here.
#[derive(Debug, Clone, Default)]
pub struct Taken {
    pub region: String,
    pub content: RegionSection,
    pub zones: BTreeMap<String, ZoneSection>,
    /// By name.
    pub secrets: BTreeMap<String, TakenSecret>,
    pub buckets: BTreeMap<String, s3::TakenBucket>,
    pub repositories: BTreeMap<String, ecr::TakenRepository>,
}

fn read(service: &str, request: &Request<Bytes>) -> Option<Call> {
    match service {
        "cloudfront" => cloudfront::read(request),
        "eks" => eks::read(request),
        "route53" => route53::read(request),
        // Nobody signs it, so under an address of this machine its path alone tells.
        _ if request.uri().path().starts_with("/federation/") => sso::read(request),
        _ => protocol::read(request),
    }
}

impl Aws {
    /// Takes over what was found elsewhere, into the first account.
    ///
    /// # Errors
    /// What of it cannot be.
    pub fn take_over(&mut self, found: Taken, now: Timestamp) -> Result<(), String> {
        let number = self.accounts.keys().next().cloned().unwrap_or_else(|| DEFAULT_ACCOUNT.to_owned());
        if !found.zones.is_empty() {
            let zones = route53::Zones::start(&found.zones, &mut self.random);
            self.accounts.entry(number.clone()).or_default().route53 = zones;
        }
        self.buckets.take_over(&number, found.buckets, now);
        let region = Region::start(&found.content, (&number, &found.region), &mut self.random, now)?;
        let account = self.accounts.entry(number).or_default();
        let secrets = found.secrets;
        let known = account.regions.entry(found.region).or_default();
        if !(found.content.clusters.is_empty() && found.content.scaling_groups.is_empty()) {
            (known.eks, known.groups, known.quotas) = (region.eks, region.groups, region.quotas);
        }
        if !found.content.elasticache.groups.is_empty() {
            known.elasticache = region.elasticache;
        }
        if !found.content.rds.instances.is_empty() {
            known.rds = region.rds;
        }
        // These are taken over one by one.
        known.parameters.add(region.parameters);
        known.secrets.add(secrets, now);
        known.repositories.add(found.repositories, now);
        Ok(())
    }

    /// # Errors
    /// What of the section cannot be.
    pub fn start(options: Options) -> Result<Self, String> {
        let mut accounts = options.estate.accounts;
        if accounts.is_empty() {
            accounts.insert(DEFAULT_ACCOUNT.to_owned(), AccountSection::default());
        }
        let (throttle, consistency) = (options.estate.throttle, options.estate.consistency);
        let troubles = Troubles::start(throttle, consistency, options.estate.clock, options.now)?;
        let mut world = Aws {
            region: options.estate.region.unwrap_or_else(|| DEFAULT_REGION.to_owned()),
            accounts: BTreeMap::new(),
            sessions: sts::Sessions::default(),
            buckets: s3::Buckets::default(),
            random: Random(options.seed),
            outages: options.estate.outages,
            troubles,
            started: options.now,
        };
        for (number, section) in accounts {
            if number.len() != 12 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(format!("`{number}` is no number of an account: it has 12 digits"));
            }
            let route53 = route53::Zones::start(&section.zones, &mut world.random);
            let costs = cost::Costs::start(&section.costs);
            let cloudfront =
                cloudfront::Distributions::start(&section.distributions, &mut world.random, options.now);
            let mut account =
                Account { roles: section.roles, regions: BTreeMap::new(), cloudfront, costs, route53 };
            for (name, section) in section.regions {
                let place = (number.as_str(), name.as_str());
                let added =
                    world.buckets.add(&section.s3, place, options.now, &mut world.random, &options.folders);
                added.map_err(|why| format!("{number}: {name}: {why}"))?;
                let region = Region::start(&section, place, &mut world.random, options.now)
                    .map_err(|why| format!("{number}: {name}: {why}"))?;
                account.regions.insert(name, region);
            }
            world.accounts.insert(number, account);
        }
        Ok(world)
    }

    /// The region of whoever names none.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// A key with which the first account is signed in to.
    pub fn access_key(&self) -> String {
        access_key(self.accounts.keys().next().map_or(DEFAULT_ACCOUNT, String::as_str))
    }

    /// What `request`, which arrived at `now`, is answered with.
    pub fn answer(&mut self, request: &Request<Bytes>, now: Timestamp) -> Response<Bytes> {
        let id = self.random.uuid();
        let scope = signature::scope(request);
        let service = scope.as_ref().map_or_else(|| service_of_host(request), |scope| scope.service.clone());
        if let Some(scope) = &scope
            && self.is_down(&scope.region, None, now)
            && !GLOBAL.contains(&service.as_str())
        {
            let fault = Fault::sender("ServiceUnavailable", format!("{} is down", scope.region))
                .with(StatusCode::SERVICE_UNAVAILABLE);
            if let Some(call) = read(&service, request).filter(|_| service != "s3") {
                return protocol::answer(&call, &Err(fault), &id);
            }
            return protocol::response(fault.status, "text/xml", protocol::query_error(&fault, &id));
        }
        let call = read(&service, request);
        match (service.as_str(), call) {
            // Its operations are in method and path.
            // Nobody else is asked without a signature and without naming an operation.
            (service, call) if service == "s3" || (scope.is_none() && call.is_none()) => {
                let caller = self.caller(request, scope.as_ref(), "s3", now).and_then(|caller| {
                    self.troubles.admit("s3", None, &caller)?;
                    Ok(caller)
                });
                s3::answer(self, caller, request, &id, now)
            }
            (service, Some(call)) => {
                let result = self.caller(request, scope.as_ref(), service, now);
                let result = match result {
                    Err(fault) if !takes_anybody(&call.operation) => Err(fault),
                    caller => self.call(service, caller.ok().as_ref(), &call, now),
                };
                protocol::answer(&call, &result, &id)
            }
            (service, None) => {
                let fault = Fault::not_simulated(service, request.uri().path());
                let body = protocol::query_error(&fault, &id);
                protocol::response(fault.status, "text/xml", body)
            }
        }
    }

    /// Everything that a user would call state, by name: what is compared before and after a rehearsal.
    pub fn snapshot(&mut self, now: Timestamp) -> BTreeMap<String, Value> {
        self.settle_databases(now);
        let regions = self.accounts.values_mut().flat_map(|account| account.regions.values_mut());
        regions.for_each(|region| region.secrets.settle(now));
        self.settle_caches(now);
        let mut things = self.buckets.snapshot();
        for account in self.accounts.values() {
            account.cloudfront.snapshot(&mut things);
            account.route53.snapshot(&mut things);
            for (region, content) in &account.regions {
                content.cloudwatch.snapshot(region, &mut things);
                content.eks.snapshot(region, &mut things);
                content.groups.snapshot(region, &mut things);
                content.repositories.snapshot(region, &mut things);
                content.elasticache.snapshot(region, now, &mut things);
                content.rds.snapshot(region, now, &mut things);
                content.secrets.snapshot(region, &mut things);
                content.parameters.snapshot(region, &mut things);
            }
        }
        things
    }

    /// Whether a region, or one of its zones, is down.
    pub(crate) fn is_down(&self, region: &str, zone: Option<&str>, now: Timestamp) -> bool {
        self.outages.iter().any(|outage| {
            let from = outage.from.after(self.started);
            let over = outage.r#for.map(|length| length.after(from));
            outage.region == region
                && (outage.zone.is_none() || outage.zone.as_deref() == zone)
                && from <= now
                && over.is_none_or(|over| now < over)
        })
    }

    /// Since when a region, or one of its zones, is down, if it is.
    pub(crate) fn down_since(&self, region: &str, zone: Option<&str>, now: Timestamp) -> Option<Timestamp> {
        let there = self.outages.iter().filter(|outage| {
            outage.region == region && (outage.zone.is_none() || outage.zone.as_deref() == zone)
        });
        let under_way = there.filter_map(|outage| {
            let from = outage.from.after(self.started);
            let over = outage.r#for.map(|length| length.after(from));
            (from <= now && over.is_none_or(|over| now < over)).then_some(from)
        });
        under_way.min()
    }

    /// What the caller has where the request goes; there is no region that one would have to make first.
    pub(crate) fn region_of(&mut self, caller: &Caller) -> &mut Region {
        let account = self.accounts.entry(caller.account.clone()).or_default();
        account.regions.entry(caller.region.clone()).or_default()
    }

    pub(crate) fn account_of(&mut self, caller: &Caller) -> &mut Account {
        self.accounts.entry(caller.account.clone()).or_default()
    }

    fn call(&mut self, service: &str, caller: Option<&Caller>, call: &Call, now: Timestamp) -> Answer {
        if call.operation == sso::GET {
            return sso::call(self, call, now);
        }
        let Some(caller) = caller else { return sts::call(self, None, call, now) };
        let name = iam_name(service);
        self.troubles.admit(name, Some(&call.operation), caller)?;
        if !self.troubles.comes_late(name) {
            return self.serve(service, caller, call, now);
        }
        if !protocol::reads(&call.operation) {
            let account = self.accounts.entry(caller.account.clone()).or_default();
            self.troubles.remember(name, &caller.account, account, now);
            return self.serve(service, caller, call, now);
        }
        let Some(then) = self.troubles.then(name, &caller.account, now) else {
            return self.serve(service, caller, call, now);
        };
        let present = self.accounts.insert(caller.account.clone(), then);
        let answer = self.serve(service, caller, call, now);
        self.accounts.extend(present.map(|present| (caller.account.clone(), present)));
        answer
    }

    fn serve(&mut self, service: &str, caller: &Caller, call: &Call, now: Timestamp) -> Answer {
        match service {
            "autoscaling" => autoscaling::call(self, caller, call),
            "ce" => cost::call(self, caller, call),
            "cloudfront" => cloudfront::call(self, caller, call),
            "ecr" => ecr::call(self, caller, call),
            "eks" => eks::call(self, caller, call),
            "elasticache" => elasticache::call(self, caller, call),
            "monitoring" => cloudwatch::call(self, caller, call),
            "rds" => rds::call(self, caller, call),
            "route53" => route53::call(self, caller, call),
            "secretsmanager" => secretsmanager::call(self, caller, call),
            "servicequotas" => quotas::call(self, caller, call),
            "ssm" => ssm::call(self, caller, call),
            "sts" => sts::call(self, Some(caller), call, now),
            service => Err(Fault::not_simulated(service, &call.operation)),
        }
    }

    /// Who asks, if that is good.
    fn caller(
        &self,
        request: &Request<Bytes>,
        scope: Option<&Scope>,
        service: &str,
        now: Timestamp,
    ) -> Answer<Caller> {
        let scope = scope.ok_or_else(|| {
            Fault::sender("MissingAuthenticationToken", "Request is missing Authentication Token")
                .with(StatusCode::FORBIDDEN)
        })?;
        // A program that an estate is served to on this machine has another clock than the estate.
        match self.troubles.clock(now) {
            Some(clock) => in_time(request, service, clock)?,
            None if is_on_this_machine(request) => {}
            None => in_time(request, service, now)?,
        }
        let token = signature::session_token(request);
        let (account, arn) = match (&token, account_of(&scope.access_key)) {
            (Some(_), _) => self.sessions.whose(&scope.access_key, now)?,
            (None, Some(account)) if self.accounts.contains_key(&account) => {
                let arn = format!("arn:aws:iam::{account}:user/estate");
                (account, arn)
            }
            _ => {
                let message = "The security token included in the request is invalid.";
                return Err(Fault::sender("InvalidClientTokenId", message).with(StatusCode::FORBIDDEN));
            }
        };
        Ok(Caller { account, arn, region: scope.region.clone(), now })
    }
}

impl Region {
    fn start(
        section: &RegionSection,
        place: (&str, &str),
        random: &mut Random,
        now: Timestamp,
    ) -> Result<Self, String> {
        Ok(Region {
            groups: autoscaling::Groups::start(&section.scaling_groups, place, random, now)?,
            cloudwatch: cloudwatch::CloudWatch::start(&section.cloudwatch, now)?,
            eks: eks::Clusters::start(&section.clusters, place, random, now)?,
            elasticache: elasticache::ElastiCache::start(&section.elasticache, place.1, now)?,
            quotas: quotas::Quotas::start(section),
            rds: rds::Rds::start(&section.rds, place.1, random, now)?,
            repositories: ecr::Repositories::start(&section.repositories, random, now)?,
            secrets: secretsmanager::Secrets::start(
                &section.secrets,
                &section.rotations,
                place,
                random,
                now,
            )?,
            parameters: ssm::Parameters::start(&section.parameters, now),
        })
    }
}

/// Operations that are asked without a signature.
fn takes_anybody(operation: &str) -> bool {
    matches!(operation, sts::BY_TOKEN | sso::GET)
}

/// Whether the caller's clock is near enough.
fn in_time(request: &Request<Bytes>, service: &str, now: Timestamp) -> Answer<()> {
    let Some(signed) = signature::signed_at(request) else { return Ok(()) };
    let off = now.as_second() - signed.as_second();
    match (signature::good_for(request), service) {
        (Some(seconds), _) if off > seconds => Err(Fault::denied("Request has expired")),
        (Some(_), _) => Ok(()),
        (None, "s3") if off.abs() > SKEW_SECONDS_S3 => {
            let message = "The difference between the request time and the current time is too large.";
            Err(Fault::sender("RequestTimeTooSkewed", message).with(StatusCode::FORBIDDEN))
        }
        (None, service) if service != "s3" && off.abs() > SKEW_SECONDS => {
            let told = |at: Timestamp| at.strftime("%Y%m%dT%H%M%SZ").to_string();
            let edge = |seconds: i64| told(now + SignedDuration::from_secs(seconds));
            let (signed, now) = (told(signed), told(now));
            let message = match off > 0 {
                true => {
                    let edge = edge(-SKEW_SECONDS);
                    format!("Signature expired: {signed} is now earlier than {edge} ({now} - 5 min.)")
                }
                false => {
                    let edge = edge(SKEW_SECONDS);
                    format!("Signature not yet current: {signed} is still later than {edge} ({now} + 5 min.)")
                }
            };
            // Those that speak JSON have a word of their own.
            let code = match request.headers().contains_key("x-amz-target") || service == "eks" {
                true => "InvalidSignatureException",
                false => "SignatureDoesNotMatch",
            };
            Err(Fault::sender(code, message).with(StatusCode::FORBIDDEN))
        }
        _ => Ok(()),
    }
}

fn iam_name(signing_name: &str) -> &str {
    if signing_name == "monitoring" { "cloudwatch" } else { signing_name }
}

fn is_on_this_machine(request: &Request<Bytes>) -> bool {
    let host =
        request.headers().get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "localhost"
        || name.ends_with(".localhost")
        || name.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok()
}

/// `rds` of `rds.us-west-2.amazonaws.com`, for requests that nobody signed.
fn service_of_host(request: &Request<Bytes>) -> String {
    let host =
        request.headers().get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    // A bucket may stand before it.
    if host.contains(".s3.") || host.contains(".s3-") {
        return "s3".to_owned();
    }
    host.split('.').next().unwrap_or_default().to_owned()
}

/// Keys of an estate bear the number of their account.
pub(crate) fn access_key(account: &str) -> String {
    format!("AKIAEST{account}X")
}

fn account_of(access_key: &str) -> Option<String> {
    let number = access_key.strip_prefix("AKIAEST")?.strip_suffix('X')?;
    Some(number.to_owned())
}

/// Names and identifiers that look drawn, and are decided by the seed.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// By Steele, Lea and Flood's SplitMix64.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn uuid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | (low >> 48 & 0x3fff),
            low & 0xffff_ffff_ffff
        )
    }

    /// So many characters of these.
    pub(crate) fn of(&mut self, characters: &str, count: usize) -> String {
        let characters: Vec<char> = characters.chars().collect();
        (0..count)
            .filter_map(|_| {
                let at = self.next() % characters.len().max(1) as u64;
                characters.get(usize::try_from(at).ok()?).copied()
            })
            .collect()
    }
}
