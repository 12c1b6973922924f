//! A system: what the engine has to know of Kubernetes, Helm or a team's own service, and no more than that.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::StatusCode;
use serde_json::Value;

use crate::{
    Access, AccessPattern, BoxFuture, Cx, Declaration, Effect, Leases, Original, Precondition, Result,
    SecretScheme, Simulator, SourceScheme, StoreScheme, Surroundings,
};

/// A module of primitives, as playbooks see it.
#[derive(Debug, Clone, Copy)]
pub struct Module {
    /// `k8s`
    pub path: &'static str,
    /// One line on what it is for.
    pub doc: &'static str,
    pub primitives: &'static [Declaration],
}

/// Something to operate on. One value per program, registered when it starts.
pub trait System: Send + Sync {
    /// How grants, faults and target sections call it: `k8s`.
    fn name(&self) -> &'static str;

    fn modules(&self) -> &'static [Module];

    /// What this request asks for; by itself, what HTTP says: the method, the path, and that safe methods only read.
    fn access(&self, request: &http::request::Parts) -> Access {
        Access {
            system: self.name().into(),
            verb: request.method.to_string(),
            resource: request.uri.path().trim_start_matches('/').into(),
            name: None,
            namespace: None,
            effect: if request.method.is_safe() { Effect::Read } else { Effect::Write },
        }
    }

    /// The verbs of its accesses: a grant or a fault with another one is refused. `None`: any may come; an empty list: nothing
    /// leaves under this system's name.
    fn verbs(&self) -> Option<&'static [&'static str]> {
        None
    }

    /// The body this system's own server would send with an error status: what an injected fault answers.
    fn refusal(&self, status: StatusCode, access: &Access) -> Refusal {
        Refusal { content_type: "text/plain", body: format!("{status}: {access}\n").into() }
    }

    /// The simulated counterpart, made from this system's section of an estate file.
    ///
    /// # Errors
    /// `Invalid`, naming the field of the section.
    fn simulator(
        &self,
        _section: Option<&Value>,
        _surroundings: &Surroundings,
    ) -> Result<Option<Arc<dyn Simulator>>> {
        Ok(None)
    }

    /// What is laid over the target of `original`, so that a run there changes nothing: see [`crate::Original`]. It spawns its tasks
    /// as a simulator does, and asks the real target no sooner than it is asked itself.
    ///
    /// # Errors
    /// `Invalid` if the target's section cannot be used.
    fn overlay(
        &self,
        _original: Original,
        _surroundings: &Surroundings,
    ) -> Result<Option<Arc<dyn Simulator>>> {
        Ok(None)
    }

    /// Which one the call's target leads to, so that it is known again under another address: a cluster's or an account's
    /// identifier. `None` if this system does not tell targets apart.
    ///
    /// # Errors
    /// Why it cannot be reached.
    fn identity(&self, _cx: Cx) -> BoxFuture<'static, Result<Option<String>>> {
        Box::pin(async { Ok(None) })
    }

    /// How something that a plan found in this state is now.
    ///
    /// # Errors
    /// Why that cannot be asked.
    fn look(&self, _cx: Cx, then: Precondition) -> BoxFuture<'static, Result<Precondition>> {
        Box::pin(async move { Ok(then) })
    }

    /// The secrets that it reads for playbooks, by scheme.
    fn secrets(&self) -> &'static [SecretScheme] {
        &[]
    }

    /// What of it can be kept and brought back, by scheme.
    fn sources(&self) -> &'static [SourceScheme] {
        &[]
    }

    /// Where it keeps objects for others, by scheme.
    fn stores(&self) -> &'static [StoreScheme] {
        &[]
    }

    /// Where this system keeps leases on such a target, if it does.
    fn leases(&self, _target: &Target) -> Option<Arc<dyn Leases>> {
        None
    }

    /// The rules of this system's own access control that allow these needs and no more, in each form that it has, also if
    /// there are no needs.
    ///
    /// # Errors
    /// `Invalid` for a subject that cannot be one.
    fn policies(&self, _needs: &[Need], _grantee: &Grantee<'_>) -> Result<Vec<Policy>> {
        Ok(Vec::new())
    }

    /// What `doctor` says about this system on the call's target.
    fn examine(&self, _cx: Cx) -> BoxFuture<'static, Vec<Finding>> {
        Box::pin(async { Vec::new() })
    }
}

/// Something that a run was seen to ask for.
#[derive(Debug, Clone)]
pub struct Need {
    pub access: Access,
    /// If it was a request: its method, and its URI as the system made it.
    pub request: Option<(http::Method, http::Uri)>,
    /// The status of the answer.
    pub status: Option<u16>,
    /// The access's name was made up, so others will come instead: they are like this, with `*` for any characters.
    pub pattern: Option<String>,
}

/// Whom rules are for, and where they hold.
#[derive(Debug, Clone, Copy)]
pub struct Grantee<'a> {
    /// What the rules are for; a name of letters, digits and `-`.
    pub name: &'a str,
    pub target: &'a Target,
    /// In the system's own words; the one that is usual there, if it is not said.
    pub subject: Option<&'a str>,
}

/// Rules of a system's own access control.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// What such rules are called: `rbac`.
    pub form: &'static str,
    /// The rules, as that system's tools take them.
    pub text: String,
}

/// The body of an error answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub content_type: &'static str,
    pub body: bytes::Bytes,
}

/// One line of `doctor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub what: String,
    /// What was found; `Err` says what is wrong and how to get it right.
    pub found: Result<String, String>,
}

/// Where a run acts: a `[targets.NAME]` table of `opsrun.toml`, or an estate.
#[derive(Debug, Clone, Default)]
pub struct Target {
    pub name: String,
    /// Asks before it writes.
    pub protected: bool,
    /// What is allowed here, beyond what the project allows everywhere.
    pub grants: Vec<AccessPattern>,
    /// A section for each system, in that system's own terms.
    pub sections: BTreeMap<String, Value>,
}

impl Target {
    /// This system's section; `Null` if there is none.
    pub fn section(&self, system: &str) -> &Value {
        self.sections.get(system).unwrap_or(&Value::Null)
    }
}
