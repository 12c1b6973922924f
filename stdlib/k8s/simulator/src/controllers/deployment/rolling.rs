//! The rolling update: the new set grows while surge allows, old ones shrink while availability allows.

use super::scale::max_unavailable;
use super::{Creation, Rollout};
use crate::context::Cx;
use crate::controllers::object::int;
use crate::status::Result;

impl Rollout {
    /// One step of it: up, else down, else nothing.
    pub(super) fn roll(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        self.sync_revision(cx, Creation::IfMissing)?;
        if self.grow(cx)? || self.shrink(cx)? {
            return self.write_rollout_status(cx);
        }
        self.clean_up_if_complete(cx)?;
        self.write_rollout_status(cx)
    }

    fn grow(&mut self, cx: &mut Cx<'_>) -> Result<bool> {
        let Some(new) = self.new_set().cloned() else { return Ok(false) };
        let (has, wanted) = (int(&new, "/spec/replicas"), self.replicas());
        let size = if has > wanted { wanted } else { self.replicas_of_new(&new) };
        self.scale_set(cx, &new, size)
    }

    fn shrink(&mut self, cx: &mut Cx<'_>) -> Result<bool> {
        let old_total: i64 = self.old_sets().iter().map(|set| int(set, "/spec/replicas")).sum();
        if old_total == 0 {
            return Ok(false);
        }
        let total: i64 = self.sets.iter().map(|set| int(set, "/spec/replicas")).sum();
        let least = self.replicas() - max_unavailable(&self.deployment);
        // Pods of the new set that are not there yet must not cost old ones.
        let new_missing = self
            .new_set()
            .map_or(0, |new| int(new, "/spec/replicas") - int(new, "/status/availableReplicas"));
        let most = total - least - new_missing;
        if most <= 0 {
            return Ok(false);
        }
        let unhealthy = self.drop_unhealthy(cx, most)?;
        let healthy = self.drop_healthy(cx, least)?;
        Ok(unhealthy + healthy > 0)
    }

    /// Old pods that serve nobody go first: keeping them would only hold the update up.
    fn drop_unhealthy(&mut self, cx: &mut Cx<'_>, most: i64) -> Result<i64> {
        let mut dropped = 0;
        for set in self.old_sets() {
            let (size, available) = (int(&set, "/spec/replicas"), int(&set, "/status/availableReplicas"));
            let less = (most - dropped).min(size - available);
            if less > 0 {
                self.scale_set(cx, &set, size - less)?;
                dropped += less;
            }
        }
        Ok(dropped)
    }

    fn drop_healthy(&mut self, cx: &mut Cx<'_>, least: i64) -> Result<i64> {
        let available: i64 = self.sets.iter().map(|set| int(set, "/status/availableReplicas")).sum();
        let most = available - least;
        let mut dropped = 0;
        for set in self.old_sets() {
            let size = int(&set, "/spec/replicas");
            let less = (most - dropped).min(size);
            if less > 0 {
                self.scale_set(cx, &set, size - less)?;
                dropped += less;
            }
        }
        Ok(dropped)
    }
}
