//! Leases of a run: taken before a body, renewed on the run's clock, given back after it. While one is held a fence stands
//! around the run's writes; if it is lost, nothing more is written. What is taken back is taken back under it, too.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};

use futures::future::{Either, select};
use jiff::Timestamp;
use opsrun_core::{
    BoxFuture, Call, Clock, Cx, Effect, Error, ErrorKind, KeptLease, Lease, Leases, Result, Span, Target,
    Value,
};
use opsrun_gate::Fence;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::branch::{Branch, StepBody};
use crate::journal::Entry;
use crate::past::Course;
use crate::run::{Run, locked};

/// How a lease is wanted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeaseTerms {
    /// What for; for others who want it.
    pub reason: String,
    /// So long after the last renewal it is free, if the run dies.
    pub expiry: Span,
    /// How long to wait while somebody else holds it.
    pub wait: Span,
}

/// A lease that a run takes or has taken, as its journal has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Wanted {
    target: String,
    name: String,
    #[serde(flatten)]
    terms: LeaseTerms,
}

/// The leases of a run.
#[derive(Default)]
pub(crate) struct Holdings {
    held: Mutex<Vec<Holding>>,
    /// All that were ever taken, so that they can be held while things are taken back.
    wanted: Mutex<Vec<Wanted>>,
    /// Where leases are where nobody else can see them: in a world of its own.
    alone: Arc<MemoryLeases>,
}

/// A lease that is held.
struct Holding {
    wanted: Wanted,
    holder: Holder,
    number: u64,
    fence: Arc<Fence>,
    /// Dropping it ends the renewals.
    renewing: oneshot::Sender<()>,
    /// How many bodies hold it.
    bodies: u32,
}

/// Who holds, and where.
#[derive(Clone)]
struct Holder {
    name: String,
    me: String,
    terms: LeaseTerms,
    store: Arc<dyn Leases>,
    cx: Cx,
    clock: Arc<dyn Clock>,
}

/// How calls of leases are named.
pub(crate) const PATH: &str = "lease";
/// How far the clocks of two machines may be apart.
const SKEW: Span = Span::from_secs(5);
/// A shorter one could not be renewed in time.
const SHORTEST: Span = Span::from_secs(3);
const POLL: Span = Span::from_secs(2);
/// What takes things back waits at least so long for the lease that they were done under.
const PATIENCE: Span = Span::from_secs(60);

impl Holdings {
    pub(crate) fn before(wanted: Vec<Wanted>) -> Self {
        Holdings { wanted: Mutex::new(wanted), ..Holdings::default() }
    }
}

impl Branch {
    /// Runs `body` while the run holds the lease `name` on the branch's target. If `body` fails, the lease is held until the
    /// run has ended, as what was done may have to be taken back.
    ///
    /// # Errors
    /// `Conflict` if somebody else holds it, or it was lost; `Invalid` for a name that cannot be one; those of `body`.
    pub fn lease(self: &Arc<Self>, name: &str, terms: LeaseTerms, body: StepBody<'_>) -> Result<Value> {
        let target = self.target();
        let wanted = Wanted { target: target.name.clone(), name: name.to_owned(), terms };
        self.hold(&target, &wanted)?;
        let result = body(self);
        if result.is_ok() && self.run().setup.course == Course::Onward {
            self.let_go(&wanted);
        }
        result
    }

    /// The leases on the branch's target.
    ///
    /// # Errors
    /// Those of where they are kept.
    pub fn leases(self: &Arc<Self>) -> Result<Vec<(String, Lease)>> {
        let store = self.run().lease_store(&self.target());
        self.block_on(store.list(self.reading(PATH)))?
    }

    /// Takes a lease from whoever holds it, who then can write nothing more. Gives what it was.
    ///
    /// # Errors
    /// `NotFound` if nobody holds it; `Conflict` if it changed in between.
    pub fn break_lease(self: &Arc<Self>, name: &str, reason: &str) -> Result<Lease> {
        checked_name(name)?;
        let store = self.run().lease_store(&self.target());
        let cx = self.holding(&self.target());
        let (name, now) = (name.to_owned(), self.run().now());
        let broken = Lease {
            holder: String::new(),
            reason: format!("broken by {}: {reason}", self.run().setup.user),
            since: now,
            renewed: now,
            expiry: Span::from_secs(1),
            number: 0,
        };
        self.block_on(Box::pin(async move {
            let kept = store.read(cx.clone(), name.clone()).await?;
            let Some(KeptLease { lease, version }) = kept.filter(|kept| !kept.lease.holder.is_empty()) else {
                return Err(Error::not_found(format!("nobody holds the lease `{name}`")));
            };
            let broken = Lease { number: lease.number + 1, ..broken };
            match store.write(cx, name.clone(), broken, Some(version)).await? {
                true => Ok(lease),
                false => Err(Error::new(
                    ErrorKind::Conflict,
                    format!("the lease `{name}` was changed in this moment: look at it again"),
                )),
            }
        }))?
    }

    /// Holds a lease, or holds it once more.
    fn hold(self: &Arc<Self>, target: &Arc<Target>, wanted: &Wanted) -> Result<()> {
        checked_name(&wanted.name)?;
        if wanted.terms.expiry < SHORTEST {
            let error = Error::invalid(format!(
                "the lease `{}` would run out after {}",
                wanted.name, wanted.terms.expiry
            ));
            return Err(
                error.hint(format!("it has to be renewed in time: let `expiry` be {SHORTEST} or more"))
            );
        }
        let run = self.run();
        if let Some(holding) = find(&mut locked(&run.leases.held), wanted) {
            holding.bodies += 1;
            return Ok(());
        }
        let cx = self.holding(target);
        let number = cx.call().id.0;
        let arguments = serde_json::to_value(wanted).map_err(|error| Error::failed(error.to_string()))?;
        let key = run.key(&self.scope_now(), PATH, &arguments);
        let (scope, path) = (key.scope, key.path);
        let begun =
            Entry::CallBegun { call: number, path, scope, number: key.number, arguments, undoes: None };
        self.record(begun, false)?;
        let taken = self.take(target, wanted, cx);
        let (error, value) = match &taken {
            Ok(holding) => (None, Value::from(holding.number)),
            Err(error) => (Some(error.to_value()), Value::Null),
        };
        self.record(Entry::CallEnded { call: number, error, value }, false)?;
        let holding = taken?;
        let mut held = locked(&run.leases.held);
        if let Some(other) = find(&mut held, wanted) {
            // Another branch took it meanwhile, as the same holder.
            other.bodies += 1;
            return Ok(());
        }
        run.gate().raise(holding.fence.clone());
        held.push(holding);
        let mut known = locked(&run.leases.wanted);
        if !known.iter().any(|known| known.is_same(wanted)) {
            known.push(wanted.clone());
        }
        Ok(())
    }

    fn take(self: &Arc<Self>, target: &Arc<Target>, wanted: &Wanted, cx: Cx) -> Result<Holding> {
        let run = self.run();
        let holder = Holder {
            name: wanted.name.clone(),
            me: format!("{} ({})", run.name(), run.setup.user),
            terms: wanted.terms.clone(),
            store: run.lease_store(target),
            cx,
            clock: run.clock.clone(),
        };
        let taking = holder.clone();
        let (number, fence, renewing) = self.bounded(
            &format!("lease `{}`", wanted.name),
            None,
            Box::pin(async move {
                let (number, until) = taking.take().await?;
                let fence = Arc::new(Fence::new(format!("the lease `{}`", taking.name), until));
                let (renewing, stop) = oneshot::channel();
                tokio::spawn(taking.clone().renew(number, fence.clone(), stop));
                taking.cx.info(format!("holds the lease `{}`, as its holder number {number}", taking.name));
                Ok((number, fence, renewing))
            }),
        )?;
        Ok(Holding { wanted: wanted.clone(), holder, number, fence, renewing, bodies: 1 })
    }

    fn let_go(self: &Arc<Self>, wanted: &Wanted) {
        let run = self.run();
        let holding = {
            let mut held = locked(&run.leases.held);
            let Some(at) = held.iter().position(|holding| holding.wanted.is_same(wanted)) else { return };
            held[at].bodies = held[at].bodies.saturating_sub(1);
            if held[at].bodies > 0 {
                return;
            }
            held.remove(at)
        };
        self.give_back(holding);
    }

    fn give_back(self: &Arc<Self>, holding: Holding) {
        let Holding { holder, number, fence, renewing, .. } = holding;
        drop(renewing);
        if fence.fallen(self.run().now()).is_some() {
            return;
        }
        let cx = holder.cx.clone();
        let name = holder.name.clone();
        let given = self.block_on(Box::pin(async move { holder.give_back(number).await }));
        self.run().gate().lower(&fence);
        if let Err(error) = given.and_then(|given| given) {
            cx.warn(format!("the lease `{name}` could not be given back, and runs out: {}", error.report()));
        }
    }

    /// What is asked and written for a lease; it is given back, so nothing is recorded that takes it back.
    fn holding(self: &Arc<Self>, target: &Arc<Target>) -> Cx {
        let run = self.run();
        run.context(Arc::new(Call {
            effect: Effect::Write,
            steps: self.steps(),
            // A plan is not about who may act.
            undoes: true,
            inverses: AtomicUsize::new(1),
            ..Call::reading(run.next_call(), PATH, target.clone())
        }))
    }
}

impl Run {
    /// Holds again what the run held when it did what is to be taken back.
    ///
    /// # Errors
    /// As [`Branch::lease`].
    pub(crate) fn hold_again(self: &Arc<Self>, branch: &Arc<Branch>) -> Result<()> {
        let wanted = locked(&self.leases.wanted).clone();
        for mut wanted in wanted {
            let target = self.setup.targets.get(&wanted.target).unwrap_or(&self.setup.target).clone();
            wanted.terms.wait = wanted.terms.wait.max(PATIENCE);
            branch.hold(&target, &wanted)?;
        }
        Ok(())
    }

    /// Gives back everything that is held: the run is over.
    pub(crate) fn let_all_go(self: &Arc<Self>, branch: &Arc<Branch>) {
        let held = std::mem::take(&mut *locked(&self.leases.held));
        held.into_iter().rev().for_each(|holding| branch.give_back(holding));
    }

    fn lease_store(&self, target: &Target) -> Arc<dyn Leases> {
        let mut systems = self.registry().systems().iter();
        if let Some(store) = systems.find_map(|system| system.leases(target)) {
            return store;
        }
        match &self.setup.lease_folder {
            Some(folder) => Arc::new(FileLeases(folder.clone())),
            None => self.leases.alone.clone(),
        }
    }
}

impl Wanted {
    /// What the journal has of a lease.
    pub(crate) fn read(arguments: &Value) -> Option<Self> {
        serde_json::from_value(arguments.clone()).ok()
    }

    fn is_same(&self, other: &Wanted) -> bool {
        (&self.target, &self.name) == (&other.target, &other.name)
    }
}

fn find<'h>(held: &'h mut [Holding], wanted: &Wanted) -> Option<&'h mut Holding> {
    held.iter_mut().find(|holding| holding.wanted.is_same(wanted))
}

impl Holder {
    /// Its number, and until when it is held.
    async fn take(&self) -> Result<(u64, Timestamp)> {
        let deadline = self.terms.wait.after(self.clock.now());
        loop {
            let now = self.clock.now();
            let kept = self.store.read(self.cx.clone(), self.name.clone()).await?;
            match kept {
                Some(KeptLease { lease, .. }) if !self.is_free(&lease, now) => {
                    if now >= deadline {
                        return Err(self.busy(&lease));
                    }
                    self.cx.progress(format!("the lease `{}` is held by {}", self.name, lease.holder));
                    self.cx.sleep(POLL.min(until(now, deadline))).await?;
                }
                kept => {
                    let (before, version) = match kept {
                        Some(KeptLease { lease, version }) => (Some(lease), Some(version)),
                        None => (None, None),
                    };
                    let lease = self.mine(before.as_ref(), now);
                    let number = lease.number;
                    // Where somebody was faster, it is looked who.
                    if self.store.write(self.cx.clone(), self.name.clone(), lease, version).await? {
                        return Ok((number, self.terms.expiry.after(now)));
                    }
                }
            }
        }
    }

    fn mine(&self, before: Option<&Lease>, now: Timestamp) -> Lease {
        let again = before.filter(|before| before.holder == self.me);
        Lease {
            holder: self.me.clone(),
            reason: self.terms.reason.clone(),
            since: again.map_or(now, |before| before.since),
            renewed: now,
            expiry: self.terms.expiry,
            number: match (again, before) {
                (Some(before), _) => before.number,
                (None, Some(before)) => before.number + 1,
                (None, None) => 1,
            },
        }
    }

    fn is_free(&self, lease: &Lease, now: Timestamp) -> bool {
        lease.holder.is_empty() || lease.holder == self.me || now > SKEW.after(lease.until())
    }

    fn busy(&self, lease: &Lease) -> Error {
        let mut message =
            format!("the lease `{}` is held by {} since {}", self.name, lease.holder, lease.since);
        if !lease.reason.is_empty() {
            message.push_str(&format!(", for: {}", lease.reason));
        }
        Error::new(ErrorKind::Conflict, message).detail(format!("it runs out at {}", lease.until())).hint(format!(
            "wait for it with the option `wait`; if nobody works there any more: `opsrun lease break {} --reason \"…\"`",
            self.name
        ))
    }

    /// Renews it until `stop`, or until it is lost.
    async fn renew(self, number: u64, fence: Arc<Fence>, mut stop: oneshot::Receiver<()>) {
        let third: Span = (self.terms.expiry.duration() / 3).into();
        let mut pause = third;
        loop {
            let slept = self.clock.sleep_until(pause.after(self.clock.now()));
            match select(slept, &mut stop).await {
                Either::Left(_) => {}
                Either::Right(_) => return,
            }
            let now = self.clock.now();
            if fence.fallen(now).is_some() {
                return;
            }
            match self.renewed(number, now).await {
                Ok(None) => {
                    fence.hold_until(self.terms.expiry.after(now));
                    pause = third;
                }
                Ok(Some(why)) => {
                    self.cx.warn(format!("the lease `{}` was lost: {why}", self.name));
                    return fence.fall(why);
                }
                // It is tried again until it runs out, which the fence sees by itself.
                Err(_) => pause = (third.duration() / 4).into(),
            }
        }
    }

    /// Why it cannot be renewed any more, if it cannot.
    async fn renewed(&self, number: u64, now: Timestamp) -> Result<Option<String>> {
        let kept = self.store.read(self.cx.clone(), self.name.clone()).await?;
        let Some(KeptLease { lease, version }) = kept else { return Ok(Some("somebody removed it".into())) };
        if lease.holder != self.me || lease.number != number {
            return Ok(Some(match lease.holder.is_empty() {
                true => lease.reason,
                false => format!("it is held by {} now", lease.holder),
            }));
        }
        let lease = Lease { renewed: now, ..lease };
        match self.store.write(self.cx.clone(), self.name.clone(), lease, Some(version)).await? {
            true => Ok(None),
            false => Err(Error::new(ErrorKind::Conflict, "it was changed in this moment")),
        }
    }

    async fn give_back(&self, number: u64) -> Result<()> {
        let kept = self.store.read(self.cx.clone(), self.name.clone()).await?;
        let Some(KeptLease { lease, version }) = kept else { return Ok(()) };
        if lease.holder != self.me || lease.number != number {
            return Ok(());
        }
        let lease = Lease { holder: String::new(), renewed: self.clock.now(), ..lease };
        self.store.write(self.cx.clone(), self.name.clone(), lease, Some(version)).await.map(drop)
    }
}

fn until(now: Timestamp, deadline: Timestamp) -> Span {
    std::time::Duration::try_from(deadline.duration_since(now)).unwrap_or_default().into()
}

/// What every place can keep: as Kubernetes names objects.
fn checked_name(name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    if name.len() <= 200
        && name.chars().all(plain)
        && ends(name.chars().next())
        && ends(name.chars().next_back())
    {
        return Ok(());
    }
    Err(Error::invalid(format!("`{name}` cannot be the name of a lease"))
        .hint("it has lower-case letters, digits, `-` and `.`, and begins and ends with a letter or digit"))
}

/// Leases in files of this machine, for targets whose systems keep none.
struct FileLeases(PathBuf);

impl FileLeases {
    fn path(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.json"))
    }
}

fn kept_in(text: &str, path: &std::path::Path) -> Result<KeptLease> {
    let lease = serde_json::from_str(text).map_err(|error| {
        Error::invalid(format!("the lease in `{}` cannot be read: {error}", path.display()))
            .hint("if nobody works there any more, remove the file")
    })?;
    Ok(KeptLease { lease, version: text.to_owned() })
}

impl Leases for FileLeases {
    fn read(&self, _: Cx, name: String) -> BoxFuture<'static, Result<Option<KeptLease>>> {
        let path = self.path(&name);
        let kept = match opsrun_gate::read_text(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            text => text.and_then(|text| kept_in(&text, &path).map(Some)),
        };
        Box::pin(async move { kept })
    }

    fn write(
        &self,
        _: Cx,
        name: String,
        lease: Lease,
        version: Option<String>,
    ) -> BoxFuture<'static, Result<bool>> {
        let mut written = false;
        let done = serde_json::to_string(&lease).map_err(|error| Error::failed(error.to_string()));
        let done = done.and_then(|new| {
            opsrun_gate::update_text(&self.path(&name), |text| {
                written = text == version;
                Ok(written.then_some(new))
            })
        });
        Box::pin(async move { done.map(|()| written) })
    }

    fn list(&self, _: Cx) -> BoxFuture<'static, Result<Vec<(String, Lease)>>> {
        let listed = opsrun_gate::list_folder(&self.0).and_then(|paths| {
            let files = paths.iter().filter(|path| path.extension().is_some_and(|end| end == "json"));
            let lease = |path: &PathBuf| {
                let kept = kept_in(&opsrun_gate::read_text(path)?, path)?;
                Ok((path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), kept.lease))
            };
            files.map(lease).collect::<Result<Vec<_>>>()
        });
        Box::pin(async move { listed })
    }
}

/// Leases that nobody else sees: of a rehearsal whose systems keep none.
#[derive(Default)]
struct MemoryLeases(Mutex<BTreeMap<String, Lease>>);

impl Leases for MemoryLeases {
    fn read(&self, _: Cx, name: String) -> BoxFuture<'static, Result<Option<KeptLease>>> {
        let kept = locked(&self.0).get(&name).cloned();
        let kept = kept.map(|lease| KeptLease { version: format!("{lease:?}"), lease });
        Box::pin(async move { Ok(kept) })
    }

    fn write(
        &self,
        _: Cx,
        name: String,
        lease: Lease,
        version: Option<String>,
    ) -> BoxFuture<'static, Result<bool>> {
        let mut leases = locked(&self.0);
        let as_read = leases.get(&name).map(|lease| format!("{lease:?}")) == version;
        if as_read {
            leases.insert(name, lease);
        }
        Box::pin(async move { Ok(as_read) })
    }

    fn list(&self, _: Cx) -> BoxFuture<'static, Result<Vec<(String, Lease)>>> {
        let all = locked(&self.0).clone().into_iter().collect();
        Box::pin(async move { Ok(all) })
    }
}
