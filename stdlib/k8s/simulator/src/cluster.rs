//! A simulated Kubernetes cluster: objects, time, and the loops that act on them, without any input or output.
//! It is told the time and handed requests; equal seeds, times and requests give equal answers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender};
use jiff::{SignedDuration, Timestamp};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::context::{Author, Cx};
use crate::controllers::{Controller, controllers};
use crate::estate::EstateSection;
use crate::kubelet::Kubelet;
use crate::logs::Logs;
use crate::overlay::Overlay;
use crate::registry::Registry;
use crate::rest::watch::Watches;
use crate::session::{Input, Output, SessionId};
use crate::store::{Change, GroupResource, ObjectKey, Store};

/// How long after a change the loops that watch it look at it.
const LATENCY: SignedDuration = SignedDuration::from_millis(3);

/// How a cluster starts.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// Decides every generated name, uid and address.
    pub seed: u64,
    pub now: Timestamp,
    pub estate: EstateSection,
}

/// The cluster. `handle` (in `handle.rs`) answers requests, `advance` lets time pass.
pub struct Cluster {
    pub(crate) store: Store,
    pub(crate) registry: Registry,
    pub(crate) now: Timestamp,
    /// When it was made: the estate's faults count from here.
    pub(crate) started: Timestamp,
    pub(crate) rng: ChaCha8Rng,
    pub(crate) logs: Logs,
    pub(crate) watches: Watches,
    estate: EstateSection,
    timers: BTreeMap<(Timestamp, u64), Timer>,
    timers_made: u64,
    controllers: Vec<Option<Box<dyn Controller>>>,
    kubelet: Option<Kubelet>,
    /// When each waiting key is due. A timer that is not the one noted here is stale.
    queued: BTreeMap<(Loop, ObjectKey), Timestamp>,
    failures: BTreeMap<(Loop, ObjectKey), u32>,
    undelivered: VecDeque<Change>,
    /// Of a cluster that is laid over another one.
    overlay: Option<Overlay>,
    sessions: BTreeMap<SessionId, UnboundedSender<Output>>,
    sessions_made: u64,
}

/// Who works off a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Loop {
    Controller(usize),
    Kubelet,
}

/// What is due at a time.
#[derive(Clone)]
pub(crate) enum Timer {
    Reconcile(Loop, ObjectKey),
    Bookmark(u64),
    WatchEnd(u64),
    /// The fault of the estate at this place.
    Fault(usize),
}

impl Cluster {
    pub fn new(options: ClusterOptions) -> Self {
        let mut cluster = Self::bare(options);
        crate::bootstrap::populate(&mut cluster);
        crate::fault::arm(&mut cluster);
        cluster.deliver();
        // As on any server that has run for a while, the first versions are history.
        let revision = cluster.store.revision();
        cluster.store.compact(revision);
        cluster
    }

    /// A cluster to be laid over another one: it has no object but those that are imported.
    pub fn overlay(seed: u64, now: Timestamp) -> Self {
        // What pods would use is not known here, so nothing is scaled by it.
        let estate = EstateSection { metrics: false, storage_class: None, ..EstateSection::default() };
        Self { overlay: Some(Overlay::default()), ..Self::bare(ClusterOptions { seed, now, estate }) }
    }

    fn bare(options: ClusterOptions) -> Self {
        Self {
            store: Store::default(),
            registry: Registry::new(),
            now: options.now,
            started: options.now,
            rng: ChaCha8Rng::seed_from_u64(options.seed),
            logs: Logs::default(),
            watches: Watches::default(),
            estate: options.estate,
            timers: BTreeMap::new(),
            timers_made: 0,
            controllers: all_controllers(),
            kubelet: Some(Kubelet::default()),
            queued: BTreeMap::new(),
            failures: BTreeMap::new(),
            undelivered: VecDeque::new(),
            overlay: None,
            sessions: BTreeMap::new(),
            sessions_made: 0,
        }
    }

    /// A cluster with the objects of its estate.
    ///
    /// # Errors
    /// What the server answers to the first of the estate's objects that it refuses.
    pub fn start(options: ClusterOptions) -> crate::status::Result<Self> {
        let mut cluster = Self::new(options);
        crate::bootstrap::create_estate_objects(&mut cluster)?;
        cluster.deliver();
        Ok(cluster)
    }

    /// Of a cluster that is laid over another one: what it has of that, and what became of it.
    pub fn over(&mut self) -> Option<(&mut Overlay, &mut Store, &mut Registry)> {
        self.overlay.as_mut().map(|overlay| (overlay, &mut self.store, &mut self.registry))
    }

    pub(crate) fn is_hidden(&self, resource: &GroupResource, namespace: &str) -> bool {
        self.overlay.as_ref().is_some_and(|overlay| overlay.is_hidden(resource, namespace))
    }

    /// The same cluster once more, as it is now: what is done to one of them the other does not see. Watches, sessions and
    /// followers of logs stay behind.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            store: self.store.fork(),
            registry: self.registry.clone(),
            now: self.now,
            started: self.started,
            rng: self.rng.clone(),
            logs: self.logs.fork(),
            watches: self.watches.fork(),
            estate: self.estate.clone(),
            timers: self.timers.clone(),
            timers_made: self.timers_made,
            controllers: self
                .controllers
                .iter()
                .map(|controller| controller.as_ref().map(|controller| controller.fork()))
                .collect(),
            kubelet: self.kubelet.as_ref().map(Kubelet::without_sessions),
            queued: self.queued.clone(),
            failures: self.failures.clone(),
            undelivered: self.undelivered.clone(),
            overlay: self.overlay.clone(),
            sessions: BTreeMap::new(),
            sessions_made: self.sessions_made,
        }
    }

    /// What the cluster consists of.
    pub fn estate(&self) -> &EstateSection {
        &self.estate
    }

    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// When something happens next without a request.
    pub fn next_timer(&self) -> Option<Timestamp> {
        self.timers.keys().next().map(|(at, _)| *at)
    }

    /// Lets time pass until `now`, doing on the way what falls due, in order. Time never goes back.
    pub fn advance(&mut self, now: Timestamp) {
        while let Some(entry) = self.timers.first_entry() {
            let at = entry.key().0;
            if at > now {
                break;
            }
            let timer = entry.remove();
            self.now = self.now.max(at);
            match timer {
                Timer::Reconcile(who, key) => self.reconcile(at, who, key),
                Timer::Bookmark(watch) => self.bookmark(watch),
                Timer::WatchEnd(watch) => self.end_watch(watch),
                Timer::Fault(index) => crate::fault::strike(self, index),
            }
        }
        self.now = self.now.max(now);
    }

    /// All objects, by `group/resource/namespace/name`: for comparing before and after.
    pub fn snapshot(&self) -> BTreeMap<String, Value> {
        let entry =
            |resource: &crate::store::GroupResource, place: &(String, String), object: &Arc<Value>| {
                let key = format!("{}/{}/{}/{}", resource.group, resource.resource, place.0, place.1);
                (key, (**object).clone())
            };
        let collections = self.store.collections();
        collections
            .flat_map(|(resource, objects)| objects.iter().map(move |(place, o)| entry(resource, place, o)))
            .collect()
    }

    /// Hands what a client sent on a session to the kubelet.
    pub fn session_input(&mut self, session: SessionId, input: Input) {
        let closed = input == Input::Closed;
        self.with_kubelet(|kubelet, cx| kubelet.input(cx, session, input));
        if closed {
            self.sessions.remove(&session);
        }
        self.deliver();
    }

    /// A session for the kubelet to answer on.
    pub fn new_session(&mut self) -> (SessionId, UnboundedReceiver<Output>) {
        self.sessions_made += 1;
        let (sender, receiver) = futures::channel::mpsc::unbounded();
        let id = SessionId(self.sessions_made);
        self.sessions.insert(id, sender);
        (id, receiver)
    }

    /// Sends to a session's client; after an exit the session is over.
    pub(crate) fn session_output(&mut self, session: SessionId, output: Output) {
        let last = matches!(output, Output::Exit(_));
        if let Some(sender) = self.sessions.get(&session) {
            // A client that is gone wants no output; its `Closed` follows.
            let _gone = sender.unbounded_send(output);
        }
        if last {
            self.sessions.remove(&session);
        }
    }

    /// Runs `f` with the kubelet, writing as it does.
    pub(crate) fn with_kubelet<T>(&mut self, f: impl FnOnce(&mut Kubelet, &mut Cx<'_>) -> T) -> T {
        // Taken only here and in `reconcile`, neither of which calls the other.
        let mut kubelet = self.kubelet.take().expect("the kubelet does not call itself");
        let author = Author::component(kubelet.manager());
        let result = f(&mut kubelet, &mut Cx::of_loop(self, author, Loop::Kubelet));
        self.kubelet = Some(kubelet);
        result
    }

    /// For reading; absent while it works itself.
    pub(crate) fn kubelet(&self) -> Option<&Kubelet> {
        self.kubelet.as_ref()
    }

    /// Puts a key into a loop's queue, due at `at`, unless it is due earlier already.
    pub(crate) fn enqueue(&mut self, who: Loop, key: ObjectKey, at: Timestamp) {
        let place = (who, key);
        if self.queued.get(&place).is_some_and(|due| *due <= at) {
            return;
        }
        self.queued.insert(place.clone(), at);
        self.set_timer(at, Timer::Reconcile(place.0, place.1));
    }

    /// Remembers a write; watches and loops hear of it in `deliver`.
    pub(crate) fn wrote(&mut self, change: Change) {
        if let Some(overlay) = &mut self.overlay {
            overlay.wrote(&change);
        }
        self.undelivered.push_back(change);
    }

    /// Tells watches and loops of what was written.
    pub(crate) fn deliver(&mut self) {
        while let Some(change) = self.undelivered.pop_front() {
            self.tell_watches(&change);
            let due = self.now + LATENCY;
            let mut keys = Vec::new();
            for (index, controller) in self.controllers.iter().enumerate() {
                if let Some(controller) = controller
                    && (controller.watches_everything()
                        || controller.watches().contains(&change.key.resource))
                {
                    keys.extend(
                        controller.keys(self, &change).into_iter().map(|key| (Loop::Controller(index), key)),
                    );
                }
            }
            if let Some(kubelet) = &self.kubelet
                && kubelet.watches().contains(&change.key.resource)
            {
                keys.extend(kubelet.keys(self, &change).into_iter().map(|key| (Loop::Kubelet, key)));
            }
            for (who, key) in keys {
                self.enqueue(who, key, due);
            }
        }
    }

    pub(crate) fn set_timer(&mut self, at: Timestamp, timer: Timer) {
        self.timers_made += 1;
        self.timers.insert((at.max(self.now), self.timers_made), timer);
    }

    fn reconcile(&mut self, at: Timestamp, who: Loop, key: ObjectKey) {
        let place = (who, key);
        if self.queued.get(&place) != Some(&at) {
            return;
        }
        self.queued.remove(&place);
        let (who, key) = (place.0, &place.1);
        let result = match who {
            Loop::Kubelet => self.with_kubelet(|kubelet, cx| kubelet.reconcile(cx, key)),
            Loop::Controller(index) => {
                // A controller is away only while it reconciles, and it cannot start another.
                let mut controller =
                    self.controllers[index].take().expect("a controller runs once at a time");
                let author = Author::component(controller.manager());
                let result = controller.reconcile(&mut Cx::of_loop(self, author, who), key);
                self.controllers[index] = Some(controller);
                result
            }
        };
        match result {
            Ok(()) => {
                self.failures.remove(&place);
            }
            Err(_) => {
                let failures = self.failures.entry(place.clone()).or_default();
                let delay = SignedDuration::from_millis(5 << (*failures).min(17))
                    .min(SignedDuration::from_secs(1000));
                *failures += 1;
                let at = self.now + delay;
                self.enqueue(place.0, place.1, at);
            }
        }
        self.deliver();
    }
}

fn all_controllers() -> Vec<Option<Box<dyn Controller>>> {
    let own: Box<dyn Controller> = Box::new(crate::custom::Establish);
    std::iter::once(own).chain(controllers()).map(Some).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(seed: u64) -> Cluster {
        let now = "2026-01-01T00:00:00Z".parse().expect("a time");
        Cluster::new(ClusterOptions { seed, now, estate: EstateSection::default() })
    }

    #[test]
    fn a_fork_goes_on_as_the_cluster_would_have_and_by_itself() {
        let estate = serde_json::from_value(serde_json::json!({"objects": [{
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"},
            "spec": {
                "replicas": 3,
                "selector": {"matchLabels": {"app": "web"}},
                "template": {
                    "metadata": {"labels": {"app": "web"}},
                    "spec": {"containers": [{"name": "web", "image": "web:1"}]},
                },
            },
        }]}));
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        let options = ClusterOptions { seed: 1, now, estate: estate.expect("an estate") };
        let mut cluster = Cluster::start(options).expect("a cluster");
        cluster.advance(now + SignedDuration::from_millis(1500));
        let before = cluster.snapshot();
        let later = now + SignedDuration::from_secs(60);
        let mut fork = cluster.fork();
        fork.advance(later);
        assert_eq!(cluster.snapshot(), before);
        assert_ne!(fork.snapshot(), before);
        cluster.advance(later);
        assert_eq!(fork.snapshot(), cluster.snapshot());
    }

    #[test]
    fn equal_seeds_make_equal_clusters() {
        assert_eq!(start(1).snapshot(), start(1).snapshot());
        assert_ne!(start(1).snapshot(), start(2).snapshot());
        assert!(start(1).snapshot().contains_key("/namespaces//kube-system"));
    }
}
