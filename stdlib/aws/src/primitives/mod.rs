//! What playbooks can do with AWS: a module for each service.

pub(crate) mod s3;
pub(crate) mod sts;

use opsrun_core::Module;

pub(crate) const MODULES: &[Module] = &[
    Module {
        path: "s3",
        doc: "Objects in S3, or in a store that speaks its protocol.",
        primitives: s3::PRIMITIVES,
    },
    Module { path: "sts", doc: "Who a run is to AWS.", primitives: sts::PRIMITIVES },
];
