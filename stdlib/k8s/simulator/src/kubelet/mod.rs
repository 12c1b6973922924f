//! The nodes: what becomes of pods that are bound to one.
//! It sees pods through the store like any controller; containers, their output and sessions live here.

use crate::context::Cx;
use crate::controllers::Controller;
use crate::session::{Input, SessionId, SessionRequest};
use crate::status::{Result, Status};
use crate::store::{GroupResource, ObjectKey};

/// The kubelets of all nodes.
#[derive(Default)]
pub struct Kubelet {}

impl Kubelet {
    /// Opens an exec, attach or port-forward session; answers with `cx.output`. An error is sent before the upgrade.
    pub fn open(&mut self, _cx: &mut Cx<'_>, request: &SessionRequest) -> Result<()> {
        let name = request.pod["metadata"]["name"].as_str().unwrap_or_default();
        Err(Status::bad_request(format!("pod {name} has no running container")))
    }

    /// What the client sent on an open session.
    pub fn input(&mut self, _cx: &mut Cx<'_>, _session: SessionId, _input: Input) {}
}

impl Controller for Kubelet {
    fn name(&self) -> &'static str {
        "kubelet"
    }

    fn manager(&self) -> &'static str {
        "kubelet"
    }

    fn watches(&self) -> &'static [GroupResource] {
        &[]
    }

    fn reconcile(&mut self, _cx: &mut Cx<'_>, _key: &ObjectKey) -> Result<()> {
        Ok(())
    }
}
