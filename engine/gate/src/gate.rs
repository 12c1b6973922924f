//! One request's way out: classify, permit, bound, record, fault, route. Each is one step here, in this order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use http::request::Parts;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use jiff::Timestamp;
use opsrun_core::{
    Access, AccessPattern, Body, BoxFuture, Call, Clock, Effect, Endpoint, Error, ErrorKind, Program,
    Redactor, Result, Running, Span, System, Talk, Undo, Value,
};
use serde::{Deserialize, Serialize};

use crate::audit::{Asked, Auditor, Decision, Reply};
use crate::fault::{Action, FaultRule};
use crate::fence::Fence;
use crate::grant::Grants;
use crate::route::Route;
use crate::way::{Conversation, Http, Passage, Way};

/// What is told of every request: the run's journal.
pub trait Recorder: Send + Sync {
    /// Before it leaves. For a write it returns once the record is durable.
    fn intent(&self, call: &Arc<Call>, access: &Access) -> BoxFuture<'static, Result<Ticket>>;
    /// When the answer came, or did not.
    fn outcome(&self, ticket: Ticket, outcome: Outcome) -> BoxFuture<'static, Result<()>>;
}

/// Ties an outcome to its intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(pub u64);

/// What a plan allows to be written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// Its hash, for errors.
    pub plan: String,
    /// The writes, in the words of [`Access`].
    pub writes: BTreeSet<String>,
}

impl Bound {
    /// A plan has no values of secrets, so accesses are compared without them.
    fn names(&self, access: &Access, redactor: &Redactor) -> bool {
        self.writes.contains(&*redactor.apply(&access.to_string()))
    }
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Answered(StatusCode),
    /// It cannot have arrived.
    NotSent(String),
    /// It may have arrived: there was no answer.
    Lost(String),
}

impl From<&Outcome> for Reply {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Answered(status) => Reply::Status(status.as_u16()),
            Outcome::NotSent(why) => Reply::NotSent(why.clone()),
            Outcome::Lost(why) => Reply::Lost(why.clone()),
        }
    }
}

/// Everything that leaves goes through one of these.
pub struct Gate {
    systems: BTreeMap<&'static str, &'static dyn System>,
    grants: Grants,
    auditor: Option<Arc<dyn Auditor>>,
    held: RwLock<Option<String>>,
    bound: RwLock<Option<(Bound, Arc<Redactor>)>>,
    fences: RwLock<Vec<Arc<Fence>>>,
    faults: Mutex<Vec<FaultRule>>,
    clock: Arc<dyn Clock>,
    route: Route,
}

impl Gate {
    pub fn new(systems: &[&'static dyn System], grants: Grants, clock: Arc<dyn Clock>, route: Route) -> Self {
        Gate {
            systems: systems.iter().map(|system| (system.name(), *system)).collect(),
            grants,
            auditor: None,
            held: RwLock::new(None),
            bound: RwLock::new(None),
            fences: RwLock::default(),
            faults: Mutex::new(Vec::new()),
            clock,
            route,
        }
    }

    /// The same, telling `auditor` of everything that asks to leave.
    #[must_use]
    pub fn audited(mut self, auditor: Option<Arc<dyn Auditor>>) -> Self {
        self.auditor = auditor;
        self
    }

    /// From now on these faults happen.
    pub fn set_faults(&self, faults: Vec<FaultRule>) {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner) = faults;
    }

    /// The faults that have not happened (all of their times).
    pub fn unused_faults(&self) -> Vec<String> {
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.iter().filter(|fault| !fault.has_fired()).map(ToString::to_string).collect()
    }

    /// Holds back all writes, saying how they are let through; `None` lets them through.
    pub fn hold_writes(&self, hint: Option<String>) {
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = hint;
    }

    /// From now on a write that this does not name is refused, unless it takes something back. `redactor` hides what the plan
    /// has not.
    pub fn bind(&self, bound: Bound, redactor: Arc<Redactor>) {
        *self.bound.write().unwrap_or_else(PoisonError::into_inner) = Some((bound, redactor));
    }

    /// Tells the auditor something about the run.
    ///
    /// # Errors
    /// `Failed` if it cannot be kept.
    pub fn remark(&self, what: &str, fields: Value) -> Result<()> {
        self.auditor.as_ref().map_or(Ok(()), |auditor| auditor.remarked(what, fields))
    }

    /// From now on writes leave only while this fence stands.
    pub fn raise(&self, fence: Arc<Fence>) {
        self.fences.write().unwrap_or_else(PoisonError::into_inner).push(fence);
    }

    /// The fence is not needed any more. One that has fallen stays where it is: nothing is written after it.
    pub fn lower(&self, fence: &Arc<Fence>) {
        let mut fences = self.fences.write().unwrap_or_else(PoisonError::into_inner);
        if fence.fallen(self.clock.now()).is_none() {
            fences.retain(|other| !Arc::ptr_eq(other, fence));
        }
    }

    /// Why nothing may be written any more, if a fence has fallen.
    pub fn fallen(&self) -> Option<String> {
        let fences = self.fences.read().unwrap_or_else(PoisonError::into_inner);
        let now = if fences.is_empty() { return None } else { self.clock.now() };
        fences.iter().find_map(|fence| fence.fallen(now))
    }

    /// Sends a request of `call`. The future belongs to no thread.
    ///
    /// # Errors
    /// `Denied` if it may not leave, `Unreachable` if no answer came.
    pub async fn send(
        &self,
        recorder: &dyn Recorder,
        call: &Arc<Call>,
        to: &Endpoint,
        system: &'static str,
        request: Request<Body>,
    ) -> Result<Response<Incoming>> {
        let (parts, body) = request.into_parts();
        self.leave(recorder, call, to, system, parts, Http(body)).await
    }

    /// Lets a conversation of `call` take place for which `request` stands.
    ///
    /// # Errors
    /// As [`Gate::send`]; those of the conversation.
    pub async fn talk(
        &self,
        recorder: &dyn Recorder,
        call: &Arc<Call>,
        to: &Endpoint,
        system: &'static str,
        request: Request<()>,
        talk: Talk,
    ) -> Result<()> {
        let (parts, ()) = request.into_parts();
        self.leave(recorder, call, to, system, parts, Conversation(talk)).await?.refused.map_or(Ok(()), Err)
    }

    async fn leave<W: Way>(
        &self,
        recorder: &dyn Recorder,
        call: &Arc<Call>,
        to: &Endpoint,
        system: &'static str,
        parts: Parts,
        way: W,
    ) -> Result<W::Answer> {
        let mut parts = absolute(parts, to)?;
        let system = *self
            .systems
            .get(system)
            .ok_or_else(|| Error::failed(format!("no system `{system}` is registered")))?;
        let access = system.access(&parts);
        let admitted = self.admit(call, &access, Some(&parts))?;
        parts.uri = below(to, parts.uri)?;
        let ticket = match recorder.intent(call, &access).await {
            Ok(ticket) => ticket,
            Err(error) => {
                self.reply(admitted, &Reply::NotSent(error.report()), None)?;
                return Err(error);
            }
        };
        let fault = self.fault(&access);
        let action = fault.as_ref().map(|(action, _)| *action);
        let passage = Passage { route: &self.route, call, to, system, access: &access };
        let answer = self.pass(&passage, action, parts, way).await;
        let outcome = match &answer {
            Ok(answer) => Outcome::Answered(W::status(answer)),
            Err(Lost { sent: true, error }) => Outcome::Lost(error.report()),
            Err(Lost { sent: false, error }) => Outcome::NotSent(error.report()),
        };
        let audited = self.reply(admitted, &(&outcome).into(), fault.as_ref().map(|(_, rule)| rule.as_str()));
        recorder.outcome(ticket, outcome).await?;
        audited?;
        answer.map_err(|lost| lost.error)
    }

    /// Lets something leave or not; the auditor is told either way. [`Gate::reply`] takes what this gives.
    ///
    /// # Errors
    /// `Denied`, with the grant that would allow it; `Failed` if the auditor cannot keep it.
    pub fn admit(&self, call: &Call, access: &Access, request: Option<&Parts>) -> Result<Option<u64>> {
        let permitted = self.judge(call, access);
        let number = match (&self.auditor, &permitted) {
            (None, _) => None,
            (Some(_), Ok(grant)) => {
                self.tell(call, access, request, &Decision::Granted(grant.to_string()))?
            }
            (Some(_), Err(Refused { held, error })) => {
                let why = error.message().to_owned();
                let decision = if *held { Decision::Held(why) } else { Decision::Denied(why) };
                self.tell(call, access, request, &decision)?
            }
        };
        permitted.map(|_| number).map_err(|refused| refused.error)
    }

    /// As [`Gate::admit`], for what needs no grant.
    ///
    /// # Errors
    /// `Failed` if the auditor cannot keep it.
    pub(crate) fn admit_freely(
        &self,
        call: &Call,
        access: &Access,
        because: &'static str,
    ) -> Result<Option<u64>> {
        self.tell(call, access, None, &Decision::Free(because))
    }

    fn tell(
        &self,
        call: &Call,
        access: &Access,
        request: Option<&Parts>,
        decision: &Decision,
    ) -> Result<Option<u64>> {
        let asked = Asked { call, access, request, decision };
        self.auditor.as_ref().map(|auditor| auditor.asked(&asked)).transpose()
    }

    /// Tells the auditor what became of what it was told under this number.
    ///
    /// # Errors
    /// `Failed` if the auditor cannot keep it.
    pub fn reply(&self, number: Option<u64>, reply: &Reply, fault: Option<&str>) -> Result<()> {
        match (&self.auditor, number) {
            (Some(auditor), Some(number)) => auditor.answered(number, reply, fault),
            _ => Ok(()),
        }
    }

    /// Whether `call` may do this. Nothing leaves, so nobody is told.
    ///
    /// # Errors
    /// As [`Gate::admit`].
    pub fn permit(&self, call: &Call, access: &Access) -> Result<()> {
        self.judge(call, access).map(drop).map_err(|refused| refused.error)
    }

    /// The grant by which `call` may do this.
    fn judge<'g>(&'g self, call: &'g Call, access: &Access) -> Result<&'g AccessPattern, Refused> {
        let mut of_target = call.target.grants.iter();
        let grant = self.grants.allowing(access).or_else(|| of_target.find(|grant| grant.matches(access)));
        let Some(grant) = grant else {
            return Err(Refused::denied(format!("`{access}` is not granted")).hint(format!(
                "allow it with `--allow '{0}'`, or in `opsrun.toml`: grants = [\"{0}\"]",
                Grants::narrowest(access)
            )));
        };
        // What reads a file of this machine may still only compute.
        let reads_file = access.system == crate::file::SYSTEM && access.effect == Effect::Read;
        if access.effect > call.effect && !reads_file {
            return Err(Refused::denied(
                format!("`{}` is declared to {:?} only, and was about to `{access}`", call.path, call.effect)
                    .to_lowercase(),
            ));
        }
        if access.effect == Effect::Write {
            let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(hint) = held.as_ref() {
                let refused = Refused::denied(format!("`{access}` is a write")).hint(hint.clone());
                return Err(Refused { held: true, ..refused });
            }
            let bound = self.bound.read().unwrap_or_else(PoisonError::into_inner);
            if let Some((bound, redactor)) = bound.as_ref()
                && !call.undoes
                && !bound.names(access, redactor)
            {
                return Err(Refused::denied(format!("`{access}` is not in the plan {}", bound.plan)).hint(
                    "the run takes another course than the plan: look why, and make a new plan".to_owned(),
                ));
            }
            if let Some(why) = self.fallen() {
                let message = format!("`{access}` does not leave: {why}");
                return Err(Refused { held: true, error: Error::new(ErrorKind::Conflict, message) });
            }
            if !matches!(call.undo, Undo::Never(_)) && call.inverses.load(Ordering::Relaxed) == 0 {
                return Err(Refused::denied(format!(
                    "`{}` was about to `{access}` without having recorded how to take it back",
                    call.path
                )));
            }
        }
        Ok(grant)
    }

    /// The fault that happens to this request, and its rule.
    pub(crate) fn fault(&self, access: &Access) -> Option<(Action, String)> {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.iter_mut().find_map(|fault| fault.strike(access).map(|action| (action, fault.to_string())))
    }

    /// The program as an estate has it; `None`: there is no estate, and it is the machine's.
    pub(crate) fn simulated_program(&self, program: &Program) -> Option<Result<Running>> {
        self.route.program(program)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) async fn sleep(&self, span: Span) {
        self.clock.sleep_until(span.after(self.clock.now())).await;
    }

    async fn pass<W: Way>(
        &self,
        passage: &Passage<'_>,
        action: Option<Action>,
        parts: Parts,
        way: W,
    ) -> Result<W::Answer, Lost> {
        let broken = |why: &str| unreachable_error(passage.to, &format!("{why} (injected fault)"));
        match action {
            None => way.go(passage, parts).await,
            Some(Action::Status(status)) => {
                let refusal = passage.system.refusal(status, passage.access);
                W::refuse(passage, status, refusal).await.map_err(Lost::unsent)
            }
            Some(Action::Refuse) => Err(Lost::unsent(broken("connection refused"))),
            Some(Action::Lose) => Err(Lost::sent(broken("connection lost before the request arrived"))),
            Some(Action::LoseAnswer) => {
                way.go(passage, parts).await?;
                Err(Lost::sent(broken("connection lost before the answer came")))
            }
            Some(Action::Delay(span)) => {
                self.sleep(span).await;
                way.go(passage, parts).await
            }
        }
    }
}

/// Why something does not leave.
struct Refused {
    /// It would, if writes were not held back.
    held: bool,
    error: Error,
}

impl Refused {
    fn denied(message: String) -> Self {
        Refused { held: false, error: Error::new(ErrorKind::Denied, message) }
    }

    fn hint(self, hint: String) -> Self {
        Refused { error: self.error.hint(hint), ..self }
    }
}

/// Why no answer came, and whether the request may have arrived.
#[derive(Debug)]
pub(crate) struct Lost {
    pub(crate) sent: bool,
    pub(crate) error: Error,
}

impl Lost {
    pub(crate) fn sent(error: Error) -> Self {
        Lost { sent: true, error }
    }

    pub(crate) fn unsent(error: Error) -> Self {
        Lost { sent: false, error }
    }
}

pub(crate) fn unreachable_error(to: &Endpoint, why: &str) -> Error {
    Error::new(ErrorKind::Unreachable, format!("{} cannot be reached: {why}", place(to)))
}

/// The endpoint, as people write it.
pub(crate) fn place(to: &Endpoint) -> String {
    match &to.socket {
        Some(socket) => socket.display().to_string(),
        None => to.uri.to_string().trim_end_matches('/').to_owned(),
    }
}

fn no_address(to: &Endpoint, error: &dyn std::fmt::Display) -> Error {
    Error::invalid(format!("`{}` is no address: {error}", to.uri))
}

/// The request's URI below the endpoint's path. What the request asks for is classified without it.
fn below(to: &Endpoint, uri: http::Uri) -> Result<http::Uri> {
    let folder = to.uri.path().trim_end_matches('/');
    if folder.is_empty() {
        return Ok(uri);
    }
    let mut parts = uri.into_parts();
    let path = parts.path_and_query.as_ref().map_or("/", |path| path.as_str());
    let path = format!("{folder}{path}").parse();
    parts.path_and_query = Some(path.map_err(|error| no_address(to, &error))?);
    http::Uri::from_parts(parts).map_err(|error| no_address(to, &error))
}

/// The request with the endpoint's scheme and authority in its URI, and a `Host` header.
fn absolute(mut parts: Parts, to: &Endpoint) -> Result<Parts> {
    let bad = |error: &dyn std::fmt::Display| no_address(to, error);
    let mut uri = parts.uri.clone().into_parts();
    uri.scheme = to.uri.scheme().cloned().or(Some(http::uri::Scheme::HTTP));
    uri.authority = Some(to.uri.authority().cloned().ok_or_else(|| bad(&"it has no host"))?);
    if uri.path_and_query.is_none() {
        uri.path_and_query = Some(http::uri::PathAndQuery::from_static("/"));
    }
    parts.uri = http::Uri::from_parts(uri).map_err(|error| bad(&error))?;
    if !parts.headers.contains_key(http::header::HOST)
        && let Some(authority) = parts.uri.authority()
    {
        let host = http::HeaderValue::from_str(authority.as_str()).map_err(|error| bad(&error))?;
        parts.headers.insert(http::header::HOST, host);
    }
    Ok(parts)
}
