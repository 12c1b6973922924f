//! AWS in a plan: what is read is read for real, until something of the same service and region is written. Then what is there is
//! taken over into a simulated one, as an estate file would have it, and from then on that one answers.

mod import;
mod objects;
mod real;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use jiff::Timestamp;
use opsrun_aws_simulator::{Asked, Aws, Options, Taken};
use opsrun_core::{
    Alteration, Alterations, Clock, Error, FieldAlteration, How, Original, Precondition, Result, Simulator,
    Surroundings, Value, serve,
};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::io::DuplexStream;

use crate::access::only_reads;
use crate::account::Account;

/// # Errors
/// `Invalid` if the target's section cannot be used.
pub(crate) fn lay(original: Original, surroundings: &Surroundings) -> Result<Arc<dyn Simulator>> {
    let target = original.cx().target();
    let region = Account::of(original.cx())?.region().ok().map(str::to_owned);
    let host = format!("aws.{}.plan", host_part(&target.name));
    let estate = opsrun_aws_simulator::EstateSection { region: region.clone(), ..Default::default() };
    let options = Options {
        estate,
        seed: surroundings.seed,
        now: surroundings.clock.now(),
        folders: Default::default(),
    };
    let world = Aws::start(options).map_err(Error::invalid)?;
    let laid = Laid {
        original,
        clock: surroundings.clock.clone(),
        state: Mutex::new(State {
            world,
            taken: BTreeSet::new(),
            before: BTreeMap::new(),
            told: BTreeMap::new(),
            buckets: objects::Buckets::default(),
        }),
        taking: tokio::sync::Mutex::new(()),
    };
    Ok(Arc::new(Overlay { laid: Arc::new(laid), host, region }))
}

struct Overlay {
    laid: Arc<Laid>,
    host: String,
    region: Option<String>,
}

struct Laid {
    original: Original,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Who takes something over is waited for.
    taking: tokio::sync::Mutex<()>,
}

struct State {
    world: Aws,
    /// Services that are taken over, each with its region.
    taken: BTreeSet<(String, String)>,
    /// Everything that was taken over, as it was.
    before: BTreeMap<String, Value>,
    /// As it was when it was told last.
    told: BTreeMap<String, Value>,
    buckets: objects::Buckets,
}

impl Simulator for Overlay {
    fn connect(&self, system: &str, to: &Uri) -> Option<DuplexStream> {
        let laid = self.laid.clone();
        (system == crate::SYSTEM && to.host() == Some(&self.host)).then(|| {
            serve(move |request| {
                let laid = laid.clone();
                async move { laid.answer(request).await.map(Full::new) }
            })
        })
    }

    fn section(&self) -> Value {
        json!({
            "estate": true,
            "region": self.region,
            "keys": { "access-key": self.laid.state().world.access_key(), "secret-key": crate::simulator::SECRET_KEY },
            "endpoint": format!("http://{}", self.host),
            "endpoints": {},
            "path-style": true,
            "profile": null,
            "role": null,
            "account": null,
            "certificate-authority": null,
        })
    }

    fn alterations(&self) -> Alterations {
        let mut state = self.laid.state();
        let now = things(&mut state.world, self.laid.clock.now());
        let things = altered(&state.told, &now);
        state.told = now;
        Alterations { things, consequences: Vec::new() }
    }

    fn preconditions(&self) -> Vec<Precondition> {
        let mut state = self.laid.state();
        let now = things(&mut state.world, self.laid.clock.now());
        let changed = |(name, _): &(&String, &Value)| state.before.get(*name) != now.get(*name);
        let was = state.before.iter().filter(changed).map(|(name, was)| precondition(name, Some(was)));
        let made = state.made_objects().filter(|name| now.contains_key(name));
        was.chain(made.map(|name| precondition(&name, None))).collect()
    }
}

impl Laid {
    fn state(&self) -> MutexGuard<'_, State> {
        // A state that an answer which panicked left behind is still what there is.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        // A body that broke off is received as far as it came.
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let request = Request::from_parts(parts, body);
        let Some(asked) = opsrun_aws_simulator::asked(&request) else {
            return refused("it is not known what is asked for");
        };
        if asked.service == "s3" {
            let answered = objects::answer(self, &request, &asked).await;
            return answered.unwrap_or_else(|error| refused(&error.report()));
        }
        let prepared = self.prepare(&asked).await;
        let answered = match prepared {
            Ok(true) => return self.simulated(&request, &asked),
            Ok(false) => real::ask(&self.original, &request, &asked).await,
            Err(error) => Err(error),
        };
        answered.unwrap_or_else(|error| refused(&error.report()))
    }

    /// Whether the simulated one answers. The first write of a service takes over what is there; of secrets and parameters, which may be
    /// many and nobody's to read, only the one that is written.
    async fn prepare(&self, asked: &Asked) -> Result<bool> {
        let is_one = import::ONE_BY_ONE.contains(&asked.service.as_str());
        let place = match (&asked.thing, is_one) {
            (Some(thing), true) => (asked.service.clone(), format!("{}/{thing}", asked.region)),
            _ => (asked.service.clone(), asked.region.clone()),
        };
        // Held to the end: `let _` would let go of it at once.
        let _taking = self.taking.lock().await;
        let is_taken = self.state().taken.contains(&place);
        let reads = only_reads(&asked.service, &asked.operation);
        // Signing in to a registry is about no image.
        let is_about_none = asked.operation == "GetAuthorizationToken";
        if is_one && asked.thing.is_none() && !is_about_none {
            return self.is_all_real(asked, reads).map(|()| false);
        }
        if is_taken || reads {
            return Ok(is_taken);
        }
        let thing = asked.thing.as_deref();
        let found = import::services(&self.original, (&asked.service, &asked.region), thing).await?;
        let mut state = self.state();
        let now = self.clock.now();
        let known = things(&mut state.world, now);
        for (service, content) in found {
            let region = if service == "route53" { asked.region.clone() } else { content.region.clone() };
            if is_one {
                state.taken.insert(place.clone());
                // These have two names.
                let names = content.secrets.iter().flat_map(|(name, secret)| [name, &secret.arn]);
                let names = names.map(|name| (service.to_owned(), format!("{region}/{name}")));
                state.taken.extend(names);
                state.world.take_over(content, now).map_err(Error::failed)?;
                continue;
            }
            state.world.take_over(content, now).map_err(Error::failed)?;
            state.taken.insert((service.to_owned(), region));
        }
        // What the run has made since it began is not of before.
        let all = things(&mut state.world, now).into_iter();
        let found: Vec<(String, Value)> = all.filter(|(name, _)| !known.contains_key(name)).collect();
        state.before.extend(found.clone());
        state.told.extend(found);
        Ok(true)
    }

    /// What is about several secrets or parameters is answered by the real one, as long as none of them was written.
    fn is_all_real(&self, asked: &Asked, reads: bool) -> Result<()> {
        let Asked { service, operation, region, .. } = asked;
        let within = format!("{region}/");
        let state = self.state();
        let mut taken = state.taken.iter().filter(|(of, place)| of == service && place.starts_with(&within));
        match (taken.next(), reads) {
            (None, true) => Ok(()),
            (Some((_, place)), true) => Err(Error::invalid(format!(
                "what {service}:{operation} would tell after `{place}` was written cannot be planned"
            ))
            .hint("ask for each one by its name, or list them first")),
            (_, false) => {
                Err(Error::invalid(format!("what {service}:{operation} would do cannot be planned"))
                    .hint("rehearse the playbook: `opsrun rehearse`"))
            }
        }
    }

    fn simulated(&self, request: &Request<Bytes>, asked: &Asked) -> Response<Bytes> {
        let response = self.state().world.answer(request, self.clock.now());
        if response.status() == StatusCode::NOT_IMPLEMENTED {
            let (service, operation) = (&asked.service, &asked.operation);
            return refused(&format!(
                "what {service}:{operation} would do cannot be foreseen: it is not simulated"
            ));
        }
        response
    }
}

/// Says that an answer is not AWS's, and why there is none, as in a form: to `HEAD` no answer has a body.
pub(crate) const REFUSED: &str = "x-opsrun-refused";

/// As a proxy says that it got no answer.
fn refused(why: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(format!("{why}\n")));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    let why: String = form_urlencoded::byte_serialize(why.as_bytes()).collect();
    let why =
        http::HeaderValue::from_str(&why).unwrap_or(http::HeaderValue::from_static("it+cannot+be+said"));
    response.headers_mut().insert(REFUSED, why);
    response
}

/// A target's name as a part of a host name.
fn host_part(name: &str) -> String {
    let part: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    if part.is_empty() { "target".to_owned() } else { part }
}

/// What a user would call state: of what has versions, the latest.
fn things(world: &mut Aws, now: Timestamp) -> BTreeMap<String, Value> {
    let all = world.snapshot(now).into_iter();
    let latest = all.map(|(name, state)| match state {
        Value::Array(mut versions) => (name, versions.pop().unwrap_or_default()),
        state => (name, state),
    });
    // What a marker says to be deleted is not there.
    latest.filter(|(_, state)| !state.is_null()).collect()
}

fn altered(before: &BTreeMap<String, Value>, now: &BTreeMap<String, Value>) -> Vec<Alteration> {
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    names
        .into_iter()
        .filter_map(|name| {
            let (how, fields) = match (before.get(name), now.get(name)) {
                (None, Some(_)) => (How::Created, Vec::new()),
                (Some(_), None) => (How::Deleted, Vec::new()),
                (Some(before), Some(now)) if before != now => (How::Changed, fields(before, now)),
                _ => return None,
            };
            Some(Alteration { what: name.clone(), how, fields })
        })
        .collect()
}

fn fields(before: &Value, now: &Value) -> Vec<FieldAlteration> {
    let members = |value: &Value| value.as_object().cloned().unwrap_or_default();
    let (before, now) = (members(before), members(now));
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let changed = names.into_iter().filter(|name| before.get(*name) != now.get(*name));
    changed
        .map(|name| FieldAlteration {
            path: name.clone(),
            before: before.get(name).cloned(),
            after: now.get(name).cloned(),
            owner: None,
        })
        .collect()
}

fn precondition(name: &str, was: Option<&Value>) -> Precondition {
    let digest =
        was.map(|was| Sha256::digest(was.to_string()).iter().map(|byte| format!("{byte:02x}")).collect());
    Precondition { what: name.to_owned(), object: name.to_owned(), version: None, digest }
}

/// How something is now that a plan found: of its whole service the same is looked up anew.
///
/// # Errors
/// Why that cannot be asked.
pub(crate) async fn look(cx: opsrun_core::Cx, then: Precondition) -> Result<Precondition> {
    if let Some(object) = then.object.strip_prefix("s3 ") {
        let found = import::objects::named(&cx, object).await?;
        return now_is(&cx, &then, found);
    }
    let mut words = then.object.split(' ');
    let (service, _, place) =
        (words.next().unwrap_or_default(), words.next(), words.next().unwrap_or_default());
    let (region, thing) = place.split_once('/').unwrap_or((place, ""));
    // An image is looked up with its repository.
    let thing = if service == "ecr" { thing.split('@').next().unwrap_or_default() } else { thing };
    let found = import::of_service(&cx, (service, region), Some(thing)).await?;
    now_is(&cx, &then, found)
}

/// How something is, by what was found of it.
fn now_is(cx: &opsrun_core::Cx, then: &Precondition, found: Taken) -> Result<Precondition> {
    let now = cx.now();
    let estate = opsrun_aws_simulator::EstateSection::default();
    let mut world =
        Aws::start(Options { estate, seed: 0, now, folders: Default::default() }).map_err(Error::failed)?;
    world.take_over(found, now).map_err(Error::failed)?;
    Ok(precondition(&then.what, things(&mut world, now).get(&then.object)))
}
