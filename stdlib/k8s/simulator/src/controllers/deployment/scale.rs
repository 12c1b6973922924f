//! Sizes: what surge and unavailability allow, and how a change of size is shared out among ReplicaSets.

use std::cmp::Reverse;
use std::sync::Arc;

use serde_json::Value;

use super::history::{self, DESIRED, MAX, annotations};
use super::{RECORDER, Rollout};
use crate::context::Cx;
use crate::controllers::object::{
    REPLICA_SETS, Rounding, annotation, created, flag, int, name, scaled, text_at,
};
use crate::status::Result;

pub(super) fn rolls(deployment: &Value) -> bool {
    text_at(deployment, "/spec/strategy/type") == "RollingUpdate"
}

pub(super) fn max_surge(deployment: &Value) -> i64 {
    if rolls(deployment) { fenceposts(deployment).0 } else { 0 }
}

pub(super) fn max_unavailable(deployment: &Value) -> i64 {
    let replicas = int(deployment, "/spec/replicas");
    if rolls(deployment) && replicas > 0 { fenceposts(deployment).1.min(replicas) } else { 0 }
}

/// Surge rounds up, unavailability down; if nothing could move, one pod may be unavailable.
fn fenceposts(deployment: &Value) -> (i64, i64) {
    let replicas = int(deployment, "/spec/replicas");
    let update = &deployment["spec"]["strategy"]["rollingUpdate"];
    let surge = scaled(&update["maxSurge"], replicas, Rounding::Up);
    let unavailable = scaled(&update["maxUnavailable"], replicas, Rounding::Down);
    if surge == 0 && unavailable == 0 { (0, 1) } else { (surge, unavailable) }
}

/// Notes the size the deployment has in mind; says whether that changed anything.
pub(super) fn annotate_sizes(set: &mut Value, desired: i64, max: i64) -> bool {
    let (desired, max) = (desired.to_string(), max.to_string());
    if annotation(set, DESIRED) == Some(&desired) && annotation(set, MAX) == Some(&max) {
        return false;
    }
    let own = annotations(set);
    own.insert(DESIRED.to_owned(), desired.into());
    own.insert(MAX.to_owned(), max.into());
    true
}

impl Rollout {
    /// Whether the deployment's size changed, rather than its template.
    pub(super) fn is_scaling_event(&self) -> bool {
        let desired = |set: &Arc<Value>| annotation(set, DESIRED).and_then(|text| text.parse::<i64>().ok());
        self.sets
            .iter()
            .filter(|set| is_active(set))
            .filter_map(desired)
            .any(|desired| desired != self.replicas())
    }

    /// Changes sizes, but no template: what a paused deployment and one of another size go through.
    pub(super) fn scale_only(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        self.sync_revision(cx, super::Creation::Never)?;
        self.share_out(cx)?;
        if flag(&self.deployment, "/spec/paused") {
            history::clean_up(cx, &self.deployment, &self.old_sets())?;
        }
        self.write_plain_status(cx)
    }

    /// Sets a set's size and notes the deployment's; says whether the size changed.
    pub(super) fn scale_set(&mut self, cx: &mut Cx<'_>, set: &Arc<Value>, size: i64) -> Result<bool> {
        if int(set, "/spec/replicas") == size {
            return Ok(false);
        }
        self.resize(cx, set, size)
    }

    fn resize(&mut self, cx: &mut Cx<'_>, set: &Arc<Value>, size: i64) -> Result<bool> {
        let before = int(set, "/spec/replicas");
        let mut changed = (**set).clone();
        let annotated =
            annotate_sizes(&mut changed, self.replicas(), self.replicas() + max_surge(&self.deployment));
        if before == size && !annotated {
            return Ok(false);
        }
        changed["spec"]["replicas"] = size.into();
        let written = cx.update(&REPLICA_SETS, changed)?;
        if before != size {
            let direction = if before < size { "up" } else { "down" };
            let message =
                format!("Scaled {direction} replica set {} from {before} to {size}", name(&written));
            RECORDER.normal(cx, &self.deployment, "ScalingReplicaSet", &message);
        }
        self.put(written);
        Ok(before != size)
    }

    /// One set takes all; several share a change in proportion to their sizes.
    fn share_out(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        let active: Vec<Arc<Value>> = self.sets.iter().filter(|set| is_active(set)).cloned().collect();
        let only = match active.as_slice() {
            [] => self.new_set().or(self.sets.last()).cloned(),
            [one] => Some(Arc::clone(one)),
            _ => None,
        };
        if let Some(set) = only {
            self.scale_set(cx, &set, self.replicas())?;
            return Ok(());
        }
        if active.is_empty() {
            return Ok(());
        }
        if self.new_is_saturated() {
            for set in self.old_sets() {
                self.scale_set(cx, &set, 0)?;
            }
            return Ok(());
        }
        if rolls(&self.deployment) { self.share_in_proportion(cx, active) } else { Ok(()) }
    }

    fn share_in_proportion(&mut self, cx: &mut Cx<'_>, mut active: Vec<Arc<Value>>) -> Result<()> {
        let wanted = self.replicas();
        let allowed = if wanted > 0 { wanted + max_surge(&self.deployment) } else { 0 };
        let total: i64 = active.iter().map(|set| int(set, "/spec/replicas")).sum();
        let to_add = allowed - total;
        let size = |set: &Arc<Value>| int(set, "/spec/replicas");
        if to_add >= 0 {
            active.sort_by_key(|set| (Reverse(size(set)), Reverse(created(set))));
        } else {
            active.sort_by_key(|set| (Reverse(size(set)), created(set)));
        }
        let mut added = 0;
        let mut sizes: Vec<i64> = active
            .iter()
            .map(|set| {
                let share = if to_add == 0 { 0 } else { self.proportion(set, to_add, added) };
                added += share;
                size(set) + share
            })
            .collect();
        sizes[0] = (sizes[0] + to_add - added).max(0);
        for (set, size) in active.iter().zip(sizes) {
            self.resize(cx, set, size)?;
        }
        Ok(())
    }

    /// A set's share of what is to be added (or, negative, removed), never more than is left.
    fn proportion(&self, set: &Value, to_add: i64, added: i64) -> i64 {
        let size = int(set, "/spec/replicas");
        let left = to_add - added;
        if size == 0 || left == 0 {
            return 0;
        }
        let fraction = self.fraction(set, size);
        if to_add > 0 { fraction.min(left) } else { fraction.max(left) }
    }

    fn fraction(&self, set: &Value, size: i64) -> i64 {
        if self.replicas() == 0 {
            return -size;
        }
        let now = self.replicas() + max_surge(&self.deployment);
        let noted = annotation(set, MAX).and_then(|text| text.parse::<i64>().ok());
        let before =
            noted.filter(|max| *max > 0).unwrap_or_else(|| int(&self.deployment, "/status/replicas"));
        if before == 0 {
            return 0;
        }
        // Rounded half up, as `integer.RoundToInt32` does for what is positive here.
        (2 * size * now + before) / (2 * before) - size
    }

    fn new_is_saturated(&self) -> bool {
        let wanted = self.replicas();
        self.new_set().is_some_and(|set| {
            let desired = annotation(set, DESIRED).and_then(|text| text.parse::<i64>().ok());
            int(set, "/spec/replicas") == wanted
                && desired == Some(wanted)
                && int(set, "/status/availableReplicas") == wanted
        })
    }
}

fn is_active(set: &Value) -> bool {
    int(set, "/spec/replicas") > 0
}
