//! The nodes: what becomes of pods that are bound to one.
//! It sees pods through the store like any controller; containers, their output and sessions live here.

mod container;
mod environment;
mod images;
mod node;
mod pod;
mod probe;
mod serve;
mod session;
mod status;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::Value;

use self::images::Images;
pub(crate) use self::node::register;
use self::pod::PodRun;
use self::session::Session;
use crate::cluster::Cluster;
use crate::context::Cx;
use crate::controllers::Controller;
use crate::controllers::events::Recorder;
use crate::controllers::object::{NODES, PODS, is_going, list, pod as pods, text_at, uid};
use crate::fault::outages;
use crate::kinds::Subresource;
use crate::session::{Input, SessionId, SessionRequest};
use crate::status::{Result, Status};
use crate::store::{Change, GroupResource, ObjectKey};
use crate::write::DeleteOptions;

/// The kubelets of all nodes.
#[derive(Clone, Default)]
pub struct Kubelet {
    pods: BTreeMap<ObjectKey, PodRun>,
    images: Images,
    sessions: BTreeMap<SessionId, Session>,
}

impl Kubelet {
    /// The same without its sessions: for a fork of its cluster.
    pub(crate) fn without_sessions(&self) -> Self {
        Kubelet { pods: self.pods.clone(), images: self.images.clone(), sessions: BTreeMap::new() }
    }

    /// Opens an exec, attach or port-forward session; answers with `cx.output`. An error is sent before the upgrade.
    pub fn open(&mut self, cx: &mut Cx<'_>, request: &SessionRequest) -> Result<()> {
        let key = crate::controllers::object::key_of(&PODS, &request.pod);
        let run = self.pods.get(&key);
        let session = Session::open(cx, request, run)?;
        self.sessions.insert(request.id, session);
        self.play_sessions(cx, &key);
        if let Some(at) = self.sessions_due(&key) {
            cx.requeue(&key, at.duration_since(cx.now()).max(SignedDuration::ZERO));
        }
        Ok(())
    }

    /// What the client sent on an open session.
    pub fn input(&mut self, cx: &mut Cx<'_>, session: SessionId, input: Input) {
        if input == Input::Closed {
            self.sessions.remove(&session);
            return;
        }
        let Some(open) = self.sessions.get_mut(&session) else { return };
        let run = self.pods.get(&open.pod);
        if open.input(cx, session, run, input) {
            self.sessions.remove(&session);
        }
    }

    fn play_sessions(&mut self, cx: &mut Cx<'_>, pod: &ObjectKey) {
        let run = self.pods.get(pod);
        self.sessions.retain(|id, session| session.pod != *pod || !session.play(cx, *id, run));
    }

    fn sessions_due(&self, pod: &ObjectKey) -> Option<jiff::Timestamp> {
        self.sessions.values().filter(|session| session.pod == *pod).filter_map(Session::due).min()
    }

    /// Removes what a pod left behind.
    fn forget(&mut self, cx: &mut Cx<'_>, key: &ObjectKey) {
        if let Some(run) = self.pods.remove(key) {
            for container in &run.containers {
                cx.end_log(&run.uid, &container.name, container.restarts);
            }
        }
        self.play_sessions(cx, key);
    }

    fn write_status(&self, cx: &mut Cx<'_>, key: &ObjectKey, pod: &Value) -> Result<Arc<Value>> {
        let (Some(run), Some(stored)) = (self.pods.get(key), cx.at(key)) else {
            return Ok(Arc::new(pod.clone()));
        };
        let host = cx.get(&NODES, "", pods::node(pod)).map(|node| address(&node)).unwrap_or_default();
        let status = status::status(run, &stored, &host, cx.now());
        if stored["status"] == status {
            return Ok(stored);
        }
        cx.modify(key, Some(Subresource::Status), |pod| pod["status"] = status)
    }
}

impl Controller for Kubelet {
    fn name(&self) -> &'static str {
        "kubelet"
    }

    fn manager(&self) -> &'static str {
        "kubelet"
    }

    fn watches(&self) -> &'static [GroupResource] {
        const { &[NODES, PODS] }
    }

    fn keys(&self, cluster: &Cluster, change: &Change) -> Vec<ObjectKey> {
        if change.key.resource == NODES {
            let struck = !outages(cluster, change.object()).is_empty();
            return struck.then(|| change.key.clone()).into_iter().collect();
        }
        if pods::node(change.object()).is_empty() { Vec::new() } else { vec![change.key.clone()] }
    }

    fn reconcile(&mut self, cx: &mut Cx<'_>, key: &ObjectKey) -> Result<()> {
        if key.resource == NODES {
            return node::report(cx, key);
        }
        let Some(pod) = cx.at(key).filter(|pod| !pods::node(pod).is_empty()) else {
            self.forget(cx, key);
            return Ok(());
        };
        if self.pods.get(key).is_some_and(|run| run.uid != uid(&pod)) {
            self.forget(cx, key);
        }
        let node = cx.get(&NODES, "", pods::node(&pod));
        let away = node.as_ref().map(|node| outages(cx.cluster, node)).unwrap_or_default();
        if let Some(outage) = away.iter().find(|outage| outage.holds(cx.now())) {
            if let Some(until) = outage.until {
                cx.requeue(key, until.duration_since(cx.now()));
            }
            return Ok(());
        }
        if !self.pods.contains_key(key) {
            if PodRun::was_finished(&pod) {
                return if is_going(&pod) { remove(cx, key, &pod) } else { Ok(()) };
            }
            let (estate, now) = (cx.cluster.estate(), cx.now());
            let run = match PodRun::was_begun(&pod) {
                true => PodRun::found(&pod, estate, now),
                false => PodRun::new(&pod, estate, now),
            };
            self.pods.insert(key.clone(), run);
        }
        let host = pods::node(&pod).to_owned();
        let recorder = Recorder { component: "kubelet", host: &host };
        // Inserted above if it was not there.
        let run = self.pods.get_mut(key).expect("the pod's run");
        if away.iter().any(|outage| outage.ended_within(run.seen, cx.now())) {
            run.reboot(cx, &pod, recorder);
        }
        let settled = run.settled.as_ref().is_some_and(|settled| Arc::ptr_eq(settled, &pod));
        if settled && away.is_empty() && run.rests(cx, &pod, recorder) && self.sessions_due(key).is_none() {
            if let Some(at) = self.pods.get(key).and_then(|run| run.due(&pod)).filter(|at| *at > cx.now()) {
                cx.requeue(key, at.duration_since(cx.now()));
            }
            return Ok(());
        }
        // Inserted above if it was not there.
        let run = self.pods.get_mut(key).expect("the pod's run");
        run.step(cx, &pod, &mut self.images, recorder);
        let over = run.is_finished(&pod);
        let next = run.due(&pod);
        let before = pod;
        let pod = self.write_status(cx, key, &before)?;
        if let Some(run) = self.pods.get_mut(key) {
            run.settled = Some(pod.clone()).filter(|pod| Arc::ptr_eq(pod, &before));
        }
        self.play_sessions(cx, key);
        if over && is_going(&pod) {
            return remove(cx, key, &pod);
        }
        let back = away.iter().filter_map(|outage| outage.until).filter(|until| *until > cx.now()).min();
        // What was due before is done, or waits for something else than time.
        let ahead =
            [next, self.sessions_due(key), back].into_iter().flatten().filter(|at| *at > cx.now()).min();
        if let Some(at) = ahead {
            cx.requeue(key, at.duration_since(cx.now()));
        }
        Ok(())
    }
}

/// Takes a pod that has ended out of the store.
fn remove(cx: &mut Cx<'_>, key: &ObjectKey, pod: &Value) -> Result<()> {
    let options =
        DeleteOptions { grace_period: Some(0), uid: Some(uid(pod).to_owned()), ..DeleteOptions::default() };
    match cx.delete(key, &options) {
        Err(Status { code: 404 | 409, .. }) | Ok(()) => Ok(()),
        Err(status) => Err(status),
    }
}

/// A node's internal address.
fn address(node: &Value) -> String {
    let internal = list(node, "/status/addresses").iter().find(|address| address["type"] == "InternalIP");
    internal.map_or("", |address| text_at(address, "/address")).to_owned()
}
