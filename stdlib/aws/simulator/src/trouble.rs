//! What makes AWS hard to work with, on purpose: requests that are too many, reads that come late, and a clock that is off.

use std::collections::{BTreeMap, VecDeque};

use http::StatusCode;
use jiff::Timestamp;
use opsrun_core::Span;
use serde::Deserialize;

use crate::fault::{Answer, Fault};
use crate::world::{Account, Caller};

/// Services by their names in IAM.
const SERVICES: &[&str] = &[
    "autoscaling",
    "ce",
    "cloudfront",
    "cloudwatch",
    "ecr",
    "eks",
    "elasticache",
    "rds",
    "route53",
    "s3",
    "secretsmanager",
    "servicequotas",
    "ssm",
    "sso",
    "sts",
];

/// Of an account's past no more is kept than this: older states are seen no longer.
const MOST_KEPT: usize = 64;

/// How many requests a service takes, in each account and region; more are refused in its own words.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ThrottleSection {
    /// By its name in IAM: `rds`.
    pub service: String,
    /// Only requests of this operation; not for S3, which counts all.
    pub operation: Option<String>,
    /// So many a second; 0 lets none through but those of `burst`.
    pub rate: f64,
    /// So many at once, after a while without any; as many as come in a second if it is left out.
    pub burst: Option<u32>,
    /// So long after the estate's start.
    #[serde(default)]
    pub from: Span,
    /// For so long; for good if it is left out.
    pub r#for: Option<Span>,
}

/// How far AWS's clock is off from that of whoever asks.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ClockSection {
    pub ahead: Option<Span>,
    pub behind: Option<Span>,
}

/// All of it, with what has to be known of the requests so far.
#[derive(Debug, Clone)]
pub(crate) struct Troubles {
    throttles: Vec<Throttle>,
    lags: BTreeMap<String, Span>,
    /// By service and account: what there was until when.
    past: BTreeMap<(String, String), VecDeque<(Timestamp, Account)>>,
    clock: ClockSection,
}

#[derive(Debug, Clone)]
struct Throttle {
    section: ThrottleSection,
    from: Timestamp,
    until: Option<Timestamp>,
    /// By account and region: how many requests may come at once, and when that was so.
    left: BTreeMap<(String, String), (f64, Timestamp)>,
}

impl Troubles {
    /// # Errors
    /// What of the sections cannot be.
    pub(crate) fn start(
        throttles: Vec<ThrottleSection>,
        lags: BTreeMap<String, Span>,
        clock: ClockSection,
        now: Timestamp,
    ) -> Result<Self, String> {
        let known = |what: &str, service: &str| match SERVICES.contains(&service) {
            true => Ok(()),
            false => Err(format!(
                "`{what}`: there is no service `{service}`; there are `{}`",
                SERVICES.join("`, `")
            )),
        };
        for section in &throttles {
            known("throttle", &section.service)?;
            if !(section.rate.is_finite() && section.rate >= 0.0) {
                return Err(format!("`throttle`: `{}` is no number of requests a second", section.rate));
            }
            if section.service == "s3" && section.operation.is_some() {
                return Err("`throttle`: S3 counts all requests: leave `operation` out".to_owned());
            }
        }
        for service in lags.keys() {
            known("consistency", service)?;
            if matches!(service.as_str(), "s3" | "sso" | "sts") {
                return Err(format!("`consistency`: what is read of `{service}` is never late"));
            }
        }
        if clock.ahead.is_some() && clock.behind.is_some() {
            return Err("`clock`: it is either `ahead` or `behind`".to_owned());
        }
        let throttles = throttles.into_iter().map(|section| {
            let from = section.from.after(now);
            let until = section.r#for.map(|length| length.after(from));
            Throttle { section, from, until, left: BTreeMap::new() }
        });
        Ok(Troubles { throttles: throttles.collect(), lags, past: BTreeMap::new(), clock })
    }

    /// What AWS's clock says when that of whoever asks says `now`; `None` if they say the same.
    pub(crate) fn clock(&self, now: Timestamp) -> Option<Timestamp> {
        match (self.clock.ahead, self.clock.behind) {
            (Some(ahead), _) => Some(ahead.after(now)),
            (None, Some(behind)) => Some(now.checked_sub(behind.duration()).unwrap_or(now)),
            (None, None) => None,
        }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// That it is one too many.
    pub(crate) fn admit(&mut self, service: &str, operation: Option<&str>, caller: &Caller) -> Answer<()> {
        let now = caller.now;
        let counts = |throttle: &&mut Throttle| {
            throttle.section.service == service
                && (throttle.section.operation.is_none()
                    || throttle.section.operation.as_deref() == operation)
                && throttle.from <= now
                && throttle.until.is_none_or(|until| now < until)
        };
        let key = (caller.account.clone(), caller.region.clone());
        let refused = self.throttles.iter_mut().filter(counts).any(|throttle| !throttle.takes(&key, now));
        if refused { Err(too_many(service)) } else { Ok(()) }
    }

    pub(crate) fn comes_late(&self, service: &str) -> bool {
        self.lags.contains_key(service)
    }

    /// Keeps what there is until now, before it is written to.
    pub(crate) fn remember(&mut self, service: &str, number: &str, account: &Account, now: Timestamp) {
        let past = self.past.entry((service.to_owned(), number.to_owned())).or_default();
        past.push_back((now, account.clone()));
        if past.len() > MOST_KEPT {
            past.pop_front();
        }
    }

    /// What there was when reads of this service are of; `None` if nothing was written since.
    pub(crate) fn then(&mut self, service: &str, number: &str, now: Timestamp) -> Option<Account> {
        let lag = self.lags.get(service)?;
        let then = now.checked_sub(lag.duration()).ok()?;
        let past = self.past.get_mut(&(service.to_owned(), number.to_owned()))?;
        past.retain(|(until, _)| *until > then);
        past.front().map(|(_, account)| account.clone())
    }
}

impl Throttle {
    /// Whether one more may come: a bucket of tokens that fills by time.
    fn takes(&mut self, key: &(String, String), now: Timestamp) -> bool {
        let rate = self.section.rate;
        let most = self.section.burst.map_or(if rate > 0.0 { rate.max(1.0) } else { 0.0 }, f64::from);
        let (left, at) = self.left.get(key).copied().unwrap_or((most, now));
        let left = (left + now.duration_since(at).as_secs_f64().max(0.0) * rate).min(most);
        let takes = left >= 1.0;
        self.left.insert(key.clone(), (if takes { left - 1.0 } else { left }, now));
        takes
    }
}

fn too_many(service: &str) -> Fault {
    match service {
        "s3" => Fault::sender("SlowDown", "Please reduce your request rate.")
            .with(StatusCode::SERVICE_UNAVAILABLE),
        "eks" | "servicequotas" => {
            Fault::sender("TooManyRequestsException", "Too Many Requests").with(StatusCode::TOO_MANY_REQUESTS)
        }
        "ce" | "ecr" | "secretsmanager" | "ssm" => Fault::sender("ThrottlingException", "Rate exceeded"),
        _ => Fault::sender("Throttling", "Rate exceeded"),
    }
}
