//! What playbooks can do with AWS: a module for each service.

pub(crate) mod sts;

use opsrun_core::Module;

pub(crate) const MODULES: &[Module] =
    &[Module { path: "sts", doc: "Who a run is to AWS.", primitives: sts::PRIMITIVES }];
