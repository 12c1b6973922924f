//! Leases: who may act on something now, kept where everybody who may want to act can see it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{BoxFuture, Cx, Result, Span};

/// A lease as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Who holds it; empty: nobody.
    pub holder: String,
    /// What for.
    #[serde(default)]
    pub reason: String,
    pub since: Timestamp,
    pub renewed: Timestamp,
    /// So long after it was renewed last, it is free.
    pub expiry: Span,
    /// Counts its holders: who has a lower number holds it no longer.
    pub number: u64,
}

impl Lease {
    /// Until when it is held, if it is not renewed.
    pub fn until(&self) -> Timestamp {
        self.expiry.after(self.renewed)
    }
}

/// A lease with what tells whether it is still as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptLease {
    pub lease: Lease,
    pub version: String,
}

/// Where a system keeps leases on a call's target. What it sends passes the gate as everything does.
pub trait Leases: Send + Sync {
    /// # Errors
    /// Those of the system.
    fn read(&self, cx: Cx, name: String) -> BoxFuture<'static, Result<Option<KeptLease>>>;

    /// Keeps it, if what is kept is still of this version (`None`: nothing is kept); `false` if it is not.
    ///
    /// # Errors
    /// Those of the system.
    fn write(
        &self,
        cx: Cx,
        name: String,
        lease: Lease,
        version: Option<String>,
    ) -> BoxFuture<'static, Result<bool>>;

    /// All, with their names, in order.
    ///
    /// # Errors
    /// Those of the system.
    fn list(&self, cx: Cx) -> BoxFuture<'static, Result<Vec<(String, Lease)>>>;
}
