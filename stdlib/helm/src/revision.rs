//! The next revision of a release: chart, values, and what they render to.

use helm_render::{Chart, RenderOptions, Values};
use opsrun_core::{Error, Result};
use opsrun_k8s::Client;

use crate::release::{Info, Release, Status, time};
use crate::{chart, render};

/// What a release is to be.
pub(crate) struct Wanted {
    pub release: String,
    pub namespace: String,
    pub chart: Chart,
    pub values: Values,
    pub reuse: Reuse,
}

/// What is reused of the former revision, as pkg/action/upgrade.go has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reuse {
    /// Its values, if none are given.
    Unless,
    Nothing,
    /// Its values, and its chart's defaults.
    All,
    /// Its values.
    Values,
}

impl Reuse {
    /// As the options `reset_values`, `reuse_values` and `reset_then_reuse_values` say it.
    ///
    /// # Errors
    /// `Invalid` for more than one of them.
    pub(crate) fn of(reset: bool, reuse: bool, reset_then_reuse: bool) -> Result<Self> {
        match (reset, reuse, reset_then_reuse) {
            (false, false, false) => Ok(Reuse::Unless),
            (true, false, false) => Ok(Reuse::Nothing),
            (false, true, false) => Ok(Reuse::All),
            (false, false, true) => Ok(Reuse::Values),
            _ => Err(Error::invalid(
                "only one of `reset_values`, `reuse_values` and `reset_then_reuse_values` can be meant",
            )),
        }
    }
}

impl Wanted {
    /// With what is reused of the former revision.
    pub(crate) fn over(self, current: Option<&Release>) -> Self {
        let Some(current) = current else { return self };
        let former = Values::from_json(&current.config).unwrap_or_default();
        match self.reuse {
            Reuse::Unless if !self.has_values() => Wanted { values: former, ..self },
            Reuse::Unless | Reuse::Nothing => self,
            Reuse::Values => Wanted { values: self.values.over_former(&former), ..self },
            Reuse::All => {
                let defaults = Values::from_json(&current.chart["values"]).unwrap_or_default();
                let chart = self.chart.with_values(&former.over_former(&defaults));
                Wanted { chart, values: self.values.over_former(&former), ..self }
            }
        }
    }

    fn has_values(&self) -> bool {
        self.values.to_json().as_object().is_some_and(|values| !values.is_empty())
    }

    /// Whether a revision is of this chart and these values.
    pub(crate) fn is(&self, revision: &Release) -> bool {
        // A record has no values where none were given.
        let same_values = if revision.config.is_null() {
            !self.has_values()
        } else {
            revision.config == self.values.to_json()
        };
        same_values && revision.chart == chart::record(&self.chart)
    }

    /// The revision with this number, rendered for the cluster.
    ///
    /// # Errors
    /// `Invalid` if the chart does not render, and those of the cluster.
    pub(crate) async fn revision(
        &self,
        client: &Client,
        current: Option<&Release>,
        number: u32,
    ) -> Result<Release> {
        let cx = client.cx();
        let mut options = RenderOptions::new(&self.release, &self.namespace, cx.now());
        options.revision = number.into();
        options.is_upgrade = current.is_some();
        options.capabilities = render::capabilities(client).await?;
        options.seed = cx.random();
        let rendered = render::with_lookups(client, &self.chart, &self.values, options).await?;
        for warning in &rendered.warnings {
            cx.warn(warning.clone());
        }
        let now = time(cx.now());
        let (status, description) = match current {
            Some(_) => (Status::PendingUpgrade, "Preparing upgrade"),
            None => (Status::PendingInstall, "Initial install underway"),
        };
        let first = current.and_then(|current| current.info.first_deployed.clone());
        Ok(Release {
            name: self.release.clone(),
            info: Info {
                first_deployed: first.or_else(|| Some(now.clone())),
                last_deployed: Some(now),
                deleted: None,
                description: description.to_owned(),
                status,
                notes: rendered.notes.clone(),
            },
            chart: chart::record(&self.chart),
            config: self.values.to_json(),
            manifest: rendered.manifest(),
            hooks: render::records(&rendered.hooks),
            revision: number,
            namespace: self.namespace.clone(),
            apply_method: "ssa".to_owned(),
        })
    }
}
