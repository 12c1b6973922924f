//! Overlays: simulators that are laid over the real thing. What is read falls through, what is written stays in them; so a
//! run on overlays is a plan. What they can say of it, in words that need no knowledge of a system.

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{BoxFuture, Cx, Error, Result};

/// The real thing under an overlay. It can be read, and the gate lets nothing else pass.
#[derive(Clone)]
pub struct Original {
    cx: Cx,
    elsewhere: Arc<dyn Elsewhere>,
    second_opinion: bool,
}

/// Where real time goes on while the run's own stands still.
pub trait Elsewhere: Send + Sync {
    /// Carries `work` out there; the run's time stands still until it is done.
    fn carry_out(&self, work: BoxFuture<'static, ()>) -> BoxFuture<'static, ()>;
}

impl Original {
    /// `cx` is a context that may only read.
    pub fn new(cx: Cx, elsewhere: Arc<dyn Elsewhere>) -> Self {
        Original { cx, elsewhere, second_opinion: false }
    }

    /// The same, where the real server is also asked what it would say to a write, if it can be asked that.
    #[must_use]
    pub fn with_second_opinion(self, wanted: bool) -> Self {
        Original { second_opinion: wanted, ..self }
    }

    /// Whether the real server is to be asked, without changing anything, what it would say to each write.
    pub fn wants_second_opinion(&self) -> bool {
        self.second_opinion
    }

    /// A context on the real target. Its requests are made in [`Original::ask`].
    pub fn cx(&self) -> &Cx {
        &self.cx
    }

    /// Carries out `work`, which asks the real thing, while the run's time stands still.
    ///
    /// # Errors
    /// Those of `work`; `Failed` if it broke off.
    pub async fn ask<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let slot = Arc::new(Mutex::new(None));
        let filled = slot.clone();
        let work = async move {
            let found = work.await;
            *filled.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        };
        self.elsewhere.carry_out(Box::pin(work)).await;
        let found = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        found.unwrap_or_else(|| Err(Error::failed("asking the real target broke off")))
    }
}

/// What became of something, and of what by itself in consequence.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Alterations {
    pub things: Vec<Alteration>,
    /// In words: `3 pods of deployments prod/api are replaced`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consequences: Vec<String>,
}

/// One thing that would be another afterwards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alteration {
    /// As a snapshot names it: `deployments prod/api`.
    pub what: String,
    pub how: How,
    /// Of something that is changed or replaced: what of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldAlteration>,
}

/// What happens to a thing as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    Created,
    Changed,
    /// Deleted and made anew.
    Replaced,
    Deleted,
}

/// A field that would have another value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldAlteration {
    /// `spec.template.spec.containers[name="api"].image`
    pub path: String,
    /// Absent: it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// Who has it now, where the system knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// How something was when a plan was made. A run that is bound by the plan begins only if it is so still.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Precondition {
    /// As people say it: `deployments prod/api`.
    pub what: String,
    /// Where its system finds it.
    pub object: String,
    /// As its system counts versions; absent: it was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Of what was wanted of it: what its system changes by itself is not in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}
