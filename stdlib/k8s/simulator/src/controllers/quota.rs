//! ResourceQuotas' status: what is allowed and what is used of it.
//! What counts is the kind's business, which also refuses what would be too much.

use serde_json::{Map, Value, json};

use super::Controller;
use super::object::{EVENTS, QUOTAS, key_of};
use crate::cluster::Cluster;
use crate::context::Cx;
use crate::kinds::{Subresource, quota};
use crate::status::Result;
use crate::store::{Change, GroupResource, ObjectKey};

/// The resource quota controller.
#[derive(Clone)]
pub(crate) struct Quotas;

impl Controller for Quotas {
    fn name(&self) -> &'static str {
        "resourcequota-controller"
    }

    fn watches(&self) -> &'static [GroupResource] {
        &[]
    }

    fn watches_everything(&self) -> bool {
        true
    }

    fn keys(&self, cluster: &Cluster, change: &Change) -> Vec<ObjectKey> {
        if change.key.resource == QUOTAS {
            return vec![change.key.clone()];
        }
        if change.key.resource == EVENTS || change.key.namespace.is_empty() {
            return Vec::new();
        }
        let quotas = cluster.store.list(&QUOTAS, Some(&change.key.namespace));
        quotas.map(|quota| key_of(&QUOTAS, quota)).collect()
    }

    fn reconcile(&mut self, cx: &mut Cx<'_>, key: &ObjectKey) -> Result<()> {
        let Some(stored) = cx.at(key) else { return Ok(()) };
        let used: Map<String, Value> = quota::used(cx, &stored)
            .into_iter()
            .map(|(name, amount)| (name, amount.to_string().into()))
            .collect();
        let status = json!({"hard": stored["spec"]["hard"], "used": used});
        if stored["status"] == status {
            return Ok(());
        }
        cx.modify(key, Some(Subresource::Status), |quota| quota["status"] = status).map(drop)
    }
}
