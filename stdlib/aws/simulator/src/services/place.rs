//! Where something is.

use crate::world::Caller;

/// A region of an account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'p> {
    pub(crate) account: &'p str,
    pub(crate) region: &'p str,
}

/// Where a request goes.
pub(crate) fn place(caller: &Caller) -> Place<'_> {
    Place { account: &caller.account, region: &caller.region }
}

impl Place<'_> {
    pub(crate) fn arn(self, service: &str, kind: &str, name: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{kind}:{name}", self.region, self.account)
    }

    /// What tells its addresses from those of other places (FNV-1a).
    pub(crate) fn number(self) -> u64 {
        self.account.bytes().chain(self.region.bytes()).fold(0x0cbf_29ce_4842_2325_u64, |sum, byte| {
            (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }
}
