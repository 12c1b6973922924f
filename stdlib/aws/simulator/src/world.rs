//! All accounts of an estate, and the way of a request to the service that answers it.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use jiff::Timestamp;
use serde_json::Value;

use crate::estate::{AccountSection, EstateSection, RegionSection};
use crate::fault::{Answer, Fault};
use crate::protocol::{self, Call};
use crate::services::{s3, sts};
use crate::signature::{self, Scope};

pub(crate) const DEFAULT_ACCOUNT: &str = "111122223333";
pub(crate) const DEFAULT_REGION: &str = "us-west-2";

/// How far a caller's clock may be off: S3 takes more than the others.
const SKEW_SECONDS: i64 = 300;
const SKEW_SECONDS_S3: i64 = 900;

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
}

/// One account.
#[derive(Debug, Clone, Default)]
pub(crate) struct Account {
    pub(crate) roles: Vec<String>,
    pub(crate) regions: BTreeMap<String, Region>,
}

/// What is in one region of an account.
#[derive(Debug, Clone, Default)]
pub(crate) struct Region {}

/// Whom a request is from, where it goes, and when it came.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) account: String,
    /// `arn:aws:iam::111122223333:user/estate`
    pub(crate) arn: String,
    pub(crate) region: String,
    pub(crate) now: Timestamp,
}

impl Aws {
    /// # Errors
    /// What of the section cannot be.
    pub fn start(options: Options) -> Result<Self, String> {
        let mut accounts = options.estate.accounts;
        if accounts.is_empty() {
            accounts.insert(DEFAULT_ACCOUNT.to_owned(), AccountSection::default());
        }
        let mut world = Aws {
            region: options.estate.region.unwrap_or_else(|| DEFAULT_REGION.to_owned()),
            accounts: BTreeMap::new(),
            sessions: sts::Sessions::default(),
            buckets: s3::Buckets::default(),
            random: Random(options.seed),
        };
        for (number, section) in accounts {
            if number.len() != 12 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(format!("`{number}` is no number of an account: it has 12 digits"));
            }
            let mut account = Account { roles: section.roles, regions: BTreeMap::new() };
            for (name, section) in section.regions {
                let place = (number.as_str(), name.as_str());
                let added =
                    world.buckets.add(&section.s3, place, options.now, &mut world.random, &options.folders);
                added.map_err(|why| format!("{number}: {name}: {why}"))?;
                let region =
                    Region::start(&section, options.now).map_err(|why| format!("{number}: {name}: {why}"))?;
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
        let call = protocol::read(request);
        let scope = signature::scope(request);
        let service = scope.as_ref().map_or_else(|| service_of_host(request), |scope| scope.service.clone());
        match (service.as_str(), call) {
            // Its operations are in method and path.
            // Nobody else is asked without a signature and without naming an operation.
            (service, call) if service == "s3" || (scope.is_none() && call.is_none()) => {
                let caller = self.caller(request, scope.as_ref(), "s3", now);
                s3::answer(self, caller, request, &id, now)
            }
            (service, Some(call)) => {
                let result = self.caller(request, scope.as_ref(), service, now);
                let result = match result {
                    Err(fault) if !sts::takes_anybody(&call.operation) => Err(fault),
                    caller => self.call(service, &caller.ok(), &call, now),
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
    pub fn snapshot(&self) -> BTreeMap<String, Value> {
        self.buckets.snapshot()
    }

    fn call(&mut self, service: &str, caller: &Option<Caller>, call: &Call, now: Timestamp) -> Answer {
        match service {
            "sts" => sts::call(self, caller.as_ref(), call, now),
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
        in_time(request, service, now)?;
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
    fn start(_section: &RegionSection, _now: Timestamp) -> Result<Self, String> {
        Ok(Region::default())
    }
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
            let message = format!("Signature expired: {signed} is now earlier than {now} (5 min.)");
            let code = if off > 0 { "SignatureDoesNotMatch" } else { "RequestExpired" };
            Err(Fault::sender(code, message).with(StatusCode::FORBIDDEN))
        }
        _ => Ok(()),
    }
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
